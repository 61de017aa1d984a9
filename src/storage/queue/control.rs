//! The books in memory: everything that the queue knows besides the rows themselves.
//!
//! A transaction changes them in memory, and writes the values that changed before it commits. When
//! it fails, the books become what they were before.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::state::{AgeClock, BatchState, Books, DestinationState, LaneState, Mark, RunState};
use super::{ByLane, QueueError, contexts, trail, values};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::MAX_PENDING_BYTES;

const APART_MARKS: &str = "marks/apart";

/// How much is kept apart from the lanes, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Apart {
    /// Bytes of a user who has not decided about consent.
    pub(super) pending: u64,
    /// Bytes of sessions in which nothing has happened.
    pub(super) aside: u64,
    /// The most bytes of such sessions.
    pub(super) aside_limit: u64,
    /// How long they are kept, ns.
    pub(super) aside_window: u64,
}

impl Default for Apart {
    fn default() -> Self {
        Self { pending: 0, aside: 0, aside_limit: MAX_PENDING_BYTES, aside_window: u64::MAX }
    }
}

impl Apart {
    fn load(db: &Connection) -> Result<Self, QueueError> {
        let sum = |of: &str| {
            let sql = format!("SELECT coalesce(sum(length(record)), 0) FROM pending WHERE aside IS {of} NULL");
            db.query_row(&sql, [], |row| row.get(0))
        };
        Ok(Self { pending: sum("")?, aside: sum("NOT")?, ..Self::default() })
    }

    /// The bytes that are kept apart.
    pub(super) fn bytes(self) -> u64 {
        self.pending + self.aside
    }

    /// Whether any events are kept apart.
    pub(super) fn is_any(self) -> bool {
        self.bytes() > 0
    }
}

/// The books in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Control {
    pub(super) lanes: ByLane<LaneState>,
    /// When which sequence number was given, every ten minutes or less often.
    pub(super) marks: ByLane<Vec<Mark>>,
    /// The same for the numbers of events that are kept apart.
    pub(super) apart_marks: Vec<Mark>,
    pub(super) runs: BTreeMap<u32, RunState>,
    pub(super) destinations: BTreeMap<u32, DestinationState>,
    pub(super) batches: BTreeMap<(u32, Lane), BatchState>,
    pub(super) books: Books,
    pub(super) age: AgeClock,
    /// Whether events are kept apart until the user consents. Not stored: each process sets it
    /// anew.
    pub(super) is_pending: bool,
    /// Bytes that are kept apart. Not stored: counted from the rows.
    pub(super) apart: Apart,
    /// Bytes of the contexts. Not stored: counted from the rows.
    pub(super) context_bytes: u64,
    /// Bytes of what is kept of events that are gone. Not stored: counted from the rows.
    pub(super) trail_bytes: u64,
    /// The process's own run, while journals of earlier ones are unread. Not stored: each process
    /// sets it anew.
    pub(super) unread_behind: Option<u32>,
}

impl Control {
    pub(super) fn lane(&self, lane: Lane) -> &LaneState {
        self.lanes.get(lane)
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        self.lanes.get_mut(lane)
    }

    /// The destinations that are in the configuration.
    pub(super) fn active(&self) -> impl Iterator<Item = (u32, &DestinationState)> {
        self.destinations.iter().filter(|(_, state)| !state.removed).map(|(id, state)| (*id, state))
    }

    /// Counts an event of a run that came out of its journal as accepted.
    pub(super) fn accept(&mut self, run: u32, lane: Lane) {
        self.lane_mut(lane).accepted += 1;
        if let Some(run) = self.runs.get_mut(&run) {
            *run.drained.get_mut(lane) += 1;
        }
    }

    /// Books events that were accepted and never came this far: each counts as accepted, and at
    /// once as dropped.
    pub(super) fn book_absent(&mut self, lane: Lane, reason: DropReason, count: u64) {
        self.lane_mut(lane).accepted += count;
        self.books.drops.add(lane, reason, count);
    }

    pub(super) fn load(db: &Connection) -> Result<Self, QueueError> {
        let mut control = Self::default();
        for lane in Lane::ALL {
            let fresh = LaneState { next_seq: 1, first_seq: 1, ..LaneState::default() };
            *control.lane_mut(lane) = values::load(db, &lane_key(lane))?.unwrap_or(fresh);
            *control.marks.get_mut(lane) = values::load(db, &marks_key(lane))?.unwrap_or_default();
        }
        control.apart = Apart::load(db)?;
        control.context_bytes = contexts::bytes(db)?;
        control.trail_bytes = trail::bytes(db)?;
        control.apart_marks = values::load(db, APART_MARKS)?.unwrap_or_default();
        for (id, run) in values::load_all(db, "run/")? {
            control.runs.insert(number(&id)?, run);
        }
        for (id, destination) in values::load_all(db, "destination/")? {
            control.destinations.insert(number(&id)?, destination);
        }
        for (id, batch) in values::load_all(db, "batch/")? {
            let (destination, lane) = id.split_once('/').ok_or_else(|| bad_key(&id))?;
            let lane = Lane::from_code(number(lane)? as u8).ok_or_else(|| bad_key(&id))?;
            control.batches.insert((number(destination)?, lane), batch);
        }
        control.books = values::load(db, "books")?.unwrap_or_default();
        control.age = values::load(db, "age")?.unwrap_or_default();
        Ok(control)
    }

    /// Writes what differs from `old`.
    pub(super) fn save(&self, db: &Connection, old: &Control) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            if self.lane(lane) != old.lane(lane) {
                values::store(db, &lane_key(lane), self.lane(lane))?;
            }
            if self.marks.get(lane) != old.marks.get(lane) {
                values::store(db, &marks_key(lane), self.marks.get(lane))?;
            }
        }
        if self.apart_marks != old.apart_marks {
            values::store(db, APART_MARKS, &self.apart_marks)?;
        }
        save_map(db, &self.runs, &old.runs, |id| format!("run/{id}"))?;
        save_map(db, &self.destinations, &old.destinations, |id| format!("destination/{id}"))?;
        save_map(db, &self.batches, &old.batches, |(id, lane)| format!("batch/{id}/{}", lane.code()))?;
        if self.books != old.books {
            values::store(db, "books", &self.books)?;
        }
        if self.age != old.age {
            values::store(db, "age", &self.age)?;
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
        values::store(db, &key(id), value)?;
    }
    for id in old.keys().filter(|id| !new.contains_key(id)) {
        values::remove(db, &key(id))?;
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
