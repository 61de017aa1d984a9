//! The journal: a ring of records that takes events from the callers to the worker, and keeps them
//! when the process dies.
//!
//! When [`Journal::append`] returns, the record is in the page cache of a shared mapping, so the
//! kernel writes it to the file even if the process is killed. Offsets are logical and only grow. A
//! position in the ring is the offset modulo the size of the ring. A caller encodes its event
//! before it takes the lock. Under the lock it takes an offset, copies the bytes, and seals the
//! frame with one atomic store. The worker reads up to the published tail without the lock, and
//! moves the head when the rows are committed.
//!
//! The worker maps the file in the first milliseconds after the start. Until then the ring is on
//! the heap, and it stays there if there can be no file. [`JournalMode`] says where it is.
//!
//! `append` must never wait for I/O. Bytes that are not in the database yet must never be
//! overwritten, and bytes that are read back must never be trusted.

pub(super) mod checksum;
mod counters;
mod forks;
mod memory;
pub mod owner;
mod preamble;
pub mod run_file;
mod scan;
mod sigbus;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::model::event::Lane;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    HEAP_JOURNAL_BYTES, JOURNAL_BYTES, JOURNAL_CONTEXT_BYTES, JOURNAL_ERROR_TENTHS, JOURNAL_EVENT_QUARTERS,
    JOURNAL_PREFAULT_BYTES, JOURNAL_WAKE_BYTES,
};
use crate::storage::frame::{self, FrameType, HEADER};
pub use counters::RunCounters;
pub(crate) use forks::{ParentFile, forked};
use memory::Memory;
use owner::Claim;
pub use preamble::RunStart;
use preamble::{COUNTERS_AT, HEAD_AT, OWNER_AT, PREAMBLE, TAIL_AT, TAKEN_AT, TAKEN_WORDS, position};
use scan::scan;
pub use scan::{DrainEnd, Drained};
pub(crate) use sigbus::{Guard as MappingGuard, repair};

/// Installs the handler of SIGBUS, and what notices a fork, once in a process.
pub(crate) fn install_guards() {
    forks::install();
    sigbus::install();
}

/// Where the ring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum JournalMode {
    /// On the heap, because the worker has not mapped the file yet. Records do not survive a kill.
    Starting = 0,
    /// In the mapped file. Records survive a kill.
    Mapped = 1,
    /// On the heap, because the file could not be created or mapped. Records survive a kill only
    /// once they are in SQLite.
    Heap = 2,
    /// In the mapping, but a part of the file was taken away. What was in that part is lost and
    /// counted.
    Lost = 3,
}

/// Whether the caller of [`Journal::append`] must wake the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It need not: the worker is awake, or will be soon enough.
    Quiet,
    /// It must: the worker was idle, the ring is a quarter full, or the record is a crash.
    Wake,
}

/// What callers change under the lock.
struct Writer {
    tail: u64,
    counters: RunCounters,
}

/// The file of a journal.
#[derive(Debug)]
struct Home {
    path: PathBuf,
    claim: Claim,
}

/// The journal of the running process. Callers and the worker share it.
pub struct Journal {
    start: RunStart,
    run: u64,
    writer: Mutex<Writer>,
    tail: AtomicU64,
    head: AtomicU64,
    base: AtomicPtr<Memory>,
    /// `None` while there is no file. Callers do not need it.
    home: Mutex<Option<Home>>,
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
    /// Makes a ring on the heap. This costs one anonymous mapping, and touches none of its pages.
    pub fn new(start: RunStart) -> io::Result<Self> {
        let memory = Memory::anonymous()?;
        Ok(Self {
            start,
            run: start.key.halves().0,
            writer: Mutex::new(Writer { tail: 0, counters: RunCounters::default() }),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            base: AtomicPtr::new(Box::into_raw(Box::new(memory))),
            home: Mutex::new(None),
            mode: AtomicU8::new(JournalMode::Starting as u8),
            busy: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            capacity: AtomicU64::new(JOURNAL_BYTES as u64),
        })
    }

    /// Moves the ring into a mapped file, with everything that waits in it. Callers wait for the
    /// lock meanwhile.
    ///
    /// # Errors
    /// When the file cannot be created, allocated or mapped. The ring then stays on the heap.
    pub fn map(&self, path: &Path) -> io::Result<()> {
        let mapped = (|| {
            let file = File::options().read(true).write(true).create_new(true).open(path)?;
            let memory = Memory::mapped(&file).inspect_err(|_| {
                let _ = std::fs::remove_file(path);
            })?;
            memory.prefault(0, PREAMBLE + JOURNAL_PREFAULT_BYTES * 2);
            memory.write(0, &self.start.to_bytes());
            Ok((Box::new(memory), Claim::of(path)?))
        })();
        let (memory, claim) = match mapped {
            Ok(mapped) => mapped,
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
        for (counter, count) in writer.counters.words().enumerate() {
            memory.store(COUNTERS_AT + 8 * counter, count);
        }
        let old = self.base.swap(Box::into_raw(memory), Ordering::AcqRel);
        self.capacity.store(JOURNAL_BYTES as u64, Ordering::Relaxed);
        self.mode.store(JournalMode::Mapped as u8, Ordering::Relaxed);
        drop(writer);
        reclaim(old);
        *self.home() = Some(Home { path: path.to_owned(), claim });
        self.confirm_owner();
        Ok(())
    }

    fn home(&self) -> MutexGuard<'_, Option<Home>> {
        self.home.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The file of the run, if it is where it was made. It may be gone when another process took
    /// this one for dead, or when the system cleaned up.
    pub fn file(&self) -> Option<PathBuf> {
        let home = self.home();
        let Home { path, claim } = home.as_ref()?;
        let meta = std::fs::symlink_metadata(path).ok()?;
        (owner::identity(&meta) == claim.identity).then(|| path.clone())
    }

    /// Says in the file that this process lives, where a lock does not say it.
    pub fn confirm_owner(&self) {
        if let Some(record) = self.home().as_ref().and_then(|home| home.claim.record()) {
            self.write_words(OWNER_AT, &record);
        }
    }

    /// The file is nobody's from now on: what is left in it is read by the next process. For a
    /// client that records nothing any more.
    pub fn give_up_file(&self) {
        // In a forked child another thread may have held the lock for ever.
        if forked() {
            return;
        }
        let home = self.home().take();
        if home.is_some_and(|home| home.claim.record().is_some()) {
            // The checksum is wrong now.
            self.write_words(OWNER_AT, &[0]);
        }
    }

    fn write_words(&self, at: usize, words: &[u64]) {
        // A client that ends writes, too: with the lock, a worker cannot free the memory meanwhile.
        let _writer = self.lock();
        let memory = self.memory();
        words.iter().enumerate().for_each(|(n, word)| memory.store(at + 8 * n, *word));
    }

    /// Passes what another process has taken from the file, and returns where that ends and what
    /// had been counted up to there. `None` when nobody has taken anything. Only the worker may
    /// call this.
    pub fn pass_taken(&self) -> Option<(u64, RunCounters)> {
        let (to, counters) = self.taken()?;
        let is_of_ring = (self.head.load(Ordering::Relaxed)..=self.tail.load(Ordering::Acquire)).contains(&to);
        is_of_ring.then(|| {
            self.advance(to);
            (to, counters)
        })
    }

    /// Whether another process has erased everything, and has taken this one for dead. Only the
    /// worker may call this.
    pub fn was_erased(&self) -> bool {
        let is_mapped = matches!(self.mode(), JournalMode::Mapped | JournalMode::Lost);
        is_mapped && self.taken().is_some_and(|(to, _)| to == run_file::ERASED)
    }

    fn taken(&self) -> Option<(u64, RunCounters)> {
        let mut bytes = Vec::new();
        self.memory().read(TAKEN_AT, 8 * TAKEN_WORDS, &mut bytes);
        run_file::taken(&bytes)
    }

    /// Keeps the ring on the heap for now, where it may use [`HEAP_JOURNAL_BYTES`] of the app's
    /// memory.
    pub fn stay_on_heap(&self) {
        self.capacity.store(HEAP_JOURNAL_BYTES, Ordering::Relaxed);
        self.mode.store(JournalMode::Heap as u8, Ordering::Relaxed);
    }

    #[inline]
    fn memory(&self) -> &Memory {
        borrow(self.base.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The run whose records are in the ring.
    pub fn start(&self) -> RunStart {
        self.start
    }

    /// Where the ring is.
    pub fn mode(&self) -> JournalMode {
        // Callers ask, too: with the lock, the worker cannot free the memory meanwhile.
        let _writer = self.lock();
        match self.mode.load(Ordering::Relaxed) {
            0 => JournalMode::Starting,
            1 if self.memory().is_lost() => JournalMode::Lost,
            1 => JournalMode::Mapped,
            _ => JournalMode::Heap,
        }
    }

    /// Appends a record. In the mode [`JournalMode::Mapped`] it survives the death of the process
    /// when this returns.
    ///
    /// # Errors
    /// [`DropReason::JournalFull`] when the ring is too full for the record's lane. The loss has
    /// been counted.
    pub fn append(&self, frame: FrameType, payload: &[u8]) -> Result<Appended, DropReason> {
        // A forked child has a copy of everything but the mapping, which it would write to at the
        // places that its parent writes to.
        if forked() {
            return Err(DropReason::JournalFull);
        }
        // Everything that does not need the lock is computed before it is taken.
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
        if frame.is_accepted()
            && let Some((counter, count)) = writer.counters.count_appended(frame.lane())
        {
            memory.store(COUNTERS_AT + 8 * counter, count);
        }
        memory.prefetch(PREAMBLE + position(end));
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
        if forked() {
            return;
        }
        let mut writer = self.lock();
        if let Some((counter, count)) = writer.counters.count_refused(lane, reason) {
            self.memory().store(COUNTERS_AT + 8 * counter, count);
        }
    }

    /// The counters of the run, as they are now.
    pub fn counters(&self) -> RunCounters {
        self.lock().counters
    }

    /// Bytes of records that are not in the database yet.
    pub fn waiting(&self) -> u64 {
        self.appended_to() - self.drained_to()
    }

    /// Up to where records have been appended, as an offset. It never goes back.
    pub fn appended_to(&self) -> u64 {
        self.tail.load(Ordering::Acquire)
    }

    /// Up to where they are in the database.
    pub fn drained_to(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// The worker calls this before it drains, so that the next append wakes it again. True if a
    /// record was appended since the last call.
    pub fn take_busy(&self) -> bool {
        self.busy.swap(false, Ordering::AcqRel)
    }

    /// Whether a crash was appended since the last call of this.
    pub fn take_urgent(&self) -> bool {
        self.urgent.swap(false, Ordering::AcqRel)
    }

    /// Visits the records from `from` on, or from the head if that is further, until the tail is
    /// reached or the budget is used up. What is damaged is skipped up to the next legal frame. The
    /// head is not moved: see [`Journal::advance`]. Only the worker may call this.
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

    /// Drops every record that is not in the database yet, because it is to be erased. Returns the
    /// offset of the next record.
    pub fn skip(&self) -> u64 {
        let to = self.tail.load(Ordering::Acquire);
        self.advance(to);
        to
    }

    /// Moves the head to `to`, when the records before it are committed, and makes the pages that
    /// are written next writable.
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
        self.give_up_file();
        reclaim(self.base.swap(std::ptr::null_mut(), Ordering::AcqRel));
    }
}

/// Borrows the memory behind the pointer.
#[allow(unsafe_code, reason = "the pointer is private, never null before drop, and swapped only by the worker")]
#[inline]
fn borrow<'a>(pointer: *mut Memory) -> &'a Memory {
    // SAFETY: the pointer comes from `Box::into_raw`. It is replaced only in `map`, under the
    // writers' lock and on the thread that drains. Others borrow under that lock, so nobody holds a
    // borrow of the old memory when it is reclaimed.
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

/// Bytes up to which a frame may fill the ring. Less important events leave room for errors, errors
/// leave room for crashes, and crashes for a context.
#[inline]
fn admitted(frame: FrameType, all: u64) -> u64 {
    match frame {
        FrameType::Context | FrameType::Pad => all,
        // These belong to an event that was admitted before, so they are admitted like an error.
        FrameType::Amend(_) | FrameType::Extend(_) | FrameType::Close(_) | FrameType::Discard(_) => {
            all / 10 * JOURNAL_ERROR_TENTHS
        }
        _ => match frame.lane() {
            Lane::Crash => all - JOURNAL_CONTEXT_BYTES,
            Lane::Error => all / 10 * JOURNAL_ERROR_TENTHS,
            Lane::Event | Lane::Bulk => all / 4 * JOURNAL_EVENT_QUARTERS,
        },
    }
}

#[cfg(test)]
mod tests;
