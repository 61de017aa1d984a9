//! The instruments: their points are recorded every 10 s while there is news.

use std::sync::{MutexGuard, PoisonError};

use super::Scopes;
use crate::model::limits::METRIC_EVERY;
use crate::model::time::BootTime;
use crate::policy::metrics::Meters;

/// The instruments, and when their points were taken.
#[derive(Debug)]
pub(super) struct Metering {
    meters: Meters,
    /// When the process began to measure, wall time in ns.
    start: u64,
    /// When the last points were taken.
    since: BootTime,
}

impl Metering {
    /// No instruments yet; measuring begins now.
    pub(super) fn since(now: BootTime, wall: u64) -> Self {
        Self { meters: Meters::default(), start: wall, since: now }
    }
}

impl Scopes {
    fn metering(&self) -> MutexGuard<'_, Metering> {
        self.metering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the instruments.
    pub(crate) fn meters<R>(&self, work: impl FnOnce(&mut Meters) -> R) -> R {
        work(&mut self.metering().meters)
    }

    /// Records the points of every metric that has news.
    pub(crate) fn collect_metrics(&self) {
        self.collect(&mut self.metering(), self.recorder.boot());
    }

    /// Records the points of every metric that has news if 10 s have passed since the last ones.
    /// Returns when they will have; `None` when there is no news.
    pub(super) fn collect_due_metrics(&self, now: BootTime) -> Option<BootTime> {
        let mut metering = self.metering();
        if !metering.meters.has_news() {
            return None;
        }
        let due = metering.since.after(METRIC_EVERY);
        if due > now {
            return Some(due);
        }
        self.collect(&mut metering, now);
        None
    }

    fn collect(&self, metering: &mut Metering, now: BootTime) {
        if !metering.meters.has_news() {
            return;
        }
        let (start, since) = (metering.start, self.recorder.wall(metering.since));
        metering.meters.collect(start, since, |point| {
            self.recorder.record_own(point, now);
        });
        metering.since = now;
    }
}
