//! Where the queue takes records from.

use crate::storage::journal::run_file::RunFile;
use crate::storage::journal::{DrainEnd, Drained, Journal, RunCounters};

/// Where records come from: the live journal, or the file of a dead run.
pub trait Source {
    /// The run's counters. They are read before draining, so they may only lag behind the records.
    fn counters(&self) -> RunCounters;
    /// Hands out records from the offset `from` on, until the budget of records and bytes is used
    /// up.
    fn drain(&self, from: u64, max_records: usize, max_bytes: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd;
}

impl Source for Journal {
    fn counters(&self) -> RunCounters {
        Journal::counters(self)
    }

    fn drain(&self, from: u64, max_records: usize, max_bytes: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
        Journal::drain(self, from, max_records, max_bytes, visit)
    }
}

impl Source for RunFile {
    fn counters(&self) -> RunCounters {
        RunFile::counters(self)
    }

    fn drain(&self, from: u64, max_records: usize, max_bytes: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
        RunFile::drain(self, from, max_records, max_bytes, visit)
    }
}
