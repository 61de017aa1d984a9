//! What became of a request: from the answer to what the queue commits.

use std::time::Duration;

use super::batch::{divide, part_rows};
use super::target::Target;
use super::{Leased, Uploader};
use crate::model::event::Lane;
use crate::model::export::Verdict;
use crate::model::ledger::DropReason;
use crate::model::limits::ACCEPT_WINDOW;
use crate::model::time::BootTime;
use crate::policy::backoff;
use crate::storage::queue::{Queue, QueueError, Settlement};
use crate::wire::transport::{Response, TransportError};

/// What became of a request, for the log, `health()` and the flushes that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Events delivered.
    pub delivered: u64,
    /// Why it failed; `None` after a success.
    pub failure: Option<String>,
    /// Server time less device time in milliseconds, from the answer's `Date` header.
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
        if !leased.snapshots.is_empty() {
            queue.add_sent(leased.bytes)?;
            return Ok(target.settle_snapshots(leased, result, now, wall, random));
        }
        let part = &leased.part;
        let exporter = target.exporter.clone();
        let mut settled = Settled::default();
        let (settlement, rest) = match result {
            Err(error) => {
                settled.failure = Some(error.0);
                settled.unreachable = true;
                let after = backoff::delay(target.failures(), random);
                (Settlement::Retry { after, server_asked: false }, Some(after))
            }
            Ok(response) => {
                settled.server_offset_ms =
                    response.header("date").and_then(|date| backoff::server_offset_ms(date, wall));
                settled.failure = Some(format!("the backend answered {}", response.status));
                let (verdict, is_spared) = spare_crashes(exporter.classify(&response), leased.lane, response.status);
                if let Verdict::Delivered { rejected } = verdict {
                    target.accepted();
                    settled.delivered = part.rows.saturating_sub(rejected);
                    settled.failure = (rejected > 0).then(|| format!("the backend rejected {rejected} records"));
                }
                let circumstances = Circumstances {
                    bytes: leased.bytes,
                    attempts: part.attempts,
                    depth: part.depth,
                    sibling_refused: part.sibling_refused,
                    has_accepted: queue.accepted_within(leased.destination, ACCEPT_WINDOW),
                    pauses: queue.pauses(leased.destination),
                    failures: if is_spared { part.attempts } else { target.failures() },
                    asked: response
                        .header("retry-after")
                        .and_then(|value| backoff::retry_after(value, response.header("date"), wall)),
                    status: response.status,
                    random,
                };
                let settlement = match consequence(verdict, &circumstances) {
                    Consequence::Settle(settlement) => settlement,
                    Consequence::Divide { refused, or_else } => halve(queue, leased, refused)?.unwrap_or(or_else),
                };
                // A crash that is spared waits alone. It must not hold up what the backend would
                // accept.
                let rest = match &settlement {
                    Settlement::Retry { after, .. } if !is_spared => Some(*after),
                    _ => None,
                };
                (settlement, rest)
            }
        };
        if let Some(after) = rest {
            target.failed(now.after(after));
        }
        self.ready.check(queue);
        queue.settle(leased.destination, leased.lane, part.id, settlement)?;
        self.ready.settled(queue);
        Ok(settled)
    }
}

impl Target {
    /// What became of a request with snapshots of open views. Nothing is booked, because the views
    /// have not ended. A destination that does not answer, or asks to wait, is left in peace, and
    /// gets what is the newest then.
    fn settle_snapshots(
        &mut self,
        leased: &Leased,
        result: Result<Response, TransportError>,
        now: BootTime,
        wall: u64,
        random: u64,
    ) -> Settled {
        let after = backoff::delay(self.failures(), random);
        let mut settled = Settled::default();
        let rest = match result {
            Err(error) => {
                (settled.failure, settled.unreachable) = (Some(error.0), true);
                Some(after)
            }
            Ok(response) => {
                let date = response.header("date");
                settled.server_offset_ms = date.and_then(|date| backoff::server_offset_ms(date, wall));
                match self.exporter.classify(&response) {
                    Verdict::Delivered { .. } => None,
                    Verdict::Retry => {
                        settled.failure = Some(format!("the backend answered {}", response.status));
                        let asked = response.header("retry-after");
                        Some(asked.and_then(|value| backoff::retry_after(value, date, wall)).unwrap_or(after))
                    }
                    // What it says about the client or the content, it says about the next batch.
                    _ => None,
                }
            }
        };
        if let Some(after) = rest {
            self.snapshots.lost(&leased.snapshots);
            self.failed(now.after(after));
        }
        settled
    }
}

/// Whatever a format says, no answer of a broken server costs a crash. True when the verdict was
/// replaced.
fn spare_crashes(verdict: Verdict, lane: Lane, status: u16) -> (Verdict, bool) {
    let is_spared = lane == Lane::Crash && status >= 500 && matches!(verdict, Verdict::Drop(_));
    (if is_spared { Verdict::Retry } else { verdict }, is_spared)
}

/// What the consequence of a verdict depends on.
#[derive(Debug, Clone, Copy)]
struct Circumstances {
    /// Bytes of the compressed body.
    bytes: u64,
    /// Earlier sends of the part.
    attempts: u32,
    /// How often the part was divided.
    depth: u32,
    /// Whether the other half of the part was refused.
    sibling_refused: bool,
    /// Whether the destination has accepted anything in the last 24 hours.
    has_accepted: bool,
    /// Pauses of the destination in a row.
    pauses: u32,
    /// Failures in a row, which the backoff grows with.
    failures: u32,
    /// The wait that the server asked for.
    asked: Option<Duration>,
    status: u16,
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
    let pause = |reason: String| Settlement::Pause { after: backoff::pause(at.pauses), reason };
    Consequence::Settle(match verdict {
        Verdict::Delivered { rejected } => Settlement::Delivered { rejected, bytes: at.bytes },
        Verdict::Retry => {
            let after = at.asked.unwrap_or_else(|| backoff::delay(at.failures, at.random));
            Settlement::Retry { after, server_asked: at.asked.is_some() }
        }
        Verdict::Split => {
            return Consequence::Divide { refused: false, or_else: Settlement::Drop(DropReason::TooLarge) };
        }
        // The backend takes nothing at all: the fault is not in an event.
        Verdict::Refused if at.sibling_refused && !at.has_accepted => {
            pause(format!("the backend answered {} to both halves and has accepted nothing in 24 h", at.status))
        }
        Verdict::Refused => return Consequence::Divide { refused: true, or_else: refused_alone(at) },
        Verdict::Drop(reason) => Settlement::Drop(reason),
        Verdict::Hold(reason) => pause(reason),
    })
}

/// A single event was refused. It is dropped after two refusals, or after one when the backend
/// accepts others; but not before the other half that it was divided from has been sent.
fn refused_alone(at: &Circumstances) -> Settlement {
    if at.attempts > 0 || (at.depth > 0 && at.has_accepted) {
        return Settlement::Drop(DropReason::Rejected);
    }
    let after = if at.depth > 0 { Duration::ZERO } else { backoff::delay(0, at.random) };
    Settlement::Defer { after }
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
        bytes: 100,
        attempts: 0,
        depth: 0,
        sibling_refused: false,
        has_accepted: true,
        pauses: 0,
        failures: 0,
        asked: None,
        status: 400,
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
        let half = Circumstances { depth: 1, has_accepted: false, ..FIRST };
        assert_eq!(of_one(Verdict::Refused, half), "Defer { after: 0ns }");
        // The sibling was accepted meanwhile.
        let accepted = Circumstances { depth: 1, has_accepted: true, ..FIRST };
        assert_eq!(of_one(Verdict::Refused, accepted), "Drop(Rejected)");
        // An event that was never part of a larger request is sent twice.
        assert!(of_one(Verdict::Refused, FIRST).starts_with("Defer"));
        assert_eq!(of_one(Verdict::Refused, Circumstances { attempts: 1, ..FIRST }), "Drop(Rejected)");
    }

    #[test]
    fn a_backend_that_refuses_both_halves_and_accepts_nothing_is_paused_and_loses_no_event() {
        let both = Circumstances { depth: 3, sibling_refused: true, has_accepted: false, ..FIRST };
        assert!(of_one(Verdict::Refused, both).starts_with("Pause"));
        let accepts_others = Circumstances { has_accepted: true, ..both };
        assert!(matches!(consequence(Verdict::Refused, &accepts_others), Consequence::Divide { refused: true, .. }));
    }

    #[test]
    fn a_wait_that_the_server_asked_for_is_longer_than_any_backoff() {
        let asked = Circumstances { asked: Some(Duration::from_secs(90)), ..FIRST };
        assert_eq!(of_one(Verdict::Retry, asked), "Retry { after: 90s, server_asked: true }");
        assert!(of_one(Verdict::Retry, FIRST).ends_with("server_asked: false }"));
    }

    #[test]
    fn a_broken_server_costs_no_crash() {
        let drop = || Verdict::Drop(DropReason::ServerError);
        assert_eq!(spare_crashes(drop(), Lane::Crash, 500), (Verdict::Retry, true));
        assert_eq!(spare_crashes(drop(), Lane::Crash, 422), (drop(), false));
        assert_eq!(spare_crashes(drop(), Lane::Error, 500), (drop(), false));
        assert_eq!(spare_crashes(Verdict::Retry, Lane::Crash, 503), (Verdict::Retry, false));
    }

    #[test]
    fn an_event_that_is_too_large_alone_is_dropped() {
        assert_eq!(of_one(Verdict::Split, FIRST), "Drop(TooLarge)");
        assert!(matches!(consequence(Verdict::Split, &FIRST), Consequence::Divide { refused: false, .. }));
    }
}
