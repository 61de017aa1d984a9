//! Requests with views that are open, beside the batches: see `open_views.rs`.

use std::time::Duration;

use super::batch::Lease;
use super::body::{self, Body};
use super::guarded::Failure;
use super::open_views::{ViewKey, version};
use super::target::{Situation, Target};
use super::{Leased, Outgoing};
use crate::model::event::{EventKind, Lane};
use crate::model::export::Signal;
use crate::model::limits::MAX_VIEWS;
use crate::policy::schedule::{SendDecision, Waiting, decide};
use crate::storage::queue::Queue;
use crate::storage::queue::state::PartState;

/// What a destination gets next of the views that are open.
pub(super) fn next(queue: &mut Queue, target: &mut Target, situation: Situation) -> Result<Lease, Failure> {
    let Situation { now, flush, conditions, policy, sent_today, .. } = situation;
    let is_background = !conditions.foreground && !flush;
    if !target.exporter.admits(Lane::Event, EventKind::View) {
        return Ok(Lease::Nothing);
    }
    let Some(left) = target.snapshots.due(queue, now, policy, is_background)? else { return Ok(Lease::Nothing) };
    let Some(signal) = target.exporter.signal(EventKind::View)? else { return Ok(Lease::Nothing) };
    if !target.exporter.takes(signal)? || queue.signal_paused(target.id, signal.0).is_some() {
        return Ok(Lease::Nothing);
    }
    let waiting = Waiting { rows: 1, oldest: Duration::MAX, flush: true };
    if decide(Lane::Event, waiting, conditions, policy, sent_today) != SendDecision::Send {
        return Ok(Lease::Nothing);
    }
    if !flush && !left.is_zero() {
        return Ok(Lease::Later(left));
    }
    Ok(match lease(queue, target, signal, situation)? {
        Some(outgoing) => {
            // Whatever comes of it: this version is not sent again.
            target.snapshots.sent(&outgoing.leased.snapshots, now);
            target.is_busy = true;
            Lease::Send(outgoing)
        }
        None => Lease::Nothing,
    })
}

/// The request with the newest snapshots of the views that have changed.
fn lease(
    queue: &mut Queue,
    target: &Target,
    signal: Signal,
    situation: Situation,
) -> Result<Option<Box<Outgoing>>, Failure> {
    let changed: Vec<ViewKey> = target.snapshots.changed().map(|(key, _, _)| key).collect();
    let exporter = &target.exporter;
    let most = exporter.limits(signal)?.events;
    let mut rows = queue.open_views(MAX_VIEWS)?;
    rows.retain(|row, _| changed.contains(&(row.run, row.n)));
    // The others are still changed, and come next.
    rows.rows.truncate(most);
    let Some((plain, count)) = body::encode(queue, Lane::Event, exporter, signal, &rows, &rows.rows)? else {
        return Ok(None);
    };
    let snapshots = rows.rows.iter().map(|row| ((row.run, row.n), version(&rows, row))).collect();
    let hash = body::hash(&plain);
    let part = PartState { signal: signal.0, hash, ..PartState::default() };
    let key = body::key(queue, exporter, target.id, Lane::Event, &part);
    let request = Body::of(plain, count, exporter)?.request(exporter, signal, &situation.attempt(&part))?;
    let bytes = request.body.len() as u64;
    let (destination, lane, since) = (target.id, Lane::Event, situation.now);
    let leased = Leased { destination, lane, bytes, part, since, snapshots };
    Ok(Some(Box::new(Outgoing { request, key, leased })))
}
