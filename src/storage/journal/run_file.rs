//! Reads the journal of a run that is over. No byte of the file is trusted: the process may have
//! died while it wrote, and the file may be damaged.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::counters::RunCounters;
use super::preamble::{COUNTERS_AT, HEAD_AT, PREAMBLE, RunStart, TAIL_AT, TAKEN_AT, TAKEN_WORDS, position, word};
use super::scan::{DrainEnd, Drained, scan};
use crate::model::ids::RunKey;
use crate::model::limits::JOURNAL_BYTES;

/// An offset to which no run ever comes, for records that have been erased.
pub(super) const ERASED: u64 = u64::MAX;

/// The name of the file of a run.
pub fn file_name(key: RunKey) -> String {
    format!("{}.journal", key.name())
}

/// The key of a run, from the name of its file. The name is still there when the preamble is
/// damaged.
pub fn key_of(name: &str) -> Option<RunKey> {
    let name = name.strip_suffix(".journal")?;
    if name.len() != 32 {
        return None;
    }
    uuid::Uuid::try_parse(name).ok().map(|id| RunKey(*id.as_bytes()))
}

/// The journal file of a run that is over. All of it is in memory, about 1 MiB.
#[derive(Debug)]
pub struct RunFile {
    key: RunKey,
    bytes: Vec<u8>,
}

impl RunFile {
    /// Reads the file of the run `key`. If the file is too short, zeros take the place of what is
    /// missing, because they are no legal frames.
    pub fn open(path: &Path, key: RunKey) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(PREAMBLE + JOURNAL_BYTES);
        // Not to wait for ever for somebody who writes into a pipe.
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
        let file = File::options().read(true).custom_flags(flags as i32).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.take((PREAMBLE + JOURNAL_BYTES) as u64).read_to_end(&mut bytes)?;
        Ok(Self::from_bytes(bytes, key))
    }

    /// Makes a run file from bytes, for tests and fuzzing.
    pub fn from_bytes(mut bytes: Vec<u8>, key: RunKey) -> Self {
        bytes.resize(PREAMBLE + JOURNAL_BYTES, 0);
        Self { key, bytes }
    }

    /// Writes into the file at `path` that the records up to `to` have been taken out of it, and
    /// what had been counted by then. A process that was taken for dead and lives after all has the
    /// file mapped, and goes on from there.
    pub fn mark_taken(path: &Path, to: u64, counters: &RunCounters) -> io::Result<()> {
        let words = [to].into_iter().chain(counters.words());
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.extend_from_slice(&mark(&bytes).to_le_bytes());
        // Not to wait for ever for somebody who reads from a pipe, and not to follow a link.
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
        let file = File::options().write(true).custom_flags(flags as i32).open(path)?;
        file.write_all_at(&bytes, TAKEN_AT as u64)
    }

    /// Writes into the file at `path` that everything has been erased. A process that was taken for
    /// dead and lives after all forgets what its ring still holds.
    pub fn mark_erased(path: &Path) -> io::Result<()> {
        Self::mark_taken(path, ERASED, &RunCounters::default())
    }

    /// What identifies the run. `None` when the preamble is damaged or belongs to another file.
    pub fn start(&self) -> Option<RunStart> {
        RunStart::from_bytes(&self.bytes).filter(|start| start.key == self.key)
    }

    /// The counters of the run, as far as they were written.
    pub fn counters(&self) -> RunCounters {
        RunCounters::from_words((0..RunCounters::WORDS).map(|at| self.word(COUNTERS_AT + 8 * at)))
    }

    /// Visits the records from `from` on, as [`super::Journal::drain`] does. Records behind the
    /// written tail count, too, because the process may have died after it had sealed a frame and
    /// before it could write the new tail.
    pub fn drain(
        &self,
        from: u64,
        max_records: usize,
        max_bytes: usize,
        mut visit: impl FnMut(Drained<'_>),
    ) -> DrainEnd {
        let word = |at: u64| self.word(PREAMBLE + position(at));
        let read = |at: u64, len: usize, out: &mut Vec<u8>| {
            let start = PREAMBLE + position(at);
            self.bytes.get(start..start + len).map(|bytes| out.extend_from_slice(bytes)).is_some()
        };
        let budget = (max_records, max_bytes);
        let run = self.key.halves().0;
        let known = self.tail(from);
        // A database that has lost its newest commits in a power failure can be more than one lap
        // behind. What was there has been overwritten.
        let from = from.max(known.saturating_sub(JOURNAL_BYTES as u64));
        let mut end = scan(run, from, Some(known), budget, &word, &read, &mut visit);
        if !end.more && end.to >= known {
            let behind = scan(run, end.to, None, budget, &word, &read, &mut visit);
            end.more = behind.more;
            end.to = behind.to;
        }
        end
    }

    /// The written tail, if it is consistent with the written head. Otherwise the end of a whole
    /// ring from `from` on, so that all of it is searched.
    fn tail(&self, from: u64) -> u64 {
        let (head, tail) = (self.word(HEAD_AT), self.word(TAIL_AT));
        let ring = JOURNAL_BYTES as u64;
        // No run ever comes to the second half of all numbers.
        let may_be = |tail: u64| tail.is_multiple_of(8) && tail < 1 << 63;
        let plausible = tail >= from && tail >= head && tail - head <= ring && may_be(tail);
        if plausible { tail } else { from.saturating_add(ring) }
    }

    fn word(&self, at: usize) -> u64 {
        word(&self.bytes, at)
    }
}

/// The checksum of a mark. It is never 0, which is what stands there before there is a mark.
fn mark(bytes: &[u8]) -> u64 {
    u64::from(crc32c::crc32c(bytes)) | 1 << 32
}

/// Reads the mark that [`RunFile::mark_taken`] has written.
pub(super) fn taken(bytes: &[u8]) -> Option<(u64, RunCounters)> {
    let counted = bytes.get(..8 * (TAKEN_WORDS - 1))?;
    let is_whole = word(bytes, 8 * (TAKEN_WORDS - 1)) == mark(counted);
    let counters = RunCounters::from_words((1..TAKEN_WORDS - 1).map(|at| word(bytes, 8 * at)));
    is_whole.then(|| (word(bytes, 0), counters))
}
