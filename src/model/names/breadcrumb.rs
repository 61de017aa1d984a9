//! The keys of a breadcrumb, a map in the list [`BREADCRUMBS`](super::BREADCRUMBS).
//!
//! They are short and the same in each, because a crash has a hundred of them and a backend may
//! index what is nested. They mean this only there, so they need no namespace.

/// When it happened, in nanoseconds since the Unix epoch: OTLP's name for it, in our spelling.
pub const TIME: &str = "time_unix_nano";
/// The kind of the event: `action`, `view`, `resource`, `error`, `log`, …
pub const KIND: &str = "kind";
/// What identifies the event for people: a name, a method and a URL, the type of an error.
pub const NAME: &str = "name";
/// The first line of a log or of an error's message; why a session began.
pub const MESSAGE: &str = "message";
/// The severity of a log, with OpenTelemetry's numbers.
pub const SEVERITY: &str = "severity_number";
/// How long it took, in nanoseconds.
pub const DURATION: &str = "duration_ns";
/// A few attributes of the event.
pub const ATTRIBUTES: &str = "attributes";
