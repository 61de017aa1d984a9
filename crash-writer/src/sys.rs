//! The system calls of the handler, as instructions.
//!
//! A function of a library is reached through a table that the dynamic linker fills at the first
//! call, and the linker takes locks and allocates. A handler that makes its system calls itself
//! does not depend on how the app was linked. 32-bit systems, where the registers of a system call
//! belong to the compiler, go through libc's `syscall`.
#![allow(clippy::missing_safety_doc, reason = "system calls: see their manual pages")]

use core::ffi::{c_int, c_void};

#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn call(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let answer: isize;
    // SAFETY: the registers are those of the kernel's convention; it changes rcx, r11 and rax.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    answer
}

#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn call(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let answer: isize;
    // SAFETY: the registers are those of the kernel's convention; it changes x0 alone.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => answer,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack)
        );
    }
    answer
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
unsafe fn call(number: libc::c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    // SAFETY: passed on from the caller; every argument has the width of a register.
    unsafe { libc::syscall(number, a, b, c, d, e, f) as isize }
}

pub(crate) fn thread() -> u32 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { call(libc::SYS_gettid, 0, 0, 0, 0, 0, 0) as u32 }
}

pub(crate) fn process() -> u32 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { call(libc::SYS_getpid, 0, 0, 0, 0, 0, 0) as u32 }
}

/// Whether a thread of this process is there.
pub(crate) fn has_thread(thread: u32) -> bool {
    const NONE: isize = -(libc::ESRCH as isize);
    // SAFETY: signal 0 is never delivered.
    unsafe { call(libc::SYS_tgkill, process() as usize, thread as usize, 0, 0, 0, 0) != NONE }
}

/// The clock that goes on while the device sleeps.
pub(crate) const BOOT_TIME: libc::clockid_t = libc::CLOCK_BOOTTIME;
/// The clock that stops while the device sleeps.
pub(crate) const AWAKE_TIME: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// A clock in ns; 0 where it is refused.
pub(crate) fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is the kernel's to write.
    unsafe { call(libc::SYS_clock_gettime, id as usize, &raw mut time as usize, 0, 0, 0, 0) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Sleeps for a millisecond.
pub(crate) fn nap() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: `time` is only read.
    unsafe { call(libc::SYS_nanosleep, &raw const time as usize, 0, 0, 0, 0, 0) };
}

/// Copies memory of this process, and does not fault where there is none. True when all was copied.
pub(crate) unsafe fn read(from: usize, to: *mut u8, len: usize) -> bool {
    let local = libc::iovec { iov_base: to.cast::<c_void>(), iov_len: len };
    let remote = libc::iovec { iov_base: from as *mut c_void, iov_len: len };
    // SAFETY: the kernel checks both ranges; the caller owns `to`.
    let read = unsafe {
        call(
            libc::SYS_process_vm_readv,
            process() as usize,
            &raw const local as usize,
            1,
            &raw const remote as usize,
            1,
            0,
        )
    };
    read == len as isize
}

/// Opens a file for reading. `path` ends with a zero.
pub(crate) fn open(path: *const core::ffi::c_char) -> Option<usize> {
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    // SAFETY: the kernel reads the path.
    let file = unsafe { call(libc::SYS_openat, libc::AT_FDCWD as usize, path as usize, flags, 0, 0, 0) };
    usize::try_from(file).ok()
}

/// Reads from a file. 0 at its end, or when it cannot be read.
pub(crate) unsafe fn read_file(file: usize, to: *mut u8, len: usize) -> usize {
    // SAFETY: the kernel writes at most so many bytes; the caller owns them.
    let read = unsafe { call(libc::SYS_read, file, to as usize, len, 0, 0, 0) };
    usize::try_from(read).unwrap_or(0).min(len)
}

pub(crate) fn close(file: usize) {
    // SAFETY: the file is the caller's.
    unsafe { call(libc::SYS_close, file, 0, 0, 0, 0, 0) };
}

/// The action of a signal as the kernel knows it. libc's structure is another.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct KernelAction {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    pub(crate) restorer: usize,
    /// Two halves, because a 32-bit system aligns it to four bytes.
    pub(crate) mask: [u32; 2],
}

impl KernelAction {
    pub(crate) const DEFAULT: Self = Self { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: [0; 2] };
}

/// `struct sigaction` has no restorer on arm64.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
struct ShortAction {
    handler: usize,
    flags: usize,
    mask: [u32; 2],
}

/// Sets the action of a signal in the kernel: not in a library that stands in front of it, which
/// might keep it to itself, as ART's does with `SIG_DFL`.
pub(crate) fn set_action(signal: c_int, action: KernelAction) {
    #[cfg(target_arch = "aarch64")]
    let action = ShortAction { handler: action.handler, flags: action.flags, mask: action.mask };
    // SAFETY: the kernel reads `action` alone, in its own form.
    unsafe { call(libc::SYS_rt_sigaction, signal as usize, &raw const action as usize, 0, 8, 0, 0) };
}

/// The action of a signal in the kernel.
pub(crate) fn action_of(signal: c_int) -> KernelAction {
    let mut action = KernelAction::DEFAULT;
    // SAFETY: the kernel writes its own form, of which ours is as long or longer.
    unsafe { call(libc::SYS_rt_sigaction, signal as usize, 0, &raw mut action as usize, 8, 0, 0) };
    // There is no restorer on arm64: what the kernel has written there is the mask.
    #[cfg(target_arch = "aarch64")]
    let action = KernelAction { restorer: 0, mask: [action.restorer as u32, (action.restorer >> 32) as u32], ..action };
    action
}

/// The name of this thread, filled up with zeros.
pub(crate) fn thread_name() -> [u64; 2] {
    let mut name = [0u64; 2];
    // SAFETY: the kernel writes at most 16 bytes.
    unsafe { call(libc::SYS_prctl, libc::PR_GET_NAME as usize, &raw mut name as usize, 0, 0, 0, 0) };
    name
}

/// Sets the mask of this thread.
pub(crate) fn set_mask(mask: u64) {
    // SAFETY: the kernel reads eight bytes.
    unsafe {
        call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK as usize, &raw const mask as usize, 0, 8, 0, 0);
    }
}

/// Sends this thread a signal with the facts of another.
pub(crate) unsafe fn queue(signal: c_int, info: *const libc::siginfo_t) {
    // SAFETY: the kernel reads `info`; the caller says that it is one.
    unsafe {
        call(libc::SYS_rt_tgsigqueueinfo, process() as usize, thread() as usize, signal as usize, info as usize, 0, 0);
    }
}
