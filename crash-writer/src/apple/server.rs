//! The threads that wait for exceptions: the first for those of all threads, the second for those
//! of the first.

use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use libc::mach_port_t;

use super::exception::comes_again;
use super::mach::{self, KERN_SUCCESS};
use super::message::{self, BYTES, Request};
use super::record::{self, GOES_ON, REFUSED};
use super::{ports, sys, threads};

/// Bytes of a thread's stack. The system adds a guard below.
const STACK: usize = 128 * 1024;

/// The port of the first thread; 0 before it is started.
static PORT: AtomicU32 = AtomicU32::new(0);

/// Whether the first thread has crashed. Nothing is installed again in this process.
static IS_DEAD: AtomicBool = AtomicBool::new(false);

/// A message, where its words are aligned.
#[repr(C, align(8))]
struct Buffer([u8; BYTES]);

/// The request that the first thread is answering. Whoever takes it answers it.
struct InHand {
    answer_to: AtomicU32,
    right: AtomicU32,
    id: AtomicU32,
    kind: AtomicU32,
}

static IN_HAND: InHand =
    InHand { answer_to: AtomicU32::new(0), right: AtomicU32::new(0), id: AtomicU32::new(0), kind: AtomicU32::new(0) };

impl InHand {
    fn put(&self, request: &Request) {
        self.right.store(request.right, Ordering::Release);
        self.id.store(request.id, Ordering::Release);
        self.kind.store(request.kind as u32, Ordering::Release);
        self.answer_to.store(request.answer_to, Ordering::Release);
    }

    /// Answers it, if nobody has. `code` is asked with its kind.
    fn answer(&self, code: impl FnOnce(i32) -> u32) -> bool {
        let answer_to = self.answer_to.swap(0, Ordering::AcqRel);
        if answer_to != 0 {
            let kind = self.kind.load(Ordering::Acquire) as i32;
            send(self.id.load(Ordering::Acquire), answer_to, self.right.load(Ordering::Acquire), code(kind));
        }
        answer_to != 0
    }
}

/// The port of the first thread, if it is started and has not crashed.
pub(crate) fn port() -> Option<mach_port_t> {
    let port = PORT.load(Ordering::Acquire);
    (port != mach::PORT_NULL && !IS_DEAD.load(Ordering::Acquire)).then_some(port)
}

/// Starts the threads, once in a process. The port that exceptions go to. One thread at a time.
pub(crate) fn start() -> Option<mach_port_t> {
    if let Some(port) = port() {
        return Some(port);
    }
    if IS_DEAD.load(Ordering::Acquire) {
        return None;
    }
    let (first, second) = (new_port()?, new_port()?);
    spawn(second, run_second)?;
    let thread = spawn(first, run_first)?;
    // Without the second thread, a crash of the first would leave the process standing for ever.
    if !ports::watch(thread, second) {
        return None;
    }
    PORT.store(first, Ordering::Release);
    Some(first)
}

/// A port that we receive from, with a right to send to it, which the kernel needs.
fn new_port() -> Option<mach_port_t> {
    let mut port = mach::PORT_NULL;
    // SAFETY: `port` is the kernel's to write, and then a right of ours.
    let is_made = unsafe {
        mach::mach_port_allocate(mach::task(), mach::RIGHT_RECEIVE, &raw mut port) == KERN_SUCCESS
            && mach::mach_port_insert_right(mach::task(), port, port, mach::TYPE_MAKE_SEND) == KERN_SUCCESS
    };
    is_made.then_some(port)
}

/// Starts a thread that nobody waits for. Its port.
fn spawn(port: mach_port_t, run: extern "C" fn(*mut c_void) -> *mut c_void) -> Option<mach_port_t> {
    // SAFETY: each call gets what its manual page asks for. The thread never ends, so its handle
    // stays valid.
    unsafe {
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        let mut thread: libc::pthread_t = core::mem::zeroed();
        if libc::pthread_attr_init(&raw mut attributes) != 0 {
            return None;
        }
        let is_started = libc::pthread_attr_setstacksize(&raw mut attributes, STACK) == 0
            && libc::pthread_attr_setdetachstate(&raw mut attributes, libc::PTHREAD_CREATE_DETACHED) == 0
            && libc::pthread_create(&raw mut thread, &raw const attributes, run, port as usize as *mut c_void) == 0;
        libc::pthread_attr_destroy(&raw mut attributes);
        is_started.then(|| libc::pthread_mach_thread_np(thread))
    }
}

extern "C" fn run_first(port: *mut c_void) -> *mut c_void {
    prepare(c"throughline-crash");
    loop {
        if let Some(request) = receive(port as usize as mach_port_t) {
            IN_HAND.put(&request);
            let thread = threads::find(&request);
            let code = thread.map_or(REFUSED, |thread| record::handle(&request, thread));
            IN_HAND.answer(|_| code);
            give_back(&request, thread);
        }
    }
}

extern "C" fn run_second(port: *mut c_void) -> *mut c_void {
    prepare(c"throughline-crash-2");
    loop {
        if let Some(request) = receive(port as usize as mach_port_t) {
            let first = PORT.load(Ordering::Acquire);
            IS_DEAD.store(true, Ordering::Release);
            // Before anything else: a crash of this thread must find nobody of ours.
            ports::abandon();
            let thread = threads::find(&request);
            if let Some(thread) = thread {
                record::own(&request, thread);
            }
            // The process is to die of the first exception, as if we were not there. The first
            // thread stays stopped: nobody needs it any more.
            if !IN_HAND.answer(as_if_not_there) {
                send(request.id, request.answer_to, request.right, REFUSED);
            }
            give_back(&request, thread);
            if first != mach::PORT_NULL {
                serve_rest(first);
            }
        }
    }
}

/// Answers in place of the first thread, whose port nobody knows any more: what has come before.
fn serve_rest(port: mach_port_t) -> ! {
    loop {
        if let Some(request) = receive(port) {
            send(request.id, request.answer_to, request.right, as_if_not_there(request.kind));
            give_back(&request, threads::find(&request));
        }
    }
}

/// The answer to an exception of a kind whose port was given back.
fn as_if_not_there(kind: i32) -> u32 {
    if ports::has_previous(kind) && comes_again(kind) { GOES_ON } else { REFUSED }
}

/// Names this thread, and keeps the app's signals away from its small stack.
fn prepare(name: &CStr) {
    let all: libc::sigset_t = !0;
    // SAFETY: both are only read.
    unsafe {
        libc::pthread_setname_np(name.as_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, core::ptr::null_mut());
    }
}

/// Waits for a message. `None` if it is no exception.
fn receive(port: mach_port_t) -> Option<Request> {
    let mut buffer = Buffer([0; BYTES]);
    // SAFETY: the buffer is ours, aligned, and as long as is said.
    let answer = unsafe {
        mach::mach_msg(
            buffer.0.as_mut_ptr().cast(),
            mach::RECEIVE,
            0,
            BYTES as u32,
            port,
            mach::NO_TIMEOUT,
            mach::PORT_NULL,
        )
    };
    if answer != KERN_SUCCESS {
        // A message that is too long is gone. Whatever else it is must not take a whole processor.
        sys::nap();
        return None;
    }
    message::parse(&buffer.0)
}

fn send(id: u32, answer_to: u32, right: u32, code: u32) {
    let mut answer = message::answer(id, answer_to, right, code);
    // SAFETY: the message is ours and as long as is said.
    unsafe {
        mach::mach_msg(
            answer.as_mut_ptr(),
            mach::SEND,
            message::ANSWER_BYTES,
            0,
            mach::PORT_NULL,
            mach::NO_TIMEOUT,
            mach::PORT_NULL,
        )
    };
}

/// Gives back the rights that came with a request, and the one to its thread.
fn give_back(request: &Request, thread: Option<mach_port_t>) {
    threads::give_back(request.task);
    if let Some(thread) = thread {
        threads::give_back(thread);
    }
}
