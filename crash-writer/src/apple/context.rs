//! The registers of a thread, from what the kernel has stopped.

use core::ffi::c_void;

use super::mach::State;
use crate::registers::{Core, plain};

/// The context that the kernel hands to a signal handler.
#[derive(Clone, Copy)]
pub(crate) struct Context(*const libc::ucontext_t);

impl Context {
    /// # Safety
    /// `context` is what the kernel has handed to a handler that is still running.
    pub(crate) unsafe fn new(context: *const c_void) -> Self {
        Self(context.cast())
    }

    /// The signals that were blocked when the thread was interrupted.
    pub(crate) fn mask(self) -> u64 {
        // SAFETY: see `new`.
        u64::from(unsafe { (*self.0).uc_sigmask })
    }

    fn state(&self) -> &State {
        // SAFETY: see `new`; the kernel's context points to the registers that it has saved.
        unsafe { &(*(*self.0).uc_mcontext).__ss }
    }

    /// Visits the registers in the order of DWARF's numbers.
    pub(crate) fn each(self, visit: impl FnMut(usize, u64)) {
        each(self.state(), visit);
    }

    pub(crate) fn core(self) -> Core {
        core(self.state())
    }
}

/// Visits the registers in the order of DWARF's numbers.
#[cfg(target_arch = "aarch64")]
pub(crate) fn each(state: &State, mut visit: impl FnMut(usize, u64)) {
    for (at, value) in state.__x.iter().enumerate() {
        visit(at, *value);
    }
    for (at, value) in [(29, state.__fp), (30, state.__lr), (31, state.__sp), (32, state.__pc)] {
        visit(at, value);
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn core(state: &State) -> Core {
    Core { pc: plain(state.__pc), sp: plain(state.__sp), fp: plain(state.__fp), lr: plain(state.__lr) }
}

/// Visits the registers in the order of DWARF's numbers.
#[cfg(target_arch = "x86_64")]
pub(crate) fn each(state: &State, mut visit: impl FnMut(usize, u64)) {
    let registers = [
        state.__rax,
        state.__rdx,
        state.__rcx,
        state.__rbx,
        state.__rsi,
        state.__rdi,
        state.__rbp,
        state.__rsp,
        state.__r8,
        state.__r9,
        state.__r10,
        state.__r11,
        state.__r12,
        state.__r13,
        state.__r14,
        state.__r15,
        state.__rip,
    ];
    for (at, value) in registers.iter().enumerate() {
        visit(at, *value);
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn core(state: &State) -> Core {
    Core { pc: plain(state.__rip), sp: state.__rsp, fp: state.__rbp, lr: 0 }
}
