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
mod batches;
mod consent;
mod limits;
mod recovery;
pub mod row;
mod salvage;
mod schema;
pub mod state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

pub use absorb::{Absorbed, Source};
pub use batches::{NewPart, RowRef, Rows, Settlement};
pub(crate) use recovery::rebuild;
pub use recovery::{Opened, open_or_rebuild};
pub use schema::FILE;

use crate::event::Lane;
use crate::event::decode::Record;
use crate::ids::RunKey;
use crate::journal::{RunCounters, RunStart};
use crate::kill_point::kill_point;
use crate::ledger::{DropReason, Ledger};
use crate::limits::KEPT_CONTEXTS;
use crate::time::Clock;
use state::{AgeClock, BatchState, Books, DestinationState, LaneState, RunState};

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

/// Everything small that the queue knows; written with each transaction as far as it changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Control {
    pub(crate) lanes: [LaneState; 4],
    pub(crate) marks: [Vec<(u64, u64)>; 4],
    pub(crate) runs: BTreeMap<u32, RunState>,
    pub(crate) destinations: BTreeMap<u32, DestinationState>,
    pub(crate) batches: BTreeMap<(u32, Lane), BatchState>,
    pub(crate) books: Books,
    pub(crate) age: AgeClock,
    /// Whether events are kept apart until the user consents. Said anew by every process.
    pub(crate) is_pending: bool,
    /// Bytes that are kept apart.
    pub(crate) apart: consent::Apart,
}

impl Control {
    pub(crate) fn lane(&self, lane: Lane) -> &LaneState {
        let [crash, error, event, bulk] = &self.lanes;
        match lane {
            Lane::Crash => crash,
            Lane::Error => error,
            Lane::Event => event,
            Lane::Bulk => bulk,
        }
    }

    pub(crate) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        slot_mut(&mut self.lanes, lane)
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = (u32, &DestinationState)> {
        self.destinations.iter().filter(|(_, state)| !state.removed).map(|(id, state)| (*id, state))
    }

    /// Books drops of rows with these sequence numbers: for every destination that still wanted them, or for all.
    pub(crate) fn drop_rows(&mut self, lane: Lane, reason: DropReason, seqs: &[u64]) {
        let mut any = false;
        for (id, destination) in self.destinations.iter_mut().filter(|(_, state)| !state.removed) {
            any = true;
            let cursor = slot(&destination.cursor, lane);
            let settled = self.batches.get(&(*id, lane)).map(|batch| (batch.from, batch.to, &batch.parts));
            let wanted = seqs.iter().filter(|seq| {
                let in_batch = settled.as_ref().filter(|(from, to, _)| (*from..=*to).contains(seq));
                **seq >= cursor
                    && in_batch.is_none_or(|(_, _, parts)| parts.iter().any(|part| (part.from..=part.to).contains(seq)))
            });
            let count = wanted.count() as u64;
            destination.drop_events(lane, reason, count);
        }
        if !any {
            state::add_drops(&mut self.books.drops, lane, reason, seqs.len() as u64);
        }
    }

    fn load(db: &Connection) -> Result<Self, QueueError> {
        let mut control = Self::default();
        for lane in Lane::ALL {
            let fresh = LaneState { next_seq: 1, first_seq: 1, ..LaneState::default() };
            *control.lane_mut(lane) = state::load(db, &lane_key(lane))?.unwrap_or(fresh);
            *slot_mut(&mut control.marks, lane) = state::load(db, &marks_key(lane))?.unwrap_or_default();
        }
        control.apart = consent::Apart::load(db)?;
        for (id, run) in state::load_all(db, "run/")? {
            control.runs.insert(number(&id)?, run);
        }
        for (id, destination) in state::load_all(db, "destination/")? {
            control.destinations.insert(number(&id)?, destination);
        }
        for (id, batch) in state::load_all(db, "batch/")? {
            let (destination, lane) = id.split_once('/').ok_or_else(|| bad_key(&id))?;
            let lane = Lane::from_code(number(lane)? as u8).ok_or_else(|| bad_key(&id))?;
            control.batches.insert((number(destination)?, lane), batch);
        }
        control.books = state::load(db, "books")?.unwrap_or_default();
        control.age = state::load(db, "age")?.unwrap_or_default();
        Ok(control)
    }

    /// Writes what differs from `old`.
    fn save(&self, db: &Connection, old: &Control) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            if self.lane(lane) != old.lane(lane) {
                state::store(db, &lane_key(lane), self.lane(lane))?;
            }
            let at = usize::from(lane.code());
            if self.marks.get(at) != old.marks.get(at) {
                state::store(db, &marks_key(lane), &self.marks.get(at))?;
            }
        }
        save_map(db, &self.runs, &old.runs, |id| format!("run/{id}"))?;
        save_map(db, &self.destinations, &old.destinations, |id| format!("destination/{id}"))?;
        save_map(db, &self.batches, &old.batches, |(id, lane)| format!("batch/{id}/{}", lane.code()))?;
        if self.books != old.books {
            state::store(db, "books", &self.books)?;
        }
        if self.age != old.age {
            state::store(db, "age", &self.age)?;
        }
        Ok(())
    }
}

fn save_map<K: Ord, V: PartialEq + serde::Serialize>(
    db: &Connection,
    new: &BTreeMap<K, V>,
    old: &BTreeMap<K, V>,
    key: impl Fn(&K) -> String,
) -> Result<(), QueueError> {
    for (id, value) in new.iter().filter(|(id, value)| old.get(id) != Some(*value)) {
        state::store(db, &key(id), value)?;
    }
    for id in old.keys().filter(|id| !new.contains_key(id)) {
        state::remove(db, &key(id))?;
    }
    Ok(())
}

fn lane_key(lane: Lane) -> String {
    format!("lane/{}", lane.code())
}

fn marks_key(lane: Lane) -> String {
    format!("marks/{}", lane.code())
}

fn number(text: &str) -> Result<u32, QueueError> {
    text.parse().map_err(|_| bad_key(text))
}

fn bad_key(text: &str) -> QueueError {
    QueueError::Corrupt(format!("state key ends in `{text}`"))
}

/// The value of a lane in an array by lane.
pub(crate) fn slot<T: Copy + Default>(values: &[T; 4], lane: Lane) -> T {
    values.get(usize::from(lane.code())).copied().unwrap_or_default()
}

/// The place of a lane in an array by lane.
pub(crate) fn slot_mut<T>(values: &mut [T; 4], lane: Lane) -> &mut T {
    let [crash, error, event, bulk] = values;
    match lane {
        Lane::Crash => crash,
        Lane::Error => error,
        Lane::Event => event,
        Lane::Bulk => bulk,
    }
}

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
    pub fn summary(&self, health: &mut crate::health::Health) {
        health.queue = self.depth();
        health.accepted = self.control.lanes.iter().map(|lane| lane.accepted).sum();
        health.dropped = state::ledger(&self.control.books.drops);
        health.retries = self.control.books.retries;
        health.quarantined_files = self.control.books.quarantined_files;
        health.destinations = self
            .control
            .active()
            .map(|(_, state)| crate::health::DestinationHealth {
                name: state.name.clone(),
                delivered: state.delivered.iter().sum(),
                dropped: state::ledger(&state.drops),
                paused: state.paused.map(|_| state.pause_reason.clone()),
            })
            .collect();
    }

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
            queue.control.apart = consent::Apart::default();
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

impl Control {
    fn new_destination(&self, name: String, fingerprint: u64) -> DestinationState {
        let mut fresh = DestinationState { name, fingerprint, ..DestinationState::default() };
        let door = state::ledger(&self.books.drops);
        for lane in Lane::ALL {
            let state = self.lane(lane);
            let dropped: u64 = door.iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum();
            *slot_mut(&mut fresh.cursor, lane) = state.first_seq;
            *slot_mut(&mut fresh.baseline, lane) = state.accepted.saturating_sub(state.rows + state.held + dropped);
        }
        fresh
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
