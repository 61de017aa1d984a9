//! What a Mach exception is as a signal: the kernel makes the same of it when nobody takes it.

use core::ffi::c_int;

/// Kinds of exceptions (`mach/exception_types.h`).
pub(crate) const BAD_ACCESS: i32 = 1;
pub(crate) const BAD_INSTRUCTION: i32 = 2;
pub(crate) const ARITHMETIC: i32 = 3;
pub(crate) const BREAKPOINT: i32 = 6;

/// The kinds that are asked for, one bit each.
pub(crate) const MASK: u32 = bit(BAD_ACCESS) | bit(BAD_INSTRUCTION) | bit(ARITHMETIC) | bit(BREAKPOINT);

/// How far from the stack pointer an address is that a stack has overflowed with.
const GUARD: u64 = 64 * 1024;

/// The bit of a kind.
pub(crate) const fn bit(kind: i32) -> u32 {
    1u32.wrapping_shl(kind as u32)
}

/// An exception in the words of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) signal: c_int,
    /// `si_code`, where Apple's number for it is also that of Linux; else 0, which says nothing.
    pub(crate) code: i32,
    /// The address that was accessed; 0 for other exceptions.
    pub(crate) address: u64,
}

/// The cause of an exception, with its two codes and the thread's stack pointer. `None` for a kind
/// that is not asked for.
pub(crate) const fn cause(kind: i32, codes: [i64; 2], sp: u64) -> Option<Cause> {
    /// `mach/kern_return.h`, `mach/i386/exception.h`, `mach/arm/exception.h`.
    const INVALID_ADDRESS: i64 = 1;
    const PROTECTION_FAILURE: i64 = 2;
    const INTEL_PROTECTION: i64 = 13;
    const ARM_ALIGNMENT: i64 = 0x101;
    let [code, second] = codes;
    let address = second as u64;
    let is_stack = address.abs_diff(sp) <= GUARD;
    Some(match (kind, code) {
        (BAD_ACCESS, INVALID_ADDRESS) => Cause { signal: libc::SIGSEGV, code: 1, address },
        // The guard below a stack is protected memory, and the kernel tells the two apart.
        (BAD_ACCESS, PROTECTION_FAILURE) if is_stack => Cause { signal: libc::SIGSEGV, code: 2, address },
        (BAD_ACCESS, PROTECTION_FAILURE) => Cause { signal: libc::SIGBUS, code: 2, address },
        (BAD_ACCESS, INTEL_PROTECTION) => Cause { signal: libc::SIGSEGV, code: 0, address },
        (BAD_ACCESS, ARM_ALIGNMENT) => Cause { signal: libc::SIGBUS, code: 1, address },
        (BAD_ACCESS, _) => Cause { signal: libc::SIGBUS, code: 0, address },
        (BAD_INSTRUCTION, _) => Cause { signal: libc::SIGILL, code: 1, address: 0 },
        (ARITHMETIC, _) => Cause { signal: libc::SIGFPE, code: 0, address: 0 },
        (BREAKPOINT, _) => Cause { signal: libc::SIGTRAP, code: 1, address: 0 },
        _ => return None,
    })
}

/// Whether the instruction runs again when the thread goes on. Intel's breakpoint is behind it.
pub(crate) const fn comes_again(kind: i32) -> bool {
    kind != BREAKPOINT || cfg!(target_arch = "aarch64")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: u64 = 0x16f0_0000;

    const fn is(kind: i32, codes: [i64; 2], signal: c_int, code: i32, address: u64) -> bool {
        match cause(kind, codes, STACK) {
            Some(cause) => cause.signal == signal && cause.code == code && cause.address == address,
            None => false,
        }
    }

    // The compiler computes these, so that they hold wherever the file is checked.

    #[test]
    fn a_jump_to_nowhere_is_no_bus_error() {
        const _: () = assert!(is(BAD_ACCESS, [1, 0], libc::SIGSEGV, 1, 0));
        const _: () = assert!(is(BAD_ACCESS, [1, i64::MIN], libc::SIGSEGV, 1, 1 << 63));
        const _: () = assert!(is(BAD_ACCESS, [13, 0], libc::SIGSEGV, 0, 0));
    }

    #[test]
    fn a_stack_overflow_is_no_bus_error_and_a_write_to_code_is_one() {
        const _: () = assert!(is(BAD_ACCESS, [2, 0x16ef_fff0], libc::SIGSEGV, 2, 0x16ef_fff0));
        const _: () = assert!(is(BAD_ACCESS, [2, 0x1_0000_4000], libc::SIGBUS, 2, 0x1_0000_4000));
        const _: () = assert!(is(BAD_ACCESS, [0x101, 3], libc::SIGBUS, 1, 3));
    }

    #[test]
    fn a_code_that_is_no_address_is_not_reported_as_one() {
        const _: () = assert!(is(BAD_INSTRUCTION, [2, 0x1234], libc::SIGILL, 1, 0));
        const _: () = assert!(is(ARITHMETIC, [1, 0x1234], libc::SIGFPE, 0, 0));
        const _: () = assert!(is(BREAKPOINT, [1, 0x1234], libc::SIGTRAP, 1, 0));
    }

    #[test]
    fn a_fault_comes_again_and_a_breakpoint_on_intel_does_not() {
        const _: () = assert!(comes_again(BAD_ACCESS) && comes_again(BAD_INSTRUCTION) && comes_again(ARITHMETIC));
        const _: () = assert!(comes_again(BREAKPOINT) == cfg!(target_arch = "aarch64"));
    }

    #[test]
    fn an_exception_of_another_kind_is_none_of_ours() {
        const CRASH: i32 = 10;
        const GUARD: i32 = 12;
        const _: () = assert!(cause(CRASH, [0, 0], STACK).is_none() && MASK & bit(CRASH) == 0);
        const _: () = assert!(cause(GUARD, [0, 0], STACK).is_none() && MASK & bit(GUARD) == 0);
        const _: () = assert!(MASK == 0b100_1110);
    }
}
