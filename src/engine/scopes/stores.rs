//! Traced stores: their mutations become actions with a cause.

use uuid::Uuid;

use super::Scopes;
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

/// A store's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(usize);

/// The stores of a client.
#[derive(Debug, Default)]
pub(super) struct Stores {
    stores: Vec<Tracer<Open>>,
    version: u64,
}

impl Stores {
    /// Closes windows whose time is over. Returns when to look again.
    pub(super) fn expire(&mut self, recorder: &Recorder, now: BootTime) -> Option<BootTime> {
        for store in &mut self.stores {
            store.expire(now, &mut RecorderSink { recorder });
        }
        self.stores.iter().filter_map(Tracer::next_end).min()
    }

    pub(super) fn close_all(&mut self, recorder: &Recorder) {
        for store in &mut self.stores {
            store.close_all(&mut RecorderSink { recorder });
        }
    }
}

/// Writes drafts to the journal.
struct RecorderSink<'r> {
    recorder: &'r Recorder,
}

impl RecorderSink<'_> {
    fn with_event<R>(draft: &StateAction, visit: impl FnOnce(&Action<'_>) -> R) -> R {
        let mut attributes: Vec<Attribute<'_>> = vec![
            (names::STATE_STORE, (&*draft.store).into()),
            (names::STATE_PATH, (&draft.path).into()),
            (names::STATE_MUTATION, draft.kind.name().into()),
            (names::STATE_CAUSE, draft.cause.kind.name().into()),
            (names::MUTATION_COUNT, (draft.count as i64).into()),
        ];
        if draft.count > 1 {
            attributes.push((names::MUTATION_DURATION, (nanos(draft.duration) as i64).into()));
        }
        if draft.suppressed > 0 {
            attributes.push((names::STATE_SUPPRESSED, (draft.suppressed as i64).into()));
        }
        let keys = [names::STATE_OLD, names::STATE_OLD_TYPE, names::STATE_OLD_LENGTH];
        captured(&mut attributes, draft.old.as_ref(), keys);
        let keys = [names::STATE_NEW, names::STATE_NEW_TYPE, names::STATE_NEW_LENGTH];
        captured(&mut attributes, draft.new.as_ref(), keys);
        for (key, value) in lend(&draft.attributes) {
            // The host's own, beside ours.
            if !attributes.iter().any(|(known, _)| *known == key) {
                attributes.push((key, value));
            }
        }
        let mut action = Action::new(ActionType::StateMutation, &draft.name).attributes(&attributes);
        (action.common.trace, action.common.action_id) = (draft.cause.trace, draft.cause.action);
        visit(&action)
    }
}

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

    fn record(&mut self, draft: &StateAction) -> bool {
        Self::with_event(draft, |action| self.recorder.record_ours(action, self.recorder.boot())).is_some()
    }

    fn open(&mut self, draft: &StateAction) -> Option<Open> {
        Self::with_event(draft, |action| self.recorder.open(action)).map(|(open, _)| open)
    }

    fn amend(&mut self, handle: &Open, draft: &StateAction) {
        Self::with_event(draft, |action| self.recorder.amend(*handle, action));
    }

    fn close(&mut self, handle: Open, draft: &StateAction) {
        Self::with_event(draft, |action| self.recorder.close(handle, action));
    }

    fn discard(&mut self, handle: Open) {
        self.recorder.discard(handle);
    }
}

impl Scopes {
    /// Adds a store.
    pub(crate) fn add_store(&self, name: &str, policy: &StorePolicy) -> Result<StoreId, Error> {
        let mut inner = self.lock();
        let stores = &mut inner.stores;
        if stores.stores.len() >= MAX_STORES {
            return Err(Error::config("state.store", "is one of more than 256 stores"));
        }
        stores.version += 1;
        stores.stores.push(Tracer::new(Policy::new(name, stores.version, policy)?));
        Ok(StoreId(stores.stores.len() - 1))
    }

    /// Replaces a store's policy. Returns the new version.
    pub(crate) fn update_policy(&self, store: StoreId, name: &str, policy: &StorePolicy) -> Result<u64, Error> {
        let mut inner = self.lock();
        let version = inner.stores.version + 1;
        let policy = Policy::new(name, version, policy)?;
        inner.stores.version = version;
        if let Some(tracer) = inner.stores.stores.get_mut(store.0) {
            tracer.update(policy);
        }
        Ok(version)
    }

    /// Ends the coalescing windows, whose actions are sent then: somebody wants to have what was recorded.
    pub(crate) fn end_windows(&self, recorder: &Recorder) {
        self.lock().stores.close_all(recorder);
    }

    /// Works on a store.
    fn store<R>(&self, store: StoreId, work: impl FnOnce(&mut Tracer<Open>) -> R) -> Option<R> {
        self.lock().stores.stores.get_mut(store.0).map(work)
    }

    /// Decides about a path; with the version of the policy that did.
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

    /// Takes mutations in, all with one cause: that of `context` if there is one, else what is certain now.
    pub(crate) fn mutate<'a>(
        &self,
        recorder: &Recorder,
        store: StoreId,
        context: Option<&SpanContext>,
        mutations: impl IntoIterator<Item = Mutation<'a>>,
    ) {
        let now = recorder.boot();
        self.before(recorder, now);
        let current = if context.is_some() { None } else { current() };
        let mut inner = self.lock();
        let cause = inner.cause(context.or(current.as_ref()), now);
        for mutation in mutations {
            let Some(tracer) = inner.stores.stores.get_mut(store.0) else { return };
            let before = tracer.counts().recorded;
            tracer.mutate(now, &mutation, cause, &mut RecorderSink { recorder });
            let is_recorded = tracer.counts().recorded > before;
            let action = inner.acting(now).filter(|action| is_recorded && Some(action.id) == cause.action);
            if let Some(action) = action {
                action.mutated(now);
            }
        }
    }
}

impl super::OpenScopes {
    /// What caused a mutation, never guessed: the context that it runs in; else the open action, if no operation runs that
    /// could have been it.
    fn cause(&mut self, context: Option<&SpanContext>, now: BootTime) -> Cause {
        let operations = self.operations.len();
        let action: Option<(Uuid, _)> = self.acting(now).map(|action| (action.id, action.trace));
        match (context, action) {
            (Some(context), action) => Cause {
                kind: CauseKind::Operation,
                trace: Some(context.trace),
                action: action.filter(|action| action.1.trace_id == context.trace.trace_id).map(|action| action.0),
            },
            (None, _) if operations > 0 => Cause { kind: CauseKind::Ambiguous, ..Cause::default() },
            (None, Some((id, trace))) => {
                if let Some(action) = self.acting(now) {
                    action.is_traced = true;
                }
                Cause { kind: CauseKind::Action, trace: Some(trace), action: Some(id) }
            }
            (None, None) => Cause::default(),
        }
    }
}
