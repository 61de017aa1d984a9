//! Every name that leaves the device, in one file.
//!
//! OpenTelemetry semantic conventions 1.44.0 where one exists; names under `rum.`, `state.` and `throughline.`, and those
//! marked ◇, are ours. Most of the mobile conventions are still in development: they change here alone.

/// `schema_url` of every scope.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
/// Name of our instrumentation scope.
pub const SCOPE_NAME: &str = "throughline";

/// The event's id: stable over retries and destinations. ◇
pub const EVENT_ID: &str = "event.id";
/// The installation: random, kept in the data directory alone.
pub const INSTALLATION_ID: &str = "app.installation.id";
/// The session.
pub const SESSION_ID: &str = "session.id";
/// The session that this one continues.
pub const SESSION_PREVIOUS_ID: &str = "session.previous_id";
/// Why a session started or ended. ◇
pub const SESSION_REASON: &str = "rum.session.reason";
/// The view.
pub const SCREEN_ID: &str = "app.screen.id";
/// The view's name.
pub const SCREEN_NAME: &str = "app.screen.name";
/// A tap's target.
pub const WIDGET_ID: &str = "app.widget.id";
/// A tap's target, for people.
pub const WIDGET_NAME: &str = "app.widget.name";
/// The action that an event belongs to. ◇
pub const ACTION_ID: &str = "rum.action.id";
/// What the user did. ◇
pub const ACTION_TYPE: &str = "rum.action.type";
/// Time until an action's effects had settled, ns. ◇
pub const ACTION_LOADING_TIME: &str = "rum.action.loading_time";
/// Snapshot number of a view. ◇
pub const VIEW_VERSION: &str = "rum.view.version";
/// Whether a view is still shown. ◇
pub const VIEW_IS_ACTIVE: &str = "rum.view.is_active";
/// Route or class of a view. ◇
pub const VIEW_URL: &str = "rum.view.url";
/// Time spent on a view, ns. ◇
pub const VIEW_TIME_SPENT: &str = "rum.view.time_spent";
/// Time until a view was complete, ns. ◇
pub const VIEW_LOADING_TIME: &str = "rum.view.loading_time";
/// Actions on a view. ◇
pub const VIEW_ACTIONS: &str = "rum.view.action.count";
/// Resources of a view. ◇
pub const VIEW_RESOURCES: &str = "rum.view.resource.count";
/// Errors on a view. ◇
pub const VIEW_ERRORS: &str = "rum.view.error.count";
/// Long tasks on a view. ◇
pub const VIEW_LONG_TASKS: &str = "rum.view.long_task.count";
/// Crashes on a view. ◇
pub const VIEW_CRASHES: &str = "rum.view.crash.count";
/// Duration of a long task, ns. ◇
pub const LONG_TASK_DURATION: &str = "rum.long_task.duration";
/// Whether a frame froze. ◇
pub const LONG_TASK_FROZEN: &str = "rum.long_task.is_frozen_frame";
/// A vital's name. ◇
pub const VITAL_NAME: &str = "rum.vital.name";
/// A vital's value. ◇
pub const VITAL_VALUE: &str = "rum.vital.value";
/// A vital's unit. ◇
pub const VITAL_UNIT: &str = "rum.vital.unit";
/// Where an error was seen. ◇
pub const ERROR_SOURCE: &str = "rum.error.source";
/// Type of an error.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// Message of an error.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// Stack of an error.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// A crash's key for deduplication.
pub const CRASH_ID: &str = "app.crash.id";
/// Method of a request.
pub const HTTP_METHOD: &str = "http.request.method";
/// URL of a request.
pub const URL_FULL: &str = "url.full";
/// Host of a request.
pub const SERVER_ADDRESS: &str = "server.address";
/// Status of a response.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// Size of a response's body.
pub const HTTP_RESPONSE_SIZE: &str = "http.response.body.size";
/// Version of the protocol.
pub const PROTOCOL_VERSION: &str = "network.protocol.version";
/// Why a request failed.
pub const ERROR_TYPE: &str = "error.type";
/// Values of this event that were cut. ◇
pub const TRUNCATED: &str = "throughline.truncated";
/// Why an event that was open ended. ◇
pub const ENDED: &str = "throughline.ended";
/// Time between device and server, ms: server less device. ◇
pub const SERVER_OFFSET: &str = "throughline.server_offset_ms";

/// Event name of a view's snapshot. ◇
pub const EVENT_VIEW: &str = "app.screen.view";
/// Event name of a tap.
pub const EVENT_TAP: &str = "app.widget.click";
/// Event name of a handled error.
pub const EVENT_EXCEPTION: &str = "exception";
/// Event name of a crash.
pub const EVENT_CRASH: &str = "app.crash";
/// Event name of a fatal hang. ◇
pub const EVENT_HANG: &str = "app.hang";
/// Event name of an ANR. ◇
pub const EVENT_ANR: &str = "app.anr";
/// Event name of an out-of-memory kill. ◇
pub const EVENT_OOM: &str = "app.oom";
/// Event name of a long task. ◇
pub const EVENT_LONG_TASK: &str = "app.long_task";
/// Event name of a vital. ◇
pub const EVENT_VITAL: &str = "app.vital";
/// Event name of a session's start.
pub const EVENT_SESSION_START: &str = "session.start";
/// Event name of a session's end.
pub const EVENT_SESSION_END: &str = "session.end";
