//! What the core says about itself.

use std::time::Duration;

use crate::model::event::Lane;
use crate::model::ledger::Ledger;
use crate::policy::trace::StoreCounts;
use crate::storage::journal::JournalMode;

/// What the database is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StorageState {
    /// The client is switched off: there is no thread and no file.
    #[default]
    Off,
    /// The worker has not opened it yet.
    Starting,
    /// Open.
    Open,
    /// The system denies access for now; the journal keeps what it can.
    Locked(String),
    /// The disk is full; the journal keeps what it can.
    Full,
    /// Closed until `resume()`.
    Suspended,
    /// Closed by `shutdown()`.
    Closed,
}

/// A destination's part of [`Health`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DestinationHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Events delivered since it exists.
    pub delivered: u64,
    /// Drops that concern it alone.
    pub dropped: Ledger,
    /// Why it rests, if it does.
    pub paused: Option<String>,
}

/// The core's condition. Cheap to ask for: the worker keeps a copy up to date.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Health {
    /// Whether calls record anything.
    pub enabled: bool,
    /// Where the journal lives; `None` while off.
    pub journal: Option<JournalMode>,
    /// Bytes in the journal that are not in SQLite yet.
    pub journal_bytes: u64,
    /// What SQLite is doing.
    pub storage: StorageState,
    /// Rows and bytes in the queue, by lane (crash, error, event, bulk).
    pub queue: [(u64, u64); 4],
    /// Events accepted by the queue since it exists, refused ones included.
    pub accepted: u64,
    /// Drops before the queue fans out to destinations.
    pub dropped: Ledger,
    /// Each configured destination.
    pub destinations: Vec<DestinationHealth>,
    /// How the last flush or upload ended: `Ok` with the events delivered, or the reason.
    pub last_upload: Option<Result<u64, String>>,
    /// How long nothing could be sent although something waited.
    pub offline: Duration,
    /// Requests that failed since the last success.
    pub retries: u64,
    /// Files set aside as damaged or poison.
    pub quarantined_files: u64,
    /// Why the database was set aside at the last opening, if it was.
    pub set_aside: Option<String>,
    /// Events that the host's hook dropped.
    pub hook_dropped: u64,
    /// Panics of the hook: each dropped its event.
    pub hook_panics: u64,
    /// Calls of the hook that took longer than a millisecond.
    pub hook_slow: u64,
    /// What became of contexts that wait for a later event.
    pub contexts: StoreCounts,
    /// Panics of ours that were caught.
    pub panics: u64,
    /// What somebody should know: for example that no endpoint is configured.
    pub hints: Vec<String>,
}

impl Health {
    /// Rows in the queue.
    pub fn queued(&self) -> u64 {
        self.queue.iter().map(|(rows, _)| rows).sum()
    }

    /// Rows and bytes of one lane.
    pub fn lane(&self, lane: Lane) -> (u64, u64) {
        self.queue.get(usize::from(lane.code())).copied().unwrap_or_default()
    }
}
