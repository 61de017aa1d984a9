//! What is open while events are recorded: the session, the views, the action, the traced stores, the operations.
//!
//! The decisions are floor 1's; here they meet the recorder and the clock. Callers' threads and the worker's tick share
//! one lock that is held for a few short appends and never during I/O. A recorded event takes it only when a session
//! ends, a synthetic view begins, or an action is collecting.

mod actions;
mod operations;
mod stores;
mod views;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::engine::recorder::Recorder;
use crate::model::config::{Config, TailSampling};
use crate::model::event::{ActionType, Event, EventKind, Lane, Session, SessionChange};
use crate::model::limits::{METRIC_EVERY, SESSION_SAVE_EVERY};
use crate::model::names;
use crate::model::time::BootTime;
use crate::policy::metrics::Meters;
use crate::policy::session::{EndReason, Persisted, Resumed, SessionState};
use crate::policy::trace::ContextStore;
use actions::ActionScope;
use operations::Operations;
use stores::Stores;
use views::Views;

pub(crate) use operations::{Ended, SpanData};
pub(crate) use stores::StoreId;

/// An action is collecting.
const ACTION: u64 = 1;
/// The first event opens a synthetic view.
const SYNTHETIC: u64 = 2;

/// Places of [`Scopes::counts`].
#[derive(Debug, Clone, Copy)]
enum Count {
    Action = 0,
    Resource = 1,
    Error = 2,
    LongTask = 3,
    Crash = 4,
}

/// The scopes of a client.
#[derive(Debug)]
pub(crate) struct Scopes {
    recorder: Recorder,
    /// Boot time at which the session has to be looked at.
    deadline: AtomicU64,
    /// Boot time at which the user was last active.
    last: AtomicU64,
    /// Whether somebody wants to see events: [`ACTION`], [`SYNTHETIC`].
    watch: AtomicU64,
    /// Events of the view that is shown, by [`Count`].
    counts: [AtomicU64; 5],
    session_rate: AtomicU64,
    /// What makes a session that is kept aside worth keeping, if anything does.
    tail_sampling: Mutex<Option<TailSampling>>,
    /// Whether sessions are events.
    events: bool,
    /// Whether events without a view get one.
    synthetic: bool,
    inner: Mutex<OpenScopes>,
    meters: Mutex<Metering>,
}

/// The instruments, and when their points were taken.
#[derive(Debug)]
struct Metering {
    meters: Meters,
    /// When the process began to measure, wall time in ns.
    start: u64,
    /// When the last points were taken.
    since: BootTime,
}

#[derive(Debug)]
struct OpenScopes {
    session: SessionState,
    views: Views,
    action: Option<ActionScope>,
    taps: Vec<(BootTime, String)>,
    stores: Stores,
    operations: Operations,
    contexts: ContextStore,
    saved_last: u64,
    saved_kept: bool,
    unsaved: bool,
    closed: bool,
}

impl Scopes {
    /// Begins or goes on with a session.
    pub(crate) fn start(recorder: Recorder, config: &Config, earlier: Option<&Persisted>) -> Self {
        let (rate, events) = (config.session_sample_rate, config.session_events);
        recorder.set_aside(config.tail_sampling.is_some(), config.tail_sampling.is_some_and(|rule| rule.all_sessions));
        let (now, id) = (recorder.boot(), recorder.new_id());
        let wall = recorder.wall(now);
        let sequence = earlier.map_or(1, |earlier| earlier.sequence + 1);
        let fresh = SessionState { id, sequence, started: now, started_wall: wall };
        let resumed = earlier.map(|earlier| earlier.resume(now, wall));
        let session = match resumed {
            Some(Resumed::GoesOn(session)) => session,
            _ => fresh,
        };
        let scopes = Self {
            recorder,
            deadline: AtomicU64::new(session.deadline(now).0),
            last: AtomicU64::new(now.0),
            watch: AtomicU64::new(0),
            counts: Default::default(),
            session_rate: AtomicU64::new(rate.to_bits()),
            tail_sampling: Mutex::new(config.tail_sampling),
            events,
            synthetic: config.synthetic_views,
            inner: Mutex::new(OpenScopes {
                session,
                views: Views::default(),
                action: None,
                taps: Vec::new(),
                stores: Stores::default(),
                operations: Operations::default(),
                contexts: ContextStore::default(),
                saved_last: 0,
                saved_kept: false,
                unsaved: true,
                closed: false,
            }),
            meters: Mutex::new(Metering { meters: Meters::default(), start: wall, since: now }),
        };
        let recorder = &scopes.recorder;
        if let (Some(earlier), Some(Resumed::Over(reason)), true) = (earlier, resumed, events) {
            // The end is said under the old session's id.
            recorder.set_scope(earlier.id, None, rate);
            let Persisted { id, sequence, last_wall, kept, .. } = *earlier;
            if kept {
                recorder.go_on_keeping();
            }
            record_session(recorder, SessionChange::End, id, None, sequence, reason.name(), last_wall);
        }
        scopes.lock().set_scope(recorder, rate);
        if earlier.is_some_and(|earlier| earlier.kept && earlier.id == session.id) {
            recorder.go_on_keeping();
        }
        if events && session.id == fresh.id {
            let previous = earlier.map(|earlier| earlier.id);
            record_session(recorder, SessionChange::Start, id, previous, sequence, "user_app_launch", wall);
        }
        scopes.synthesize(&mut scopes.lock(), recorder, "ApplicationLaunch");
        scopes
    }

    /// The recorder.
    #[inline]
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn lock(&self) -> MutexGuard<'_, OpenScopes> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, flag: u64, on: bool) {
        if on {
            self.watch.fetch_or(flag, Ordering::Relaxed)
        } else {
            self.watch.fetch_and(!flag, Ordering::Relaxed)
        };
    }

    /// Share of sessions that are kept.
    pub(crate) fn session_rate(&self) -> f64 {
        f64::from_bits(self.session_rate.load(Ordering::Relaxed))
    }

    /// Changes it, for this session too.
    pub(crate) fn set_session_rate(&self, recorder: &Recorder, rate: f64) {
        self.session_rate.store(rate.to_bits(), Ordering::Relaxed);
        recorder.set_session_rate(rate);
    }

    /// Keeps the session, and what was kept aside before, if the rule says that this is reason enough.
    pub(super) fn consider_keeping(&self, recorder: &Recorder, is_enough: impl FnOnce(&TailSampling) -> bool) {
        let rule = *self.tail_sampling.lock().unwrap_or_else(PoisonError::into_inner);
        if rule.is_some_and(|rule| is_enough(&rule)) {
            recorder.keep_session();
        }
    }

    /// Somebody says that something is wrong.
    pub(crate) fn report_problem(&self, recorder: &Recorder) {
        self.consider_keeping(recorder, |_| true);
    }

    /// Replaces the rule, for this session too.
    pub(crate) fn set_tail_sampling(&self, recorder: &Recorder, rule: Option<TailSampling>) {
        *self.tail_sampling.lock().unwrap_or_else(PoisonError::into_inner) = rule;
        recorder.set_aside(rule.is_some(), rule.is_some_and(|rule| rule.all_sessions));
        recorder.set_session_rate(self.session_rate());
    }

    /// The rule.
    pub(crate) fn tail_sampling(&self) -> Option<TailSampling> {
        *self.tail_sampling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's id.
    pub(crate) fn session_id(&self) -> Uuid {
        self.lock().session.id
    }

    /// Before an event is recorded: another session begins if this one is over.
    #[inline]
    pub(crate) fn before(&self, recorder: &Recorder, now: BootTime) {
        if now.0 >= self.deadline.load(Ordering::Relaxed) {
            self.renew(recorder, now);
        }
        if self.watch.load(Ordering::Relaxed) & SYNTHETIC != 0 {
            self.open_synthetic(recorder, now);
        }
    }

    /// The user was active, whether or not the event is kept: a session that is not sampled lasts as long as any other.
    #[inline]
    pub(crate) fn touch_by<E: Event + ?Sized>(&self, event: &E, now: BootTime) {
        if event.kind() == EventKind::Action && is_interaction(event) {
            self.touch(now);
        }
    }

    /// After an event was recorded: it counts on the view, and for the action that is collecting.
    #[inline]
    pub(crate) fn after<E: Event + ?Sized>(&self, recorder: &Recorder, event: &E, now: BootTime) {
        let count = match event.kind() {
            EventKind::Action if is_interaction(event) => Count::Action,
            EventKind::Resource => Count::Resource,
            EventKind::Error if event.lane() == Lane::Crash => Count::Crash,
            EventKind::Error => Count::Error,
            EventKind::LongTask => Count::LongTask,
            _ => return,
        };
        self.count(count);
        if matches!(count, Count::Error | Count::Crash) {
            self.consider_keeping(recorder, |rule| rule.on_error || matches!(count, Count::Crash));
        }
        if self.watch.load(Ordering::Relaxed) & ACTION != 0 {
            self.note(count, event.common().action_id, now);
        }
    }

    fn count(&self, count: Count) {
        if let Some(counter) = self.counts.get(count as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The user was active.
    fn touch(&self, now: BootTime) {
        // Exact to a second: a burst of taps writes nothing.
        if now.0.saturating_sub(self.last.load(Ordering::Relaxed)) > 1_000_000_000 {
            self.last.fetch_max(now.0, Ordering::Relaxed);
            self.deadline.store(self.lock().session.deadline(now).0, Ordering::Relaxed);
        }
    }

    #[cold]
    fn renew(&self, recorder: &Recorder, now: BootTime) {
        let mut inner = self.lock();
        let last = BootTime(self.last.load(Ordering::Relaxed));
        match inner.session.over(last, now) {
            Some(reason) => self.next_session(&mut inner, recorder, now, reason),
            None => self.deadline.store(inner.session.deadline(last).0, Ordering::Relaxed),
        }
    }

    /// Ends the session and begins the next.
    pub(crate) fn renew_session(&self, recorder: &Recorder) {
        let now = recorder.boot();
        self.next_session(&mut self.lock(), recorder, now, EndReason::ExplicitStop);
    }

    fn next_session(&self, inner: &mut OpenScopes, recorder: &Recorder, now: BootTime, reason: EndReason) {
        let last = BootTime(self.last.load(Ordering::Relaxed));
        inner.close_action(self, recorder, now);
        let names = inner.views.close_all(self, recorder, now);
        let old = inner.session;
        // It ended when it was over, not when somebody noticed.
        let ended = if reason == EndReason::InactivityTimeout { old.deadline(last) } else { now };
        if self.events {
            record_session(
                recorder,
                SessionChange::End,
                old.id,
                None,
                old.sequence,
                reason.name(),
                recorder.wall(ended),
            );
        }
        let id = recorder.new_id();
        let wall = recorder.wall(now);
        inner.session = SessionState { id, sequence: old.sequence + 1, started: now, started_wall: wall };
        inner.unsaved = true;
        self.last.store(now.0, Ordering::Relaxed);
        self.deadline.store(inner.session.deadline(now).0, Ordering::Relaxed);
        inner.set_scope(recorder, self.session_rate());
        if self.events {
            record_session(recorder, SessionChange::Start, id, Some(old.id), old.sequence + 1, reason.name(), wall);
        }
        // What is on the screen is a view of the new session.
        for name in names {
            inner.open_view(self, recorder, &name, now);
        }
    }

    /// What the worker does while it ticks: closes what has settled. Returns when to look again.
    pub(crate) fn tick(&self, recorder: &Recorder, now: BootTime) -> Option<BootTime> {
        let metrics = self.collect_metrics(recorder, now, false);
        let mut inner = self.lock();
        let action = inner.close_quiet_action(self, recorder, now);
        let views = inner.views.amend(self, recorder, now);
        let stores = inner.stores.expire(recorder, now);
        let operations = inner.operations.expire(recorder, now);
        [action, views, stores, operations, metrics].into_iter().flatten().min()
    }

    /// What is to be written down for the next process; `None` while that is not due.
    pub(crate) fn to_save(&self, recorder: &Recorder, now: BootTime, force: bool) -> Option<Persisted> {
        let mut inner = self.lock();
        let last = self.last.load(Ordering::Relaxed);
        let is_old = force || now.since(BootTime(inner.saved_last)) >= SESSION_SAVE_EVERY;
        let kept = recorder.has_happened();
        let is_due = inner.unsaved || kept != inner.saved_kept || (is_old && last > inner.saved_last);
        if !is_due {
            return None;
        }
        (inner.unsaved, inner.saved_last, inner.saved_kept) = (false, last, kept);
        let SessionState { id, sequence, started_wall, .. } = inner.session;
        let last_wall = recorder.wall(BootTime(last));
        Some(Persisted { id, sequence, started_wall, last_wall, closed: inner.closed, kept })
    }

    /// Ends what settles by itself, as if its time were over: coalescing windows and the action.
    #[cfg(feature = "testing")]
    pub(crate) fn settle(&self, recorder: &Recorder) {
        self.end_windows(recorder);
        self.lock().close_action(self, recorder, recorder.boot());
    }

    /// Closes everything because the client shuts down. The session goes on: the next process decides.
    pub(crate) fn close(&self, recorder: &Recorder) {
        let now = recorder.boot();
        self.collect_metrics(recorder, now, true);
        let mut inner = self.lock();
        inner.stores.close_all(recorder);
        inner.close_action(self, recorder, now);
        inner.operations.abandon_all(recorder, now, "shutdown");
        inner.views.close_all(self, recorder, now);
        inner.set_scope(recorder, self.session_rate());
        (inner.unsaved, inner.closed) = (true, true);
    }

    /// A new session, as on a fresh installation: everything was erased.
    pub(crate) fn begin_anew(&self, recorder: &Recorder) {
        let (now, id) = (recorder.boot(), recorder.new_id());
        let started_wall = recorder.wall(now);
        let mut inner = self.lock();
        inner.session = SessionState { id, sequence: 1, started: now, started_wall };
        (inner.unsaved, inner.closed, inner.contexts) = (true, false, ContextStore::default());
        self.last.store(now.0, Ordering::Relaxed);
        self.deadline.store(inner.session.deadline(now).0, Ordering::Relaxed);
        inner.set_scope(recorder, self.session_rate());
        if self.events {
            record_session(recorder, SessionChange::Start, id, None, 1, "user_app_launch", started_wall);
        }
        self.synthesize(&mut inner, recorder, "ApplicationLaunch");
    }

    /// Works on the instruments.
    pub(crate) fn meters<R>(&self, work: impl FnOnce(&mut Meters) -> R) -> R {
        work(&mut self.meters.lock().unwrap_or_else(PoisonError::into_inner).meters)
    }

    /// Records the points of the metrics that have news, every 10 s or with `force`. Returns when to look again.
    pub(crate) fn collect_metrics(&self, recorder: &Recorder, now: BootTime, force: bool) -> Option<BootTime> {
        let mut metering = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if !metering.meters.has_news() {
            return None;
        }
        let due = metering.since.after(METRIC_EVERY);
        if due > now && !force {
            return Some(due);
        }
        let (start, since) = (metering.start, recorder.wall(metering.since));
        metering.meters.collect(start, since, |point| {
            recorder.record_own(point, now);
        });
        metering.since = now;
        None
    }

    /// The contexts that wait for a later message.
    pub(crate) fn contexts<R>(&self, work: impl FnOnce(&mut ContextStore) -> R) -> R {
        work(&mut self.lock().contexts)
    }
}

impl OpenScopes {
    /// Journals which session and view events belong to from now on.
    fn set_scope(&self, recorder: &Recorder, rate: f64) {
        recorder.set_scope(self.session.id, self.views.shown(), rate);
    }
}

/// Whether the user did it.
#[inline]
fn is_interaction<E: Event + ?Sized>(event: &E) -> bool {
    event.action_type() != Some(ActionType::StateMutation)
}

fn record_session(
    recorder: &Recorder,
    change: SessionChange,
    id: Uuid,
    previous: Option<Uuid>,
    sequence: u64,
    reason: &str,
    wall: u64,
) {
    let attributes = [(names::SESSION_SEQUENCE, (sequence as i64).into())];
    let mut session = Session::new(change, id, reason).at(wall).attributes(&attributes);
    session.previous = previous;
    // Also from the worker's thread, after an erasure.
    recorder.record_own(&session, recorder.boot());
}
