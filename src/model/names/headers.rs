//! Names of the trace headers, as they are written. HTTP compares them whatever their case.

/// Trace, span and the sampled flag (W3C Trace Context §3.2).
pub const TRACEPARENT: &str = "traceparent";
/// State of the vendors (W3C Trace Context §3.3).
pub const TRACESTATE: &str = "tracestate";
/// Key-value pairs (W3C Baggage §3.2).
pub const BAGGAGE: &str = "baggage";

/// What all of Datadog's headers begin with.
pub const DATADOG_PREFIX: &str = "x-datadog-";
/// Datadog: the low half of the trace id, decimal.
pub const DATADOG_TRACE_ID: &str = "x-datadog-trace-id";
/// Datadog: the span id, decimal.
pub const DATADOG_PARENT_ID: &str = "x-datadog-parent-id";
/// Datadog: the sampling decision, -1 to 2.
pub const DATADOG_SAMPLING_PRIORITY: &str = "x-datadog-sampling-priority";
/// Datadog: where the trace began.
pub const DATADOG_ORIGIN: &str = "x-datadog-origin";
/// Datadog: tags that are propagated, among them the high half of the trace id.
pub const DATADOG_TAGS: &str = "x-datadog-tags";

/// What the keys of Datadog's propagated tags begin with.
pub const DATADOG_TAG_PREFIX: &str = "_dd.p.";
/// Datadog's tag for the high half of the trace id, hex.
pub const DATADOG_TAG_TRACE_ID: &str = "_dd.p.tid";
/// Datadog's tag for who has made the sampling decision.
pub const DATADOG_TAG_DECISION_MAKER: &str = "_dd.p.dm";
/// A tag of older tracers of Datadog that is not passed on.
pub const DATADOG_TAG_UPSTREAM_SERVICES: &str = "_dd.p.upstream_services";
/// What the keys of those tags begin with in Datadog's member of a `tracestate`.
pub const DATADOG_MEMBER_TAG_PREFIX: &str = "t.";
/// The high half of the trace id in Datadog's member of a `tracestate`.
pub const DATADOG_MEMBER_TRACE_ID: &str = "t.tid";
/// Who has made the sampling decision, in Datadog's member of a `tracestate`.
pub const DATADOG_MEMBER_DECISION_MAKER: &str = "t.dm";

/// B3 in a single header.
pub const B3: &str = "b3";
/// What all headers of B3's multi form begin with.
pub const B3_PREFIX: &str = "X-B3-";
/// B3: the trace id, hex.
pub const B3_TRACE_ID: &str = "X-B3-TraceId";
/// B3: the span id, hex.
pub const B3_SPAN_ID: &str = "X-B3-SpanId";
/// B3: the id of the span's parent, hex.
pub const B3_PARENT_SPAN_ID: &str = "X-B3-ParentSpanId";
/// B3: the sampling decision, `1` or `0`.
pub const B3_SAMPLED: &str = "X-B3-Sampled";
/// B3: `1` is the debug flag.
pub const B3_FLAGS: &str = "X-B3-Flags";

/// The correlation id, by which many services join their logs.
pub const CORRELATION_ID: &str = "X-Correlation-ID";

/// Every header that [`inject`](crate::trace::inject) may write, in lower case.
///
/// A request that is redirected to another host must not carry them: see
/// [`TraceHosts::survive_redirect`](crate::trace::TraceHosts::survive_redirect).
pub const PROPAGATION_HEADERS: [&str; 15] = [
    "traceparent",
    "tracestate",
    "baggage",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-origin",
    "x-datadog-tags",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-correlation-id",
];
