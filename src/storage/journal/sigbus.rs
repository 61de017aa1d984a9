//! Keeps the app alive when its journal file is truncated or cannot be read.
//!
//! Touching a page of a mapped file that is no longer there raises SIGBUS. The handler looks for
//! the address in a fixed table of the journals' mappings. If it finds it, it puts an anonymous
//! page at the address, marks the mapping as lost and returns, so that the instruction runs again.
//! Any other SIGBUS is passed on to the handler that was there before.
//!
//! The handler calls `mmap` and `sigaction`, which a signal handler may call on all supported
//! systems, and uses atomics. It must never allocate, lock or format.
#![allow(unsafe_code, reason = "signal handling")]

use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::model::limits::MAX_GUARDED_MAPPINGS;

/// A place in the table of mappings.
struct Slot {
    start: AtomicUsize,
    len: AtomicUsize,
    lost: AtomicBool,
    used: AtomicBool,
}

static TABLE: [Slot; MAX_GUARDED_MAPPINGS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        lost: AtomicBool::new(false),
        used: AtomicBool::new(false),
    }
}; MAX_GUARDED_MAPPINGS];
static PAGE: AtomicUsize = AtomicUsize::new(4096);
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());
/// The context of the signal that is being passed on, and where in the stack that happens. 0: none.
static PASSED: AtomicUsize = AtomicUsize::new(0);
static PASSED_AT: AtomicUsize = AtomicUsize::new(0);
static INSTALL: Once = Once::new();

/// Keeps a mapping in the table until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Option<usize>);

impl Guard {
    /// Enters a mapping into the table. With more than [`MAX_GUARDED_MAPPINGS`] mappings, the
    /// further ones are not guarded.
    pub(crate) fn protect(start: usize, len: usize) -> Self {
        install();
        let free = TABLE
            .iter()
            .position(|slot| slot.used.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok());
        if let Some(slot) = free.and_then(|at| TABLE.get(at)) {
            slot.lost.store(false, Ordering::Relaxed);
            slot.len.store(len, Ordering::Relaxed);
            slot.start.store(start, Ordering::Release);
        }
        Self(free)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.slot().is_some_and(|slot| slot.lost.load(Ordering::Relaxed))
    }

    fn slot(&self) -> Option<&'static Slot> {
        TABLE.get(self.0?)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = self.slot() {
            slot.start.store(0, Ordering::Release);
            slot.used.store(false, Ordering::Release);
        }
    }
}

/// Installs the handler, once in a process.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        PAGE.store(rustix::param::page_size(), Ordering::Relaxed);
        // SAFETY: `action` is fully initialised (zero is valid for every field, the handler and
        // flags are set), and the previous action is written to memory that is never freed.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            let previous: *mut libc::sigaction = Box::into_raw(Box::new(MaybeUninit::zeroed().assume_init()));
            PREVIOUS.store(previous, Ordering::Release);
            libc::sigaction(libc::SIGBUS, &raw const action, previous);
        }
    });
}

/// Puts an anonymous page at an address that lies in one of the mappings, whose page is gone. False
/// when it lies in none of them. It is called in signal handlers.
pub(crate) fn repair(address: usize) -> bool {
    for slot in &TABLE {
        let start = slot.start.load(Ordering::Acquire);
        let len = slot.len.load(Ordering::Relaxed);
        if start == 0 || address.wrapping_sub(start) >= len {
            continue;
        }
        slot.lost.store(true, Ordering::Relaxed);
        let page = PAGE.load(Ordering::Relaxed);
        let at = address & !(page - 1);
        // SAFETY: this replaces one page inside our own mapping, whose contents are gone. `errno`
        // is left as it was.
        return unsafe {
            let errno = errno_location();
            let saved = *errno;
            let mapped = libc::mmap(
                at as *mut libc::c_void,
                page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
                -1,
                0,
            );
            *errno = saved;
            mapped != libc::MAP_FAILED
        };
    }
    false
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler.
    let address = unsafe { (*info).si_addr() } as usize;
    if repair(address) {
        return;
    }
    // Another SDK that has installed itself before us and once more after us passes the signal on
    // to us again, for ever. We are deeper in the stack then than when we passed it on.
    let here = std::hint::black_box(0u8);
    let here = &raw const here as usize;
    let is_called_back = PASSED.load(Ordering::Acquire) == context as usize && here < PASSED_AT.load(Ordering::Acquire);
    PASSED_AT.store(here, Ordering::Release);
    PASSED.store(context as usize, Ordering::Release);
    // SAFETY: the previous action was filled by the kernel when ours was installed.
    unsafe { if is_called_back { end(signal) } else { pass_on(signal, info, context) } }
    PASSED.store(0, Ordering::Release);
}

/// Lets the instruction run again and fault again, so that the default action ends the process with
/// the true cause.
unsafe fn end(signal: libc::c_int) {
    // SAFETY: zero is valid for every field.
    unsafe {
        let mut default: libc::sigaction = MaybeUninit::zeroed().assume_init();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, std::ptr::null_mut());
    }
}

/// Passes a SIGBUS that concerns no journal on to the handler that was installed before.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: see the caller; the pointers to functions were registered as handlers of exactly
    // these types.
    unsafe {
        let previous = PREVIOUS.load(Ordering::Acquire);
        if previous.is_null() {
            return;
        }
        let function = (*previous).sa_sigaction;
        if function == libc::SIG_DFL || function == libc::SIG_IGN {
            end(signal);
        } else if (*previous).sa_flags & libc::SA_SIGINFO != 0 {
            let function: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(function);
            function(signal, info, context);
        } else {
            let function: extern "C" fn(libc::c_int) = std::mem::transmute(function);
            function(signal);
        }
    }
}

#[cfg(target_os = "android")]
unsafe fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__errno() }
}

#[cfg(target_os = "linux")]
unsafe fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__errno_location() }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__error() }
}
