//! The queue: the durable log of events. One database, one connection, one writer.
//!
//! A drain of the journal is one transaction: it stores the rows, how far the journal was drained,
//! and the counters. What became of a request is one transaction, too: it books the outcome, moves
//! the cursor, and deletes what every destination has settled. So a kill between any two steps
//! neither loses nor repeats an event. The books satisfy, for each destination, `accepted =
//! delivered + queued + Σ dropped(reason)`.
//!
//! - `schema`, `values`: the file, its tables and its settings; small values with checksums;
//! - `state`, `control`, `books`: the books as they are stored, in memory, and as a user reads
//!   them;
//! - `row`, `lanes`, `rows`: the bytes of a row, the tables that hold them, and reading them for a
//!   batch;
//! - `absorb`: from a journal into the queue, by way of `held` (open events), `apart` (events that
//!   wait for consent, or for something to happen) and `contexts`, of which `sweep` forgets those
//!   that no event needs; `source`: what it takes records from;
//! - `trail`: the last events of a run that is not over, for the case that it crashes;
//! - `runs`, `destinations`, `batches`, `settle`: the life of a run of the process, a destination,
//!   a batch, a part;
//! - `limits`: quotas, ages, a full disk;
//! - `recovery`, `salvage`: what is done about a damaged database.
//!
//! The queue must never delete anything because of an error that is not proof of damage (a locked
//! device, a full disk), and must never trust a row without its checksum.

mod absorb;
mod answers;
mod apart;
mod batches;
mod books;
mod by_lane;
mod contexts;
mod control;
mod destinations;
mod error;
mod held;
mod kinds;
mod lanes;
mod limits;
mod losses;
mod recovery;
pub mod row;
mod rows;
mod runs;
mod salvage;
mod schema;
mod sent;
mod settle;
mod source;
pub mod state;
mod sweep;
mod trail;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

pub use absorb::Absorbed;
pub use answers::SignalAnswers;
pub use batches::{LeftOut, NewPart};
pub use books::DestinationBooks;
pub use by_lane::ByLane;
use control::Control;
pub use error::QueueError;
pub use losses::{LostOf, Untold};
pub(crate) use recovery::rebuild;
pub use recovery::{Opened, open_or_rebuild};
pub use rows::{RowRef, Rows};
pub use schema::FILE;
pub use settle::{Answered, Retry, Settlement};
pub use source::Source;
pub use sweep::Live;

use crate::model::event::Lane;
use crate::model::kill_point::kill_point;
use crate::model::limits::VACUUM_PAGES;
use crate::model::time::Clock;
use crate::storage::health::{DestinationHealth, Health, LaneDepth};

/// The sizes and ages that the queue keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// The most bytes of all lanes.
    pub queue_bytes: u64,
    /// The most bytes of the crash lane.
    pub crash_bytes: u64,
    /// The age at which a row is dropped. Crashes are kept four times longer.
    pub max_age: Duration,
}

/// How durable a transaction is when it has been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// It survives the death of the process. A loss of power may undo it.
    Process,
    /// It is synced to the disk and survives a loss of power.
    Power,
}

/// The open queue.
#[derive(Debug)]
pub struct Queue {
    db: Connection,
    dir: PathBuf,
    limits: QueueLimits,
    clock: Clock,
    control: Control,
    salvage: Option<salvage::Salvage>,
    sweeping: sweep::Sweeping,
    /// Changes of open events that this process has made.
    open_changes: u64,
}

impl Queue {
    /// Opens the queue in `dir` as it is. [`open_or_rebuild`] also handles damage.
    ///
    /// # Errors
    /// See [`QueueError`]. Nothing has been changed then.
    pub fn open(dir: &Path, limits: QueueLimits, clock: Clock) -> Result<Self, QueueError> {
        let db = schema::open(dir, limits.queue_bytes)?;
        let control = Control::load(&db)?;
        let mut queue = Self {
            db,
            dir: dir.to_owned(),
            limits,
            clock,
            control,
            salvage: None,
            sweeping: sweep::Sweeping::default(),
            open_changes: 0,
        };
        queue.arm_ballast();
        queue.tick_age()?;
        Ok(queue)
    }

    /// Stores the queue age, so that the time that passes from now on counts even if this process
    /// does not store it again.
    fn tick_age(&mut self) -> Result<(), QueueError> {
        let age = self.control.age.set(self.clock.boot_id(), self.clock.boot());
        self.transact(|queue| {
            queue.control.age = age;
            Ok(())
        })
    }

    /// The queue age now, ns: boot time, summed over the boots of the device.
    pub fn age(&self) -> u64 {
        self.control.age.read(self.clock.boot_id(), self.clock.boot())
    }

    /// Lets every write fail, as on a disk that is full.
    #[cfg(test)]
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.db.pragma_update(None, "query_only", fail).unwrap();
    }

    /// Runs `work` in one transaction, together with what it changes in the books. On an error
    /// nothing has happened.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, QueueError>) -> Result<T, QueueError> {
        self.transact_with(Durability::Process, work)
    }

    /// Does the same, and syncs the commit to the disk.
    fn transact_synced<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, QueueError>) -> Result<T, QueueError> {
        self.transact_with(Durability::Power, work)
    }

    fn transact_with<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&mut Self) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        if durability == Durability::Power {
            // SQLite takes this setting only outside a transaction.
            self.db.pragma_update(None, "synchronous", "FULL")?;
        }
        let saved = self.control.clone();
        let result = self.db.execute_batch("BEGIN IMMEDIATE").map_err(QueueError::from).and_then(|()| {
            let value = work(self)?;
            self.control.save(&self.db, &saved)?;
            kill_point("before_commit");
            self.db.execute_batch("COMMIT")?;
            Ok(value)
        });
        if result.is_err() {
            self.control = saved;
            if !self.db.is_autocommit() {
                let _ = self.db.execute_batch("ROLLBACK");
            }
        } else {
            kill_point("after_commit");
        }
        if durability == Durability::Power {
            let _ = self.db.pragma_update(None, "synchronous", "NORMAL");
        }
        result
    }

    /// Enters the queue's figures into `health`. They are in memory: no query is made.
    pub fn summary(&self, health: &mut Health) {
        health.queue = self.depth();
        health.accepted = self.control.lanes.values().map(|lane| lane.accepted).sum();
        health.dropped = self.control.books.drops.ledger();
        health.retries = self.control.books.retries;
        health.quarantined_files = self.control.books.quarantined_files;
        health.destinations = self
            .control
            .active()
            .map(|(_, state)| DestinationHealth {
                name: state.name.clone(),
                delivered: state.delivered.values().sum(),
                dropped: state.drops.ledger(),
                paused: self.why_destination_paused(state),
                // The queue does not know: the app's decision is not stored.
                paused_by_app: false,
            })
            .collect();
    }

    /// What each lane holds. Open events count as rows.
    pub fn depth(&self) -> [LaneDepth; Lane::ALL.len()] {
        self.control.lanes.0.map(|lane| LaneDepth { rows: lane.rows + lane.held, bytes: lane.bytes })
    }

    /// Writes the WAL back into the database and truncates it.
    pub fn checkpoint(&mut self) -> Result<(), QueueError> {
        kill_point("checkpoint");
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        kill_point("checkpoint");
        Ok(())
    }

    /// Gives free pages back to the file system, a few at a time.
    pub fn vacuum(&mut self) -> Result<(), QueueError> {
        let mut statement = self.db.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Checkpoints the database and closes it.
    pub fn close(mut self) {
        let _ = self.tick_age();
        let _ = self.checkpoint();
        let _ = self.db.close();
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests;
