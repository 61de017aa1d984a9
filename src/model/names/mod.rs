//! Every name that leaves the device: attribute keys, event names, headers and words.
//!
//! Names that OpenTelemetry's semantic conventions define are in [`semconv`], which states their
//! version. This module holds the names that Throughline defines where no convention exists. A name
//! that was once delivered keeps its meaning: backends store dashboards and alerts under it.

use std::borrow::Cow;

use crate::model::value::{Attribute, OwnedAttributes, to_owned};

pub mod breadcrumb;
pub mod datadog;
pub mod headers;
pub mod semconv;
pub mod words;

/// The prefixes of Throughline's own attribute keys. When the app sets an attribute whose key
/// starts with one of them, the key gets the prefix `app.`, so that the app cannot forge an
/// attribute of the core.
pub const RESERVED: [&str; 5] = ["throughline.", "state.", "mutation.", "rum.", "operation."];

/// Returns the key under which an attribute of the app is recorded: a key with a
/// [reserved](RESERVED) prefix gets the prefix `app.`.
pub(crate) fn app_key(key: &str) -> Cow<'_, str> {
    let is_reserved = RESERVED.iter().any(|prefix| key.starts_with(prefix));
    if is_reserved { Cow::Owned(format!("app.{key}")) } else { Cow::Borrowed(key) }
}

/// Copies attributes of the app, each under its [`app_key`].
pub(crate) fn app_attributes(attributes: &[Attribute<'_>]) -> OwnedAttributes {
    let mut owned = to_owned(attributes);
    for (key, _) in &mut owned {
        if let Cow::Owned(prefixed) = app_key(key) {
            *key = prefixed;
        }
    }
    owned
}

// Every event.

/// The name of the instrumentation scope and of the SDK.
pub const SCOPE_NAME: &str = "throughline";
/// The id of the event, on spans and in the exemplars of metrics: the same in every attempt and for
/// every destination. On log records it is [`semconv::LOG_RECORD_UID`].
pub const EVENT_ID: &str = "throughline.event.id";
/// How many values of this event were shortened to their limit.
pub const TRUNCATED: &str = "throughline.truncated";
/// How many attributes a format has no form for, or the client had no room for.
pub const DROPPED_ATTRIBUTES: &str = "throughline.dropped_attributes";
/// Why an event that was still open was ended by the core, for example `process_death`.
pub const ENDED: &str = "throughline.ended";
/// Server time minus device time, in milliseconds.
pub const SERVER_OFFSET: &str = "throughline.server_offset_ms";
/// The prefix of a feature flag's attribute: the flag's name follows. It is our own, because flags
/// have any names: below `feature_flag.`, a flag called `key` would take the convention's place.
pub const FEATURE_FLAG: &str = "throughline.feature_flag.";

// Sessions.

/// Why a session started or ended.
pub const SESSION_REASON: &str = "rum.session.reason";
/// The number of the session on this installation, counted from 1.
pub const SESSION_SEQUENCE: &str = "rum.session.sequence";

// Views.

/// The number of the snapshot. The reader keeps the snapshot with the highest number.
pub const VIEW_VERSION: &str = "rum.view.version";
/// Whether the view is still shown.
pub const VIEW_IS_ACTIVE: &str = "rum.view.is_active";
/// The route or the class of the view.
pub const VIEW_URL: &str = "rum.view.url";
/// The time that the view was shown, in nanoseconds.
pub const VIEW_TIME_SPENT: &str = "rum.view.time_spent";
/// The time until the view was complete, in nanoseconds.
pub const VIEW_LOADING_TIME: &str = "rum.view.loading_time";
/// The number of actions on the view.
pub const VIEW_ACTIONS: &str = "rum.view.action.count";
/// The number of resources that the view loaded.
pub const VIEW_RESOURCES: &str = "rum.view.resource.count";
/// The number of errors on the view.
pub const VIEW_ERRORS: &str = "rum.view.error.count";
/// The number of long tasks on the view.
pub const VIEW_LONG_TASKS: &str = "rum.view.long_task.count";
/// The number of crashes on the view.
pub const VIEW_CRASHES: &str = "rum.view.crash.count";
/// The number of frames that the view drew, as the host reported them.
pub const VIEW_FRAMES: &str = "rum.view.frame.count";
/// The number of frames that took longer than the display's interval.
pub const VIEW_SLOW_FRAMES: &str = "rum.view.slow_frame.count";
/// The number of frames that took longer than [`FROZEN_FRAME`](crate::model::limits::FROZEN_FRAME).
pub const VIEW_FROZEN_FRAMES: &str = "rum.view.frozen_frame.count";
/// The mean of the process's memory while the view was shown, in bytes.
pub const VIEW_MEMORY_MEAN: &str = "rum.view.memory_average";
/// The highest memory use while the view was shown, in bytes.
pub const VIEW_MEMORY_MAX: &str = "rum.view.memory_max";
/// The processor time that the process used while the view was shown, in seconds.
pub const VIEW_CPU_TIME: &str = "rum.view.cpu_time";

// Actions.

/// The id of the action that an event belongs to.
pub const ACTION_ID: &str = "rum.action.id";
/// What the user did: `tap`, `scroll`, `swipe`, `back`, `custom`, `state_mutation` or
/// `application_start`.
pub const ACTION_TYPE: &str = "rum.action.type";
/// The time until everything that the action caused had ended, in nanoseconds.
pub const ACTION_LOADING_TIME: &str = "rum.action.loading_time";
/// Signs of frustration: `rage_tap`, `error_tap`.
pub const ACTION_FRUSTRATION: &str = "rum.action.frustration";
/// The number of resources that the action caused.
pub const ACTION_RESOURCES: &str = "rum.action.resource.count";
/// The number of errors that the action caused.
pub const ACTION_ERRORS: &str = "rum.action.error.count";
/// The number of long tasks that the action caused.
pub const ACTION_LONG_TASKS: &str = "rum.action.long_task.count";
/// The number of state mutations that the action caused.
pub const ACTION_MUTATIONS: &str = "rum.action.mutation.count";

// Errors, long tasks, vitals, spans.

/// Where an error was caught: `source`, `network`, `logger`, `webview` or `custom`.
pub const ERROR_SOURCE: &str = "rum.error.source";
/// How many errors like this one (kind, type, top frames) were left out before it.
pub const ERROR_REPEATS: &str = "rum.error.repeats";
/// The id of the event that says what the process died of, on an error that was another sign of the
/// same death.
pub const ERROR_FATAL_ID: &str = "rum.error.fatal.id";
/// How long the main thread did not respond, in nanoseconds, without the time in which the app was
/// in the background.
pub const HANG_DURATION: &str = "rum.hang.duration";
/// The duration of a long task, in nanoseconds.
pub const LONG_TASK_DURATION: &str = "rum.long_task.duration";
/// Whether the long task was a frozen frame.
pub const LONG_TASK_FROZEN: &str = "rum.long_task.is_frozen_frame";
/// The name of a vital.
pub const VITAL_NAME: &str = "rum.vital.name";
/// The value of a vital.
pub const VITAL_VALUE: &str = "rum.vital.value";
/// The unit of a vital.
pub const VITAL_UNIT: &str = "rum.vital.unit";
/// How the process started: `cold`, `warm` or `hot`.
pub const START_TYPE: &str = "rum.start.type";
/// How many events and attributes of a span were over their limit and are missing.
pub const SPAN_EXCESS: &str = "throughline.span.excess";

// Traced state.

/// The name of the traced store.
pub const STATE_STORE: &str = "state.store";
/// The full path of the last mutation.
pub const STATE_PATH: &str = "state.path";
/// The kind of the mutation: `set`, `insert`, `delete`, `replace` or `batch`.
pub const STATE_MUTATION: &str = "state.mutation";
/// What caused the mutation: `operation`, `action`, `none` or `ambiguous`.
pub const STATE_CAUSE: &str = "state.cause";
/// The value before the first mutation, as far as the store's policy allows to capture it.
pub const STATE_OLD: &str = "state.old";
/// The value after the last mutation, as far as the store's policy allows to capture it.
pub const STATE_NEW: &str = "state.new";
/// The type of the old value: `bool`, `int`, `double`, `text`, `bytes`, `list` or `map`.
pub const STATE_OLD_TYPE: &str = "state.old.type";
/// The type of the new value, with the same words as [`STATE_OLD_TYPE`].
pub const STATE_NEW_TYPE: &str = "state.new.type";
/// The length of an old value that is not captured itself: characters, bytes or elements.
pub const STATE_OLD_LENGTH: &str = "state.old.length";
/// The length of a new value that is not captured itself: characters, bytes or elements.
pub const STATE_NEW_LENGTH: &str = "state.new.length";
/// The number of mutations of the store that its policy suppressed since the last action of the
/// store.
pub const STATE_SUPPRESSED: &str = "state.suppressed.count";
/// The number of mutations that one action stands for.
pub const MUTATION_COUNT: &str = "mutation.count";
/// The time from the first to the last of an action's mutations, in nanoseconds.
pub const MUTATION_DURATION: &str = "mutation.duration_ns";

// Operations.

/// The operation that the event is part of.
pub const OPERATION_NAME: &str = "operation.name";
/// How the operation ended: `succeeded`, `failed`, `cancelled`, `timed_out` or `abandoned`.
pub const OPERATION_OUTCOME: &str = "operation.outcome";
/// Why the operation was abandoned: `timeout`, `dropped`, `process_death` or `shutdown`.
pub const OPERATION_REASON: &str = "operation.reason";
/// The number of the attempt, counted from 1. Also on [`SPAN_EVENT_RETRY`].
pub const OPERATION_ATTEMPT: &str = "operation.attempt";
/// The event of a span that says that its work is tried again.
pub const SPAN_EVENT_RETRY: &str = "retry";

// What the app reports about its own synchronization.

/// How often the app repeated the call.
pub const SYNC_RETRIES: &str = "rum.sync.retries";
/// Whether the device was offline.
pub const SYNC_OFFLINE: &str = "rum.sync.offline";
/// The number of entries in the app's own queue.
pub const QUEUE_DEPTH: &str = "rum.queue.depth";
/// Whether the app's own queue was flushed successfully.
pub const QUEUE_FLUSH_OK: &str = "rum.queue.flush.ok";

/// What the user or the app says of a problem.
pub const PROBLEM_MESSAGE: &str = "rum.problem.message";

// What the core reports about itself.

/// The number of events in the core's queue.
pub const SELF_QUEUE_DEPTH: &str = "throughline.queue.depth";
/// Whether the last upload succeeded.
pub const SELF_FLUSH_SUCCESS: &str = "throughline.flush.success";
/// The time since the core was last online, in seconds.
pub const SELF_OFFLINE_DURATION: &str = "throughline.offline.duration";
/// Why the core dropped events: the name of a [`DropReason`](crate::model::ledger::DropReason).
pub const SELF_DROP_REASON: &str = "throughline.dropped.reason";
/// The number of events that the core dropped for that reason since its last report.
pub const SELF_DROP_COUNT: &str = "throughline.dropped.count";

/// For how long crashes are not captured, in seconds.
pub const SELF_CAPTURE_OFF: &str = "throughline.capture.off_s";

// Event names.

/// A snapshot of a view.
pub const EVENT_VIEW: &str = "app.screen.view";
/// A hang that ended the app.
pub const EVENT_HANG: &str = "app.hang";
/// An ANR: an Android app that did not respond.
pub const EVENT_ANR: &str = "app.anr";
/// A kill because the device ran out of memory.
pub const EVENT_OOM: &str = "app.oom";
/// A long task that is no slow frame.
pub const EVENT_LONG_TASK: &str = "app.long_task";
/// A vital.
pub const EVENT_VITAL: &str = "app.vital";
/// A problem that the user or the app reported.
pub const EVENT_PROBLEM: &str = "problem.reported";
/// A failed synchronization of the app's own.
pub const EVENT_SYNC_FAILURE: &str = "sync.failure";
/// A flush of the app's own queue.
pub const EVENT_QUEUE_FLUSH: &str = "queue.flush";
/// The core's report about its queue and its uploads.
pub const EVENT_SELF_FLUSH: &str = "throughline.flush";
/// The core's report that it does not capture crashes for a while, because its own code has crashed
/// the app several times in a row.
pub const EVENT_SELF_CAPTURE_OFF: &str = "throughline.capture.off";
/// The core's report about events that it dropped.
pub const EVENT_SELF_DROPPED: &str = "throughline.dropped";

// Names of vitals.

/// The time from the start of the process until the app is ready, in seconds.
pub const VITAL_PROCESS_START: &str = "process_start";
/// The time from the start of the process until the first frame, in seconds.
pub const VITAL_INITIAL_DISPLAY: &str = "time_to_initial_display";
/// The time from the start of the process until the first complete screen, in seconds.
pub const VITAL_FULL_DISPLAY: &str = "time_to_full_display";

// Crashes.

/// The name of the signal that ended the process.
pub const CRASH_SIGNAL: &str = "throughline.crash.signal";
/// Why the signal was raised: the name of its `si_code`, or its number.
pub const CRASH_CODE: &str = "throughline.crash.code";
/// The address that was accessed, in hexadecimal digits.
pub const CRASH_ADDRESS: &str = "throughline.crash.address";
/// How the frames were found: `cfi`, `frame_pointers` or `registers`.
pub const CRASH_UNWINDING: &str = "throughline.crash.unwinding";
/// How far the report was written before the process ended: `registers`, `frames`, `stack`.
/// Missing when it is whole.
pub const CRASH_TRUNCATED: &str = "throughline.crash.truncated";
/// How many other threads crashed at the same time.
pub const CRASH_OTHERS: &str = "throughline.crash.others";
/// The time that the handler took, in nanoseconds.
pub const CRASH_HANDLER_TIME: &str = "throughline.crash.handler_time";
/// What happened before the crash: a list of maps with the keys of [`breadcrumb`], the oldest
/// first. A list is what OTLP's logs and Sentry's breadcrumbs have in common.
pub const BREADCRUMBS: &str = "throughline.breadcrumbs";
/// How many of the last events are missing there, because they would have been too large.
pub const BREADCRUMBS_DROPPED: &str = "throughline.breadcrumbs_dropped";

// Ends of processes, as the system tells of them.

/// The rule by which it was decided how the process ended.
pub const EXIT_RULE: &str = "throughline.exit.rule";
/// The exit status, or the number of the signal.
pub const EXIT_STATUS: &str = "throughline.exit.status";
/// How important the process was to the user: Android's number.
pub const EXIT_IMPORTANCE: &str = "throughline.exit.importance";
/// The memory of the process: its own, and its share of what is used together. In bytes.
pub const EXIT_MEMORY: &str = "throughline.exit.memory";
