//! Writes a crash into a slot, stage by stage. Each stage has a checksum of its own, and counts
//! once its number is published: a process that is killed in between leaves a smaller report, and
//! never a wrong one.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use crate::crc::Crc;
use crate::layout::{PAGE, slot};
#[cfg(not(target_vendor = "apple"))]
use crate::maps;
use crate::memory::Memory;
use crate::registers::{self, Core};
use crate::signal::Signal;
use crate::words::{Stage, flags, word};
use crate::{modules, recovered, sys};

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
    /// The name of the thread that crashes, filled up with zeros.
    fn thread_name(self) -> [u64; 2];
    /// What an unwinder needs of its registers at least.
    fn core(self) -> Core;
    /// Visits all its registers in the order of DWARF's numbers.
    fn each_register(self, visit: impl FnMut(usize, u64));
}

/// Which thread crashes, and since when it is written in ns of monotonic time: asked of the system
/// once.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) thread: u32,
    pub(crate) started: u64,
}

/// Whether a fault is one of those of which a virtual machine has many: it uses them to find a
/// null. There may be a million of them, so they must not cost more than they do.
///
/// The code that such a machine has made is in no module, and the handler before has recovered from
/// a fault there. Who jumps to where no code is has that address for the one that he accesses.
pub(crate) fn is_usual(memory: Memory, signal: Signal) -> bool {
    let pc = signal.context().core().pc;
    let is_jump = matches!(signal.number, libc::SIGSEGV | libc::SIGBUS) && signal.address() == pc;
    recovered::is_known(pc) && !is_jump && !modules::has(memory, registers::plain(pc))
}

/// Notes that the handler before has recovered from a fault at an address.
pub(crate) fn note_recovery(memory: Memory, at: usize, pc: u64) {
    let is_outside = memory.half(at.wrapping_add(slot::FLAGS)).load(Ordering::Acquire) & flags::PC_OUTSIDE != 0;
    if is_outside {
        recovered::note(pc);
    }
}

/// Writes the registers alone, which [`complete`] can add the rest to.
pub(crate) fn brief(memory: Memory, at: usize, signal: Signal, writer: Writer) {
    let core = registers(memory, at, signal, writer);
    mark(memory, at, flags::PC_OUTSIDE | flags::BRIEF);
    let mut words = Words::new(memory, at.wrapping_add(slot::FRAMES));
    words.push(core.pc);
    words.end();
    stage(memory, at, Stage::Frames);
}

/// Writes everything. With `is_small`, the slot has little room for the stack.
pub(crate) fn write(memory: Memory, at: usize, is_small: bool, crash: impl Crash, writer: Writer) {
    let core = registers(memory, at, crash, writer);
    let is_outside = !modules::has(memory, registers::plain(core.pc));
    if is_outside {
        mark(memory, at, flags::PC_OUTSIDE);
    }
    rest(memory, at, is_small, core, is_outside);
}

/// Adds what [`brief`] has left out, to a fault that has turned out to be a crash. `signal` is that
/// of the fault, whose handler must still be running.
pub(crate) fn complete(memory: Memory, at: usize, is_small: bool, signal: Signal) {
    let flags_at = memory.half(at.wrapping_add(slot::FLAGS));
    if flags_at.fetch_and(!flags::BRIEF, Ordering::AcqRel) & flags::BRIEF != 0 {
        memory.publish(at.wrapping_add(slot::STAGE), Stage::Registers as u32);
        rest(memory, at, is_small, signal.context().core(), true);
        memory.publish(at.wrapping_add(slot::STAGE), Stage::Done as u32);
    }
}

/// Writes what comes behind the registers.
fn rest(memory: Memory, at: usize, is_small: bool, core: Core, is_outside: bool) {
    if !can_read(core.sp) {
        mark(memory, at, flags::NO_READS);
    }
    frames(memory, at, core, is_outside);
    stack(memory, at, core.sp, if is_small { slot::MAX_SMALL_PAGES } else { slot::MAX_PAGES });
    // At the end: what is written does not depend on it.
    #[cfg(not(target_vendor = "apple"))]
    maps::add_modules(memory);
}

fn mark(memory: Memory, at: usize, bit: u32) {
    memory.half(at.wrapping_add(slot::FLAGS)).fetch_or(bit, Ordering::AcqRel);
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
pub(crate) fn registers(memory: Memory, at: usize, crash: impl Crash, writer: Writer) -> Core {
    let core = crash.core();
    let mut words = Words::new(memory, at.wrapping_add(slot::REGISTERS));
    let name = crash.thread_name();
    let mut count = 0u64;
    crash.each_register(|_, _| count = count.wrapping_add(1));
    // In the order of `word`.
    words.push(crash.number() as u64);
    words.push(i64::from(crash.code()) as u64);
    words.push(crash.address());
    words.push(u64::from(writer.thread));
    words.push(u64::from(sys::process()));
    words.push(u64::from(crash.sender()));
    words.push(sys::clock(sys::BOOT_TIME));
    words.push(writer.started);
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
fn frames(memory: Memory, at: usize, core: Core, is_outside: bool) {
    let mut words = Words::new(memory, at.wrapping_add(slot::FRAMES));
    words.push(core.pc);
    if is_outside {
        // Somebody has jumped to a place where no code is: where he came from is on the stack, or
        // in the link register.
        let from = if core.lr != 0 { Some(core.lr) } else { pair(core.sp).map(|[caller, _]| caller) };
        if let Some(from) = from.filter(|from| modules::has(memory, registers::plain(*from))) {
            words.push(registers::plain(from));
        }
    }
    let mut fp = core.fp;
    while words.count < slot::MAX_FRAMES && fp & 7 == 0 && fp != 0 {
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
