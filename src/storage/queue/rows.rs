//! Reading rows for a batch.

use std::ops::Range;

use super::lanes::MAX_SEQ;
use super::{Queue, QueueError, row, schema};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;

/// A row of [`Rows`].
#[derive(Debug, Clone)]
pub struct RowRef {
    /// Its sequence number in the lane.
    pub seq: u64,
    /// The number of its run.
    pub run: u32,
    /// The counter of its id.
    pub n: u64,
    /// Where its record lies.
    at: Range<usize>,
}

/// Rows that passed their checksums. Their records lie in one block of memory.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    /// In the order of their sequence numbers.
    pub rows: Vec<RowRef>,
}

impl Rows {
    /// The canonical record of a row.
    pub fn record(&self, row: &RowRef) -> &[u8] {
        self.bytes.get(row.at.clone()).unwrap_or_default()
    }

    /// Adds the record of an open event, which has no sequence number yet.
    pub(super) fn push(&mut self, run: u32, n: u64, record: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.rows.push(RowRef { seq: 0, run, n, at: at..self.bytes.len() });
    }

    /// Keeps only the rows for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&RowRef, &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.rows.retain(|row| keep(row, bytes.get(row.at.clone()).unwrap_or_default()));
    }
}

impl Queue {
    /// The rows that a destination gets next: those behind its frozen batch, at most `max_rows` of
    /// them, and no more once they have `max_bytes`.
    pub fn next_rows(
        &mut self,
        destination: u32,
        lane: Lane,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Rows, QueueError> {
        let from = self.first_unfrozen(destination, lane);
        self.read_rows(lane, from, MAX_SEQ, max_rows, max_bytes)
    }

    /// The rows from `from` to `to`, both included, with the same limits. Damaged rows are dropped
    /// and booked.
    pub fn read_rows(
        &mut self,
        lane: Lane,
        from: u64,
        to: u64,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Rows, QueueError> {
        let mut found = Rows::default();
        let mut damaged = Vec::new();
        {
            let table = schema::table(lane);
            let sql = format!("SELECT seq, row FROM {table} WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3");
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query((from, to, max_rows as u64))?;
            while let Some(stored) = rows.next()? {
                let seq: u64 = stored.get(0)?;
                let bytes = stored.get_ref(1)?.as_blob().map_err(|error| QueueError::Corrupt(error.to_string()))?;
                match row::decode(lane, seq, bytes) {
                    Some(row) => {
                        let at = found.bytes.len();
                        found.bytes.extend_from_slice(row.record);
                        found.rows.push(RowRef { seq, run: row.run, n: row.n, at: at..found.bytes.len() });
                    }
                    None => damaged.push(seq),
                }
                if found.bytes.len() >= max_bytes {
                    break;
                }
            }
        }
        if !damaged.is_empty() {
            self.discard(lane, &damaged, DropReason::RowCorrupt)?;
        }
        Ok(found)
    }
}
