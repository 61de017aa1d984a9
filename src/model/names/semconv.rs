//! The names that Throughline takes from the OpenTelemetry semantic conventions, version 1.44.0,
//! and from the OpenTelemetry specification.
//!
//! Most conventions for mobile apps are still in development. When one of them changes, this file
//! and [`SCHEMA_URL`] change together. Names that Throughline defines itself are in the parent
//! module.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/>

/// The `schema_url` of every scope and resource: the version of the conventions that these names
/// follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

// The resource: what does not change while the process runs.

/// The app's name.
pub const SERVICE_NAME: &str = "service.name";
/// The app's version.
pub const SERVICE_VERSION: &str = "service.version";
/// Where the app runs: `production`, `staging`, `development` or `test`.
pub const DEPLOYMENT_ENVIRONMENT: &str = "deployment.environment.name";
/// The name of the SDK that recorded: always [`SCOPE_NAME`](super::SCOPE_NAME).
pub const SDK_NAME: &str = "telemetry.sdk.name";
/// The language of the SDK's facade: `rust`, `swift` or `kotlin`.
pub const SDK_LANGUAGE: &str = "telemetry.sdk.language";
/// The version of the SDK.
pub const SDK_VERSION: &str = "telemetry.sdk.version";
/// The operating system's family, in the words of the registry: see [`os_type`].
pub const OS_TYPE: &str = "os.type";
/// The processor's architecture, in the words of the registry: see [`host_arch`].
pub const HOST_ARCH: &str = "host.arch";
/// The build of the app, by which its symbols are found.
pub const APP_BUILD_ID: &str = "app.build_id";
/// Who has made the device.
pub const DEVICE_MANUFACTURER: &str = "device.manufacturer";
/// The model of the device, as programs know it.
pub const DEVICE_MODEL: &str = "device.model.identifier";
/// The model of the device, as people know it.
pub const DEVICE_MODEL_NAME: &str = "device.model.name";
/// The operating system, as people know it.
pub const OS_NAME: &str = "os.name";
/// The version of the operating system.
pub const OS_VERSION: &str = "os.version";
/// The build of the operating system.
pub const OS_BUILD_ID: &str = "os.build_id";
/// The installation: a random id that is kept in the data directory alone.
pub const INSTALLATION_ID: &str = "app.installation.id";

// Every log record.

/// The id of a log record. Of two records with one id, a backend may discard either.
pub const LOG_RECORD_UID: &str = "log.record.uid";

// Session, user, view, action.

/// The id of the session.
pub const SESSION_ID: &str = "session.id";
/// The id of the session that this one continues.
pub const SESSION_PREVIOUS_ID: &str = "session.previous_id";
/// The prefix of the user's attributes: `id`, `name`, `email` or a key of the app's follows.
pub const USER: &str = "user.";
/// The id of the view.
pub const SCREEN_ID: &str = "app.screen.id";
/// The name of the view.
pub const SCREEN_NAME: &str = "app.screen.name";
/// The target of a tap, as a program knows it.
pub const WIDGET_ID: &str = "app.widget.id";
/// The target of a tap, for people.
pub const WIDGET_NAME: &str = "app.widget.name";

// Slow frames.

/// The number of frames that took too long.
pub const JANK_FRAMES: &str = "app.jank.frame_count";
/// How long each of them took at least, in seconds.
pub const JANK_THRESHOLD: &str = "app.jank.threshold";
/// The time in which they were drawn, in seconds.
pub const JANK_PERIOD: &str = "app.jank.period";

// Feature flags.

/// The name of a feature flag that was evaluated.
pub const FEATURE_FLAG_KEY: &str = "feature_flag.key";
/// What it was evaluated to.
pub const FEATURE_FLAG_VALUE: &str = "feature_flag.result.value";

// Errors.

/// The type of an error.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// The message of an error.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// The stack trace of an error.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// The number of the process.
pub const PROCESS_PID: &str = "process.pid";
/// The name of the process.
pub const PROCESS_NAME: &str = "process.executable.name";
/// The number of the thread, as the system counts.
pub const THREAD_ID: &str = "thread.id";
/// The name of the thread.
pub const THREAD_NAME: &str = "thread.name";
/// The id of a crash: the same in every attempt to deliver it.
pub const CRASH_ID: &str = "app.crash.id";
/// Why a request or an operation failed.
pub const ERROR_TYPE: &str = "error.type";

// Requests.

/// The method of a request: one of [`METHODS`](super::words::METHODS), or
/// [`OTHER`](super::words::OTHER).
pub const HTTP_METHOD: &str = "http.request.method";
/// The method as the app wrote it, where [`HTTP_METHOD`] is another text.
pub const HTTP_METHOD_ORIGINAL: &str = "http.request.method_original";
/// The URL of a request.
pub const URL_FULL: &str = "url.full";
/// The host of a request.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port of a request, also where the URL names none.
pub const SERVER_PORT: &str = "server.port";
/// The status code of a response.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The size of a response's body, in bytes.
pub const HTTP_RESPONSE_SIZE: &str = "http.response.body.size";
/// The version of the protocol.
pub const PROTOCOL_VERSION: &str = "network.protocol.version";
/// The prefixes of attributes that hold the values of a header or of metadata: the name follows, in
/// lower case. Such an attribute is a list of texts.
pub const HEADERS: [&str; 4] =
    ["http.request.header.", "http.response.header.", "rpc.request.metadata.", "rpc.response.metadata."];
/// The correlation id that a request carried, under the convention's name for a request header.
pub const CORRELATION_ID: &str = "http.request.header.x-correlation-id";
/// The remote procedure that the app called.
pub const RPC_METHOD: &str = "rpc.method";

/// Marks the series that stands for all label sets over the limit (metrics SDK specification,
/// "Overflow attribute").
pub const METRIC_OVERFLOW: &str = "otel.metric.overflow";

// Event names.

/// A tap.
pub const EVENT_TAP: &str = "app.widget.click";
/// Frames that took too long.
pub const EVENT_JANK: &str = "app.jank";
/// A feature flag was evaluated.
pub const EVENT_FEATURE_FLAG: &str = "feature_flag.evaluation";
/// A handled error.
pub const EVENT_EXCEPTION: &str = "exception";
/// A crash.
pub const EVENT_CRASH: &str = "app.crash";
/// The start of a session.
pub const EVENT_SESSION_START: &str = "session.start";
/// The end of a session.
pub const EVENT_SESSION_END: &str = "session.end";

/// The value of [`HOST_ARCH`] for an architecture as Rust calls it. The registry has no word for
/// one that it does not list, so that keeps its name.
pub fn host_arch(arch: &'static str) -> &'static str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The value of [`OS_TYPE`] for an operating system as Rust calls it.
pub fn os_type(os: &'static str) -> &'static str {
    match os {
        "ios" | "macos" | "tvos" | "watchos" | "visionos" => "darwin",
        "android" => "linux",
        "dragonfly" => "dragonflybsd",
        "illumos" => "solaris",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{host_arch, os_type};

    #[test]
    fn architecture_and_system_are_in_the_words_of_the_registry() {
        let arches = ["x86_64", "aarch64", "arm", "x86", "powerpc64", "riscv64"].map(host_arch);
        assert_eq!(arches, ["amd64", "arm64", "arm32", "x86", "ppc64", "riscv64"]);
        assert_eq!(["android", "ios", "macos", "windows"].map(os_type), ["linux", "darwin", "darwin", "windows"]);
    }
}
