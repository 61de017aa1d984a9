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

use super::state::{BatchState, PartState};
use super::{Queue, QueueError};
use crate::model::event::Lane;
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
    /// Rows of the signal in that range.
    pub rows: u64,
    /// The version of the exporter that encoded it.
    pub version: u32,
    /// SHA-256 of the uncompressed body, in hexadecimal.
    pub hash: String,
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

    /// Freezes a batch over these sequence numbers. Of its rows, `unsupported` ones are in no part:
    /// the destination's format has no place for them, and they are dropped.
    pub fn freeze(
        &mut self,
        destination: u32,
        lane: Lane,
        seqs: RangeInclusive<u64>,
        unsupported: u64,
        parts: Vec<NewPart>,
    ) -> Result<(), QueueError> {
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.drops.add(lane, DropReason::Unsupported, unsupported);
            }
            let mut batch = BatchState { from: *seqs.start(), to: *seqs.end(), ..BatchState::default() };
            for part in parts {
                batch.push(PartState {
                    signal: part.signal,
                    from: part.from,
                    to: part.to,
                    rows: part.rows,
                    version: part.version,
                    hash: part.hash,
                    ..PartState::default()
                });
            }
            queue.control.batches.insert((destination, lane), batch);
            queue.complete(destination, lane)
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

    /// Reduces the parts that rows were lost from: they have as many fewer to settle.
    pub(super) fn shrink_parts(&mut self, lane: Lane, seqs: &[u64]) {
        for ((_, batch_lane), batch) in &mut self.control.batches {
            if *batch_lane != lane {
                continue;
            }
            for seq in seqs {
                // Which signal the row had is not known any more: the first part whose range covers
                // it has one row less.
                let covering = batch.parts.iter_mut().find(|part| (part.from..=part.to).contains(seq) && part.rows > 0);
                if let Some(part) = covering {
                    part.rows -= 1;
                }
            }
        }
    }
}
