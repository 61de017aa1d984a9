//! The bytes of the ring: anonymous memory, or a mapped and preallocated file.
//!
//! The unsafe code of the journal is here, in `sigbus`, and in two functions of `mod` that own the
//! pointer to this memory. Another process can truncate a mapped file at any time. Touching a page
//! that is gone raises SIGBUS, and `sigbus` puts an anonymous page in its place. The bytes may thus
//! change while they are read, so they are only copied in and out, and never borrowed.
#![allow(unsafe_code, reason = "mapping and copying the ring")]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::preamble::PREAMBLE;
use super::sigbus;
use crate::model::limits::{CACHE_LINE_BYTES, JOURNAL_BYTES, PREFETCHED_LINES};
use crate::storage::preallocate::preallocate;

/// Bytes of the block. Because this is a constant, the compiler can prove most checks of a place in
/// the ring.
pub(super) const LEN: usize = PREAMBLE + JOURNAL_BYTES;

/// A block of [`LEN`] bytes that lives until it is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    base: NonNull<u8>,
    guard: Option<sigbus::Guard>,
}

// SAFETY: `base` is owned by this value alone and points to memory that any thread may access; the
// methods use atomics or copies whose ranges the journal keeps apart (writers under its lock, the
// drain behind the published tail).
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Reserves anonymous memory, filled with zeros. A page costs nothing until it is touched.
    pub(super) fn anonymous() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                LEN,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, guard: None })
    }

    /// Maps `file`, after allocating the blocks of its [`LEN`] bytes: with a sparse file, writing
    /// to the mapping would raise SIGBUS in the host when the disk is full.
    pub(super) fn mapped(file: &File) -> io::Result<Self> {
        preallocate(file, LEN)?;
        // SAFETY: a shared mapping of a file of at least `LEN` bytes, at an address of the kernel's
        // choice. That another process may change the bytes is provided for: they are only copied,
        // and checked by CRC.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                LEN,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file.as_fd(),
                0,
            )?
        };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let guard = sigbus::Guard::protect(base.as_ptr() as usize, LEN);
        Ok(Self { base, guard: Some(guard) })
    }

    /// Whether a page of the file was taken away while it was mapped.
    pub(super) fn is_lost(&self) -> bool {
        self.guard.as_ref().is_some_and(sigbus::Guard::is_lost)
    }

    /// Copies `bytes` to `at`. Does nothing when they would end outside the block, which the
    /// journal never asks for.
    #[inline]
    pub(super) fn write(&self, at: usize, bytes: &[u8]) {
        if at.checked_add(bytes.len()).is_some_and(|end| end <= LEN) {
            // SAFETY: the range was checked; `bytes` cannot overlap memory that nobody can borrow.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(at), bytes.len()) }
        }
    }

    /// Appends `len` bytes from `at` to `out`. False when they are outside the block.
    pub(super) fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) -> bool {
        if at.checked_add(len).is_none_or(|end| end > LEN) {
            return false;
        }
        out.reserve(len);
        // SAFETY: both ranges were checked (`reserve` above), and the new length covers only copied
        // bytes.
        unsafe {
            let end = out.len();
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(at), out.as_mut_ptr().add(end), len);
            out.set_len(end + len);
        }
        true
    }

    /// An aligned word of the block. `at` is clamped to the block and to a multiple of 8.
    #[inline]
    fn word(&self, at: usize) -> &AtomicU64 {
        let at = at.min(LEN - 8) & !7;
        // SAFETY: in range and aligned (the base is page-aligned); every access to header words is
        // atomic.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Publishes a word: everything written before it is visible to whoever reads it.
    #[inline]
    pub(super) fn store(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::Release);
    }

    /// Reads a word.
    #[inline]
    pub(super) fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    /// Asks the processor for the cache lines from `at` on, for writing. The lock that is released
    /// after the next record would else wait until they have come: in a paced run that was the
    /// difference between 120 and 100 ns for every fourth call.
    #[inline]
    pub(super) fn prefetch(&self, at: usize) {
        for line in 0..PREFETCHED_LINES {
            let at = (at + CACHE_LINE_BYTES * line).min(LEN - 1);
            // SAFETY: a hint about an address in the block. It reads nothing and cannot fault.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                let at = self.base.as_ptr().add(at);
                std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
            }
            // SAFETY: see above.
            #[cfg(target_arch = "aarch64")]
            unsafe {
                let at = self.base.as_ptr().add(at);
                std::arch::asm!("prfm pstl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
            }
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            let _ = at;
        }
    }

    /// Makes the pages of a range writable in advance, so that no caller waits for a page fault. It
    /// changes no byte, and does nothing where the system cannot do it.
    pub(super) fn prefault(&self, at: usize, len: usize) {
        const PAGE: usize = 16 * 1024;
        let start = at.min(LEN) & !(PAGE - 1);
        let end = at.saturating_add(len).min(LEN);
        if start < end {
            // SAFETY: the range lies in our own mapping, and populating changes no contents.
            unsafe {
                populate(self.base.as_ptr().add(start).cast(), end - start);
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
unsafe fn populate(at: *mut std::ffi::c_void, len: usize) {
    // SAFETY: passed on from the caller. Kernels before 5.14 answer EINVAL, and the first write
    // faults instead.
    let _ = unsafe { rustix::mm::madvise(at, len, Advice::LinuxPopulateWrite) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe fn populate(at: *mut std::ffi::c_void, len: usize) {
    // SAFETY: passed on from the caller; only a hint.
    let _ = unsafe { rustix::mm::madvise(at, len, Advice::WillNeed) };
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.guard = None;
        // SAFETY: the mapping is ours, and nothing borrows from it.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), LEN) };
    }
}
