//! The stack of views: one is shown, those under it wait to be shown again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use super::{OpenScopes, SYNTHETIC, Scopes};
use crate::engine::recorder::{Open, Recorder};
use crate::model::event::View;
use crate::model::limits::{MAX_VIEWS, VIEW_AMEND_EVERY};
use crate::model::names;
use crate::model::time::BootTime;
use crate::model::value::{Attribute, Value};

/// What the host measured while a view was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Vitals {
    pub(crate) frames: u64,
    pub(crate) slow_frames: u64,
    pub(crate) frozen_frames: u64,
    pub(crate) cpu: Duration,
    memory_sum: u64,
    memory_max: u64,
    memory_samples: u64,
}

impl Vitals {
    pub(crate) fn add_memory_sample(&mut self, bytes: u64) {
        self.memory_sum = self.memory_sum.saturating_add(bytes);
        self.memory_max = self.memory_max.max(bytes);
        self.memory_samples += 1;
    }

    fn attributes(&self) -> Vec<Attribute<'static>> {
        let mut attributes = Vec::new();
        for (key, count) in [
            (names::VIEW_FRAMES, self.frames),
            (names::VIEW_SLOW_FRAMES, self.slow_frames),
            (names::VIEW_FROZEN_FRAMES, self.frozen_frames),
            (names::VIEW_MEMORY_MEAN, self.memory_sum.checked_div(self.memory_samples).unwrap_or(0)),
            (names::VIEW_MEMORY_MAX, self.memory_max),
        ] {
            if count > 0 {
                attributes.push((key, Value::Int(count as i64)));
            }
        }
        if !self.cpu.is_zero() {
            attributes.push((names::VIEW_CPU_TIME, Value::Double(self.cpu.as_secs_f64())));
        }
        attributes
    }
}

#[derive(Debug)]
struct ViewScope {
    id: Uuid,
    name: String,
    open: Option<Open>,
    started_wall: u64,
    /// Since when it has been shown.
    shown: BootTime,
    /// How long it was shown before that.
    spent: Duration,
    version: u64,
    counts: [u64; 5],
    loading_time: Option<Duration>,
    amended: BootTime,
    vitals: Vitals,
    written: ([u64; 5], Vitals),
}

impl ViewScope {
    fn snapshot<R>(&self, spent: Duration, is_active: bool, visit: impl FnOnce(&View<'_>) -> R) -> R {
        let attributes = self.vitals.attributes();
        let mut view = View::new(self.id, &self.name).at(self.started_wall).attributes(&attributes);
        let [actions, resources, errors, long_tasks, crashes] = self.counts;
        view.version = self.version;
        view.is_active = is_active;
        view.time_spent = spent;
        view.loading_time = self.loading_time;
        (view.action_count, view.resource_count, view.error_count) = (actions, resources, errors);
        (view.long_task_count, view.crash_count) = (long_tasks, crashes);
        visit(&view)
    }
}

/// The views of a session.
#[derive(Debug, Default)]
pub(super) struct Views {
    stack: Vec<ViewScope>,
    /// A view that stands for none, and becomes one with the first event.
    synthetic: Option<(Uuid, &'static str)>,
}

impl Views {
    /// The view that events belong to.
    pub(super) fn shown(&self) -> Option<(Uuid, &str)> {
        self.stack.last().map(|view| (view.id, view.name.as_str())).or(self.synthetic)
    }

    fn push(&mut self, recorder: &Recorder, id: Uuid, name: &str, now: BootTime) {
        let started_wall = recorder.wall(now);
        let mut view = ViewScope {
            id,
            name: name.to_owned(),
            open: None,
            started_wall,
            shown: now,
            spent: Duration::ZERO,
            version: 1,
            counts: [0; 5],
            loading_time: None,
            amended: now,
            vitals: Vitals::default(),
            written: ([0; 5], Vitals::default()),
        };
        view.open = view.snapshot(Duration::ZERO, true, |view| recorder.open(view)).map(|(open, _)| open);
        self.stack.push(view);
    }

    /// Moves the counters of the view that is shown into it.
    fn collect(&mut self, scopes: &Scopes) {
        let Some(view) = self.stack.last_mut() else { return };
        for (count, counter) in view.counts.iter_mut().zip(&scopes.counts) {
            *count += counter.swap(0, Ordering::Relaxed);
        }
    }

    fn pop(&mut self, scopes: &Scopes, recorder: &Recorder, now: BootTime) -> Option<String> {
        self.collect(scopes);
        let mut view = self.stack.pop()?;
        view.version += 1;
        let spent = view.spent + now.since(view.shown);
        if let Some(open) = view.open {
            view.snapshot(spent, false, |view| recorder.close(open, view));
        }
        Some(view.name)
    }

    /// The view that is shown is covered by another: its time stands still.
    fn pause(&mut self, scopes: &Scopes, now: BootTime) {
        self.collect(scopes);
        if let Some(view) = self.stack.last_mut() {
            view.spent += now.since(view.shown);
            view.shown = now;
        }
    }

    /// Closes every view, the shown one first, and returns their names from the bottom. Synthetic ones are not named.
    pub(super) fn close_all(&mut self, scopes: &Scopes, recorder: &Recorder, now: BootTime) -> Vec<String> {
        let mut names = Vec::new();
        // Time goes on only for the one that is shown.
        while let Some(name) = self.pop(scopes, recorder, now) {
            names.push(name);
            if let Some(next) = self.stack.last_mut() {
                next.shown = now;
            }
        }
        names.reverse();
        names
    }

    /// Writes a new snapshot of the shown view when its counters have changed. Returns when the next is due.
    pub(super) fn amend(&mut self, scopes: &Scopes, recorder: &Recorder, now: BootTime) -> Option<BootTime> {
        self.collect(scopes);
        let view = self.stack.last_mut().filter(|view| (view.counts, view.vitals) != view.written)?;
        let due = view.amended.after(VIEW_AMEND_EVERY);
        if due > now {
            return Some(due);
        }
        view.version += 1;
        (view.amended, view.written) = (now, (view.counts, view.vitals));
        if let Some(open) = view.open {
            view.snapshot(view.spent + now.since(view.shown), true, |view| recorder.amend(open, view));
        }
        None
    }
}

impl OpenScopes {
    pub(super) fn open_view(&mut self, scopes: &Scopes, recorder: &Recorder, name: &str, now: BootTime) -> Uuid {
        self.views.pause(scopes, now);
        self.views.synthetic = None;
        scopes.watch(SYNTHETIC, false);
        let id = recorder.new_id();
        recorder.set_scope(self.session.id, Some((id, name)), scopes.session_rate());
        self.views.push(recorder, id, name, now);
        id
    }
}

impl Scopes {
    /// Events from now on go under a name, though no view is shown.
    pub(super) fn synthesize(&self, inner: &mut OpenScopes, recorder: &Recorder, name: &'static str) {
        if self.synthetic {
            inner.views.synthetic = Some((recorder.new_id(), name));
            inner.set_scope(recorder, self.session_rate());
            self.watch(SYNTHETIC, true);
        }
    }

    /// The first event of a synthetic view opens it.
    #[cold]
    pub(super) fn open_synthetic(&self, recorder: &Recorder, now: BootTime) {
        let mut inner = self.lock();
        self.watch(SYNTHETIC, false);
        if let Some((id, name)) = inner.views.synthetic.take() {
            inner.views.push(recorder, id, name, now);
        }
    }

    /// Shows a view in place of the one that is shown.
    pub(crate) fn start_view(&self, recorder: &Recorder, name: &str) -> Uuid {
        let now = recorder.boot();
        self.before_view(recorder, now);
        let mut inner = self.lock();
        inner.close_action(self, recorder, now);
        inner.views.pop(self, recorder, now);
        inner.open_view(self, recorder, name, now)
    }

    /// Shows a view over the one that is shown, which goes on when it ends. At most 32 deep: then in place of it.
    pub(crate) fn push_view(&self, recorder: &Recorder, name: &str) -> Uuid {
        let now = recorder.boot();
        self.before_view(recorder, now);
        let mut inner = self.lock();
        if inner.views.stack.len() >= MAX_VIEWS {
            inner.views.pop(self, recorder, now);
        }
        inner.open_view(self, recorder, name, now)
    }

    fn before_view(&self, recorder: &Recorder, now: BootTime) {
        if now.0 >= self.deadline.load(Ordering::Relaxed) {
            self.renew(recorder, now);
        }
        self.touch(now);
    }

    /// Ends the view that is shown; the one under it is shown again.
    pub(crate) fn stop_view(&self, recorder: &Recorder) {
        let now = recorder.boot();
        let mut inner = self.lock();
        inner.close_action(self, recorder, now);
        if inner.views.pop(self, recorder, now).is_none() {
            return;
        }
        if let Some(view) = inner.views.stack.last_mut() {
            view.shown = now;
        } else {
            self.synthesize(&mut inner, recorder, "Background");
        }
        inner.set_scope(recorder, self.session_rate());
    }

    /// The host has measured something while a view was shown. Without a view nobody wants to know.
    pub(crate) fn update_vitals(&self, visit: impl FnOnce(&mut Vitals)) {
        if let Some(view) = self.lock().views.stack.last_mut() {
            visit(&mut view.vitals);
        }
    }

    /// The view that is shown is complete: its loading time is the time until now. The first call counts.
    pub(crate) fn mark_interactive(&self, recorder: &Recorder) -> Option<Duration> {
        let now = recorder.boot();
        let mut inner = self.lock();
        let view = inner.views.stack.last_mut()?;
        if view.loading_time.is_some() {
            return None;
        }
        let loading = view.spent + now.since(view.shown);
        view.loading_time = Some(loading);
        view.version += 1;
        if let Some(open) = view.open {
            view.snapshot(loading, true, |view| recorder.amend(open, view));
        }
        Some(loading)
    }
}
