//! Reads a damaged database into the new one, in steps that are one short transaction each.
//!
//! The first step takes over the old books, each value only if its checksum holds, the contexts,
//! and the open events, which the next record of the journal may close. Then follow the events that
//! are kept apart, and the rows of one lane after the other: upwards from the first row, and
//! downwards from the last one where damage blocks the way up. Meanwhile new events are absorbed
//! under sequence numbers that the old database cannot have given. At the end of a lane, events
//! that the old books know of and that were not found are booked as corrupt. From then on the books
//! balance again, by definition and not by proof.
//!
//! The process may die between any two steps. So the old books must never be taken over by a
//! database that has books of its own, and no lane may be booked twice.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use super::control::Control;
use super::held::{self, Route};
use super::lanes::Entry;
use super::row::record_crc;
use super::state::{BatchState, Books, DestinationState, LaneState, RunState};
use super::{ByLane, Queue, QueueError, apart, contexts, row, schema, values};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::{SALVAGE_SEQ_GAP, SALVAGE_STEP_ROWS};

/// Name of the marker in the folder of a database whose rows have not all been read.
pub(super) const UNREAD: &str = "unread";

/// The books of the old database, as far as their checksums hold.
struct OldBooks {
    control: Control,
    lanes_known: ByLane<bool>,
}

fn read_books(old: &Connection) -> OldBooks {
    let mut books = OldBooks { control: Control::default(), lanes_known: ByLane::default() };
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
                if let (Some(lane), Ok(state)) = (lane, values::parse::<LaneState>(&key, &value, crc)) {
                    *control.lane_mut(lane) = state;
                    *books.lanes_known.get_mut(lane) = true;
                }
            }
            "marks" => {
                let lane = id.parse().ok().and_then(Lane::from_code);
                if let (Some(lane), Ok(marks)) = (lane, values::parse(&key, &value, crc)) {
                    *control.marks.get_mut(lane) = marks;
                }
            }
            "run" => {
                if let (Ok(id), Ok(run)) = (id.parse(), values::parse::<RunState>(&key, &value, crc)) {
                    control.runs.insert(id, run);
                }
            }
            "destination" => {
                if let (Ok(id), Ok(state)) = (id.parse(), values::parse::<DestinationState>(&key, &value, crc)) {
                    control.destinations.insert(id, state);
                }
            }
            "batch" => {
                let parsed = id.split_once('/').and_then(|(destination, lane)| {
                    Some((destination.parse().ok()?, Lane::from_code(lane.parse().ok()?)?))
                });
                if let (Some(place), Ok(batch)) = (parsed, values::parse::<BatchState>(&key, &value, crc)) {
                    control.batches.insert(place, batch);
                }
            }
            "books" => control.books = values::parse::<Books>(&key, &value, crc).unwrap_or_default(),
            "age" => control.age = values::parse(&key, &value, crc).unwrap_or_default(),
            _ => {}
        }
    }
    books
}

/// In which direction a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    /// Upwards, behind the row `at`.
    Up { at: i64 },
    /// Downwards, from the row below `below`, because damage blocked the way up behind `stop`.
    Down { below: i64, stop: i64 },
}

impl Way {
    /// Where the next query begins, after one that came to the row `last` and, if `ended`, to the
    /// end of the table. `None` when the table has been read.
    fn next(self, last: Option<i64>, ended: bool) -> Option<Self> {
        match self {
            _ if ended => None,
            Way::Up { at } => Some(match last {
                Some(last) if last > at => Way::Up { at: last },
                // Damage blocks the way, or a damaged page leads in a circle.
                _ => Way::Down { below: i64::MAX, stop: at },
            }),
            Way::Down { below, stop } => {
                last.filter(|last| *last > stop && *last < below).map(|below| Way::Down { below, stop })
            }
        }
    }
}

/// What the next step reads.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The events that are kept apart.
    Apart(Way),
    /// A lane.
    Lane(Lane, Way),
}

impl Stage {
    /// The first step that has not been taken; `None` when every lane has been booked.
    fn of(plan: &Plan) -> Option<Self> {
        match plan.apart {
            Some(way) => Some(Self::Apart(way)),
            None => Lane::from_code(plan.next_lane).map(|lane| Self::Lane(lane, Way::Up { at: 0 })),
        }
    }
}

/// How much lower than in the old database the number of an event is that is kept apart: it stands
/// before those that come meanwhile, which count from 1.
const APART_SHIFT: i64 = 1 << 40;

/// A damaged database that is being read.
#[derive(Debug)]
pub(super) struct Salvage {
    old: Connection,
    folder: PathBuf,
    plan: Plan,
    stage: Stage,
}

/// What was known when reading began. It is stored with the books of the new database until reading
/// has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Plan {
    /// Name of the old database's folder.
    folder: String,
    /// The books of the lanes in the old database.
    before: ByLane<LaneState>,
    /// How many events without a row in a lane were brought over: open ones, and those that are
    /// kept apart.
    held: ByLane<u64>,
    /// Where the table of those that are kept apart is read on. `None` when it has been read, which
    /// is also what the plan of a version says that did not read it.
    #[serde(default)]
    apart: Option<Way>,
    /// Sequence numbers from here on are given by the new database.
    boundary: ByLane<u64>,
    /// Code of the first lane that has not been booked.
    next_lane: u8,
}

/// The key under which the plan is stored.
const PLAN: &str = "salvage";

impl Queue {
    /// Whether a damaged database is being read. Meanwhile nothing is sent, evicted or configured.
    pub fn is_salvaging(&self) -> bool {
        self.salvage.is_some()
    }

    /// Opens the damaged database in `folder` and takes over its books, or continues where an
    /// earlier process stopped.
    pub(super) fn begin_salvage(&mut self, folder: PathBuf) -> Result<(), QueueError> {
        // Opened for writing, because SQLite reads a WAL only into a database that it may write.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(old) = Connection::open_with_flags(folder.join(schema::FILE), flags) else {
            return self.end_salvage(&folder);
        };
        let _ = old.pragma_update(None, "locking_mode", "EXCLUSIVE");
        let _ = old.pragma_update(None, "cell_size_check", true);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plan = match values::load::<Plan>(&self.db, PLAN)?.filter(|plan| plan.folder == name) {
            Some(plan) => plan,
            None if self.control.books.next_run == 0 => self.take_over(&old, name)?,
            // It was read to its end, and only its marker is left; or this database, too, was
            // damaged and rebuilt meanwhile.
            None => return self.end_salvage(&folder),
        };
        let Some(stage) = Stage::of(&plan) else { return self.end_salvage(&folder) };
        self.salvage = Some(Salvage { old, folder, plan, stage });
        Ok(())
    }

    /// Makes the books of the old database those of this one.
    fn take_over(&mut self, old: &Connection, folder: String) -> Result<Plan, QueueError> {
        let OldBooks { mut control, lanes_known } = read_books(old);
        self.transact(|queue| {
            let apart = Some(Way::Up { at: i64::MIN });
            let mut plan = Plan { folder, before: control.lanes, apart, ..Plan::default() };
            let highest = control.runs.keys().max().copied().unwrap_or(0);
            control.books.next_run = control.books.next_run.max(highest);
            let highest = control.destinations.keys().max().copied().unwrap_or(0);
            control.books.next_destination = control.books.next_destination.max(highest);
            for lane in Lane::ALL {
                let state = control.lane_mut(lane);
                // A sequence number must never be given twice. Where the old books of the lane are
                // lost, a gap makes sure of that.
                let highest = highest_seq(old, lane);
                let is_known = *lanes_known.get(lane);
                let next_seq = if is_known { state.next_seq.max(highest + 1) } else { highest + SALVAGE_SEQ_GAP };
                *state = LaneState { next_seq, first_seq: 1, rows: 0, bytes: 0, held: 0, ..*state };
                *plan.boundary.get_mut(lane) = next_seq;
            }
            queue.control = control;
            queue.salvage_contexts(old)?;
            for lane in Lane::ALL {
                let held = queue.salvage_held(old, lane)?;
                queue.control.lane_mut(lane).held = held;
                *plan.held.get_mut(lane) = held;
            }
            values::store(&queue.db, PLAN, &plan)?;
            Ok(plan)
        })
    }

    /// Reads a little more of a damaged database, in one short transaction. True when more is to be
    /// read.
    ///
    /// # Errors
    /// Those of the new database: the step is to be taken again. Errors of the old one only end the
    /// reading of a lane.
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

    /// Ends the reading. The plan is deleted before the marker: a marker without a plan starts
    /// nothing, once the books have runs.
    fn end_salvage(&mut self, folder: &Path) -> Result<(), QueueError> {
        self.transact(|queue| values::remove(&queue.db, PLAN))?;
        let _ = fs::remove_file(folder.join(UNREAD));
        Ok(())
    }

    /// Makes one query, or books a lane when it has been read. Returns what comes next; `None` when
    /// every lane has been booked.
    fn salvage_stage(&mut self, salvage: &mut Salvage) -> Result<Option<Stage>, QueueError> {
        let (lane, way) = match salvage.stage {
            Stage::Apart(way) => {
                salvage.plan = self.salvage_apart(&salvage.old, &salvage.plan, way)?;
                return Ok(Stage::of(&salvage.plan));
            }
            Stage::Lane(lane, way) => (lane, way),
        };
        if salvage.plan.next_lane > lane.code() {
            return Ok(None);
        }
        if let Some(way) = self.salvage_way(&salvage.old, lane, way)? {
            return Ok(Some(Stage::Lane(lane, way)));
        }
        let booked = Plan { next_lane: lane.code() + 1, ..salvage.plan.clone() };
        self.transact(|queue| {
            queue.refresh_first(lane)?;
            queue.reconcile(lane, &booked)?;
            values::store(&queue.db, PLAN, &booked)
        })?;
        salvage.plan = booked;
        Ok(Stage::of(&salvage.plan))
    }

    /// Books what is missing: for each destination the rows that it had not settled; without one,
    /// for the queue itself.
    fn reconcile(&mut self, lane: Lane, plan: &Plan) -> Result<(), QueueError> {
        let (before, boundary, old_held) = (plan.before.get(lane), *plan.boundary.get(lane), *plan.held.get(lane));
        let table = schema::table(lane);
        let sql = format!("SELECT count(*) FROM {table} WHERE seq < ?1");
        let kept: u64 = self.db.query_row(&sql, [boundary], |row| row.get(0))?;
        let control = &mut self.control;
        let state = control.lane_mut(lane);
        let held = state.held;
        // Rows that the old books did not know of had been accepted as well.
        state.accepted += kept.saturating_sub(before.rows) + old_held.saturating_sub(before.held);
        let door = control.books.drops.of_lane(lane);
        let active: Vec<u32> = control.active().map(|(id, _)| id).collect();
        if active.is_empty() {
            let missing = (before.rows + before.held).saturating_sub(kept + old_held);
            control.books.drops.add(lane, DropReason::RowCorrupt, missing);
            let state = control.lane_mut(lane);
            state.accepted = state.accepted.max(door + missing + state.rows + held);
        }
        let mut queued = Vec::new();
        for id in active {
            // Rows of a frozen batch may be gone, so the batch is given up. Those of its rows that
            // were delivered are sent again; a backend recognizes them by their ids.
            control.batches.remove(&(id, lane));
            let cursor = control.destinations.get(&id).map_or(0, |state| *state.cursor.get(lane));
            let sql = format!("SELECT count(*) FROM {table} WHERE seq >= ?1");
            queued.push((id, self.db.query_row(&sql, [cursor], |row| row.get::<_, u64>(0))? + held));
        }
        // The old books of the lane may be lost, and those of the drops be whole: what was dropped
        // had been accepted.
        for (id, queued) in &queued {
            let Some(destination) = control.destinations.get(id) else { continue };
            let least = destination.baseline.get(lane) + destination.drops.of_lane(lane) + door + queued;
            let state = control.lane_mut(lane);
            state.accepted = state.accepted.max(least);
        }
        let accepted = control.lane(lane).accepted;
        for (id, queued) in queued {
            let Some(destination) = control.destinations.get_mut(&id) else { continue };
            let delivered = *destination.delivered.get(lane);
            let settled = destination.baseline.get(lane) + delivered + destination.drops.of_lane(lane) + door;
            match accepted.checked_sub(settled + queued) {
                Some(missing) => destination.drops.add(lane, DropReason::RowCorrupt, missing),
                // Rows that had been delivered will be sent again, so they do not count as
                // delivered any more.
                None => *destination.delivered.get_mut(lane) -= (settled + queued - accepted).min(delivered),
            }
        }
        Ok(())
    }

    /// Makes one query of a lane. Returns where the next one begins; `None` when the lane has been
    /// read.
    fn salvage_way(&mut self, old: &Connection, lane: Lane, way: Way) -> Result<Option<Way>, QueueError> {
        let table = schema::table(lane);
        match way {
            Way::Up { at } => {
                let sql = format!("SELECT seq, row FROM {table} WHERE seq > ?1 ORDER BY seq LIMIT {SALVAGE_STEP_ROWS}");
                let (last, ended) = self.salvage_rows(old, lane, &sql, at)?;
                Ok(way.next(last, ended))
            }
            Way::Down { below, .. } => {
                let sql =
                    format!("SELECT seq, row FROM {table} WHERE seq < ?1 ORDER BY seq DESC LIMIT {SALVAGE_STEP_ROWS}");
                let (last, ended) = self.salvage_rows(old, lane, &sql, below)?;
                Ok(way.next(last, ended))
            }
        }
    }

    /// Brings over some of the events that are kept apart. Returns the plan with what comes next.
    fn salvage_apart(&mut self, old: &Connection, plan: &Plan, way: Way) -> Result<Plan, QueueError> {
        let (place, from) = match way {
            Way::Up { at } => ("id > ?1 ORDER BY id", at),
            Way::Down { below, .. } => ("id < ?1 ORDER BY id DESC", below),
        };
        let sql =
            format!("SELECT id, aside, run, n, lane, record, crc FROM pending WHERE {place} LIMIT {SALVAGE_STEP_ROWS}");
        self.transact(|queue| {
            let mut plan = plan.clone();
            let (last, ended) = queue.salvage_apart_rows(old, &sql, from, &mut plan.held)?;
            plan.apart = way.next(last, ended);
            values::store(&queue.db, PLAN, &plan)?;
            Ok(plan)
        })
    }

    /// Brings over the rows of one query of the table `pending`, and counts them in `kept`. Returns
    /// what [`Queue::salvage_rows`] does.
    fn salvage_apart_rows(
        &mut self,
        old: &Connection,
        sql: &str,
        from: i64,
        kept: &mut ByLane<u64>,
    ) -> Result<(Option<i64>, bool), QueueError> {
        let Ok(mut statement) = old.prepare_cached(sql) else { return Ok((None, false)) };
        let Ok(mut rows) = statement.query([from]) else { return Ok((None, false)) };
        let (mut last, mut seen) = (None, 0);
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok((last, seen < SALVAGE_STEP_ROWS)),
                Err(_) => return Ok((None, false)),
            };
            seen += 1;
            let Ok(id) = row.get::<_, i64>(0) else { continue };
            last = Some(id);
            let place = (row.get::<_, Option<u64>>(1), row.get::<_, u32>(2), row.get::<_, u64>(3), row.get::<_, u8>(4));
            let (Ok(aside), Ok(run), Ok(n), Ok(lane)) = place else { continue };
            let (Ok(record), Ok(crc)) = (row.get::<_, Vec<u8>>(5), row.get::<_, u32>(6)) else { continue };
            let Some(lane) = Lane::from_code(lane).filter(|_| record_crc(run, n, &record) == crc) else { continue };
            if self.control.runs.contains_key(&run) {
                let entry = Entry { run, lane, n, record: &record };
                let is_new = apart::restore(&self.db, &mut self.control, entry, id.saturating_sub(APART_SHIFT), aside)?;
                *kept.get_mut(lane) += u64::from(is_new);
            }
        }
    }

    /// Brings over the contexts that pass their checksums.
    fn salvage_contexts(&mut self, old: &Connection) -> Result<(), QueueError> {
        let Ok(mut statement) = old.prepare("SELECT run, version, record, crc FROM contexts") else { return Ok(()) };
        let Ok(mut rows) = statement.query([]) else { return Ok(()) };
        while let Ok(Some(row)) = rows.next() {
            let parts = (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, Vec<u8>>(2), row.get::<_, u32>(3));
            let (Ok(run), Ok(version), Ok(record), Ok(crc)) = parts else { continue };
            if record_crc(run, version, &record) == crc {
                contexts::insert_checked(&self.db, &mut self.control.context_bytes, (run, version), &record, crc)?;
            }
        }
        Ok(())
    }

    /// Brings over the open events of a lane. Returns how many they are.
    fn salvage_held(&self, old: &Connection, lane: Lane) -> Result<u64, QueueError> {
        let mut kept = 0;
        let sql = "SELECT run, n, lane, record, crc FROM held WHERE lane IN (?1, ?2)";
        let Ok(mut statement) = old.prepare(sql) else { return Ok(kept) };
        let codes = [Route::Lane, Route::Aside].map(|route| held::code(lane, route));
        let Ok(mut rows) = statement.query(codes) else { return Ok(kept) };
        while let Ok(Some(row)) = rows.next() {
            let place = (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, u8>(2));
            let (Ok(run), Ok(n), Ok(code)) = place else { continue };
            let (Ok(record), Ok(crc)) = (row.get::<_, Vec<u8>>(3), row.get::<_, u32>(4)) else { continue };
            if record_crc(run, n, &record) == crc && self.control.runs.contains_key(&run) {
                let sql = "INSERT OR IGNORE INTO held(run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5)";
                kept += self.db.prepare_cached(sql)?.execute(params![run, n, code, record, crc])? as u64;
            }
        }
        Ok(kept)
    }

    /// Brings over the rows of one query, in one transaction. Returns the last sequence number that
    /// was seen, and whether the query came to the end of the table.
    fn salvage_rows(
        &mut self,
        old: &Connection,
        lane: Lane,
        sql: &str,
        from: i64,
    ) -> Result<(Option<i64>, bool), QueueError> {
        self.transact(|queue| {
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
                    Ok(None) => return Ok((last, seen < SALVAGE_STEP_ROWS)),
                    // Damage blocks the way here. What has been read is kept, and the caller comes
                    // from the other end.
                    Err(_) => return Ok((None, false)),
                }
            }
        })
    }

    /// Keeps a row that passes its checksum and belongs to a run that the books know.
    fn keep_salvaged(&mut self, lane: Lane, seq: i64, bytes: &[u8]) -> Result<(), QueueError> {
        let Ok(seq) = u64::try_from(seq) else { return Ok(()) };
        let Some(row) = row::decode(lane, seq, bytes) else { return Ok(()) };
        if !self.control.runs.contains_key(&row.run) {
            return Ok(());
        }
        self.restore_row(lane, seq, bytes)
    }
}

/// The highest sequence number in the old database; 0 when the table cannot be read.
fn highest_seq(old: &Connection, lane: Lane) -> u64 {
    let sql = format!("SELECT max(seq) FROM {}", schema::table(lane));
    old.query_row(&sql, [], |row| row.get::<_, Option<u64>>(0)).ok().flatten().unwrap_or(0)
}
