//! A started client, and the handles by which the door finds it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use throughline::state::StorePolicy;
use throughline::{Meter, Telemetry, TracedStore};

use crate::draft::Instrument;
use crate::slots::Slots;

/// How many clients a process may start. An app starts one, a test suite some hundreds.
const MAX_CLIENTS: usize = 4_096;
/// How many places are made at once.
const BLOCK: usize = 64;
/// How many meters are kept. Further ones are looked up at every call.
const MAX_METERS: usize = 1_000;
/// How many problems are kept. The oldest is dropped first.
const MAX_PROBLEMS: usize = 16;

/// Every client that was started. A handle is a place in this table plus one. The table only grows,
/// so that looking up a stale or invented handle is safe. It grows by blocks, because an empty
/// place is not zero on Apple's systems: a whole table would be 64 KiB of every app.
static CLIENTS: [OnceLock<Block>; MAX_CLIENTS / BLOCK] = [const { OnceLock::new() }; MAX_CLIENTS / BLOCK];
static STARTED: AtomicUsize = AtomicUsize::new(0);

type Block = Box<[OnceLock<Arc<Client>>]>;

/// The client with a handle.
#[inline]
pub(crate) fn find(handle: u64) -> Option<&'static Client> {
    let place = usize::try_from(handle).ok()?.checked_sub(1)?;
    CLIENTS.get(place / BLOCK)?.get()?.get(place % BLOCK)?.get().map(Arc::as_ref)
}

/// A declared store.
#[derive(Debug)]
struct Declared {
    name: String,
    policy: StorePolicy,
    store: TracedStore,
}

/// How many calls could not be served.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls after the shutdown.
    pub(crate) closed: AtomicU64,
    /// Drafts that could not be read.
    pub(crate) malformed: AtomicU64,
    /// Calls that named a slot or a store that is not there.
    pub(crate) unknown: AtomicU64,
}

/// A started client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// `None` after the shutdown, so that its memory is freed.
    telemetry: RwLock<Option<Telemetry>>,
    pub(crate) slots: Slots,
    pub(crate) counts: Counts,
    stores: RwLock<HashMap<u32, Declared>>,
    meters: RwLock<HashMap<(Instrument, String), Meter>>,
    problems: Mutex<Vec<String>>,
}

impl Client {
    /// Gives a client its handle. `None` when the process has started too many clients.
    pub(crate) fn register(telemetry: Telemetry) -> Option<(u64, Arc<Self>)> {
        let client = Arc::new(Self { telemetry: RwLock::new(Some(telemetry)), ..Self::default() });
        let place = STARTED.fetch_add(1, Ordering::Relaxed);
        let block = CLIENTS.get(place / BLOCK)?.get_or_init(|| (0..BLOCK).map(|_| OnceLock::new()).collect());
        block.get(place % BLOCK)?.set(Arc::clone(&client)).ok()?;
        Some((place as u64 + 1, client))
    }

    /// Runs `work` with the client. After the shutdown the call is only counted.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&Telemetry) -> R) -> Option<R> {
        let telemetry = self.telemetry.read().unwrap_or_else(PoisonError::into_inner);
        if telemetry.is_none() {
            self.counts.closed.fetch_add(1, Ordering::Relaxed);
        }
        telemetry.as_ref().map(work)
    }

    /// Whether the client was not shut down yet.
    pub(crate) fn is_open(&self) -> bool {
        self.telemetry.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// A handle on the client for calls that may wait, so that they do not lock it.
    pub(crate) fn telemetry(&self) -> Option<Telemetry> {
        self.with(Telemetry::clone)
    }

    /// Takes the client out. Later calls are only counted.
    pub(crate) fn close(&self) -> Option<Telemetry> {
        self.slots.clear();
        self.stores.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.meters.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.telemetry.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Declares a store. One that was declared with the same number and name gets the policy
    /// instead. Returns the version of the policy.
    pub(crate) fn declare(&self, telemetry: &Telemetry, id: u32, name: &str, policy: &str) -> Option<u64> {
        let policy = self.read_policy(name, policy)?;
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stores.get(&id).filter(|known| known.name == name) {
            return self.replace_policy(known, &policy);
        }
        let store = self.or_problem(telemetry.traced_store(name, &policy), &of_store(name))?;
        let version = version(&store);
        stores.insert(id, Declared { name: name.to_owned(), policy, store });
        Some(version)
    }

    /// Replaces a store's policy. Returns the new version.
    pub(crate) fn update_policy(&self, id: u32, policy: &str) -> Option<u64> {
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        let known = stores.get_mut(&id)?;
        let policy = self.read_policy(&known.name, policy)?;
        let version = self.replace_policy(known, &policy)?;
        known.policy = policy;
        Some(version)
    }

    fn replace_policy(&self, known: &Declared, policy: &StorePolicy) -> Option<u64> {
        self.or_problem(known.store.update_policy(policy), &of_store(&known.name))?;
        Some(version(&known.store))
    }

    fn read_policy(&self, name: &str, json: &str) -> Option<StorePolicy> {
        let read = if json.is_empty() { Ok(StorePolicy::default()) } else { serde_json::from_str(json) };
        self.or_problem(read, &format!("{}: the policy cannot be read", of_store(name)))
    }

    /// Declares those stores again that were declared while the client was off.
    pub(crate) fn redeclare(&self, telemetry: &Telemetry) {
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        for declared in stores.values_mut().filter(|declared| declared.store.decide("").is_none()) {
            if let Ok(store) = telemetry.traced_store(&declared.name, &declared.policy) {
                declared.store = store;
            }
        }
    }

    /// Runs `work` with a declared store.
    #[inline]
    pub(crate) fn store<R>(&self, id: u32, work: impl FnOnce(&TracedStore) -> R) -> Option<R> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.get(&id).map(|declared| work(&declared.store))
    }

    /// The counts of every declared store, with its name.
    pub(crate) fn state_counts(&self) -> Vec<(String, throughline::state::StateCounts)> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.values().map(|declared| (declared.name.clone(), declared.store.counts())).collect()
    }

    /// The meter with a name, which is created at its first use.
    pub(crate) fn meter(&self, telemetry: &Telemetry, kind: Instrument, name: &str, unit: &str) -> Option<Meter> {
        let key = (kind, name.to_owned());
        if let Some(meter) = self.meters.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(meter.clone());
        }
        let made = match kind {
            Instrument::Counter => telemetry.counter(name, unit),
            Instrument::UpDownCounter => telemetry.up_down_counter(name, unit),
            Instrument::Gauge => telemetry.gauge(name, unit),
            Instrument::Histogram => telemetry.histogram(name, unit, None),
        };
        let meter = self.or_problem(made, &format!("metric `{name}`"))?;
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        if meters.len() < MAX_METERS {
            meters.insert(key, meter.clone());
        }
        Some(meter)
    }

    /// Keeps what a developer should know, for `health`.
    pub(crate) fn add_problem(&self, text: String) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.contains(&text) {
            if problems.len() >= MAX_PROBLEMS {
                problems.remove(0);
            }
            problems.push(text);
        }
    }

    /// What a developer should know, the latest last.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value of a result. An error is kept as a problem of what `name` is.
    fn or_problem<T, E: std::fmt::Display>(&self, result: Result<T, E>, name: &str) -> Option<T> {
        result.map_err(|error| self.add_problem(format!("{name}: {error}"))).ok()
    }
}

/// What a problem of a store begins with.
fn of_store(name: &str) -> String {
    format!("store `{name}`")
}

/// The version of a store's policy.
fn version(store: &TracedStore) -> u64 {
    store.decide("").map(|(_, version)| version).unwrap_or_default()
}
