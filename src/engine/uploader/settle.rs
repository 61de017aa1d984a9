//! What became of a request: from the answer to what the queue commits.

use std::time::Duration;

use super::batch::{divide, part_rows};
use super::consequence::{Circumstances, Consequence, consequence};
use super::guarded::Guarded;
use super::target::Target;
use super::{Leased, Uploader};
use crate::model::event::Lane;
use crate::model::export::{Signal, Verdict};
use crate::model::limits::{ACCEPT_WINDOW, REQUEST_TIMEOUT, RETRY_AFTER_MAX, SUSPICIONS_TO_DIVIDE};
use crate::model::time::BootTime;
use crate::policy::backoff;
use crate::storage::queue::{Answered, Queue, QueueError, Retry, Settlement};
use crate::wire::transport::cause::{answered, unanswered};
use crate::wire::transport::classify::ASKS_FOR_REST;
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
        let told = target.exporter.take_told();
        let exporter = target.exporter.clone();
        let url = exporter.shown_url(Signal(part.signal));
        let is_known = queue.has_accepted(leased.destination, part.signal);
        let mut settled = Settled::default();
        let (mut status, mut waits) = (None, Vec::new());
        let mut is_told = false;
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
                let is_limited = waits.iter().any(|(signal, _)| signal.0 == part.signal);
                let is_read = matches!(response.status, 200..=299 | 429) && !waits.is_empty();
                is_told = is_read || matches!(verdict, Verdict::Delivered { .. });
                let verdict = match verdict {
                    // It may have accepted what was told alone: then the events are gone.
                    Verdict::Delivered { .. } if is_limited && !told.is_empty() => {
                        let wait = waits.iter().find(|(signal, _)| signal.0 == part.signal).map(|(_, wait)| *wait);
                        settled.failure = wait.map(|wait| format!("{answered}, but {}", asks(wait)));
                        Verdict::Retry
                    }
                    verdict => verdict,
                };
                if let Verdict::Delivered { rejected } = verdict {
                    settled.server_offset_ms = server_offset_ms(&response, leased, now, wall);
                    settled.delivered = part.rows.saturating_sub(rejected);
                    settled.failure = (rejected > 0).then(|| format!("the backend rejected {rejected} records"));
                }
                let accepts_others = queue.accepts_others(leased.destination, part);
                let circumstances = Circumstances {
                    is_crash: leased.lane == Lane::Crash,
                    attempts: part.attempts,
                    refusals: part.refusals,
                    suspicions: part.suspicions + u32::from(queue.suspects(leased.destination, part)),
                    depth: part.depth,
                    sibling_refused: part.sibling_refused,
                    has_accepted: queue.has_accepted_within(leased.destination, part.signal, ACCEPT_WINDOW),
                    accepts_since_refusal: queue.accepts_since_refusal(leased.destination, part),
                    answers: queue.answers(leased.destination, part.signal),
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
        let answered = Answered { sent, status, told: if is_told { &told } else { &[] } };
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
    format!("{ASKS_FOR_REST} {} s", wait.as_secs())
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
                    Verdict::Decompress if self.exporter.compresses() => {
                        self.stop_compressing(at.now);
                        self.snapshots.lost(&leased.snapshots);
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
                    verdict => {
                        if verdict == Verdict::Decompress {
                            self.refused_plain();
                        }
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

/// Where to divide a part; `None` when it is a single event.
fn halve(queue: &mut Queue, leased: &Leased, refused: bool) -> Result<Option<Settlement>, QueueError> {
    if leased.part.rows < 2 {
        return Ok(None);
    }
    Ok(divide(&part_rows(queue, leased.lane, &leased.part)?, refused))
}
