//! Words that leave the device as the values of attributes, and names that the core gives itself.
//!
//! A backend groups and filters by these words, so each keeps its meaning. Words that an enum lists
//! in full are with the enum, such as those of
//! [`DropReason::name`](crate::model::ledger::DropReason::name).

// Names of views that the core opens itself.

/// The view of events that occur before the app has opened its first view.
pub const VIEW_LAUNCH: &str = "ApplicationLaunch";
/// The view of events that occur after the last view was closed.
pub const VIEW_BACKGROUND: &str = "Background";

// Why a session started or ended.

/// The session began with the process, or with a fresh installation.
pub const SESSION_APP_LAUNCH: &str = "user_app_launch";
/// The user did nothing for 15 minutes.
pub const SESSION_INACTIVE: &str = "inactivity_timeout";
/// The session lasted 4 hours.
pub const SESSION_TOO_LONG: &str = "max_duration";
/// The app ended the session.
pub const SESSION_STOPPED: &str = "explicit_stop";
/// The process crashed.
pub const SESSION_CRASHED: &str = "process_crash";
/// The main thread hung until the process died.
pub const SESSION_HUNG: &str = "process_hang";
/// The process died. Views, actions and operations that were open then have ended for this reason,
/// too.
pub const PROCESS_DEATH: &str = "process_death";

// Methods of requests.

/// The methods that the semantic conventions know.
pub const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "QUERY", "CONNECT", "TRACE"];
/// Any other method, or an error of which nothing is known.
pub const OTHER: &str = "_OTHER";
/// What a span is called whose method is not known.
pub const UNKNOWN_METHOD: &str = "HTTP";

// What the user did.

/// A tap.
pub const ACTION_TAP: &str = "tap";
/// A scroll.
pub const ACTION_SCROLL: &str = "scroll";
/// A swipe.
pub const ACTION_SWIPE: &str = "swipe";
/// The back button or gesture.
pub const ACTION_BACK: &str = "back";
/// An action that the app has named.
pub const ACTION_CUSTOM: &str = "custom";
/// A mutation of traced state.
pub const ACTION_MUTATION: &str = "state_mutation";
/// The start of the app.
pub const ACTION_START: &str = "application_start";

// Signs of frustration.

/// Several taps on one target in quick succession.
pub const FRUSTRATION_RAGE_TAP: &str = "rage_tap";
/// A tap that caused an error.
pub const FRUSTRATION_ERROR_TAP: &str = "error_tap";

// Where an error was caught.

/// In the app's code.
pub const SOURCE_CODE: &str = "source";
/// In a request.
pub const SOURCE_NETWORK: &str = "network";
/// In a logger or on the console.
pub const SOURCE_LOGGER: &str = "logger";
/// In a web view.
pub const SOURCE_WEBVIEW: &str = "webview";
/// Where the app says.
pub const SOURCE_CUSTOM: &str = "custom";

// Why a request has no answer, or a span has failed, in every language.

/// The user or the app did not want it any more. That is no failure.
pub const ERROR_CANCELLED: &str = "cancelled";
/// There was no answer in time.
pub const ERROR_TIMEOUT: &str = "timeout";

/// The main thread did not respond.
pub const ERROR_HANG: &str = "AppHang";
/// iOS has seen that the main thread did not respond. The watchdog may have reported the same as
/// [`ERROR_HANG`].
pub const ERROR_METRICKIT_HANG: &str = "MetricKitHang";
/// iOS has seen that the app used too much of the processor.
pub const ERROR_METRICKIT_CPU: &str = "MetricKitCpu";
/// iOS has seen that the app wrote too much to the disk.
pub const ERROR_METRICKIT_DISK_WRITE: &str = "MetricKitDiskWrite";
/// iOS has seen that the app took too long to launch.
pub const ERROR_METRICKIT_LAUNCH: &str = "MetricKitLaunch";
/// The system needed the memory of the process, or it used more than it may.
pub const ERROR_LOW_MEMORY: &str = "LowMemory";
/// A panic of Rust code.
pub const ERROR_PANIC: &str = "panic";

// How an operation ended.

/// It did what it was meant to do.
pub const OUTCOME_SUCCEEDED: &str = "succeeded";
/// It ended with an error.
pub const OUTCOME_FAILED: &str = "failed";
/// The user or the app did not want it any more.
pub const OUTCOME_CANCELLED: &str = "cancelled";
/// The app has given it a time, which was over.
pub const OUTCOME_TIMED_OUT: &str = "timed_out";
/// It was given up.
pub const OUTCOME_ABANDONED: &str = "abandoned";

// Why an operation was abandoned.

/// It ran for too long.
pub const ABANDONED_TIMEOUT: &str = "timeout";
/// Its handle was dropped before it had ended.
pub const ABANDONED_DROPPED: &str = "dropped";
/// The client was shut down.
pub const ABANDONED_SHUTDOWN: &str = "shutdown";

/// The system's own name of the id that Apple's kernels give each boot.
#[cfg(any(target_os = "macos", target_os = "ios", target_os = "tvos", target_os = "visionos"))]
pub(crate) const BOOT_SESSION: &str = "kern.bootsessionuuid";

// Threads.

/// The names of the client's threads: its worker and who does the work of a moment, requests, the
/// watchdog, who records a panic, and who switches the client of an app on and off.
pub const OWN_THREADS: [&str; 5] =
    ["throughline", "throughline-io", "throughline-watch", "throughline-panic", "throughline-switch"];

/// The libraries in which iOS starts a program and its threads.
pub const THREAD_STARTERS: [&str; 3] = ["dyld", "libdyld.dylib", "libsystem_pthread.dylib"];

// Files.

/// What the names of the libraries begin with in which the core and the native module of React
/// Native are shipped.
pub const NATIVE_LIBRARIES: &str = "libthroughline";
