//! Freezes batches and leases their parts.
//!
//! A batch is a range of one destination's lane. It is divided into *parts*, one request each: an
//! exporter may need several kinds of request (OTLP's signals), and a body may be too large for
//! one. The hash of every body is written down before the first of them is sent.

use std::time::Duration;

use super::body::{self, Body};
use super::ready::{Encoded, Ready};
use super::target::Target;
use super::{Leased, Outgoing};
use crate::model::event::Lane;
use crate::model::event::decode::Record;
use crate::model::export::{Exporter, Signal};
use crate::model::limits::{LEASE_AGAIN_AFTER, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BATCH_ROW_BYTES};
use crate::model::time::BootTime;
use crate::storage::queue::state::PartState;
use crate::storage::queue::{NewPart, Queue, QueueError, RowRef, Rows, Settlement};
use crate::wire::transport::Request;

/// What a lane has to send.
pub(super) enum Lease {
    /// This request.
    Send(Box<Outgoing>),
    /// Every part of its batch waits; the first one for this long.
    Later(Duration),
    /// Nothing.
    Nothing,
}

/// Leases the next part of a lane: of the frozen batch, or of one that is frozen now. `flush` is
/// when the flush began that is under way.
pub(super) fn lease(
    queue: &mut Queue,
    target: &Target,
    lane: Lane,
    flush: Option<BootTime>,
    ready: &mut Ready,
) -> Result<Lease, QueueError> {
    let (id, exporter) = (target.id, &*target.exporter);
    // A part can turn out to be empty because its rows were damaged. Every turn of the loop settles
    // such a part or freezes a batch; the bound keeps a bug from spinning for ever.
    for _ in 0..MAX_BATCH_EVENTS {
        let Some(batch) = queue.batch(id, lane) else {
            if !freeze(queue, id, lane, exporter, ready)? {
                return Ok(Lease::Nothing);
            }
            continue;
        };
        let wait = |part: &PartState| {
            let is_overruled = flush.is_some_and(|since| !part.server_asked && queue.deferred_before(part, since));
            if is_overruled { Duration::ZERO } else { queue.part_wait(part) }
        };
        let Some(part) = batch.parts.iter().find(|part| wait(part).is_zero()).cloned() else {
            return Ok(batch.parts.iter().map(wait).min().map_or(Lease::Nothing, Lease::Later));
        };
        let body = match ready.take(queue, id, lane, &part) {
            Some(body) => body,
            None => {
                let Some(body) = encode_again(queue, id, lane, exporter, &part)? else {
                    queue.settle(id, lane, part.id, Settlement::Gone)?;
                    continue;
                };
                body
            }
        };
        let part = PartState { rows: body.rows, ..part };
        let leased = Leased { destination: id, lane, bytes: body.gzip.len() as u64, part };
        let request = request(exporter, Signal(leased.part.signal), body.gzip);
        return Ok(Lease::Send(Box::new(Outgoing { request, leased })));
    }
    Ok(Lease::Later(LEASE_AGAIN_AFTER))
}

fn request(exporter: &dyn Exporter, signal: Signal, gzip: Vec<u8>) -> Request {
    let mut headers = exporter.headers(signal);
    headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    Request { url: exporter.url(signal), headers, body: gzip }
}

/// Encodes a frozen part from its rows: for a retry, in another process than the one that froze it,
/// or after it was divided. `None` when no row is left. A hash that differs from the frozen one is
/// written down before the send: the part has just been divided, rows were damaged meanwhile, or a
/// later version of the core encodes it.
fn encode_again(
    queue: &mut Queue,
    id: u32,
    lane: Lane,
    exporter: &dyn Exporter,
    part: &PartState,
) -> Result<Option<Body>, QueueError> {
    let rows = part_rows(queue, lane, exporter, part)?;
    let Some((plain, count)) = body::encode(queue, lane, exporter, Signal(part.signal), &rows, &rows.rows)? else {
        return Ok(None);
    };
    let hash = body::hash(&plain);
    if hash != part.hash || count != part.rows {
        queue.refreeze(id, lane, part.id, exporter.version(), hash, count)?;
    }
    Ok(Some(Body { gzip: body::gzip(&plain)?, rows: count }))
}

/// Freezes the next rows of a lane as a batch. False when there are none.
fn freeze(
    queue: &mut Queue,
    id: u32,
    lane: Lane,
    exporter: &dyn Exporter,
    ready: &mut Ready,
) -> Result<bool, QueueError> {
    let rows = queue.next_rows(id, lane, MAX_BATCH_EVENTS, MAX_BATCH_ROW_BYTES)?;
    let (Some(first), Some(last)) = (rows.rows.first(), rows.rows.last()) else { return Ok(false) };
    let range = first.seq..=last.seq;
    let mut unsupported = 0;
    let mut signals: Vec<(Signal, Vec<RowRef>)> = Vec::new();
    for row in &rows.rows {
        let kind = Record::peek_kind(rows.record(row)).ok();
        let Some(signal) = kind.and_then(|kind| exporter.signal(kind)) else {
            unsupported += 1;
            continue;
        };
        match signals.iter_mut().find(|(known, _)| *known == signal) {
            Some((_, list)) => list.push(row.clone()),
            None => signals.push((signal, vec![row.clone()])),
        }
    }
    let mut encoded = Vec::new();
    for (signal, list) in signals {
        plan(queue, lane, exporter, signal, &rows, &list, &mut encoded)?;
    }
    let mut parts = Vec::with_capacity(encoded.len());
    let mut bodies = Vec::with_capacity(encoded.len());
    for Encoded { part, body } in encoded {
        bodies.push((part.hash.clone(), body));
        parts.push(part);
    }
    queue.freeze(id, lane, range, unsupported, parts)?;
    ready.keep(queue, id, lane, bodies);
    Ok(true)
}

/// Encodes rows of one signal as a part, or as two halves while their body is too large.
fn plan(
    queue: &mut Queue,
    lane: Lane,
    exporter: &dyn Exporter,
    signal: Signal,
    rows: &Rows,
    list: &[RowRef],
    encoded: &mut Vec<Encoded>,
) -> Result<(), QueueError> {
    let (Some(first), Some(last)) = (list.first(), list.last()) else { return Ok(()) };
    let Some((plain, count)) = body::encode(queue, lane, exporter, signal, rows, list)? else { return Ok(()) };
    if plain.len() > MAX_BATCH_BYTES && list.len() > 1 {
        drop(plain);
        let (left, right) = list.split_at(list.len() / 2);
        plan(queue, lane, exporter, signal, rows, left, encoded)?;
        return plan(queue, lane, exporter, signal, rows, right, encoded);
    }
    let (hash, version) = (body::hash(&plain), exporter.version());
    let part = NewPart { signal: signal.0, from: first.seq, to: last.seq, rows: count, version, hash };
    encoded.push(Encoded { part, body: Body { gzip: body::gzip(&plain)?, rows: count } });
    Ok(())
}

/// The rows of a part.
pub(super) fn part_rows(
    queue: &mut Queue,
    lane: Lane,
    exporter: &dyn Exporter,
    part: &PartState,
) -> Result<Rows, QueueError> {
    let mut rows = queue.read_rows(lane, part.from, part.to, MAX_BATCH_EVENTS, usize::MAX)?;
    let signal = Some(Signal(part.signal));
    rows.retain(|_, record| Record::peek_kind(record).ok().and_then(|kind| exporter.signal(kind)) == signal);
    Ok(rows)
}
