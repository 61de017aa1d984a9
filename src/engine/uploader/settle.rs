//! What became of a request: from the answer to what the queue commits.

use std::time::Duration;

use super::batch::{divide, part_rows};
use super::guarded::Guarded;
use super::target::Target;
use super::{Leased, Uploader};
use crate::model::event::Lane;
use crate::model::export::{Signal, Verdict};
use crate::model::ledger::DropReason;
use crate::model::limits::{
    ACCEPT_WINDOW, REFUSALS_TO_PAUSE, REFUSED_AGAIN_AFTER, REQUEST_TIMEOUT, RETRY_AFTER_MAX, SUSPICIONS_TO_DIVIDE,
    SUSPICIONS_TO_DROP,
};
use crate::model::time::BootTime;
use crate::policy::backoff;
use crate::storage::queue::{Queue, QueueError, Retry, Settlement};
use crate::wire::transport::cause::{answered, unanswered};
use crate::wire::transport::{Response, TransportError};

/// What became of a request, for the log, `health()` and the flushes that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Events delivered.
    pub delivered: u64,
    /// Why it failed; `None` after a success.
    pub failure: Option<String>,
    /// Server time less device time in milliseconds, from the `Date` header of an answer that
    /// accepted the events. Others may be a portal's, whose clock nobody sets.
    pub server_offset_ms: Option<i64>,
    /// Whether there was no answer at all.
    pub unreachable: bool,
}

impl Uploader {
    /// Commits what became of a request.
    ///
    /// # Errors
    /// Those of the queue. The part is then sent again later.
    pub fn settle(
        &mut self,
        queue: &mut Queue,
        leased: &Leased,
        result: Result<Response, TransportError>,
    ) -> Result<Settled, QueueError> {
        let random = self.draw();
        let now = self.clock.boot();
        let wall = self.clock.wall();
        let Some(target) = self.targets.iter_mut().find(|target| target.id == leased.destination) else {
            return Ok(Settled::default());
        };
        target.is_busy = false;
        let is_outdated = std::mem::take(&mut target.is_outdated);
        if !leased.snapshots.is_empty() {
            if result.as_ref().err().is_none_or(TransportError::is_late) {
                queue.add_sent(leased.bytes)?;
            }
            return target.settle_snapshots(queue, leased, result, Settling { now, wall, random });
        }
        let part = &leased.part;
        let exporter = target.exporter.clone();
        let url = exporter.shown_url(Signal(part.signal));
        let is_known = queue.has_accepted(leased.destination, part.signal);
        let mut settled = Settled::default();
        let (mut status, mut waits) = (None, Vec::new());
        let (settlement, rest, sent) = match result {
            Err(error) => {
                settled.failure = Some(unanswered(&url, &error.0, is_known));
                settled.unreachable = true;
                // A part on which the connection breaks waits the longer the more often it does,
                // whatever else arrives. The destination waits for its own failures alone.
                let rest = backoff::delay(target.failures(), random);
                let attempts = if is_outdated { 0 } else { part.attempts };
                let after = rest.max(backoff::delay(attempts, random));
                let retry = Settlement::Retry { after, cause: Retry::NoAnswer };
                // A server may close the connection on a body that is too large for it.
                let is_suspect = attempts >= SUSPICIONS_TO_DIVIDE && queue.accepts_others(leased.destination, part);
                let halves = if is_suspect { halve(queue, leased, false)? } else { None };
                // A backend that was silent has the body all the same.
                let sent = if error.is_late() { leased.bytes } else { 0 };
                (halves.unwrap_or(retry), Some(rest), sent)
            }
            Ok(response) => {
                let answered = answered(&url, response.status);
                settled.failure = Some(answered.clone());
                (status, waits) = (Some(response.status), exporter.waits(&response));
                let verdict = match exporter.classify(&response) {
                    // What else it may mean, of a body that is not compressed.
                    Verdict::Decompress if !exporter.compresses() => {
                        target.refused_plain();
                        match response.status {
                            500..=599 => Verdict::Retry,
                            415 => Verdict::Hold(UNREADABLE.to_owned()),
                            _ => Verdict::Refused,
                        }
                    }
                    verdict => verdict,
                };
                if verdict == Verdict::Decompress {
                    target.stop_compressing(now);
                }
                if let Verdict::Delivered { rejected } = verdict {
                    settled.server_offset_ms = server_offset_ms(&response, leased, now, wall);
                    settled.delivered = part.rows.saturating_sub(rejected);
                    settled.failure = (rejected > 0).then(|| format!("the backend rejected {rejected} records"));
                }
                let accepts_others = queue.accepts_others(leased.destination, part);
                let is_limited = waits.iter().any(|(signal, _)| signal.0 == part.signal);
                let circumstances = Circumstances {
                    is_crash: leased.lane == Lane::Crash,
                    attempts: part.attempts,
                    suspicions: part.suspicions + u32::from(queue.suspects(leased.destination, part)),
                    depth: part.depth,
                    sibling_refused: part.sibling_refused,
                    has_accepted: queue.has_accepted_within(leased.destination, part.signal, ACCEPT_WINDOW),
                    accepts_since_refusal: queue.accepts_since_refusal(leased.destination, part),
                    refusals: queue.refusals(leased.destination, part.signal),
                    pauses: queue.signal_pauses(leased.destination, part.signal),
                    failures: if accepts_others { part.attempts } else { target.failures() },
                    is_alone: exporter.limits(Signal(part.signal)).is_ok_and(|limits| limits.events == 1),
                    is_limited,
                    // What it asks for single signals does not concern the others.
                    asked: response
                        .header("retry-after")
                        .filter(|_| waits.is_empty())
                        .and_then(|value| backoff::retry_after(value, response.header("date"), wall, random)),
                    random,
                };
                let has_one_server = target.has_one_server;
                let mut settlement = match consequence(verdict, &circumstances) {
                    // The servers of other signals have asked for nothing.
                    Consequence::Settle(Settlement::Retry { after, cause: Retry::Asked }) if !has_one_server => {
                        Settlement::Pause { after, reason: asks(after), is_refused: false }
                    }
                    Consequence::Settle(settlement) => settlement,
                    Consequence::Divide { refused, or_else } => halve(queue, leased, refused)?.unwrap_or(or_else),
                };
                if let Settlement::Pause { reason, .. } = &mut settlement {
                    *reason = format!("{answered}: {reason}");
                    settled.failure = Some(reason.clone());
                }
                // A part on which the backend fails waits alone. It must not hold up what the
                // backend accepts.
                let rest = match &settlement {
                    // A backend that asks for a second again and again is down.
                    Settlement::Retry { after, cause: Retry::Asked } => {
                        Some(backoff::delay(target.failures(), random).max(*after))
                    }
                    Settlement::Retry { after, .. } if !accepts_others && !is_limited => Some(*after),
                    _ => None,
                };
                (settlement, rest, leased.bytes)
            }
        };
        if let Some(after) = rest {
            target.failed(now.after(after));
        }
        target.ready.check(queue, target.id);
        let is_accepted = matches!(settlement, Settlement::Delivered { .. });
        let answered = (sent, status);
        if let Err(error) = queue.settle_answered(leased.destination, leased.lane, part.id, settlement, answered) {
            // The part is sent again, but not over and over while the disk is full.
            target.failed(now.after(backoff::delay(target.failures(), random)));
            return Err(error);
        }
        if is_accepted {
            target.accepted();
        }
        target.ready.settled(queue, target.id);
        leave_alone(queue, leased.destination, &exporter, waits)?;
        Ok(settled)
    }
}

/// What is said of a backend that cannot read a body that is not compressed.
const UNREADABLE: &str = "it takes this content neither compressed nor as it is; check the URL";

/// Server time less device time, by an answer. One that was read much later than it came, because
/// the app was frozen or the device slept, says nothing of the time now.
fn server_offset_ms(response: &Response, leased: &Leased, now: BootTime, wall: u64) -> Option<i64> {
    let is_fresh = now.since(leased.since) <= REQUEST_TIMEOUT;
    backoff::server_offset_ms(response.header("date").filter(|_| is_fresh)?, wall)
}

/// Sends nothing of these signals for these times, as far as anything of them is sent at all.
fn leave_alone(
    queue: &mut Queue,
    destination: u32,
    exporter: &Guarded,
    waits: Vec<(Signal, Duration)>,
) -> Result<(), QueueError> {
    let taken = waits.into_iter().filter(|(signal, _)| exporter.takes(*signal).unwrap_or(false));
    taken.into_iter().try_for_each(|(signal, wait)| {
        let wait = wait.min(RETRY_AFTER_MAX);
        queue.rest_signal(destination, signal.0, wait, format!("{}: {}", exporter.shown_url(signal), asks(wait)))
    })
}

/// What is said of a server that asks for a wait.
fn asks(wait: Duration) -> String {
    format!("it asks to be left alone for {} s", wait.as_secs())
}

/// When an answer came, and 64 random bits.
#[derive(Clone, Copy)]
struct Settling {
    now: BootTime,
    wall: u64,
    random: u64,
}

impl Target {
    /// What became of a request with snapshots of open views. Nothing is booked, because the views
    /// have not ended. A destination that does not answer, or asks to wait, is left in peace, and
    /// gets what is the newest then.
    fn settle_snapshots(
        &mut self,
        queue: &mut Queue,
        leased: &Leased,
        result: Result<Response, TransportError>,
        at: Settling,
    ) -> Result<Settled, QueueError> {
        let after = backoff::delay(self.failures(), at.random);
        let mut settled = Settled::default();
        let url = self.exporter.shown_url(Signal(leased.part.signal));
        let is_known = queue.has_accepted(leased.destination, leased.part.signal);
        let rest = match result {
            Err(error) => {
                (settled.failure, settled.unreachable) = (Some(unanswered(&url, &error.0, is_known)), true);
                Some(after)
            }
            Ok(response) => {
                let date = response.header("date");
                leave_alone(queue, leased.destination, &self.exporter, self.exporter.waits(&response))?;
                match self.exporter.classify(&response) {
                    Verdict::Delivered { .. } => {
                        settled.server_offset_ms = server_offset_ms(&response, leased, at.now, at.wall);
                        None
                    }
                    Verdict::Decompress => {
                        self.stop_compressing(at.now);
                        None
                    }
                    Verdict::Retry => {
                        settled.failure = Some(answered(&url, response.status));
                        let asked = response.header("retry-after");
                        let asked = asked.and_then(|value| backoff::retry_after(value, date, at.wall, at.random));
                        match asked {
                            Some(asked) if self.has_one_server => queue.ask_to_wait(leased.destination, asked)?,
                            Some(asked) => {
                                let reason = format!("{}: {}", answered(&url, response.status), asks(asked));
                                queue.pause_signal(leased.destination, leased.part.signal, asked, reason)?;
                            }
                            None => {}
                        }
                        Some(after)
                    }
                    // It refuses the client or the content. Events that have ended find out which,
                    // and nothing is dropped here; but nobody is told that it was a success.
                    _ => {
                        settled.failure = Some(answered(&url, response.status));
                        None
                    }
                }
            }
        };
        if let Some(after) = rest {
            self.snapshots.lost(&leased.snapshots);
            self.failed(at.now.after(after));
        }
        Ok(settled)
    }
}

/// What the consequence of a verdict depends on.
#[derive(Debug, Clone, Copy)]
struct Circumstances {
    is_crash: bool,
    /// Earlier sends of the part.
    attempts: u32,
    /// Failures on the part, this one included, while the backend accepted others.
    suspicions: u32,
    /// How often the part was divided.
    depth: u32,
    /// Whether the other half of the part was refused.
    sibling_refused: bool,
    /// Whether the destination has accepted anything of the signal in the last 24 hours.
    has_accepted: bool,
    /// Whether it has accepted anything of the signal since it first refused what is in the part.
    accepts_since_refusal: bool,
    /// Requests of the signal in a row that it has refused, without this one.
    refusals: u32,
    /// Pauses of the signal in a row.
    pauses: u32,
    /// Failures in a row, which the backoff grows with.
    failures: u32,
    /// Whether each event of the signal is a request of its own.
    is_alone: bool,
    /// Whether the backend has asked for a rest of this signal. It then says nothing of the part.
    is_limited: bool,
    /// The wait that the server asked for.
    asked: Option<Duration>,
    random: u64,
}

/// What a verdict leads to.
#[derive(Debug)]
enum Consequence {
    Settle(Settlement),
    /// Divide the part to find the event that is at fault, or to make the request smaller. A single
    /// event cannot be divided: then `or_else`.
    Divide {
        refused: bool,
        or_else: Settlement,
    },
}

fn consequence(verdict: Verdict, at: &Circumstances) -> Consequence {
    // No answer costs a crash: a backend is repaired sooner or later.
    let drop = |reason| if at.is_crash { Settlement::Park } else { Settlement::Drop(reason) };
    Consequence::Settle(match verdict {
        Verdict::Delivered { rejected } => Settlement::Delivered { rejected },
        Verdict::Retry if at.is_limited => {
            Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::NoAnswer }
        }
        Verdict::Retry => match at.asked {
            Some(after) => Settlement::Retry { after, cause: Retry::Asked },
            None => {
                let retry = Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::Failed };
                if at.suspicions < SUSPICIONS_TO_DIVIDE {
                    return Consequence::Settle(retry);
                }
                let or_else = match at {
                    Circumstances { is_crash: true, .. } => Settlement::Park,
                    at if at.suspicions >= SUSPICIONS_TO_DROP => Settlement::Drop(DropReason::Undeliverable),
                    _ => retry,
                };
                return Consequence::Divide { refused: false, or_else };
            }
        },
        Verdict::Split => return Consequence::Divide { refused: false, or_else: drop(DropReason::TooLarge) },
        // The backend takes nothing at all: the fault is not in an event.
        Verdict::Refused if at.sibling_refused && !at.has_accepted => refused_for_good(at),
        Verdict::Refused if at.refusals >= REFUSALS_TO_PAUSE => refused_for_good(at),
        Verdict::Refused => return Consequence::Divide { refused: true, or_else: refused_alone(at) },
        Verdict::Decompress => Settlement::Retry { after: Duration::ZERO, cause: Retry::NoAnswer },
        Verdict::Drop(reason) if at.is_crash => {
            return Consequence::Divide { refused: true, or_else: drop(reason) };
        }
        Verdict::Drop(reason) => Settlement::Drop(reason),
        // A backend that took events until now is asked once more: a proxy that restarts answers
        // 404.
        Verdict::Hold(_) if at.has_accepted && at.attempts == 0 => {
            Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::Failed }
        }
        Verdict::Hold(reason) => Settlement::Pause { after: backoff::pause(at.pauses), reason, is_refused: false },
    })
}

/// The backend refuses what is sent, and nothing says that it takes the signal at all.
fn refused_for_good(at: &Circumstances) -> Settlement {
    let reason = "it refuses whatever is sent there and accepts nothing of this signal; check the endpoint, or leave \
                  the signal out of the destination's signals";
    Settlement::Pause { after: backoff::pause(at.pauses), reason: reason.to_owned(), is_refused: true }
}

/// A single event was refused. It is dropped when the backend has accepted others since it was
/// refused first, alone or in a larger request; a crash is parked instead. Until then the fault may
/// be the backend's: the event is sent again, at first soon and after what it was divided from,
/// then at long intervals, and the others do not wait for it. A backend that has accepted nothing
/// of the signal may take none of it.
fn refused_alone(at: &Circumstances) -> Settlement {
    if at.accepts_since_refusal {
        return if at.is_crash { Settlement::Park } else { Settlement::Drop(DropReason::Rejected) };
    }
    match at {
        Circumstances { attempts: 0, depth: 0, .. } => {
            Settlement::Defer { after: backoff::delay(0, at.random), is_stuck: false }
        }
        Circumstances { attempts: 0, .. } => Settlement::Defer { after: Duration::ZERO, is_stuck: false },
        Circumstances { is_crash: true, .. } if at.has_accepted || at.is_alone => Settlement::Park,
        at if at.has_accepted || at.is_alone => Settlement::Defer { after: REFUSED_AGAIN_AFTER, is_stuck: true },
        _ => refused_for_good(at),
    }
}

/// Where to divide a part; `None` when it is a single event.
fn halve(queue: &mut Queue, leased: &Leased, refused: bool) -> Result<Option<Settlement>, QueueError> {
    if leased.part.rows < 2 {
        return Ok(None);
    }
    Ok(divide(&part_rows(queue, leased.lane, &leased.part)?, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Circumstances = Circumstances {
        is_crash: false,
        attempts: 0,
        suspicions: 0,
        depth: 0,
        sibling_refused: false,
        has_accepted: true,
        accepts_since_refusal: false,
        refusals: 0,
        pauses: 0,
        failures: 0,
        is_alone: false,
        is_limited: false,
        asked: None,
        random: u64::MAX,
    };

    /// What happens to a part that cannot be divided.
    fn of_one(verdict: Verdict, at: Circumstances) -> String {
        match consequence(verdict, &at) {
            Consequence::Settle(settlement) | Consequence::Divide { or_else: settlement, .. } => {
                format!("{settlement:?}")
            }
        }
    }

    #[test]
    fn a_refused_event_is_not_dropped_before_its_sibling_was_sent() {
        let half = Circumstances { depth: 1, refusals: 1, ..FIRST };
        assert_eq!(of_one(Verdict::Refused, half), "Defer { after: 0ns, is_stuck: false }");
        // The sibling was accepted meanwhile.
        let accepted = Circumstances { accepts_since_refusal: true, refusals: 0, ..half };
        assert_eq!(of_one(Verdict::Refused, accepted), "Drop(Rejected)");
        // An event that was never part of a larger request is sent twice.
        assert!(of_one(Verdict::Refused, FIRST).starts_with("Defer"));
    }

    #[test]
    fn an_event_is_not_dropped_because_the_backend_began_to_refuse_everything() {
        // It accepted others an hour ago, which says nothing of what it takes now.
        let again = Circumstances { attempts: 1, refusals: 1, ..FIRST };
        assert_eq!(of_one(Verdict::Refused, again), "Defer { after: 900s, is_stuck: true }");
        let accepts = Circumstances { accepts_since_refusal: true, refusals: 0, ..again };
        assert_eq!(of_one(Verdict::Refused, accepts), "Drop(Rejected)");
    }

    #[test]
    fn a_backend_that_refuses_everything_is_not_asked_once_for_every_event() {
        let at = |refusals| Circumstances { depth: 4, sibling_refused: true, refusals, ..FIRST };
        assert!(matches!(consequence(Verdict::Refused, &at(REFUSALS_TO_PAUSE - 1)), Consequence::Divide { .. }));
        assert!(of_one(Verdict::Refused, at(REFUSALS_TO_PAUSE)).starts_with("Pause"));
    }

    #[test]
    fn a_backend_that_refuses_both_halves_and_accepts_nothing_is_paused_and_loses_no_event() {
        let both = Circumstances { depth: 3, sibling_refused: true, has_accepted: false, ..FIRST };
        assert!(of_one(Verdict::Refused, both).starts_with("Pause"));
        let accepts_others = Circumstances { has_accepted: true, ..both };
        assert!(matches!(consequence(Verdict::Refused, &accepts_others), Consequence::Divide { refused: true, .. }));
    }

    #[test]
    fn a_limit_of_a_signal_does_not_speak_against_an_event() {
        let limited = Circumstances { is_limited: true, suspicions: SUSPICIONS_TO_DROP, ..FIRST };
        assert!(of_one(Verdict::Retry, limited).ends_with("cause: NoAnswer }"));
    }

    #[test]
    fn a_wait_that_the_server_asked_for_is_longer_than_any_backoff() {
        let asked = Circumstances { asked: Some(Duration::from_secs(90)), ..FIRST };
        assert_eq!(of_one(Verdict::Retry, asked), "Retry { after: 90s, cause: Asked }");
        assert!(of_one(Verdict::Retry, FIRST).ends_with("cause: Failed }"));
    }

    #[test]
    fn no_answer_costs_a_crash() {
        let crash = Circumstances {
            is_crash: true,
            attempts: 1,
            suspicions: SUSPICIONS_TO_DROP,
            accepts_since_refusal: true,
            ..FIRST
        };
        for verdict in [Verdict::Retry, Verdict::Split, Verdict::Refused, Verdict::Drop(DropReason::ServerError)] {
            assert_eq!(of_one(verdict.clone(), crash), "Park", "{verdict:?}");
        }
    }

    #[test]
    fn an_event_on_which_the_backend_fails_is_searched_for_and_dropped_only_after_many_failures() {
        let at = |suspicions| Circumstances { suspicions, ..FIRST };
        assert!(matches!(consequence(Verdict::Retry, &at(1)), Consequence::Settle(Settlement::Retry { .. })));
        assert!(matches!(consequence(Verdict::Retry, &at(2)), Consequence::Divide { refused: false, .. }));
        assert!(of_one(Verdict::Retry, at(SUSPICIONS_TO_DROP - 1)).starts_with("Retry"));
        assert_eq!(of_one(Verdict::Retry, at(SUSPICIONS_TO_DROP)), "Drop(Undeliverable)");
        // A server that says when it is ready again is not failing on the event.
        let asked = Circumstances { asked: Some(Duration::from_secs(1)), ..at(SUSPICIONS_TO_DROP) };
        assert!(of_one(Verdict::Retry, asked).starts_with("Retry"));
    }

    #[test]
    fn an_event_that_is_too_large_alone_is_dropped() {
        assert_eq!(of_one(Verdict::Split, FIRST), "Drop(TooLarge)");
        assert!(matches!(consequence(Verdict::Split, &FIRST), Consequence::Divide { refused: false, .. }));
    }
}
