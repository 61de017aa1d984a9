//! The system calls of the crashing path. Apple's kernel has no stable calls for instructions of
//! ours, so they are functions of libSystem: each is a thin one around a call into the kernel, and
//! the linker binds libSystem's functions when the app is launched.

use core::ffi::c_int;

use super::{mach, threads};

/// The clock that goes on while the device sleeps.
pub(crate) const BOOT_TIME: libc::clockid_t = libc::CLOCK_MONOTONIC;
/// The clock that stops while the device sleeps.
pub(crate) const AWAKE_TIME: libc::clockid_t = libc::CLOCK_UPTIME_RAW;

/// The number of this thread, of which a run file has room for the lower half.
pub(crate) fn thread() -> u32 {
    let mut number = 0u64;
    // SAFETY: `number` is the function's to write; no thread means this one.
    unsafe { libc::pthread_threadid_np(0, &raw mut number) };
    number as u32
}

pub(crate) fn process() -> u32 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { libc::getpid() as u32 }
}

/// Whether a thread of this process is there. It is taken for granted: what a thread has left in a
/// slot stays there until it expires.
pub(crate) fn has_thread(_: u32) -> bool {
    true
}

/// A clock in ns; 0 where it is refused.
pub(crate) fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is the function's to write.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Sleeps for a millisecond.
pub(crate) fn nap() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: `time` is only read.
    unsafe { libc::nanosleep(&raw const time, core::ptr::null_mut()) };
}

/// Copies memory of this process, and does not fault where there is none. True when all was copied.
pub(crate) unsafe fn read(from: usize, to: *mut u8, len: usize) -> bool {
    let mut copied = 0u64;
    // SAFETY: the kernel checks both ranges; the caller owns `to`.
    let is_read = unsafe {
        mach::mach_vm_read_overwrite(mach::task(), from as u64, len as u64, to as usize as u64, &raw mut copied)
    };
    is_read == mach::KERN_SUCCESS && copied == len as u64
}

/// The action of a signal.
#[derive(Clone, Copy)]
pub(crate) struct KernelAction {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    pub(crate) mask: u32,
}

impl KernelAction {
    pub(crate) const DEFAULT: Self = Self { handler: libc::SIG_DFL, flags: 0, mask: 0 };
}

/// Sets the action of a signal.
pub(crate) fn set_action(signal: c_int, action: KernelAction) {
    let action =
        libc::sigaction { sa_sigaction: action.handler, sa_mask: action.mask, sa_flags: action.flags as u32 as c_int };
    // SAFETY: `action` is only read.
    unsafe { libc::sigaction(signal, &raw const action, core::ptr::null_mut()) };
}

/// The action of a signal.
pub(crate) fn action_of(signal: c_int) -> KernelAction {
    let mut action = libc::sigaction { sa_sigaction: libc::SIG_DFL, sa_mask: 0, sa_flags: 0 };
    // SAFETY: `action` is the function's to write.
    unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
    KernelAction { handler: action.sa_sigaction, flags: action.sa_flags as u32 as usize, mask: action.sa_mask }
}

/// The name of this thread, filled up with zeros.
pub(crate) fn thread_name() -> [u64; 2] {
    // SAFETY: takes no argument; the right that it makes is given back below.
    let thread = unsafe { mach::mach_thread_self() };
    let name = threads::name(thread);
    threads::give_back(thread);
    name
}

/// Sets the mask of this thread.
pub(crate) fn set_mask(mask: u64) {
    let mask = mask as libc::sigset_t;
    // SAFETY: `mask` is only read.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, core::ptr::null_mut()) };
}

/// Sends this thread a signal. The facts of another cannot be sent along here.
pub(crate) unsafe fn queue(signal: c_int, _: *const libc::siginfo_t) {
    // SAFETY: a thread that is running is there.
    unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
}

/// Whether a debugger is attached. Not for the crashing path.
pub(crate) fn is_traced() -> bool {
    #[repr(C, align(8))]
    struct Process([u8; mach::PROCESS_BYTES]);
    let mut process = Process([0; mach::PROCESS_BYTES]);
    let mut len = mach::PROCESS_BYTES;
    // SAFETY: takes no argument and cannot fail.
    let mut name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, unsafe { libc::getpid() }];
    // SAFETY: the kernel writes at most `len` bytes, which `process` has.
    let answer = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            name.len() as u32,
            process.0.as_mut_ptr().cast(),
            &raw mut len,
            core::ptr::null_mut(),
            0,
        )
    };
    let flags = super::numbers::half(&process.0, mach::PROCESS_FLAGS).unwrap_or(0);
    // Who refuses to say is taken for traced: no handler then is better than a debugger without
    // its exceptions.
    answer != 0 || flags & mach::TRACED != 0
}
