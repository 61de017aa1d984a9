//! The handlers that were there before ours.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::handler::handler;
use crate::signal::Signal;
use crate::sys::{self, KernelAction};

/// The signals that are handled: `abort` has no Mach exception, everything else has.
#[cfg(target_vendor = "apple")]
pub const SIGNALS: [c_int; 1] = [libc::SIGABRT];

/// The signals that are handled.
#[cfg(not(target_vendor = "apple"))]
pub const SIGNALS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

struct Kept {
    /// Whether ours is somewhere among the handlers: 0 or 1. It stays there when another has come
    /// on top.
    is_in: AtomicUsize,
    function: AtomicUsize,
    flags: AtomicUsize,
    mask: [AtomicUsize; 2],
}

static KEPT: [Kept; SIGNALS.len()] = [const {
    Kept {
        is_in: AtomicUsize::new(0),
        function: AtomicUsize::new(libc::SIG_DFL),
        flags: AtomicUsize::new(0),
        mask: [AtomicUsize::new(0), AtomicUsize::new(0)],
    }
}; SIGNALS.len()];

/// The action of a signal before ours.
#[derive(Clone, Copy)]
pub(crate) struct Previous {
    action: usize,
    flags: usize,
    mask: u64,
}

impl Previous {
    pub(crate) fn is_ignored(self) -> bool {
        self.action == libc::SIG_IGN
    }

    /// The function that was there, if there was one.
    pub(crate) fn function(self) -> Option<usize> {
        (self.action != libc::SIG_DFL && self.action != libc::SIG_IGN).then_some(self.action)
    }
}

fn kept(signal: c_int) -> Option<&'static Kept> {
    KEPT.get(SIGNALS.iter().position(|known| *known == signal)?)
}

/// The action of a signal before ours.
pub(crate) fn previous(signal: c_int) -> Previous {
    let Some(kept) = kept(signal) else { return Previous { action: libc::SIG_DFL, flags: 0, mask: 0 } };
    let [low, high] = &kept.mask;
    Previous {
        action: kept.function.load(Ordering::Acquire),
        flags: kept.flags.load(Ordering::Acquire),
        mask: low.load(Ordering::Acquire) as u64 | (high.load(Ordering::Acquire) as u64) << 32,
    }
}

/// Installs the handler for every signal that has another one now. True if all are ours then.
pub(crate) fn install() -> bool {
    let mut all = true;
    for (signal, kept) in SIGNALS.iter().zip(&KEPT) {
        // SAFETY: zero is valid for every field; the function and the flags are set below. With
        // no mask and with SA_NODEFER, a crash of the handler itself comes to the handler.
        unsafe {
            let mut ours: libc::sigaction = core::mem::zeroed();
            ours.sa_sigaction = handler as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&raw mut ours.sa_mask);
            let mut before: libc::sigaction = core::mem::zeroed();
            if libc::sigaction(*signal, core::ptr::null(), &raw mut before) != 0 {
                all = false;
                continue;
            }
            // Somebody has come on top of ours and passes on to it. On top of him ours would have
            // him for the handler before, and the two would call each other for ever.
            let is_below = kept.is_in.load(Ordering::Acquire) == 1
                && before.sa_sigaction != libc::SIG_DFL
                && before.sa_sigaction != libc::SIG_IGN;
            if before.sa_sigaction == ours.sa_sigaction || is_below {
                continue;
            }
            // Kept before the handler is there, which asks for it.
            keep(kept, &before);
            let is_set = libc::sigaction(*signal, &raw const ours, &raw mut before) == 0;
            all &= is_set;
            if is_set {
                kept.is_in.store(1, Ordering::Release);
            }
            if before.sa_sigaction != ours.sa_sigaction {
                keep(kept, &before);
            }
        }
    }
    all
}

fn keep(kept: &Kept, action: &libc::sigaction) {
    // SAFETY: a mask of libc's has at least eight bytes on every system here but 32-bit Android,
    // where it has four, and one signal more than 32 is none of ours.
    let low = unsafe { (&raw const action.sa_mask).cast::<u32>().read_unaligned() };
    kept.flags.store(action.sa_flags as u32 as usize, Ordering::Release);
    let [first, _] = &kept.mask;
    first.store(low as usize, Ordering::Release);
    kept.function.store(action.sa_sigaction, Ordering::Release);
}

/// Puts back the handlers that were there before, where ours is still the one that the kernel
/// calls. Where another has come on top, ours stays and passes everything on.
pub(crate) fn uninstall() {
    for (signal, kept) in SIGNALS.iter().zip(&KEPT) {
        // SAFETY: zero is valid for every field; the values are those that were there.
        unsafe {
            let mut now: libc::sigaction = core::mem::zeroed();
            let is_known = libc::sigaction(*signal, core::ptr::null(), &raw mut now) == 0;
            if !is_known || now.sa_sigaction != handler as *const () as usize {
                continue;
            }
            let mut before: libc::sigaction = core::mem::zeroed();
            before.sa_sigaction = kept.function.load(Ordering::Acquire);
            before.sa_flags = kept.flags.load(Ordering::Acquire) as c_int;
            libc::sigemptyset(&raw mut before.sa_mask);
            let [low, _] = &kept.mask;
            (&raw mut before.sa_mask).cast::<u32>().write_unaligned(low.load(Ordering::Acquire) as u32);
            if libc::sigaction(*signal, &raw const before, core::ptr::null_mut()) == 0 {
                kept.is_in.store(0, Ordering::Release);
            }
        }
    }
}

/// Whether somebody has put our handler back with `signal`, so that it is called without the facts
/// about the signal. It is then installed again as it should be.
pub(crate) fn was_registered_without_info(signal: c_int) -> bool {
    let mut action = sys::action_of(signal);
    let is_wrong = action.handler == handler as *const () as usize && action.flags & libc::SA_SIGINFO as usize == 0;
    if is_wrong {
        action.flags |= (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER) as usize;
        sys::set_action(signal, action);
    }
    is_wrong
}

/// Sets the system's own action for a signal.
pub(crate) fn set_default(signal: c_int) {
    sys::set_action(signal, KernelAction::DEFAULT);
}

/// Calls the function that was there before, as the kernel would have.
pub(crate) fn call(signal: Signal, previous: Previous) {
    let Some(function) = previous.function() else { return };
    let flag = |flag: c_int| previous.flags & flag as u32 as usize != 0;
    if flag(libc::SA_RESETHAND)
        && let Some(kept) = kept(signal.number)
    {
        // It wanted to be called once. The kernel would have put the system's action in its place.
        kept.function.store(libc::SIG_DFL, Ordering::Release);
    }
    let own = if flag(libc::SA_NODEFER) { 0 } else { 1u64.wrapping_shl((signal.number as u32).wrapping_sub(1)) };
    // What the other handler does is its own affair.
    #[cfg(feature = "testing")]
    crate::faults::left();
    sys::set_mask(signal.context().mask() | previous.mask | own);
    // SAFETY: the function was registered as a handler of exactly the type that its flags say.
    unsafe {
        if flag(libc::SA_SIGINFO) {
            let function: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                core::mem::transmute(function);
            function(signal.number, signal.info, signal.context);
        } else {
            let function: unsafe extern "C" fn(c_int) = core::mem::transmute(function);
            function(signal.number);
        }
    }
}
