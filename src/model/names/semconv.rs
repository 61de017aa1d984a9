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
/// The operating system's family: `linux` on Android, `darwin` on Apple's systems.
pub const OS_TYPE: &str = "os.type";
/// The processor's architecture.
pub const HOST_ARCH: &str = "host.arch";
/// The installation: a random id that is kept in the data directory alone.
pub const INSTALLATION_ID: &str = "app.installation.id";

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

// Errors.

/// The type of an error.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// The message of an error.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// The stack trace of an error.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// The id of a crash: the same in every attempt to deliver it.
pub const CRASH_ID: &str = "app.crash.id";
/// Why a request or an operation failed.
pub const ERROR_TYPE: &str = "error.type";

// Requests.

/// The method of a request.
pub const HTTP_METHOD: &str = "http.request.method";
/// The URL of a request.
pub const URL_FULL: &str = "url.full";
/// The host of a request.
pub const SERVER_ADDRESS: &str = "server.address";
/// The status code of a response.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The size of a response's body, in bytes.
pub const HTTP_RESPONSE_SIZE: &str = "http.response.body.size";
/// The version of the protocol.
pub const PROTOCOL_VERSION: &str = "network.protocol.version";
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
/// A handled error.
pub const EVENT_EXCEPTION: &str = "exception";
/// A crash.
pub const EVENT_CRASH: &str = "app.crash";
/// The start of a session.
pub const EVENT_SESSION_START: &str = "session.start";
/// The end of a session.
pub const EVENT_SESSION_END: &str = "session.end";
