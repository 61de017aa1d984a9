//! One traced store at work: coalescing windows, reverted values, the budget, and its books.
//!
//! Every mutation is counted in exactly one place: `mutations = recorded + suppressed + dropped`.

use std::sync::Arc;
use std::time::Duration;

use super::action::{Sink, StateAction};
use super::counts::StateCounts;
use super::decision::{PathDecision, Suppressed};
use super::mutation::{Cause, CauseKind, Mutation};
use super::policy::Policy;
use super::value::{Captured, capture, digest};
use crate::model::limits::{MAX_WINDOWS, RATE_PERIOD};
use crate::model::time::BootTime;
use crate::model::value::{Value, to_owned};

/// An action that further mutations of its path and cause join, until its time is over.
#[derive(Debug)]
struct Window<H> {
    handle: H,
    action: StateAction,
    opened: BootTime,
    until: BootTime,
    /// The digest of the value before the first mutation.
    first: Option<u64>,
}

/// A traced store: its policy, its open windows and its books.
#[derive(Debug)]
pub struct Tracer<H> {
    policy: Policy,
    store: Arc<str>,
    windows: Vec<Window<H>>,
    /// When the current second of the budget began, and the actions that were made in it.
    second: BootTime,
    spent: u32,
    counts: StateCounts,
    /// Suppressed mutations that no action has reported yet.
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

    /// Replaces the policy. Windows that are open keep their actions.
    pub fn update(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The version of the policy.
    pub fn version(&self) -> u64 {
        self.policy.version()
    }

    /// The store's books.
    pub fn counts(&self) -> StateCounts {
        self.counts
    }

    /// Counts mutations that were suppressed before they came here: by a facade, or by a diff.
    pub fn add_suppressed(&mut self, reason: Suppressed, count: u64) {
        self.counts.mutations += count;
        self.suppress(reason, count);
    }

    fn suppress(&mut self, reason: Suppressed, count: u64) {
        self.counts.suppress(reason, count);
        self.unreported += count;
    }

    /// Records a mutation: as a new action, as a part of an open one, or as suppressed.
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
        let captured =
            |value: &Option<Value<'_>>| value.as_ref().and_then(|value| capture(value, how, self.policy.secrets()));
        let is_same = |window: &Window<H>| window.action.path == mutation.path && window.action.cause == cause;
        if let Some(at) = self.windows.iter().position(is_same) {
            return self.join(at, now, mutation, captured(&mutation.new), new, sink);
        }
        if now.since(self.second) >= RATE_PERIOD {
            (self.second, self.spent) = (now, 0);
        }
        if self.spent >= self.policy.budget {
            return self.suppress(Suppressed::Budget, 1);
        }
        self.spent += 1;
        let action = StateAction {
            name,
            store: Arc::clone(&self.store),
            path: mutation.path.to_owned(),
            kind: mutation.kind,
            cause,
            count: 1,
            duration: Duration::ZERO,
            old: captured(&mutation.old),
            new: captured(&mutation.new),
            suppressed: self.unreported,
            attributes: to_owned(mutation.attributes),
        };
        let window = self.policy.coalesce.max(self.policy.revert);
        let kept = if window.is_zero() {
            sink.record(&action)
        } else {
            if self.windows.len() >= MAX_WINDOWS {
                let oldest = self.windows.remove(0);
                sink.close(oldest.handle, &oldest.action);
            }
            let handle = sink.open(&action);
            let kept = handle.is_some();
            let window =
                handle.map(|handle| Window { handle, action, opened: now, until: now.after(window), first: old });
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

    /// Adds a mutation to the action of an open window.
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
        let is_ambiguous = window.action.cause.kind == CauseKind::Ambiguous;
        let is_back = digest.is_some() && digest == window.first && now.since(window.opened) <= self.policy.revert;
        if is_back && !self.policy.revert.is_zero() {
            let window = self.windows.remove(at);
            let count = window.action.count;
            sink.discard(window.handle);
            self.counts.recorded -= count;
            self.counts.actions -= 1;
            self.counts.ambiguous -= if is_ambiguous { count } else { 0 };
            // The suppressed mutations that the action had reported have to be reported again.
            self.suppress(Suppressed::Reverted, count + 1);
            self.unreported += window.action.suppressed;
            return;
        }
        window.action.count += 1;
        window.action.kind = mutation.kind;
        window.action.new = new;
        if !mutation.attributes.is_empty() {
            window.action.attributes = to_owned(mutation.attributes);
        }
        window.action.duration = now.since(window.opened);
        // Written at every power of two, so that a process that dies loses at most half of the
        // count.
        if window.action.count.is_power_of_two() {
            sink.amend(&window.handle, &window.action);
        }
        self.counts.recorded += 1;
        self.counts.ambiguous += u64::from(is_ambiguous);
    }

    /// Makes the actions final whose time is over.
    pub fn expire(&mut self, now: BootTime, sink: &mut impl Sink<Handle = H>) {
        // Windows end in the order in which they opened, except across an update of the policy.
        while let Some(at) = self.windows.iter().position(|window| window.until <= now) {
            let window = self.windows.remove(at);
            sink.close(window.handle, &window.action);
        }
    }

    /// Makes every open action final.
    pub fn close_all(&mut self, sink: &mut impl Sink<Handle = H>) {
        for window in self.windows.drain(..) {
            sink.close(window.handle, &window.action);
        }
    }

    /// When the next window ends.
    pub fn next_end(&self) -> Option<BootTime> {
        self.windows.iter().map(|window| window.until).min()
    }
}

#[cfg(test)]
mod tests;
