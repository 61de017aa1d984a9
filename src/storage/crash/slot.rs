//! A crash in a run file.

use throughline_crash_writer::{Stage, Verdict, flags, layout, word as place};

use super::numbers::{half, word};
use crate::model::limits::SYSTEM_THREAD_NAME_BYTES;
use crate::model::names::words::OWN_THREADS;

/// A copy of the upper part of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackCopy {
    /// The address of the first byte.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl StackCopy {
    /// The word at an address, if it was copied.
    pub fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..)?.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

/// A crash, as far as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// The slot's number.
    pub slot: usize,
    /// How many crashes there were before it in the process.
    pub order: u32,
    /// Whether it counts.
    pub verdict: Verdict,
    /// How far it was written.
    pub stage: Stage,
    /// What the handler noticed: [`flags`].
    pub flags: u32,
    /// The signal's number.
    pub signal: i32,
    /// Why it was raised: `si_code`.
    pub code: i32,
    /// The address that was accessed. 0 for a signal that was sent.
    pub address: u64,
    /// The thread's number.
    pub thread: u32,
    /// The thread's name.
    pub thread_name: String,
    /// The process that has sent the signal. 0 for a fault.
    pub sender: u32,
    /// The process that died.
    pub process: u32,
    /// Boot time, ns.
    pub boot: u64,
    /// Wall time, ns since the Unix epoch.
    pub wall: u64,
    /// The registers, in the order of DWARF's numbers.
    pub registers: Vec<u64>,
    /// Program counter, stack pointer, frame pointer, link register.
    pub core: [u64; 4],
    /// What frame pointers led to, the program counter first. Empty when there are none.
    pub frames: Vec<u64>,
    /// The stack.
    pub stack: StackCopy,
    /// How long the handler took, ns. 0 when it did not come to its end.
    pub took: u64,
}

impl Crash {
    /// Whether it happened inside the handler of another one.
    pub fn is_nested(&self) -> bool {
        self.flags & flags::NESTED != 0
    }

    /// Whether it happened on a thread of the client's. The first thread of a process is the app's,
    /// whatever its name: that of a program which is called as our threads are.
    pub fn is_on_own_thread(&self) -> bool {
        let is_cut = |own: &str| own.get(..SYSTEM_THREAD_NAME_BYTES).unwrap_or(own) == self.thread_name;
        let has_name = |own: &str| own == self.thread_name || is_cut(own);
        self.thread != self.process && OWN_THREADS.into_iter().any(has_name)
    }
}

/// Reads a slot. `None` when there is no crash in it, or not even its registers are whole.
pub(super) fn read_slot(bytes: &[u8], slot: usize) -> Option<Crash> {
    use layout::slot::*;
    let stage = stage(half(bytes, STAGE))?;
    let verdict = verdict(half(bytes, VERDICT))?;
    let words = words(bytes, REGISTERS, (FRAMES - REGISTERS) / 8)?;
    // Nothing was written there.
    if words.len() < WORDS {
        return None;
    }
    let at = |index: usize| words.get(index).copied().unwrap_or(0);
    let signal = i32::try_from(at(place::SIGNAL)).ok()?;
    let registers = words.get(WORDS..)?;
    let count = usize::try_from(at(place::REGISTERS)).ok()?;
    let name: Vec<u8> = words.get(place::NAME..place::NAME + 2)?.iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut frames =
        if stage >= Stage::Frames { self::words(bytes, FRAMES, MAX_FRAMES) } else { None }.unwrap_or_default();
    frames.truncate(MAX_FRAMES);
    Some(Crash {
        slot,
        order: half(bytes, ORDER),
        verdict,
        stage,
        flags: half(bytes, FLAGS),
        signal,
        code: at(place::CODE) as i64 as i32,
        address: at(place::ADDRESS),
        thread: at(place::THREAD) as u32,
        thread_name: String::from_utf8_lossy(name).into_owned(),
        sender: at(place::SENDER) as u32,
        process: at(place::PROCESS) as u32,
        boot: at(place::BOOT),
        wall: at(place::WALL),
        registers: registers.get(..count).unwrap_or(registers).to_vec(),
        core: [at(place::PC), at(place::SP), at(place::FP), at(place::LR)],
        frames,
        stack: stack(bytes, if slot == 0 { MAX_PAGES } else { MAX_SMALL_PAGES }),
        took: if stage == Stage::Done { word(bytes, TOOK) } else { 0 },
    })
}

/// A checksum, a count, and as many words. `None` when they are not whole.
fn words(bytes: &[u8], at: usize, max: usize) -> Option<Vec<u64>> {
    let count = half(bytes, at + 4) as usize;
    if count > max {
        return None;
    }
    let body = bytes.get(at + 8..)?.get(..count * 8)?;
    (crc32c::crc32c(body) == half(bytes, at))
        .then(|| body.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect())
}

/// The pages of the stack that are whole, up to the first that is not.
fn stack(bytes: &[u8], max: usize) -> StackCopy {
    use layout::slot::*;
    let pages = (half(bytes, STACK_PAGES) as usize).min(max);
    let mut copy = StackCopy { start: word(bytes, STACK), bytes: Vec::new() };
    for page in 0..pages {
        let entry = STACK + 8 + page * 8;
        let (len, crc) = (half(bytes, entry) as usize, half(bytes, entry + 4));
        let from = STACK_BYTES_AT + copy.bytes.len();
        if len > layout::PAGE {
            break;
        }
        let Some(page) = bytes.get(from..from + len).filter(|page| crc32c::crc32c(page) == crc) else { break };
        copy.bytes.extend_from_slice(page);
    }
    copy
}

fn stage(code: u32) -> Option<Stage> {
    [Stage::Registers, Stage::Frames, Stage::Stack, Stage::Done].into_iter().find(|stage| *stage as u32 == code)
}

/// The verdict, if it is one that counts in a process that is dead.
fn verdict(code: u32) -> Option<Verdict> {
    [Verdict::Writing, Verdict::Provisional, Verdict::Confirmed].into_iter().find(|verdict| *verdict as u32 == code)
}
