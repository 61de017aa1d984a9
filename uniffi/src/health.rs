//! What the client says about its own condition, and how a flush ended.

use std::sync::atomic::Ordering;

use throughline::health::JournalMode;
use throughline::ledger::{DropReason, Ledger};
use throughline::state::Suppressed;
use throughline::{StorageState, Telemetry};

use crate::client::Client;
use crate::guard::PANICS;

/// How a flush ended.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FlushOutcome {
    /// Whether everything that had been recorded was delivered, or dropped and counted.
    pub complete: bool,
    /// How many events were delivered during the flush.
    pub delivered: u64,
    /// How many events still wait.
    pub waiting: u64,
    /// Why events still wait, if any do.
    pub reason: Option<String>,
}

impl From<throughline::FlushOutcome> for FlushOutcome {
    fn from(outcome: throughline::FlushOutcome) -> Self {
        let throughline::FlushOutcome { complete, delivered, waiting, reason, .. } = outcome;
        Self { complete, delivered, waiting, reason }
    }
}

impl FlushOutcome {
    /// Of a client that is shut down.
    pub(crate) fn closed() -> Self {
        Self { complete: false, delivered: 0, waiting: 0, reason: Some("the client is shut down".to_owned()) }
    }
}

/// A count that has a name.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NamedCount {
    /// The name.
    pub name: String,
    /// The count.
    pub count: u64,
}

/// The condition of one destination: `accepted = delivered + queued + dropped`, where `dropped` are
/// the destination's and the report's.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct DestinationHealth {
    /// The destination's name in the configuration.
    pub name: String,
    /// How many events were delivered to it.
    pub delivered: u64,
    /// How many events were dropped for this destination alone, by reason.
    pub dropped: Vec<NamedCount>,
    /// Why nothing, or nothing of a signal, is sent to it. None: nothing is paused.
    pub paused: Option<String>,
    /// Whether the app has paused it.
    pub paused_by_app: bool,
}

/// The counts of one traced store: `mutations = recorded + suppressed + dropped`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct StateCounts {
    /// The store's name.
    pub name: String,
    /// How many mutations the facade or the core has seen.
    pub mutations: u64,
    /// How many mutations are part of an action.
    pub recorded: u64,
    /// How many actions there were.
    pub actions: u64,
    /// How many mutations were suppressed, by reason.
    pub suppressed: Vec<NamedCount>,
    /// How many mutations were part of an action that was not kept.
    pub dropped: u64,
    /// How many recorded mutations had an ambiguous cause.
    pub ambiguous: u64,
}

/// The client's own condition.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HealthReport {
    /// Whether calls record anything.
    pub enabled: bool,
    /// `starting`, `mapped`, `heap`, `lost`, or `off`.
    pub journal: String,
    /// `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`, or `failed`.
    pub storage: String,
    /// How many events the queue has accepted since it was created.
    pub accepted: u64,
    /// How many events are in the queue.
    pub queued: u64,
    /// How many events were dropped for every destination, by reason.
    pub dropped: Vec<NamedCount>,
    /// The destinations.
    pub destinations: Vec<DestinationHealth>,
    /// Why the last upload failed. None: it did not fail.
    pub last_error: Option<String>,
    /// The traced stores.
    pub stores: Vec<StateCounts>,
    /// Whether a crash of native code would be written down now.
    pub captures_crashes: bool,
    /// How many panics in Throughline were caught.
    pub panics: u64,
    /// How many calls came after the shutdown.
    pub closed_calls: u64,
    /// How many drafts could not be read, which is a bug in the facade.
    pub malformed_calls: u64,
    /// How many calls named a span, a context or a store that is not there any more.
    pub unknown_calls: u64,
    /// How many spans and contexts were removed because there were too many.
    pub evicted_spans: u64,
    /// What a developer should know: for example a policy that cannot work, or a host that cannot
    /// be reached.
    pub problems: Vec<String>,
}

impl HealthReport {
    /// The report of a client. Without `telemetry` the client is shut down.
    pub(crate) fn new(client: &Client, telemetry: Option<&Telemetry>) -> Self {
        let health = telemetry.map(Telemetry::health).unwrap_or_default();
        let destinations = health.destinations.iter().map(|destination| DestinationHealth {
            name: destination.name.clone(),
            delivered: destination.delivered,
            dropped: drop_counts(&destination.dropped),
            paused: destination.paused.clone(),
            paused_by_app: destination.paused_by_app,
        });
        let stores = client.state_counts().into_iter().map(|(name, counts)| StateCounts {
            name,
            mutations: counts.mutations,
            recorded: counts.recorded,
            actions: counts.actions,
            suppressed: Suppressed::ALL
                .into_iter()
                .map(|reason| NamedCount { name: reason.name().to_owned(), count: counts.suppressed(reason) })
                .filter(|count| count.count > 0)
                .collect(),
            dropped: counts.dropped,
            ambiguous: counts.ambiguous,
        });
        let mut problems = client.problems();
        problems.extend(health.hints.iter().cloned());
        let (storage, panics) = match telemetry {
            Some(_) => (storage_name(&health.storage), health.panics),
            None => ("closed", 0),
        };
        Self {
            enabled: health.enabled,
            journal: journal_name(health.journal).to_owned(),
            storage: storage.to_owned(),
            accepted: health.accepted,
            queued: health.queued(),
            dropped: drop_counts(&health.dropped),
            destinations: destinations.collect(),
            last_error: health.last_upload.as_ref().and_then(|last| last.as_ref().err()).cloned(),
            stores: stores.collect(),
            captures_crashes: health.captures_crashes,
            panics: panics + PANICS.load(Ordering::Relaxed),
            closed_calls: client.counts.closed.load(Ordering::Relaxed),
            malformed_calls: client.counts.malformed.load(Ordering::Relaxed),
            unknown_calls: client.counts.unknown.load(Ordering::Relaxed),
            evicted_spans: client.slots.evicted(),
            problems,
        }
    }
}

fn journal_name(mode: Option<JournalMode>) -> &'static str {
    mode.map_or("off", |mode| match mode {
        JournalMode::Starting => "starting",
        JournalMode::Mapped => "mapped",
        JournalMode::Heap => "heap",
        _ => "lost",
    })
}

fn storage_name(state: &StorageState) -> &'static str {
    match state {
        StorageState::Off => "off",
        StorageState::Starting => "starting",
        StorageState::Open => "open",
        StorageState::Locked(_) => "locked",
        StorageState::Full => "full",
        StorageState::Suspended => "suspended",
        StorageState::Failed(_) => "failed",
        _ => "closed",
    }
}

/// The counts of a ledger that are not zero, summed over its lanes.
fn drop_counts(ledger: &Ledger) -> Vec<NamedCount> {
    let named = |reason: DropReason| NamedCount { name: reason.name().to_owned(), count: ledger.of(reason) };
    DropReason::ALL.into_iter().map(named).filter(|count| count.count > 0).collect()
}
