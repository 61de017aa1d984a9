//! The instruments: their points are recorded every 10 s while there is news.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Scopes;
use crate::model::limits::METRIC_EVERY;
use crate::model::time::BootTime;
use crate::policy::metrics::Meters;

/// The instruments, and when their points were taken.
#[derive(Debug)]
pub(super) struct Metering {
    measured: Mutex<Measured>,
    /// Held while points are recorded, so that they come in their order. Whoever measures does not
    /// wait for it.
    recording: Mutex<()>,
}

#[derive(Debug)]
struct Measured {
    meters: Meters,
    /// When the process began to measure, wall time in ns.
    start: u64,
    /// When the last points were taken.
    since: BootTime,
}

impl Metering {
    /// No instruments yet; measuring begins now.
    pub(super) fn since(now: BootTime, wall: u64) -> Self {
        let measured = Measured { meters: Meters::default(), start: wall, since: now };
        Self { measured: Mutex::new(measured), recording: Mutex::new(()) }
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scopes {
    /// Works on the instruments.
    pub(crate) fn meters<R>(&self, work: impl FnOnce(&mut Meters) -> R) -> R {
        work(&mut self.metering.measured().meters)
    }

    /// Lets every total begin anew: what was measured before is erased.
    pub(crate) fn forget_totals(&self) {
        let now = self.recorder.boot();
        let mut measured = self.metering.measured();
        measured.meters.restart();
        (measured.start, measured.since) = (self.recorder.wall(now), now);
    }

    /// Records the points of every metric that has news.
    pub(crate) fn collect_metrics(&self) {
        self.collect(self.recorder.boot(), |_| true);
    }

    /// Records the points of every metric that has news if 10 s have passed since the last ones.
    /// Returns when they will have; `None` when there is no news.
    pub(super) fn collect_due_metrics(&self, now: BootTime) -> Option<BootTime> {
        let due = {
            let measured = self.metering.measured();
            measured.meters.has_news().then(|| measured.since.after(METRIC_EVERY))?
        };
        if due > now {
            return Some(due);
        }
        self.collect(now, |measured| measured.since.after(METRIC_EVERY) <= now);
        None
    }

    fn collect(&self, now: BootTime, is_due: impl FnOnce(&Measured) -> bool) {
        let _in_order = self.metering.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, points) = {
            let mut measured = self.metering.measured();
            if !measured.meters.has_news() || !is_due(&measured) {
                return;
            }
            let wall = self.recorder.wall(now);
            let since = self.recorder.wall(measured.since).min(wall);
            if wall < measured.start {
                // The wall clock was set back behind the start. Totals that end before they start
                // are refused by backends, so they begin anew with what is not recorded yet.
                measured.meters.restart();
                measured.start = since;
            }
            let start = measured.start;
            measured.since = now;
            (wall, measured.meters.take(start, since))
        };
        // Encoding takes its time, and whoever measures must not wait for it.
        for point in points {
            point.with_metric(wall, |metric| self.recorder.record_own(metric, now));
        }
    }
}
