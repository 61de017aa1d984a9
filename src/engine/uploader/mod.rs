//! Leases a batch, encodes it, reads the answer, settles. No I/O of its own: the worker sends.
//!
//! [`Uploader::next`] says what to send now, or when to ask again; [`Uploader::settle`] takes what came back. Between the
//! two nothing is held in memory that the database does not know: a kill repeats the request with the same body.

mod body;

use std::sync::Arc;
use std::time::Duration;

use body::{encode, gzip, hash};

use crate::model::config::SendPolicy;
use crate::model::event::decode::Record;
use crate::model::event::{EventKind, Lane};
use crate::model::ledger::DropReason;
use crate::model::limits::{ACCEPT_WINDOW, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, START_JITTER};
use crate::model::time::{BootTime, Clock};
use crate::policy::backoff;
use crate::policy::schedule::{Blocked, Conditions, Network, SendDecision, Waiting, decide};
use crate::storage::queue::state::PartState;
use crate::storage::queue::{NewPart, Queue, QueueError, RowRef, Rows, Settlement};
use crate::wire::export::{Exporter, Verdict};
use crate::wire::transport::{Request, Response, TransportError};

/// Bytes of canonical rows read for one batch: their OTLP form is several times larger.
const MAX_ROW_BYTES: usize = 96 * 1024;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this.
    Send(Box<Outgoing>),
    /// Something waits; ask again after this time.
    Wait(Duration),
    /// Something waits for other conditions.
    Blocked(Blocked),
    /// Nothing waits.
    Idle,
}

/// A request on its way.
#[derive(Debug)]
pub struct Outgoing {
    /// The destination's number in the queue.
    pub destination: u32,
    /// The lane.
    pub lane: Lane,
    /// The part, as it was frozen.
    pub part: PartState,
    /// What to send.
    pub request: Request,
}

/// What became of a request, for `health()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Events delivered.
    pub delivered: u64,
    /// Why it failed; `None` after a success.
    pub failure: Option<String>,
    /// Server time less device time, ms.
    pub server_offset_ms: Option<i64>,
    /// Whether the network or the backend was not there.
    pub unreachable: bool,
}

#[derive(Debug)]
struct Target {
    id: u32,
    exporter: Arc<dyn Exporter>,
    /// Since when rows have been waiting in each lane.
    since: [Option<BootTime>; 4],
    /// Nothing but a flush goes before this: jitter, and the backoff of a backend that is down.
    rest_until: BootTime,
    /// Answers in a row that said "later".
    failures: u32,
}

/// The state between requests. One request is under way at a time.
#[derive(Debug)]
pub struct Uploader {
    clock: Clock,
    policy: SendPolicy,
    targets: Vec<Target>,
    random: u64,
    conditions: Conditions,
    flush: Option<BootTime>,
    /// Whether the first upload after a start waits a random while.
    jitter: bool,
}

impl Uploader {
    /// An uploader for the destinations that the queue was configured with, in the order of `exporters`.
    pub fn new(
        clock: Clock,
        policy: SendPolicy,
        exporters: Vec<(u32, Arc<dyn Exporter>)>,
        seed: u64,
        jitter: bool,
    ) -> Self {
        let mut uploader = Self {
            clock,
            policy,
            jitter,
            targets: Vec::new(),
            random: seed | 1,
            conditions: Conditions::default(),
            flush: None,
        };
        uploader.set_exporters(exporters);
        uploader
    }

    /// Replaces the destinations, after the queue was configured anew.
    pub fn set_exporters(&mut self, exporters: Vec<(u32, Arc<dyn Exporter>)>) {
        let now = self.clock.boot();
        self.targets.clear();
        for (id, exporter) in exporters {
            let rest = if self.jitter { self.jitter() } else { Duration::ZERO };
            self.targets.push(Target { id, exporter, since: [None; 4], rest_until: now.after(rest), failures: 0 });
        }
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random ^ self.random >> 29
    }

    fn jitter(&mut self) -> Duration {
        START_JITTER.mul_f64((self.draw() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Takes what the host says. A network that comes back ends backoffs, after the jitter.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        let back = self.conditions.network == Network::Offline && conditions.network != Network::Offline;
        self.conditions = conditions;
        if back {
            let now = self.clock.boot();
            let rest = self.jitter();
            for target in &mut self.targets {
                target.rest_until = now.after(rest);
                target.failures = 0;
            }
        }
    }

    /// What the host said last.
    pub fn conditions(&self) -> Conditions {
        self.conditions
    }

    /// Starts or ends a flush: while one is on, nothing waits for company, nor for a jitter or backoff from before it. What
    /// a server asked for, pauses and the host's conditions hold.
    pub fn set_flush(&mut self, flush: bool) {
        let now = self.clock.boot();
        self.flush = flush.then_some(now);
        if flush {
            for target in &mut self.targets {
                target.rest_until = now;
            }
        }
    }

    /// What to do next. Lanes in order of their worth, destinations in theirs.
    pub fn next(&mut self, queue: &mut Queue) -> Result<Step, QueueError> {
        let now = self.clock.boot();
        let sent_today = queue.sent_today();
        let mut wait: Option<Duration> = None;
        let mut blocked = None;
        let later = |wait: &mut Option<Duration>, by: Duration| {
            *wait = Some(wait.map_or(by, |known| known.min(by)));
        };
        for lane in Lane::ALL {
            for at in 0..self.targets.len() {
                let Some(target) = self.targets.get_mut(at) else { continue };
                let rows = queue.waiting(target.id, lane)?;
                let since = crate::storage::queue::slot_mut(&mut target.since, lane);
                *since = if rows == 0 { None } else { since.or(Some(now)) };
                if rows == 0 && queue.batch(target.id, lane).is_none() {
                    continue;
                }
                if let Some(left) = queue.paused(target.id) {
                    later(&mut wait, left);
                    continue;
                }
                let frozen = queue.batch(target.id, lane).is_some();
                let oldest =
                    if frozen { Duration::MAX } else { since.map_or(Duration::ZERO, |since| now.since(since)) };
                let waiting = Waiting { rows: rows.max(1), oldest, flush: self.flush.is_some() };
                match decide(lane, waiting, self.conditions, self.policy, sent_today) {
                    SendDecision::Idle => continue,
                    SendDecision::Blocked(reason) => {
                        blocked = Some(reason);
                        continue;
                    }
                    SendDecision::Wait(left) => {
                        later(&mut wait, left);
                        continue;
                    }
                    SendDecision::Send => {}
                }
                let rest = target.rest_until.since(now);
                let first_crash = lane == Lane::Crash && target.failures == 0;
                if !rest.is_zero() && !first_crash {
                    later(&mut wait, rest);
                    continue;
                }
                let (id, exporter) = (target.id, Arc::clone(&target.exporter));
                match lease(queue, id, lane, &*exporter, self.flush)? {
                    Lease::Send(outgoing) => return Ok(Step::Send(outgoing)),
                    Lease::Wait(left) => later(&mut wait, left),
                    Lease::Nothing => {}
                }
            }
        }
        Ok(match (wait, blocked) {
            (Some(wait), _) => Step::Wait(wait.max(Duration::from_millis(1))),
            (None, Some(reason)) => Step::Blocked(reason),
            (None, None) => Step::Idle,
        })
    }

    /// Commits what became of a request.
    pub fn settle(
        &mut self,
        queue: &mut Queue,
        outgoing: &Outgoing,
        result: Result<Response, TransportError>,
    ) -> Result<Settled, QueueError> {
        let random = self.draw();
        let now = self.clock.boot();
        let wall = self.clock.wall();
        let Some(target) = self.targets.iter_mut().find(|target| target.id == outgoing.destination) else {
            return Ok(Settled::default());
        };
        let part = &outgoing.part;
        let exporter = Arc::clone(&target.exporter);
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let after = backoff::delay(target.failures, random);
                target.failures += 1;
                target.rest_until = now.after(after);
                let settlement = Settlement::Retry { after, server_asked: false };
                queue.settle(outgoing.destination, outgoing.lane, part.id, settlement)?;
                return Ok(Settled { failure: Some(error.0), unreachable: true, ..Settled::default() });
            }
        };
        let mut verdict = exporter.classify(&response);
        // Whatever a format says: no answer of a broken server costs a crash.
        let spared = outgoing.lane == Lane::Crash && response.status >= 500 && matches!(verdict, Verdict::Drop(_));
        if spared {
            verdict = Verdict::Retry;
        }
        let mut settled = Settled {
            server_offset_ms: response.header("date").and_then(|date| backoff::server_offset_ms(date, wall)),
            failure: Some(format!("the backend answered {}", response.status)),
            ..Settled::default()
        };
        let accepting = queue.accepted_within(outgoing.destination, ACCEPT_WINDOW);
        let pauses = queue.pauses(outgoing.destination);
        let pause = |reason: String| Settlement::Pause { after: backoff::pause(pauses), reason };
        let settlement = match verdict {
            Verdict::Delivered { rejected } => {
                target.failures = 0;
                settled.delivered = part.rows.saturating_sub(rejected);
                settled.failure = (rejected > 0).then(|| format!("the backend rejected {rejected} records"));
                Settlement::Delivered { rejected, bytes: outgoing.request.body.len() as u64 }
            }
            Verdict::Retry => {
                let asked = response
                    .header("retry-after")
                    .and_then(|value| backoff::retry_after(value, response.header("date"), wall));
                let failures = if spared { part.attempts } else { target.failures };
                let after = asked.unwrap_or_else(|| backoff::delay(failures, random));
                // A crash that is spared waits alone: it must not hold up what the backend would take.
                if !spared {
                    target.failures += 1;
                    target.rest_until = now.after(after);
                }
                Settlement::Retry { after, server_asked: asked.is_some() }
            }
            Verdict::Split => {
                halve(queue, &*exporter, outgoing, false)?.unwrap_or(Settlement::Drop(DropReason::TooLarge))
            }
            Verdict::Refused if part.sibling_refused && !accepting => pause(format!(
                "the backend answered {} to both halves and has accepted nothing in 24 h",
                response.status
            )),
            Verdict::Refused => match halve(queue, &*exporter, outgoing, true)? {
                Some(halves) => halves,
                // Down to one event. It goes after two refusals, but not before its sibling has been heard.
                None if part.attempts > 0 || (part.depth > 0 && accepting) => Settlement::Drop(DropReason::Rejected),
                None => {
                    Settlement::Defer { after: if part.depth > 0 { Duration::ZERO } else { backoff::delay(0, random) } }
                }
            },
            Verdict::Drop(reason) => Settlement::Drop(reason),
            Verdict::Hold(reason) => pause(reason),
        };
        queue.settle(outgoing.destination, outgoing.lane, part.id, settlement)?;
        Ok(settled)
    }
}

enum Lease {
    Send(Box<Outgoing>),
    Wait(Duration),
    Nothing,
}

/// The next part of a destination's lane: of the frozen batch, or of one that is frozen now.
fn lease(
    queue: &mut Queue,
    id: u32,
    lane: Lane,
    exporter: &dyn Exporter,
    flush: Option<BootTime>,
) -> Result<Lease, QueueError> {
    // Parts can vanish (their rows were damaged); each turn settles one or freezes a batch.
    for _ in 0..MAX_BATCH_EVENTS {
        let Some(batch) = queue.batch(id, lane) else {
            if !freeze(queue, id, lane, exporter)? {
                return Ok(Lease::Nothing);
            }
            continue;
        };
        let held = |part: &PartState| {
            let overruled = flush.is_some_and(|since| !part.server_asked && queue.deferred_before(part, since));
            if overruled { Duration::ZERO } else { queue.part_wait(part) }
        };
        let Some(part) = batch.parts.iter().find(|part| held(part).is_zero()).cloned() else {
            return Ok(batch.parts.iter().map(held).min().map_or(Lease::Nothing, Lease::Wait));
        };
        let rows = part_rows(queue, lane, exporter, &part)?;
        let body = encode(queue, lane, exporter, part.signal, &rows)?;
        let Some(body) = body else {
            queue.settle(id, lane, part.id, Settlement::Gone)?;
            continue;
        };
        let hash = hash(&body.bytes);
        if hash != part.hash || body.rows != part.rows {
            queue.refreeze(id, lane, part.id, exporter.version(), hash, body.rows)?;
        }
        let request = Request {
            url: exporter.url(part.signal),
            headers: exporter
                .headers()
                .into_iter()
                .chain([("content-encoding".to_owned(), "gzip".to_owned())])
                .collect(),
            body: gzip(&body.bytes)?,
        };
        let part = PartState { rows: body.rows, ..part };
        return Ok(Lease::Send(Box::new(Outgoing { destination: id, lane, part, request })));
    }
    Ok(Lease::Wait(Duration::from_millis(10)))
}

/// Freezes the next rows of a lane as a batch. False when there are none.
fn freeze(queue: &mut Queue, id: u32, lane: Lane, exporter: &dyn Exporter) -> Result<bool, QueueError> {
    let rows = queue.next_rows(id, lane, MAX_BATCH_EVENTS, MAX_ROW_BYTES)?;
    let (Some(first), Some(last)) = (rows.rows.first(), rows.rows.last()) else { return Ok(false) };
    let range = (first.seq, last.seq);
    let mut unsupported = 0;
    let mut signals: Vec<(u8, Vec<RowRef>)> = Vec::new();
    for row in &rows.rows {
        let kind: Option<EventKind> = Record::peek_kind(rows.record(row)).ok();
        let Some(signal) = kind.and_then(|kind| exporter.signal(kind)) else {
            unsupported += 1;
            continue;
        };
        match signals.iter_mut().find(|(known, _)| *known == signal) {
            Some((_, list)) => list.push(row.clone()),
            None => signals.push((signal, vec![row.clone()])),
        }
    }
    let mut parts = Vec::new();
    for (signal, list) in signals {
        plan(queue, lane, exporter, signal, &rows, &list, &mut parts)?;
    }
    queue.freeze(id, lane, range, unsupported, parts)?;
    Ok(true)
}

/// Adds rows of one signal as a part, or as halves while their body is too large.
fn plan(
    queue: &mut Queue,
    lane: Lane,
    exporter: &dyn Exporter,
    signal: u8,
    rows: &Rows,
    list: &[RowRef],
    parts: &mut Vec<NewPart>,
) -> Result<(), QueueError> {
    let (Some(first), Some(last)) = (list.first(), list.last()) else { return Ok(()) };
    let mut subset = rows.clone();
    subset.rows = list.to_vec();
    let Some(body) = encode(queue, lane, exporter, signal, &subset)? else { return Ok(()) };
    if body.bytes.len() > MAX_BATCH_BYTES && list.len() > 1 {
        let (left, right) = list.split_at(list.len() / 2);
        plan(queue, lane, exporter, signal, rows, left, parts)?;
        return plan(queue, lane, exporter, signal, rows, right, parts);
    }
    let (from, to, version) = (first.seq, last.seq, exporter.version());
    parts.push(NewPart { signal, from, to, rows: body.rows, version, hash: hash(&body.bytes) });
    Ok(())
}

/// The rows of a part.
fn part_rows(queue: &mut Queue, lane: Lane, exporter: &dyn Exporter, part: &PartState) -> Result<Rows, QueueError> {
    let mut rows = queue.read_rows(lane, part.from, part.to, MAX_BATCH_EVENTS, usize::MAX)?;
    rows.retain(|_, record| Record::peek_kind(record).ok().and_then(|kind| exporter.signal(kind)) == Some(part.signal));
    Ok(rows)
}

/// Where to divide a part; `None` when it is a single event.
fn halve(
    queue: &mut Queue,
    exporter: &dyn Exporter,
    outgoing: &Outgoing,
    refused: bool,
) -> Result<Option<Settlement>, QueueError> {
    let part = &outgoing.part;
    if part.rows < 2 {
        return Ok(None);
    }
    let rows = part_rows(queue, outgoing.lane, exporter, part)?.rows;
    let half = rows.len() / 2;
    Ok(rows.get(half).filter(|_| half > 0).map(|middle| Settlement::Halve {
        middle: middle.seq,
        first_rows: half as u64,
        refused,
    }))
}
