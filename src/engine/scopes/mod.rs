//! What is open while events are recorded: the session, the views, the action, the traced stores,
//! the operations and the metrics.
//!
//! The decisions themselves are made in `policy`; here they meet the clock and the [`Recorder`],
//! which the scopes own. Everything an app records passes through [`Scopes::record`] or through a
//! method that opens, amends or closes one of these scopes.
//!
//! Callers' threads and the worker share one lock. [`Locked`] is that lock while it is held, and
//! only its methods change what is open. It is held for a few short appends to the journal and
//! never during I/O. Recording an event takes the lock only when the session has ended, when the
//! event begins a synthetic view, or while an action is collecting.

mod actions;
mod metering;
mod operations;
mod roots;
mod session_changes;
mod sessions;
mod stores;
mod views;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::engine::recorder::{Moment, Recorder};
use crate::model::config::{Config, TailSampling};
use crate::model::event::{ActionType, ErrorEvent, ErrorKind, Event, EventKind, Lane, TraceContext};
use crate::model::names::{self, app_attributes};
use crate::model::time::BootTime;
use crate::model::value::lend;
use crate::policy::repeats::Repeats;
use crate::policy::session::SessionState;
use crate::policy::trace::{ContextStore, current_trace};
use crate::storage::crash::Fatal;
use actions::ActionScope;
use metering::Metering;
use operations::Operations;
use roots::Waiting;
use session_changes::SessionChanges;
use sessions::Saved;
use stores::Stores;
use views::Views;

pub(crate) use operations::{Beginning, Change, Ended, Outcome, SpanData};
pub(crate) use stores::StoreId;

/// Flag of [`Scopes::watch`]: an action is collecting what it causes.
const ACTION: u64 = 1;
/// Flag of [`Scopes::watch`]: the next event opens a synthetic view.
const SYNTHETIC: u64 = 2;

/// What is counted on a view and for an action; the value is the place in the array of counters.
#[derive(Debug, Clone, Copy)]
enum Count {
    Action = 0,
    Resource = 1,
    Error = 2,
    LongTask = 3,
    Crash = 4,
}

/// Counters by [`Count`].
type Counts = [u64; 5];

/// The scopes of a client, and the recorder that writes them down.
#[derive(Debug)]
pub(crate) struct Scopes {
    recorder: Recorder,
    /// Boot time at which the session may be over and has to be looked at.
    deadline: AtomicU64,
    /// Boot time at which the user was last active.
    last_active: AtomicU64,
    /// Boot time at which a language said that the process dies in this session. 0: it did not.
    crashed: AtomicU64,
    /// Which scopes have to see every event: [`ACTION`], [`SYNTHETIC`].
    watch: AtomicU64,
    /// Events of the view that is shown, by [`Count`], since its last snapshot.
    counts: [AtomicU64; 5],
    /// Share of sessions that are kept, as the bits of an `f64`.
    session_rate: AtomicU64,
    /// Which events make a session that is kept aside worth sending. `None`: nothing is kept aside.
    tail_sampling: Mutex<Option<TailSampling>>,
    /// Whether the start and end of a session are recorded as events.
    events: bool,
    /// Whether events that occur while no view is shown get a synthetic one.
    synthetic: bool,
    open: Mutex<OpenScopes>,
    metering: Metering,
    repeats: Mutex<Repeats>,
}

/// What is open, behind the lock of [`Scopes`].
#[derive(Debug)]
struct OpenScopes {
    session: SessionState,
    views: Views,
    action: Option<ActionScope>,
    /// The id and the trace of the action that has begun last, also after it has ended.
    latest_action: Option<(Uuid, TraceContext)>,
    /// Until when a request that the action has not caused may still have effects.
    foreign_effects: BootTime,
    /// The latest taps on one target, which may become a rage tap.
    taps: Vec<(BootTime, String)>,
    stores: Stores,
    operations: Operations,
    /// Spans of actions that have ended before their operations.
    roots: Vec<Waiting>,
    contexts: ContextStore,
    saved: Saved,
    changes: SessionChanges,
}

/// The scopes while their lock is held.
struct Locked<'s> {
    scopes: &'s Scopes,
    open: MutexGuard<'s, OpenScopes>,
}

impl Scopes {
    /// The scopes of a session in which nothing else is open yet.
    fn new(recorder: Recorder, config: &Config, rate: f64, session: SessionState, now: BootTime) -> Self {
        let wall = recorder.wall(now);
        Self {
            recorder,
            deadline: AtomicU64::new(session.deadline(now).0),
            last_active: AtomicU64::new(now.0),
            crashed: AtomicU64::new(0),
            watch: AtomicU64::new(0),
            counts: Default::default(),
            session_rate: AtomicU64::new(rate.to_bits()),
            tail_sampling: Mutex::new(config.tail_sampling),
            events: config.session_events,
            synthetic: config.synthetic_views,
            open: Mutex::new(OpenScopes {
                session,
                views: Views::default(),
                action: None,
                latest_action: None,
                foreign_effects: BootTime::default(),
                taps: Vec::new(),
                stores: Stores::default(),
                operations: Operations::default(),
                roots: Vec::new(),
                contexts: ContextStore::default(),
                saved: Saved::nothing(),
                changes: SessionChanges::default(),
            }),
            metering: Metering::since(now, wall),
            repeats: Mutex::default(),
        }
    }

    /// Records an event of the app's, on behalf of everything that is open: a session that is over
    /// is replaced first, a synthetic view is opened, an interaction keeps the session alive, and
    /// the event is counted on the view and for the action that is collecting.
    ///
    /// Returns the event's id, or `None` when the event was not kept; that has been counted. Never
    /// called on a thread of ours or in a forked child: what is opened here would be lost there.
    #[inline]
    pub(crate) fn record<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        let now = self.recorder.boot();
        self.prepare(now);
        // Whether or not the event is kept: an unsampled session lasts as long as any other.
        if event.kind() == EventKind::Action && is_interaction(event) {
            self.touch(now);
        }
        match event.as_error() {
            Some(error) if error.error_kind == ErrorKind::Handled => return self.record_error(error, None, now),
            Some(error) if error.error_kind == ErrorKind::Crash => return self.record_fatal(error, now),
            _ => {}
        }
        let id = self.recorder.record_checked(event, now)?;
        self.count_in(event, now, true);
        Some(id)
    }

    /// Records a handled error, unless there were too many like it. The view counts it in any case,
    /// and the next one that is recorded says how many were left out. `fatal` is what the process
    /// dies of, if this error is another sign of that.
    fn record_error(&self, error: &ErrorEvent<'_>, fatal: Option<Fatal>, now: BootTime) -> Option<Uuid> {
        let repeats = || self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = error.fingerprint();
        let Some(left_out) = repeats().admit(fingerprint, now) else {
            self.count(Count::Error);
            return None;
        };
        let id = if left_out == 0 && fatal.is_none() {
            self.recorder.record_checked(error, now)
        } else {
            let (owned, fatal) = (app_attributes(error.common.attributes), fatal.map(|fatal| fatal.id.to_string()));
            let mut attributes = Vec::with_capacity(owned.len() + 2);
            attributes.extend((left_out > 0).then(|| (names::ERROR_REPEATS, (left_out as i64).into())));
            attributes.extend(fatal.as_deref().map(|fatal| (names::ERROR_FATAL_ID, fatal.into())));
            attributes.extend(lend(&owned));
            let id = self.recorder.record_own(&error.attributes(&attributes), now);
            if id.is_none() && left_out > 0 {
                repeats().give_back(fingerprint, left_out);
            }
            id
        };
        if id.is_some() {
            self.count_in(error, now, true);
        }
        id
    }

    /// Records the error of a language of which the process dies. A death has one report: what
    /// another language, or the signal that follows, says of the same death is no crash of its own.
    fn record_fatal(&self, error: &ErrorEvent<'_>, now: BootTime) -> Option<Uuid> {
        let crash = self.recorder.crash();
        if let Some(fatal) = crash.dying_of(now) {
            return self.record_error(&ErrorEvent { error_kind: ErrorKind::Handled, ..*error }, Some(fatal), now);
        }
        let id = self.record_of_operation(error, now)?;
        let wall = self.recorder.wall(now);
        crash.note(|state| state.fatal = Some(Fatal { id, at: now, wall, session: state.session }));
        self.count_in(error, now, true);
        self.note_crash(now);
        Some(id)
    }

    /// Records a fatal error as part of the operation that is running, as the crash by a signal is:
    /// if it is one, and nothing says that the error belongs to another trace.
    fn record_of_operation(&self, error: &ErrorEvent<'_>, now: BootTime) -> Option<Uuid> {
        let known = error.common.trace.or_else(current_trace);
        let running = self.recorder.crash().operation();
        let is_part = |operation: &TraceContext| known.is_none_or(|known| known.trace_id == operation.trace_id);
        let Some((operation, name)) = running.filter(|(operation, _)| is_part(operation)) else {
            return self.recorder.record_checked(error, now);
        };
        let owned = app_attributes(error.common.attributes);
        let mut attributes = vec![(names::OPERATION_NAME, name.as_str().into())];
        attributes.extend(lend(&owned));
        let mut error = error.attributes(&attributes);
        error.common.trace = known.or(Some(operation));
        self.recorder.record_own(&error, now)
    }

    /// As [`Scopes::record`], for an event that began at this moment: it belongs to the user and
    /// the view of its beginning.
    pub(crate) fn record_begun<E: Event>(&self, event: &E, moment: &Moment) -> Option<Uuid> {
        let now = self.recorder.boot();
        self.prepare(now);
        let id = self.recorder.record_begun(event, now, moment)?;
        self.count_in(event, now, event.common().action_id.is_some());
        Some(id)
    }

    /// As [`Scopes::record`], for an event whose attributes have keys of ours.
    pub(crate) fn record_ours<E: Event>(&self, event: &E) -> Option<Uuid> {
        let now = self.recorder.boot();
        self.prepare(now);
        let id = self.recorder.record_own(event, now)?;
        self.count_in(event, now, true);
        Some(id)
    }

    /// Records a hang that the app has survived: it belongs to the view of its beginning.
    pub(crate) fn record_hang(&self, hang: &ErrorEvent<'_>, moment: &Moment) {
        let now = self.recorder.boot();
        if self.recorder.record_own_begun(hang, now, moment).is_some() {
            self.count_in(hang, now, true);
        }
    }

    /// Something begins that is recorded when it ends: the moment that it belongs to.
    pub(crate) fn begin(&self, now: BootTime) -> Moment {
        self.prepare(now);
        self.recorder.moment()
    }

    /// The recorder, for its owner's reports about itself and for the journal's drain.
    #[inline]
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn lock(&self) -> Locked<'_> {
        Locked { scopes: self, open: self.open.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Before anything is recorded: begins another session if this one is over, and opens the
    /// synthetic view if one waits.
    #[inline]
    fn prepare(&self, now: BootTime) {
        self.renew_if_over(now);
        if self.watch.load(Ordering::Relaxed) & SYNTHETIC != 0 {
            self.open_synthetic_view(now);
        }
    }

    /// Begins another session if this one is over.
    #[inline]
    fn renew_if_over(&self, now: BootTime) {
        if now.0 >= self.deadline.load(Ordering::Relaxed) {
            self.look_at_session(now);
        }
    }

    /// After an event was recorded: counts it on the view and, unless no action has caused it, for
    /// the action that is collecting, and keeps the session if the event is reason enough.
    #[inline]
    fn count_in<E: Event + ?Sized>(&self, event: &E, now: BootTime, may_be_caused: bool) {
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
            self.keep_session_if(|rule| rule.on_error || matches!(count, Count::Crash));
        }
        if may_be_caused && self.watch.load(Ordering::Relaxed) & ACTION != 0 {
            let named = match self.recorder.then() {
                Some(then) if then.action.is_none() => return,
                Some(then) => then.action,
                None => event.common().action_id,
            };
            self.note_for_action(count, named, now);
        }
    }

    /// Counts something on the view that is shown. A view that has ended counts nothing any more.
    fn count(&self, count: Count) {
        if self.recorder.then().is_some_and(|then| !then.is_of_shown_view) {
            return;
        }
        if let Some(counter) = self.counts.get(count as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes every event look at a scope from now on: [`ACTION`] or [`SYNTHETIC`].
    fn watch_for(&self, flag: u64) {
        self.watch.fetch_or(flag, Ordering::Relaxed);
    }

    fn stop_watching_for(&self, flag: u64) {
        self.watch.fetch_and(!flag, Ordering::Relaxed);
    }

    /// What the worker does while it ticks: closes and amends what is due. Returns when to look
    /// again; `None` when nothing is waiting for a time.
    pub(crate) fn tick(&self, now: BootTime) -> Option<BootTime> {
        let metrics = self.collect_due_metrics(now);
        let mut locked = self.lock();
        let action = locked.close_quiet_action(now);
        let views = locked.amend_view(now);
        let stores = locked.expire_windows(now);
        let operations = locked.expire_operations(now);
        [action, views, stores, operations, metrics].into_iter().flatten().min()
    }

    /// Ends what would end by itself after a while: coalescing windows and the action.
    #[cfg(feature = "testing")]
    pub(crate) fn finish_collecting(&self) {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        locked.close_windows();
        locked.close_action(now);
    }

    /// Closes everything because the client shuts down. The session itself goes on: the next
    /// process decides whether it is over.
    pub(crate) fn close(&self) {
        let now = self.recorder.boot();
        self.collect_metrics();
        let mut locked = self.lock();
        locked.close_windows();
        locked.close_action(now);
        locked.abandon_operations(now);
        locked.close_views(now);
        locked.write_scope();
        locked.open.saved.note_shutdown();
    }

    /// Journals once more which session and view events belong to: the database may have lost it.
    pub(crate) fn repeat_scope(&self) {
        self.lock().write_scope();
    }

    /// Works on the contexts that wait for a later message.
    pub(crate) fn contexts<R>(&self, work: impl FnOnce(&mut ContextStore) -> R) -> R {
        work(&mut self.lock().open.contexts)
    }
}

impl Locked<'_> {
    /// Journals which session and view events belong to from now on.
    fn write_scope(&self) {
        self.scopes.recorder.set_scope(self.open.session.id, self.open.views.shown(), self.scopes.session_rate());
    }
}

/// Whether the user did it, rather than the app's own state changing.
#[inline]
fn is_interaction<E: Event + ?Sized>(event: &E) -> bool {
    event.action_type() != Some(ActionType::StateMutation)
}
