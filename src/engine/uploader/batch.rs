//! Freezes batches and leases their parts.
//!
//! A batch is a range of one destination's lane. It is divided into *parts*, one request each: an
//! exporter may need several kinds of request (OTLP's signals), and a body may be too large for
//! one. The hash of every body is written down before the first of them is sent.

use std::cmp::Reverse;
use std::time::Duration;

use super::body::{self, Body};
use super::guarded::{Failure, Fault, Guarded};
use super::ready::Encoded;
use super::target::{Situation, Target};
use super::{Leased, Outgoing};
use crate::model::event::decode::Record;
use crate::model::event::{EventKind, Lane};
use crate::model::export::Signal;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    ACCEPT_WINDOW, LEASE_AGAIN_AFTER, MAX_BATCH_EVENTS, MAX_BATCH_ROW_BYTES, MAX_EXPORT_FAULTS, MAX_FROZEN_PARTS,
};
use crate::model::time::nanos;
use crate::policy::schedule::Blocked;
use crate::storage::queue::state::{BatchState, Kinds, PartState};
use crate::storage::queue::{LeftOut, NewPart, Queue, QueueError, RowRef, Rows, Settlement};

/// What a lane has to send.
pub(super) enum Lease {
    /// This request.
    Send(Box<Outgoing>),
    /// Every part of its batch waits; the first one for this long.
    Later(Duration),
    /// None before the host's conditions change.
    Blocked(Blocked),
    /// Nothing.
    Nothing,
}

/// Leases the next part of a lane: of the frozen batch, or of one that is frozen now. When every
/// part of a batch waits because the backend fails on it or refuses its signal, the rows behind it
/// are frozen too.
///
/// # Errors
/// Those of the queue. And what the exporter did wrong, if it cannot be told whether it or an event
/// is at fault; nothing is lost then.
pub(super) fn lease(
    queue: &mut Queue,
    target: &mut Target,
    lane: Lane,
    situation: Situation,
) -> Result<Lease, Failure> {
    let id = target.id;
    // A part can turn out to be empty because its rows were damaged. Every turn of the loop settles
    // or divides such a part or freezes a batch; the bound keeps a bug from spinning for ever.
    for _ in 0..MAX_BATCH_EVENTS {
        let Some(batch) = queue.batch(id, lane) else {
            match freeze(queue, target, lane)? {
                Frozen::Nothing => return Ok(Lease::Nothing),
                Frozen::Parts => continue,
                Frozen::NoParts => return Ok(Lease::Later(LEASE_AGAIN_AFTER)),
            }
        };
        let ready = |part: &&PartState| target.part_wait(queue, part).is_zero();
        let fresh = next_fresh(queue, target, batch).cloned();
        let stuck = target.parts(batch).find(ready).cloned();
        let wait = target.batch_wait(queue, batch);
        if fresh.is_none() && target.may_grow(queue, batch) {
            match freeze(queue, target, lane)? {
                Frozen::Nothing => {}
                Frozen::Parts => continue,
                // There may be many more such rows. The journal is drained in between.
                Frozen::NoParts => return Ok(Lease::Later(LEASE_AGAIN_AFTER)),
            }
        }
        let Some(part) = fresh.or(stuck) else { return Ok(wait.map_or(Lease::Nothing, Lease::Later)) };
        if part.is_deferred {
            if divide_deferred(queue, target, lane, &part)? {
                continue;
            }
            return Ok(Lease::Later(LEASE_AGAIN_AFTER));
        }
        let body = match target.ready.take(queue, id, lane, &part) {
            Some(body) => body,
            None => match encode_again(queue, target, lane, &part)? {
                Again::Encoded(body) => body,
                Again::Settled(settlement) => {
                    queue.settle(id, lane, part.id, settlement, 0)?;
                    continue;
                }
            },
        };
        let rows = body.rows;
        let request = body.request(&target.exporter, Signal(part.signal), &situation.attempt(&part))?;
        let bytes = request.body.len() as u64;
        match fit(queue, (id, lane), &part, bytes, situation)? {
            Fit::Fits => {}
            Fit::Divided => continue,
            Fit::NotToday => {
                target.capped_on = Some(queue.today());
                return Ok(Lease::Blocked(Blocked::DailyCap));
            }
        }
        let part = PartState { rows, ..part };
        let leased = Leased { destination: id, lane, bytes, part, since: situation.now, snapshots: Vec::new() };
        target.started(lane);
        let key = body::frozen_key(queue, &target.exporter, &leased);
        return Ok(Lease::Send(Box::new(Outgoing { request, key, leased })));
    }
    Ok(Lease::Later(LEASE_AGAIN_AFTER))
}

/// Of the parts that may be sent, the first one that is not stuck. Where the backend accepted
/// events of late, the halves of what it refused come first, the smallest before the others: it is
/// soon known whether an event is at fault or the backend refuses everything.
fn next_fresh<'b>(queue: &Queue, target: &Target, batch: &'b BatchState) -> Option<&'b PartState> {
    let is_fresh = |part: &&PartState| !part.is_stuck() && target.part_wait(queue, part).is_zero();
    let is_half = |part: &&PartState| part.refused_at.is_some() && part.attempts == 0;
    let works = |part: &&PartState| queue.has_accepted_within(target.id, part.signal, ACCEPT_WINDOW);
    let halves = target.parts(batch).filter(is_fresh).filter(is_half).filter(works);
    let smallest = halves.max_by_key(|part| (part.depth, Reverse(part.id)));
    smallest.or_else(|| target.parts(batch).find(is_fresh))
}

/// Whether a body may be sent under the daily cap.
enum Fit {
    Fits,
    /// The part was larger than a whole day's bytes, and has been divided.
    Divided,
    /// What is left of the day's bytes is not enough.
    NotToday,
}

/// Compares a compressed body with what is left of the daily cap. Crashes are sent regardless, and
/// so is a single event that is larger than a whole day's bytes.
fn fit(
    queue: &mut Queue,
    (destination, lane): (u32, Lane),
    part: &PartState,
    bytes: u64,
    at: Situation,
) -> Result<Fit, QueueError> {
    let Some(cap) = at.policy.daily_bytes.filter(|_| lane != Lane::Crash) else { return Ok(Fit::Fits) };
    if bytes <= cap.saturating_sub(at.sent_today) {
        return Ok(Fit::Fits);
    }
    if bytes > cap {
        if let Some(halves) = divide(&part_rows(queue, lane, part)?, false) {
            queue.settle(destination, lane, part.id, halves, 0)?;
            return Ok(Fit::Divided);
        }
        if at.sent_today == 0 {
            return Ok(Fit::Fits);
        }
    }
    Ok(Fit::NotToday)
}

/// Passes over the next rows of a lane of which nothing is meant for the destination, without a
/// request. Says when to come back for the rest: a part may have more rows than are read at once.
pub(super) fn pass_over(queue: &mut Queue, target: &mut Target, lane: Lane) -> Result<Lease, Failure> {
    let id = target.id;
    if let Some(part) = queue.batch(id, lane).and_then(|batch| batch.parts.first()).cloned() {
        if part.is_deferred {
            divide_deferred(queue, target, lane, &part)?;
            return Ok(Lease::Later(LEASE_AGAIN_AFTER));
        }
        let rows = part_rows(queue, lane, &part)?;
        let sorted = sort(target, lane, &rows, 0)?;
        let settlement = if part.kinds.is_known() { sorted.regrouped() } else { sorted.without_parts(part.rows) };
        queue.settle(id, lane, part.id, settlement, 0)?;
        target.ready.settled(queue, id);
        return Ok(Lease::Later(LEASE_AGAIN_AFTER));
    }
    freeze(queue, target, lane)?;
    Ok(if queue.behind(target.id, lane)? > 0 { Lease::Later(LEASE_AGAIN_AFTER) } else { Lease::Nothing })
}

/// What came of encoding a part once more.
enum Again {
    Encoded(Body),
    /// It cannot be sent as it is.
    Settled(Settlement),
}

/// Encodes a frozen part from its rows: for a retry, in another process than the one that froze it,
/// or after it was divided. A hash that differs from the frozen one is written down before the
/// send: the part has just been divided, rows were damaged meanwhile, or a later version of the
/// core encodes it.
fn encode_again(queue: &mut Queue, target: &mut Target, lane: Lane, part: &PartState) -> Result<Again, Failure> {
    let exporter = &target.exporter.clone();
    let mut rows = part_rows(queue, lane, part)?;
    // What was sent once is sent as it was, unless all of it is too old.
    let first = too_old(queue, target, lane);
    let first = if part.to < first { first } else { 0 };
    // Of a part that an older version has frozen, nobody could say what was left out.
    let sorted =
        if part.kinds.is_known() { sort(target, lane, &rows, first)? } else { sort_all(target, lane, &rows, first)? };
    let signal = Signal(part.signal);
    let is_regrouped = sorted.left_out.rows() > 0 || sorted.signals.iter().any(|group| group.signal != signal);
    if part.kinds.is_known() && is_regrouped {
        return Ok(Again::Settled(sorted.regrouped()));
    }
    if !exporter.takes(signal)? {
        return Ok(Again::Settled(sorted.without_parts(part.rows)));
    }
    if rows.rows.len() > exporter.limits(signal)?.events && part.kinds.is_known() {
        // It was frozen by a version that put more into a request.
        if let Some(halves) = divide(&rows, false) {
            return Ok(Again::Settled(halves));
        }
    }
    if !part.kinds.is_known() {
        // An older version has frozen it, and did not say which kinds had its signal.
        let of_signal = sorted.signals.into_iter().find(|group| group.signal == signal);
        rows.rows = of_signal.map(|group| group.rows).unwrap_or_default();
    }
    let (plain, count) = match body::encode(queue, lane, exporter, signal, &rows, &rows.rows) {
        Ok(Some(encoded)) => encoded,
        Ok(None) => return Ok(Again::Settled(Settlement::Gone)),
        Err(Failure::Exporter(_)) if target.blames_event() => {
            let or_else = Settlement::Drop(DropReason::Unsupported);
            return Ok(Again::Settled(divide(&rows, false).unwrap_or(or_else)));
        }
        Err(failure) => return Err(failure),
    };
    let hash = body::hash(&plain);
    if hash != part.hash || count != part.rows {
        queue.refreeze(target.id, lane, part.id, exporter.version()?, hash, count)?;
    }
    Ok(Again::Encoded(Body::of(plain, count, exporter)?))
}

/// Rows of one signal.
struct Group {
    signal: Signal,
    kinds: Kinds,
    rows: Vec<RowRef>,
}

impl Group {
    /// The part that it becomes when it is not encoded now.
    fn part(&self, version: u32) -> Option<NewPart> {
        let Self { signal, kinds, rows } = self;
        let (from, to) = (rows.first()?.seq, rows.last()?.seq);
        let (signal, kinds, rows) = (signal.0, *kinds, rows.len() as u64);
        Some(NewPart { signal, from, to, kinds, rows, version, is_deferred: true, ..NewPart::default() })
    }
}

/// Rows by their signals.
#[derive(Default)]
struct Sorted {
    signals: Vec<Group>,
    left_out: LeftOut,
}

impl Sorted {
    /// The parts that take the place of one whose kinds of events have other signals now.
    fn regrouped(self) -> Settlement {
        let part = |group: Group| Some(NewPart { is_deferred: false, ..group.part(0)? });
        Settlement::Regroup { parts: self.signals.into_iter().filter_map(part).collect(), left_out: self.left_out }
    }

    /// None take its place: so many rows of it are left out.
    fn without_parts(&self, rows: u64) -> Settlement {
        let (nowhere, elsewhere) = if self.left_out.nowhere > 0 { (rows, 0) } else { (0, rows) };
        let left_out = LeftOut { nowhere, elsewhere, ..LeftOut::default() };
        Settlement::Regroup { parts: Vec::new(), left_out }
    }
}

/// Below which sequence number rows of a lane are too old for the backend. A crash is never: it is
/// worth the attempt.
fn too_old(queue: &Queue, target: &Target, lane: Lane) -> u64 {
    let age = target.exporter.max_age().filter(|_| lane != Lane::Crash);
    age.map_or(0, |age| queue.expired_before(lane, nanos(age)))
}

/// Sorts the rows of a lane by the signals that the exporter gives them. Those before `first` are
/// too old. What is not meant for the destination is passed over, however old it is.
fn sort(target: &Target, lane: Lane, rows: &Rows, first: u64) -> Result<Sorted, Fault> {
    sort_by(target, lane, rows, first, |kind| target.exporter.admits(lane, kind))
}

/// The same, without regard to the destination's filter.
fn sort_all(target: &Target, lane: Lane, rows: &Rows, first: u64) -> Result<Sorted, Fault> {
    sort_by(target, lane, rows, first, |_| true)
}

fn sort_by(
    target: &Target,
    lane: Lane,
    rows: &Rows,
    first: u64,
    admits: impl Fn(EventKind) -> bool,
) -> Result<Sorted, Fault> {
    let exporter = &target.exporter;
    let mut sorted = Sorted::default();
    for row in &rows.rows {
        let left_out = &mut sorted.left_out;
        let Ok(kind) = Record::peek_kind(rows.record(row)) else {
            left_out.unsupported += 1;
            continue;
        };
        let signal = if admits(kind) { exporter.signal(kind)? } else { None };
        let is_meant = match signal {
            Some(signal) => exporter.takes(signal)?,
            None => admits(kind),
        };
        if !is_meant {
            *(if target.is_wanted(lane, kind) { &mut left_out.elsewhere } else { &mut left_out.nowhere }) += 1;
            left_out.kinds.add(kind);
            continue;
        }
        let (Some(signal), false) = (signal, row.seq < first) else {
            *(if row.seq < first { &mut left_out.expired } else { &mut left_out.unsupported }) += 1;
            left_out.kinds.add(kind);
            continue;
        };
        let at = match sorted.signals.iter().position(|group| group.signal == signal) {
            Some(at) => at,
            None => {
                sorted.signals.push(Group { signal, kinds: Kinds::default(), rows: Vec::new() });
                sorted.signals.len() - 1
            }
        };
        if let Some(group) = sorted.signals.get_mut(at) {
            group.kinds.add(kind);
            group.rows.push(row.clone());
        }
    }
    Ok(sorted)
}

/// What came of freezing the next rows.
enum Frozen {
    /// There are none.
    Nothing,
    /// They have parts that may be sent.
    Parts,
    /// None of them may be sent now.
    NoParts,
}

/// Freezes the next rows of a lane: as a batch, or as further parts of the one that is frozen. Rows
/// of a signal that may not be sent now are not encoded.
fn freeze(queue: &mut Queue, target: &mut Target, lane: Lane) -> Result<Frozen, Failure> {
    let id = target.id;
    let rows = queue.next_rows(id, lane, most_rows(target, lane)?, MAX_BATCH_ROW_BYTES)?;
    let (Some(first), Some(last)) = (rows.rows.first(), rows.rows.last()) else { return Ok(Frozen::Nothing) };
    let range = first.seq..=last.seq;
    let Sorted { signals, mut left_out } = sort(target, lane, &rows, too_old(queue, target, lane))?;
    let is_later = |group: &Group| {
        let signal = group.signal.0;
        queue.signal_paused(id, signal).is_some() || queue.batch(id, lane).is_some_and(|batch| batch.defers(signal))
    };
    let (later, now): (Vec<_>, Vec<_>) = signals.into_iter().partition(is_later);
    let Planned { mut parts, bodies, faults } = plan(queue, target, lane, &rows, &now)?;
    left_out.unsupported += faults;
    let has_parts = !parts.is_empty();
    for group in &later {
        parts.extend(group.part(target.exporter.version()?));
    }
    queue.freeze(id, lane, range, left_out, parts)?;
    if has_parts {
        target.ready.keep(queue, id, lane, bodies);
    }
    target.froze(lane, queue.behind(id, lane)? == 0);
    Ok(if has_parts { Frozen::Parts } else { Frozen::NoParts })
}

/// How many rows of a lane are frozen at once. Where each event is a request of its own, few: the
/// batch with all of its parts is written down anew for every answer.
fn most_rows(target: &Target, lane: Lane) -> Result<usize, Fault> {
    if lane != Lane::Error && lane != Lane::Crash {
        return Ok(MAX_BATCH_EVENTS);
    }
    let Some(signal) = target.exporter.signal(EventKind::Error)? else { return Ok(MAX_BATCH_EVENTS) };
    let limits = target.exporter.limits(signal)?;
    Ok(limits.events.saturating_mul(MAX_FROZEN_PARTS).min(MAX_BATCH_EVENTS))
}

/// Takes parts from the front of one that was deferred. False when there were none in what was
/// read.
fn divide_deferred(queue: &mut Queue, target: &mut Target, lane: Lane, part: &PartState) -> Result<bool, Failure> {
    let id = target.id;
    let most = most_rows(target, lane)?;
    let mut rows = queue.read_rows(lane, part.from, part.to, most, MAX_BATCH_ROW_BYTES)?;
    let to = rows.rows.last().map_or(part.to, |last| last.seq);
    rows.retain(|_, record| Record::peek_kind(record).is_ok_and(|kind| part.kinds.has(kind)));
    let Sorted { signals, mut left_out } = sort(target, lane, &rows, too_old(queue, target, lane))?;
    let Planned { parts, bodies, faults } = plan(queue, target, lane, &rows, &signals)?;
    left_out.unsupported += faults;
    let has_parts = !parts.is_empty();
    queue.divide_deferred(id, lane, part.id, to, left_out, parts)?;
    if has_parts {
        target.ready.keep(queue, id, lane, bodies);
    }
    Ok(has_parts)
}

/// Parts that are about to be frozen.
struct Planned {
    parts: Vec<NewPart>,
    /// Their bodies, by the hash of each.
    bodies: Vec<(String, Body)>,
    /// Events that the exporter cannot encode.
    faults: u64,
}

/// Encodes the rows of these groups.
fn plan(queue: &mut Queue, target: &mut Target, lane: Lane, rows: &Rows, groups: &[Group]) -> Result<Planned, Failure> {
    let exporter = &target.exporter.clone();
    let mut plan = Plan { queue, lane, exporter, rows, encoded: Vec::new(), faults: Vec::new() };
    for group in groups {
        plan.encode(group, &group.rows)?;
    }
    let Plan { encoded, faults, .. } = plan;
    // Unless it has encoded something, the fault may be the exporter's alone.
    if let (Some(fault), true) = (faults.first(), encoded.is_empty())
        && !(faults.len() == 1 && target.blames_event())
    {
        return Err((*fault).into());
    }
    let mut planned = Planned { parts: Vec::new(), bodies: Vec::new(), faults: faults.len() as u64 };
    for Encoded { part, body } in encoded {
        planned.bodies.push((part.hash.clone(), body));
        planned.parts.push(part);
    }
    Ok(planned)
}

/// A batch that is about to be frozen.
struct Plan<'p> {
    queue: &'p mut Queue,
    lane: Lane,
    exporter: &'p Guarded,
    rows: &'p Rows,
    encoded: Vec<Encoded>,
    /// What happened with each event that the exporter cannot encode.
    faults: Vec<Fault>,
}

impl Plan<'_> {
    /// Encodes rows of one signal as a part, or as two halves while their body is too large, or
    /// while the exporter fails on some event among them.
    fn encode(&mut self, group: &Group, list: &[RowRef]) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (list.first(), list.last()) else { return Ok(()) };
        let Group { signal, kinds, .. } = *group;
        let limits = self.exporter.limits(signal)?;
        if list.len() > limits.events {
            return list.chunks(limits.events).try_for_each(|list| self.encode(group, list));
        }
        let encoded = body::encode(self.queue, self.lane, self.exporter, signal, self.rows, list);
        let is_too_large = |plain: &Vec<u8>| plain.len() > limits.bytes;
        let (plain, count) = match encoded {
            Ok(None) => return Ok(()),
            Ok(Some((plain, _))) if is_too_large(&plain) && list.len() > 1 => return self.halves(group, list),
            Ok(Some(encoded)) => encoded,
            Err(Failure::Exporter(fault)) if list.len() == 1 => {
                self.faults.push(fault);
                if self.faults.len() > MAX_EXPORT_FAULTS { return Err(fault.into()) } else { return Ok(()) }
            }
            Err(Failure::Exporter(_)) => return self.halves(group, list),
            Err(failure) => return Err(failure),
        };
        let (hash, version) = (body::hash(&plain), self.exporter.version()?);
        let (from, to) = (first.seq, last.seq);
        let part = NewPart { signal: signal.0, from, to, kinds, rows: count, version, hash, is_deferred: false };
        self.encoded.push(Encoded { part, body: Body::of(plain, count, self.exporter)? });
        Ok(())
    }

    fn halves(&mut self, group: &Group, list: &[RowRef]) -> Result<(), Failure> {
        let (left, right) = list.split_at(list.len() / 2);
        self.encode(group, left)?;
        self.encode(group, right)
    }
}

/// The rows of a part. Of one that an older version has frozen, all rows in its range.
pub(super) fn part_rows(queue: &mut Queue, lane: Lane, part: &PartState) -> Result<Rows, QueueError> {
    let mut rows = queue.read_rows(lane, part.from, part.to, MAX_BATCH_EVENTS, usize::MAX)?;
    if part.kinds.is_known() {
        rows.retain(|_, record| Record::peek_kind(record).is_ok_and(|kind| part.kinds.has(kind)));
    }
    Ok(rows)
}

/// The two halves of a part with these rows; `None` when they are fewer than two.
pub(super) fn divide(rows: &Rows, refused: bool) -> Option<Settlement> {
    let rows = &rows.rows;
    let half = rows.len() / 2;
    rows.get(half).filter(|_| half > 0).map(|middle| Settlement::Halve {
        middle: middle.seq,
        first_rows: half as u64,
        refused,
    })
}
