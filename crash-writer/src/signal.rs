//! A signal, and what follows from its kind.

use core::ffi::{c_int, c_void};

use crate::registers::Context;

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
    pub(crate) fn is_sent(self) -> bool {
        self.code() <= 0
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
