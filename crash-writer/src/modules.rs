//! The table of modules: which file lies where in memory, and which build it is.
//!
//! It is filled outside the handler, because asking the dynamic linker takes its lock.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::entry::{Entry, place};
pub(crate) use crate::entry::{give_back, has, take};
use crate::layout::{MODULES, module};
use crate::memory::Memory;

/// How often libraries had been loaded and unloaded when the table was filled; 0 when it never was.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Forgets what was known, for a new file.
pub(crate) fn forget() {
    CHANGES.store(0, Ordering::Release);
}

/// Bytes of the path of the program that are read.
const PROGRAM: usize = 1024;

struct Filling {
    memory: Memory,
    /// The path of the program, which the linker's list does not name.
    program: [u8; PROGRAM],
    program_len: usize,
    index: usize,
    is_needed: bool,
}

/// Fills the table anew if a library has been loaded or unloaded since the last time. True if it
/// was. Only one thread at a time may call it.
pub(crate) fn refresh(memory: Memory) -> bool {
    let mut program = [0u8; PROGRAM];
    // SAFETY: the system writes at most so many bytes.
    let len = unsafe { libc::readlink(c"/proc/self/exe".as_ptr(), program.as_mut_ptr().cast(), PROGRAM) };
    let program_len = usize::try_from(len).unwrap_or(0);
    let mut filling = Filling { memory, program, program_len, index: 0, is_needed: true };
    // SAFETY: the function is of the type that is asked for and keeps to its arguments.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut filling).cast::<c_void>()) };
    if !filling.is_needed {
        return false;
    }
    // What stood behind the last module is none any more.
    if filling.index < MODULES {
        memory.put_word(place(filling.index).wrapping_add(module::END), 0);
    }
    true
}

/// # Safety
/// Called by `dl_iterate_phdr` with a [`Filling`].
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, size: usize, filling: *mut c_void) -> c_int {
    // SAFETY: see the function.
    let (info, filling) = unsafe { (&*info, &mut *filling.cast::<Filling>()) };
    // Old systems hand over a shorter structure, without the counters.
    let counters = size > core::mem::offset_of!(libc::dl_phdr_info, dlpi_subs);
    if filling.index == 0 && counters {
        let changes = info.dlpi_adds.wrapping_add(info.dlpi_subs).wrapping_add(1);
        if CHANGES.swap(changes, Ordering::AcqRel) == changes {
            filling.is_needed = false;
            return 1;
        }
    }
    if filling.index >= MODULES {
        return 1;
    }
    // SAFETY: the linker's list of a module that cannot be unloaded while it is visited.
    unsafe { enter(filling, info) };
    0
}

/// # Safety
/// `info` describes a loaded module.
unsafe fn enter(filling: &mut Filling, info: &libc::dl_phdr_info) {
    let (mut start, mut end) = (u64::MAX, 0u64);
    let mut build_id: &[u8] = &[];
    #[allow(clippy::unnecessary_cast, reason = "they have 32 bits on 32-bit systems")]
    let bias = info.dlpi_addr as u64;
    // SAFETY: the linker says that there are so many headers.
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers {
        #[allow(clippy::unnecessary_cast, reason = "as above")]
        let (start_in_file, len) = (header.p_vaddr as u64, header.p_memsz as u64);
        let at = bias.wrapping_add(start_in_file);
        let behind = at.wrapping_add(len);
        if header.p_type == libc::PT_LOAD {
            start = start.min(at);
            end = end.max(behind);
        } else if header.p_type == libc::PT_NOTE {
            // SAFETY: the notes of a loaded module are in memory.
            let notes = unsafe { core::slice::from_raw_parts(at as *const u8, header.p_memsz as usize) };
            build_id = gnu_build_id(notes).unwrap_or(build_id);
        }
    }
    if start >= end {
        return;
    }
    let name = match info.dlpi_name.is_null() {
        true => &[],
        // SAFETY: the linker's name is a C string.
        false => unsafe { core::ffi::CStr::from_ptr(info.dlpi_name) }.to_bytes(),
    };
    let name = match name {
        [] if filling.index == 0 => filling.program.get(..filling.program_len).unwrap_or_default(),
        name => name,
    };
    let entry = Entry { bias, start, end, build_id, path: name };
    entry.write(filling.memory, place(filling.index));
    filling.index = filling.index.wrapping_add(1);
}

/// The build id in the notes of a module: a note of type 3 and the name "GNU" (ELF gABI, notes).
fn gnu_build_id(mut notes: &[u8]) -> Option<&[u8]> {
    const BUILD_ID: u32 = 3;
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let number = |at: usize| head.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
        let (name_len, len, kind) = (number(0)? as usize, number(4)? as usize, number(8)?);
        let padded = |len: usize| len.checked_add(3).map(|len| len & !3);
        let (name, rest) = rest.split_at_checked(padded(name_len)?)?;
        if kind == BUILD_ID && name == b"GNU\0" {
            return rest.get(..len);
        }
        notes = rest.get(padded(len)?..)?;
    }
}
