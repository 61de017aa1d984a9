//! The action that is collecting: what it causes is attributed to it until things have settled.

use uuid::Uuid;

use super::{ACTION, Count, OpenScopes, Scopes};
use crate::engine::recorder::{Open, Recorder};
use crate::model::event::{Action, ActionType, Span, TraceContext};
use crate::model::limits::{ACTION_MAX, ACTION_QUIET, RAGE_TAPS, RAGE_WINDOW};
use crate::model::names;
use crate::model::names::app_attributes;
use crate::model::time::BootTime;
use crate::model::value::{OwnedAttributes, Value, lend};

#[derive(Debug)]
pub(super) struct ActionScope {
    pub(super) id: Uuid,
    open: Option<Open>,
    action_type: ActionType,
    name: String,
    attributes: OwnedAttributes,
    /// The root of the trace of everything that the action causes.
    pub(super) trace: TraceContext,
    /// Whether somebody has taken a context out of it: then its own span is recorded too.
    pub(super) is_traced: bool,
    started: BootTime,
    started_wall: u64,
    /// When something happened last that it caused.
    last: BootTime,
    /// Resources that have started and not stopped.
    pending: u32,
    counts: [u64; 5],
    mutations: u64,
    is_rage: bool,
}

impl ActionScope {
    fn with_event<R>(&self, is_final: bool, write: impl FnOnce(&Action<'_>) -> R) -> R {
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
            frustrations.push(Value::Text("rage_tap"));
        }
        if errors + crashes > 0 && self.action_type == ActionType::Tap {
            frustrations.push(Value::Text("error_tap"));
        }
        if !frustrations.is_empty() {
            attributes.push((names::ACTION_FRUSTRATION, Value::List(&frustrations)));
        }
        let mut action = Action::new(self.action_type, &self.name)
            .id(self.id)
            .at(self.started_wall)
            .trace(self.trace)
            .attributes(&attributes);
        action.loading_time = is_final.then(|| self.last.since(self.started));
        write(&action)
    }

    /// When it ends if nothing more happens.
    fn end(&self) -> BootTime {
        let longest = self.started.after(ACTION_MAX);
        if self.pending > 0 { longest } else { self.last.after(ACTION_QUIET).min(longest) }
    }
}

impl OpenScopes {
    pub(super) fn close_action(&mut self, scopes: &Scopes, recorder: &Recorder, now: BootTime) {
        let Some(mut action) = self.action.take() else { return };
        scopes.watch(ACTION, false);
        recorder.set_action(None);
        if action.pending > 0 {
            action.last = now.min(action.started.after(ACTION_MAX));
        }
        if let Some(open) = action.open {
            action.with_event(true, |event| recorder.close(open, event));
        }
        if action.is_traced {
            let duration = action.last.since(action.started);
            let span = Span::new(&action.name, action.trace, duration).at(action.started_wall).action_id(action.id);
            recorder.record_own(&span, now);
        }
    }

    /// Closes the action if it has settled. Returns when to look again.
    pub(super) fn close_quiet_action(
        &mut self,
        scopes: &Scopes,
        recorder: &Recorder,
        now: BootTime,
    ) -> Option<BootTime> {
        let end = self.action.as_ref()?.end();
        if end > now {
            return Some(end);
        }
        self.close_action(scopes, recorder, now);
        None
    }
}

impl Scopes {
    /// Begins an action that collects what it causes. The one before it ends.
    pub(crate) fn start_action(&self, recorder: &Recorder, event: &Action<'_>) -> Uuid {
        let now = recorder.boot();
        self.before(recorder, now);
        self.touch(now);
        let mut inner = self.lock();
        inner.close_action(self, recorder, now);
        let id = event.id.unwrap_or_else(|| recorder.new_id());
        let is_rage = event.action_type == ActionType::Tap && inner.is_rage(event.name, now);
        let mut action = ActionScope {
            id,
            open: None,
            action_type: event.action_type,
            name: event.name.to_owned(),
            attributes: app_attributes(event.common.attributes),
            trace: event.common.trace.unwrap_or_else(|| recorder.new_trace()),
            is_traced: false,
            started: now,
            started_wall: recorder.wall(now),
            last: now,
            pending: 0,
            counts: [0; 5],
            mutations: 0,
            is_rage,
        };
        action.open = action.with_event(false, |event| recorder.open(event)).map(|(open, _)| open);
        if action.open.is_some() {
            self.count(Count::Action);
        }
        inner.action = Some(action);
        self.watch(ACTION, true);
        recorder.set_action(Some(id));
        id
    }

    /// Ends the action that is collecting, if it is that one.
    pub(crate) fn stop_action(&self, recorder: &Recorder, id: Uuid) {
        let mut inner = self.lock();
        if inner.action.as_ref().is_some_and(|action| action.id == id) {
            inner.close_action(self, recorder, recorder.boot());
        }
    }

    /// Something happened that the open action caused, unless it names another.
    #[cold]
    pub(super) fn note(&self, count: Count, named: Option<Uuid>, now: BootTime) {
        let mut inner = self.lock();
        let Some(action) = inner.action.as_mut() else { return };
        let is_own = named.is_none_or(|named| named == action.id);
        // One that has settled and that the worker has not closed yet collects no more.
        if is_own && action.end() > now && !matches!(count, Count::Action) {
            action.last = now;
            if let Some(place) = action.counts.get_mut(count as usize) {
                *place += 1;
            }
        }
    }

    /// A resource has started: returns the action that caused it.
    pub(crate) fn resource_started(&self, now: BootTime) -> Option<Uuid> {
        let mut inner = self.lock();
        let action = inner.action.as_mut().filter(|action| action.end() > now)?;
        (action.pending, action.last) = (action.pending + 1, now);
        Some(action.id)
    }

    /// It has stopped.
    pub(crate) fn resource_stopped(&self, action: Option<Uuid>, now: BootTime) {
        let mut inner = self.lock();
        if let Some(open) = inner.action.as_mut().filter(|open| Some(open.id) == action) {
            (open.pending, open.last) = (open.pending.saturating_sub(1), now);
        }
    }
}

impl OpenScopes {
    /// Whether this tap is the third on its target within a second.
    fn is_rage(&mut self, target: &str, now: BootTime) -> bool {
        self.taps.retain(|tap| now.since(tap.0) <= RAGE_WINDOW && tap.1 == target);
        self.taps.push((now, target.to_owned()));
        let is_rage = self.taps.len() >= RAGE_TAPS;
        if is_rage {
            self.taps.clear();
        }
        is_rage
    }

    /// The open action, for a mutation that it causes.
    pub(super) fn acting(&mut self, now: BootTime) -> Option<&mut ActionScope> {
        self.action.as_mut().filter(|action| action.end() > now)
    }
}

impl ActionScope {
    pub(super) fn mutated(&mut self, now: BootTime) {
        self.mutations += 1;
        self.last = now;
    }
}
