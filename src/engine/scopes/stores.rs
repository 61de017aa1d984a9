//! Traced stores: their mutations become actions with a cause.

use super::{Locked, Scopes};
use crate::engine::recorder::{Open, Recorder};
use crate::model::error::Error;
use crate::model::event::{Action, ActionType};
use crate::model::limits::MAX_STORES;
use crate::model::names;
use crate::model::time::{BootTime, nanos};
use crate::model::value::{Attribute, Value, lend};
use crate::policy::state::{
    Captured, Cause, CauseKind, Mutation, PathDecision, Policy, Sink, StateAction, StateCounts, StorePolicy,
    Suppressed, Tracer,
};
use crate::policy::trace::{SpanContext, current};

/// A store's place in [`Stores`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(usize);

/// The stores of a client.
#[derive(Debug, Default)]
pub(super) struct Stores {
    tracers: Vec<Tracer<Open>>,
    /// Version of the policy that was set last, of whichever store.
    version: u64,
}

/// Where a tracer's actions go.
struct RecorderSink<'r> {
    recorder: &'r Recorder,
}

impl RecorderSink<'_> {
    /// Lends a collected action as an event.
    fn with_event<R>(action: &StateAction, visit: impl FnOnce(&Action<'_>) -> R) -> R {
        let mut attributes: Vec<Attribute<'_>> = vec![
            (names::STATE_STORE, (&*action.store).into()),
            (names::STATE_PATH, (&action.path).into()),
            (names::STATE_MUTATION, action.kind.name().into()),
            (names::STATE_CAUSE, action.cause.kind.name().into()),
            (names::MUTATION_COUNT, (action.count as i64).into()),
        ];
        if action.count > 1 {
            attributes.push((names::MUTATION_DURATION, (nanos(action.duration) as i64).into()));
        }
        if action.suppressed > 0 {
            attributes.push((names::STATE_SUPPRESSED, (action.suppressed as i64).into()));
        }
        let keys = [names::STATE_OLD, names::STATE_OLD_TYPE, names::STATE_OLD_LENGTH];
        captured(&mut attributes, action.old.as_ref(), keys);
        let keys = [names::STATE_NEW, names::STATE_NEW_TYPE, names::STATE_NEW_LENGTH];
        captured(&mut attributes, action.new.as_ref(), keys);
        for (key, value) in lend(&action.attributes) {
            // The host's own attributes, but never in place of ours.
            if !attributes.iter().any(|(known, _)| *known == key) {
                attributes.push((key, value));
            }
        }
        let mut event = Action::new(ActionType::StateMutation, &action.name).attributes(&attributes);
        (event.common.trace, event.common.action_id) = (action.cause.trace, action.cause.action);
        visit(&event)
    }
}

/// Adds a value that the policy lets be captured, or else its type; and its length.
fn captured<'a>(attributes: &mut Vec<Attribute<'a>>, value: Option<&'a Captured>, keys: [&'static str; 3]) {
    let (Some(captured), [key, kind, length]) = (value, keys) else { return };
    match &captured.value {
        Some(kept) => attributes.push((key, kept.as_value())),
        None => attributes.push((kind, captured.kind.into())),
    }
    attributes.extend(captured.length.map(|count| (length, Value::Int(count as i64))));
}

impl Sink for RecorderSink<'_> {
    type Handle = Open;

    fn record(&mut self, action: &StateAction) -> bool {
        Self::with_event(action, |event| self.recorder.record_ours(event, self.recorder.boot())).is_some()
    }

    fn open(&mut self, action: &StateAction) -> Option<Open> {
        Self::with_event(action, |event| self.recorder.open(event)).map(|(open, _)| open)
    }

    fn amend(&mut self, handle: &Open, action: &StateAction) {
        Self::with_event(action, |event| self.recorder.amend(*handle, event));
    }

    fn close(&mut self, handle: Open, action: &StateAction) {
        Self::with_event(action, |event| self.recorder.close(handle, event));
    }

    fn discard(&mut self, handle: Open) {
        self.recorder.discard(handle);
    }
}

impl Scopes {
    /// Adds a store. Fails when its policy is unsound or there are [`MAX_STORES`] already.
    pub(crate) fn add_store(&self, name: &str, policy: &StorePolicy) -> Result<StoreId, Error> {
        let secrets = self.recorder.redactor().keys();
        let mut locked = self.lock();
        let stores = &mut locked.open.stores;
        if stores.tracers.len() >= MAX_STORES {
            return Err(Error::config("state.store", format!("is one of more than {MAX_STORES} stores")));
        }
        stores.version += 1;
        stores.tracers.push(Tracer::new(Policy::new(name, stores.version, policy)?.hiding(secrets)));
        Ok(StoreId(stores.tracers.len() - 1))
    }

    /// Replaces a store's policy. Returns the new version.
    pub(crate) fn update_policy(&self, store: StoreId, name: &str, policy: &StorePolicy) -> Result<u64, Error> {
        let mut locked = self.lock();
        let stores = &mut locked.open.stores;
        let version = stores.version + 1;
        let policy = Policy::new(name, version, policy)?.hiding(self.recorder.redactor().keys());
        stores.version = version;
        if let Some(tracer) = stores.tracers.get_mut(store.0) {
            tracer.update(policy);
        }
        Ok(version)
    }

    /// Ends the coalescing windows, so that their actions are sent with what was recorded before.
    pub(crate) fn end_windows(&self) {
        self.lock().close_windows();
    }

    /// Works on a store.
    fn store<R>(&self, store: StoreId, work: impl FnOnce(&mut Tracer<Open>) -> R) -> Option<R> {
        self.lock().open.stores.tracers.get_mut(store.0).map(work)
    }

    /// Decides about a path. Also returns the version of the policy that decided.
    pub(crate) fn decide(&self, store: StoreId, path: &str) -> Option<(PathDecision, u64)> {
        self.store(store, |tracer| (tracer.decide(path), tracer.version()))
    }

    /// A store's books.
    pub(crate) fn state_counts(&self, store: StoreId) -> StateCounts {
        self.store(store, |tracer| tracer.counts()).unwrap_or_default()
    }

    /// Counts mutations that a facade suppressed.
    pub(crate) fn add_suppressed(&self, store: StoreId, reason: Suppressed, count: u64) {
        self.store(store, |tracer| tracer.add_suppressed(reason, count));
    }

    /// Takes mutations in. All of them have one cause: `context` if it is given, else what is
    /// certain on this thread now.
    pub(crate) fn mutate<'a>(
        &self,
        store: StoreId,
        context: Option<&SpanContext>,
        mutations: impl IntoIterator<Item = Mutation<'a>>,
    ) {
        let now = self.recorder.boot();
        self.prepare(now);
        let current = if context.is_some() { None } else { current() };
        let mut locked = self.lock();
        let cause = locked.cause(context.or(current.as_ref()), now);
        for mutation in mutations {
            let Some(tracer) = locked.open.stores.tracers.get_mut(store.0) else { return };
            let before = tracer.counts().recorded;
            tracer.mutate(now, &mutation, cause, &mut RecorderSink { recorder: &self.recorder });
            let is_recorded = tracer.counts().recorded > before;
            let action = locked.collecting_action(now).filter(|action| is_recorded && Some(action.id) == cause.action);
            if let Some(action) = action {
                action.note_mutation(now);
            }
        }
    }
}

impl Locked<'_> {
    /// Ends the coalescing windows whose time is over. Returns when the next one's will be.
    pub(super) fn expire_windows(&mut self, now: BootTime) -> Option<BootTime> {
        let tracers = &mut self.open.stores.tracers;
        for tracer in &mut *tracers {
            tracer.expire(now, &mut RecorderSink { recorder: &self.scopes.recorder });
        }
        tracers.iter().filter_map(Tracer::next_end).min()
    }

    /// Ends every coalescing window.
    pub(super) fn close_windows(&mut self) {
        for tracer in &mut self.open.stores.tracers {
            tracer.close_all(&mut RecorderSink { recorder: &self.scopes.recorder });
        }
    }

    /// What caused a mutation. It is never guessed: it is the context that the mutation runs in,
    /// which may be that of the action itself; without one it is the action that is collecting,
    /// unless an operation that is running, or the answer to a request of something else, could
    /// have been the cause as well.
    fn cause(&mut self, context: Option<&SpanContext>, now: BootTime) -> Cause {
        let has_operations = self.open.operations.len() > 0;
        let is_ambiguous = has_operations || self.open.foreign_effects > now;
        let latest = self.open.latest_action;
        match (context, self.collecting_action(now)) {
            (Some(context), Some(action)) if context.trace == action.trace => action.causes(),
            // The action has not collected any more, for example because its own turn took long.
            (Some(context), None) if latest.is_some_and(|latest| latest.1 == context.trace) => {
                Cause { kind: CauseKind::Action, trace: None, action: latest.map(|latest| latest.0) }
            }
            (Some(context), action) => Cause {
                kind: CauseKind::Operation,
                trace: Some(context.trace),
                action: action.filter(|action| action.trace.trace_id == context.trace.trace_id).map(|action| action.id),
            },
            (None, Some(action)) if !is_ambiguous => action.causes(),
            (None, None) if !has_operations => Cause::default(),
            (None, _) => Cause { kind: CauseKind::Ambiguous, ..Cause::default() },
        }
    }
}
