//! Traced stores, as a Rust app or a facade uses them: [`TracedStore`], [`PathHandle`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::client::Telemetry;
use crate::engine::scopes::StoreId;
use crate::engine::worker::Shared;
use crate::model::error::Error;
use crate::model::limits::MAX_UNBOOKED_MUTATIONS;
use crate::model::value::Value;
use crate::policy::state::{Mutation, PathDecision, Policy, StateCounts, StorePolicy, Suppressed, diff};
use crate::policy::trace::SpanContext;

impl Telemetry {
    /// Traces a store under a name, such as `Cart`. Its mutations become actions named
    /// `Cart.{path}.Update`, as far as the policy lets them. A client has at most 256 stores.
    ///
    /// A store that is declared while the client is off, for example before the user has consented,
    /// is traced as soon as the client is on.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when a pattern of the policy is wrong, with the position at which
    /// it breaks; also while the client is off.
    pub fn traced_store(&self, name: &str, policy: &StorePolicy) -> Result<TracedStore, Error> {
        let declared = DeclaredStore {
            telemetry: self.clone(),
            name: name.to_owned(),
            policy: Mutex::new(policy.clone()),
            store: OnceLock::new(),
            version: AtomicU64::new(0),
        };
        match self.on() {
            Some(shared) => _ = declared.store.set(Some(declared.add(shared)?)),
            None => _ = Policy::new(name, 0, policy)?,
        }
        Ok(TracedStore(Arc::new(declared)))
    }
}

#[derive(Debug)]
struct DeclaredStore {
    telemetry: Telemetry,
    name: String,
    /// The policy with which the store is added.
    policy: Mutex<StorePolicy>,
    /// Not set while the client has not been on since. `None` inside: there are too many stores.
    store: OnceLock<Option<StoreId>>,
    /// Version of the policy, from 1. A handle's decision of another version is outdated.
    version: AtomicU64,
}

impl DeclaredStore {
    fn policy(&self) -> MutexGuard<'_, StorePolicy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, shared: &Shared) -> Result<StoreId, Error> {
        let store = shared.scopes.add_store(&self.name, &self.policy())?;
        if let Some((_, version)) = shared.scopes.decide(store, "") {
            self.version.store(version, Ordering::Release);
        }
        Ok(store)
    }

    /// What the client shares, and the store, which is added first if the client was off when it
    /// was declared. `None` while the client is off.
    fn live(&self) -> Option<(&Shared, StoreId)> {
        let shared = self.telemetry.on()?;
        Some((shared, (*self.store.get_or_init(|| self.add(shared).ok()))?))
    }
}

/// A store whose mutations are traced, from [`Telemetry::traced_store`]. Cheap to clone.
///
/// Every mutation is accounted for: `mutations = recorded + suppressed + dropped`, which
/// [`TracedStore::counts`] returns.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, state::StorePolicy};
///
/// let dir = tempfile::tempdir()?;
/// let telemetry =
///     Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
/// let cart = telemetry.traced_store("Cart", &StorePolicy::default().deny(["**.isLoading"]))?;
/// cart.set("items[0].quantity", 1, 2);
/// cart.set("items[0].isLoading", false, true);
/// assert_eq!((cart.counts().mutations, cart.counts().recorded), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TracedStore(Arc<DeclaredStore>);

impl TracedStore {
    /// Takes in that a value was set. Its cause is what is certain on this thread now: the context
    /// that is current, else the action that is collecting.
    pub fn set<'a>(&self, path: &'a str, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) {
        self.mutate(&Mutation::set(path, old, new));
    }

    /// Takes a mutation in. Its cause is what is certain on this thread now.
    pub fn mutate(&self, mutation: &Mutation<'_>) {
        self.take_in(None, [*mutation]);
    }

    /// Takes a mutation in that `context` caused: that of a message, for example, or of an
    /// operation that is running on another thread.
    pub fn mutate_in(&self, context: &SpanContext, mutation: &Mutation<'_>) {
        self.take_in(Some(context), [*mutation]);
    }

    fn take_in<'m>(&self, context: Option<&SpanContext>, mutations: impl IntoIterator<Item = Mutation<'m>>) {
        if let Some((shared, store)) = self.0.live() {
            shared.scopes.mutate(store, context, mutations);
        }
    }

    /// Takes in what differs between two states of an immutable store: at most 100 mutations, found
    /// in at most 8 levels and 1,000 nodes. What lies beyond is counted as suppressed.
    pub fn record_diff(&self, old: &Value<'_>, new: &Value<'_>) {
        if self.0.live().is_none() {
            return;
        }
        let done = diff(old, new, |mutation| self.mutate(mutation));
        self.add_suppressed(Suppressed::DiffLimit, done.skipped as u64);
    }

    /// Decides about a path. The version is that of the policy: a facade that keeps the decision
    /// asks again when the version has changed. `None` when the client is off.
    pub fn decide(&self, path: &str) -> Option<(PathDecision, u64)> {
        let (shared, store) = self.0.live()?;
        shared.scopes.decide(store, path)
    }

    /// A handle that remembers the decision about a path.
    pub fn path(&self, path: impl Into<String>) -> PathHandle {
        let known = AtomicU64::new(RememberedDecision::UNKNOWN.0);
        PathHandle { store: self.clone(), path: path.into(), known, ignored: AtomicU64::new(0) }
    }

    /// Counts mutations that a facade suppressed by a decision that it has kept.
    pub fn add_suppressed(&self, reason: Suppressed, count: u64) {
        if let (Some((shared, store)), true) = (self.0.live(), count > 0) {
            shared.scopes.add_suppressed(store, reason, count);
        }
    }

    /// Replaces the policy. Decisions that were remembered are outdated.
    ///
    /// # Errors
    /// As [`Telemetry::traced_store`]; the old policy stays.
    pub fn update_policy(&self, policy: &StorePolicy) -> Result<(), Error> {
        let Some((shared, store)) = self.0.live() else {
            Policy::new(&self.0.name, 0, policy)?;
            // It counts when the store is added.
            *self.0.policy() = policy.clone();
            return Ok(());
        };
        let version = shared.scopes.update_policy(store, &self.0.name, policy)?;
        self.0.version.store(version, Ordering::Release);
        Ok(())
    }

    /// The store's books: `mutations = recorded + suppressed + dropped`. Zero while the client is
    /// off.
    pub fn counts(&self) -> StateCounts {
        self.0.live().map(|(shared, store)| shared.scopes.state_counts(store)).unwrap_or_default()
    }
}

/// What a policy of one version decided about a path, in one word, so that a handle can keep it in
/// an atomic: the version, and in the lowest bit whether mutations are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RememberedDecision(u64);

impl RememberedDecision {
    /// Nothing has been decided yet: versions count from 1.
    const UNKNOWN: Self = Self(0);

    /// The policy of this version ignores mutations of the path.
    #[inline]
    fn ignored_by(version: u64) -> Self {
        Self(version << 1 | 1)
    }

    fn new(version: u64, decision: PathDecision) -> Self {
        match decision {
            PathDecision::Ignore(_) => Self::ignored_by(version),
            _ => Self(version << 1),
        }
    }

    /// Version of the policy that decided.
    fn version(self) -> u64 {
        self.0 >> 1
    }
}

/// A path of a store, with the decision about it, from [`TracedStore::path`].
///
/// A mutation of a path that the policy ignores costs one comparison and one addition here; it
/// takes no lock. Ignored mutations reach the store's books 1,024 at a time, and when the handle is
/// dropped.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, state::StorePolicy};
///
/// let dir = tempfile::tempdir()?;
/// let telemetry =
///     Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
/// let player = telemetry.traced_store("Player", &StorePolicy::default().deny(["position"]))?;
/// let position = player.path("position");
/// for second in 0..60 {
///     position.set(second, second + 1);
/// }
/// drop(position);
/// assert_eq!((player.counts().mutations, player.counts().recorded), (60, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PathHandle {
    store: TracedStore,
    path: String,
    /// A [`RememberedDecision`].
    known: AtomicU64,
    /// Ignored mutations that are not in the store's books yet.
    ignored: AtomicU64,
}

impl PathHandle {
    /// Takes in that the value was set.
    #[inline]
    pub fn set<'a>(&'a self, old: impl Into<Value<'a>>, new: impl Into<Value<'a>>) {
        let version = self.store.0.version.load(Ordering::Acquire);
        if self.known() == RememberedDecision::ignored_by(version) {
            if self.ignored.fetch_add(1, Ordering::Relaxed) >= MAX_UNBOOKED_MUTATIONS {
                self.book_ignored();
            }
            return;
        }
        self.set_undecided(version, old.into(), new.into());
    }

    #[inline]
    fn known(&self) -> RememberedDecision {
        RememberedDecision(self.known.load(Ordering::Relaxed))
    }

    #[inline(never)]
    fn set_undecided<'a>(&'a self, version: u64, old: Value<'a>, new: Value<'a>) {
        if self.known().version() != version
            && let Some((decision, decided_by)) = self.store.decide(&self.path)
        {
            self.known.store(RememberedDecision::new(decided_by, decision).0, Ordering::Relaxed);
        }
        self.store.set(&self.path, old, new);
    }

    #[cold]
    fn book_ignored(&self) {
        self.store.add_suppressed(Suppressed::Facade, self.ignored.swap(0, Ordering::Relaxed));
    }
}

impl Drop for PathHandle {
    fn drop(&mut self) {
        self.book_ignored();
    }
}
