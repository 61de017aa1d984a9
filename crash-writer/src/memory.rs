//! The mapped file, as words and bytes at places. Every access is checked against the length of the
//! file, and every one is volatile or atomic, so that the compiler makes no call to `memcpy` of it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::crc::Crc;
use crate::layout::FILE_BYTES;

/// The beginning of a mapped run file of [`FILE_BYTES`] bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory(*mut u8);

impl Memory {
    /// # Safety
    /// `base` is the beginning of [`FILE_BYTES`] bytes that can be written for as long as the value
    /// is used, aligned to a page.
    pub(crate) const unsafe fn new(base: *mut u8) -> Self {
        Self(base)
    }

    /// An address in the file, if `len` bytes follow it there.
    pub(crate) fn at(self, at: usize, len: usize) -> Option<*mut u8> {
        let fits = at.checked_add(len).is_some_and(|end| end <= FILE_BYTES);
        // The place was checked, so the address does not wrap.
        fits.then(|| self.0.wrapping_add(at))
    }

    pub(crate) fn put_word(self, at: usize, value: u64) {
        if let Some(to) = self.at(at & !7, 8) {
            // SAFETY: in the file and aligned.
            unsafe { to.cast::<u64>().write_volatile(value) };
        }
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        all(feature = "apple", any(target_os = "ios", target_os = "macos"))
    ))]
    pub(crate) fn word(self, at: usize) -> u64 {
        // SAFETY: in the file and aligned.
        self.at(at & !7, 8).map_or(0, |from| unsafe { from.cast::<u64>().read_volatile() })
    }

    pub(crate) fn put_half(self, at: usize, value: u32) {
        if let Some(to) = self.at(at & !3, 4) {
            // SAFETY: in the file and aligned.
            unsafe { to.cast::<u32>().write_volatile(value) };
        }
    }

    pub(crate) fn byte(self, at: usize) -> u8 {
        // SAFETY: in the file.
        self.at(at, 1).map_or(0, |from| unsafe { from.read_volatile() })
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn put_byte(self, at: usize, value: u8) {
        if let Some(to) = self.at(at, 1) {
            // SAFETY: in the file.
            unsafe { to.write_volatile(value) };
        }
    }

    /// Copies bytes into the file. Not for the handler: it may call `memcpy`.
    pub(crate) fn put_bytes(self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.at(at, bytes.len()) {
            // SAFETY: in the file, and `bytes` is no part of it: nobody can borrow from it.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }

    /// A half word that several threads read and write. Outside the file, one that nobody reads.
    pub(crate) fn half(self, at: usize) -> &'static AtomicU32 {
        static NOWHERE: AtomicU32 = AtomicU32::new(0);
        // SAFETY: in the file and aligned; the file stays mapped while the value is used, and all
        // accesses to these words are atomic.
        self.at(at & !3, 4).map_or(&NOWHERE, |at| unsafe { AtomicU32::from_ptr(at.cast()) })
    }

    /// As [`Memory::half`], with eight bytes.
    pub(crate) fn whole(self, at: usize) -> &'static AtomicU64 {
        static NOWHERE: AtomicU64 = AtomicU64::new(0);
        // SAFETY: as above.
        self.at(at & !7, 8).map_or(&NOWHERE, |at| unsafe { AtomicU64::from_ptr(at.cast()) })
    }

    /// The checksum of bytes of the file.
    pub(crate) fn crc(self, at: usize, len: usize) -> u32 {
        let mut crc = Crc::new();
        let mut place = at;
        let end = at.saturating_add(len).min(FILE_BYTES);
        #[cfg(any(
            target_os = "linux",
            target_os = "android",
            all(feature = "apple", any(target_os = "ios", target_os = "macos"))
        ))]
        while place & 7 == 0 && place.wrapping_add(8) <= end {
            crc.word(u64::from_le(self.word(place)));
            place = place.wrapping_add(8);
        }
        while place < end {
            crc.byte(self.byte(place));
            place = place.wrapping_add(1);
        }
        crc.end()
    }

    /// Publishes a half word: whoever reads it finds everything that was written before.
    pub(crate) fn publish(self, at: usize, value: u32) {
        self.half(at).store(value, Ordering::Release);
    }
}
