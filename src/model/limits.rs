//! Every limit of the core in one place, each with its unit and its reason.
//!
//! A limit is enforced where the value enters (the encoder, the journal, the queue) and what it costs is always
//! counted or marked: nothing is shortened silently.

use std::time::Duration;

/// Attributes on one event. OpenTelemetry's default `AttributeCountLimit`.
pub const MAX_ATTRIBUTES: usize = 128;
/// Bytes of an attribute's key. Longer keys are cut on a character boundary and marked.
pub const MAX_KEY_BYTES: usize = 128;
/// Characters of a text attribute's value. Enough for a message, too few for a document.
pub const MAX_TEXT_CHARS: usize = 1_024;
/// Bytes of a `Bytes` attribute.
pub const MAX_BLOB_BYTES: usize = 4_096;
/// Nesting of lists and maps. Deeper values are replaced by the text `…` and marked.
pub const MAX_DEPTH: usize = 8;
/// Elements of one list or map attribute.
pub const MAX_ELEMENTS: usize = 256;
/// Characters of a name (view, action, span, metric).
pub const MAX_NAME_CHARS: usize = 256;
/// Characters of a log's body or an error's message.
pub const MAX_MESSAGE_CHARS: usize = 8_192;
/// Characters of a stack trace. A deep React Native trace has about 30,000.
pub const MAX_STACK_CHARS: usize = 49_152;
/// Phases of one request: each once.
pub const MAX_PHASES: usize = 5;
/// Events and links of one span (OpenTelemetry's defaults).
pub const MAX_SPAN_ITEMS: usize = 128;
/// Bytes of one encoded event. A larger one is dropped with `DropReason::Oversize`.
pub const MAX_EVENT_BYTES: usize = 128 * 1024;

/// Bytes of the journal's ring: one second of 10,000 events of 100 bytes.
pub const JOURNAL_BYTES: usize = 1024 * 1024;
/// Bytes of the ring that are used while there is no file (a device before its first unlock, a full disk).
pub const HEAP_JOURNAL_BYTES: u64 = 256 * 1024;
/// Bytes after the writer's position whose pages the worker makes writable ahead of time.
pub const JOURNAL_PREFAULT_BYTES: usize = 128 * 1024;
/// The journal wakes the worker when this many bytes wait: a quarter, long before the first lane is refused.
pub const JOURNAL_WAKE_BYTES: u64 = 256 * 1024;
/// Time between drains while events arrive: the promise is "in SQLite within 100 ms".
pub const TICK: Duration = Duration::from_millis(100);
/// Time between drains while more than a prefault window arrives per tick.
pub const BUSY_TICK: Duration = Duration::from_millis(25);

/// Events in one batch.
pub const MAX_BATCH_EVENTS: usize = 500;
/// Bytes of canonical rows that are read for one batch. Their OTLP form is several times larger, and should fit into
/// one request of [`MAX_BATCH_BYTES`].
pub const MAX_BATCH_ROW_BYTES: usize = 96 * 1024;
/// Bytes of one request's uncompressed body. The Collector's own default limit is 20 MiB; a phone's memory is ours.
pub const MAX_BATCH_BYTES: usize = 512 * 1024;
/// Bytes of a response that are read. A success is under 100 bytes; the rest is somebody's error page.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// Time for one request, connection included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Rows drained or recovered in one transaction: under 10 ms, so that no step starves the journal.
pub const MAX_DRAIN_EVENTS: usize = 2_048;
/// Bytes drained in one transaction.
pub const MAX_DRAIN_BYTES: usize = 256 * 1024;
/// Bytes of the whole queue: a week of a busy app.
pub const DEFAULT_QUEUE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of the crash lane, which no other lane can evict.
pub const DEFAULT_CRASH_BYTES: u64 = 8 * 1024 * 1024;
/// Age at which a queued event is dropped and counted. Crashes are kept four times longer.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How much longer than other lanes the crash lane is kept.
pub const CRASH_AGE_FACTOR: u32 = 4;
/// Bytes of the ballast file, given up to get out of a full disk. 128, 256 and 512 KiB were all seen to work.
pub const BALLAST_BYTES: u64 = 256 * 1024;
/// Free bytes at which the ballast is written again.
pub const BALLAST_REARM_FREE: u64 = 2 * 1024 * 1024;
/// Rows deleted per transaction on a full disk: more of them need more journal space than there is.
pub const FULL_DISK_EVICT_ROWS: usize = 10;
/// Quarantined databases kept for a look.
pub const MAX_QUARANTINED: usize = 2;
/// Bytes of the quarantine folder.
pub const MAX_QUARANTINE_BYTES: u64 = 4 * 1024 * 1024;
/// Deaths while reading a file, without progress in between, after which it is read one record at a time.
pub const CAREFUL_AFTER_ATTEMPTS: u32 = 2;
/// Such deaths after which the file is set aside as poison: two more at the same record.
pub const QUARANTINE_AFTER_ATTEMPTS: u32 = 4;
/// Processes that may share a data directory, each in a sub-directory of its own.
pub const MAX_SIBLING_PROCESSES: u32 = 16;

/// First and longest retry delay; full jitter in between.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// Longest retry delay.
pub const BACKOFF_CAP: Duration = Duration::from_secs(15 * 60);
/// `Retry-After` is clamped to this range: a hostile or broken answer must not silence a process for ever.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// Longest `Retry-After` obeyed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// First and longest pause after 401, 403, 404.
pub const PAUSE_BASE: Duration = Duration::from_secs(3600);
/// Longest pause of a destination.
pub const PAUSE_CAP: Duration = Duration::from_secs(24 * 3600);
/// A deadline written in another boot waits at most this long.
pub const OTHER_BOOT_CAP: Duration = Duration::from_secs(15 * 60);
/// Spread of the first upload after start or reconnect, so that a fleet does not arrive at once.
pub const START_JITTER: Duration = Duration::from_secs(10);
/// A destination that accepted nothing for this long is paused instead of bisected to nothing.
pub const ACCEPT_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Contexts that wait for a later message (WebSocket, push).
pub const CONTEXT_STORE_ENTRIES: usize = 10_000;
/// Bytes of all of them: a hostile peer's `tracestate` must not become our memory.
pub const CONTEXT_STORE_BYTES: usize = 8 * 1024 * 1024;
/// How long a context waits. A message that comes later than that has lost its cause.
pub const CONTEXT_STORE_TTL: Duration = Duration::from_secs(5 * 60);

/// Bytes of a path into traced state.
pub const MAX_PATH_BYTES: usize = 1_024;
/// Steps of a path or pattern: a pattern's state is one 64-bit word.
pub const MAX_PATH_SEGMENTS: usize = 63;
/// Paths of a store whose decision is remembered; a path beyond them is decided anew each time.
pub const MAX_DECISIONS: usize = 1_024;
/// Distinct action names of a store; paths beyond them are named by their pattern.
pub const MAX_STATE_NAMES: usize = 256;
/// Coalescing windows of a store that are open at once; the oldest is closed early when there would be more.
pub const MAX_WINDOWS: usize = 64;
/// Traced stores of a client.
pub const MAX_STORES: usize = 256;
/// Nesting that a structural diff follows.
pub const DIFF_DEPTH: usize = 8;
/// Nodes that a structural diff compares.
pub const DIFF_NODES: usize = 1_000;
/// Mutations that one diff reports; the rest are counted.
pub const DIFF_MUTATIONS: usize = 100;

/// A session ends when the user has done nothing for this long (Datadog's and OpenTelemetry's value).
pub const SESSION_INACTIVITY: Duration = Duration::from_secs(15 * 60);
/// A session ends at this length.
pub const SESSION_MAX: Duration = Duration::from_secs(4 * 3600);
/// How exactly the time of the user's last activity is known. A burst of taps within it takes no
/// lock, and 15 minutes of inactivity need no better.
pub const ACTIVITY_GRAIN: Duration = Duration::from_secs(1);
/// Time between two writes of the session's file.
pub const SESSION_SAVE_EVERY: Duration = Duration::from_secs(15);
/// An action has settled when nothing that it caused happened for this long.
pub const ACTION_QUIET: Duration = Duration::from_millis(100);
/// An action collects at most this long.
pub const ACTION_MAX: Duration = Duration::from_secs(5);
/// Taps on one target within [`RAGE_WINDOW`] that make the last a rage tap.
pub const RAGE_TAPS: usize = 3;
/// See [`RAGE_TAPS`].
pub const RAGE_WINDOW: Duration = Duration::from_secs(1);
/// Time between two snapshots of an open view whose counters change.
pub const VIEW_AMEND_EVERY: Duration = Duration::from_secs(1);
/// Views on the stack.
pub const MAX_VIEWS: usize = 32;
/// An operation that has not ended after this long is abandoned.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Operations that run at once; further ones have a context and leave no span.
pub const MAX_OPERATIONS: usize = 1_000;

/// Bytes of events that wait for the user's consent; the oldest go first.
pub const MAX_PENDING_BYTES: u64 = 8 * 1024 * 1024;
/// Events that are promoted in one transaction.
pub const PROMOTE_ROWS: u64 = 500;

/// Metrics of a client.
pub const MAX_METRICS: usize = 1_000;
/// Label sets of one metric; the rest share an overflow series.
pub const MAX_METRIC_SERIES: usize = 100;
/// Label sets of all metrics.
pub const MAX_SERIES: usize = 1_000;
/// Time between two points of a metric: what a process that dies loses at most.
pub const METRIC_EVERY: Duration = Duration::from_secs(10);

/// Newest contexts of the running process that are never pruned: a thread may be recording with one of them.
pub const KEPT_CONTEXTS: u32 = 32;

/// A frame that takes longer than this is frozen: the length that Datadog's and Android's tools use.
pub const FROZEN_FRAME: Duration = Duration::from_millis(700);

/// The longest coalescing window, and the longest time within which a reverted mutation is ignored. An action that is
/// held back longer would miss the upload that its view and its request leave with.
pub const MAX_STATE_WINDOW: Duration = Duration::from_secs(60);
