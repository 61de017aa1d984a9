//! Batches: `freeze`, then `settle` part by part, over the sequence numbers of a lane.
//!
//! A batch is a range of one destination's lane. It is frozen before its first send, so that a
//! retry has the same members and the same body. What goes out in one request is a *part*: an
//! exporter may need several (OTLP has three signals), and a part that is refused is halved. The
//! outcome of every part is committed before the next one is sent ([`Queue::settle`]). When no part
//! is left, the cursor moves behind the batch, and rows that every destination has settled are
//! deleted.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::kinds::Kinds;
use super::lanes::Gone;
use super::state::{BatchState, DestinationState, PartState};
use super::{Queue, QueueError, row, schema};
use crate::model::event::Lane;
use crate::model::event::decode::Record;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::time::{BootTime, Deadline};

/// A part that is to be frozen.
#[derive(Debug, Clone, Default)]
pub struct NewPart {
    /// The exporter's own number for the kind of request.
    pub signal: u8,
    /// The first sequence number.
    pub from: u64,
    /// The last sequence number.
    pub to: u64,
    /// The kinds of events that have the signal.
    pub kinds: Kinds,
    /// Rows of these kinds in that range.
    pub rows: u64,
    /// The version of the exporter that encoded it.
    pub version: u32,
    /// SHA-256 of the uncompressed body, in hexadecimal.
    pub hash: String,
    /// Whether its signal may not be sent now, so that it was not encoded and has no hash.
    pub is_deferred: bool,
}

/// Rows that a destination is past although they are in no part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The format has no place for them: they are dropped.
    pub unsupported: u64,
    /// No destination wants them: they are dropped.
    pub nowhere: u64,
    /// Another destination wants them: they do not concern this one.
    pub elsewhere: u64,
    /// They are older than the backend takes: they are dropped.
    pub expired: u64,
    /// The kinds of all of these.
    pub kinds: Kinds,
}

impl LeftOut {
    /// How many they are.
    pub fn rows(&self) -> u64 {
        self.unsupported + self.nowhere + self.elsewhere + self.expired
    }
}

impl DestinationState {
    /// Books rows that are in no part.
    pub(super) fn leave_out(&mut self, lane: Lane, left_out: LeftOut) {
        self.drops.add(lane, DropReason::Unsupported, left_out.unsupported);
        self.drops.add(lane, DropReason::NoDestination, left_out.nowhere);
        self.drops.add(lane, DropReason::QuotaAge, left_out.expired);
        *self.baseline.get_mut(lane) += left_out.elsewhere;
    }
}

impl Queue {
    /// The frozen batch of a destination's lane.
    pub fn batch(&self, destination: u32, lane: Lane) -> Option<&BatchState> {
        self.control.batches.get(&(destination, lane))
    }

    /// How long a part still has to wait before it is sent again.
    pub fn part_wait(&self, part: &PartState) -> Duration {
        let left = |deadline| Deadline::from(deadline).left(self.clock.boot_id(), self.clock.boot());
        part.not_before.map_or(Duration::ZERO, left)
    }

    /// Whether the waiting time of a part began before `since`, or in another boot.
    pub fn deferred_before(&self, part: &PartState, since: BootTime) -> bool {
        part.not_before.is_none_or(|deadline| {
            let deadline = Deadline::from(deadline);
            deadline.boot != self.clock.boot_id() || deadline.at.0.saturating_sub(deadline.remaining) < since.0
        })
    }

    /// Freezes these sequence numbers: as a batch, or as further parts of the one that is frozen.
    /// What is deferred becomes one part for each signal.
    pub fn freeze(
        &mut self,
        destination: u32,
        lane: Lane,
        seqs: RangeInclusive<u64>,
        left_out: LeftOut,
        parts: Vec<NewPart>,
    ) -> Result<(), QueueError> {
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.leave_out(lane, left_out);
            }
            let fresh = || BatchState { from: *seqs.start(), ..BatchState::default() };
            let batch = queue.control.batches.entry((destination, lane)).or_insert_with(fresh);
            batch.to = *seqs.end();
            batch.set_apart(left_out.kinds);
            let mut apart = left_out.kinds;
            parts.iter().filter(|part| !part.is_deferred).for_each(|part| apart.merge(part.kinds));
            for part in parts {
                let part = PartState { apart, ..part.into() };
                if part.is_deferred {
                    batch.defer(part);
                } else {
                    batch.set_apart(part.kinds);
                    batch.push(part);
                }
            }
            queue.complete(destination, lane)?;
            if left_out.rows() > 0 { queue.delete_in_stuck(lane, *seqs.start(), *seqs.end()) } else { Ok(()) }
        })?;
        kill_point("batch_frozen");
        Ok(())
    }

    /// Takes the front of a part that was deferred, up to the row `to`: `parts` take its place, and
    /// some rows that are in none of them.
    pub fn divide_deferred(
        &mut self,
        destination: u32,
        lane: Lane,
        deferred: u32,
        to: u64,
        left_out: LeftOut,
        parts: Vec<NewPart>,
    ) -> Result<(), QueueError> {
        self.transact(|queue| {
            let Some(whole) = queue.part_mut(destination, lane, deferred).map(|part| part.clone()) else {
                return Ok(());
            };
            let control = &mut queue.control;
            let (Some(state), Some(batch)) =
                (control.destinations.get_mut(&destination), control.batches.get_mut(&(destination, lane)))
            else {
                return Ok(());
            };
            state.leave_out(lane, left_out);
            let taken = left_out.rows() + parts.iter().map(|part| part.rows).sum::<u64>();
            batch.parts.retain(|part| part.id != deferred);
            parts.into_iter().for_each(|part| batch.push(part.into()));
            let rows = whole.rows.saturating_sub(taken);
            if to < whole.to {
                batch.push(PartState { from: to + 1, rows, ..whole });
            } else {
                // None is left: what was there is gone, and nobody has counted it.
                state.drops.add(lane, DropReason::RowCorrupt, rows);
            }
            queue.complete(destination, lane)?;
            queue.delete_in_stuck(lane, whole.from, to)
        })?;
        kill_point("batch_frozen");
        Ok(())
    }

    /// Notes that a part now has another body than when it was frozen, because a later version of
    /// the core encodes it or rows of it were damaged.
    pub fn refreeze(
        &mut self,
        destination: u32,
        lane: Lane,
        part: u32,
        version: u32,
        hash: String,
        rows: u64,
    ) -> Result<(), QueueError> {
        self.transact(|queue| {
            if let Some(part) = queue.part_mut(destination, lane, part) {
                part.version = version;
                part.hash = hash;
                part.rows = rows;
            }
            Ok(())
        })
    }

    pub(super) fn part_mut(&mut self, destination: u32, lane: Lane, id: u32) -> Option<&mut PartState> {
        self.control.batches.get_mut(&(destination, lane))?.parts.iter_mut().find(|part| part.id == id)
    }

    /// Ends a batch of which every part is settled: the cursor moves behind it, and rows that are
    /// settled everywhere go.
    pub(super) fn complete(&mut self, destination: u32, lane: Lane) -> Result<(), QueueError> {
        let Some(batch) = self.control.batches.get(&(destination, lane)) else { return Ok(()) };
        if !batch.parts.is_empty() {
            return Ok(());
        }
        let next = batch.to + 1;
        self.control.batches.remove(&(destination, lane));
        if let Some(state) = self.control.destinations.get_mut(&destination) {
            *state.cursor.get_mut(lane) = next;
        }
        self.delete_settled(lane)
    }

    /// Takes rows that are gone out of the parts of a batch. Returns how many of them the batch had
    /// not settled.
    ///
    /// Of what kind a damaged row was is not known any more. So the rows that are left are counted,
    /// for each part whose range covers one.
    pub(super) fn shrink_parts(
        &mut self,
        destination: u32,
        lane: Lane,
        seqs: &[u64],
        gone: &Gone,
    ) -> Result<u64, QueueError> {
        let Some(batch) = self.control.batches.get(&(destination, lane)) else { return Ok(0) };
        let mut unsettled = 0;
        let mut seqs = seqs.to_vec();
        for part in batch.parts.clone() {
            let covered = |seq: &u64| (part.from..=part.to).contains(seq);
            if !seqs.iter().any(covered) {
                continue;
            }
            let kinds: Option<Vec<_>> = seqs.iter().filter(|seq| covered(seq)).map(|seq| gone.get(seq)).collect();
            let left = if let (true, Some(kinds)) = (part.kinds.is_known(), kinds) {
                part.rows.saturating_sub(kinds.into_iter().filter(|kind| part.kinds.has(**kind)).count() as u64)
            } else if part.kinds.is_known() {
                self.count_rows(lane, &part)?.min(part.rows)
            } else {
                // A part of an older version, which may have had any of them.
                let before = seqs.len();
                let mut room = part.rows;
                seqs.retain(|seq| {
                    let is_taken = covered(seq) && room > 0;
                    room -= u64::from(is_taken);
                    !is_taken
                });
                part.rows - (before - seqs.len()) as u64
            };
            unsettled += part.rows - left;
            if let Some(part) = self.part_mut(destination, lane, part.id) {
                part.rows = left;
            }
        }
        Ok(unsettled)
    }

    /// The rows of a part that can be read.
    fn count_rows(&self, lane: Lane, part: &PartState) -> Result<u64, QueueError> {
        let sql = format!("SELECT seq, row FROM {} WHERE seq BETWEEN ?1 AND ?2", schema::table(lane));
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query([part.from, part.to])?;
        let mut count = 0;
        while let Some(stored) = rows.next()? {
            let bytes = stored.get_ref(1)?.as_blob().map_err(|error| QueueError::Corrupt(error.to_string()))?;
            let kind = row::decode(lane, stored.get(0)?, bytes).and_then(|row| Record::peek_kind(row.record).ok());
            count += u64::from(kind.is_some_and(|kind| part.kinds.has(kind)));
        }
        Ok(count)
    }
}

impl From<NewPart> for PartState {
    fn from(part: NewPart) -> Self {
        let NewPart { signal, from, to, kinds, rows, version, hash, is_deferred } = part;
        Self { signal, from, to, kinds, rows, version, hash, is_deferred, ..Self::default() }
    }
}
