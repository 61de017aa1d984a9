//! What was lost of the events of a destination whose backend wants to be told, and how much of it
//! was told.
//!
//! The books count by lane and reason, which is all that the law of the ledger needs. A backend
//! asks for what kind of event it was. That is known of a part, by its signal, and of a row, by its
//! kind. It is not known of what never was a row: such losses are in the books alone.
//!
//! Counts only grow, and so does how much of each was told, in the transaction that settles the
//! request that told it. A request that is sent again tells the same or more, and never less.

use serde::{Deserialize, Serialize};

use super::{Queue, QueueError};
use crate::model::event::{EventKind, Lane};
use crate::model::ledger::DropReason;

/// Of which events something was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostOf {
    /// Of a signal, by the exporter's own number.
    Signal(u8),
    /// Of a kind of event.
    Kind(EventKind),
}

/// Events that were lost and that the backend was not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untold {
    /// Their lane.
    pub lane: Lane,
    /// What they were.
    pub of: LostOf,
    /// Why they were dropped.
    pub reason: DropReason,
    /// How many they are.
    pub count: u64,
    /// How many there have been in all: what is told when these are.
    total: u64,
}

/// A count as it is stored: `[lane, what, reason, lost, told]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry(u8, u16, u8, u64, u64);

impl LostOf {
    fn code(self) -> u16 {
        match self {
            Self::Signal(signal) => signal.into(),
            // A signal has no code that is as large.
            Self::Kind(kind) => u16::from_be_bytes([1, kind.code()]),
        }
    }

    fn from_code(code: u16) -> Option<Self> {
        match code.to_be_bytes() {
            [0, signal] => Some(Self::Signal(signal)),
            [1, kind] => EventKind::from_code(kind).map(Self::Kind),
            _ => None,
        }
    }
}

/// The losses of a destination, in the order in which they first happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Losses(Vec<Entry>);

impl Losses {
    /// Counts events that were lost.
    pub(super) fn add(&mut self, lane: Lane, of: LostOf, reason: DropReason, count: u64) {
        if count == 0 {
            return;
        }
        let key = (lane.code(), of.code(), reason.code());
        match self.0.iter_mut().find(|entry| (entry.0, entry.1, entry.2) == key) {
            Some(entry) => entry.3 += count,
            None => self.0.push(Entry(key.0, key.1, key.2, count, 0)),
        }
    }

    fn untold(&self) -> Vec<Untold> {
        let untold = |entry: &Entry| {
            let Entry(lane, of, reason, total, told) = *entry;
            let count = total.checked_sub(told).filter(|count| *count > 0)?;
            let (lane, reason) = (Lane::from_code(lane)?, DropReason::from_code(reason)?);
            Some(Untold { lane, of: LostOf::from_code(of)?, reason, count, total })
        };
        self.0.iter().filter_map(untold).collect()
    }

    fn tell(&mut self, told: &[Untold]) {
        for told in told {
            let key = (told.lane.code(), told.of.code(), told.reason.code());
            let entries = self.0.iter_mut().filter(|entry| (entry.0, entry.1, entry.2) == key);
            entries.for_each(|entry| entry.4 = entry.4.max(told.total));
        }
    }
}

impl Queue {
    /// What a destination has lost and its backend was not told of. What it loses is counted from
    /// the first call on.
    ///
    /// # Errors
    /// Those of the queue.
    pub fn untold(&mut self, destination: u32) -> Result<Vec<Untold>, QueueError> {
        match self.control.destinations.get(&destination).map(|state| &state.losses) {
            Some(Some(losses)) => return Ok(losses.untold()),
            None => return Ok(Vec::new()),
            Some(None) => {}
        }
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.losses = Some(Losses::default());
            }
            Ok(())
        })?;
        Ok(Vec::new())
    }

    /// Notes within a transaction that a backend was told of losses.
    pub(super) fn note_told(&mut self, destination: u32, told: &[Untold]) {
        if let Some(losses) = self.control.destinations.get_mut(&destination).and_then(|state| state.losses.as_mut()) {
            losses.tell(told);
        }
    }

    /// Counts rows that are about to be deleted, as far as their kinds are known, for every
    /// destination that has not settled them and whose backend wants to be told.
    pub(super) fn count_lost(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        if !self.control.active().any(|(_, state)| state.losses.is_some()) {
            return Ok(());
        }
        let gone = self.kinds(lane, seqs)?;
        let control = &mut self.control;
        for (id, state) in control.destinations.iter_mut().filter(|(_, state)| !state.removed) {
            let Some(losses) = &mut state.losses else { continue };
            let (cursor, batch) = (*state.cursor.get(lane), control.batches.get(&(*id, lane)));
            for (seq, kind) in &gone {
                let is_unsettled = match batch {
                    Some(batch) if (batch.from..=batch.to).contains(seq) => batch.covers(*seq, Some(*kind)),
                    _ => *seq >= cursor,
                };
                losses.add(lane, LostOf::Kind(*kind), reason, u64::from(is_unsettled));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::model::event::encode::{Stamp, encode};
    use crate::model::event::{Session, SessionChange};
    use crate::model::ids::RunKey;
    use crate::model::time::{Clock, ManualClock};
    use crate::storage::frame::{self, FrameType};
    use crate::storage::journal::{DrainEnd, Drained, RunCounters, RunStart};
    use crate::storage::queue::state::Kinds;
    use crate::storage::queue::{LeftOut, NewPart, QueueLimits, Settlement, Source};

    const OF: LostOf = LostOf::Kind(EventKind::Session);

    /// A journal with so many starts of sessions.
    struct Sessions(u64);

    impl Source for Sessions {
        fn counters(&self) -> RunCounters {
            RunCounters::default()
        }

        fn drain(&self, _: u64, _: usize, _: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
            for n in 1..=self.0 {
                let mut payload = Vec::new();
                frame::put_counter(&mut payload, n);
                let start = Session::new(SessionChange::Start, Uuid::nil(), "");
                assert!(encode(&start, Stamp::default(), &mut payload));
                visit(Drained { frame: FrameType::Event(Lane::Event), end: n, payload: &payload });
            }
            DrainEnd { to: self.0, damaged: 0, more: false }
        }
    }

    #[test]
    fn a_destination_has_lost_what_it_had_not_settled_and_only_if_it_tells_somebody() {
        let dir = tempfile::tempdir().unwrap();
        let limits = QueueLimits { queue_bytes: 1 << 24, crash_bytes: 1 << 20, max_age: Duration::from_secs(86_400) };
        let mut queue = Queue::open(dir.path(), limits, Clock::Manual(ManualClock::new())).unwrap();
        queue.configure(&[("sentry".to_owned(), 1), ("other".to_owned(), 1)]).unwrap();
        let ids: Vec<u32> = queue.control.active().map(|(id, _)| id).collect();
        let [sentry, other] = ids.try_into().unwrap();
        assert_eq!(queue.untold(sentry).unwrap(), []);
        let run = queue.enter_run(RunStart { key: RunKey::random(), base_wall: 1 }).unwrap();
        queue.absorb(run, &Sessions(4), 10, 1 << 20).unwrap();
        let part = |from, to, is_deferred| {
            let mut kinds = Kinds::default();
            kinds.add(EventKind::Session);
            vec![NewPart { signal: 1, from, to, kinds, rows: to - from + 1, is_deferred, ..NewPart::default() }]
        };
        queue.freeze(sentry, Lane::Event, 1..=2, LeftOut::default(), part(1, 2, false)).unwrap();
        let delivered = Settlement::Delivered { rejected: 0 };
        queue.settle(sentry, Lane::Event, 0, delivered, 0).unwrap();
        queue.freeze(sentry, Lane::Event, 3..=3, LeftOut::default(), part(3, 3, true)).unwrap();
        queue.discard(Lane::Event, &[1, 2, 3, 4], DropReason::QuotaBytes).unwrap();
        let lost: Vec<_> = queue.untold(sentry).unwrap().into_iter().map(|loss| (loss.of, loss.count)).collect();
        assert_eq!(lost, [(OF, 2)], "the part that waits, and the row behind it");
        assert_eq!(queue.control.destinations[&other].losses, None);
        queue.configure(&[("sentry".to_owned(), 2), ("other".to_owned(), 1)]).unwrap();
        assert_eq!(queue.untold(sentry).unwrap(), [], "another backend lost nothing of that");
    }

    #[test]
    fn what_was_told_is_told_once_and_what_came_meanwhile_is_left() {
        let mut losses = Losses::default();
        losses.add(Lane::Event, OF, DropReason::QuotaBytes, 3);
        let sent = losses.untold();
        losses.add(Lane::Event, OF, DropReason::QuotaBytes, 2);
        losses.tell(&sent);
        losses.tell(&sent);
        let left: Vec<_> = losses.untold().into_iter().map(|loss| (loss.of, loss.count)).collect();
        assert_eq!(left, [(OF, 2)]);
        losses.tell(&losses.untold());
        assert_eq!(losses.untold(), []);
    }

    #[test]
    fn losses_are_stored_and_a_later_versions_reasons_are_left_alone() {
        let mut losses = Losses::default();
        losses.add(Lane::Crash, LostOf::Signal(7), DropReason::Rejected, 1);
        losses.add(Lane::Event, OF, DropReason::QuotaAge, 2);
        let text = serde_json::to_string(&losses).unwrap();
        let later = text.replacen('[', "[[0,7,200,9,0],", 1);
        let read: Losses = serde_json::from_str(&later).unwrap();
        assert_eq!(read.untold(), losses.untold());
    }
}
