//! From a journal into the queue: one drain is one transaction. Crashes are committed before
//! everything else.

use std::collections::BTreeMap;

use super::apart::{self, admit};
use super::control::Control;
use super::held::{self, Route};
use super::lanes::{Entry, Writer};
use super::source::Source;
use super::{Queue, QueueError, contexts, trail};
use crate::model::event::Lane;
use crate::model::event::breadcrumb::{self, Breadcrumb, Stage, Teller};
use crate::model::kill_point::kill_point;
use crate::storage::frame::{self, FrameType};

/// What one step took in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// The offset up to which the journal is in the queue.
    pub to: u64,
    /// How many records were taken.
    pub records: u64,
    /// Whether the journal has more records.
    pub more: bool,
}

/// A record of a step: where its payload lies in the step's copy.
struct Op {
    frame: FrameType,
    /// The journal offset behind it.
    end: u64,
    at: usize,
    len: usize,
}

/// The records of one step, copied out of the ring.
#[derive(Default)]
struct Step {
    arena: Vec<u8>,
    ops: Vec<Op>,
}

impl Step {
    fn payload(&self, op: &Op) -> Option<(u64, &[u8])> {
        frame::split(self.arena.get(op.at..op.at + op.len)?)
    }

    /// What the records before an offset say of the run, by the counters of their events. An event
    /// that was withdrawn says nothing.
    fn trail(&self, before: u64) -> BTreeMap<u64, Option<Breadcrumb>> {
        let mut found = BTreeMap::new();
        for op in self.ops.iter().filter(|op| op.end < before) {
            let stage = match op.frame {
                FrameType::Event(_) | FrameType::Aside(_) | FrameType::Close(_) => Stage::Over,
                FrameType::Open(_) | FrameType::OpenAside(_) | FrameType::Amend(_) => Stage::Open,
                FrameType::Discard(_) => {
                    found.extend(self.payload(op).map(|(n, _)| (n, None)));
                    continue;
                }
                _ => continue,
            };
            let Some((n, record)) = self.payload(op) else { continue };
            found.extend(trail::crumb(record, stage).map(|crumb| (n, Some(crumb))));
        }
        found
    }

    /// Puts another record in the place of one.
    fn replace(&mut self, at: usize, n: u64, record: &[u8]) {
        let begin = self.arena.len();
        frame::put_counter(&mut self.arena, n);
        self.arena.extend_from_slice(record);
        let len = self.arena.len() - begin;
        if let Some(op) = self.ops.get_mut(at) {
            (op.at, op.len) = (begin, len);
        }
    }
}

impl Queue {
    /// Takes the next records of a run, at most `max_records` and about `max_bytes`. The caller
    /// moves the journal's head to [`Absorbed::to`] afterwards.
    ///
    /// # Errors
    /// Nothing was taken, except for crashes that had been committed before: they are not taken
    /// twice.
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
            self.tell_of_the_run(run, &mut step, is_crash);
            self.transact_synced(|queue| {
                // A crash refers to contexts that come before it in the journal: they must be as
                // durable as the crash.
                let until_last = step.ops.iter().filter(|op| op.end <= last);
                let urgent = until_last.filter(|op| is_crash(op) || op.frame == FrameType::Context);
                queue.apply(run, &step, urgent)?;
                if let Some(state) = queue.control.runs.get_mut(&run) {
                    state.crash_to = last;
                }
                Ok(())
            })?;
            kill_point("crash_committed");
        }
        let crash_to = self.control.runs.get(&run).map_or(0, |state| state.crash_to);
        self.transact(|queue| {
            let is_done = |op: &&Op| op.frame == FrameType::Event(Lane::Crash) && op.end <= crash_to;
            queue.apply(run, &step, step.ops.iter().filter(|op| !is_done(op)))?;
            queue.book_counters(run, &counters, end);
            Ok(())
        })?;
        self.enforce_quotas()?;
        Ok(Absorbed { to: end.to, records: step.ops.len() as u64, more: end.more })
    }

    /// Adds to the first fatal error of a step what happened in its run before: a run dies once. If
    /// that cannot be read, the error is stored without it.
    fn tell_of_the_run(&self, run: u32, step: &mut Step, is_crash: impl Fn(&Op) -> bool) {
        let base_wall = self.run_start(run).map_or(0, |start| start.base_wall);
        let wanted = |op: &Op| {
            let (n, record) =
                step.payload(op).filter(|(_, record)| breadcrumb::is_wanted_by(record, Teller::Itself))?;
            Some((n, record.to_vec(), op.end))
        };
        let mut fatals = step.ops.iter().enumerate().filter(|(_, op)| is_crash(op));
        let Some((at, (n, mut told, end))) = fatals.find_map(|(at, op)| Some((at, wanted(op)?))) else { return };
        if let Ok(crumbs) = self.breadcrumbs_with(run, step.trail(end)) {
            breadcrumb::append(&mut told, &crumbs, base_wall);
            step.replace(at, n, &told);
        }
    }

    /// Does what each record says.
    fn apply<'s>(&mut self, run: u32, step: &'s Step, ops: impl Iterator<Item = &'s Op>) -> Result<(), QueueError> {
        let age = self.age();
        let Self { db, control, open_changes, .. } = self;
        let writer = &mut Writer::new(db, age)?;
        for op in ops {
            *open_changes += u64::from(op.frame.is_about_open());
            let Some((n, record)) = step.payload(op) else { continue };
            let entry = |lane| Entry { run, lane, n, record };
            if op.frame.is_accepted() {
                control.accept(run, op.frame.lane());
            }
            match op.frame {
                FrameType::Event(lane) => admit(db, control, writer, entry(lane), Route::Lane)?,
                FrameType::Aside(lane) => admit(db, control, writer, entry(lane), Route::Aside)?,
                FrameType::Open(lane) => held::open(db, control, entry(lane), Route::Lane)?,
                FrameType::OpenAside(lane) => held::open(db, control, entry(lane), Route::Aside)?,
                FrameType::Amend(lane) if held::amend(db, entry(lane))? => {}
                FrameType::Amend(lane) => admit_unopened(db, control, writer, entry(lane))?,
                FrameType::Extend(_) => held::extend(db, run, n, record)?,
                FrameType::Close(lane) => close(db, control, writer, entry(lane))?,
                FrameType::Discard(_) => held::discard(db, control, run, n)?,
                FrameType::Context => contexts::insert(db, &mut control.context_bytes, run, n, record)?,
                FrameType::Release => apart::release(db, control, run, age)?,
                FrameType::Pad => {}
            }
        }
        Ok(())
    }
}

/// An open event becomes final. Without a record of its own, its newest snapshot is the last word.
fn close(
    db: &rusqlite::Connection,
    control: &mut Control,
    writer: &mut Writer<'_>,
    entry: Entry<'_>,
) -> Result<(), QueueError> {
    match held::take(db, control, entry.run, entry.n)? {
        Some(held) => {
            let record = if entry.record.is_empty() { &held.record } else { entry.record };
            admit(db, control, writer, Entry { record, ..entry }, held.route)
        }
        None if entry.record.is_empty() => Ok(()),
        None => admit_unopened(db, control, writer, entry),
    }
}

/// The record that opened this event was lost. A snapshot is better than nothing: it is taken as a
/// final event, and counted as the event that the journal's counters know of.
fn admit_unopened(
    db: &rusqlite::Connection,
    control: &mut Control,
    writer: &mut Writer<'_>,
    entry: Entry<'_>,
) -> Result<(), QueueError> {
    control.accept(entry.run, entry.lane);
    admit(db, control, writer, entry, Route::Lane)
}
