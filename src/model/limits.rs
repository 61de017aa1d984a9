//! Every limit of the core in one place, each with its unit and its reason.
//!
//! A limit is enforced where the value enters: in the encoder, the journal, the queue. What it
//! costs is counted or marked, so nothing is shortened silently. What a format defines (field
//! numbers, codes) stands with the format.

mod breadcrumbs;
mod contexts;
mod crashes;
mod datadog;
mod diagnosis;
mod exits;
mod frames;
mod journal;
mod panics;
mod processes;
mod redaction;
mod sending;
mod sentry;

use std::ops::RangeInclusive;
use std::time::Duration;

pub use breadcrumbs::*;
pub use contexts::*;
pub use exits::*;
pub use frames::*;
pub use journal::*;
pub use processes::*;
pub(crate) use {crashes::*, datadog::*, diagnosis::*, panics::*, redaction::*, sending::*, sentry::*};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

// Configuration

/// Bytes of the path of a data directory. SQLite takes paths of at most 511 bytes, and the database
/// of a second process is 26 bytes longer: `/process-99999/queue.db-wal`.
pub const MAX_DATA_DIR_BYTES: usize = 480;

// Events

/// Attributes of one event: OpenTelemetry's default `AttributeCountLimit`.
pub const MAX_ATTRIBUTES: usize = 128;
/// Bytes of an attribute's key. A longer key is cut on a character boundary, and the event is
/// marked.
pub const MAX_KEY_BYTES: usize = 128;
/// Characters of a text attribute's value: enough for a message, too few for a document.
pub const MAX_TEXT_CHARS: usize = 1_024;
/// Bytes of a `Bytes` attribute: room for a key or a hash, not for a file.
pub const MAX_BLOB_BYTES: usize = 4 * KIB;
/// Levels of nested lists and maps. A deeper value is replaced by the text `…`, and the event is
/// marked.
pub const MAX_DEPTH: usize = 8;
/// Elements of one list or map.
pub const MAX_ELEMENTS: usize = 256;
/// Characters of a name (view, action, span, metric). Backends group by names and index them.
pub const MAX_NAME_CHARS: usize = 256;
/// Characters of a log's body or an error's message.
pub const MAX_MESSAGE_CHARS: usize = 8_192;
/// Characters of a stack trace. A deep one of React Native has about 30,000.
pub const MAX_STACK_CHARS: usize = 49_152;
/// Bytes of the stack of an error that would be too large with all of it: half of an event. The
/// other half has room for its message, and for attributes.
pub(crate) const CUT_STACK_BYTES: usize = MAX_EVENT_BYTES / 2;
/// Characters of a request's method: the registered ones have fewer than 20.
pub(crate) const MAX_METHOD_CHARS: usize = 32;
/// Characters of a protocol's name and version, such as `http/1.1`.
pub(crate) const MAX_PROTOCOL_CHARS: usize = 32;
/// Characters of the unit of a data point or a vital: as many as an instrument's unit may have.
pub(crate) const MAX_UNIT_CHARS: usize = MAX_UNIT_BYTES;
/// Phases of one request: there are five, and each occurs once.
pub const MAX_PHASES: usize = 5;
/// Events, and links, of one span: OpenTelemetry's defaults.
pub const MAX_SPAN_ITEMS: usize = 128;
/// Bytes of one encoded event. A larger one is dropped as `DropReason::Oversize`, because one event
/// must fit into a request with room to spare.
pub const MAX_EVENT_BYTES: usize = 128 * KIB;

/// The latest wall time of an event, ns since the Unix epoch: a day in 2262. Many backends store
/// times as signed 64-bit numbers, and an event of a later time would come out in the past.
pub const MAX_WALL_NS: u64 = i64::MAX as u64;
/// How long the difference of wall time and boot time is taken for granted while nothing is
/// drained. Reading the wall clock for every event would cost as much again as the boot clock.
pub(crate) const WALL_OFFSET_KEPT: Duration = Duration::from_secs(1);

// The journal

/// Bytes of a frame's payload: an event, its counter, and room for what recovery appends.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_EVENT_BYTES + 64;
/// Mapped journals of one process whose pages are guarded against SIGBUS. The table of them has a
/// fixed size, because a signal handler must not allocate. Each client has one mapping.
pub(crate) const MAX_GUARDED_MAPPINGS: usize = 64;
/// Bytes of memory that a thread keeps for encoding its next event. A larger buffer is freed after
/// the event that needed it.
pub const SCRATCH_KEPT_BYTES: usize = 16 * 1024;

/// Bytes of the ring that are used while there is no file: before a device's first unlock, or on a
/// full disk.
pub const HEAP_JOURNAL_BYTES: u64 = 256 * KIB as u64;
/// Time between two drains while events arrive: the promise is "in SQLite within 100 ms".
pub const TICK: Duration = Duration::from_millis(100);
/// Time between two drains while more bytes arrive in a tick than are made writable in advance.
pub const BUSY_TICK: Duration = Duration::from_millis(25);

// The queue

/// Rows that one transaction drains or recovers. It then takes less than 10 ms, so that the journal
/// is never left alone for long.
pub const MAX_DRAIN_EVENTS: usize = 2_048;
/// Bytes that one transaction drains, for the same reason.
pub const MAX_DRAIN_BYTES: usize = 256 * KIB;
/// Default bytes of the whole queue: a week of a busy app.
pub const DEFAULT_QUEUE_BYTES: u64 = 64 * MIB as u64;
/// Default bytes of the crash lane, which no other lane can evict.
pub const DEFAULT_CRASH_BYTES: u64 = 8 * MIB as u64;
/// Default age at which a queued event is dropped and counted. Crashes are kept longer.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(7 * 86_400);
/// How many times longer than other lanes the crash lane is kept.
pub const CRASH_AGE_FACTOR: u32 = 4;
/// The least age at which a row is dropped for its age. If the maximum age were zero, every row
/// would be dropped before it can be sent.
pub(crate) const EXPIRY_AGE_MIN: Duration = Duration::from_secs(1);
/// Bytes of the ballast file, which is given up to get out of a full disk. 128, 256 and 512 KiB all
/// worked in tests.
pub const BALLAST_BYTES: u64 = 256 * KIB as u64;
/// Free bytes at which the ballast is written again.
pub const BALLAST_REARM_FREE: u64 = 2 * MIB as u64;
/// Rows that one transaction deletes on a full disk. Deleting more needs more space for SQLite's
/// own journal than there is.
pub const FULL_DISK_EVICT_ROWS: usize = 10;
/// Quarantined databases that are kept, so that somebody can look at them.
pub const MAX_QUARANTINED: usize = 2;
/// Bytes of the quarantine folder.
pub const MAX_QUARANTINE_BYTES: u64 = 4 * MIB as u64;
/// Deaths of the process while it read a file, without progress in between, after which the file is
/// read one record at a time.
pub const CAREFUL_AFTER_ATTEMPTS: u32 = 2;
/// Such deaths after which the file is quarantined: two more at the same record.
pub const QUARANTINE_AFTER_ATTEMPTS: u32 = 4;
/// Bytes of events that wait for the user's consent. The oldest of the lowest lane give way.
pub const MAX_PENDING_BYTES: u64 = 8 * MIB as u64;
/// Events that give way in one go.
pub(crate) const PENDING_EVICT_ROWS: u64 = 256;
/// Events that one transaction moves into the queue when the user has consented.
pub const PROMOTE_ROWS: u64 = 500;
/// Bytes that a row costs besides its contents: SQLite's cell header and the pointer to it.
pub(crate) const ROW_OVERHEAD_BYTES: u64 = 12;
/// Time between two notes of which sequence number a lane had reached: rows age as exactly as this.
pub(crate) const AGE_MARK_EVERY: Duration = Duration::from_secs(600);
/// Events, or refusals, of one run and lane. A counter of the journal that claims more is damaged:
/// at a million a second it would take twelve days to count this far.
pub(crate) const MAX_RUN_EVENTS: u64 = 1 << 40;
/// Rows of the crash lane that one transaction evicts when the lane is over its quota: few, because
/// each is precious.
pub(crate) const CRASH_EVICT_ROWS: usize = 16;
/// Transactions that evict from one lane on a full disk, before the next lane has its turn.
pub(crate) const FULL_DISK_EVICT_STEPS: usize = 8;
/// Pages that one call gives back to the file system: 256 KiB, in about a millisecond.
pub(crate) const VACUUM_PAGES: u32 = 64;
/// Rows that one transaction reads out of a damaged database.
pub(crate) const SALVAGE_STEP_ROWS: usize = 256;
/// Distance from the highest sequence number that can be read in a damaged database to the first
/// one that is given anew, when the books are damaged as well: more than a full lane has.
pub(crate) const SALVAGE_SEQ_GAP: u64 = 1 << 20;
/// Bytes of a page of the database: what file systems and flash memory handle as one.
pub(crate) const DB_PAGE_BYTES: u64 = 4 * KIB as u64;
/// The least pages that the database may grow to: 2 MiB, enough for the tables and the crash lane.
pub(crate) const DB_MIN_PAGES: u64 = 512;
/// Pages in SQLite's write-ahead log at which they are written back into the database: checkpoints
/// then take a few milliseconds.
pub(crate) const WAL_CHECKPOINT_PAGES: u32 = 64;
/// Bytes to which the file of the write-ahead log is shortened after a checkpoint: as many as those
/// pages.
pub(crate) const WAL_BYTES: u64 = WAL_CHECKPOINT_PAGES as u64 * DB_PAGE_BYTES;
/// KiB of pages that SQLite keeps in memory.
pub(crate) const DB_CACHE_KIB: i64 = 256;
/// How long SQLite waits for a lock that another process holds: a support engineer's shell, for
/// example.
pub(crate) const DB_BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Prepared statements that are kept: all that a drain and an upload use.
pub(crate) const DB_STATEMENTS: usize = 32;

// The worker

/// Time after which a directory is opened again that could not be opened or used. It doubles with
/// each failure: a device that is locked now may be unlocked at any time.
pub const REOPEN_AFTER: Duration = Duration::from_millis(250);
/// The longest of those times.
pub const REOPEN_AT_MOST_AFTER: Duration = MINUTE;
/// Time after a failed drain before the next one: the reason seldom goes away at once.
pub const DRAIN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Time between two events that report how the core itself is doing.
pub const REPORT_EVERY: Duration = MINUTE;
/// Time between two rounds of housekeeping in the database: each writes to the disk.
pub const CLEAN_UP_EVERY: Duration = MINUTE;
/// Longest wait before uploads are considered again. Timers stand still while the device sleeps,
/// the clock that deadlines refer to does not.
pub const LONGEST_WAIT: Duration = HOUR;
/// Shortest wait before uploads are considered again. A time that is a few nanoseconds away would
/// otherwise wake the worker over and over.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// Time between two looks at a clock that a test moves by hand: no timer fires for it.
pub const MANUAL_TICK: Duration = Duration::from_millis(5);
/// Change of the difference to the server's clock, in milliseconds, that is worth a new context.
/// The `Date` header has whole seconds, and the way of a response takes time.
pub const SERVER_OFFSET_CHANGE_MS: i64 = 2_000;
/// Time after which the thread for name resolution ends that is not needed: a burst of uploads
/// needs it once.
pub const IO_THREAD_KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Niceness of the worker's threads on Linux and Android: the app's threads go first.
pub const WORKER_NICENESS: i32 = 10;
/// The time in which lines of the debug log and a store's actions are counted: their limits are
/// numbers in a second.
pub(crate) const RATE_PERIOD: Duration = Duration::from_secs(1);
/// Lines of the debug log in a second. Further ones are counted.
pub const DEBUG_LINES_PER_SECOND: u32 = 20;

// The configuration

/// Bytes of the service's name: it is indexed by every backend.
pub const MAX_SERVICE_NAME_BYTES: usize = 255;
/// Attributes that the client sets on every event itself: service, SDK, system, installation.
pub const OWN_ATTRIBUTES: usize = 16;
/// Attributes that a configuration may add to the resource. The others of [`MAX_ATTRIBUTES`] are
/// the client's own.
pub const MAX_RESOURCE_ATTRIBUTES: usize = MAX_ATTRIBUTES - OWN_ATTRIBUTES;
/// Destinations of a configuration. Each has a cursor for every lane and keeps rows in the queue.
pub const MAX_DESTINATIONS: usize = 8;
/// Default time that an event waits for others in staging and production.
pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(30);
/// Default time that an event waits for others in development and test, where somebody is looking.
pub const DEFAULT_FLUSH_INTERVAL_DEV: Duration = Duration::from_secs(2);
/// The configurable time that an event waits for others: not so short that every event is a request
/// of its own, and not longer than a day.
pub const FLUSH_INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;
/// Default number of events that are sent without waiting for the interval.
pub const DEFAULT_FLUSH_EVENTS: u64 = 100;
/// The configurable bytes of the queue: room for a few crashes, and not all of a phone's storage.
pub const QUEUE_BYTES_RANGE: RangeInclusive<u64> = MIB as u64..=4_096 * MIB as u64;
/// The least configurable bytes of the crash lane: one crash with a long stack.
pub const CRASH_BYTES_MIN: u64 = 64 * KIB as u64;
/// The configurable age at which events are dropped. A backend has no use for events older than a
/// year.
pub const MAX_AGE_RANGE: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(366 * 86_400);
/// Default share of traces that are recorded in staging and production.
pub const DEFAULT_TRACE_RATE: f64 = 0.1;
/// Default time that tail sampling looks back.
pub const DEFAULT_TAIL_WINDOW: Duration = Duration::from_secs(300);
/// The configurable time that tail sampling looks back.
pub const TAIL_WINDOW_RANGE: RangeInclusive<Duration> = MINUTE..=HOUR;
/// Default bytes that tail sampling keeps.
pub const DEFAULT_TAIL_BYTES: u64 = 2 * MIB as u64;
/// The configurable bytes that tail sampling keeps: minutes of events, and only a part of the
/// queue.
pub const TAIL_BYTES_RANGE: RangeInclusive<u64> = 64 * KIB as u64..=8 * MIB as u64;

// Requests

/// Events of one batch that an exporter may fail on. When it fails on more of them, it is more
/// likely the exporter that is at fault, and its destination is paused.
pub const MAX_EXPORT_FAULTS: usize = 16;
/// Events in one batch.
pub const MAX_BATCH_EVENTS: usize = 500;
/// Bytes of canonical rows that are read for one batch. Their OTLP form is several times larger,
/// and should fit into one request of [`MAX_BATCH_BYTES`].
pub const MAX_BATCH_ROW_BYTES: usize = 96 * KIB;
/// Bytes of one request's uncompressed body. The OpenTelemetry Collector takes 20 MiB by default,
/// but the body is in a phone's memory.
pub const MAX_BATCH_BYTES: usize = 512 * KIB;
/// Time after which a lane is looked at again in which one damaged part followed another.
pub const LEASE_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// Bytes of a response that are read. A success has fewer than 100; anything long is an error page.
pub const MAX_RESPONSE_BYTES: usize = 64 * KIB;
/// Time for one request, connecting included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for name resolution, TCP and TLS together, as a part of [`REQUEST_TIMEOUT`].
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Battery level, percent, under which only crashes and errors are sent, unless it is charging.
pub const LOW_BATTERY_PERCENT: u8 = 15;
/// Errors wait for this fraction of the flush interval: they are wanted sooner than other events.
pub const ERROR_INTERVAL_DIVISOR: u32 = 4;

// Retries

/// The bound of the first retry's delay. It doubles with each failure; the delay is a random share
/// of it ("full jitter").
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// The largest bound of a retry's delay.
pub const BACKOFF_CAP: Duration = Duration::from_secs(15 * 60);
/// The shortest delay, whatever the jitter: no backend is asked twice within it.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Sends of a part after which the rows behind it are frozen and sent too. A backend that fails on
/// one event must not keep the others on the device.
pub const STUCK_AFTER: u32 = 3;
/// Parts of one batch and signal that may wait to be sent again. While a backend is down, every few
/// retries add one; more would only make the books larger.
pub const MAX_STUCK_PARTS: usize = 8;
/// Failures of a part, each with something else accepted since the failure before, after which the
/// part is divided to find the event at fault. One may be chance.
pub const SUSPICIONS_TO_DIVIDE: u32 = 2;
/// Such failures after which a single event that is no crash is dropped: so many that a backend
/// which fails on most requests costs none.
pub const SUSPICIONS_TO_DROP: u32 = 8;
/// Time between two of these that count once the part was divided: no overload costs an event.
pub const SUSPECT_EVERY: Duration = Duration::from_secs(30 * 60);
/// How long a crash waits on which the backend fails. It is sent until it is too old, because a
/// backend is repaired sooner or later.
pub const PARKED_FOR: Duration = DAY;
/// Crashes of one lane that are parked. When there are more, the oldest is dropped.
pub const MAX_PARKED_PARTS: usize = 64;
/// The longest time that a flush is given. A caller who waits for ever is answered after it,
/// because no clock counts for ever.
pub const LONGEST_FLUSH: Duration = DAY;
/// How long the connection to a backend is kept after an answer. Longer than the default interval
/// between uploads, so that they need not connect anew, and shorter than most servers wait.
pub const KEEP_CONNECTION: Duration = Duration::from_secs(45);
/// The shortest `Retry-After` that is obeyed.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// The longest `Retry-After` that is obeyed: a broken answer must not silence a client for ever.
pub const RETRY_AFTER_MAX: Duration = DAY;
/// The share of the wait by which a date in `Retry-After` is spread, as a divisor: many clients are
/// given the same date.
pub const RETRY_DATE_SPREAD_DIVISOR: u32 = 10;
/// The first pause of a signal that the backend refuses. It doubles with each refusal.
pub const PAUSE_BASE: Duration = HOUR;
/// The longest pause of a signal.
pub const PAUSE_CAP: Duration = DAY;
/// The longest wait for a deadline that was set in another boot, since nobody knows how long the
/// device was off.
pub const OTHER_BOOT_CAP: Duration = Duration::from_secs(15 * 60);
/// The first upload after a start or a reconnect is spread over this time, so that a fleet of
/// devices does not arrive at once.
pub const START_JITTER: Duration = Duration::from_secs(10);
/// A signal is paused, and not sent in smaller and smaller parts, if nothing was taken for so long.
pub const ACCEPT_WINDOW: Duration = DAY;

// Trace context

/// Contexts that wait for a later message (WebSocket, push).
pub const CONTEXT_STORE_ENTRIES: usize = 10_000;
/// Bytes of all of them: what a hostile peer sends must not fill the memory.
pub const CONTEXT_STORE_BYTES: usize = 8 * MIB;
/// How long a context waits. A message that comes later has lost its cause.
pub const CONTEXT_STORE_TTL: Duration = Duration::from_secs(5 * 60);
/// Bytes that an entry is charged for itself, beside its texts.
pub const CONTEXT_ENTRY_BYTES: usize = 256;
/// Members of a `tracestate` (W3C Trace Context §3.3.1.1). A list with more is discarded.
pub const MAX_STATE_MEMBERS: usize = 32;
/// Bytes of a `tracestate` that are sent on. The standard asks for 512 at least; servers refuse
/// requests whose headers have more than 8 KiB in all.
pub const MAX_STATE_BYTES: usize = 4 * KIB;
/// Members of a `tracestate` that have more bytes are the first to be left out when the whole is
/// too long (W3C Trace Context §3.3.1.5).
pub const LONG_STATE_MEMBER_BYTES: usize = 128;
/// Bytes of a `tracestate` member's key, and of its value (W3C Trace Context §3.3.1.3).
pub const MAX_STATE_PART_BYTES: usize = 256;
/// Members of a `baggage` header (W3C Baggage §3.3.2).
pub const MAX_BAGGAGE_MEMBERS: usize = 64;
/// Bytes of a `baggage` header (W3C Baggage §3.3.2).
pub const MAX_BAGGAGE_BYTES: usize = 8 * KIB;
/// Bytes of a baggage key: the length that other implementations accept.
pub const MAX_BAGGAGE_KEY_BYTES: usize = 256;
/// Bytes of `x-datadog-tags`: what Datadog's tracers send at most.
pub const MAX_DATADOG_TAG_BYTES: usize = 512;
/// Bytes of Datadog's member of a `tracestate`.
pub const MAX_DATADOG_MEMBER_BYTES: usize = 256;
/// Characters of Datadog's origin. The known ones have fewer than 20.
pub const MAX_ORIGIN_CHARS: usize = 64;
/// Bytes of a correlation id: a UUID has 36.
pub const MAX_CORRELATION_BYTES: usize = 128;

// Traced state

/// Traced stores of a client.
pub const MAX_STORES: usize = 256;
/// Characters of a store's name, which begins every name of its actions.
pub const MAX_STORE_NAME_CHARS: usize = 64;
/// Bytes of a path into traced state.
pub const MAX_PATH_BYTES: usize = 1_024;
/// Steps of a path or pattern: a pattern's state is one 64-bit word.
pub const MAX_PATH_SEGMENTS: usize = 63;
/// Paths of a store whose decision is remembered. Further ones are decided anew each time.
pub const MAX_DECISIONS: usize = 1_024;
/// Distinct action names of a store. Further paths are named by their pattern.
pub const MAX_STATE_NAMES: usize = 256;
/// Coalescing windows of a store that are open at once. The oldest is closed early for a new one.
pub const MAX_WINDOWS: usize = 64;
/// Default time within which mutations of one path are one action.
pub const DEFAULT_COALESCE: Duration = Duration::from_millis(250);
/// Default number of a store's actions in a second.
pub const DEFAULT_ACTIONS_PER_SECOND: u32 = 20;
/// The longest coalescing window, and the longest time within which a reverted mutation is ignored.
/// An action that is held back longer would miss the upload of its view and its request.
pub const MAX_STATE_WINDOW: Duration = MINUTE;
/// Bytes after which a captured value's JSON is not continued: enough for [`MAX_TEXT_CHARS`]
/// characters of any script.
pub const MAX_CAPTURED_JSON_BYTES: usize = 4 * MAX_TEXT_CHARS;
/// Levels that a structural diff follows.
pub const DIFF_DEPTH: usize = 8;
/// Nodes that a structural diff compares.
pub const DIFF_NODES: usize = 1_000;
/// Mutations that one diff reports. The rest is counted.
pub const DIFF_MUTATIONS: usize = 100;

// Sessions, views, actions, operations

/// A session ends when the user has done nothing for this long: Datadog's and OpenTelemetry's
/// value.
pub const SESSION_INACTIVITY: Duration = Duration::from_secs(15 * 60);
/// A session ends at this length.
pub const SESSION_MAX: Duration = Duration::from_secs(4 * 3_600);
/// How exactly the time of the user's last activity is known. A burst of taps within it takes no
/// lock, and 15 minutes of inactivity need no better.
pub const ACTIVITY_GRAIN: Duration = Duration::from_secs(1);
/// Time between two writes of the session's file while the user is active.
pub const SESSION_SAVE_EVERY: Duration = Duration::from_secs(15);
/// An action has settled when nothing that it caused has happened for this long.
pub const ACTION_QUIET: Duration = Duration::from_millis(100);
/// An action collects what it causes for at most this long.
pub const ACTION_MAX: Duration = Duration::from_secs(5);
/// Taps on one target within [`RAGE_WINDOW`] that make the last a rage tap.
pub const RAGE_TAPS: usize = 3;
/// The time within which [`RAGE_TAPS`] taps show that the user is frustrated.
pub const RAGE_WINDOW: Duration = Duration::from_secs(1);
/// Identical errors (type and top frames) that are recorded within [`REPEATED_ERRORS_WITHIN`]: ten
/// a second, as many as a burst of failing requests makes. An error in a loop that draws repeats
/// 3,600 times in a minute, and all of them say the same. Crashes are never left out.
pub const REPEATED_ERRORS: u32 = 600;
/// The time within which identical errors are counted.
pub const REPEATED_ERRORS_WITHIN: Duration = MINUTE;
/// Frames at the top of a stack that tell one error from another: deeper ones differ with whatever
/// led there.
pub const ERROR_TOP_FRAMES: usize = 5;
/// Bytes of a frame that tell it from another: a symbol and its file.
pub(crate) const ERROR_FRAME_BYTES: usize = 256;
/// Errors whose repetitions are counted: more than an app has places that fail at once.
pub(crate) const MAX_KNOWN_ERRORS: usize = 256;
/// Time between two snapshots of an open view whose counters change.
pub const VIEW_AMEND_EVERY: Duration = Duration::from_secs(1);
/// Time between two snapshots of an open view of which only the samples change: frames, memory,
/// processor time. They come all the time, and must not keep the device awake.
pub const VIEW_SAMPLES_EVERY: Duration = Duration::from_secs(30);
/// Time between two requests with snapshots of views that stay open and change: so that a view is
/// seen within half a minute, at two small requests in a minute.
pub const VIEW_SEND_EVERY: Duration = Duration::from_secs(30);
/// Time between two snapshots of a running operation whose attributes are replaced: a progress that
/// is set with each chunk must not fill the journal. What is added is written at once.
pub const OPERATION_AMEND_EVERY: Duration = Duration::from_secs(1);
/// How long it is known what events belonged to: an engine tells of a rejected promise after 2 s,
/// and its thread may be busy for longer.
pub const PAST_KEPT: Duration = Duration::from_secs(10);
/// Changes within this time are one step: an app that sets a hundred global attributes in a row
/// must not have forgotten the user of a second ago. JavaScript's clock knows no shorter time.
pub const PAST_STEP: Duration = Duration::from_millis(1);
/// How many views, actions and users that were current one after the other are known.
pub const MAX_PAST: usize = 64;
/// Views on the stack.
pub const MAX_VIEWS: usize = 32;
/// An operation that has not ended after this long is abandoned.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Operations that run at once. Further ones have a context, but leave no span.
pub const MAX_OPERATIONS: usize = 1_000;

// Metrics

/// Instruments of a client.
pub const MAX_METRICS: usize = 1_000;
/// Label sets of one instrument. The rest share an overflow series.
pub const MAX_METRIC_SERIES: usize = 100;
/// Label sets of all instruments.
pub const MAX_SERIES: usize = 1_000;
/// Bytes of an instrument's name: OpenTelemetry's limit.
pub const MAX_METRIC_NAME_BYTES: usize = 255;
/// Bytes of an instrument's unit: OpenTelemetry's limit.
pub const MAX_UNIT_BYTES: usize = 63;
/// Bounds of a histogram: each is a counter in memory and on the wire.
pub const MAX_BOUNDS: usize = 128;
/// Time between two points of a metric: what a process that dies loses at most.
pub const METRIC_EVERY: Duration = Duration::from_secs(10);

// The client

/// Time that a call of the host's hook may take. A longer one is counted: the hook runs on the
/// thread that records, often the main thread.
pub const HOOK_BUDGET: Duration = Duration::from_millis(1);
/// Time that dropping the last handle of a client waits for the worker to close the database.
pub const DROP_TIMEOUT: Duration = Duration::from_secs(1);
/// Time that switching a client off waits for the worker to close the database.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// Time that a denial of consent waits until everything is erased. A slow disk may need seconds.
pub const ERASE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a flush waits for its outcome beyond the caller's timeout, in case of a request.
pub const FLUSH_REPLY_MARGIN: Duration = Duration::from_secs(2);
/// Ignored mutations that a path's handle counts by itself before it adds them to its store's
/// books, which takes a lock.
pub const MAX_UNBOOKED_MUTATIONS: u64 = 1_024;
