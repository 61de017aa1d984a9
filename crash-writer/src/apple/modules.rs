//! The table of modules, from the dynamic linker's list of images.
//!
//! It is filled outside the crashing path, because the linker's functions take its locks. The
//! linker says when an image comes or goes: one that comes is entered at once.

use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::image::{self, HEADER};
use super::mach;
use super::sys;
use crate::entry::{Entry, place};
pub(crate) use crate::entry::{give_back, has, take};
use crate::handler;
use crate::layout::{MODULES, module};
use crate::memory::Memory;

/// How often an image has come or gone, and one.
static CHANGES: AtomicU64 = AtomicU64::new(1);
/// How often one had when the table was filled; 0 when it never was.
static FILLED: AtomicU64 = AtomicU64::new(0);
/// How many entries the table has.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Whether the linker tells us.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Bytes of load commands that are read. The build id and the code stand among the first.
const COMMANDS: usize = 8192;
/// Bytes of a path that are read.
const PATH: usize = 1024;

/// Forgets what was known, for a new file.
pub(crate) fn forget() {
    FILLED.store(0, Ordering::Release);
}

/// Fills the table anew if an image has come or gone since the last time. True if one had. Who
/// calls it has taken the table.
pub(crate) fn refresh(memory: Memory) -> bool {
    if !IS_TOLD.swap(true, Ordering::AcqRel) {
        // SAFETY: the functions are of the type that is asked for, and stay for ever. They are
        // called at once for every image that is there.
        unsafe {
            mach::_dyld_register_func_for_add_image(added);
            mach::_dyld_register_func_for_remove_image(removed);
        }
    }
    let changes = CHANGES.load(Ordering::Acquire);
    if FILLED.load(Ordering::Acquire) == changes {
        return false;
    }
    // SAFETY: takes no argument.
    let images = unsafe { mach::_dyld_image_count() };
    let (mut image, mut index) = (0, 0);
    while image < images && index < MODULES {
        if listed(memory, index, image) {
            index = index.wrapping_add(1);
        }
        image = image.wrapping_add(1);
    }
    end(memory, index);
    // An image that came meanwhile has made the number higher, and the next call fills it anew.
    FILLED.store(changes, Ordering::Release);
    true
}

/// What stands behind the last module is none any more.
fn end(memory: Memory, count: usize) {
    if count < MODULES {
        memory.put_word(place(count).wrapping_add(module::END), 0);
    }
    COUNT.store(count, Ordering::Release);
}

/// Enters an image of the linker's list. It may be unloaded at any time, so nothing of it is read
/// in a way that can fault.
fn listed(memory: Memory, index: usize, image: u32) -> bool {
    let mut path = [0u8; PATH];
    // SAFETY: every number is permitted: for one that is not in the list, the answer is null.
    let (header, name) = unsafe { (mach::_dyld_get_image_header(image), mach::_dyld_get_image_name(image)) };
    let len = copy(name as usize, &mut path);
    // SAFETY: as above.
    let is_same = core::ptr::eq(header, unsafe { mach::_dyld_get_image_header(image) });
    is_same && !header.is_null() && enter(memory, index, header as usize, path.get(..len).unwrap_or_default())
}

/// # Safety
/// Called by the linker with an image that is loaded.
unsafe extern "C" fn added(header: *const c_void, _: isize) {
    let changes = CHANGES.fetch_add(1, Ordering::AcqRel);
    // There is no file before the first filling.
    handler::with_file(|memory| {
        if !take() {
            return;
        }
        let index = COUNT.load(Ordering::Acquire);
        // Only behind a table that has everything else.
        if FILLED.load(Ordering::Acquire) == changes && index < MODULES {
            // SAFETY: zero is valid for every field; the linker writes them if it knows the image.
            let mut facts: libc::Dl_info = unsafe { core::mem::zeroed() };
            // SAFETY: as above.
            let is_known = unsafe { libc::dladdr(header, &raw mut facts) } != 0;
            let path = match is_known && !facts.dli_fname.is_null() {
                // SAFETY: the name is a C string for as long as the image is loaded.
                true => unsafe { CStr::from_ptr(facts.dli_fname) }.to_bytes(),
                false => &[],
            };
            // The entry behind it is cleared first, so that the table ends at every moment.
            let behind = index.wrapping_add(1);
            if behind < MODULES {
                memory.put_word(place(behind).wrapping_add(module::END), 0);
            }
            if enter(memory, index, header as usize, path) {
                COUNT.store(behind, Ordering::Release);
            }
            FILLED.store(changes.wrapping_add(1), Ordering::Release);
        }
        give_back();
    });
}

/// # Safety
/// Called by the linker with an image that is about to be unloaded.
unsafe extern "C" fn removed(_: *const c_void, _: isize) {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// Enters the image whose header is at an address. False if it is none, or was unloaded.
fn enter(memory: Memory, index: usize, header: usize, path: &[u8]) -> bool {
    let mut bytes = [0u8; COMMANDS];
    // SAFETY: `bytes` is ours and long enough.
    if !unsafe { sys::read(header, bytes.as_mut_ptr(), HEADER) } {
        return false;
    }
    let Some(len) = image::length(&bytes).map(|len| len.min(COMMANDS)) else { return false };
    // SAFETY: as above.
    if !unsafe { sys::read(header, bytes.as_mut_ptr(), len) } {
        return false;
    }
    let image = bytes.get(..len).and_then(image::parse);
    let Some((image, (in_file, len))) = image.and_then(|image| Some((image, image.text?))) else { return false };
    let start = header as u64;
    let entry = Entry {
        // The code begins with the header.
        bias: start.wrapping_sub(in_file),
        start,
        end: start.wrapping_add(len),
        build_id: image.uuid.as_ref().map_or(&[], |uuid| uuid.as_slice()),
        path,
    };
    entry.write(memory, place(index));
    true
}

/// Copies a C string that may not be there any more, as far as it goes. Its length.
fn copy(from: usize, to: &mut [u8]) -> usize {
    const STEP: usize = 64;
    let mut at = 0usize;
    while from != 0
        && let Some(rest) = to.get_mut(at..).filter(|rest| !rest.is_empty())
    {
        // A step ends where a page may.
        let address = from.wrapping_add(at);
        let len = STEP.wrapping_sub(address & STEP.wrapping_sub(1)).min(rest.len());
        // SAFETY: `rest` is ours and has `len` bytes.
        if !unsafe { sys::read(address, rest.as_mut_ptr(), len) } {
            break;
        }
        let end = rest.iter().take(len).position(|byte| *byte == 0);
        at = at.wrapping_add(end.unwrap_or(len));
        if end.is_some() {
            break;
        }
    }
    at
}
