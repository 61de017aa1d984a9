//! What the worker reports: events about the core itself, and the copy of its health that callers
//! read.

use std::time::{Duration, Instant};

use super::Worker;
use crate::model::event::Custom;
use crate::model::limits::REPORT_EVERY;
use crate::model::names;
use crate::model::value::Value;

impl Worker<'_> {
    /// Records how the core is doing, as events that travel with the next upload. At most once in
    /// [`REPORT_EVERY`].
    pub(super) fn report_self(&mut self) {
        let now = Instant::now();
        let is_due = self.reported.is_none_or(|last| now - last >= REPORT_EVERY);
        if !is_due || !self.shared.config.self_report {
            return;
        }
        let Some(open) = self.storage.open() else { return };
        self.reported = Some(now);
        let depth: u64 = open.own.queue.depth().iter().map(|lane| lane.rows).sum();
        let drops = open.own.queue.take_unreported().unwrap_or_default();
        let offline = self.offline_since.map_or(0.0, |since| (now - since).as_secs_f64());
        let recorder = self.shared.recorder();
        let boot = recorder.boot();
        let attributes = [
            (names::SELF_QUEUE_DEPTH, Value::Int(depth as i64)),
            (names::SELF_FLUSH_SUCCESS, Value::Bool(self.last_failure.is_none())),
            (names::SELF_OFFLINE_DURATION, Value::Double(offline)),
        ];
        recorder.record_own(&Custom::new(names::EVENT_SELF_FLUSH).attributes(&attributes), boot);
        for (reason, count) in drops {
            let attributes = [
                (names::SELF_DROP_REASON, Value::Text(reason.name())),
                (names::SELF_DROP_COUNT, Value::Int(count as i64)),
            ];
            recorder.record_own(&Custom::new(names::EVENT_SELF_DROPPED).attributes(&attributes), boot);
        }
    }

    /// Brings the copy of the health up to date.
    pub(super) fn publish(&mut self) {
        let mut health = self.shared.health();
        if let Some(open) = self.storage.open() {
            open.own.queue.summary(&mut health);
        }
        health.offline = self.offline_since.map_or(Duration::ZERO, |since| since.elapsed());
    }
}
