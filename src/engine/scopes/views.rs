//! The stack of views: one is shown, those under it wait to be shown again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use super::{Counts, Locked, SYNTHETIC, Scopes};
use crate::engine::recorder::Open;
use crate::model::event::View;
use crate::model::limits::{MAX_VIEWS, VIEW_AMEND_EVERY, VIEW_SAMPLES_EVERY};
use crate::model::names::{self, words};
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
    /// Adds a sample of the process's memory, in bytes.
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

/// Whether a snapshot is of a view that is open, or the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshot {
    Active,
    Final,
}

#[derive(Debug)]
struct ViewScope {
    id: Uuid,
    name: String,
    /// Its event in the journal. `None` when the journal did not keep it.
    open: Option<Open>,
    started_wall: u64,
    /// Since when it has been shown.
    shown: BootTime,
    /// How long it was shown before that.
    spent: Duration,
    version: u64,
    counts: Counts,
    loading_time: Option<Duration>,
    amended: BootTime,
    vitals: Vitals,
    /// The counters of the last snapshot.
    written: (Counts, Vitals),
}

impl ViewScope {
    /// Lends the view as an event.
    fn with_snapshot<R>(&self, spent: Duration, snapshot: Snapshot, visit: impl FnOnce(&View<'_>) -> R) -> R {
        let attributes = self.vitals.attributes();
        let mut view = View::new(self.id, &self.name).at(self.started_wall).attributes(&attributes);
        let [actions, resources, errors, long_tasks, crashes] = self.counts;
        view.version = self.version;
        view.is_active = snapshot == Snapshot::Active;
        view.time_spent = spent;
        view.loading_time = self.loading_time;
        (view.action_count, view.resource_count, view.error_count) = (actions, resources, errors);
        (view.long_task_count, view.crash_count) = (long_tasks, crashes);
        visit(&view)
    }

    /// Whether its counters differ from those of the last snapshot.
    fn has_changed(&self) -> bool {
        (self.counts, self.vitals) != self.written
    }

    /// How long it has been shown in all.
    fn spent(&self, now: BootTime) -> Duration {
        self.spent + now.since(self.shown)
    }
}

/// The views of a session.
#[derive(Debug, Default)]
pub(super) struct Views {
    stack: Vec<ViewScope>,
    /// A view that the app did not open. It becomes one with the first event.
    synthetic: Option<(Uuid, &'static str)>,
}

impl Views {
    /// The view that events belong to.
    pub(super) fn shown(&self) -> Option<(Uuid, &str)> {
        self.stack.last().map(|view| (view.id, view.name.as_str())).or(self.synthetic)
    }
}

impl Scopes {
    /// The first event of a synthetic view opens it.
    #[cold]
    pub(super) fn open_synthetic_view(&self, now: BootTime) {
        let mut locked = self.lock();
        self.stop_watching_for(SYNTHETIC);
        if let Some((id, name)) = locked.open.views.synthetic.take() {
            locked.append_view(id, name, now);
        }
    }

    /// Shows a view in place of the one that is shown.
    pub(crate) fn start_view(&self, name: &str) -> Uuid {
        let now = self.recorder.boot();
        self.renew_if_over(now);
        self.touch(now);
        let mut locked = self.lock();
        locked.close_action(now);
        locked.close_view(now);
        locked.open_view(name, now)
    }

    /// Shows a view over the one that is shown, which goes on when the new one ends. On a full
    /// stack ([`MAX_VIEWS`]) the new view takes the place of the one that is shown.
    pub(crate) fn push_view(&self, name: &str) -> Uuid {
        let now = self.recorder.boot();
        self.renew_if_over(now);
        self.touch(now);
        let mut locked = self.lock();
        if locked.open.views.stack.len() >= MAX_VIEWS {
            locked.close_view(now);
        }
        locked.open_view(name, now)
    }

    /// Ends the view that is shown; the one under it is shown again.
    pub(crate) fn stop_view(&self) {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        locked.close_action(now);
        if locked.close_view(now).is_none() {
            return;
        }
        if let Some(view) = locked.open.views.stack.last_mut() {
            view.shown = now;
        } else {
            locked.synthesize_view(words::VIEW_BACKGROUND);
        }
        locked.write_scope();
    }

    /// Adds what the host has measured to the view that is shown. Without one it is discarded. The
    /// worker is woken for the first samples since the last snapshot alone: it then knows when the
    /// next one is due.
    pub(crate) fn update_vitals(&self, visit: impl FnOnce(&mut Vitals)) {
        let mut locked = self.lock();
        let Some(view) = locked.open.views.stack.last_mut() else { return };
        let was_written = view.vitals == view.written.1;
        visit(&mut view.vitals);
        let is_first = was_written && view.vitals != view.written.1;
        // The worker takes the lock as soon as it is awake.
        drop(locked);
        if is_first {
            self.recorder.wake();
        }
    }

    /// Writes a snapshot of the view that is shown if it has changed, so that it goes with what is
    /// sent now.
    pub(crate) fn snapshot_view(&self) {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        locked.collect_counts();
        if locked.open.views.stack.last().is_some_and(ViewScope::has_changed) {
            locked.write_snapshot(now);
        }
    }

    /// The view that is shown is complete: its loading time is the time until now. Returns that
    /// time for the first call, `None` for later ones.
    pub(crate) fn mark_interactive(&self) -> Option<Duration> {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        let view = locked.open.views.stack.last_mut()?;
        if view.loading_time.is_some() {
            return None;
        }
        let loading = view.spent(now);
        view.loading_time = Some(loading);
        view.version += 1;
        if let Some(open) = view.open {
            view.with_snapshot(loading, Snapshot::Active, |view| self.recorder.amend(open, view));
        }
        Some(loading)
    }
}

impl Locked<'_> {
    /// Lets events from now on belong to a view of this name, though the app has opened none.
    pub(super) fn synthesize_view(&mut self, name: &'static str) {
        if self.scopes.synthetic {
            self.open.views.synthetic = Some((self.scopes.recorder.new_id(), name));
            self.write_scope();
            self.scopes.watch_for(SYNTHETIC);
        }
    }

    /// Opens a view over the one that is shown.
    pub(super) fn open_view(&mut self, name: &str, now: BootTime) -> Uuid {
        let scopes = self.scopes;
        self.cover_view(now);
        self.open.views.synthetic = None;
        scopes.stop_watching_for(SYNTHETIC);
        let id = scopes.recorder.new_id();
        scopes.recorder.set_scope(self.open.session.id, Some((id, name)), scopes.session_rate());
        self.append_view(id, name, now);
        id
    }

    /// Journals a view and puts it on the stack.
    fn append_view(&mut self, id: Uuid, name: &str, now: BootTime) {
        let recorder = &self.scopes.recorder;
        let mut view = ViewScope {
            id,
            name: name.to_owned(),
            open: None,
            started_wall: recorder.wall(now),
            shown: now,
            spent: Duration::ZERO,
            version: 1,
            counts: Counts::default(),
            loading_time: None,
            amended: now,
            vitals: Vitals::default(),
            written: (Counts::default(), Vitals::default()),
        };
        view.open =
            view.with_snapshot(Duration::ZERO, Snapshot::Active, |view| recorder.open(view)).map(|(open, _)| open);
        self.open.views.stack.push(view);
    }

    /// Moves the counters of the view that is shown into it.
    fn collect_counts(&mut self) {
        let Some(view) = self.open.views.stack.last_mut() else { return };
        for (count, counter) in view.counts.iter_mut().zip(&self.scopes.counts) {
            *count += counter.swap(0, Ordering::Relaxed);
        }
    }

    /// The view that is shown is covered by another: its time stands still.
    fn cover_view(&mut self, now: BootTime) {
        self.collect_counts();
        if let Some(view) = self.open.views.stack.last_mut() {
            view.spent = view.spent(now);
            view.shown = now;
        }
    }

    /// Closes the view that is shown and returns its name.
    fn close_view(&mut self, now: BootTime) -> Option<String> {
        self.collect_counts();
        let mut view = self.open.views.stack.pop()?;
        view.version += 1;
        if let Some(open) = view.open {
            view.with_snapshot(view.spent(now), Snapshot::Final, |view| self.scopes.recorder.close(open, view));
        }
        Some(view.name)
    }

    /// Closes every view, the shown one first, and returns their names from the bottom. Synthetic
    /// views that have not been opened have none.
    pub(super) fn close_views(&mut self, now: BootTime) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(name) = self.close_view(now) {
            names.push(name);
            // Those under it were covered: no time has passed for them.
            if let Some(next) = self.open.views.stack.last_mut() {
                next.shown = now;
            }
        }
        names.reverse();
        names
    }

    /// Writes a new snapshot of the view that is shown when its counters have changed. Returns when
    /// the next one is due.
    pub(super) fn amend_view(&mut self, now: BootTime) -> Option<BootTime> {
        self.collect_counts();
        let view = self.open.views.stack.last_mut()?;
        if !view.has_changed() {
            return None;
        }
        let every = if view.counts == view.written.0 { VIEW_SAMPLES_EVERY } else { VIEW_AMEND_EVERY };
        let due = view.amended.after(every);
        if due > now {
            return Some(due);
        }
        self.write_snapshot(now);
        None
    }

    fn write_snapshot(&mut self, now: BootTime) {
        let Some(view) = self.open.views.stack.last_mut() else { return };
        view.version += 1;
        (view.amended, view.written) = (now, (view.counts, view.vitals));
        if let Some(open) = view.open {
            let recorder = &self.scopes.recorder;
            view.with_snapshot(view.spent(now), Snapshot::Active, |view| recorder.amend(open, view));
        }
    }
}
