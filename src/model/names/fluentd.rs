//! The fields of a record for Fluentd. Attributes have their own names beside them.

/// When the event was, in seconds since the Unix epoch, by the server's clock where the offset to
/// it is known: the field that Fluentd takes the time from, and removes.
pub const TIME: &str = "time";
/// The same in nanoseconds and by the device's clock, as a text: a number with that many digits is
/// not exact.
pub const TIME_UNIX_NANO: &str = "time_unix_nano";
/// The kind of the event.
pub const KIND: &str = "kind";
/// Its name, as OTLP has it; the method of a request.
pub const EVENT_NAME: &str = "event_name";
/// A line of a log, the name of an action, or why a span failed.
pub const MESSAGE: &str = "message";
/// OpenTelemetry's severity number.
pub const SEVERITY: &str = "severity_number";
/// The trace, 32 hex digits.
pub const TRACE_ID: &str = "trace_id";
/// The span, 16 hex digits.
pub const SPAN_ID: &str = "span_id";
/// The span that has started it.
pub const PARENT_SPAN_ID: &str = "parent_span_id";
/// How long a request or a span took.
pub const DURATION: &str = "duration_ns";
/// How a span ended: `ok` or `error`.
pub const STATUS: &str = "status";
/// What happened during a span.
pub const EVENTS: &str = "events";
/// Spans that a span refers to.
pub const LINKS: &str = "links";
/// The value of a metric; of a histogram the sum.
pub const VALUE: &str = "value";
/// The unit of a metric.
pub const UNIT: &str = "unit";
/// When a metric's aggregation began, in nanoseconds since the Unix epoch, as a text.
pub const START_UNIX_NANO: &str = "start_unix_nano";
/// Whether a sum only grows.
pub const IS_MONOTONIC: &str = "is_monotonic";
/// `cumulative` or `delta`.
pub const TEMPORALITY: &str = "temporality";
/// The upper bounds of a histogram's buckets.
pub const BOUNDS: &str = "bounds";
/// The counts of a histogram's buckets.
pub const BUCKETS: &str = "buckets";

/// Names that an attribute of the app's cannot have.
pub const RESERVED: [&str; 21] = [
    TIME,
    TIME_UNIX_NANO,
    KIND,
    EVENT_NAME,
    MESSAGE,
    SEVERITY,
    TRACE_ID,
    SPAN_ID,
    PARENT_SPAN_ID,
    DURATION,
    STATUS,
    EVENTS,
    LINKS,
    VALUE,
    UNIT,
    START_UNIX_NANO,
    IS_MONOTONIC,
    TEMPORALITY,
    BOUNDS,
    BUCKETS,
    "tag",
];
/// What such a name begins with instead.
pub const OF_THE_APP: &str = "app.";
