//! The file of a run, as the host writes it.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::architecture::ARCHITECTURE;
use crate::crc::Crc;
use crate::layout::*;
use crate::memory::Memory;
use crate::words::{Beat, Phase};
use crate::{handler, installation, modules, sys};

/// Whether a thread is writing the state: 0 or 1.
static WRITES_STATE: AtomicU32 = AtomicU32::new(0);

/// The mapped file of this run. There is one in a process.
#[derive(Debug)]
pub struct RunFile {
    base: *mut u8,
    /// The number of the newest state.
    newest: AtomicU32,
}

// SAFETY: the memory may be written by any thread; what several threads write is atomic or has a
// flag that one of them takes.
unsafe impl Send for RunFile {}
// SAFETY: as above.
unsafe impl Sync for RunFile {}

impl RunFile {
    /// Maps a file of [`FILE_BYTES`] bytes whose blocks are allocated: writing to a sparse file on
    /// a full disk ends the process. Every page is touched, so that the handler need not wait for
    /// one. `run` is the key of the run, `facts` what is constant in it, in a form of the host's.
    ///
    /// `None` when the system refuses, or when `facts` are longer than [`FACTS_BYTES`] less eight.
    pub fn map(file: c_int, run: [u8; 16], facts: &[u8]) -> Option<Self> {
        if facts.len() > FACTS_BYTES.saturating_sub(8) {
            return None;
        }
        // SAFETY: a shared mapping at an address of the kernel's choice aliases nothing. Another
        // process may change or truncate the file: nothing is read back that memory safety depends
        // on, and a page that is gone is repaired by what `set_repair` was given.
        let base = unsafe {
            libc::mmap(core::ptr::null_mut(), FILE_BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file, 0)
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let mapped = Self { base: base.cast(), newest: AtomicU32::new(0) };
        let memory = mapped.memory();
        let mut at = 0;
        while at < FILE_BYTES {
            memory.put_word(at, 0);
            at = at.wrapping_add(PAGE);
        }
        memory.put_bytes(FACTS_AT.wrapping_add(8), facts);
        memory.put_half(FACTS_AT, facts.len() as u32);
        memory.put_half(FACTS_AT.wrapping_add(4), checksum(facts));
        memory.put_half(8, VERSION);
        memory.put_half(12, ARCHITECTURE);
        memory.put_half(16, FILE_BYTES as u32);
        memory.put_bytes(RUN_AT, &run);
        memory.put_word(0, MAGIC);
        memory.put_half(HEADER_CRC_AT, memory.crc(0, HEADER_CRC_AT));
        modules::forget();
        mapped.set_phase(Phase::Starting);
        mapped.refresh_modules();
        Some(mapped)
    }

    fn memory(&self) -> Memory {
        // SAFETY: the file is mapped while this value lives, or for ever if a handler still runs.
        unsafe { Memory::new(self.base) }
    }

    /// Where the file is mapped, and how many bytes: for what repairs a page that is gone.
    pub fn range(&self) -> (usize, usize) {
        (self.base as usize, FILE_BYTES)
    }

    /// Lets the handler write crashes into this file.
    pub fn arm(&self) {
        handler::set_file(self.base);
    }

    /// Says what the run is doing.
    pub fn set_phase(&self, phase: Phase) {
        self.memory().publish(PHASE_AT, phase as u32);
    }

    /// Lets a heart beat, or stores a time of another meaning: boot time in ns.
    pub fn beat(&self, heart: Beat, boot: u64) {
        let line = (heart as usize).wrapping_mul(LINE);
        self.memory().whole(BEATS_AT.wrapping_add(line)).store(boot, Ordering::Release);
    }

    /// Replaces the state. The copy before it stays until the next one, so that a process which
    /// dies in between has one. `crc` is the CRC-32C of the bytes: the host has an instruction for
    /// it.
    ///
    /// False when the bytes are more than [`STATE_BYTES`] less [`STATE_HEAD`], or when another
    /// thread is writing the state: its bytes are the newer ones, or the caller tries again.
    pub fn write_state(&self, bytes: &[u8], crc: u32) -> bool {
        let fits = bytes.len() <= STATE_BYTES.saturating_sub(STATE_HEAD);
        if !fits || WRITES_STATE.swap(1, Ordering::Acquire) == 1 {
            return false;
        }
        let number = self.newest.load(Ordering::Relaxed).wrapping_add(1);
        let [even, odd] = STATE_AT;
        let at = if number & 1 == 0 { even } else { odd };
        let memory = self.memory();
        // While it is written, the copy has no number.
        memory.publish(at, 0);
        memory.put_bytes(at.wrapping_add(STATE_HEAD), bytes);
        memory.put_half(at.wrapping_add(4), bytes.len() as u32);
        memory.put_half(at.wrapping_add(8), crc);
        memory.publish(at, number);
        self.newest.store(number, Ordering::Relaxed);
        WRITES_STATE.store(0, Ordering::Release);
        true
    }

    /// Takes back what was written of faults that the process has survived. Call it now and then: a
    /// process that is killed later must not have crashed.
    pub fn expire(&self) {
        self.expire_at(handler::now());
    }

    /// As [`RunFile::expire`], at a boot time in ns.
    pub fn expire_at(&self, boot: u64) {
        handler::expire(self.memory(), boot);
        #[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
        installation::renew();
    }

    /// Fills the table of modules anew if libraries have been loaded or unloaded. It asks the
    /// dynamic linker, which costs some 100 ns when nothing has changed.
    pub fn refresh_modules(&self) {
        if modules::take() {
            modules::refresh(self.memory());
            modules::give_back();
        }
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if core::ptr::eq(handler::file(), self.base) {
            handler::set_file(core::ptr::null_mut());
        }
        // A handler that has begun before may still write. It ends in a moment, or it never does.
        let mut naps = 0u32;
        while handler::is_running() && naps < 10 {
            sys::nap();
            naps = naps.wrapping_add(1);
        }
        if !handler::is_running() {
            // SAFETY: the mapping is ours, and no handler that begins now finds it.
            unsafe { libc::munmap(self.base.cast(), FILE_BYTES) };
        }
    }
}

/// Installs the handler for all [`crate::SIGNALS`]. It passes on what it does not write. True if it
/// is installed for all of them. Call it from one thread at a time.
pub fn install() -> bool {
    installation::install()
}

/// Puts the handlers back that were there before, where nobody has come on top.
pub fn uninstall() {
    installation::uninstall();
}

/// Sets what repairs the host's mappings: see [`crate::Repair`].
pub fn set_repair(repair: crate::Repair) {
    handler::set_repair(repair);
}

/// The CRC-32C of bytes, for a host that has no faster one.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    for byte in bytes {
        crc.byte(*byte);
    }
    crc.end()
}
