//! Writes an exception of another thread into a slot of the run file, and decides what becomes of
//! it.
//!
//! - A page of ours has lost its memory: repair it, and let the thread go on.
//! - Somebody had the port before us: the slot is provisional. He gets the port back, and the
//!   instruction runs again, so that the kernel asks him. If he passes the exception on to us, it
//!   is refused.
//! - Else it is refused, and the signal follows. The slot is confirmed if the app leaves the signal
//!   to the system; if it has a handler that may recover, it is provisional.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use libc::mach_port_t;

use super::exception::{BAD_ACCESS, Cause, cause, comes_again};
use super::mach::{KERN_FAILURE, KERN_SUCCESS, State};
use super::message::Request;
use super::{context, ports, sys, threads};
use crate::handler;
use crate::layout::{SLOT_AT, slot};
use crate::memory::Memory;
use crate::registers::Core;
use crate::words::{Stage, Verdict, flags};
use crate::write::{self, Crash, Writer};

/// The thread goes on.
pub(crate) const GOES_ON: u32 = KERN_SUCCESS as u32;
/// The kernel asks the next one.
pub(crate) const REFUSED: u32 = KERN_FAILURE as u32;

/// An exception of a thread that is stopped.
#[derive(Clone, Copy)]
struct Exception<'a> {
    cause: Cause,
    thread: u32,
    name: [u64; 2],
    state: &'a State,
}

impl Crash for Exception<'_> {
    fn number(self) -> c_int {
        self.cause.signal
    }

    fn code(self) -> i32 {
        self.cause.code
    }

    fn address(self) -> u64 {
        self.cause.address
    }

    fn sender(self) -> u32 {
        0
    }

    fn thread_name(self) -> [u64; 2] {
        self.name
    }

    fn core(self) -> Core {
        context::core(self.state)
    }

    fn each_register(self, visit: impl FnMut(usize, u64)) {
        context::each(self.state, visit);
    }
}

/// The last exception that was handed over to who had the port before.
struct Handed {
    thread: AtomicU32,
    pc: AtomicU64,
    sp: AtomicU64,
    address: AtomicU64,
}

static HANDED: Handed =
    Handed { thread: AtomicU32::new(0), pc: AtomicU64::new(0), sp: AtomicU64::new(0), address: AtomicU64::new(0) };

impl Handed {
    fn set(&self, crash: Exception<'_>) {
        let core = crash.core();
        self.pc.store(core.pc, Ordering::Release);
        self.sp.store(core.sp, Ordering::Release);
        self.address.store(crash.address(), Ordering::Release);
        self.thread.store(crash.thread, Ordering::Release);
    }

    fn is(&self, crash: Exception<'_>) -> bool {
        let core = crash.core();
        self.thread.load(Ordering::Acquire) == crash.thread
            && self.pc.load(Ordering::Acquire) == core.pc
            && self.sp.load(Ordering::Acquire) == core.sp
            && self.address.load(Ordering::Acquire) == crash.address()
    }
}

/// Forgets which exception was handed over: the process has survived it.
pub(crate) fn survived() {
    HANDED.thread.store(0, Ordering::Release);
}

/// Writes an exception of a thread. What is to be answered.
pub(crate) fn handle(request: &Request, thread: mach_port_t) -> u32 {
    let Some(state) = threads::state(thread) else { return REFUSED };
    let Some(crash) = exception(request, thread, &state) else { return REFUSED };
    if request.kind == BAD_ACCESS && handler::repair(crash.cause.address as usize) {
        return GOES_ON;
    }
    if HANDED.is(crash) {
        // He passes it on to us, to whom he came before and after: nobody else is to be asked.
        handler::with_file(|memory| {
            for at in SLOT_AT {
                if handler::verdict(memory, at) == Verdict::Provisional && handler::is_owner(memory, at, crash.thread) {
                    handler::judge(memory, at, of_signal(crash));
                }
            }
        });
        return REFUSED;
    }
    let is_asked = ports::has_previous(request.kind) && comes_again(request.kind);
    let slot = handler::with_file(|memory| write(memory, crash)).flatten();
    let is_handed = is_asked && ports::hand_over(request.kind);
    if is_handed {
        HANDED.set(crash);
    }
    let verdict = if is_handed { Verdict::Provisional } else { of_signal(crash) };
    handler::with_file(|memory| {
        if let Some(at) = slot {
            handler::judge(memory, at, verdict);
        }
    });
    if is_handed { GOES_ON } else { REFUSED }
}

fn exception<'a>(request: &Request, thread: mach_port_t, state: &'a State) -> Option<Exception<'a>> {
    let cause = cause(request.kind, request.codes, context::core(state).sp)?;
    // A run file has room for the lower half.
    let number = threads::number(thread)? as u32;
    Some(Exception { cause, thread: number, name: threads::name(thread), state })
}

/// What the signal makes of a crash that nobody takes.
fn of_signal(crash: Exception<'_>) -> Verdict {
    match sys::action_of(crash.number()).handler {
        libc::SIG_DFL => Verdict::Confirmed,
        _ => Verdict::Provisional,
    }
}

/// Writes a crash into a slot. Where that is; it is not judged yet.
fn write(memory: Memory, crash: Exception<'_>) -> Option<usize> {
    let started = sys::clock(sys::AWAKE_TIME);
    let Some((index, at)) = handler::begin_other(memory, crash.thread) else {
        handler::wait(memory);
        return None;
    };
    write::write(memory, at, index != 0, crash, Writer { thread: crash.thread, started });
    memory.put_word(at.wrapping_add(slot::TOOK), sys::clock(sys::AWAKE_TIME).wrapping_sub(started));
    memory.publish(at.wrapping_add(slot::STAGE), Stage::Done as u32);
    // Another thread's crash comes first: the process is about to end of it.
    if index != 0 {
        handler::wait(memory);
    }
    Some(at)
}

/// Writes a crash of the server itself, while it wrote another.
pub(crate) fn own(request: &Request, thread: mach_port_t) {
    handler::with_file(|memory| {
        for at in SLOT_AT {
            if handler::verdict(memory, at) == Verdict::Writing {
                handler::flag(memory, at, flags::INTERRUPTED);
                handler::judge(memory, at, Verdict::Confirmed);
            }
        }
        let (Some(state), Some(at)) = (threads::state(thread), SLOT_AT.last()) else { return };
        let Some(crash) = exception(request, thread, &state) else { return };
        memory.half(at.wrapping_add(slot::FLAGS)).store(flags::NESTED, Ordering::Release);
        handler::judge(memory, *at, Verdict::Writing);
        write::registers(memory, *at, crash, Writer { thread: crash.thread, started: sys::clock(sys::AWAKE_TIME) });
        handler::judge(memory, *at, Verdict::Confirmed);
    });
}
