//! Traced stores, as a Rust app or a facade uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::Telemetry;
use crate::engine::scopes::StoreId;
use crate::model::error::Error;
use crate::model::value::Value;
use crate::policy::state::{Mutation, PathDecision, StateCounts, StorePolicy, Suppressed, diff};
use crate::policy::trace::SpanContext;

impl Telemetry {
    /// Traces a store under a name: `Cart`. Its mutations become actions `Cart.{path}.Update` as the policy says.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the pattern and the position at which it breaks.
    pub fn traced_store(&self, name: &str, policy: &StorePolicy) -> Result<TracedStore, Error> {
        let store = match self.on() {
            Some(shared) => Some(shared.scopes.add_store(name, policy)?),
            // A bad pattern is found while the client is off, too.
            None => crate::policy::state::Policy::new(name, 0, policy).map(|_| None)?,
        };
        let version = store.and_then(|store| self.on()?.scopes.decide(store, "").map(|(_, version)| version));
        let version = AtomicU64::new(version.unwrap_or_default());
        Ok(TracedStore(Arc::new(DeclaredStore { telemetry: self.clone(), name: name.to_owned(), store, version })))
    }
}

#[derive(Debug)]
struct DeclaredStore {
    telemetry: Telemetry,
    name: String,
    /// `None` when the client was off.
    store: Option<StoreId>,
    version: AtomicU64,
}

/// A traced store. Cheap to clone.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let telemetry = throughline::Telemetry::start(throughline::Config::builder("shop", dir.path()).build()?, throughline::Consent::Granted)?;
/// use throughline::state::StorePolicy;
/// let cart = telemetry.traced_store("Cart", &StorePolicy::default().deny(["**.isLoading"]))?;
/// cart.set("items[0].quantity", 1, 2);
/// assert_eq!(cart.counts().recorded, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TracedStore(Arc<DeclaredStore>);

impl TracedStore {
    /// Records that a value was set. Its cause is what is certain on this thread now.
    pub fn set<'a>(&self, path: &'a str, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) {
        self.mutate(&Mutation::set(path, old, new));
    }

    /// Records a mutation. Its cause is what is certain on this thread now.
    pub fn mutate(&self, mutation: &Mutation<'_>) {
        self.take_in(None, [*mutation]);
    }

    /// Records a mutation that `context` caused.
    pub fn mutate_in(&self, context: &SpanContext, mutation: &Mutation<'_>) {
        self.take_in(Some(context), [*mutation]);
    }

    fn take_in<'m>(&self, context: Option<&SpanContext>, mutations: impl IntoIterator<Item = Mutation<'m>>) {
        if let (Some(shared), Some(store)) = (self.0.telemetry.on(), self.0.store) {
            shared.scopes.mutate(store, context, mutations);
        }
    }

    /// Records what differs between two states of an immutable store.
    pub fn record_diff(&self, old: &Value<'_>, new: &Value<'_>) {
        if self.0.store.is_none() || self.0.telemetry.on().is_none() {
            return;
        }
        let done = diff(old, new, |mutation| self.mutate(mutation));
        self.add_suppressed(Suppressed::DiffLimit, done.skipped as u64);
    }

    /// Decides about a path; with the policy's version, by which a facade sees that its own copy is old.
    pub fn decide(&self, path: &str) -> Option<(PathDecision, u64)> {
        self.0.telemetry.on()?.scopes.decide(self.0.store?, path)
    }

    /// Remembers the decision about a path: a mutation that is ignored then costs one comparison.
    pub fn path(&self, path: impl Into<String>) -> PathHandle {
        PathHandle { store: self.clone(), path: path.into(), known: AtomicU64::new(0), ignored: AtomicU64::new(0) }
    }

    /// Counts mutations that a facade suppressed by the decisions that it holds.
    pub fn add_suppressed(&self, reason: Suppressed, count: u64) {
        if let (Some(shared), Some(store), true) = (self.0.telemetry.on(), self.0.store, count > 0) {
            shared.scopes.add_suppressed(store, reason, count);
        }
    }

    /// Replaces the policy. Decisions that were remembered are void.
    ///
    /// # Errors
    /// As [`Telemetry::traced_store`]; the old policy stays.
    pub fn update_policy(&self, policy: &StorePolicy) -> Result<(), Error> {
        let (Some(shared), Some(store)) = (self.0.telemetry.on(), self.0.store) else {
            return crate::policy::state::Policy::new(&self.0.name, 0, policy).map(|_| ());
        };
        let version = shared.scopes.update_policy(store, &self.0.name, policy)?;
        self.0.version.store(version, Ordering::Release);
        Ok(())
    }

    /// The store's books: `mutations = recorded + suppressed + dropped`.
    pub fn counts(&self) -> StateCounts {
        match (self.0.telemetry.on(), self.0.store) {
            (Some(shared), Some(store)) => shared.scopes.state_counts(store),
            _ => StateCounts::default(),
        }
    }
}

/// A path of a store whose decision is remembered.
#[derive(Debug)]
pub struct PathHandle {
    store: TracedStore,
    path: String,
    /// Twice the policy's version that decided, and whether it said "ignore". 0: not asked yet.
    known: AtomicU64,
    ignored: AtomicU64,
}

/// Ignored mutations that a handle keeps to itself before it hands their number on.
const HAND_ON: u64 = 1_024;

impl PathHandle {
    /// Records that the value was set.
    #[inline]
    pub fn set<'a>(&'a self, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) {
        let version = self.store.0.version.load(Ordering::Acquire);
        if self.known.load(Ordering::Relaxed) == version << 1 | 1 {
            if self.ignored.fetch_add(1, Ordering::Relaxed) >= HAND_ON {
                self.hand_on();
            }
            return;
        }
        self.set_slow(version, old.into(), new.into());
    }

    #[inline(never)]
    fn set_slow<'a>(&'a self, version: u64, old: Value<'a>, new: Value<'a>) {
        if self.known.load(Ordering::Relaxed) >> 1 != version
            && let Some((decision, decided)) = self.store.decide(&self.path)
        {
            self.known.store(decided << 1 | u64::from(matches!(decision, PathDecision::Ignore(_))), Ordering::Relaxed);
        }
        self.store.set(&self.path, old, new);
    }

    #[cold]
    fn hand_on(&self) {
        self.store.add_suppressed(Suppressed::Facade, self.ignored.swap(0, Ordering::Relaxed));
    }
}

impl Drop for PathHandle {
    fn drop(&mut self) {
        self.hand_on();
    }
}
