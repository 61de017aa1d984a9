//! What is known of a destination between requests, and whether one of its lanes may send now.

use std::cell::Cell;
use std::time::Duration;

use super::guarded::Guarded;
use super::open_views::Snapshots;
use crate::model::config::SendPolicy;
use crate::model::event::Lane;
use crate::model::time::BootTime;
use crate::policy::schedule::{Blocked, Conditions, SendDecision, Waiting, decide};
use crate::storage::queue::{ByLane, Queue, QueueError};

/// A destination.
#[derive(Debug)]
pub(super) struct Target {
    /// Its number in the queue.
    pub(super) id: u32,
    pub(super) exporter: Guarded,
    /// Whether the backend has accepted something that this exporter encoded, since the exporter
    /// failed last. An event on which it fails now is then more likely at fault than the exporter.
    works: Cell<bool>,
    /// Since when rows have been waiting in each lane.
    since: ByLane<Option<BootTime>>,
    /// Until then nothing is sent, except for a flush and the first crash: a jitter, or the backoff
    /// of a backend that is down.
    rest_until: BootTime,
    /// Requests in a row that failed and are to be retried.
    failures: u32,
    /// What it has been told of the views that are open.
    pub(super) snapshots: Snapshots,
}

/// What decides whether a lane may send, beside what waits in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    pub(super) now: BootTime,
    /// Whether a flush is under way.
    pub(super) flush: bool,
    pub(super) conditions: Conditions,
    pub(super) policy: SendPolicy,
    /// Bytes of compressed bodies.
    pub(super) sent_today: u64,
}

/// Whether a lane may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has nothing to send.
    Nothing,
    /// It may send now.
    Now,
    /// Not before this time has passed.
    Later(Duration),
    /// Not before the host's conditions change.
    Blocked(Blocked),
}

impl Target {
    pub(super) fn new(id: u32, exporter: Guarded, rest_until: BootTime) -> Self {
        Self {
            id,
            exporter,
            works: Cell::new(false),
            since: ByLane::default(),
            rest_until,
            failures: 0,
            snapshots: Snapshots::default(),
        }
    }

    /// Forgets earlier failures. Sends nothing before `until`.
    pub(super) fn reset(&mut self, until: BootTime) {
        self.rest_until = until;
        self.failures = 0;
    }

    /// Sends nothing before `until`.
    pub(super) fn rest_until(&mut self, until: BootTime) {
        self.rest_until = until;
    }

    /// A request failed and is to be retried: everything for this destination waits until `until`.
    pub(super) fn failed(&mut self, until: BootTime) {
        self.failures += 1;
        self.rest_until = until;
    }

    /// A request was accepted.
    pub(super) fn accepted(&mut self) {
        self.works.set(true);
        self.failures = 0;
    }

    /// Whether nothing is sent yet: a jitter or a backoff.
    pub(super) fn rests(&self, now: BootTime) -> bool {
        !self.rest_until.since(now).is_zero()
    }

    /// Whether an event on which the exporter has just failed is at fault. Before that can be said
    /// of another one, the backend has to accept something.
    pub(super) fn blames_event(&self) -> bool {
        self.works.replace(false)
    }

    /// Requests in a row that failed and are to be retried.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether `lane` may send.
    pub(super) fn turn(&mut self, queue: &Queue, lane: Lane, situation: Situation) -> Result<Turn, QueueError> {
        let Situation { now, flush, conditions, policy, sent_today } = situation;
        let rows = queue.waiting(self.id, lane)?;
        let is_frozen = queue.batch(self.id, lane).is_some();
        let since = self.since.get_mut(lane);
        *since = if rows == 0 { None } else { since.or(Some(now)) };
        if rows == 0 && !is_frozen {
            return Ok(Turn::Nothing);
        }
        if let Some(left) = queue.paused(self.id) {
            return Ok(Turn::Later(left));
        }
        // A frozen batch does not wait for more events: it cannot grow.
        let oldest = if is_frozen { Duration::MAX } else { since.map_or(Duration::ZERO, |since| now.since(since)) };
        match decide(lane, Waiting { rows: rows.max(1), oldest, flush }, conditions, policy, sent_today) {
            SendDecision::Idle => return Ok(Turn::Nothing),
            SendDecision::Blocked(reason) => return Ok(Turn::Blocked(reason)),
            SendDecision::Wait(left) => return Ok(Turn::Later(left)),
            SendDecision::Send => {}
        }
        let rest = self.rest_until.since(now);
        let is_first_crash = lane == Lane::Crash && self.failures == 0;
        Ok(if rest.is_zero() || is_first_crash { Turn::Now } else { Turn::Later(rest) })
    }
}
