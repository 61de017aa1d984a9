//! What the worker says: the core's report about itself, the health copy, the answers to flushes.

use std::time::{Duration, Instant};

use super::{FlushOutcome, REPORT_EVERY, Worker};
use crate::engine::directory::Directory;
use crate::engine::uploader::Step;
use crate::model::event::{Custom, Lane};
use crate::model::value::Value;
use crate::policy::schedule::Blocked;

impl Worker<'_> {
    /// Records how the core is doing, as events that travel with the next upload.
    pub(super) fn report_self(&mut self) {
        let now = Instant::now();
        let due = self.reported.is_none_or(|last| now - last >= REPORT_EVERY);
        let Some(store) = self.main.as_mut().filter(|_| due && self.shared.config.self_report) else { return };
        self.reported = Some(now);
        let depth: u64 = store.queue.depth().iter().map(|(rows, _)| rows).sum();
        let drops = store.queue.take_unreported().unwrap_or_default();
        let offline = self.offline_since.map_or(0.0, |since| (now - since).as_secs_f64());
        let attributes = [
            ("throughline.queue.depth", Value::Int(depth as i64)),
            ("throughline.flush.success", Value::Bool(self.last_failure.is_none())),
            ("throughline.offline.duration", Value::Double(offline)),
        ];
        let boot = self.shared.recorder().boot();
        self.shared.recorder().record_own(&Custom::new("throughline.flush").attributes(&attributes), boot);
        for (reason, count) in drops {
            let attributes = [("reason", Value::Text(reason.name())), ("count", Value::Int(count as i64))];
            self.shared.recorder().record_own(&Custom::new("throughline.dropped").attributes(&attributes), boot);
        }
    }

    pub(super) fn publish(&mut self) {
        let mut health = self.shared.health();
        if let Some(store) = &self.main {
            store.queue.summary(&mut health);
        }
        health.offline = self.offline_since.map_or(Duration::ZERO, |since| since.elapsed());
    }

    pub(super) fn finish_flushes(&mut self, busy: bool, upload: &Step) {
        if self.flushes.is_empty() || (self.main.is_none() && self.suspended) {
            let suspended = self.main.is_none() && self.suspended;
            for flush in self.flushes.drain(..).filter(|_| suspended) {
                let reason = Some("suspended".to_owned());
                flush.answer(FlushOutcome { reason, ..FlushOutcome::default() });
            }
            return;
        }
        let now = Instant::now();
        let storage_down = self.main.is_none();
        let (over, reason) = match upload {
            _ if busy || self.in_flight.is_some() || storage_down => (false, None),
            Step::Idle => (true, None),
            Step::Blocked(reason) => (true, Some(format!("blocked: {reason:?}"))),
            Step::Wait(wait) => {
                let last = self.flushes.iter().map(|flush| flush.until).max().unwrap_or(now);
                (now + *wait > last, self.last_failure.clone().or_else(|| Some("waiting for the backend".to_owned())))
            }
            Step::Send(_) => (false, None),
        };
        if !over && self.flushes.iter().all(|flush| flush.until > now) {
            return;
        }
        let waiting = self.main.as_ref().map_or(0, waiting);
        let (ended, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flushes).into_iter().partition(|f| over || f.until <= now);
        self.flushes = rest;
        for flush in ended {
            let is_pending = matches!(upload, Step::Blocked(Blocked::Consent));
            let complete = over && waiting == 0 && !is_pending;
            let late = (!complete && reason.is_none()).then(|| {
                self.last_failure.clone().unwrap_or_else(|| {
                    if storage_down { "the database is not open" } else { "the time was up" }.to_owned()
                })
            });
            let nowhere = self.shared.nowhere();
            let reason = match (complete, nowhere) {
                (true, None) => None,
                (_, Some(nowhere)) => Some(nowhere.to_owned()),
                _ => reason.clone().or(late),
            };
            let complete = complete && nowhere.is_none();
            let delivered = flush.delivered;
            flush.answer(FlushOutcome { complete, delivered, waiting, reason });
        }
        if self.flushes.is_empty() {
            self.stores(|store| store.uploader.set_flush(false));
        }
    }
}

/// Rows that the destination with the most of them waits for.
fn waiting(store: &Directory) -> u64 {
    let destinations = store.queue.destinations();
    if destinations.is_empty() {
        return store.queue.depth().iter().map(|(rows, _)| rows).sum();
    }
    let of = |id: u32| Lane::ALL.iter().map(|lane| store.queue.waiting(id, *lane).unwrap_or(0)).sum();
    destinations.into_iter().map(|(id, _)| of(id)).max().unwrap_or(0)
}
