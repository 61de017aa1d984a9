//! One traced store at work: coalescing windows, reverts, the budget, and books that balance.
//!
//! `mutations = Σ mutation.count + suppressed + dropped`: every mutation is counted in exactly one of the three.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::policy::{PathDecision, Policy, Suppressed};
use super::value::{Captured, capture, digest};
use crate::model::event::TraceContext;
use crate::model::limits::MAX_WINDOWS;
use crate::model::time::BootTime;
use crate::model::value::{Attribute, OwnedAttributes, Value, to_owned};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutationKind {
    /// A value was set.
    Set,
    /// A key or element was added.
    Insert,
    /// A key or element was removed.
    Delete,
    /// A whole container was replaced.
    Replace,
    /// An array method changed several elements: `sort`, `splice`. One mutation.
    Batch,
}

impl MutationKind {
    /// The name in attributes.
    pub fn name(self) -> &'static str {
        match self {
            MutationKind::Set => "set",
            MutationKind::Insert => "insert",
            MutationKind::Delete => "delete",
            MutationKind::Replace => "replace",
            MutationKind::Batch => "batch",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        use MutationKind::{Batch, Delete, Insert, Replace, Set};
        [Set, Insert, Delete, Replace, Batch].into_iter().find(|kind| kind.name() == name)
    }
}

/// A mutation as a host hands it in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutation<'a> {
    /// Where: `items[3].price`.
    pub path: &'a str,
    /// What.
    pub kind: MutationKind,
    /// The value before, if the host knows it.
    pub old: Option<Value<'a>>,
    /// The value after, if there is one.
    pub new: Option<Value<'a>>,
    /// What the host says of the store at that moment. Of several mutations that are one action the latest counts.
    pub attributes: &'a [Attribute<'a>],
}

impl<'a> Mutation<'a> {
    /// A value that was set.
    pub fn set(path: &'a str, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) -> Self {
        Self { path, kind: MutationKind::Set, old: Some(old.into()), new: Some(new.into()), attributes: &[] }
    }

    /// The same with what the host says of the store at that moment.
    #[must_use]
    pub fn attributes(self, attributes: &'a [Attribute<'a>]) -> Self {
        Self { attributes, ..self }
    }
}

/// Why a mutation happened, as far as it is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CauseKind {
    /// Nothing is known.
    #[default]
    None,
    /// The user action that was open.
    Action,
    /// The operation that was running.
    Operation,
    /// Several could have been it: none is named.
    Ambiguous,
}

impl CauseKind {
    /// The value of `state.cause`.
    pub fn name(self) -> &'static str {
        match self {
            CauseKind::None => "none",
            CauseKind::Action => "action",
            CauseKind::Operation => "operation",
            CauseKind::Ambiguous => "ambiguous",
        }
    }
}

/// A cause with what refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// Which kind.
    pub kind: CauseKind,
    /// The span that the mutation belongs to.
    pub trace: Option<TraceContext>,
    /// The user action.
    pub action: Option<Uuid>,
}

/// An action in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct StateAction {
    /// Its name.
    pub name: Arc<str>,
    /// The store's name.
    pub store: Arc<str>,
    /// The full path of the last mutation.
    pub path: String,
    /// What the last mutation was.
    pub kind: MutationKind,
    /// Why.
    pub cause: Cause,
    /// Mutations that it stands for.
    pub count: u64,
    /// From the first to the last of them.
    pub duration: Duration,
    /// The value before the first.
    pub old: Option<Captured>,
    /// The value after the last.
    pub new: Option<Captured>,
    /// Mutations of the store that were suppressed since its last action.
    pub suppressed: u64,
    /// What the host said of the store at the last mutation.
    pub attributes: OwnedAttributes,
}

/// Where actions go.
pub trait Sink {
    /// An action that is not final.
    type Handle;
    /// Records a final action. False when it was not kept.
    fn record(&mut self, draft: &StateAction) -> bool;
    /// Records an action that is not final. `None` when it was not kept.
    fn open(&mut self, draft: &StateAction) -> Option<Self::Handle>;
    /// Replaces what is known of it.
    fn amend(&mut self, handle: &Self::Handle, draft: &StateAction);
    /// Makes it final.
    fn close(&mut self, handle: Self::Handle, draft: &StateAction);
    /// Takes it back: it was reverted.
    fn discard(&mut self, handle: Self::Handle);
}

/// The store's books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Mutations that were seen.
    pub mutations: u64,
    /// Mutations that actions stand for: the sum of their `mutation.count`.
    pub recorded: u64,
    /// Actions.
    pub actions: u64,
    /// Mutations whose action was not kept: sampled out, or a full journal. The ledger has the reasons.
    pub dropped: u64,
    /// Recorded mutations whose cause was ambiguous.
    pub ambiguous: u64,
    suppressed: [u64; Suppressed::ALL.len()],
}

impl StateCounts {
    /// Mutations that were suppressed for one reason.
    pub fn suppressed(&self, reason: Suppressed) -> u64 {
        self.suppressed.get(reason as usize).copied().unwrap_or(0)
    }

    /// Mutations that were suppressed.
    pub fn all_suppressed(&self) -> u64 {
        self.suppressed.iter().sum()
    }

    /// Whether every mutation is accounted for.
    pub fn balanced(&self) -> bool {
        self.mutations == self.recorded + self.all_suppressed() + self.dropped
    }

    fn suppress(&mut self, reason: Suppressed, count: u64) {
        if let Some(place) = self.suppressed.get_mut(reason as usize) {
            *place += count;
        }
    }
}

#[derive(Debug)]
struct Window<H> {
    handle: H,
    draft: StateAction,
    opened: BootTime,
    until: BootTime,
    first: Option<u64>,
}

/// A traced store.
#[derive(Debug)]
pub struct Tracer<H> {
    policy: Policy,
    store: Arc<str>,
    windows: Vec<Window<H>>,
    second: BootTime,
    spent: u32,
    counts: StateCounts,
    unreported: u64,
}

impl<H> Tracer<H> {
    /// A store with a compiled policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            store: policy.store().into(),
            policy,
            windows: Vec::new(),
            second: BootTime::default(),
            spent: 0,
            counts: StateCounts::default(),
            unreported: 0,
        }
    }

    /// Decides about a path.
    pub fn decide(&mut self, path: &str) -> PathDecision {
        self.policy.decide(path)
    }

    /// Another policy from now on. Windows that are open keep what they have.
    pub fn update(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The policy's version.
    pub fn version(&self) -> u64 {
        self.policy.version()
    }

    /// The store's books.
    pub fn counts(&self) -> StateCounts {
        self.counts
    }

    /// Adds mutations that a facade suppressed by itself.
    pub fn add_suppressed(&mut self, reason: Suppressed, count: u64) {
        self.counts.mutations += count;
        self.suppress(reason, count);
    }

    fn suppress(&mut self, reason: Suppressed, count: u64) {
        self.counts.suppress(reason, count);
        self.unreported += count;
    }

    /// Takes a mutation in.
    pub fn mutate(&mut self, now: BootTime, mutation: &Mutation<'_>, cause: Cause, sink: &mut impl Sink<Handle = H>) {
        self.expire(now, sink);
        self.counts.mutations += 1;
        let (name, how) = match self.policy.decide(mutation.path) {
            PathDecision::Record { name, capture } => (name, capture),
            PathDecision::Ignore(reason) => return self.suppress(reason, 1),
        };
        let digests = |value: &Option<Value<'_>>| value.as_ref().and_then(digest);
        let (old, new) = (digests(&mutation.old), digests(&mutation.new));
        if old.is_some() && old == new {
            return self.suppress(Suppressed::Unchanged, 1);
        }
        let seen = |value: &Option<Value<'_>>| value.as_ref().and_then(|value| capture(value, how));
        let is_same = |window: &Window<H>| window.draft.path == mutation.path && window.draft.cause == cause;
        if let Some(at) = self.windows.iter().position(is_same) {
            return self.join(at, now, mutation, seen(&mutation.new), new, sink);
        }
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.spent) = (now, 0);
        }
        if self.spent >= self.policy.budget {
            return self.suppress(Suppressed::Budget, 1);
        }
        self.spent += 1;
        let draft = StateAction {
            name,
            store: Arc::clone(&self.store),
            path: mutation.path.to_owned(),
            kind: mutation.kind,
            cause,
            count: 1,
            duration: Duration::ZERO,
            old: seen(&mutation.old),
            new: seen(&mutation.new),
            suppressed: self.unreported,
            attributes: to_owned(mutation.attributes),
        };
        let window = self.policy.coalesce.max(self.policy.revert);
        let kept = if window.is_zero() {
            sink.record(&draft)
        } else {
            if self.windows.len() >= MAX_WINDOWS {
                let oldest = self.windows.remove(0);
                sink.close(oldest.handle, &oldest.draft);
            }
            let handle = sink.open(&draft);
            let kept = handle.is_some();
            let window =
                handle.map(|handle| Window { handle, draft, opened: now, until: now.after(window), first: old });
            self.windows.extend(window);
            kept
        };
        if kept {
            self.unreported = 0;
            self.counts.actions += 1;
            self.counts.recorded += 1;
            self.counts.ambiguous += u64::from(cause.kind == CauseKind::Ambiguous);
        } else {
            self.counts.dropped += 1;
        }
    }

    /// Adds a mutation to an open window.
    fn join(
        &mut self,
        at: usize,
        now: BootTime,
        mutation: &Mutation<'_>,
        new: Option<Captured>,
        digest: Option<u64>,
        sink: &mut impl Sink<Handle = H>,
    ) {
        let Some(window) = self.windows.get_mut(at) else { return };
        let is_ambiguous = window.draft.cause.kind == CauseKind::Ambiguous;
        let is_back = digest.is_some() && digest == window.first && now.since(window.opened) <= self.policy.revert;
        if is_back && !self.policy.revert.is_zero() {
            let window = self.windows.remove(at);
            let count = window.draft.count;
            sink.discard(window.handle);
            self.counts.recorded -= count;
            self.counts.actions -= 1;
            self.counts.ambiguous -= if is_ambiguous { count } else { 0 };
            // What the action had reported is to be reported again.
            self.suppress(Suppressed::Reverted, count + 1);
            self.unreported += window.draft.suppressed;
            return;
        }
        window.draft.count += 1;
        window.draft.kind = mutation.kind;
        window.draft.new = new;
        if !mutation.attributes.is_empty() {
            window.draft.attributes = to_owned(mutation.attributes);
        }
        window.draft.duration = now.since(window.opened);
        // A process that dies loses at most half of the count.
        if window.draft.count.is_power_of_two() {
            sink.amend(&window.handle, &window.draft);
        }
        self.counts.recorded += 1;
        self.counts.ambiguous += u64::from(is_ambiguous);
    }

    /// Closes the windows whose time is over.
    pub fn expire(&mut self, now: BootTime, sink: &mut impl Sink<Handle = H>) {
        // They open in the order of their ends, except across a policy update.
        while let Some(at) = self.windows.iter().position(|window| window.until <= now) {
            let window = self.windows.remove(at);
            sink.close(window.handle, &window.draft);
        }
    }

    /// Closes every window.
    pub fn close_all(&mut self, sink: &mut impl Sink<Handle = H>) {
        for window in self.windows.drain(..) {
            sink.close(window.handle, &window.draft);
        }
    }

    /// When the next window closes.
    pub fn next_end(&self) -> Option<BootTime> {
        self.windows.iter().map(|window| window.until).min()
    }
}

#[cfg(test)]
mod tests;
