//! One recording method for each kind of event. All of them are [`Telemetry::record`].

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::client::Telemetry;
use crate::engine::recorder::unrecorded;
use crate::model::event::{Custom, ErrorEvent, Log, LongTask, Metric, Resource, Session, Span, View, Vital};

impl Telemetry {
    /// Records a snapshot of a view that the app keeps itself. [`Telemetry::start_view`] does this
    /// for the view that is shown.
    #[inline(always)]
    pub fn record_view(&self, view: &View<'_>) -> Option<Uuid> {
        self.record(view)
    }

    /// Records a request that has ended. [`Telemetry::start_resource`] also measures it.
    #[inline(always)]
    pub fn record_resource(&self, resource: &Resource<'_>) -> Option<Uuid> {
        self.record(resource)
    }

    /// Records an error or a crash. A crash gets a commit of its own in SQLite, which is synced to
    /// the disk.
    #[inline(always)]
    pub fn record_error(&self, error: &ErrorEvent<'_>) -> Option<Uuid> {
        self.record(error)
    }

    /// Records that the main thread was blocked for long.
    #[inline(always)]
    pub fn record_long_task(&self, task: &LongTask<'_>) -> Option<Uuid> {
        self.record(task)
    }

    /// Records a vital: a measured value of the app's performance, such as a start time.
    #[inline(always)]
    pub fn record_vital(&self, vital: &Vital<'_>) -> Option<Uuid> {
        self.record(vital)
    }

    /// Records an event whose name and meaning are the app's own.
    #[inline(always)]
    pub fn record_custom(&self, custom: &Custom<'_>) -> Option<Uuid> {
        self.record(custom)
    }

    /// Records a log line.
    #[inline(always)]
    pub fn record_log(&self, log: &Log<'_>) -> Option<Uuid> {
        self.record(log)
    }

    /// Records a data point that the app has aggregated itself. [`Telemetry::counter`] and its
    /// siblings aggregate on the device.
    #[inline(always)]
    pub fn record_metric(&self, metric: &Metric<'_>) -> Option<Uuid> {
        self.record(metric)
    }

    /// Records a span that has ended. A span of a trace that is not sampled is counted and not
    /// kept. [`Telemetry::start_span`] also measures it.
    #[inline(always)]
    pub fn record_span(&self, span: &Span<'_>) -> Option<Uuid> {
        self.record(span)
    }

    /// Records the start or end of a session that the app keeps itself.
    #[inline(always)]
    pub fn record_session(&self, session: &Session<'_>) -> Option<Uuid> {
        self.record(session)
    }

    /// Runs `work` as if its calls had been made at a wall time in the past, in ns since the Unix
    /// epoch: for calls that an app made before it started the client, and for what is known late.
    /// What is recorded belongs to the user, the session, the view and the action of that time, as
    /// far as the client still knows them, which is for at least 10 s; else to the current ones.
    /// When the user has denied consent in this process and granted it again, nothing of before the
    /// grant is recorded.
    pub fn replay<R>(&self, wall_ns: u64, work: impl FnOnce() -> R) -> R {
        let Some(shared) = self.on() else { return work() };
        let recorder = shared.recorder();
        if wall_ns < self.client.lifecycle.consented_at().load(Ordering::Relaxed) {
            return unrecorded(work);
        }
        recorder.replaying(recorder.wall(recorder.boot()).saturating_sub(wall_ns), work)
    }

    /// A new id for an action, a view or a resource that other events will refer to. `None` when
    /// the client is off.
    pub fn new_id(&self) -> Option<Uuid> {
        Some(self.on()?.recorder().new_id())
    }
}
