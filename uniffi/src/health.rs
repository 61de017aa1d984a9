//! What the core says of itself over the boundary: health, and how a flush ended.

use throughline::StorageState;
use throughline::health::JournalMode;
use throughline::ledger::DropReason;

/// How a flush ended.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FlushResult {
    /// Whether everything that had been recorded was delivered, or given up and booked.
    pub complete: bool,
    /// Events delivered meanwhile.
    pub delivered: u64,
    /// Events that still wait.
    pub waiting: u64,
    /// Why the rest was not delivered.
    pub reason: Option<String>,
}

/// A count under a name.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NamedCount {
    /// The name.
    pub name: String,
    /// The count.
    pub count: u64,
}

/// One backend's part of the health.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BackendHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Events delivered.
    pub delivered: u64,
    /// Events dropped for it alone, by reason.
    pub dropped: Vec<NamedCount>,
    /// Why it rests, if it does.
    pub paused: Option<String>,
}

/// One traced store's books: `mutations = recorded + suppressed + dropped`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct StoreBooks {
    /// The store's name.
    pub name: String,
    /// Mutations that were seen, by the facade or the core.
    pub mutations: u64,
    /// Mutations that actions stand for.
    pub recorded: u64,
    /// Actions.
    pub actions: u64,
    /// Mutations that were suppressed, by reason.
    pub suppressed: Vec<NamedCount>,
    /// Mutations whose action was not kept.
    pub dropped: u64,
    /// Recorded mutations whose cause was ambiguous.
    pub ambiguous: u64,
}

/// What Throughline says about itself.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HealthReport {
    /// Whether calls record anything.
    pub enabled: bool,
    /// `starting`, `mapped`, `heap`, `lost`, or `off`.
    pub journal: String,
    /// `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`.
    pub storage: String,
    /// Events accepted since the queue exists.
    pub accepted: u64,
    /// Events in the queue.
    pub queued: u64,
    /// Events dropped before they were queued, by reason.
    pub dropped: Vec<NamedCount>,
    /// The backends.
    pub backends: Vec<BackendHealth>,
    /// Why the last upload failed, if it did.
    pub last_error: Option<String>,
    /// The traced stores.
    pub stores: Vec<StoreBooks>,
    /// Panics of ours that were caught.
    pub panics: u64,
    /// Calls after the shutdown.
    pub closed_calls: u64,
    /// Drafts that could not be read: a bug of the facade's.
    pub malformed_calls: u64,
    /// Calls that named a span, context or store which is not there any more.
    pub unknown_calls: u64,
    /// Spans and contexts that gave way to newer ones.
    pub evicted_spans: u64,
    /// What a developer should read: a policy that cannot work, a host that is not reached.
    pub problems: Vec<String>,
}

pub(crate) fn journal_name(mode: Option<JournalMode>) -> String {
    mode.map_or("off", |mode| match mode {
        JournalMode::Starting => "starting",
        JournalMode::Mapped => "mapped",
        JournalMode::Heap => "heap",
        _ => "lost",
    })
    .to_owned()
}

pub(crate) fn storage_name(state: &StorageState) -> &'static str {
    match state {
        StorageState::Off => "off",
        StorageState::Starting => "starting",
        StorageState::Open => "open",
        StorageState::Locked(_) => "locked",
        StorageState::Full => "full",
        StorageState::Suspended => "suspended",
        _ => "closed",
    }
}

/// The counts of a ledger that are not zero, summed over lanes.
pub(crate) fn counts(ledger: &throughline::ledger::Ledger) -> Vec<NamedCount> {
    let named = |reason: DropReason| NamedCount { name: reason.name().to_owned(), count: ledger.of(reason) };
    DropReason::ALL.into_iter().map(named).filter(|count| count.count > 0).collect()
}
