//! The queue: the durable log of events, one database, one connection, one writer.
//!
//! A drain of the journal is one transaction that stores the rows, how far the journal was drained, and the counters;
//! a settlement is one transaction that moves a cursor, books the outcome and deletes what every destination is past.
//! A kill between any two steps therefore neither loses nor repeats. The books satisfy, for each destination,
//! `accepted = delivered + queued + Σ dropped(reason)`.
//!
//! Must never: delete anything because of an error that is not proof of damage (a locked device, a full disk), or trust a
//! row without its checksum.

mod absorb;
mod apart;
mod batches;
mod books;
mod control;
mod limits;
mod recovery;
pub mod row;
mod salvage;
mod schema;
pub mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

pub use absorb::{Absorbed, Source};
pub use batches::{NewPart, RowRef, Rows, Settlement};
pub use books::DestinationBooks;
pub(crate) use control::{Control, slot, slot_mut};
pub(crate) use recovery::rebuild;
pub use recovery::{Opened, open_or_rebuild};
pub use schema::FILE;

use crate::model::event::Lane;
use crate::model::event::decode::Record;
use crate::model::ids::RunKey;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::KEPT_CONTEXTS;
use crate::model::time::Clock;
use crate::storage::journal::{RunCounters, RunStart};
use state::{LaneState, RunState};

/// Why the queue could not do something.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The disk or the quota is full.
    #[error("the disk is full")]
    Full,
    /// The file is damaged or not ours.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The system denies access for now: a locked device, a missing directory, an I/O error. Never damage.
    #[error("the database cannot be used for now: {0}")]
    Locked(String),
    /// A later version of the core wrote it.
    #[error("the database has version {0}")]
    Newer(i32),
    /// A bug of ours, or of the build.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => QueueError::Full,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OperationInterrupted,
            ) => QueueError::Locked(text),
            // A row in the place of a number that the books have not given yet: one of the two is damaged.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown,
            ) => QueueError::Corrupt(text),
            // The statements are constants: a row of another shape means damage.
            None => QueueError::Corrupt(text),
            Some(_) => QueueError::Other(text),
        }
    }
}

/// Sizes and ages that the queue keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes of all lanes.
    pub queue_bytes: u64,
    /// Bytes of the crash lane.
    pub crash_bytes: u64,
    /// Age of the oldest row; of a crash four times that.
    pub max_age: Duration,
}

/// The open queue.
#[derive(Debug)]
pub struct Queue {
    db: Connection,
    dir: PathBuf,
    limits: QueueLimits,
    clock: Clock,
    pub(crate) control: Control,
    salvage: Option<salvage::Salvage>,
}

impl Queue {
    /// Opens the queue in `dir`, as it is. [`open_or_rebuild`] also handles damage.
    ///
    /// # Errors
    /// See [`QueueError`]; on an error nothing has been changed.
    pub fn open(dir: &Path, limits: QueueLimits, clock: Clock) -> Result<Self, QueueError> {
        let db = schema::open(dir, limits.queue_bytes)?;
        let control = Control::load(&db)?;
        let mut queue = Self { db, dir: dir.to_owned(), limits, clock, control, salvage: None };
        queue.arm_ballast();
        queue.tick_age()?;
        Ok(queue)
    }

    /// Sets the age clock, so that what passes from now on in this boot is counted whoever counts it.
    fn tick_age(&mut self) -> Result<(), QueueError> {
        let age = self.control.age.set(self.clock.boot_id(), self.clock.boot());
        self.transact(false, |queue| {
            queue.control.age = age;
            Ok(())
        })
    }

    /// The age clock now, ns.
    pub fn age(&self) -> u64 {
        self.control.age.read(self.clock.boot_id(), self.clock.boot())
    }

    /// Runs `work` in one transaction together with what it changed in the books. With `full` the commit is synced to
    /// the disk. On an error nothing has happened.
    fn transact<T>(
        &mut self,
        full: bool,
        work: impl FnOnce(&mut Self) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        if full {
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
        if full {
            let _ = self.db.pragma_update(None, "synchronous", "NORMAL");
        }
        result
    }

    /// The run's number, entering it when it is new.
    pub fn enter_run(&mut self, start: RunStart) -> Result<u32, QueueError> {
        let key = start.key.name();
        if let Some((id, _)) = self.control.runs.iter().find(|(_, run)| run.key == key) {
            return Ok(*id);
        }
        self.transact(false, |queue| {
            let id = queue.control.books.next_run + 1;
            queue.control.books.next_run = id;
            let run = RunState { key, base_wall: start.base_wall, ..RunState::default() };
            queue.control.runs.insert(id, run);
            Ok(id)
        })
    }

    /// Enters a run whose earlier records were erased: its counters begin at what they are.
    pub fn begin_run_at(&mut self, run: u32, head: u64, counters: &RunCounters) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            if let Some(state) = queue.control.runs.get_mut(&run) {
                (state.drained_to, state.crash_to) = (head, head);
                (state.drained, state.refused) = (counters.appended, counters.refused);
            }
            Ok(())
        })
    }

    /// The number of a run that has been entered.
    pub fn find_run(&self, key: RunKey) -> Option<(u32, &RunState)> {
        let name = key.name();
        self.control.runs.iter().find(|(_, run)| run.key == name).map(|(id, run)| (*id, run))
    }

    /// Runs whose journal has not been read to its end.
    pub fn open_runs(&self) -> impl Iterator<Item = (u32, RunKey)> + '_ {
        self.control.runs.iter().filter(|(_, run)| !run.done).filter_map(|(id, run)| Some((*id, run.run_key()?)))
    }

    /// Key and base time of a run.
    pub fn run_start(&self, run: u32) -> Option<RunStart> {
        let state = self.control.runs.get(&run)?;
        Some(RunStart { key: state.run_key()?, base_wall: state.base_wall })
    }

    /// Cheap figures for `health()`: no query.
    pub fn summary(&self, health: &mut crate::storage::health::Health) {
        health.queue = self.depth();
        health.accepted = self.control.lanes.iter().map(|lane| lane.accepted).sum();
        health.dropped = state::ledger(&self.control.books.drops);
        health.retries = self.control.books.retries;
        health.quarantined_files = self.control.books.quarantined_files;
        health.destinations = self
            .control
            .active()
            .map(|(_, state)| crate::storage::health::DestinationHealth {
                name: state.name.clone(),
                delivered: state.delivered.iter().sum(),
                dropped: state::ledger(&state.drops),
                paused: state.paused.map(|_| state.pause_reason.clone()),
            })
            .collect();
    }

    /// A context or scope record; `None` when it is missing or damaged.
    pub fn context(&self, run: u32, version: u32) -> Result<Option<Vec<u8>>, QueueError> {
        let mut statement =
            self.db.prepare_cached("SELECT record, crc FROM contexts WHERE run = ?1 AND version = ?2")?;
        let row = statement
            .query_row(params![run, version], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, u32>(1)?)))
            .optional()?;
        Ok(row.filter(|(record, crc)| record_crc(run, u64::from(version), record) == *crc).map(|(record, _)| record))
    }

    /// Brings the destinations to what the configuration says. A new one starts at the oldest row; a removed one's rest is
    /// dropped and counted; a changed endpoint or header lifts a pause.
    pub fn configure(&mut self, wanted: &[(String, u64)]) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            let control = &mut queue.control;
            let gone: Vec<u32> = control
                .active()
                .filter(|(_, state)| !wanted.iter().any(|(name, _)| *name == state.name))
                .map(|(id, _)| id)
                .collect();
            for id in gone {
                for lane in Lane::ALL {
                    let waiting = queue.waiting(id, lane)?;
                    queue.control.batches.remove(&(id, lane));
                    if let Some(state) = queue.control.destinations.get_mut(&id) {
                        state.drop_events(lane, DropReason::DestinationRemoved, waiting);
                        state.removed = true;
                    }
                }
            }
            for (name, fingerprint) in wanted {
                let control = &mut queue.control;
                match control.destinations.values_mut().find(|state| !state.removed && state.name == *name) {
                    Some(state) if state.fingerprint != *fingerprint => {
                        state.fingerprint = *fingerprint;
                        state.paused = None;
                        state.pauses = 0;
                    }
                    Some(_) => {}
                    None => {
                        let id = control.books.next_destination + 1;
                        control.books.next_destination = id;
                        let fresh = control.new_destination(name.clone(), *fingerprint);
                        control.destinations.insert(id, fresh);
                    }
                }
            }
            Ok(())
        })
    }

    /// Numbers of the configured destinations, by name.
    pub fn destinations(&self) -> Vec<(u32, String)> {
        self.control.active().map(|(id, state)| (id, state.name.clone())).collect()
    }

    /// Rows and bytes of each lane.
    pub fn depth(&self) -> [(u64, u64); 4] {
        self.control.lanes.map(|lane| (lane.rows + lane.held, lane.bytes))
    }

    /// Writes the WAL back into the database and shortens it.
    pub fn checkpoint(&mut self) -> Result<(), QueueError> {
        kill_point("checkpoint");
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        kill_point("checkpoint");
        Ok(())
    }

    /// Gives free pages back to the file system, a few at a time.
    pub fn vacuum(&mut self) -> Result<(), QueueError> {
        let mut statement = self.db.prepare("PRAGMA incremental_vacuum(64)")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Checkpoints and closes.
    pub fn close(mut self) {
        let _ = self.tick_age();
        let _ = self.checkpoint();
        let _ = self.db.close();
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs of which nothing is left are forgotten, with their contexts.
    pub fn forget_old_runs(&mut self, current: u32) -> Result<(), QueueError> {
        if self.is_salvaging() || self.control.apart.is_any() {
            return Ok(());
        }
        let lanes = self.control.lanes;
        let gone: Vec<u32> = self
            .control
            .runs
            .iter()
            .filter(|(id, run)| **id != current && run.done)
            .filter(|(_, run)| run.last_seq.iter().zip(&lanes).all(|(last, lane)| *last < lane.first_seq))
            .map(|(id, _)| *id)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.transact(false, |queue| {
            for run in gone {
                queue.db.prepare_cached("DELETE FROM contexts WHERE run = ?1")?.execute([run])?;
                queue.control.runs.remove(&run);
            }
            Ok(())
        })
    }

    /// Forgets contexts of the running process that nothing refers to any more: when every row is delivered, those that are
    /// neither `in_use` nor an open event's. The newest few stay: an event that is being recorded may refer to them.
    pub fn prune_contexts(&mut self, run: u32, in_use: [u32; 2]) -> Result<(), QueueError> {
        let is_idle = self.control.lanes.iter().all(|lane| lane.rows == 0) && !self.control.apart.is_any();
        if !is_idle || self.is_salvaging() {
            return Ok(());
        }
        self.transact(false, |queue| {
            let mut needed = in_use.to_vec();
            let mut held = queue.db.prepare_cached("SELECT record FROM held WHERE run = ?1")?;
            let records: Vec<Vec<u8>> = held.query_map([run], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for record in &records {
                // One that cannot be read may refer to any.
                let Ok(record) = Record::decode(record) else { return Ok(()) };
                needed.extend([record.context, record.scope]);
            }
            let newest = in_use.into_iter().max().unwrap_or(0).saturating_sub(KEPT_CONTEXTS);
            let mut old = queue.db.prepare_cached("SELECT version FROM contexts WHERE run = ?1 AND version < ?2")?;
            let old: Vec<u32> = old.query_map([run, newest], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for version in old.into_iter().filter(|version| !needed.contains(version)) {
                let sql = "DELETE FROM contexts WHERE run = ?1 AND version = ?2";
                queue.db.prepare_cached(sql)?.execute([run, version])?;
            }
            Ok(())
        })
    }

    /// Erases everything: the client was switched off for good.
    pub fn wipe(&mut self) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            for lane in Lane::ALL {
                let seqs = queue.seqs(lane)?;
                queue.control.drop_rows(lane, DropReason::SwitchedOff, &seqs);
                queue.db.execute(&format!("DELETE FROM {}", schema::table(lane)), [])?;
                let state = queue.control.lane_mut(lane);
                let held = std::mem::take(&mut state.held);
                let next_seq = state.next_seq;
                *state = LaneState { first_seq: next_seq, rows: 0, bytes: 0, ..*state };
                state::add_drops(&mut queue.control.books.drops, lane, DropReason::SwitchedOff, held);
                for destination in queue.control.destinations.values_mut() {
                    *slot_mut(&mut destination.cursor, lane) = next_seq;
                }
            }
            queue.db.execute("DELETE FROM held", [])?;
            queue.db.execute("DELETE FROM pending", [])?;
            queue.control.apart = apart::Apart::default();
            queue.control.batches.clear();
            Ok(())
        })
    }

    fn seqs(&self, lane: Lane) -> Result<Vec<u64>, QueueError> {
        let sql = format!("SELECT seq FROM {} ORDER BY seq", schema::table(lane));
        let mut statement = self.db.prepare(&sql)?;
        let seqs = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(seqs)
    }
}

/// Checksum of a context or held record in its place.
fn record_crc(run: u32, n: u64, record: &[u8]) -> u32 {
    let mut place = [0u8; 12];
    let (a, b) = place.split_at_mut(4);
    a.copy_from_slice(&run.to_le_bytes());
    b.copy_from_slice(&n.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), record)
}

#[cfg(test)]
mod tests;
