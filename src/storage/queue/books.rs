//! What became of the events, by destination: counted from the rows where that is possible.

use super::state::{self, BatchState};
use super::{Queue, QueueError, schema, slot};
use crate::model::event::Lane;
use crate::model::ledger::{DropReason, Ledger};

/// What one destination's books say; the law holds for every lane of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationBooks {
    /// Its name.
    pub name: String,
    /// Events that were accepted for it.
    pub accepted: u64,
    /// Events delivered.
    pub delivered: u64,
    /// Events that wait, open ones included. Counted from the rows, not derived.
    pub queued: u64,
    /// Drops, those before the queue included.
    pub dropped: Ledger,
    /// Why it rests, if it does.
    pub paused: Option<String>,
}

impl DestinationBooks {
    /// Whether `accepted = delivered + queued + Σ dropped`.
    pub fn balanced(&self) -> bool {
        self.accepted == self.delivered + self.queued + self.dropped.total()
    }
}

impl Queue {
    /// Drops by reason that have not been reported as events yet; they count as reported from now on.
    pub fn take_unreported(&mut self) -> Result<Vec<(DropReason, u64)>, QueueError> {
        let mut all = state::ledger(&self.control.books.drops);
        for state in self.control.destinations.values() {
            all.merge(&state::ledger(&state.drops));
        }
        let mut news = Vec::new();
        let mut reported = self.control.books.reported.clone();
        reported.resize(DropReason::ALL.len(), 0);
        for (reason, known) in DropReason::ALL.into_iter().zip(&mut reported) {
            let now = all.of(reason);
            if now > *known {
                news.push((reason, now - *known));
                *known = now;
            }
        }
        if !news.is_empty() {
            self.transact(false, |queue| {
                queue.control.books.reported = reported;
                Ok(())
            })?;
        }
        Ok(news)
    }

    /// Rows that a destination has not settled in a lane.
    pub fn waiting(&self, destination: u32, lane: Lane) -> Result<u64, QueueError> {
        let Some(state) = self.control.destinations.get(&destination) else { return Ok(0) };
        let batch = self.control.batches.get(&(destination, lane));
        let from = batch.map_or(slot(&state.cursor, lane), |batch| batch.to + 1);
        let behind = if from >= self.control.lane(lane).next_seq {
            0
        } else if from <= self.control.lane(lane).first_seq {
            self.control.lane(lane).rows
        } else {
            // Counted from below: what is settled and not deleted yet is little, what waits may be a hundred thousand.
            let sql = format!("SELECT count(*) FROM {} WHERE seq < ?1", schema::table(lane));
            let settled: u64 = self.db.prepare_cached(&sql)?.query_row([from], |row| row.get(0))?;
            self.control.lane(lane).rows.saturating_sub(settled)
        };
        Ok(behind + batch.map_or(0, BatchState::open_rows))
    }

    /// The books of every configured destination; with none, of the queue itself. Counts the rows: for tests, the CLI and
    /// `health()`, not for the hot path.
    pub fn books(&self) -> Result<Vec<DestinationBooks>, QueueError> {
        let door = state::ledger(&self.control.books.drops);
        let accepted: u64 = self.control.lanes.iter().map(|lane| lane.accepted).sum();
        let held: u64 = self.count("held", 0)? + self.pending()?;
        let mut books = Vec::new();
        for (_, state) in self.control.active() {
            let mut dropped = state::ledger(&state.drops);
            dropped.merge(&door);
            books.push(DestinationBooks {
                name: state.name.clone(),
                accepted: accepted - state.baseline.iter().sum::<u64>(),
                delivered: state.delivered.iter().sum(),
                queued: held,
                dropped,
                paused: state.paused.map(|_| state.pause_reason.clone()),
            });
        }
        for ((id, _), book) in self.control.active().zip(&mut books) {
            for lane in Lane::ALL {
                let batch = self.control.batches.get(&(id, lane));
                let cursor = self.control.destinations.get(&id).map_or(0, |state| slot(&state.cursor, lane));
                let from = batch.map_or(cursor, |batch| batch.to + 1);
                book.queued += self.count(schema::table(lane), from)? + batch.map_or(0, BatchState::open_rows);
            }
        }
        if books.is_empty() {
            let mut queued = held;
            for lane in Lane::ALL {
                queued += self.count(schema::table(lane), 0)?;
            }
            let gone: u64 = self.control.lanes.iter().map(|lane| lane.accepted - lane.rows - lane.held).sum();
            let delivered = gone.saturating_sub(door.total());
            books.push(DestinationBooks {
                accepted: accepted - delivered,
                queued,
                dropped: door,
                ..Default::default()
            });
        }
        Ok(books)
    }

    fn count(&self, table: &str, from: u64) -> Result<u64, QueueError> {
        let key = if table == "held" { "n" } else { "seq" };
        let sql = format!("SELECT count(*) FROM {table} WHERE {key} >= ?1");
        Ok(self.db.prepare_cached(&sql)?.query_row([from], |row| row.get(0))?)
    }
}
