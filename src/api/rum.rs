//! Sessions, views, actions, resources, vitals: real user monitoring.

use std::time::Duration;

use uuid::Uuid;

use super::client::Telemetry;
use crate::model::event::{Action, ActionType, Common, Custom, EventKind, LongTask, Resource, Vital};
use crate::model::limits::FROZEN_FRAME;
use crate::model::names;
use crate::model::time::BootTime;
use crate::model::value::Value;
use crate::policy::trace::{Header, SpanContext};

impl Telemetry {
    /// Ends coalescing windows and the action now, as if their time were over: for tests that do not wait.
    #[cfg(feature = "testing")]
    pub fn settle(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.finish_collecting();
        }
    }

    /// Shows a view: the one before it ends, events from now on belong to it. Should the process die, the next start
    /// closes it with `throughline.ended = process_death`.
    pub fn start_view(&self, name: &str) -> Option<Uuid> {
        let shared = self.on().filter(|_| self.permits(EventKind::View, name, &[]))?;
        Some(shared.scopes.start_view(name))
    }

    /// Shows a view over the one that is shown (a sheet, a dialog), which is shown again when [`Telemetry::stop_view`] ends
    /// the new one. Its time stands still meanwhile.
    pub fn push_view(&self, name: &str) -> Option<Uuid> {
        let shared = self.on().filter(|_| self.permits(EventKind::View, name, &[]))?;
        Some(shared.scopes.push_view(name))
    }

    /// Ends the view that is shown.
    pub fn stop_view(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.stop_view();
        }
    }

    /// The view that is shown is complete and can be used: its loading time is the time until now, once. Also recorded as
    /// the vital `time_to_full_display`.
    pub fn mark_interactive(&self) {
        let Some(shared) = self.on() else { return };
        if let Some(loading) = shared.scopes.mark_interactive() {
            self.record_vital(&Vital::new("time_to_full_display", loading.as_secs_f64(), "s"));
        }
    }

    /// The session's id.
    pub fn session_id(&self) -> Option<Uuid> {
        Some(self.on()?.scopes.session_id())
    }

    /// The installation's id. None while the client is off, or when the configuration wants none.
    pub fn installation_id(&self) -> Option<Uuid> {
        self.on()?.globals.installation_id()
    }

    /// Ends the session and begins another: for example when another user signs in.
    pub fn renew_session(&self) {
        if let Some(shared) = self.on() {
            shared.scopes.renew_session();
        }
    }

    /// Begins an action that collects the resources, errors, long tasks and state mutations which follow, until nothing
    /// has happened for 100 ms and no resource is pending, at most 5 s. The action before it ends. Three taps on one target
    /// within a second make a rage tap, an error meanwhile an error tap. What it causes is in one trace.
    pub fn start_action(&self, action: &Action<'_>) -> Option<Uuid> {
        let is_permitted = |_: &&_| self.permits(EventKind::Action, action.name, action.common.attributes);
        let shared = self.on().filter(is_permitted)?;
        Some(shared.scopes.start_action(action))
    }

    /// Begins a tap on `target`: see [`Telemetry::start_action`].
    pub fn tap(&self, target: &str) -> Option<Uuid> {
        self.start_action(&Action::new(ActionType::Tap, target))
    }

    /// Ends an action before it has settled by itself.
    pub fn stop_action(&self, id: Uuid) {
        if let Some(shared) = self.on() {
            shared.scopes.stop_action(id);
        }
    }

    /// Begins a request. Its context is a child of the current context, else of the open action, else a new trace.
    pub fn start_resource(&self, method: &str, url: &str) -> ActiveResource {
        let Some(shared) = self.on() else { return ActiveResource(None) };
        let started = shared.recorder().boot();
        let (parent, _) = shared.scopes.parent(started);
        let action = shared.scopes.resource_started(started);
        let context = shared.scopes.child_or_root(parent.as_ref());
        let (method, url) = (method.to_owned(), url.to_owned());
        let telemetry = self.clone();
        ActiveResource(Some(Box::new(RunningResource {
            telemetry,
            method,
            url,
            context,
            action,
            started,
            correlation: None,
        })))
    }

    /// Counts the frames that were drawn since the last call on the view that is shown.
    pub fn record_frames(&self, count: u64) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.frames = vitals.frames.saturating_add(count));
            self.vitals_changed();
        }
    }

    /// Records a frame that took too long: counted on the view, and an event. Longer than 700 ms it is frozen.
    pub fn record_slow_frame(&self, duration: Duration) -> Option<Uuid> {
        let is_frozen = duration >= FROZEN_FRAME;
        self.on()?.scopes.update_vitals(|vitals| {
            vitals.slow_frames += 1;
            vitals.frozen_frames += u64::from(is_frozen);
        });
        let mut task = LongTask::new(duration);
        task.is_frozen_frame = is_frozen;
        self.record_long_task(&task)
    }

    /// A sample of the process's memory, bytes: mean and most of them stand on the view that is shown.
    pub fn record_memory(&self, bytes: u64) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.add_memory_sample(bytes));
            self.vitals_changed();
        }
    }

    /// Processor time that the process used since the last call: summed on the view that is shown.
    pub fn record_cpu(&self, used: Duration) {
        if let Some(shared) = self.on() {
            shared.scopes.update_vitals(|vitals| vitals.cpu = vitals.cpu.saturating_add(used));
            self.vitals_changed();
        }
    }

    /// The worker has to write the view down again, a second later at most.
    fn vitals_changed(&self) {
        if let Some(shared) = self.on() {
            shared.wake.notify_one();
        }
    }

    /// How long the process took to start: `cold`, `warm` or `hot`.
    pub fn record_process_start(&self, start_type: &str, duration: Duration) -> Option<Uuid> {
        let attributes = [(names::START_TYPE, start_type.into())];
        self.record_vital(&Vital::new("process_start", duration.as_secs_f64(), "s").attributes(&attributes))
    }

    /// How long it took until the first frame was shown.
    pub fn record_initial_display(&self, duration: Duration) -> Option<Uuid> {
        self.record_vital(&Vital::new("time_to_initial_display", duration.as_secs_f64(), "s"))
    }

    /// Records that the *app's own* synchronization failed: which call, with which code, after how many tries.
    pub fn record_sync_failure(&self, rpc: &str, code: &str, retries: u32, offline: bool) -> Option<Uuid> {
        let attributes = [
            ("rpc.method", rpc.into()),
            ("error.type", code.into()),
            ("sync.retries", retries.into()),
            ("sync.offline", offline.into()),
        ];
        self.record_custom(&Custom::new("sync.failure").attributes(&attributes))
    }

    /// Records that the *app's own* queue was flushed: how many entries it held, and whether that went well.
    pub fn record_queue_flush(&self, depth: u64, ok: bool) -> Option<Uuid> {
        let attributes = [("queue.depth", Value::Int(depth as i64)), ("queue.flush.ok", ok.into())];
        self.record_custom(&Custom::new("queue.flush").attributes(&attributes))
    }
}

#[derive(Debug)]
struct RunningResource {
    telemetry: Telemetry,
    method: String,
    url: String,
    context: SpanContext,
    action: Option<Uuid>,
    started: BootTime,
    correlation: Option<String>,
}

/// A request under way. Empty when the client is off. Dropped without [`ActiveResource::stop`] it is recorded as cancelled.
#[derive(Debug)]
pub struct ActiveResource(Option<Box<RunningResource>>);

impl ActiveResource {
    /// The span of the request; `None` when the client is off.
    pub fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|live| &live.context)
    }

    /// Where it goes; empty when the client is off.
    pub fn url(&self) -> &str {
        self.0.as_ref().map_or("", |live| &live.url)
    }

    /// The headers to add, when the app has set `existing`. If those hold a sound trace, the request is of that trace.
    pub fn headers(&mut self, existing: &[(&str, &str)]) -> Vec<Header> {
        let Some(live) = &mut self.0 else { return Vec::new() };
        let Some(injected) = live.telemetry.inject(&live.url, &live.context, existing) else { return Vec::new() };
        if injected.trace != live.context.trace {
            live.context = SpanContext::new(injected.trace);
        }
        let correlation = injected.headers.iter().find(|header| header.0 == "X-Correlation-ID");
        live.correlation = correlation.map(|header| header.1.clone());
        injected.headers
    }

    /// Ends it with a status; `describe` may add size, protocol or attributes.
    pub fn stop<'t>(mut self, status: u16, describe: impl FnOnce(Resource<'t>) -> Resource<'t>) -> Option<Uuid> {
        self.end(status, describe)
    }

    /// Ends it without an answer.
    pub fn fail(mut self, error_type: &str) -> Option<Uuid> {
        self.end(0, |resource| Resource { error_type, ..resource })
    }

    fn end<'t>(&mut self, status: u16, describe: impl FnOnce(Resource<'t>) -> Resource<'t>) -> Option<Uuid> {
        let live = self.0.take()?;
        let shared = live.telemetry.on()?;
        let now = shared.recorder().boot();
        // What the caller lends and what is kept here have different lives: they meet in a struct of the shorter one.
        let described = describe(Resource::new("", "", status, now.since(live.started)));
        let mut attributes = described.common.attributes.to_vec();
        if let Some(correlation) = &live.correlation {
            attributes.push((names::semconv::CORRELATION_ID, correlation.into()));
        }
        let common = Common {
            attributes: &attributes,
            trace: Some(live.context.trace),
            action_id: live.action,
            ..described.common
        };
        let (method, url) = (live.method.as_str(), live.url.as_str());
        let id = live.telemetry.record_resource(&Resource {
            method,
            url,
            parent_span: live.context.parent_span,
            common,
            ..described
        });
        shared.scopes.resource_stopped(live.action, now);
        id
    }
}

impl Drop for ActiveResource {
    fn drop(&mut self) {
        self.end(0, |resource| Resource { error_type: "cancelled", ..resource });
    }
}
