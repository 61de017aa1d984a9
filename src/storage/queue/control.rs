//! Everything small that the queue knows, kept in memory and written with each transaction as far as it changed.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::state::{self, AgeClock, BatchState, Books, DestinationState, LaneState, RunState};
use super::{QueueError, apart};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;

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
    pub(crate) apart: apart::Apart,
    /// The process's own run, while journals of earlier ones are unread. Said anew by every process.
    pub(crate) unread_behind: Option<u32>,
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

    pub(super) fn load(db: &Connection) -> Result<Self, QueueError> {
        let mut control = Self::default();
        for lane in Lane::ALL {
            let fresh = LaneState { next_seq: 1, first_seq: 1, ..LaneState::default() };
            *control.lane_mut(lane) = state::load(db, &lane_key(lane))?.unwrap_or(fresh);
            *slot_mut(&mut control.marks, lane) = state::load(db, &marks_key(lane))?.unwrap_or_default();
        }
        control.apart = apart::Apart::load(db)?;
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
    pub(super) fn save(&self, db: &Connection, old: &Control) -> Result<(), QueueError> {
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

impl Control {
    pub(super) fn new_destination(&self, name: String, fingerprint: u64) -> DestinationState {
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
