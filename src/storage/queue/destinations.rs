//! The configured destinations: which there are, and which of them are paused.

use std::time::Duration;

use super::answers::SignalAnswers;
use super::control::Control;
use super::lanes::MAX_SEQ;
use super::state::{DestinationState, PartState, SignalPause};
use super::{Queue, QueueError};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::DAY;
use crate::model::time::{Deadline, StoredDeadline, nanos};

impl Queue {
    /// Brings the destinations to what the configuration says. A new destination starts at the
    /// oldest row. What a removed one had not settled is dropped and counted. Each destination is
    /// given by its name and a fingerprint of its endpoint and headers: when that changes, a pause
    /// ends.
    pub fn configure(&mut self, wanted: &[(String, u64)]) -> Result<(), QueueError> {
        self.transact(|queue| {
            let is_gone = |state: &DestinationState| !wanted.iter().any(|(name, _)| *name == state.name);
            let gone: Vec<u32> = queue.control.active().filter(|(_, state)| is_gone(state)).map(|(id, _)| id).collect();
            let is_smaller = !gone.is_empty();
            for id in gone {
                queue.remove_destination(id)?;
            }
            for (name, fingerprint) in wanted {
                let control = &mut queue.control;
                let mut known = control.destinations.iter_mut();
                match known.find(|(_, state)| !state.removed && state.name == *name) {
                    Some((id, state)) if state.fingerprint != *fingerprint => {
                        state.fingerprint = *fingerprint;
                        state.paused = None;
                        state.pauses = 0;
                        state.signal_pauses.clear();
                        state.asked = None;
                        // It may be another backend, of which nothing is known.
                        state.accepted_age = None;
                        state.accepted_of.clear();
                        state.answers.clear();
                        // Nor is it told of what another one did not get.
                        state.losses = None;
                        let batches = control.batches.iter_mut().filter(|((of, _), _)| of == id);
                        let parts = batches.flat_map(|(_, batch)| batch.parts.iter_mut());
                        parts.for_each(PartState::forget_refusals);
                    }
                    Some(_) => {}
                    None => add(control, name.clone(), *fingerprint),
                }
            }
            if is_smaller {
                // Rows for which a destination waited that is gone now.
                for lane in Lane::ALL {
                    queue.delete_settled(lane)?;
                    queue.delete_in_stuck(lane, 0, MAX_SEQ)?;
                }
            }
            Ok(())
        })
    }

    fn remove_destination(&mut self, id: u32) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            let waiting = self.waiting(id, lane)?;
            self.control.batches.remove(&(id, lane));
            if let Some(state) = self.control.destinations.get_mut(&id) {
                state.drops.add(lane, DropReason::DestinationRemoved, waiting);
                state.removed = true;
            }
        }
        Ok(())
    }

    /// The configured destinations: number in the queue and name.
    pub fn destinations(&self) -> Vec<(u32, String)> {
        self.control.active().map(|(id, state)| (id, state.name.clone())).collect()
    }

    /// The name of a configured destination.
    pub fn destination_name(&self, destination: u32) -> Option<&String> {
        self.control.destinations.get(&destination).map(|state| &state.name)
    }

    /// How long nothing at all is sent to a destination; `None` when it is not paused.
    pub fn paused(&self, destination: u32) -> Option<Duration> {
        self.left(self.control.destinations.get(&destination)?.paused?)
    }

    /// How long a destination has asked to be left alone (`Retry-After`); `None` when it has not.
    pub fn asked_to_wait(&self, destination: u32) -> Option<Duration> {
        self.left(self.control.destinations.get(&destination)?.asked?)
    }

    fn left(&self, deadline: StoredDeadline) -> Option<Duration> {
        let left = Deadline::from(deadline).left(self.clock.boot_id(), self.clock.boot());
        (!left.is_zero()).then_some(left)
    }

    /// A destination has asked to be left alone for a while (`Retry-After`).
    pub fn ask_to_wait(&mut self, destination: u32, after: Duration) -> Result<(), QueueError> {
        let deadline = Deadline::new(self.clock.boot_id(), self.clock.boot(), after);
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.asked = Some(deadline.into());
            }
            Ok(())
        })
    }

    /// How long nothing of a signal is sent to a destination; `None` when it is not paused.
    pub fn signal_paused(&self, destination: u32, signal: u8) -> Option<Duration> {
        self.left(self.control.destinations.get(&destination)?.signal_pause(signal)?.until)
    }

    /// Sends nothing of a signal to a destination for a while.
    pub fn pause_signal(
        &mut self,
        destination: u32,
        signal: u8,
        after: Duration,
        reason: String,
    ) -> Result<(), QueueError> {
        let deadline = Deadline::new(self.clock.boot_id(), self.clock.boot(), after);
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.pause_signal(signal, deadline.into(), reason);
            }
            Ok(())
        })
    }

    /// Sends nothing of a signal to a destination for as long as it wants. It is no failure, and
    /// shortens no pause.
    pub fn rest_signal(
        &mut self,
        destination: u32,
        signal: u8,
        after: Duration,
        reason: String,
    ) -> Result<(), QueueError> {
        if self.signal_paused(destination, signal).is_some_and(|left| left >= after) {
            return Ok(());
        }
        let pauses = self.signal_pauses(destination, signal);
        let until = Deadline::new(self.clock.boot_id(), self.clock.boot(), after).into();
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.signal_pauses.retain(|pause| pause.signal != signal);
                state.signal_pauses.push(SignalPause { signal, until, reason, pauses });
            }
            Ok(())
        })
    }

    /// How many pauses of a signal there have been in a row.
    pub fn signal_pauses(&self, destination: u32, signal: u8) -> u32 {
        let state = self.control.destinations.get(&destination);
        state.and_then(|state| state.signal_pause(signal)).map_or(0, |pause| pause.pauses)
    }

    /// Why nothing, or nothing of some signals, is sent to a destination.
    pub(super) fn why_destination_paused(&self, state: &DestinationState) -> Option<String> {
        state.why_paused(|until| self.left(until).is_none())
    }

    /// Why nothing, or nothing of some signals, is sent to destinations.
    pub fn why_paused(&self) -> Option<String> {
        let why = |(_, state)| self.why_destination_paused(state);
        let reasons: Vec<String> = self.control.active().filter_map(why).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Sends nothing at all to a destination for a while.
    pub fn pause(&mut self, destination: u32, after: Duration, reason: String) -> Result<(), QueueError> {
        let deadline = Deadline::new(self.clock.boot_id(), self.clock.boot(), after);
        self.transact(|queue| {
            if let Some(state) = queue.control.destinations.get_mut(&destination) {
                state.paused = Some(deadline.into());
                state.pauses += 1;
                state.pause_reason = reason;
            }
            Ok(())
        })
    }

    /// How many pauses of a destination there have been in a row.
    pub fn pauses(&self, destination: u32) -> u32 {
        self.control.destinations.get(&destination).map_or(0, |state| state.pauses)
    }

    /// Whether a destination accepted something of a signal within the last `window`.
    pub fn has_accepted_within(&self, destination: u32, signal: u8, window: Duration) -> bool {
        let accepted = self.accepted(destination, signal);
        accepted.is_some_and(|age| self.age().saturating_sub(age) < nanos(window))
    }

    /// Whether a destination has ever accepted something of a signal.
    pub fn has_accepted(&self, destination: u32, signal: u8) -> bool {
        self.accepted(destination, signal).is_some()
    }

    fn accepted(&self, destination: u32, signal: u8) -> Option<u64> {
        let state = self.control.destinations.get(&destination)?;
        // An older version did not write down what it was of.
        if state.accepted_of.is_empty() { state.accepted_age } else { state.accepted_age_of(signal) }
    }

    /// Whether a destination has accepted something of the same signal since it failed to answer
    /// this part last. When it accepts others again and again, the fault is in the part.
    pub fn accepts_others(&self, destination: u32, part: &PartState) -> bool {
        self.control.destinations.get(&destination).is_some_and(|state| state.accepts_others(part))
    }

    /// How a destination has answered the requests of a signal.
    pub fn answers(&self, destination: u32, signal: u8) -> SignalAnswers {
        self.control.destinations.get(&destination).map_or_else(Default::default, |state| state.answers.of(signal))
    }

    /// Whether a destination has accepted something of the same signal since it last refused what
    /// is in this part.
    pub fn accepts_since_refusal(&self, destination: u32, part: &PartState) -> bool {
        self.control.destinations.get(&destination).is_some_and(|state| state.accepts_since_refusal(part))
    }

    /// Whether a failure of this part now counts as one that speaks against it.
    pub fn suspects(&self, destination: u32, part: &PartState) -> bool {
        self.control.destinations.get(&destination).is_some_and(|state| state.suspects(part, self.age()))
    }

    /// The current day of queue age, to which the daily cap applies.
    pub fn today(&self) -> u64 {
        day(self.age())
    }

    /// Compressed bytes that were sent to all destinations in the current day of queue age.
    pub fn sent_today(&self) -> u64 {
        let sent = self.control.books.sent_today;
        if sent.day == day(self.age()) { sent.bytes } else { 0 }
    }

    /// Counts compressed bytes that were sent beside the batches. Nothing else is booked.
    pub fn add_sent(&mut self, bytes: u64) -> Result<(), QueueError> {
        let age = self.age();
        self.transact(|queue| {
            queue.book_sent(age, bytes);
            Ok(())
        })
    }
}

impl DestinationState {
    fn signal_pause(&self, signal: u8) -> Option<&SignalPause> {
        self.signal_pauses.iter().find(|pause| pause.signal == signal)
    }

    /// Sends nothing of a signal for a while.
    pub(super) fn pause_signal(&mut self, signal: u8, until: StoredDeadline, reason: String) {
        let pauses = self.signal_pause(signal).map_or(0, |pause| pause.pauses) + 1;
        self.signal_pauses.retain(|pause| pause.signal != signal);
        self.signal_pauses.push(SignalPause { signal, until, reason, pauses });
    }

    /// Why nothing, or nothing of some signals, is sent; `None` when nothing is paused.
    pub(super) fn why_paused(&self, is_over: impl Fn(StoredDeadline) -> bool) -> Option<String> {
        // A pause after a refusal lasts until something is accepted, a wait for its time.
        let lasting = self.signal_pauses.iter().filter(|pause| pause.pauses > 0 || !is_over(pause.until));
        let mut reasons: Vec<&str> = lasting.map(|pause| pause.reason.as_str()).collect();
        reasons.extend(self.paused.map(|_| self.pause_reason.as_str()));
        reasons.dedup();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// The day of a queue age.
pub(super) fn day(age: u64) -> u64 {
    age / nanos(DAY)
}

/// Adds a destination that starts at the oldest row of each lane. What was accepted before and is
/// gone does not concern it.
fn add(control: &mut Control, name: String, fingerprint: u64) {
    let mut fresh = DestinationState { name, fingerprint, ..DestinationState::default() };
    for lane in Lane::ALL {
        let state = control.lane(lane);
        let left = state.rows + state.held + control.books.drops.of_lane(lane);
        *fresh.cursor.get_mut(lane) = state.first_seq;
        *fresh.baseline.get_mut(lane) = state.accepted.saturating_sub(left);
    }
    let id = control.books.next_destination + 1;
    control.books.next_destination = id;
    control.destinations.insert(id, fresh);
}
