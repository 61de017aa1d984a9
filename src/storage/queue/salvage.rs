//! Reading a damaged database into the new one, in steps that are each one short transaction.
//!
//! The first step takes over what the old books say, each value only if its checksum holds, the contexts, and what was held
//! open: the next record of the journal may close it. Then come the lanes' rows, upwards, and downwards where the way up is
//! blocked. New events are absorbed meanwhile, under sequence numbers that the old database cannot have given. At the end
//! of each lane whatever the old books say is missing is booked as corrupt: there the law is restored, not proved.
//!
//! Must never: take over old books when this database has books of its own, or book a lane twice. A process may die between
//! any two steps.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use super::absorb::ROW_OVERHEAD;
use super::recovery::UNREAD;
use super::state::{self, BatchState, Books, DestinationState, LaneState, RunState};
use super::{Control, Queue, QueueError, record_crc, row, schema, slot, slot_mut};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;

/// Rows of one step.
const STEP_ROWS: usize = 256;

/// What the old database's books say, each value taken only if its checksum holds.
struct OldBooks {
    control: Control,
    lanes_known: [bool; 4],
}

fn read_books(old: &Connection) -> OldBooks {
    let mut books = OldBooks { control: Control::default(), lanes_known: [false; 4] };
    let Ok(mut statement) = old.prepare("SELECT key, value, crc FROM state") else { return books };
    let Ok(mut rows) = statement.query([]) else { return books };
    while let Ok(Some(row)) = rows.next() {
        let (Ok(key), Ok(value), Ok(crc)) = (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, u32>(2))
        else {
            continue;
        };
        let control = &mut books.control;
        let (kind, id) = key.split_once('/').unwrap_or((&key, ""));
        match kind {
            "lane" => {
                let lane = id.parse().ok().and_then(Lane::from_code);
                if let (Some(lane), Ok(state)) = (lane, state::parse::<LaneState>(&key, &value, crc)) {
                    *control.lane_mut(lane) = state;
                    *slot_mut(&mut books.lanes_known, lane) = true;
                }
            }
            "marks" => {
                let lane = id.parse().ok().and_then(Lane::from_code);
                if let (Some(lane), Ok(marks)) = (lane, state::parse(&key, &value, crc)) {
                    *slot_mut(&mut control.marks, lane) = marks;
                }
            }
            "run" => {
                if let (Ok(id), Ok(run)) = (id.parse(), state::parse::<RunState>(&key, &value, crc)) {
                    control.runs.insert(id, run);
                }
            }
            "destination" => {
                if let (Ok(id), Ok(state)) = (id.parse(), state::parse::<DestinationState>(&key, &value, crc)) {
                    control.destinations.insert(id, state);
                }
            }
            "batch" => {
                let parsed = id.split_once('/').and_then(|(destination, lane)| {
                    Some((destination.parse().ok()?, Lane::from_code(lane.parse().ok()?)?))
                });
                if let (Some(place), Ok(batch)) = (parsed, state::parse::<BatchState>(&key, &value, crc)) {
                    control.batches.insert(place, batch);
                }
            }
            "books" => control.books = state::parse::<Books>(&key, &value, crc).unwrap_or_default(),
            "age" => control.age = state::parse(&key, &value, crc).unwrap_or_default(),
            _ => {}
        }
    }
    books
}

/// Which way a lane is read.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// From the first row.
    Up { at: i64 },
    /// From the last one, because the way up was blocked behind `stop`.
    Down { below: i64, stop: i64 },
}

/// What is done next.
#[derive(Debug, Clone, Copy)]
struct Stage {
    lane: Lane,
    way: Way,
}

impl Stage {
    fn first_of(lane: Lane) -> Self {
        Self { lane, way: Way::Up { at: 0 } }
    }
}

/// A damaged database that is being read.
#[derive(Debug)]
pub(super) struct Salvage {
    old: Connection,
    folder: PathBuf,
    plan: Plan,
    stage: Stage,
}

/// What was known when reading began; kept with the new database's books until it has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Plan {
    folder: String,
    /// The lanes' books in the old database.
    before: [LaneState; 4],
    /// Events held open that were brought over.
    held: [u64; 4],
    /// Sequence numbers from here on are the new database's own.
    boundary: [u64; 4],
    /// Code of the first lane that has not been booked.
    next_lane: u8,
}

const PLAN: &str = "salvage";

impl Queue {
    /// Whether a damaged database is being read: nothing is sent, evicted or configured meanwhile.
    pub fn is_salvaging(&self) -> bool {
        self.salvage.is_some()
    }

    /// Opens the damaged database in `folder` and takes over its books. Takes up the work where an earlier process left it.
    pub(super) fn begin_salvage(&mut self, folder: PathBuf) -> Result<(), QueueError> {
        // Read-write: a WAL is only read back into a database that may be written.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(old) = Connection::open_with_flags(folder.join(schema::FILE), flags) else {
            return self.end_salvage(&folder);
        };
        let _ = old.pragma_update(None, "locking_mode", "EXCLUSIVE");
        let _ = old.pragma_update(None, "cell_size_check", true);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plan = match state::load::<Plan>(&self.db, PLAN)?.filter(|plan| plan.folder == name) {
            Some(plan) => plan,
            None if self.control.books.next_run == 0 => self.take_over(&old, name)?,
            // It was read to its end, and only the marker outlived that; or a later damage came in between.
            None => return self.end_salvage(&folder),
        };
        let Some(lane) = Lane::from_code(plan.next_lane) else { return self.end_salvage(&folder) };
        self.salvage = Some(Salvage { old, folder, plan, stage: Stage::first_of(lane) });
        Ok(())
    }

    /// Makes the old database's books this one's.
    fn take_over(&mut self, old: &Connection, folder: String) -> Result<Plan, QueueError> {
        let OldBooks { mut control, lanes_known } = read_books(old);
        self.transact(false, |queue| {
            let mut plan = Plan { folder, before: control.lanes, ..Plan::default() };
            let highest = control.runs.keys().max().copied().unwrap_or(0);
            control.books.next_run = control.books.next_run.max(highest);
            let highest = control.destinations.keys().max().copied().unwrap_or(0);
            control.books.next_destination = control.books.next_destination.max(highest);
            for lane in Lane::ALL {
                let state = control.lane_mut(lane);
                // Sequence numbers must never be given twice: without the books, start behind anything that can exist.
                let highest = highest_seq(old, lane);
                let next_seq =
                    if slot(&lanes_known, lane) { state.next_seq.max(highest + 1) } else { highest + (1 << 20) };
                *state = LaneState { next_seq, first_seq: 1, rows: 0, bytes: 0, held: 0, ..*state };
                *slot_mut(&mut plan.boundary, lane) = next_seq;
            }
            queue.control = control;
            queue.salvage_contexts(old)?;
            for lane in Lane::ALL {
                let held = queue.salvage_held(old, lane)?;
                queue.control.lane_mut(lane).held = held;
                *slot_mut(&mut plan.held, lane) = held;
            }
            state::store(&queue.db, PLAN, &plan)?;
            Ok(plan)
        })
    }

    /// One short transaction of reading a damaged database. True while more is to do.
    ///
    /// # Errors
    /// Those of the new database; the step is taken again. The old one's only end its reading.
    pub fn salvage_step(&mut self) -> Result<bool, QueueError> {
        let Some(mut salvage) = self.salvage.take() else { return Ok(false) };
        let next = self.salvage_stage(&mut salvage).and_then(|next| match next {
            None => self.end_salvage(&salvage.folder).map(|()| None),
            stage => Ok(stage),
        });
        match next {
            Ok(None) => return Ok(false),
            Ok(Some(stage)) => salvage.stage = stage,
            Err(error) => {
                self.salvage = Some(salvage);
                return Err(error);
            }
        }
        self.salvage = Some(salvage);
        Ok(true)
    }

    /// The plan goes before the marker: a marker without a plan, beside books that have runs, starts nothing.
    fn end_salvage(&mut self, folder: &Path) -> Result<(), QueueError> {
        self.transact(false, |queue| state::remove(&queue.db, PLAN))?;
        let _ = fs::remove_file(folder.join(UNREAD));
        Ok(())
    }

    /// One query of the lane, or its booking. `None` when every lane has been booked.
    fn salvage_stage(&mut self, salvage: &mut Salvage) -> Result<Option<Stage>, QueueError> {
        let Stage { lane, way } = salvage.stage;
        if salvage.plan.next_lane > lane.code() {
            return Ok(None);
        }
        if let Some(way) = self.salvage_way(&salvage.old, lane, way)? {
            return Ok(Some(Stage { lane, way }));
        }
        let booked = Plan { next_lane: lane.code() + 1, ..salvage.plan.clone() };
        self.transact(false, |queue| {
            queue.refresh_first(lane)?;
            queue.reconcile(lane, &booked)?;
            state::store(&queue.db, PLAN, &booked)
        })?;
        salvage.plan = booked;
        Ok(Lane::from_code(lane.code() + 1).map(Stage::first_of))
    }

    /// Books what is missing: for each destination the rows that it had not settled, for the queue itself otherwise.
    fn reconcile(&mut self, lane: Lane, plan: &Plan) -> Result<(), QueueError> {
        let (before, boundary) = (slot(&plan.before, lane), slot(&plan.boundary, lane));
        let table = schema::table(lane);
        let count = |sql: &str, from: u64| self.db.query_row(sql, [from], |row| row.get::<_, u64>(0));
        let kept = count(&format!("SELECT count(*) FROM {table} WHERE seq < ?1"), boundary)?;
        let old_held = slot(&plan.held, lane);
        let control = &mut self.control;
        let state = control.lane_mut(lane);
        let held = state.held;
        // Rows that the old books did not know of were accepted all the same.
        state.accepted += kept.saturating_sub(before.rows) + old_held.saturating_sub(before.held);
        let accepted = state.accepted;
        let door: u64 =
            state::ledger(&control.books.drops).iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum();
        let active: Vec<u32> = control.active().map(|(id, _)| id).collect();
        if active.is_empty() {
            let missing = (before.rows + before.held).saturating_sub(kept + old_held);
            state::add_drops(&mut control.books.drops, lane, DropReason::RowCorrupt, missing);
        }
        for id in active {
            // A batch whose rows may be gone is taken apart: its open rows are sent again, ids keep them from counting
            // twice at the backend.
            control.batches.remove(&(id, lane));
            let cursor = control.destinations.get(&id).map_or(0, |state| slot(&state.cursor, lane));
            let sql = format!("SELECT count(*) FROM {table} WHERE seq >= ?1");
            let queued = self.db.query_row(&sql, [cursor], |row| row.get::<_, u64>(0))? + held;
            let Some(destination) = control.destinations.get_mut(&id) else { continue };
            let baseline = slot(&destination.baseline, lane);
            let delivered = slot(&destination.delivered, lane);
            let dropped: u64 =
                state::ledger(&destination.drops).iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum();
            let settled = baseline + delivered + dropped + door;
            match accepted.checked_sub(settled + queued) {
                Some(missing) => destination.drop_events(lane, DropReason::RowCorrupt, missing),
                // Rows that had been settled will be sent again: they count as accepted again.
                None => *slot_mut(&mut destination.delivered, lane) -= (settled + queued - accepted).min(delivered),
            }
        }
        Ok(())
    }

    /// Upwards from the first row; where that is blocked, downwards from the last. `None` when the lane is read.
    fn salvage_way(&mut self, old: &Connection, lane: Lane, way: Way) -> Result<Option<Way>, QueueError> {
        let table = schema::table(lane);
        match way {
            Way::Up { at } => {
                let sql = format!("SELECT seq, row FROM {table} WHERE seq > ?1 ORDER BY seq LIMIT {STEP_ROWS}");
                let (last, ended) = self.salvage_rows(old, lane, &sql, at)?;
                Ok(match last {
                    _ if ended => None,
                    Some(last) if last > at => Some(Way::Up { at: last }),
                    // Blocked, or led in a circle by a damaged page.
                    _ => Some(Way::Down { below: i64::MAX, stop: at }),
                })
            }
            Way::Down { below, stop } => {
                let sql = format!("SELECT seq, row FROM {table} WHERE seq < ?1 ORDER BY seq DESC LIMIT {STEP_ROWS}");
                let (last, ended) = self.salvage_rows(old, lane, &sql, below)?;
                Ok(last.filter(|last| *last > stop && *last < below && !ended).map(|below| Way::Down { below, stop }))
            }
        }
    }

    fn salvage_contexts(&self, old: &Connection) -> Result<(), QueueError> {
        let Ok(mut statement) = old.prepare("SELECT run, version, record, crc FROM contexts") else { return Ok(()) };
        let Ok(mut rows) = statement.query([]) else { return Ok(()) };
        while let Ok(Some(row)) = rows.next() {
            let parts = (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, Vec<u8>>(2), row.get::<_, u32>(3));
            let (Ok(run), Ok(version), Ok(record), Ok(crc)) = parts else { continue };
            if record_crc(run, version, &record) == crc {
                let sql = "INSERT OR IGNORE INTO contexts(run, version, record, crc) VALUES(?1, ?2, ?3, ?4)";
                self.db.prepare_cached(sql)?.execute(params![run, version, record, crc])?;
            }
        }
        Ok(())
    }

    /// Brings over what a lane holds open. Returns how many events that were.
    fn salvage_held(&self, old: &Connection, lane: Lane) -> Result<u64, QueueError> {
        let mut kept = 0;
        let Ok(mut statement) = old.prepare("SELECT run, n, record, crc FROM held WHERE lane = ?1") else {
            return Ok(kept);
        };
        let Ok(mut rows) = statement.query([lane.code()]) else { return Ok(kept) };
        while let Ok(Some(row)) = rows.next() {
            let parts = (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, Vec<u8>>(2), row.get::<_, u32>(3));
            let (Ok(run), Ok(n), Ok(record), Ok(crc)) = parts else { continue };
            if record_crc(run, n, &record) == crc && self.control.runs.contains_key(&run) {
                let sql = "INSERT OR IGNORE INTO held(run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5)";
                kept += self.db.prepare_cached(sql)?.execute(params![run, n, lane.code(), record, crc])? as u64;
            }
        }
        Ok(kept)
    }

    /// One query's worth of rows, in one transaction. Returns the last sequence number seen, and whether the query came to
    /// the table's end.
    fn salvage_rows(
        &mut self,
        old: &Connection,
        lane: Lane,
        sql: &str,
        from: i64,
    ) -> Result<(Option<i64>, bool), QueueError> {
        self.transact(false, |queue| {
            let Ok(mut statement) = old.prepare_cached(sql) else { return Ok((None, false)) };
            let Ok(mut rows) = statement.query([from]) else { return Ok((None, false)) };
            let (mut last, mut seen) = (None, 0);
            loop {
                match rows.next() {
                    Ok(Some(stored)) => {
                        seen += 1;
                        let Ok(seq) = stored.get::<_, i64>(0) else { continue };
                        last = Some(seq);
                        let Some(bytes) = stored.get_ref(1).ok().and_then(|value| value.as_blob().ok()) else {
                            continue;
                        };
                        queue.keep_salvaged(lane, seq, bytes)?;
                    }
                    Ok(None) => return Ok((last, seen < STEP_ROWS)),
                    // The way is blocked here. What was read counts; the caller comes from the other side.
                    Err(_) => return Ok((None, false)),
                }
            }
        })
    }

    fn keep_salvaged(&mut self, lane: Lane, seq: i64, bytes: &[u8]) -> Result<(), QueueError> {
        let Ok(seq) = u64::try_from(seq) else { return Ok(()) };
        let Some(row) = row::decode(lane, seq, bytes) else { return Ok(()) };
        if !self.control.runs.contains_key(&row.run) {
            return Ok(());
        }
        let sql = format!("INSERT OR IGNORE INTO {}(seq, row) VALUES(?1, ?2)", schema::table(lane));
        let kept = self.db.prepare_cached(&sql)?.execute(params![seq, bytes])? as u64;
        let state = self.control.lane_mut(lane);
        state.rows += kept;
        state.bytes += kept * (bytes.len() as u64 + ROW_OVERHEAD);
        Ok(())
    }
}

fn highest_seq(old: &Connection, lane: Lane) -> u64 {
    let sql = format!("SELECT max(seq) FROM {}", schema::table(lane));
    old.query_row(&sql, [], |row| row.get::<_, Option<u64>>(0)).ok().flatten().unwrap_or(0)
}
