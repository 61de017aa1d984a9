//! From the journal into the lanes: one drain, one transaction, crashes first.

use rusqlite::{OptionalExtension, params};

use super::{Control, Queue, QueueError, apart, record_crc, row, schema, slot, slot_mut, state};
use crate::model::event::Lane;
use crate::model::event::encode::append_ended;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::storage::frame::{self, FrameType};
use crate::storage::journal::run_file::RunFile;
use crate::storage::journal::{DrainEnd, Drained, Journal, RunCounters};

/// Time between two age marks of a lane: how exactly rows age.
const MARK_EVERY_NS: u64 = 600 * 1_000_000_000;
/// What a row costs besides its bytes: b-tree cell and pointer.
pub(super) const ROW_OVERHEAD: u64 = 12;

/// Where records come from: the live journal or the file of a dead run.
pub trait Source {
    /// The run's counts. Read before draining: they may only lag behind.
    fn counters(&self) -> RunCounters;
    /// Hands out records from `from` on.
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

/// What one step took in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Offset up to which the journal is in the queue.
    pub to: u64,
    /// Records taken.
    pub records: u64,
    /// Whether more waits.
    pub more: bool,
}

struct Op {
    frame: FrameType,
    end: u64,
    at: usize,
    len: usize,
}

/// Records of one step, copied out of the ring.
#[derive(Default)]
struct Step {
    arena: Vec<u8>,
    ops: Vec<Op>,
}

impl Step {
    fn payload(&self, op: &Op) -> Option<(u64, &[u8])> {
        frame::split(self.arena.get(op.at..op.at + op.len)?)
    }
}

impl Queue {
    /// Takes the next records of a run. The caller moves the journal's head to `to` afterwards.
    ///
    /// # Errors
    /// On an error nothing was taken, except crashes that had been committed before; they are not taken twice.
    pub fn absorb(
        &mut self,
        run: u32,
        source: &dyn Source,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Absorbed, QueueError> {
        let counters = source.counters();
        let from = self.control.runs.get(&run).map_or(0, |state| state.drained_to);
        let mut step = Step::default();
        let end = source.drain(from, max_records, max_bytes, &mut |record| {
            let at = step.arena.len();
            step.arena.extend_from_slice(record.payload);
            step.ops.push(Op { frame: record.frame, end: record.end, at, len: record.payload.len() });
        });
        let crash_to = self.control.runs.get(&run).map_or(0, |state| state.crash_to);
        let is_crash = |op: &Op| op.frame == FrameType::Event(Lane::Crash) && op.end > crash_to;
        if let Some(last) = step.ops.iter().filter(|op| is_crash(op)).map(|op| op.end).next_back() {
            self.transact(true, |queue| {
                // A crash's contexts come before it; they must be as durable as it is.
                let first = step.ops.iter().filter(|op| op.end <= last);
                let kept = first.filter(|op| is_crash(op) || op.frame == FrameType::Context);
                queue.apply(run, &step, kept)?;
                if let Some(state) = queue.control.runs.get_mut(&run) {
                    state.crash_to = last;
                }
                Ok(())
            })?;
            kill_point("crash_committed");
        }
        let crash_to = self.control.runs.get(&run).map_or(0, |state| state.crash_to);
        self.transact(false, |queue| {
            let done = |op: &&Op| op.frame == FrameType::Event(Lane::Crash) && op.end <= crash_to;
            queue.apply(run, &step, step.ops.iter().filter(|op| !done(op)))?;
            queue.book_counters(run, &counters, end);
            Ok(())
        })?;
        self.enforce_quotas()?;
        Ok(Absorbed { to: end.to, records: step.ops.len() as u64, more: end.more })
    }

    fn apply<'s>(&mut self, run: u32, step: &'s Step, ops: impl Iterator<Item = &'s Op>) -> Result<(), QueueError> {
        let age = self.age();
        let Self { db, control, .. } = self;
        let mut inserts = [
            db.prepare_cached(insert_sql(Lane::Crash))?,
            db.prepare_cached(insert_sql(Lane::Error))?,
            db.prepare_cached(insert_sql(Lane::Event))?,
            db.prepare_cached(insert_sql(Lane::Bulk))?,
        ];
        let mut scratch = Vec::new();
        let mut insert =
            |control: &mut Control, lane: Lane, n: u64, record: &[u8], aside: bool| -> Result<(), QueueError> {
                if control.is_pending || aside {
                    return apart::hold(db, control, run, lane, n, record, aside.then_some(age));
                }
                let state = control.lane_mut(lane);
                let seq = state.next_seq;
                row::encode(lane, seq, run, n, record, &mut scratch);
                slot_mut(&mut inserts, lane).execute(params![seq, scratch])?;
                state.next_seq += 1;
                state.rows += 1;
                state.bytes += scratch.len() as u64 + ROW_OVERHEAD;
                if let Some(run) = control.runs.get_mut(&run) {
                    *slot_mut(&mut run.last_seq, lane) = seq;
                }
                mark(slot_mut(&mut control.marks, lane), seq, age);
                Ok(())
            };
        for op in ops {
            let Some((n, record)) = step.payload(op) else { continue };
            if op.frame.is_accepted() {
                let lane = op.frame.lane();
                control.lane_mut(lane).accepted += 1;
                if let Some(run) = control.runs.get_mut(&run) {
                    *slot_mut(&mut run.drained, lane) += 1;
                }
            }
            match op.frame {
                FrameType::Event(lane) => insert(control, lane, n, record, false)?,
                FrameType::Aside(lane) => insert(control, lane, n, record, true)?,
                FrameType::Context => {
                    let crc = record_crc(run, n, record);
                    let mut statement = db.prepare_cached(
                        "INSERT OR IGNORE INTO contexts(run, version, record, crc) VALUES(?1, ?2, ?3, ?4)",
                    )?;
                    statement.execute(params![run, n, record, crc])?;
                }
                FrameType::Open(lane) | FrameType::OpenAside(lane) | FrameType::Amend(lane) => {
                    let crc = record_crc(run, n, record);
                    let known = if matches!(op.frame, FrameType::Amend(_)) {
                        let mut statement =
                            db.prepare_cached("UPDATE held SET record = ?3, crc = ?4 WHERE run = ?1 AND n = ?2")?;
                        statement.execute(params![run, n, record, crc])?
                    } else {
                        control.lane_mut(lane).held += 1;
                        let mut statement = db
                            .prepare_cached("INSERT INTO held(run, n, lane, record, crc) VALUES(?1, ?2, ?5, ?3, ?4)")?;
                        let aside = matches!(op.frame, FrameType::OpenAside(_));
                        statement.execute(params![run, n, record, crc, held_code(lane, aside)])?
                    };
                    // Its opening was lost: the newest snapshot is better than none.
                    if known == 0 {
                        accept_unopened(control, run, lane);
                        insert(control, lane, n, record, false)?;
                    }
                }
                FrameType::Close(lane) => match take_held(db, run, n)? {
                    Some((_, held, aside)) => {
                        control.lane_mut(lane).held -= 1;
                        insert(control, lane, n, if record.is_empty() { &held } else { record }, aside)?;
                    }
                    None if !record.is_empty() => {
                        accept_unopened(control, run, lane);
                        insert(control, lane, n, record, false)?;
                    }
                    None => {}
                },
                FrameType::Discard(_) => {
                    if let Some((lane, ..)) = take_held(db, run, n)? {
                        control.lane_mut(lane).held -= 1;
                        state::add_drops(&mut control.books.drops, lane, DropReason::Withdrawn, 1);
                    }
                }
                FrameType::Release => apart::release(db, control, run, age)?,
                FrameType::Pad => {}
            }
        }
        Ok(())
    }

    /// Inserts one event that has been accepted before.
    pub(super) fn insert_accepted(
        &mut self,
        run: u32,
        lane: Lane,
        n: u64,
        record: &[u8],
        aside: bool,
    ) -> Result<(), QueueError> {
        let mut payload = Vec::with_capacity(record.len() + 10);
        frame::put_counter(&mut payload, n);
        payload.extend_from_slice(record);
        let frame = if aside { FrameType::Aside(lane) } else { FrameType::Event(lane) };
        let op = Op { frame, end: 0, at: 0, len: payload.len() };
        let step = Step { arena: payload, ops: vec![op] };
        self.apply(run, &step, step.ops.iter())?;
        self.control.lane_mut(lane).accepted -= 1;
        if let Some(state) = self.control.runs.get_mut(&run) {
            *slot_mut(&mut state.drained, lane) -= 1;
        }
        Ok(())
    }

    /// Books refusals at the door, and records that the counters know of but the journal did not give back.
    fn book_counters(&mut self, run: u32, counters: &RunCounters, end: DrainEnd) {
        let control = &mut self.control;
        let Some(state) = control.runs.get_mut(&run) else { return };
        state.drained_to = end.to;
        let mut booked = Vec::new();
        for (door, reason) in DropReason::AT_THE_DOOR.into_iter().enumerate() {
            let (Some(now), Some(before)) = (counters.refused.get(door), state.refused.get_mut(door)) else { continue };
            for lane in Lane::ALL {
                let new = slot(now, lane).saturating_sub(slot(before, lane));
                // A damaged counter must not invent more than a journal could have refused in its life.
                if new > 0 && new < 1 << 40 {
                    *slot_mut(before, lane) += new;
                    booked.push((lane, reason, new));
                }
            }
        }
        if end.damaged > 0 {
            booked.extend(lost(state, counters).map(|(lane, count)| (lane, DropReason::JournalLost, count)));
        }
        for (lane, reason, count) in booked {
            control.lane_mut(lane).accepted += count;
            state::add_drops(&mut control.books.drops, lane, reason, count);
        }
    }

    /// Ends a dead run: what it left open is closed as ended by the death of its process, what its counters know of and
    /// nobody found is booked as lost. Its file may be unlinked afterwards.
    pub fn finish_run(&mut self, run: u32, counters: &RunCounters) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            while queue.close_held(run)? {}
            let control = &mut queue.control;
            if let Some(state) = control.runs.get_mut(&run) {
                state.done = true;
                let missing: Vec<_> = lost(state, counters).collect();
                for (lane, count) in missing {
                    control.lane_mut(lane).accepted += count;
                    state::add_drops(&mut control.books.drops, lane, DropReason::JournalLost, count);
                }
            }
            Ok(())
        })
    }

    /// Moves one event that the run left open to its lane.
    fn close_held(&mut self, run: u32) -> Result<bool, QueueError> {
        let next = self
            .db
            .prepare_cached("SELECT n FROM held WHERE run = ?1 LIMIT 1")?
            .query_row([run], |row| row.get::<_, u64>(0))
            .optional()?;
        let Some(n) = next else { return Ok(false) };
        let Some((lane, mut record, aside)) = take_held(&self.db, run, n)? else { return Ok(true) };
        self.control.lane_mut(lane).held = self.control.lane(lane).held.saturating_sub(1);
        append_ended(&mut record, "process_death");
        self.insert_accepted(run, lane, n, &record, aside)?;
        Ok(true)
    }

    /// Sets a dead run aside whose file killed its reader: what its counters know of is booked.
    pub fn quarantine_run(&mut self, run: u32, counters: &RunCounters) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            while queue.close_held(run)? {}
            let control = &mut queue.control;
            control.books.quarantined_files += 1;
            if let Some(state) = control.runs.get_mut(&run) {
                state.done = true;
                let missing: Vec<_> = lost(state, counters).collect();
                for (lane, count) in missing {
                    control.lane_mut(lane).accepted += count;
                    state::add_drops(&mut control.books.drops, lane, DropReason::Quarantined, count);
                }
            }
            Ok(())
        })
    }
}

/// Events that the counters know of and that have not come out, by lane; they are entered as lost in the run's state.
fn lost<'s>(state: &'s mut state::RunState, counters: &RunCounters) -> impl Iterator<Item = (Lane, u64)> + 's {
    let appended = counters.appended;
    Lane::ALL.into_iter().filter_map(move |lane| {
        let known = slot(&state.drained, lane) + slot(&state.lost, lane);
        let missing = slot(&appended, lane).saturating_sub(known);
        // More than 2^40 events in one run is a damaged counter.
        let real = missing > 0 && missing < 1 << 40;
        real.then(|| {
            *slot_mut(&mut state.lost, lane) += missing;
            (lane, missing)
        })
    })
}

/// An event whose opening was lost counts as accepted now, and as drained: the counters had it.
fn accept_unopened(control: &mut Control, run: u32, lane: Lane) {
    control.lane_mut(lane).accepted += 1;
    if let Some(run) = control.runs.get_mut(&run) {
        *slot_mut(&mut run.drained, lane) += 1;
    }
}

/// In the `held` table's column of lanes: the event is kept aside.
const ASIDE: u8 = 0x10;

fn held_code(lane: Lane, aside: bool) -> u8 {
    lane.code() | if aside { ASIDE } else { 0 }
}

/// What is open and was to be kept aside when it ends is no longer.
pub(super) fn release_held(db: &rusqlite::Connection) -> Result<(), QueueError> {
    db.prepare_cached("UPDATE held SET lane = lane & ~?1 WHERE lane & ?1")?.execute([ASIDE])?;
    Ok(())
}

type Held = (Lane, Vec<u8>, bool);

fn take_held(db: &rusqlite::Connection, run: u32, n: u64) -> Result<Option<Held>, QueueError> {
    let mut statement = db.prepare_cached("DELETE FROM held WHERE run = ?1 AND n = ?2 RETURNING lane, record, crc")?;
    let row = statement
        .query_row(params![run, n], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, u32>(2)?)))
        .optional()?;
    let Some((code, record, crc)) = row else { return Ok(None) };
    let lane = Lane::from_code(code & !ASIDE).filter(|_| record_crc(run, n, &record) == crc);
    let lane = lane.ok_or_else(|| QueueError::Corrupt(format!("held event {run}/{n} fails its checksum")))?;
    Ok(Some((lane, record, code & ASIDE != 0)))
}

pub(super) fn insert_sql(lane: Lane) -> &'static str {
    match lane {
        Lane::Crash => "INSERT INTO lane_crash(seq, row) VALUES(?1, ?2)",
        Lane::Error => "INSERT INTO lane_error(seq, row) VALUES(?1, ?2)",
        Lane::Event => "INSERT INTO lane_event(seq, row) VALUES(?1, ?2)",
        Lane::Bulk => "INSERT INTO lane_bulk(seq, row) VALUES(?1, ?2)",
    }
}

/// Notes at which queue age a sequence number was given, every ten minutes.
fn mark(marks: &mut Vec<(u64, u64)>, seq: u64, age: u64) {
    if marks.last().is_none_or(|last| age >= last.1 + MARK_EVERY_NS) {
        marks.push((seq, age));
    }
}

impl Queue {
    /// The lowest sequence number that is not older than `max_age_ns`; rows before it are.
    pub(super) fn expired_before(&self, lane: Lane, max_age_ns: u64) -> u64 {
        let now = self.age();
        let marks = self.control.marks.get(usize::from(lane.code())).map_or(&[][..], Vec::as_slice);
        let old = |age: u64| now.saturating_sub(age) >= max_age_ns;
        match marks.last() {
            // Everything was inserted within ten minutes of a mark.
            Some(last) if old(last.1 + MARK_EVERY_NS) => self.control.lane(lane).next_seq,
            _ => marks.iter().rev().find(|mark| old(mark.1)).map_or(0, |mark| mark.0),
        }
    }

    /// Forgets marks that no row needs.
    pub(super) fn trim_marks(&mut self, lane: Lane) {
        let first = self.control.lane(lane).first_seq;
        let marks = slot_mut(&mut self.control.marks, lane);
        let keep_from = marks.iter().rposition(|mark| mark.0 <= first).unwrap_or(0);
        marks.drain(..keep_from);
    }

    pub(super) fn refresh_first(&mut self, lane: Lane) -> Result<(), QueueError> {
        let sql = format!("SELECT min(seq) FROM {}", schema::table(lane));
        let first: Option<u64> = self.db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        let state = self.control.lane_mut(lane);
        state.first_seq = first.unwrap_or(state.next_seq);
        self.trim_marks(lane);
        Ok(())
    }
}
