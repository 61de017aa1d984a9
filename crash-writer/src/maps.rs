//! Modules that were loaded after the table of modules was filled, found by the kernel's list of
//! mappings: an app that loads a library and crashes in it at once.
//!
//! Unlike the dynamic linker's list, this one can be read in a signal handler. Its text goes
//! through the room for a stack that the last slot does not use.

use core::sync::atomic::Ordering;

use crate::crc::Crc;
use crate::layout::{MODULE_BYTES, MODULES, MODULES_AT, PAGE, SLOT_AT, module, slot};
use crate::memory::Memory;
use crate::{modules, sys};

/// Where the text of the list is, then a piece of a module.
const TEXT: usize = {
    let [.., last] = SLOT_AT;
    last + slot::STACK_BYTES_AT
};
const PIECE: usize = TEXT + PAGE;
/// Bytes of the notes of a module that are looked at.
const NOTES: usize = 1024;

/// Adds the modules that are not in the table. Does nothing while another thread writes the table.
#[inline(never)]
pub(crate) fn add_modules(memory: Memory) {
    if !modules::take() {
        return;
    }
    if let Some(file) = sys::open(c"/proc/self/maps".as_ptr()) {
        let mut scan = Scan::new(memory);
        while let Some(to) = memory.at(TEXT, PAGE) {
            // SAFETY: the place is in the file, and who has taken the table owns it.
            let len = unsafe { sys::read_file(file, to, PAGE) };
            if len == 0 {
                break;
            }
            for at in 0..len {
                scan.byte(memory.byte(TEXT.wrapping_add(at)));
            }
        }
        scan.finish();
        sys::close(file);
    }
    modules::give_back();
}

/// What a line is made of.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Range,
    Access,
    /// Offset, device, and inode: how many of them there still are.
    Skipped(u8),
    Path,
}

struct Scan {
    memory: Memory,
    /// Where the next module's entry is; 0 when the table is full.
    entry: usize,

    field: Field,
    number: u64,
    start: u64,
    end: u64,
    is_readable: bool,
    path_len: usize,
    path_crc: Crc,
    /// Whether the line begins a module.
    begins: bool,

    /// The module whose end has not been found. It has none while `module_end` is 0.
    module_start: u64,
    module_end: u64,
    module_path: u32,
    module_path_len: usize,
}

impl Scan {
    fn new(memory: Memory) -> Self {
        let mut scan = Self {
            memory,
            entry: 0,
            field: Field::Range,
            number: 0,
            start: 0,
            end: 0,
            is_readable: false,
            path_len: 0,
            path_crc: Crc::new(),
            begins: false,
            module_start: 0,
            module_end: 0,
            module_path: 0,
            module_path_len: 0,
        };
        let mut index = 0;
        while index < MODULES {
            let at = MODULES_AT.wrapping_add(index.wrapping_mul(MODULE_BYTES));
            if memory.word(at.wrapping_add(module::END)) == 0 {
                scan.entry = at;
                break;
            }
            index = index.wrapping_add(1);
        }
        scan
    }

    fn byte(&mut self, byte: u8) {
        match (self.field, byte) {
            (_, b'\n') => self.end_line(),
            (Field::Range, b'-') => (self.start, self.number) = (self.number, 0),
            (Field::Range, b' ') => {
                self.end = self.number;
                self.is_readable = false;
                self.field = Field::Access;
            }
            (Field::Range, digit) => {
                let value = if digit.is_ascii_digit() { digit.wrapping_sub(b'0') } else { (digit & 7).wrapping_add(9) };
                self.number = self.number.wrapping_shl(4) | u64::from(value & 15);
            }
            (Field::Access, b' ') => self.field = Field::Skipped(3),
            (Field::Access, access) => self.is_readable |= access == b'r',
            (Field::Skipped(left), b' ') => {
                self.field = if left > 1 { Field::Skipped(left.wrapping_sub(1)) } else { Field::Path };
            }
            (Field::Path, b' ') if self.path_len == 0 => {}
            (Field::Path, part) => self.path(part),
            (Field::Skipped(_), _) => {}
        }
    }

    fn path(&mut self, byte: u8) {
        if self.path_len == 0 && byte == b'/' && self.entry != 0 && self.is_readable && self.is_new_module() {
            self.finish();
            self.begins = self.entry != 0;
            self.module_path_len = 0;
        }
        self.path_len = self.path_len.saturating_add(1);
        self.path_crc.byte(byte);
        if self.begins {
            // Of a very long path, the folders at its beginning are left out.
            if self.module_path_len >= module::PATH_BYTES
                || (byte == b'/' && self.module_path_len > module::PATH_BYTES / 2)
            {
                self.module_path_len = 0;
            }
            let at = self.entry.wrapping_add(module::PATH).wrapping_add(self.module_path_len);
            self.memory.put_byte(at, byte);
            self.module_path_len = self.module_path_len.wrapping_add(1);
        }
    }

    /// Whether the mapping of this line begins with the head of a module that the table does not
    /// have.
    fn is_new_module(&self) -> bool {
        const MAGIC: u32 = u32::from_le_bytes(*b"\x7fELF");
        !modules::has(self.memory, self.start) && self.piece(self.start, 8) && self.half(0) == MAGIC
    }

    fn end_line(&mut self) {
        let path = self.path_crc.end();
        if self.begins {
            (self.module_start, self.module_end, self.module_path) = (self.start, self.end, path);
        } else if self.module_end != 0 && self.path_len > 0 {
            if path == self.module_path {
                self.module_end = self.end;
            } else {
                self.finish();
            }
        }
        self.begins = false;
        self.field = Field::Range;
        self.number = 0;
        self.path_len = 0;
        self.path_crc = Crc::new();
    }

    /// Copies memory of a module. False where there is none.
    fn piece(&self, from: u64, len: usize) -> bool {
        // SAFETY: the place is in the file, and who has taken the table owns it.
        self.memory.at(PIECE, len).is_some_and(|to| unsafe { sys::read(from as usize, to, len) })
    }

    /// A number of the piece.
    fn half(&self, at: usize) -> u32 {
        self.memory.half(PIECE.wrapping_add(at)).load(Ordering::Relaxed)
    }

    /// Enters the module whose lines are over.
    fn finish(&mut self) {
        let end = core::mem::take(&mut self.module_end);
        let Some((bias, build_id_len)) = (end != 0).then(|| self.read_head()).flatten() else { return };
        let (memory, at) = (self.memory, self.entry);
        let next = at.wrapping_add(MODULE_BYTES);
        let is_last = next >= MODULES_AT.wrapping_add(MODULES.wrapping_mul(MODULE_BYTES));
        if !is_last {
            // What stands behind the last module is none.
            memory.put_word(next.wrapping_add(module::END), 0);
        }
        let lengths = self.module_path_len as u32 | (build_id_len as u32).wrapping_shl(16);
        let mut crc = Crc::new();
        for word in [u64::from(lengths), bias, self.module_start, end] {
            crc.word(word);
        }
        for part in 0..build_id_len {
            crc.byte(memory.byte(at.wrapping_add(module::BUILD_ID).wrapping_add(part)));
        }
        for part in 0..self.module_path_len {
            crc.byte(memory.byte(at.wrapping_add(module::PATH).wrapping_add(part)));
        }
        memory.put_word(at.wrapping_add(module::BIAS), bias);
        memory.put_half(at.wrapping_add(module::PATH_LEN), lengths);
        memory.put_half(at.wrapping_add(module::CRC), crc.end());
        memory.put_word(at.wrapping_add(module::START), self.module_start);
        memory.put_word(at.wrapping_add(module::END), end);
        self.entry = if is_last { 0 } else { next };
    }

    /// The bias of the module, and the length of its build id, which is copied into its entry.
    fn read_head(&self) -> Option<(u64, usize)> {
        const LOAD: u32 = 1;
        const NOTE: u32 = 4;
        const MAX: usize = 64;
        // A number of the width of an address.
        let word = |at: usize| match cfg!(target_pointer_width = "64") {
            true => self.memory.word(PIECE.wrapping_add(at)),
            false => u64::from(self.half(at)),
        };
        let short = |at: usize| {
            let byte = |at: usize| usize::from(self.memory.byte(PIECE.wrapping_add(at)));
            byte(at) | byte(at.wrapping_add(1)).wrapping_shl(8)
        };
        self.piece(self.module_start, elf::HEAD).then_some(())?;
        let (headers, size, count) = (word(elf::HEADERS), short(elf::HEADER_SIZE), short(elf::HEADER_COUNT));
        let mut bias = None;
        let mut notes = None;
        for index in 0..count.min(MAX) {
            let at = self.module_start.wrapping_add(headers).wrapping_add(index.wrapping_mul(size) as u64);
            self.piece(at, elf::HEADER).then_some(())?;
            let kind = self.half(0);
            let (address, len) = (word(elf::ADDRESS), word(elf::SIZE));
            if kind == LOAD && bias.is_none() {
                // What the mapping begins with is the beginning of the file.
                (word(elf::OFFSET) == 0).then_some(())?;
                bias = Some(self.module_start.wrapping_sub(address));
            }
            if kind == NOTE
                && notes.is_none()
                && let Some(bias) = bias
            {
                notes = self.build_id(bias.wrapping_add(address), (len as usize).min(NOTES));
            }
        }
        Some((bias?, notes.unwrap_or(0)))
    }

    /// Looks for a build id in notes (ELF gABI, notes), and copies it. Its length.
    fn build_id(&self, from: u64, len: usize) -> Option<usize> {
        const BUILD_ID: u32 = 3;
        const GNU: u32 = u32::from_le_bytes(*b"GNU\0");
        self.piece(from, len).then_some(())?;
        let number = |at: usize| self.half(at);
        let padded = |len: u32| (len as usize).wrapping_add(3) & !3;
        let mut at = 0usize;
        while at.wrapping_add(16) <= len {
            let (name, size, kind) = (number(at), number(at.wrapping_add(4)), number(at.wrapping_add(8)));
            let text = at.wrapping_add(12).wrapping_add(padded(name));
            let next = text.wrapping_add(padded(size));
            if next <= at || next > len {
                return None;
            }
            if kind == BUILD_ID && name == 4 && number(at.wrapping_add(12)) == GNU {
                let size = (size as usize).min(module::BUILD_ID_BYTES);
                for part in 0..size {
                    let byte = self.memory.byte(PIECE.wrapping_add(text).wrapping_add(part));
                    self.memory.put_byte(self.entry.wrapping_add(module::BUILD_ID).wrapping_add(part), byte);
                }
                return Some(size);
            }
            at = next;
        }
        None
    }
}

/// Where the numbers stand in the head of a module and in a program header (ELF gABI).
#[cfg(target_pointer_width = "64")]
mod elf {
    pub(super) const HEAD: usize = 64;
    pub(super) const HEADERS: usize = 32;
    pub(super) const HEADER_SIZE: usize = 54;
    pub(super) const HEADER_COUNT: usize = 56;
    pub(super) const HEADER: usize = 56;
    pub(super) const OFFSET: usize = 8;
    pub(super) const ADDRESS: usize = 16;
    pub(super) const SIZE: usize = 32;
}

#[cfg(target_pointer_width = "32")]
mod elf {
    pub(super) const HEAD: usize = 52;
    pub(super) const HEADERS: usize = 28;
    pub(super) const HEADER_SIZE: usize = 42;
    pub(super) const HEADER_COUNT: usize = 44;
    pub(super) const HEADER: usize = 32;
    pub(super) const OFFSET: usize = 4;
    pub(super) const ADDRESS: usize = 8;
    pub(super) const SIZE: usize = 16;
}
