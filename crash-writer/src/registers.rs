//! The registers of an interrupted thread, from the context that the kernel hands to a handler.
//!
//! They are kept in the order of DWARF's numbers, which is what an unwinder asks for.

#[cfg(not(target_vendor = "apple"))]
use core::ffi::c_void;

#[cfg(target_vendor = "apple")]
pub(crate) use crate::apple::context::Context;

/// How many registers are kept at most.
pub(crate) const MAX: usize = 40;

/// What the handler needs of the registers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Core {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) fp: u64,
    /// Where a leaf function returns to; 0 where that is on the stack.
    pub(crate) lr: u64,
}

/// The interrupted thread's context.
#[cfg(not(target_vendor = "apple"))]
#[derive(Clone, Copy)]
pub(crate) struct Context(*const libc::ucontext_t);

#[cfg(not(target_vendor = "apple"))]
impl Context {
    /// # Safety
    /// `context` is what the kernel has handed to a handler that is still running.
    pub(crate) unsafe fn new(context: *const c_void) -> Self {
        Self(context.cast())
    }

    /// The signals that were blocked when the thread was interrupted.
    pub(crate) fn mask(self) -> u64 {
        // libc calls the field by three names.
        #[cfg(not(all(target_os = "android", not(target_arch = "aarch64"))))]
        // SAFETY: see `new`.
        let mask = unsafe { &raw const (*self.0).uc_sigmask };
        #[cfg(all(target_os = "android", target_arch = "x86_64"))]
        // SAFETY: see `new`.
        let mask = unsafe { &raw const (*self.0).uc_sigmask64 };
        #[cfg(all(target_os = "android", target_pointer_width = "32"))]
        // SAFETY: see `new`.
        let mask = unsafe { &raw const (*self.0).uc_sigmask__c_anonymous_union };
        // SAFETY: the kernel's mask has eight bytes, and the structure has room for it everywhere.
        unsafe { mask.cast::<u64>().read_unaligned() }
    }

    /// Visits the registers in the order of DWARF's numbers.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn each(self, mut visit: impl FnMut(usize, u64)) {
        use libc::*;
        const ORDER: [c_int; 17] = [
            REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11,
            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
        ];
        for (at, register) in ORDER.iter().enumerate() {
            visit(at, self.general(*register as usize));
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn general(self, at: usize) -> u64 {
        // SAFETY: see `new`.
        let registers = unsafe { &(*self.0).uc_mcontext.gregs };
        registers.get(at).map_or(0, |value| *value as u64)
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn core(self) -> Core {
        Core {
            pc: self.general(libc::REG_RIP as usize),
            sp: self.general(libc::REG_RSP as usize),
            fp: self.general(libc::REG_RBP as usize),
            lr: 0,
        }
    }

    /// Visits the registers in the order of DWARF's numbers.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn each(self, mut visit: impl FnMut(usize, u64)) {
        // SAFETY: see `new`.
        let machine = unsafe { &(*self.0).uc_mcontext };
        for (at, value) in machine.regs.iter().enumerate() {
            visit(at, *value);
        }
        visit(31, machine.sp);
        visit(32, machine.pc);
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn core(self) -> Core {
        // SAFETY: see `new`.
        let machine = unsafe { &(*self.0).uc_mcontext };
        let register = |at: usize| machine.regs.get(at).copied().unwrap_or(0);
        Core { pc: machine.pc, sp: machine.sp, fp: register(29), lr: register(30) }
    }

    /// Visits the registers in the order of DWARF's numbers.
    #[cfg(target_arch = "arm")]
    pub(crate) fn each(self, mut visit: impl FnMut(usize, u64)) {
        // SAFETY: see `new`.
        let machine = unsafe { &(*self.0).uc_mcontext };
        let registers = [
            machine.arm_r0,
            machine.arm_r1,
            machine.arm_r2,
            machine.arm_r3,
            machine.arm_r4,
            machine.arm_r5,
            machine.arm_r6,
            machine.arm_r7,
            machine.arm_r8,
            machine.arm_r9,
            machine.arm_r10,
            machine.arm_fp,
            machine.arm_ip,
            machine.arm_sp,
            machine.arm_lr,
            machine.arm_pc,
        ];
        for (at, value) in registers.iter().enumerate() {
            visit(at, u64::from(*value));
        }
    }

    #[cfg(target_arch = "arm")]
    pub(crate) fn core(self) -> Core {
        // SAFETY: see `new`.
        let machine = unsafe { &(*self.0).uc_mcontext };
        // Thumb code has its frame pointer in r7, Arm code in r11, and neither chain is kept by
        // most compilers: pc and lr are what can be relied on.
        Core { pc: machine.arm_pc.into(), sp: machine.arm_sp.into(), fp: 0, lr: machine.arm_lr.into() }
    }

    /// Visits the registers: those of general use in the kernel's order.
    #[cfg(target_arch = "x86")]
    pub(crate) fn each(self, mut visit: impl FnMut(usize, u64)) {
        // SAFETY: see `new`.
        let registers = unsafe { &(*self.0).uc_mcontext.gregs };
        for (at, value) in registers.iter().enumerate() {
            visit(at, u64::from(*value as u32));
        }
    }

    #[cfg(target_arch = "x86")]
    pub(crate) fn core(self) -> Core {
        // SAFETY: see `new`.
        let registers = unsafe { &(*self.0).uc_mcontext.gregs };
        let register = |at: libc::c_int| registers.get(at as usize).map_or(0, |value| u64::from(*value as u32));
        Core { pc: register(libc::REG_EIP), sp: register(libc::REG_ESP), fp: register(libc::REG_EBP), lr: 0 }
    }
}

/// An address without what the processor or the linker has written into its upper bits: the
/// signature of a return address on arm64. iOS devices use 39 bits of an address.
pub(crate) fn plain(address: u64) -> u64 {
    // A simulator and an iPad app on a Mac have the addresses of a Mac.
    let is_device = cfg!(all(target_os = "ios", not(any(target_abi = "sim", target_abi = "macabi"))));
    if is_device && cfg!(target_arch = "aarch64") {
        address & 0x0000_007f_ffff_ffff
    } else if cfg!(target_arch = "aarch64") {
        address & 0x0000_ffff_ffff_ffff
    } else {
        address
    }
}
