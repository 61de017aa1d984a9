//! The journal: the channel between callers and the worker, and the crash log, in one preallocated
//! ring.
//!
//! A record is durable against the death of the process when [`Journal::append`] returns: it lies
//! in the page cache of a shared mapping. Offsets are logical and only grow; a position in the ring
//! is the offset modulo its size. Callers encode before the lock; under it they take an offset,
//! copy, and seal the frame by one atomic store. The worker drains behind the published tail
//! without the lock, and moves the head after the rows are committed.
//!
//! Until the worker has mapped the file (at most some milliseconds after the start) the ring lives
//! on the heap; when no file can be had, it stays there and says so ([`JournalMode`]).
//!
//! Must never: block on I/O in `append`, overwrite undrained bytes, trust bytes that it reads back.

pub(super) mod checksum;
mod memory;
pub mod run_file;
mod sigbus;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::model::event::Lane;
use crate::model::ids::RunKey;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    HEAP_JOURNAL_BYTES, JOURNAL_BYTES, JOURNAL_ERROR_TENTHS, JOURNAL_EVENT_QUARTERS, JOURNAL_PREFAULT_BYTES,
    JOURNAL_WAKE_BYTES,
};
use crate::storage::frame::{self, FrameType, HEADER};
use memory::Memory;
pub(crate) use sigbus::{forked, install as install_guards};

/// Bytes before the ring in the file: identity, positions, counters. A page of 16 KiB, as on iOS
/// and Android 15.
pub(crate) const PREAMBLE: usize = 16 * 1024;
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"TLJRNL01");
pub(crate) const TAIL_AT: usize = 64;
pub(crate) const HEAD_AT: usize = 72;
pub(crate) const COUNTERS_AT: usize = 128;

pub(crate) const LANES: usize = Lane::ALL.len();
pub(crate) const DOORS: usize = DropReason::AT_THE_DOOR.len();

/// Where the ring lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum JournalMode {
    /// On the heap; the worker has not mapped the file yet. Records do not survive a kill.
    Starting = 0,
    /// In the mapped file. Records survive a kill.
    Mapped = 1,
    /// On the heap, because the file could not be had. Records do not survive a kill before they
    /// are in SQLite.
    Heap = 2,
    /// In the mapping, but a part of the file was taken away; what was in it is lost and counted.
    Lost = 3,
}

/// What `append` says to the caller who has to wake the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The worker is awake, or will be soon enough.
    Quiet,
    /// Wake it: the ring was idle, has filled to the mark, or holds a crash.
    Wake,
}

/// Counts of one run, absolute: what was appended and what was refused at the door, by lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounters {
    /// Events appended, by lane.
    pub appended: [u64; LANES],
    /// Events refused, by reason (in the order of `DropReason::AT_THE_DOOR`) and lane.
    pub refused: [[u64; LANES]; DOORS],
}

impl RunCounters {
    pub(crate) const WORDS: usize = LANES * (1 + DOORS);

    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.appended.iter().chain(self.refused.iter().flatten()).copied()
    }

    pub(crate) fn from_words(words: impl IntoIterator<Item = u64>) -> Self {
        let mut counters = Self::default();
        let slots = counters.appended.iter_mut().chain(counters.refused.iter_mut().flatten());
        for (slot, word) in slots.zip(words) {
            *slot = word;
        }
        counters
    }
}

/// What identifies a run, written once into the file's preamble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunStart {
    /// Key of the run's ids.
    pub key: RunKey,
    /// Wall time to which the events' time deltas refer, ns since the Unix epoch.
    pub base_wall: u64,
}

/// One record handed out by the drain.
#[derive(Debug)]
pub struct Drained<'a> {
    /// What it is.
    pub frame: FrameType,
    /// Logical offset behind it.
    pub end: u64,
    /// Counter and canonical record.
    pub payload: &'a [u8],
}

/// What a drain came across.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainEnd {
    /// Offset up to which the ring was read.
    pub to: u64,
    /// Bytes that were no legal frame.
    pub damaged: u64,
    /// Whether the budget ended the drain before the tail.
    pub more: bool,
}

struct Writer {
    tail: u64,
    counters: RunCounters,
}

/// The ring. Shared by callers and the worker.
pub struct Journal {
    start: RunStart,
    run: u64,
    writer: Mutex<Writer>,
    tail: AtomicU64,
    head: AtomicU64,
    base: AtomicPtr<Memory>,
    mode: AtomicU8,
    busy: AtomicBool,
    urgent: AtomicBool,
    capacity: AtomicU64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("run", &self.start.key).field("mode", &self.mode()).finish_non_exhaustive()
    }
}

impl Journal {
    /// A ring on the heap. Costs one anonymous mapping; no page is touched.
    pub fn new(start: RunStart) -> io::Result<Self> {
        let memory = Memory::anonymous()?;
        Ok(Self {
            start,
            run: start.key.halves().0,
            writer: Mutex::new(Writer { tail: 0, counters: RunCounters::default() }),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            base: AtomicPtr::new(Box::into_raw(Box::new(memory))),
            mode: AtomicU8::new(JournalMode::Starting as u8),
            busy: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            capacity: AtomicU64::new(JOURNAL_BYTES as u64),
        })
    }

    /// Moves the ring into a mapped file: copies what waits and switches under the lock. On an
    /// error the ring stays where it is and says `Heap`.
    pub fn map(&self, path: &Path) -> io::Result<()> {
        let mapped = (|| {
            let file = File::options().read(true).write(true).create_new(true).open(path)?;
            let memory = Memory::mapped(&file).inspect_err(|_| {
                let _ = std::fs::remove_file(path);
            })?;
            memory.prefault(0, PREAMBLE + JOURNAL_PREFAULT_BYTES * 2);
            self.write_preamble(&memory);
            Ok(Box::new(memory))
        })();
        let memory = match mapped {
            Ok(memory) => memory,
            Err(error) => {
                self.stay_on_heap();
                return Err(error);
            }
        };
        let writer = self.lock();
        let (head, tail) = (self.head.load(Ordering::Relaxed), writer.tail);
        let mut bytes = Vec::new();
        let mut at = head;
        while at < tail {
            let part = (JOURNAL_BYTES - position(at)).min((tail - at) as usize);
            bytes.clear();
            self.memory().read(PREAMBLE + position(at), part, &mut bytes);
            memory.write(PREAMBLE + position(at), &bytes);
            at += part as u64;
        }
        memory.store(TAIL_AT, tail);
        memory.store(HEAD_AT, head);
        store_counters(&memory, &writer.counters);
        let old = self.base.swap(Box::into_raw(memory), Ordering::AcqRel);
        self.capacity.store(JOURNAL_BYTES as u64, Ordering::Relaxed);
        self.mode.store(JournalMode::Mapped as u8, Ordering::Relaxed);
        drop(writer);
        reclaim(old);
        Ok(())
    }

    /// Gives up on a file for now: the ring keeps at most 256 KiB of the app's memory.
    pub fn stay_on_heap(&self) {
        self.capacity.store(HEAP_JOURNAL_BYTES, Ordering::Relaxed);
        self.mode.store(JournalMode::Heap as u8, Ordering::Relaxed);
    }

    fn write_preamble(&self, memory: &Memory) {
        let mut preamble = Vec::with_capacity(48);
        preamble.extend_from_slice(&MAGIC.to_le_bytes());
        preamble.extend_from_slice(&(JOURNAL_BYTES as u64).to_le_bytes());
        preamble.extend_from_slice(&self.start.key.0);
        preamble.extend_from_slice(&self.start.base_wall.to_le_bytes());
        let crc = crc32c::crc32c(&preamble);
        preamble.extend_from_slice(&u64::from(crc).to_le_bytes());
        memory.write(0, &preamble);
    }

    #[inline]
    fn memory(&self) -> &Memory {
        borrow(self.base.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The run whose records the ring holds.
    pub fn start(&self) -> RunStart {
        self.start
    }

    /// Where the ring lives.
    pub fn mode(&self) -> JournalMode {
        match self.mode.load(Ordering::Relaxed) {
            0 => JournalMode::Starting,
            1 if self.memory().is_lost() => JournalMode::Lost,
            1 => JournalMode::Mapped,
            _ => JournalMode::Heap,
        }
    }

    /// Appends a record: durable against the death of the process when this returns (mode
    /// `Mapped`).
    ///
    /// # Errors
    /// [`DropReason::JournalFull`] when its lane is not admitted any more; it has been counted.
    pub fn append(&self, frame: FrameType, payload: &[u8]) -> Result<Appended, DropReason> {
        // What does not need the lock comes before it.
        let word = frame::word(frame, payload.len());
        let payload_crc = checksum::of_payload(payload);
        let need = frame::framed_len(payload.len()) as u64;
        let admitted = admitted(frame, self.capacity.load(Ordering::Relaxed));
        let mut writer = self.lock();
        let memory = self.memory();
        let mut at = writer.tail;
        let used_before = at - self.head.load(Ordering::Acquire);
        let room = (JOURNAL_BYTES - position(at)) as u64;
        let skip = if need > room { room } else { 0 };
        let used = used_before + skip + need;
        if used > admitted {
            drop(writer);
            return self.refuse_for_room(frame);
        }
        if skip > 0 {
            memory.store(PREAMBLE + position(at), frame::pad(self.run, at, skip as usize));
            kill_point("ring_wrap");
            at += skip;
        }
        memory.write(PREAMBLE + position(at) + HEADER, payload);
        kill_point("journal_payload_written");
        memory.store(PREAMBLE + position(at), frame::sealed(self.run, at, word, payload_crc));
        let end = at + need;
        writer.tail = end;
        self.tail.store(end, Ordering::Release);
        memory.store(TAIL_AT, end);
        if frame.is_accepted() {
            let lane = usize::from(frame.lane().code());
            if let Some(count) = writer.counters.appended.get_mut(lane) {
                *count += 1;
                memory.store(COUNTERS_AT + 8 * lane, *count);
            }
        }
        drop(writer);
        let has_crossed_mark = used_before < JOURNAL_WAKE_BYTES && used >= JOURNAL_WAKE_BYTES;
        let was_idle = !self.busy.load(Ordering::Relaxed) && !self.busy.swap(true, Ordering::AcqRel);
        let is_urgent = matches!(frame, FrameType::Event(Lane::Crash));
        if is_urgent {
            self.urgent.store(true, Ordering::Release);
        }
        Ok(if was_idle || has_crossed_mark || is_urgent { Appended::Wake } else { Appended::Quiet })
    }

    #[cold]
    fn refuse_for_room(&self, frame: FrameType) -> Result<Appended, DropReason> {
        if frame.is_accepted() {
            self.refuse(frame.lane(), DropReason::JournalFull);
        }
        Err(DropReason::JournalFull)
    }

    /// Counts an event that was accepted and dropped before it became a record.
    pub fn refuse(&self, lane: Lane, reason: DropReason) {
        let Some(door) = DropReason::AT_THE_DOOR.iter().position(|door| *door == reason) else { return };
        let lane = usize::from(lane.code());
        let mut writer = self.lock();
        if let Some(count) = writer.counters.refused.get_mut(door).and_then(|lanes| lanes.get_mut(lane)) {
            *count += 1;
            self.memory().store(COUNTERS_AT + 8 * (LANES * (1 + door) + lane), *count);
        }
    }

    /// The run's counts now.
    pub fn counters(&self) -> RunCounters {
        self.lock().counters
    }

    /// Bytes that wait for the drain.
    pub fn waiting(&self) -> u64 {
        self.tail.load(Ordering::Acquire) - self.head.load(Ordering::Acquire)
    }

    /// Says that the worker is about to drain: the next append wakes it again. True if anything had
    /// been appended or refused since the last call.
    pub fn take_busy(&self) -> bool {
        self.busy.swap(false, Ordering::AcqRel)
    }

    /// Whether a crash was appended since the last call.
    pub fn take_urgent(&self) -> bool {
        self.urgent.swap(false, Ordering::AcqRel)
    }

    /// Reads records from `from` (at least the head) on until the tail or the budget ends. Only the
    /// worker may call this. Damaged stretches are skipped to the next legal frame. The head stays:
    /// see [`Journal::advance`].
    pub fn drain(
        &self,
        from: u64,
        max_records: usize,
        max_bytes: usize,
        mut visit: impl FnMut(Drained<'_>),
    ) -> DrainEnd {
        let head = self.head.load(Ordering::Relaxed).max(from);
        let tail = self.tail.load(Ordering::Acquire);
        let memory = self.memory();
        let ring = |at: u64, len: usize, out: &mut Vec<u8>| memory.read(PREAMBLE + position(at), len, out);
        let word = |at: u64| memory.load(PREAMBLE + position(at));
        scan(self.run, head, Some(tail), (max_records, max_bytes), &word, &ring, &mut visit)
    }

    /// Leaves out everything that waits: it is to be erased. Returns where the next record begins.
    pub fn skip(&self) -> u64 {
        let to = self.tail.load(Ordering::Acquire);
        self.advance(to);
        to
    }

    /// Moves the head after the records before `to` have been committed, and makes the next pages
    /// writable.
    pub fn advance(&self, to: u64) {
        self.head.store(to, Ordering::Release);
        let memory = self.memory();
        memory.store(HEAD_AT, to);
        let next = position(self.tail.load(Ordering::Relaxed));
        memory.prefault(PREAMBLE + next, JOURNAL_PREFAULT_BYTES);
        let wrapped = (next + JOURNAL_PREFAULT_BYTES).saturating_sub(JOURNAL_BYTES);
        memory.prefault(PREAMBLE, wrapped);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        reclaim(self.base.swap(std::ptr::null_mut(), Ordering::AcqRel));
    }
}

/// Borrows the memory behind the pointer.
#[allow(unsafe_code, reason = "the pointer is private, never null before drop, and swapped only by the worker")]
#[inline]
fn borrow<'a>(pointer: *mut Memory) -> &'a Memory {
    // SAFETY: the pointer comes from `Box::into_raw`. It is replaced only in `map`, under the
    // writers' lock and on the thread that drains, so nobody holds a borrow of the old memory when
    // it is reclaimed.
    unsafe { &*pointer }
}

/// Frees the memory behind a pointer that is no longer in use.
#[allow(unsafe_code, reason = "the counterpart of Box::into_raw")]
fn reclaim(pointer: *mut Memory) {
    if !pointer.is_null() {
        // SAFETY: see `borrow`: the pointer was taken out of the field, and nobody else has it.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// Bytes of the ring that a frame may fill: telemetry never costs a crash its place.
#[inline]
fn admitted(frame: FrameType, all: u64) -> u64 {
    match frame {
        FrameType::Context | FrameType::Pad => all,
        // What is open was admitted when it was opened; its end is admitted like an error.
        FrameType::Amend(_) | FrameType::Close(_) | FrameType::Discard(_) => all / 10 * JOURNAL_ERROR_TENTHS,
        _ => match frame.lane() {
            Lane::Crash => all,
            Lane::Error => all / 10 * JOURNAL_ERROR_TENTHS,
            Lane::Event | Lane::Bulk => all / 4 * JOURNAL_EVENT_QUARTERS,
        },
    }
}

#[inline]
fn position(offset: u64) -> usize {
    offset as usize & (JOURNAL_BYTES - 1)
}

fn store_counters(memory: &Memory, counters: &RunCounters) {
    for (at, word) in counters.words().enumerate() {
        memory.store(COUNTERS_AT + 8 * at, word);
    }
}

/// Walks frames from `head`. With a `tail`, everything before it is expected to be legal and damage
/// is skipped; without one (or behind it) the first illegal frame is the end.
fn scan(
    run: u64,
    head: u64,
    tail: Option<u64>,
    (max_records, max_bytes): (usize, usize),
    word: &dyn Fn(u64) -> u64,
    read: &dyn Fn(u64, usize, &mut Vec<u8>) -> bool,
    visit: &mut dyn FnMut(Drained<'_>),
) -> DrainEnd {
    let limit = head + JOURNAL_BYTES as u64;
    let known = tail.unwrap_or(head).min(limit);
    let mut end = DrainEnd { to: head, damaged: 0, more: false };
    let (mut records, mut bytes) = (0, 0);
    let mut payload = Vec::new();
    while end.to < limit && (end.to < known || tail.is_none()) {
        if records >= max_records || bytes >= max_bytes {
            end.more = true;
            break;
        }
        let at = end.to;
        let room = JOURNAL_BYTES - position(at);
        let header = word(at);
        let legal = frame::parse(header).filter(|(_, len)| frame::framed_len(*len) <= room).filter(|(frame, len)| {
            payload.clear();
            let sealed = *frame == FrameType::Pad || read(at + HEADER as u64, *len, &mut payload);
            sealed && frame::check(header, run, at, &payload)
        });
        match legal {
            Some((frame, len)) => {
                end.to = at + frame::framed_len(len) as u64;
                records += 1;
                bytes += len;
                if frame != FrameType::Pad {
                    visit(Drained { frame, end: end.to, payload: &payload });
                }
            }
            None if at < known => {
                end.to = at + HEADER as u64;
                end.damaged += HEADER as u64;
            }
            None => break,
        }
    }
    end
}

#[cfg(test)]
mod tests;
