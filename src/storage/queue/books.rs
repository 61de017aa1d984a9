//! What became of the events of each destination. What waits is counted from the rows, so that the
//! books can be checked against them.

use super::held::{self, Route};
use super::lanes::MAX_SEQ;
use super::state::BatchState;
use super::{Queue, QueueError, schema};
use crate::model::event::Lane;
use crate::model::ledger::{DropReason, Ledger};
use crate::model::limits::ROW_OVERHEAD_BYTES;

/// What the books of one destination say, summed over its lanes.
///
/// Read them with [`Telemetry::books`](crate::Telemetry::books). Every event that was accepted for
/// the destination is counted in exactly one of the three other places: `accepted = delivered +
/// queued + Σ dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationBooks {
    /// The destination's name. Empty when none is configured: then these are the books of the queue
    /// itself.
    pub name: String,
    /// Events that were accepted for it. Those that were gone before it was configured do not
    /// count, nor do those that it does not want and another destination does.
    pub accepted: u64,
    /// Events delivered.
    pub delivered: u64,
    /// Events that wait, including those that are open or kept apart.
    pub queued: u64,
    /// Events that were dropped, including those that were dropped before they reached the queue.
    pub dropped: Ledger,
    /// Why nothing, or nothing of some signals, is sent to it; `None` when nothing is paused.
    pub paused: Option<String>,
}

impl DestinationBooks {
    /// Whether `accepted = delivered + queued + Σ dropped`. It always is, unless there is a bug in
    /// this crate.
    pub fn balanced(&self) -> bool {
        self.accepted == self.delivered + self.queued + self.dropped.total()
    }
}

impl Queue {
    /// Drops by reason that have not been reported as events yet. They count as reported from now
    /// on.
    pub fn take_unreported(&mut self) -> Result<Vec<(DropReason, u64)>, QueueError> {
        let mut all = self.control.books.drops.ledger();
        for state in self.control.destinations.values() {
            all.merge(&state.drops.ledger());
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
            self.transact(|queue| {
                queue.control.books.reported = reported;
                Ok(())
            })?;
        }
        Ok(news)
    }

    /// How many rows of a lane a destination has not settled.
    pub fn waiting(&self, destination: u32, lane: Lane) -> Result<u64, QueueError> {
        let batch = self.control.batches.get(&(destination, lane));
        Ok(self.behind(destination, lane)? + batch.map_or(0, BatchState::open_rows))
    }

    /// The first sequence number of a lane that is behind what a destination has settled or frozen.
    pub(super) fn first_unfrozen(&self, destination: u32, lane: Lane) -> u64 {
        let Some(state) = self.control.destinations.get(&destination) else { return MAX_SEQ };
        let batch = self.control.batches.get(&(destination, lane));
        batch.map_or(*state.cursor.get(lane), |batch| batch.to + 1)
    }

    /// How many rows of a lane a destination has neither settled nor frozen.
    pub fn behind(&self, destination: u32, lane: Lane) -> Result<u64, QueueError> {
        let from = self.first_unfrozen(destination, lane);
        let books = self.control.lane(lane);
        Ok(if from >= books.next_seq {
            0
        } else if from <= books.first_seq {
            books.rows
        } else {
            // The rows before `from` are counted: those that are settled and not yet deleted are
            // few, while a hundred thousand may wait.
            let sql = format!("SELECT count(*) FROM {} WHERE seq < ?1", schema::table(lane));
            let settled: u64 = self.db.prepare_cached(&sql)?.query_row([from], |row| row.get(0))?;
            books.rows.saturating_sub(settled)
        })
    }

    /// Compares the books with the rows. From time to time SQLite writes the log (WAL) back into
    /// the database, page by page. When the log is damaged afterwards, SQLite ignores what comes
    /// behind the damage, and so shows some pages as they were before and others as they were
    /// later. No checksum finds that, but the books are then of another time than the rows.
    ///
    /// # Errors
    /// `Corrupt` when they differ.
    pub(super) fn check_books(&mut self) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            let table = schema::table(lane);
            let sql = format!("SELECT count(*), coalesce(sum(length(row)), 0), min(seq), max(seq) FROM {table}");
            let (rows, bytes, first, last): (u64, u64, Option<u64>, Option<u64>) =
                self.db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            let sql = "SELECT (SELECT count(*) FROM held WHERE lane IN (?1, ?2))
                            + (SELECT count(*) FROM pending WHERE lane = ?1)";
            let codes = [Route::Lane, Route::Aside].map(|route| held::code(lane, route));
            let held: u64 = self.db.query_row(sql, codes, |row| row.get(0))?;
            let state = self.control.lane_mut(lane);
            let in_range =
                first.is_none_or(|first| first >= state.first_seq) && last.is_none_or(|last| last < state.next_seq);
            if rows != state.rows || held != state.held || !in_range {
                return Err(QueueError::Corrupt(format!("the books of `{table}` are of another time than its rows")));
            }
            // What a row costs besides its contents is not the same in every version.
            state.bytes = bytes + rows * ROW_OVERHEAD_BYTES;
        }
        Ok(())
    }

    /// The books of every configured destination; without one, those of the queue itself. The rows
    /// are counted, so this is for tests, the command line and diagnosis, not for the hot path.
    pub fn books(&self) -> Result<Vec<DestinationBooks>, QueueError> {
        let door = self.control.books.drops.ledger();
        let accepted: u64 = self.control.lanes.values().map(|lane| lane.accepted).sum();
        let held = self.open_events()? + self.pending()?;
        let mut books = Vec::new();
        for (id, state) in self.control.active() {
            let mut dropped = state.drops.ledger();
            dropped.merge(&door);
            let mut queued = held;
            for lane in Lane::ALL {
                let batch = self.control.batches.get(&(id, lane));
                let frozen = batch.map_or(0, BatchState::open_rows);
                queued += self.rows_from(lane, self.first_unfrozen(id, lane))? + frozen;
            }
            books.push(DestinationBooks {
                name: state.name.clone(),
                accepted: accepted - state.baseline.values().sum::<u64>(),
                delivered: state.delivered.values().sum(),
                queued,
                dropped,
                paused: self.why_destination_paused(state),
            });
        }
        if books.is_empty() {
            books.push(self.own_books(held)?);
        }
        Ok(books)
    }

    /// The books while no destination is configured: what earlier ones settled counts for nobody.
    fn own_books(&self, held: u64) -> Result<DestinationBooks, QueueError> {
        let dropped = self.control.books.drops.ledger();
        let accepted: u64 = self.control.lanes.values().map(|lane| lane.accepted).sum();
        let gone: u64 = self.control.lanes.values().map(|lane| lane.accepted - lane.rows - lane.held).sum();
        let settled = gone.saturating_sub(dropped.total());
        let mut queued = held;
        for lane in Lane::ALL {
            queued += self.rows_from(lane, 0)?;
        }
        Ok(DestinationBooks { accepted: accepted - settled, queued, dropped, ..DestinationBooks::default() })
    }

    fn rows_from(&self, lane: Lane, seq: u64) -> Result<u64, QueueError> {
        let sql = format!("SELECT count(*) FROM {} WHERE seq >= ?1", schema::table(lane));
        Ok(self.db.prepare_cached(&sql)?.query_row([seq], |row| row.get(0))?)
    }

    fn open_events(&self) -> Result<u64, QueueError> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM held")?.query_row([], |row| row.get(0))?)
    }
}
