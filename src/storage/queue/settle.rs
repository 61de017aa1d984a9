//! What became of a part of a batch, and what follows from it.

use std::time::Duration;

use super::losses::LostOf;
use super::sent::SentToday;
use super::state::{BatchState, DestinationState, PartState};
use super::{LeftOut, NewPart, Queue, QueueError, Untold, destinations};
use crate::model::event::Lane;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::{MAX_PARKED_PARTS, PARKED_FOR, STUCK_AFTER, SUSPICIONS_TO_DIVIDE};
use crate::model::time::{Deadline, StoredDeadline};
use crate::policy::backoff;

/// What became of a part.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// The backend has accepted it, except for the records that it said it rejected.
    Delivered {
        /// How many records it rejected.
        rejected: u64,
    },
    /// The same request is sent again later.
    Retry {
        /// How much later.
        after: Duration,
        /// Why.
        cause: Retry,
    },
    /// A crash on which the backend fails. It waits, and the crashes behind it are sent.
    Park {
        /// Whether the backend refused what is in it.
        is_refused: bool,
    },
    /// A single event was refused. It is sent once more, after the other parts.
    Defer {
        /// How much later.
        after: Duration,
        /// Whether the rows behind it are not to wait for it.
        is_stuck: bool,
    },
    /// Its rows were lost to damage and have been booked: there is nothing left to settle. Rows
    /// that it still has, of a part that an older version has frozen, have no place in the format
    /// any more.
    Gone,
    /// The exporter sorts kinds of events otherwise than when the part was frozen: these parts take
    /// its place.
    Regroup {
        /// The parts. Their bodies are encoded when they are sent.
        parts: Vec<NewPart>,
        /// Rows that are in none of them.
        left_out: LeftOut,
    },
    /// It is sent as two parts, divided before the row with the sequence number `middle`.
    Halve {
        /// The first row of the second half.
        middle: u64,
        /// Rows in the first half.
        first_rows: u64,
        /// Whether the backend refused the part for what is in it, not for its size. Its sibling
        /// then takes note.
        refused: bool,
    },
    /// Its events are dropped for this reason.
    Drop(DropReason),
    /// Nothing of this signal is sent to the destination for a while.
    Pause {
        /// For how long.
        after: Duration,
        /// What `health()` shows.
        reason: String,
        /// Whether the backend refused what is in the part. Other parts are then tried first, in
        /// case that the fault is in this one after all.
        is_refused: bool,
    },
}

/// Why a part is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// There was no answer.
    NoAnswer,
    /// The backend answered with an error. When it accepts other parts meanwhile, this one is
    /// suspected.
    Failed,
    /// The backend named the time (`Retry-After`): nothing is sent to it earlier, not even for a
    /// flush or by the next process.
    Asked,
}

/// What is known of the request that carried a part.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered<'a> {
    /// Bytes of the compressed body, as far as they were sent.
    pub sent: u64,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// The losses of which the backend knows now.
    pub told: &'a [Untold],
}

impl Queue {
    /// Commits what became of a part, and that `sent` bytes of a compressed body were sent for it.
    /// A part that is not known any more is left alone.
    pub fn settle(
        &mut self,
        destination: u32,
        lane: Lane,
        part: u32,
        settlement: Settlement,
        sent: u64,
    ) -> Result<(), QueueError> {
        self.settle_answered(destination, lane, part, settlement, Answered { sent, ..Answered::default() })
    }

    /// The same, for a part that was sent and answered.
    pub fn settle_answered(
        &mut self,
        destination: u32,
        lane: Lane,
        part: u32,
        settlement: Settlement,
        answered: Answered<'_>,
    ) -> Result<(), QueueError> {
        kill_point("sent_unsettled");
        let age = self.age();
        self.transact(|queue| {
            queue.book_sent(age, answered.sent);
            queue.note_told(destination, answered.told);
            let Some(part) = queue.part_mut(destination, lane, part) else { return Ok(()) };
            part.last_status = answered.status;
            let part = part.clone();
            let (from, to) = (part.from, part.to);
            queue.apply_settlement(destination, lane, part, settlement, age)?;
            queue.complete(destination, lane)?;
            queue.delete_in_stuck(lane, from, to)
        })?;
        kill_point("settled");
        Ok(())
    }

    /// Counts bytes towards the daily cap, whatever the answer was.
    pub(super) fn book_sent(&mut self, age: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let day = destinations::day(age);
        let sent = &mut self.control.books.sent_today;
        let before = if sent.day == day { sent.bytes } else { 0 };
        *sent = SentToday { day, bytes: before + bytes };
    }

    fn apply_settlement(
        &mut self,
        destination: u32,
        lane: Lane,
        part: PartState,
        settlement: Settlement,
        age: u64,
    ) -> Result<(), QueueError> {
        let (boot, now) = (self.clock.boot_id(), self.clock.boot());
        let deadline = |after| -> StoredDeadline { Deadline::new(boot, now, after).into() };
        let control = &mut self.control;
        let missing = || QueueError::Other(format!("destination {destination} has no batch or no books"));
        let state = control.destinations.get_mut(&destination).ok_or_else(missing)?;
        let batch = control.batches.get_mut(&(destination, lane)).ok_or_else(missing)?;
        match settlement {
            Settlement::Delivered { rejected } => {
                let rejected = rejected.min(part.rows);
                *state.delivered.get_mut(lane) += part.rows - rejected;
                state.drops.add(lane, DropReason::PartialReject, rejected);
                state.accept(part.signal, age);
                state.pauses = 0;
                state.paused = None;
                control.books.retries = 0;
                batch.remove(part.id);
            }
            Settlement::Drop(reason) => {
                if reason == DropReason::Rejected {
                    state.refuse(part.clone());
                }
                state.drop_part(lane, &part, reason);
                batch.remove(part.id);
            }
            Settlement::Gone => {
                state.drops.add(lane, DropReason::Unsupported, part.rows);
                batch.remove(part.id);
            }
            Settlement::Regroup { parts, left_out } => {
                state.leave_out(lane, left_out);
                batch.remove(part.id);
                for new in parts {
                    batch.push(PartState { depth: part.depth, ..new.into() });
                }
            }
            Settlement::Retry { after, cause } => {
                control.books.retries += 1;
                let mut wait = Some(deadline(after));
                if cause == Retry::Asked {
                    state.asked = wait;
                    // It may be this part alone that the backend fails on.
                    wait = Some(deadline(after.max(backoff::delay(part.attempts, u64::MAX))));
                }
                let is_suspect = state.suspects(&part, age);
                batch.change(part.id, |part| {
                    part.attempts += 1;
                    part.not_before = wait;
                    if cause == Retry::Failed {
                        if is_suspect {
                            part.suspicions += 1;
                            part.suspected_age = Some(age);
                        }
                        part.failed_age = Some(age);
                    }
                });
            }
            Settlement::Park { is_refused } => {
                let PartState { id, refusals, refused_at, .. } = if is_refused { state.refuse(part) } else { part };
                batch.change(id, |part| {
                    (part.refusals, part.refused_at) = (refusals, refused_at);
                    part.attempts += 1;
                    part.is_parked = true;
                    part.not_before = Some(deadline(PARKED_FOR));
                });
                for oldest in batch.surplus_parked() {
                    state.drop_part(lane, &oldest, DropReason::Undeliverable);
                    batch.remove(oldest.id);
                }
            }
            Settlement::Defer { after, is_stuck } => {
                batch.refuse_sibling(&part);
                batch.remove(part.id);
                let part = state.refuse(part);
                let attempts = part.attempts + 1;
                batch.push(PartState {
                    attempts: if is_stuck { attempts.max(STUCK_AFTER) } else { attempts },
                    depth: part.depth + 1,
                    not_before: Some(deadline(after)),
                    ..part
                });
            }
            Settlement::Pause { after, reason, is_refused } => {
                state.pause_signal(part.signal, deadline(after), reason);
                batch.change(part.id, |part| part.attempts += 1);
                if is_refused {
                    batch.remove(part.id);
                    let part = state.refuse(part);
                    let attempts = (part.attempts + 1).max(STUCK_AFTER);
                    batch.push(PartState { attempts, depth: part.depth + 1, ..part });
                }
            }
            Settlement::Halve { middle, first_rows, refused } => {
                batch.remove(part.id);
                let part = if refused {
                    batch.refuse_sibling(&part);
                    state.refuse(part)
                } else {
                    part
                };
                // What was accepted before is no reason to divide the halves again: then a backend
                // that goes down now would be asked for every event.
                let failed_age = part.failed_age.map(|_| age);
                batch.push_halves(PartState { failed_age, ..part }, middle, first_rows);
            }
        }
        Ok(())
    }
}

impl DestinationState {
    /// Books a part that is dropped.
    fn drop_part(&mut self, lane: Lane, part: &PartState, reason: DropReason) {
        self.drops.add(lane, reason, part.rows);
        if let Some(losses) = &mut self.losses {
            losses.add(lane, LostOf::Signal(part.signal), reason, part.rows);
        }
    }
}

impl BatchState {
    fn remove(&mut self, id: u32) {
        self.parts.retain(|part| part.id != id);
    }

    /// The oldest parked parts, if there are too many.
    fn surplus_parked(&self) -> Vec<PartState> {
        let mut parked: Vec<_> = self.parts.iter().filter(|part| part.is_parked).cloned().collect();
        parked.sort_by_key(|part| part.from);
        parked.truncate(parked.len().saturating_sub(MAX_PARKED_PARTS));
        parked
    }

    fn change(&mut self, id: u32, change: impl Fn(&mut PartState)) {
        self.parts.iter_mut().find(|part| part.id == id).into_iter().for_each(change);
    }

    /// Adds the two halves of a part that was removed. They share a family, so that each can take
    /// note of the other.
    fn push_halves(&mut self, part: PartState, middle: u64, first_rows: u64) {
        let half = PartState {
            depth: part.depth + 1,
            family: self.next_part + 1,
            attempts: 0,
            refusals: 0,
            // One more failure suffices to divide it again, because the whole was suspected.
            suspicions: part.suspicions.min(SUSPICIONS_TO_DIVIDE - 1),
            sibling_refused: false,
            hash: String::new(),
            not_before: None,
            ..part
        };
        self.push(PartState { to: middle - 1, rows: first_rows, ..half.clone() });
        self.push(PartState { from: middle, rows: half.rows - first_rows, ..half });
    }
}
