//! The table of modules, and an entry of it.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::crc::Crc;
use crate::layout::{MODULE_BYTES, MODULES, MODULES_AT, module};
use crate::memory::Memory;

/// Whether a thread is writing the table: 0 or 1.
static WRITES: AtomicU32 = AtomicU32::new(0);

/// Takes the table, to write it. False if another thread has it.
pub(crate) fn take() -> bool {
    WRITES.swap(1, Ordering::Acquire) == 0
}

/// Gives the table back.
pub(crate) fn give_back() {
    WRITES.store(0, Ordering::Release);
}

/// Whether an address is in a module of the table.
pub(crate) fn has(memory: Memory, address: u64) -> bool {
    let mut index = 0;
    while index < MODULES {
        let at = place(index);
        let start = memory.word(at.wrapping_add(module::START));
        let end = memory.word(at.wrapping_add(module::END));
        if end == 0 {
            return false;
        }
        if address >= start && address < end {
            return true;
        }
        index = index.wrapping_add(1);
    }
    false
}

/// Where the entry of an index stands.
pub(crate) fn place(index: usize) -> usize {
    MODULES_AT.wrapping_add(index.wrapping_mul(MODULE_BYTES))
}

/// A module, as it is written down.
pub(crate) struct Entry<'a> {
    pub(crate) bias: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) build_id: &'a [u8],
    pub(crate) path: &'a [u8],
}

impl Entry<'_> {
    pub(crate) fn write(&self, memory: Memory, at: usize) {
        // While the entry is being written, no address is in it.
        memory.put_word(at.wrapping_add(module::START), u64::MAX);
        let build_id = self.build_id.get(..module::BUILD_ID_BYTES).unwrap_or(self.build_id);
        // The end of a path says more than its beginning.
        let cut = self.path.len().saturating_sub(module::PATH_BYTES);
        let path = self.path.get(cut..).unwrap_or_default();
        memory.put_word(at.wrapping_add(module::BIAS), self.bias);
        memory.put_bytes(at.wrapping_add(module::BUILD_ID), build_id);
        memory.put_bytes(at.wrapping_add(module::PATH), path);
        let lengths = path.len() as u32 | (build_id.len() as u32).wrapping_shl(16);
        memory.put_half(at.wrapping_add(module::PATH_LEN), lengths);
        let mut crc = Crc::new();
        let head = u64::from(lengths);
        for word in [head, self.bias, self.start, self.end] {
            crc.word(word);
        }
        for byte in build_id.iter().chain(path) {
            crc.byte(*byte);
        }
        memory.put_half(at.wrapping_add(module::CRC), crc.end());
        memory.put_word(at.wrapping_add(module::END), self.end);
        memory.put_word(at.wrapping_add(module::START), self.start);
    }
}
