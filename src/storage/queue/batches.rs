//! Batches: `lease/settle` over a persisted lane sequence.
//!
//! A batch is a range of one destination's lane, frozen before its first send. Its requests are *parts*: an exporter may
//! need several (OTLP's signals), and a refused part is halved. Every part's outcome is committed before the next part
//! is sent; when none is left, the cursor moves and rows that every destination is past are deleted.

use std::time::Duration;

use super::state::{BatchState, PartState};
use super::{Queue, QueueError, row, schema, slot, slot_mut};
use crate::model::event::Lane;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::MAX_DRAIN_EVENTS;
use crate::model::time::{BootTime, Deadline, nanos};

/// A row of [`Rows`].
#[derive(Debug, Clone)]
pub struct RowRef {
    /// Its sequence number in the lane.
    pub seq: u64,
    /// Its run.
    pub run: u32,
    /// The counter of its id.
    pub n: u64,
    at: std::ops::Range<usize>,
}

/// Rows that passed their checksums, in one block of memory.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    /// In the order of their sequence numbers.
    pub rows: Vec<RowRef>,
}

impl Rows {
    /// The canonical record of a row.
    pub fn record(&self, row: &RowRef) -> &[u8] {
        self.bytes.get(row.at.clone()).unwrap_or_default()
    }

    /// Keeps the rows for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&RowRef, &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.rows.retain(|row| keep(row, bytes.get(row.at.clone()).unwrap_or_default()));
    }
}

/// A part to be frozen.
#[derive(Debug, Clone, Default)]
pub struct NewPart {
    /// The exporter's number for the request's kind.
    pub signal: u8,
    /// First sequence number.
    pub from: u64,
    /// Last one.
    pub to: u64,
    /// Rows of the signal in that range.
    pub rows: u64,
    /// The exporter's version.
    pub version: u32,
    /// SHA-256 of the body, as hex.
    pub hash: String,
}

/// What became of a part.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// The backend has it, less the records that it said it rejected.
    Delivered {
        /// How many those are.
        rejected: u64,
        /// Compressed bytes that went out.
        bytes: u64,
    },
    /// Send the same again later.
    Retry {
        /// How much later.
        after: Duration,
        /// Whether the server named the time: then not even a flush comes earlier.
        server_asked: bool,
    },
    /// A single event was refused: ask once more, after the other parts.
    Defer {
        /// How much later.
        after: Duration,
    },
    /// Its rows are gone (damage): nothing is left to settle.
    Gone,
    /// Send it as two, divided before the row with this sequence number.
    Halve {
        /// First row of the second half.
        middle: u64,
        /// Rows in the first half.
        first_rows: u64,
        /// Whether the part was refused as such: its sibling shall know.
        refused: bool,
    },
    /// Give it up.
    Drop(DropReason),
    /// Send nothing to this destination for a while.
    Pause {
        /// For how long.
        after: Duration,
        /// What `health()` shows.
        reason: String,
    },
}

impl Queue {
    /// The frozen batch of a destination's lane.
    pub fn batch(&self, destination: u32, lane: Lane) -> Option<&BatchState> {
        self.control.batches.get(&(destination, lane))
    }

    /// How long a destination rests.
    pub fn paused(&self, destination: u32) -> Option<Duration> {
        let deadline: Deadline = self.control.destinations.get(&destination)?.paused?.into();
        let left = deadline.left(self.clock.boot_id(), self.clock.boot());
        (!left.is_zero()).then_some(left)
    }

    /// How long a part has to wait.
    pub fn part_wait(&self, part: &PartState) -> Duration {
        part.not_before
            .map_or(Duration::ZERO, |deadline| Deadline::from(deadline).left(self.clock.boot_id(), self.clock.boot()))
    }

    /// Whether a part's waiting time began before `since`, or in another boot.
    pub fn deferred_before(&self, part: &PartState, since: BootTime) -> bool {
        part.not_before.is_none_or(|deadline| {
            let deadline = Deadline::from(deadline);
            deadline.boot != self.clock.boot_id() || deadline.at.0.saturating_sub(deadline.remaining) < since.0
        })
    }

    /// Whether the destination accepted something within the last `window`.
    pub fn accepted_within(&self, destination: u32, window: Duration) -> bool {
        let accepted = self.control.destinations.get(&destination).and_then(|state| state.accepted_age);
        accepted.is_some_and(|age| self.age().saturating_sub(age) < nanos(window))
    }

    /// Rows that come next for a destination: from its cursor on, at most `max_rows` and about `max_bytes`.
    pub fn next_rows(
        &mut self,
        destination: u32,
        lane: Lane,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Rows, QueueError> {
        let cursor =
            self.control.destinations.get(&destination).map_or(u64::MAX >> 1, |state| slot(&state.cursor, lane));
        self.read_rows(lane, cursor, u64::MAX >> 1, max_rows, max_bytes)
    }

    /// The rows of a range. Damaged ones are dropped and booked.
    pub fn read_rows(
        &mut self,
        lane: Lane,
        from: u64,
        to: u64,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Rows, QueueError> {
        let mut found = Rows::default();
        let mut damaged = Vec::new();
        {
            let sql = format!(
                "SELECT seq, row FROM {} WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3",
                schema::table(lane)
            );
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query((from, to, max_rows as u64))?;
            while let Some(stored) = rows.next()? {
                let seq: u64 = stored.get(0)?;
                let bytes = stored.get_ref(1)?.as_blob().map_err(|error| QueueError::Corrupt(error.to_string()))?;
                match row::decode(lane, seq, bytes) {
                    Some(row) => {
                        let at = found.bytes.len();
                        found.bytes.extend_from_slice(row.record);
                        found.rows.push(RowRef { seq, run: row.run, n: row.n, at: at..found.bytes.len() });
                    }
                    None => damaged.push(seq),
                }
                if found.bytes.len() >= max_bytes {
                    break;
                }
            }
        }
        if !damaged.is_empty() {
            self.drop_rows(lane, &damaged, DropReason::RowCorrupt)?;
        }
        Ok(found)
    }

    /// Freezes a batch before its first send. `unsupported` rows of the range are in no part and are dropped as such.
    pub fn freeze(
        &mut self,
        destination: u32,
        lane: Lane,
        (from, to): (u64, u64),
        unsupported: u64,
        parts: Vec<NewPart>,
    ) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.drop_events(lane, DropReason::Unsupported, unsupported);
            }
            let mut batch = BatchState { from, to, ..BatchState::default() };
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

    /// Notes that a part's body is another one than when it was frozen: a later version of the core encodes it.
    pub fn refreeze(
        &mut self,
        destination: u32,
        lane: Lane,
        part: u32,
        version: u32,
        hash: String,
        rows: u64,
    ) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            if let Some(part) = queue.part_mut(destination, lane, part) {
                part.version = version;
                part.hash = hash;
                part.rows = rows;
            }
            Ok(())
        })
    }

    /// Commits what became of a part.
    pub fn settle(
        &mut self,
        destination: u32,
        lane: Lane,
        part: u32,
        settlement: Settlement,
    ) -> Result<(), QueueError> {
        kill_point("sent_unsettled");
        let (boot, now) = (self.clock.boot_id(), self.clock.boot());
        let age = self.age();
        self.transact(false, |queue| {
            let Some(settled) = queue.part_mut(destination, lane, part).cloned() else { return Ok(()) };
            let control = &mut queue.control;
            let state = control.destinations.get_mut(&destination);
            let state = state.ok_or_else(|| QueueError::Other(format!("no destination {destination}")))?;
            let day = age / nanos(Duration::from_secs(86_400));
            match settlement {
                Settlement::Delivered { rejected, bytes } => {
                    let rejected = rejected.min(settled.rows);
                    *slot_mut(&mut state.delivered, lane) += settled.rows - rejected;
                    state.drop_events(lane, DropReason::PartialReject, rejected);
                    state.accepted_age = Some(age);
                    state.pauses = 0;
                    state.paused = None;
                    control.books.retries = 0;
                    let sent = if control.books.sent_today.0 == day { control.books.sent_today.1 } else { 0 };
                    control.books.sent_today = (day, sent + bytes);
                    queue.remove_part(destination, lane, part);
                }
                Settlement::Drop(reason) => {
                    state.drop_events(lane, reason, settled.rows);
                    queue.remove_part(destination, lane, part);
                }
                Settlement::Gone => queue.remove_part(destination, lane, part),
                Settlement::Retry { after, server_asked } => {
                    control.books.retries += 1;
                    if let Some(part) = queue.part_mut(destination, lane, part) {
                        part.attempts += 1;
                        part.server_asked = server_asked;
                        part.not_before = Some(Deadline::new(boot, now, after).into());
                    }
                }
                Settlement::Defer { after } => {
                    if let Some(batch) = control.batches.get_mut(&(destination, lane)) {
                        batch.refuse_siblings(&settled);
                        batch.parts.retain(|other| other.id != part);
                        batch.push(PartState {
                            attempts: settled.attempts + 1,
                            depth: settled.depth + 1,
                            not_before: Some(Deadline::new(boot, now, after).into()),
                            server_asked: false,
                            ..settled.clone()
                        });
                    }
                }
                Settlement::Pause { after, reason } => {
                    state.paused = Some(Deadline::new(boot, now, after).into());
                    state.pauses += 1;
                    state.pause_reason = reason;
                    if let Some(part) = queue.part_mut(destination, lane, part) {
                        part.attempts += 1;
                    }
                }
                Settlement::Halve { middle, first_rows, refused } => {
                    let half = PartState {
                        depth: settled.depth + 1,
                        attempts: 0,
                        sibling_refused: false,
                        hash: String::new(),
                        not_before: None,
                        ..settled.clone()
                    };
                    if let Some(batch) = control.batches.get_mut(&(destination, lane)) {
                        batch.parts.retain(|other| other.id != part);
                        if refused {
                            batch.refuse_siblings(&settled);
                        }
                        let family = batch.next_part + 1;
                        let half = PartState { family, ..half };
                        batch.push(PartState { to: middle - 1, rows: first_rows, ..half.clone() });
                        batch.push(PartState { from: middle, rows: settled.rows - first_rows, ..half });
                    }
                }
            }
            queue.complete(destination, lane)
        })?;
        kill_point("settled");
        Ok(())
    }

    /// Compressed bytes sent in the current day of queue age.
    pub fn sent_today(&self) -> u64 {
        let day = self.age() / nanos(Duration::from_secs(86_400));
        let (stored, bytes) = self.control.books.sent_today;
        if stored == day { bytes } else { 0 }
    }

    fn part_mut(&mut self, destination: u32, lane: Lane, id: u32) -> Option<&mut PartState> {
        self.control.batches.get_mut(&(destination, lane))?.parts.iter_mut().find(|part| part.id == id)
    }

    fn remove_part(&mut self, destination: u32, lane: Lane, id: u32) {
        if let Some(batch) = self.control.batches.get_mut(&(destination, lane)) {
            batch.parts.retain(|part| part.id != id);
        }
    }

    /// Ends a batch without open parts: the cursor moves, and rows that nobody wants go.
    fn complete(&mut self, destination: u32, lane: Lane) -> Result<(), QueueError> {
        let Some(batch) = self.control.batches.get(&(destination, lane)) else { return Ok(()) };
        if !batch.parts.is_empty() {
            return Ok(());
        }
        let next = batch.to + 1;
        self.control.batches.remove(&(destination, lane));
        if let Some(state) = self.control.destinations.get_mut(&destination) {
            *slot_mut(&mut state.cursor, lane) = next;
        }
        self.delete_settled(lane)
    }

    /// Deletes the rows that every destination is past.
    pub(super) fn delete_settled(&mut self, lane: Lane) -> Result<(), QueueError> {
        let Some(past) = self.control.active().map(|(_, state)| slot(&state.cursor, lane)).min() else { return Ok(()) };
        if past <= self.control.lane(lane).first_seq {
            return Ok(());
        }
        let table = schema::table(lane);
        let sql = format!("SELECT count(*), coalesce(sum(length(row)), 0) FROM {table} WHERE seq < ?1");
        let (rows, bytes): (u64, u64) =
            self.db.prepare_cached(&sql)?.query_row([past], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.db.prepare_cached(&format!("DELETE FROM {table} WHERE seq < ?1"))?.execute([past])?;
        let state = self.control.lane_mut(lane);
        state.rows = state.rows.saturating_sub(rows);
        state.bytes = state.bytes.saturating_sub(bytes + rows * super::absorb::ROW_OVERHEAD);
        self.refresh_first(lane)
    }

    /// Pauses of a destination in a row.
    pub fn pauses(&self, destination: u32) -> u32 {
        self.control.destinations.get(&destination).map_or(0, |state| state.pauses)
    }

    /// Drops rows that turned out to be unreadable, and books them.
    pub fn discard(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        self.drop_rows(lane, seqs, reason)
    }

    /// Drops rows and books them, in a transaction of its own.
    pub(super) fn drop_rows(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        for seqs in seqs.chunks(MAX_DRAIN_EVENTS) {
            self.transact(false, |queue| queue.delete_rows(lane, seqs, reason))?;
        }
        Ok(())
    }

    pub(super) fn delete_rows(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        self.control.drop_rows(lane, reason, seqs);
        let mut rows = 0;
        let mut bytes = 0;
        {
            let sql = format!("DELETE FROM {} WHERE seq = ?1 RETURNING length(row)", schema::table(lane));
            let mut statement = self.db.prepare_cached(&sql)?;
            for seq in seqs {
                let mut deleted = statement.query([seq])?;
                while let Some(row) = deleted.next()? {
                    rows += 1;
                    bytes += row.get::<_, u64>(0)? + super::absorb::ROW_OVERHEAD;
                }
            }
        }
        let state = self.control.lane_mut(lane);
        state.rows = state.rows.saturating_sub(rows);
        state.bytes = state.bytes.saturating_sub(bytes);
        self.shrink_parts(lane, seqs);
        self.refresh_first(lane)
    }

    /// Parts that lost rows to damage have as many fewer to settle.
    fn shrink_parts(&mut self, lane: Lane, seqs: &[u64]) {
        for ((_, batch_lane), batch) in &mut self.control.batches {
            if *batch_lane != lane {
                continue;
            }
            for seq in seqs {
                // The row's signal is not known any more; the first part that covers it gives way.
                let covering = batch.parts.iter_mut().find(|part| (part.from..=part.to).contains(seq) && part.rows > 0);
                if let Some(part) = covering {
                    part.rows -= 1;
                }
            }
        }
    }
}

impl BatchState {
    /// Tells the other half of a refused part.
    fn refuse_siblings(&mut self, refused: &PartState) {
        let siblings = self.parts.iter_mut().filter(|part| part.family == refused.family && part.family > 0);
        siblings.filter(|part| part.id != refused.id).for_each(|part| part.sibling_refused = true);
    }

    fn push(&mut self, part: PartState) {
        let id = self.next_part;
        self.next_part += 1;
        self.parts.push(PartState { id, ..part });
        self.parts.sort_by_key(|part| (part.depth, part.id));
    }
}
