//! What is known of a destination between requests, and whether one of its lanes may send now.

use std::time::Duration;

use uuid::Uuid;

use super::guarded::Guarded;
use super::open_views::Snapshots;
use super::ready::Ready;
use crate::model::config::SendPolicy;
use crate::model::event::{EventKind, Lane};
use crate::model::export::Attempt;
use crate::model::limits::COMPRESS_AGAIN_AFTER;
use crate::model::time::BootTime;
use crate::policy::schedule::{Blocked, Conditions, SendDecision, Waiting, decide};
use crate::storage::queue::state::{BatchState, Kinds, PartState};
use crate::storage::queue::{ByLane, Queue, QueueError};

/// A destination.
#[derive(Debug)]
pub(super) struct Target {
    /// Its number in the queue.
    pub(super) id: u32,
    pub(super) exporter: Guarded,
    /// The kinds of events that some destination takes, of each lane.
    wanted: ByLane<Kinds>,
    /// Whether it takes nothing of a lane.
    passes_over: ByLane<bool>,
    /// Whether every signal goes to one server: then what it asks for holds for all.
    pub(super) has_one_server: bool,
    /// The bodies of its newest batch.
    pub(super) ready: Ready,
    /// Whether a request is under way.
    pub(super) is_busy: bool,
    /// Whether the backend has accepted something that this exporter encoded, since the exporter
    /// failed last. An event on which it fails now is then more likely at fault than the exporter.
    works: bool,
    /// Since when rows have been waiting behind the frozen batch of each lane.
    since: ByLane<Option<BootTime>>,
    /// Whether the rows of a lane are not to wait for more, because the app has gone to the
    /// background.
    in_a_hurry: ByLane<bool>,
    /// Batches that were sent, and of each lane the number of the last one.
    sent: u64,
    last_sent: ByLane<u64>,
    /// Until then nothing is sent, except for a flush and the first crash: a jitter, or the backoff
    /// of a backend that is down.
    rest_until: BootTime,
    /// Backoffs of parts that began before this are over: the network came back, a flush began, or
    /// the process has only just started.
    forgiven: BootTime,
    /// Requests in a row that failed and are to be retried.
    failures: u32,
    /// Whether the request that is under way began before the failures were forgotten. That it
    /// fails says nothing about the network that has come back.
    pub(super) is_outdated: bool,
    /// The day on which a body was larger than what was left of the daily cap.
    pub(super) capped_on: Option<u64>,
    /// What it has been told of the views that are open.
    pub(super) snapshots: Snapshots,
    /// From when on bodies are compressed again that the backend could not read.
    compress_from: Option<BootTime>,
    /// Whether it has taken a body that was not compressed, since it could not read one that was.
    takes_plain: bool,
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
    /// Wall time, ns since the Unix epoch.
    pub(super) wall: u64,
    /// Of the request that is made now.
    pub(super) request_id: Uuid,
}

impl Situation {
    /// The attempt to send a part now.
    pub(super) fn attempt(&self, part: &PartState) -> Attempt {
        let last_status = part.last_status.filter(|_| part.attempts > 0);
        Attempt { retries: part.attempts, last_status, time_unix_nano: self.wall, id: self.request_id }
    }
}

/// Whether a lane may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has nothing to send.
    Nothing,
    /// It may send now.
    Now,
    /// Nothing of what waits is meant for the destination: it may be passed over now.
    Pass,
    /// Not before this time has passed.
    Later(Duration),
    /// Not before the host's conditions change.
    Blocked(Blocked),
}

impl Target {
    pub(super) fn new(id: u32, exporter: Guarded, wanted: ByLane<Kinds>, now: BootTime, rest: Duration) -> Self {
        Self {
            id,
            has_one_server: exporter.has_one_server(),
            passes_over: ByLane(Lane::ALL.map(|lane| exporter.passes_over(lane))),
            exporter,
            wanted,
            ready: Ready::default(),
            is_busy: false,
            works: false,
            since: ByLane::default(),
            in_a_hurry: ByLane::default(),
            sent: 0,
            last_sent: ByLane::default(),
            rest_until: now.after(rest),
            forgiven: just_after(now),
            failures: 0,
            is_outdated: false,
            capped_on: None,
            snapshots: Snapshots::default(),
            compress_from: None,
            takes_plain: false,
        }
    }

    /// The backend cannot read compressed bodies.
    pub(super) fn stop_compressing(&mut self, now: BootTime) {
        self.takes_plain = false;
        self.compress_from = Some(now.after(COMPRESS_AGAIN_AFTER));
        self.exporter.compress(false);
        self.ready = Ready::default();
    }

    /// Compresses again when it is time to. The answer to what is under way is about a body that
    /// was not compressed.
    pub(super) fn compress_if_due(&mut self, now: BootTime) {
        if !self.is_busy && self.compress_from.is_some_and(|from| from <= now) {
            self.compress_again();
        }
    }

    /// The backend cannot read a body that is not compressed either. If it has taken none, the
    /// compression was not at fault.
    pub(super) fn refused_plain(&mut self) {
        if !self.takes_plain {
            self.compress_again();
        }
    }

    fn compress_again(&mut self) {
        self.compress_from = None;
        self.exporter.compress(true);
        self.ready = Ready::default();
    }

    /// Forgets earlier failures, and backs off no longer than until `rest_until`.
    pub(super) fn forgive(&mut self, now: BootTime, rest_until: BootTime) {
        self.rest_until = rest_until;
        self.forgiven = just_after(now);
        self.failures = 0;
        self.is_outdated = self.is_busy;
    }

    /// Sends what waits without regard to earlier backoffs. The failures are not forgotten: the
    /// next backoff is the longer.
    pub(super) fn flush(&mut self, now: BootTime) {
        self.rest_until = now;
        self.forgiven = now;
    }

    /// What waits now is not to wait for more.
    pub(super) fn hurry(&mut self) {
        self.in_a_hurry = ByLane([true; 4]);
    }

    /// A request failed and is to be retried: everything for this destination waits until `until`.
    pub(super) fn failed(&mut self, until: BootTime) {
        self.failures += 1;
        self.rest_until = until;
    }

    /// A request was accepted.
    pub(super) fn accepted(&mut self) {
        self.works = true;
        self.takes_plain |= !self.exporter.compresses();
        self.failures = 0;
    }

    /// Whether nothing is sent yet: a jitter or a backoff.
    pub(super) fn rests(&self, now: BootTime) -> bool {
        !self.rest_until.since(now).is_zero()
    }

    /// Whether an event on which the exporter has just failed is at fault. Before that can be said
    /// of another one, the backend has to accept something.
    pub(super) fn blames_event(&mut self) -> bool {
        std::mem::take(&mut self.works)
    }

    /// Requests in a row that failed and are to be retried.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether some destination takes events of this kind in this lane.
    pub(super) fn is_wanted(&self, lane: Lane, kind: EventKind) -> bool {
        self.wanted.get(lane).has(kind)
    }

    /// How long a part has to wait before it is sent again.
    pub(super) fn part_wait(&self, queue: &Queue, part: &PartState) -> Duration {
        let is_over = !part.is_parked && !part.is_set_aside() && queue.deferred_before(part, self.forgiven);
        let own = if is_over { Duration::ZERO } else { queue.part_wait(part) };
        queue.signal_paused(self.id, part.signal).map_or(own, |paused| paused.max(own))
    }

    /// The parts of a batch that are sent when they have waited: all but those that are deferred
    /// because too many others of their signal wait.
    pub(super) fn parts<'b>(&self, batch: &'b BatchState) -> impl Iterator<Item = &'b PartState> + use<'b> {
        batch.parts.iter().filter(|part| !part.is_deferred || !batch.is_full_of(part.signal))
    }

    /// How long the parts of a batch have to wait, the first of them.
    pub(super) fn batch_wait(&self, queue: &Queue, batch: &BatchState) -> Option<Duration> {
        self.parts(batch).map(|part| self.part_wait(queue, part)).min()
    }

    /// Whether the rows behind a batch may be frozen too.
    pub(super) fn may_grow(&self, queue: &Queue, batch: &BatchState) -> bool {
        batch.may_grow(|part| queue.signal_paused(self.id, part.signal).is_some())
    }

    /// Whether `lane` may send.
    pub(super) fn turn(&mut self, queue: &Queue, lane: Lane, situation: Situation) -> Result<Turn, QueueError> {
        let Situation { now, flush, conditions, policy, sent_today, .. } = situation;
        let behind = queue.behind(self.id, lane)?;
        let since = self.since.get_mut(lane);
        *since = if behind == 0 { None } else { since.or(Some(now)) };
        let oldest = since.map_or(Duration::ZERO, |since| now.since(since));
        let batch = queue.batch(self.id, lane);
        if batch.is_none() && behind == 0 {
            *self.in_a_hurry.get_mut(lane) = false;
            return Ok(Turn::Nothing);
        }
        if (batch.is_none() || !self.is_busy) && *self.passes_over.get(lane) {
            // Neither the network nor the backend has a say in that.
            if batch.is_some() {
                // Frozen when something was meant for it. The rows are kept for as long as it is.
                return Ok(Turn::Pass);
            }
            let waiting = Waiting { rows: behind, oldest, flush: flush || *self.in_a_hurry.get(lane) };
            let policy = SendPolicy { daily_bytes: None, ..policy };
            return Ok(match decide(lane, waiting, Conditions::default(), policy, 0) {
                SendDecision::Wait(left) => Turn::Later(left),
                _ => Turn::Pass,
            });
        }
        if let Some(left) = queue.paused(self.id).max(queue.asked_to_wait(self.id)) {
            return Ok(Turn::Later(left));
        }
        let wait = batch.and_then(|batch| self.batch_wait(queue, batch));
        let is_growing = behind > 0 && batch.is_none_or(|batch| self.may_grow(queue, batch));
        let flush = flush || *self.in_a_hurry.get(lane);
        let waiting = if wait.is_some_and(|wait| wait.is_zero()) || !is_growing {
            // A frozen batch does not wait for more events.
            Waiting { rows: behind.max(1), oldest: Duration::MAX, flush }
        } else {
            Waiting { rows: behind, oldest, flush }
        };
        let sooner = |left: Duration| wait.map_or(left, |wait| wait.min(left));
        match decide(lane, waiting, conditions, policy, sent_today) {
            SendDecision::Idle => return Ok(Turn::Nothing),
            SendDecision::Blocked(reason) => return Ok(Turn::Blocked(reason)),
            SendDecision::Wait(left) => return Ok(Turn::Later(sooner(left))),
            SendDecision::Send => {}
        }
        if lane != Lane::Crash && self.capped_on == Some(queue.today()) {
            return Ok(Turn::Blocked(Blocked::DailyCap));
        }
        if let Some(wait) = wait.filter(|wait| !wait.is_zero() && !is_growing) {
            return Ok(Turn::Later(wait));
        }
        let rest = self.rest_until.since(now);
        let is_first_crash = lane == Lane::Crash && self.failures == 0;
        Ok(if rest.is_zero() || is_first_crash { Turn::Now } else { Turn::Later(rest) })
    }

    /// Puts lanes that may send into the order in which they take turns. A crash comes first,
    /// unless the last turn was one. The parts of a batch are sent one after the other; then comes
    /// the lane whose last turn was the longest ago: so no lane starves another.
    pub(super) fn in_turn(&self, lanes: &mut [Lane]) {
        let has_bodies = self.ready.lane();
        let last = |lane: Lane| *self.last_sent.get(lane);
        let crash_waits = |lane: Lane| lane == Lane::Crash && (self.sent == 0 || last(lane) < self.sent);
        lanes.sort_by_key(|lane| (!crash_waits(*lane), Some(*lane) != has_bodies, last(*lane), *lane));
    }

    /// A batch of a lane has been frozen. When it has everything that waited, what comes now waits
    /// anew.
    pub(super) fn froze(&mut self, lane: Lane, is_all: bool) {
        if is_all {
            *self.since.get_mut(lane) = None;
            *self.in_a_hurry.get_mut(lane) = false;
        }
    }

    /// A request of a lane is under way.
    pub(super) fn started(&mut self, lane: Lane) {
        self.is_busy = true;
        self.sent += 1;
        *self.last_sent.get_mut(lane) = self.sent;
    }
}

/// A moment that includes what began at `now`.
fn just_after(now: BootTime) -> BootTime {
    BootTime(now.0.saturating_add(1))
}
