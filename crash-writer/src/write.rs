//! Writes a crash into a slot, stage by stage. Each stage has a checksum of its own, and counts
//! once its number is published: a process that is killed in between leaves a smaller report, and
//! never a wrong one.

use core::ffi::c_int;

use crate::crc::Crc;
use crate::layout::{MODULE_BYTES, MODULES, MODULES_AT, PAGE, module, slot};
use crate::memory::Memory;
use crate::registers::{self, Core};
use crate::sys;
use crate::words::{Stage, flags, word};

/// Bytes below the stack pointer that a leaf function may use.
const RED_ZONE: u64 = 128;
/// How many pages without memory are skipped before the stack begins: the guard of a stack that has
/// overflowed, and how far a large frame may reach into it.
const MAX_SKIPPED: usize = 64;
/// Bytes of the stack that are copied.
const STACK_BYTES: u64 = 64 * 1024;

/// A crash, as it is written: a signal to the thread that writes, or an exception of another one.
pub(crate) trait Crash: Copy {
    /// The number of the signal.
    fn number(self) -> c_int;
    /// Why it was raised: `si_code`.
    fn code(self) -> i32;
    /// The address that was accessed; 0 for a signal that was sent.
    fn address(self) -> u64;
    /// The process that has sent the signal; 0 for a fault.
    fn sender(self) -> u32;
    /// The thread that crashes.
    fn thread(self) -> u32;
    /// Its name, filled up with zeros.
    fn thread_name(self) -> [u64; 2];
    /// What an unwinder needs of its registers at least.
    fn core(self) -> Core;
    /// Visits all its registers in the order of DWARF's numbers.
    fn each_register(self, visit: impl FnMut(usize, u64));
}

/// Writes everything. With `is_small`, the slot has little room for the stack.
pub(crate) fn write(memory: Memory, at: usize, is_small: bool, is_asked: bool, crash: impl Crash) {
    let core = registers(memory, at, crash);
    let is_outside = module_of(memory, registers::plain(core.pc)).is_none();
    if is_outside {
        mark(memory, at, flags::PC_OUTSIDE);
    }
    // Code that a virtual machine has made is in no module, and its faults are its way to find a
    // null. There may be a million of them, so they are not to cost more than they do. Who jumps to
    // where no code is has that address for its fault.
    let is_light = is_outside && is_asked && crash.address() != core.pc;
    if !can_read(core.sp) {
        mark(memory, at, flags::NO_READS);
    }
    frames(memory, at, core, is_outside, if is_light { 1 } else { slot::MAX_FRAMES });
    let pages = match (is_light, is_small) {
        (true, _) => 1,
        (false, true) => slot::MAX_SMALL_PAGES,
        (false, false) => slot::MAX_PAGES,
    };
    stack(memory, at, core.sp, pages);
}

fn mark(memory: Memory, at: usize, bit: u32) {
    memory.half(at.wrapping_add(slot::FLAGS)).fetch_or(bit, core::sync::atomic::Ordering::AcqRel);
}

/// A part of a slot that is a checksum, a count, and words.
struct Words {
    memory: Memory,
    at: usize,
    count: usize,
    crc: Crc,
}

impl Words {
    fn new(memory: Memory, at: usize) -> Self {
        Self { memory, at, count: 0, crc: Crc::new() }
    }

    fn push(&mut self, value: u64) {
        let at = self.at.wrapping_add(8).wrapping_add(self.count.wrapping_mul(8));
        self.memory.put_word(at, value);
        self.crc.word(value);
        self.count = self.count.wrapping_add(1);
    }

    fn end(self) {
        self.memory.put_half(self.at, self.crc.end());
        self.memory.put_half(self.at.wrapping_add(4), self.count as u32);
    }
}

/// Writes the signal and the registers.
pub(crate) fn registers(memory: Memory, at: usize, crash: impl Crash) -> Core {
    let core = crash.core();
    let mut words = Words::new(memory, at.wrapping_add(slot::REGISTERS));
    let name = crash.thread_name();
    let mut count = 0u64;
    crash.each_register(|_, _| count = count.wrapping_add(1));
    // In the order of `word`.
    words.push(crash.number() as u64);
    words.push(i64::from(crash.code()) as u64);
    words.push(crash.address());
    words.push(u64::from(crash.thread()));
    words.push(u64::from(sys::process()));
    words.push(u64::from(crash.sender()));
    words.push(sys::clock(sys::BOOT_TIME));
    words.push(sys::clock(sys::AWAKE_TIME));
    words.push(sys::clock(libc::CLOCK_REALTIME));
    words.push(core.pc);
    words.push(core.sp);
    words.push(core.fp);
    words.push(core.lr);
    words.push(count.min(registers::MAX as u64));
    for half in name {
        words.push(half);
    }
    while words.count < slot::WORDS {
        words.push(0);
    }
    crash.each_register(|index, value| {
        if index < registers::MAX {
            words.push(value);
        }
    });
    words.end();
    stage(memory, at, Stage::Registers);
    core
}

const _: () = assert!(word::NAME < slot::WORDS);

fn stage(memory: Memory, at: usize, stage: Stage) {
    memory.publish(at.wrapping_add(slot::STAGE), stage as u32);
    #[cfg(feature = "testing")]
    crate::faults::reached(stage);
}

/// Whether the system copies memory of this process for us. A sandbox may forbid it.
fn can_read(sp: u64) -> bool {
    let mut byte = 0u8;
    // The stack pointer may be wrong, but something of ours can always be read.
    let own = &raw const byte as usize;
    // SAFETY: `byte` is ours.
    unsafe { sys::read(own, &raw mut byte, 1) || sys::read(sp as usize, &raw mut byte, 1) }
}

fn pair(at: u64) -> Option<[u64; 2]> {
    let mut pair = [0u64; 2];
    // SAFETY: `pair` is ours, and has 16 bytes.
    unsafe { sys::read(at as usize, (&raw mut pair).cast(), 16) }.then_some(pair)
}

/// Writes the frames that the chain of frame pointers leads to.
fn frames(memory: Memory, at: usize, core: Core, is_outside: bool, max: usize) {
    let mut words = Words::new(memory, at.wrapping_add(slot::FRAMES));
    words.push(core.pc);
    if is_outside && max > 1 {
        // Somebody has jumped to a place where no code is: where he came from is on the stack, or
        // in the link register.
        let from = if core.lr != 0 { Some(core.lr) } else { pair(core.sp).map(|[caller, _]| caller) };
        if let Some(from) = from.filter(|from| module_of(memory, registers::plain(*from)).is_some()) {
            words.push(registers::plain(from));
        }
    }
    let mut fp = core.fp;
    while words.count < max && fp & 7 == 0 && fp != 0 {
        let Some([next, caller]) = pair(fp) else { break };
        let caller = registers::plain(caller);
        // No code lies in the first page.
        if caller < PAGE as u64 {
            break;
        }
        words.push(caller);
        // A stack grows downwards: callers are above.
        if next <= fp {
            break;
        }
        fp = next;
    }
    words.end();
    stage(memory, at, Stage::Frames);
}

/// Copies the stack from the stack pointer upwards, page by page.
fn stack(memory: Memory, at: usize, sp: u64, max_pages: usize) {
    let page = PAGE as u64;
    let end = sp.saturating_add(STACK_BYTES);
    let mut from = sp.saturating_sub(RED_ZONE) & !7;
    let mut copied = 0usize;
    let mut to = at.wrapping_add(slot::STACK_BYTES_AT);
    let mut skipped = 0usize;
    while copied < max_pages && from < end {
        let next = (from & !page.wrapping_sub(1)).saturating_add(page).min(end);
        let len = next.wrapping_sub(from) as usize;
        // SAFETY: the place is in the file and nobody else writes there.
        let is_read = memory.at(to, len).is_some_and(|to| unsafe { sys::read(from as usize, to, len) });
        if !is_read {
            skipped = skipped.wrapping_add(1);
            if copied > 0 || skipped > MAX_SKIPPED {
                break;
            }
            from = next;
            continue;
        }
        let head = at.wrapping_add(slot::STACK);
        if copied == 0 {
            memory.put_word(head, from);
        }
        let entry = head.wrapping_add(8).wrapping_add(copied.wrapping_mul(8));
        memory.put_half(entry, len as u32);
        memory.put_half(entry.wrapping_add(4), memory.crc(to, len));
        copied = copied.wrapping_add(1);
        memory.publish(at.wrapping_add(slot::STACK_PAGES), copied as u32);
        to = to.wrapping_add(len);
        from = next;
    }
    stage(memory, at, Stage::Stack);
}

/// The module that an address lies in, by its place in the table.
fn module_of(memory: Memory, address: u64) -> Option<usize> {
    let mut index = 0;
    while index < MODULES {
        let at = MODULES_AT.wrapping_add(index.wrapping_mul(MODULE_BYTES));
        let start = memory.word(at.wrapping_add(module::START));
        let end = memory.word(at.wrapping_add(module::END));
        if end == 0 {
            return None;
        }
        if address >= start && address < end {
            return Some(index);
        }
        index = index.wrapping_add(1);
    }
    None
}
