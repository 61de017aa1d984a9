//! A signal, and what follows from its kind.

use core::ffi::{c_int, c_void};

use crate::registers::{Context, Core};
use crate::sys;
use crate::write::Crash;

/// A signal, as the kernel hands it over.
#[derive(Clone, Copy)]
pub(crate) struct Signal {
    pub(crate) number: c_int,
    pub(crate) info: *mut libc::siginfo_t,
    pub(crate) context: *mut c_void,
}

impl Signal {
    pub(crate) fn code(self) -> i32 {
        // SAFETY: the kernel passes a valid siginfo to a handler of our kind.
        unsafe { (*self.info).si_code }
    }

    /// Whether a process has sent the signal, not the processor.
    #[cfg(not(target_vendor = "apple"))]
    pub(crate) fn is_sent(self) -> bool {
        self.code() <= 0
    }

    /// Whether a process has sent the signal, not the processor. Apple's numbers for that are 0 and
    /// those from `SI_USER` on.
    #[cfg(target_vendor = "apple")]
    pub(crate) fn is_sent(self) -> bool {
        const SI_USER: i32 = 0x10001;
        self.number == libc::SIGABRT || self.code() <= 0 || self.code() >= SI_USER
    }

    /// The address that was accessed; 0 for a signal that was sent.
    pub(crate) fn address(self) -> u64 {
        if self.is_sent() {
            return 0;
        }
        // SAFETY: as above; a fault carries an address.
        unsafe { (*self.info).si_addr() as usize as u64 }
    }

    pub(crate) fn context(self) -> Context {
        // SAFETY: the kernel passes a valid context to a handler of our kind, which is running.
        unsafe { Context::new(self.context) }
    }

    /// Whether the instruction faults again when it is run again. A trap and a refused system call
    /// are not run again, and a hardware error that only announces itself is none of the thread's.
    pub(crate) fn comes_again(self) -> bool {
        const ANNOUNCED: i32 = 5;
        let is_fault = matches!(self.number, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL);
        is_fault && !self.is_sent() && !(self.number == libc::SIGBUS && self.code() == ANNOUNCED)
    }
}

impl Crash for Signal {
    fn number(self) -> c_int {
        self.number
    }

    fn code(self) -> i32 {
        Signal::code(self)
    }

    fn address(self) -> u64 {
        Signal::address(self)
    }

    fn sender(self) -> u32 {
        // SAFETY: the kernel passes a valid siginfo; a signal that was sent carries its sender.
        if self.is_sent() { unsafe { (*self.info).si_pid() as u32 } } else { 0 }
    }

    fn thread_name(self) -> [u64; 2] {
        sys::thread_name()
    }

    fn core(self) -> Core {
        self.context().core()
    }

    fn each_register(self, visit: impl FnMut(usize, u64)) {
        self.context().each(visit);
    }
}
