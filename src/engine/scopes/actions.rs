//! The action that is collecting: what it causes is attributed to it until nothing more happens.

use std::time::Duration;

use uuid::Uuid;

use super::roots::RootSpan;
use super::{ACTION, Count, Counts, Locked, Scopes};
use crate::engine::recorder::{Moment, Open};
use crate::model::event::{Action, ActionType, TraceContext};
use crate::model::limits::{ACTION_MAX, ACTION_QUIET, RAGE_TAPS, RAGE_WINDOW};
use crate::model::names::{self, app_attributes, words};
use crate::model::time::{BootTime, nanos};
use crate::model::value::{OwnedAttributes, Value, lend};
use crate::policy::state::{Cause, CauseKind};
use crate::policy::trace::SpanContext;

/// An action that is collecting, as far as it is known.
#[derive(Debug)]
pub(super) struct ActionScope {
    pub(super) id: Uuid,
    /// Its event in the journal. `None` when the journal did not keep it.
    open: Option<Open>,
    /// When it began: its span belongs to the user and the view of then, as the action does.
    moment: Moment,
    action_type: ActionType,
    name: String,
    attributes: OwnedAttributes,
    /// The root of the trace of everything that the action causes.
    pub(super) trace: TraceContext,
    /// Whether the id of that trace is known to be random.
    random: bool,
    /// Whether something belongs to that trace. Then the action is recorded as its root span, too.
    pub(super) is_traced: bool,
    started: BootTime,
    started_wall: u64,
    /// When the latest thing that it caused happened.
    last: BootTime,
    /// When the latest thing ended that it had caused, maybe after it collected no more.
    effects: BootTime,
    /// Resources that have started and not stopped.
    pending: u32,
    counts: Counts,
    mutations: u64,
    is_rage: bool,
}

impl ActionScope {
    /// Lends the action as an event. Only one that has ended has a loading time.
    fn with_event<R>(&self, loading_time: Option<Duration>, visit: impl FnOnce(&Action<'_>) -> R) -> R {
        let mut attributes = lend(&self.attributes);
        let [_, resources, errors, long_tasks, crashes] = self.counts;
        for (key, count) in [
            (names::ACTION_RESOURCES, resources),
            (names::ACTION_ERRORS, errors + crashes),
            (names::ACTION_LONG_TASKS, long_tasks),
            (names::ACTION_MUTATIONS, self.mutations),
        ] {
            if count > 0 {
                attributes.push((key, Value::Int(count as i64)));
            }
        }
        let mut frustrations = Vec::new();
        if self.is_rage {
            frustrations.push(Value::Text(words::FRUSTRATION_RAGE_TAP));
        }
        if errors + crashes > 0 && self.action_type == ActionType::Tap {
            frustrations.push(Value::Text(words::FRUSTRATION_ERROR_TAP));
        }
        if !frustrations.is_empty() {
            attributes.push((names::ACTION_FRUSTRATION, Value::List(&frustrations)));
        }
        let mut action = Action::new(self.action_type, &self.name)
            .id(self.id)
            .at(self.started_wall)
            .trace(self.trace)
            .attributes(&attributes);
        action.loading_time = loading_time;
        visit(&action)
    }

    /// When it ends if nothing more happens.
    fn end(&self) -> BootTime {
        let longest = self.started.after(ACTION_MAX);
        if self.pending > 0 { longest } else { self.last.after(ACTION_QUIET).min(longest) }
    }

    /// Something happened that it caused. Threads may report in another order than they read the
    /// clock.
    fn happened(&mut self, now: BootTime) {
        self.last = self.last.max(now);
    }

    /// Counts a mutation that it caused.
    pub(super) fn note_mutation(&mut self, now: BootTime) {
        self.mutations += 1;
        self.happened(now);
    }

    /// Says that it causes a mutation.
    pub(super) fn causes(&mut self) -> Cause {
        self.is_traced = true;
        Cause { kind: CauseKind::Action, trace: Some(self.trace), action: Some(self.id) }
    }

    /// The context of its span.
    pub(super) fn context(&self) -> SpanContext {
        SpanContext { random: self.random, ..SpanContext::new(self.trace) }
    }

    /// The wall time of something that begins now, by the clock of its own beginning: a clock that
    /// is set meanwhile must not move what it causes out of it. `None` for what began before it.
    pub(super) fn wall(&self, now: BootTime) -> Option<u64> {
        (now >= self.started).then(|| self.started_wall.saturating_add(nanos(now.since(self.started))))
    }
}

impl Scopes {
    /// Begins an action that collects what it causes. The one before it ends.
    pub(crate) fn start_action(&self, event: &Action<'_>) -> Uuid {
        let now = self.recorder.boot();
        self.prepare(now);
        self.touch(now);
        let mut locked = self.lock();
        locked.close_action(now);
        locked.open_action(event, now)
    }

    /// Ends the action that is collecting, if it is that one.
    pub(crate) fn stop_action(&self, id: Uuid) {
        let mut locked = self.lock();
        if locked.open.action.as_ref().is_some_and(|action| action.id == id) {
            locked.close_action(self.recorder.boot());
        }
    }

    /// The context of the action that is collecting.
    pub(crate) fn action_context(&self, now: BootTime) -> Option<SpanContext> {
        self.lock().collecting_action(now).map(|action| action.context())
    }

    /// Attributes an event to the action that is collecting, unless the event names another one.
    #[cold]
    pub(super) fn note_for_action(&self, count: Count, named: Option<Uuid>, now: BootTime) {
        let mut locked = self.lock();
        // An action whose time is over collects no more, even if the worker has not closed it yet.
        let Some(action) = locked.collecting_action(now) else { return };
        let is_own = named.is_none_or(|named| named == action.id);
        if is_own && !matches!(count, Count::Action) {
            action.happened(now);
            if let Some(place) = action.counts.get_mut(count as usize) {
                *place += 1;
            }
        }
    }

    /// A resource has started that `action` caused. While the action is collecting, it waits for
    /// the resource's end.
    pub(crate) fn resource_started(&self, action: Option<Uuid>, now: BootTime) {
        let mut locked = self.lock();
        if let Some(collecting) = locked.collecting_action(now).filter(|open| Some(open.id) == action) {
            collecting.pending += 1;
            collecting.happened(now);
        }
    }

    /// A resource has stopped that `action` caused. What it leads to in the app belongs to the
    /// action that is collecting now only if that is the same one.
    pub(crate) fn resource_stopped(&self, action: Option<Uuid>, now: BootTime) {
        let mut locked = self.lock();
        match locked.open.action.as_mut().filter(|open| Some(open.id) == action && open.pending > 0) {
            Some(open) => {
                open.pending = open.pending.saturating_sub(1);
                open.happened(now);
            }
            None => locked.open.foreign_effects = now.after(ACTION_QUIET),
        }
    }

    /// A span has ended that `action` caused.
    pub(crate) fn span_ended(&self, action: Option<Uuid>, now: BootTime) {
        if let Some(action) = action {
            self.lock().note_effect(action, now);
        }
    }
}

impl Locked<'_> {
    fn open_action(&mut self, event: &Action<'_>, now: BootTime) -> Uuid {
        let (scopes, recorder) = (self.scopes, &self.scopes.recorder);
        let id = event.id.unwrap_or_else(|| recorder.new_id());
        let is_rage = event.action_type == ActionType::Tap && self.is_rage(event.name, now);
        let root = event.common.trace.map_or_else(|| recorder.new_root(), SpanContext::new);
        let mut action = ActionScope {
            id,
            open: None,
            moment: recorder.moment(),
            action_type: event.action_type,
            name: event.name.to_owned(),
            attributes: app_attributes(event.common.attributes),
            trace: root.trace,
            random: root.random,
            is_traced: false,
            started: now,
            started_wall: recorder.wall(now),
            last: now,
            effects: now,
            pending: 0,
            counts: Counts::default(),
            mutations: 0,
            is_rage,
        };
        action.open = action.with_event(None, |event| recorder.open(event)).map(|(open, _)| open);
        if action.open.is_some() {
            scopes.count(Count::Action);
        }
        self.open.latest_action = Some((id, action.trace));
        self.open.action = Some(action);
        scopes.watch_for(ACTION);
        recorder.set_action(Some(id));
        id
    }

    /// Ends the action that is collecting, if there is one.
    pub(super) fn close_action(&mut self, now: BootTime) {
        let (scopes, recorder) = (self.scopes, &self.scopes.recorder);
        let Some(mut action) = self.open.action.take() else { return };
        scopes.stop_watching_for(ACTION);
        recorder.set_action(None);
        if action.pending > 0 {
            action.happened(now.min(action.started.after(ACTION_MAX)));
        }
        let duration = action.last.since(action.started);
        if let Some(open) = action.open {
            action.with_event(Some(duration), |event| recorder.close(open, event));
        }
        if action.is_traced {
            let ActionScope { id, name, trace, moment, started, started_wall, last, effects, .. } = action;
            let last = last.max(effects);
            self.record_root(RootSpan { action: id, name, trace, moment, started, started_wall, last }, now);
        }
    }

    /// Something has ended that `action` caused. While the action is collecting, it goes on; its
    /// span covers it in any case.
    pub(super) fn note_effect(&mut self, action: Uuid, now: BootTime) {
        let Some(open) = self.open.action.as_mut().filter(|open| open.id == action) else { return };
        open.effects = open.effects.max(now);
        if open.end() > now {
            open.happened(now);
        }
    }

    /// Ends the action if its time is over. Returns when that will be.
    pub(super) fn close_quiet_action(&mut self, now: BootTime) -> Option<BootTime> {
        let end = self.open.action.as_ref()?.end();
        if end > now {
            return Some(end);
        }
        self.close_action(now);
        None
    }

    /// The action that collects what happens now.
    pub(super) fn collecting_action(&mut self, now: BootTime) -> Option<&mut ActionScope> {
        self.open.action.as_mut().filter(|action| action.end() > now)
    }

    /// Whether this tap is the third on its target within a second.
    fn is_rage(&mut self, target: &str, now: BootTime) -> bool {
        let taps = &mut self.open.taps;
        taps.retain(|tap| now.since(tap.0) <= RAGE_WINDOW && tap.1 == target);
        taps.push((now, target.to_owned()));
        let is_rage = taps.len() >= RAGE_TAPS;
        if is_rage {
            taps.clear();
        }
        is_rage
    }
}
