//! What the client says about its own condition: the copy that the worker keeps up to date.

use std::time::Duration;

use crate::model::event::Lane;
use crate::model::ledger::Ledger;
use crate::policy::trace::StoreCounts;
use crate::storage::journal::JournalMode;

/// The state of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StorageState {
    /// The client is switched off: there is no thread and no open file.
    #[default]
    Off,
    /// The worker has not opened the database yet.
    Starting,
    /// The database is open: the normal state.
    Open,
    /// The operating system denies access for now, for this reason: a device before its first
    /// unlock, for example. The journal keeps what it can, and the worker tries again.
    Locked(String),
    /// The disk is full. The journal keeps what it can, and the worker tries again.
    Full,
    /// Closed until [`Telemetry::resume`](crate::Telemetry::resume).
    Suspended,
    /// Closed for good, by [`Telemetry::shutdown`](crate::Telemetry::shutdown).
    Closed,
    /// Closed, because the client's own thread has died, for this reason. The journal keeps what it
    /// can, and the next process reads it. The figures are those from before. The next call that
    /// needs the thread starts it once more.
    Failed(String),
}

/// What one lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneDepth {
    /// Rows. An event that is still open counts as one.
    pub rows: u64,
    /// Bytes of the rows.
    pub bytes: u64,
}

/// The part of [`Health`] that is about one destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DestinationHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Events delivered since the destination was first configured.
    pub delivered: u64,
    /// Events that were dropped for this destination alone.
    pub dropped: Ledger,
    /// Why nothing, or nothing of some signals, is sent to it at the moment: the answer, the URL
    /// and what may be done about it. `None` when nothing is paused.
    pub paused: Option<String>,
    /// Whether the app has paused it:
    /// [`Telemetry::pause_destination`](crate::Telemetry::pause_destination).
    pub paused_by_app: bool,
}

/// The condition of a client. See the [module](crate::health) for how to read it.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Health {
    /// Whether calls record anything.
    pub enabled: bool,
    /// Where the journal is; `None` while the client is switched off.
    pub journal: Option<JournalMode>,
    /// Bytes in the journal that are not in the database yet.
    pub journal_bytes: u64,
    /// The state of the database.
    pub storage: StorageState,
    /// What the queue holds, by lane, in the order of [`Lane::ALL`].
    pub queue: [LaneDepth; Lane::ALL.len()],
    /// Events that were accepted since the queue exists, including those that were dropped.
    pub accepted: u64,
    /// Events that were dropped for all destinations: before the queue, or in it.
    pub dropped: Ledger,
    /// The configured destinations.
    pub destinations: Vec<DestinationHealth>,
    /// How the last request ended: `Ok` with the events delivered, or the reason of its failure.
    /// `None` before the first.
    pub last_upload: Option<Result<u64, String>>,
    /// How long nothing could be sent although something waits.
    pub offline: Duration,
    /// Requests that failed since the last one that succeeded.
    pub retries: u64,
    /// Files that were set aside because they were damaged or could not be read.
    pub quarantined_files: u64,
    /// Why the database was set aside when it was last opened; `None` when it was not.
    pub set_aside: Option<String>,
    /// Events that the host's hook dropped.
    pub hook_dropped: u64,
    /// Panics of the host's hook. Each dropped its event.
    pub hook_panics: u64,
    /// Calls of the host's hook that took longer than a millisecond.
    pub hook_slow: u64,
    /// What became of the trace contexts that were kept for a later event.
    pub contexts: StoreCounts,
    /// Whether a crash of this process would be written down. False in the first moments after the
    /// start, when it is switched off, when the disk refuses the file, and in all clients of a
    /// process but one.
    pub captures_crashes: bool,
    /// Panics of Throughline itself that were caught.
    pub panics: u64,
    /// What a developer should know: for example that no endpoint is configured.
    pub hints: Vec<String>,
}

impl Health {
    /// The number of rows in the queue.
    pub fn queued(&self) -> u64 {
        self.queue.iter().map(|lane| lane.rows).sum()
    }

    /// What the queue holds of one lane.
    pub fn lane(&self, lane: Lane) -> LaneDepth {
        self.queue.get(usize::from(lane.code())).copied().unwrap_or_default()
    }
}
