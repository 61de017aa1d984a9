//! Reading the journal of a run that is over. Every byte of the file is untrusted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{COUNTERS_AT, DrainEnd, Drained, HEAD_AT, MAGIC, PREAMBLE, RunCounters, RunStart, TAIL_AT, position, scan};
use crate::model::ids::RunKey;
use crate::model::limits::JOURNAL_BYTES;

/// Name of a run's file.
pub fn file_name(key: RunKey) -> String {
    format!("{}.journal", key.name())
}

/// The run's key from its file's name: it survives a damaged preamble.
pub fn key_of(name: &str) -> Option<RunKey> {
    let name = name.strip_suffix(".journal")?;
    if name.len() != 32 {
        return None;
    }
    uuid::Uuid::try_parse(name).ok().map(|id| RunKey(*id.as_bytes()))
}

/// The journal file of a run that is over, read into memory (1 MiB).
#[derive(Debug)]
pub struct RunFile {
    key: RunKey,
    bytes: Vec<u8>,
}

impl RunFile {
    /// Reads the file of the run `key`. A file that is too short is filled up with zeros, which are
    /// no legal frames.
    pub fn open(path: &Path, key: RunKey) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(PREAMBLE + JOURNAL_BYTES);
        File::open(path)?.take((PREAMBLE + JOURNAL_BYTES) as u64).read_to_end(&mut bytes)?;
        Ok(Self::from_bytes(bytes, key))
    }

    /// A run file from bytes, for tests and fuzzing.
    pub fn from_bytes(mut bytes: Vec<u8>, key: RunKey) -> Self {
        bytes.resize(PREAMBLE + JOURNAL_BYTES, 0);
        Self { key, bytes }
    }

    /// Who the run was, if the preamble is whole and belongs to the file.
    pub fn start(&self) -> Option<RunStart> {
        let (sealed, crc) = (self.bytes.get(..40)?, self.word(40));
        let key = RunKey(self.bytes.get(16..32)?.try_into().ok()?);
        let whole = self.word(0) == MAGIC && crc == u64::from(crc32c::crc32c(sealed)) && key == self.key;
        whole.then(|| RunStart { key, base_wall: self.word(32) })
    }

    /// The run's counts as far as they were written.
    pub fn counters(&self) -> RunCounters {
        RunCounters::from_words((0..RunCounters::WORDS).map(|at| self.word(COUNTERS_AT + 8 * at)))
    }

    /// Hands out the records from `from` on, as [`super::Journal::drain`] does. Records behind the
    /// written tail count too: the process may have died between sealing a frame and publishing the
    /// tail.
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
        // A database that lost its newest commits (power failure) may lag behind by more than a
        // lap.
        let from = from.max(known.saturating_sub(JOURNAL_BYTES as u64));
        let mut end = scan(run, from, Some(known), budget, &word, &read, &mut visit);
        if !end.more && end.to >= known {
            let behind = scan(run, end.to, None, budget, &word, &read, &mut visit);
            end.more = behind.more;
            end.to = behind.to;
        }
        end
    }

    /// The written tail, if it and the written head vouch for each other; else a ring's length
    /// behind `from`.
    fn tail(&self, from: u64) -> u64 {
        let (head, tail) = (self.word(HEAD_AT), self.word(TAIL_AT));
        let ring = JOURNAL_BYTES as u64;
        let plausible = tail >= from && tail >= head && tail - head <= ring && tail.is_multiple_of(8);
        if plausible { tail } else { from.saturating_add(ring) }
    }

    fn word(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}
