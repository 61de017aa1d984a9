//! One started client, and the numbers by which the door finds it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use throughline::state::StorePolicy;
use throughline::{Meter, Telemetry, TracedStore};

use crate::draft::Instrument;
use crate::slots::Slots;

/// Clients that one process may start: an app has one, a suite of tests some hundred.
const MAX_CLIENTS: usize = 4_096;
/// Meters that are kept; further ones are looked up at every call.
const MAX_METERS: usize = 1_000;
/// Problems that are kept, the latest.
const MAX_PROBLEMS: usize = 16;

/// A table that only grows: a handle is a place in it, so a stale or invented one can be looked up
/// safely.
static CLIENTS: [OnceLock<Arc<Client>>; MAX_CLIENTS] = [const { OnceLock::new() }; MAX_CLIENTS];
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// The client of a handle.
#[inline]
pub(crate) fn find(handle: u64) -> Option<&'static Client> {
    let place = usize::try_from(handle).ok()?.checked_sub(1)?;
    CLIENTS.get(place)?.get().map(Arc::as_ref)
}

/// A declared store.
#[derive(Debug)]
struct Declared {
    name: String,
    policy: StorePolicy,
    store: TracedStore,
}

/// Counts of what could not be served.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls after the shutdown.
    pub(crate) closed: AtomicU64,
    /// Drafts that could not be read.
    pub(crate) malformed: AtomicU64,
    /// Calls that named a slot or store which is not there.
    pub(crate) unknown: AtomicU64,
}

/// A started client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// `None` once it is shut down, so that its memory goes.
    telemetry: RwLock<Option<Telemetry>>,
    pub(crate) slots: Slots,
    pub(crate) counts: Counts,
    stores: RwLock<HashMap<u32, Declared>>,
    meters: RwLock<HashMap<(Instrument, String), Meter>>,
    problems: Mutex<Vec<String>>,
}

impl Client {
    /// Gives a client its handle. `None` when the process has started too many.
    pub(crate) fn register(telemetry: Telemetry) -> Option<(u64, Arc<Self>)> {
        let client = Arc::new(Self { telemetry: RwLock::new(Some(telemetry)), ..Self::default() });
        let place = STARTED.fetch_add(1, Ordering::Relaxed);
        CLIENTS.get(place)?.set(Arc::clone(&client)).ok()?;
        Some((place as u64 + 1, client))
    }

    /// Runs `work` with the client, unless it is shut down: that is counted.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&Telemetry) -> R) -> Option<R> {
        let telemetry = self.telemetry.read().unwrap_or_else(PoisonError::into_inner);
        if telemetry.is_none() {
            self.counts.closed.fetch_add(1, Ordering::Relaxed);
        }
        telemetry.as_ref().map(work)
    }

    /// The client, for calls that may wait.
    pub(crate) fn telemetry(&self) -> Option<Telemetry> {
        self.with(Telemetry::clone)
    }

    /// Takes the client out: later calls are counted and do nothing.
    pub(crate) fn close(&self) -> Option<Telemetry> {
        self.slots.clear();
        self.stores.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.meters.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.telemetry.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Declares a store, or replaces the policy of one that was declared with the same number and
    /// name. The policy's version.
    pub(crate) fn declare(&self, telemetry: &Telemetry, id: u32, name: &str, policy: &str) -> Option<u64> {
        let policy = self.policy(name, policy)?;
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stores.get(&id).filter(|known| known.name == name) {
            return self.update(known, &policy);
        }
        match telemetry.traced_store(name, &policy) {
            Ok(store) => {
                let version = version(&store);
                stores.insert(id, Declared { name: name.to_owned(), policy, store });
                Some(version)
            }
            Err(error) => self.problem(format!("store `{name}`: {error}")),
        }
    }

    /// Replaces a store's policy. The new version.
    pub(crate) fn update_policy(&self, id: u32, policy: &str) -> Option<u64> {
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        let known = stores.get_mut(&id)?;
        let policy = self.policy(&known.name, policy)?;
        let version = self.update(known, &policy)?;
        known.policy = policy;
        Some(version)
    }

    fn update(&self, known: &Declared, policy: &StorePolicy) -> Option<u64> {
        match known.store.update_policy(policy) {
            Ok(()) => Some(version(&known.store)),
            Err(error) => self.problem(format!("store `{}`: {error}", known.name)),
        }
    }

    fn policy(&self, name: &str, json: &str) -> Option<StorePolicy> {
        let read = if json.is_empty() { Ok(StorePolicy::default()) } else { serde_json::from_str(json) };
        match read {
            Ok(policy) => Some(policy),
            Err(error) => self.problem(format!("store `{name}`: the policy cannot be read: {error}")),
        }
    }

    /// Declares stores again that were declared while the client was off.
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

    /// The books of every declared store.
    pub(crate) fn books(&self) -> Vec<(String, throughline::state::StateCounts)> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.values().map(|declared| (declared.name.clone(), declared.store.counts())).collect()
    }

    /// The meter of a name.
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
        match made {
            Ok(meter) => {
                let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
                if meters.len() < MAX_METERS {
                    meters.insert(key, meter.clone());
                }
                Some(meter)
            }
            Err(error) => self.problem(format!("metric `{name}`: {error}")),
        }
    }

    /// Keeps what a developer should read, for `health`.
    pub(crate) fn problem<T>(&self, text: String) -> Option<T> {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.contains(&text) {
            if problems.len() >= MAX_PROBLEMS {
                problems.remove(0);
            }
            problems.push(text);
        }
        None
    }

    /// What a developer should read.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn version(store: &TracedStore) -> u64 {
    store.decide("").map(|(_, version)| version).unwrap_or_default()
}
