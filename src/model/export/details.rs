//! What only events of one kind have, as an exporter reads it.

use std::time::Duration;

use uuid::Uuid;

use crate::model::event::{
    ActionType, ErrorKind, ErrorSource, PhaseTime, SessionChange, SpanKind, SpanStatus, Temporality, TraceContext,
};
use crate::model::value::AnyValue;

/// What only events of one kind have. Text that is missing is empty.
///
/// See [`ExportRow`](super::ExportRow) for an example.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Details<'a> {
    /// A session started or ended.
    Session(SessionDetails<'a>),
    /// A snapshot of a view.
    View(ViewDetails<'a>),
    /// Something the user did, or a mutation of a traced store.
    Action(ActionDetails<'a>),
    /// A network request of the app.
    Resource(ResourceDetails<'a>),
    /// An error, crash, hang, ANR or out-of-memory kill.
    Error(ErrorDetails<'a>),
    /// The main thread was busy for long.
    LongTask(LongTaskDetails),
    /// A measured vital.
    Vital(VitalDetails<'a>),
    /// An event that only the app understands: its name.
    Custom(&'a str),
    /// A log record.
    Log(LogDetails<'a>),
    /// A metric data point.
    Metric(MetricDetails<'a>),
    /// A finished span.
    Span(SpanDetails<'a>),
}

/// A session started or ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SessionDetails<'a> {
    /// Which of the two.
    pub change: SessionChange,
    /// The session that it is about.
    pub id: Option<Uuid>,
    /// The session that it continues.
    pub previous: Option<Uuid>,
    /// Why: `inactivity_timeout`, `max_duration`, `explicit_stop`, `process_death`,
    /// `process_crash`, `process_hang`, …
    pub reason: &'a str,
}

/// A snapshot of a view. Of several with one id, the highest version counts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ViewDetails<'a> {
    /// The view.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: &'a str,
    /// Its route or class.
    pub url: &'a str,
    /// The number of the snapshot, from 1.
    pub version: u64,
    /// Whether the view was still shown.
    pub is_active: bool,
    /// How long it had been shown.
    pub time_spent: Duration,
    /// How long it took until it was complete.
    pub loading_time: Option<Duration>,
    /// Actions so far.
    pub actions: u64,
    /// Requests so far.
    pub resources: u64,
    /// Errors so far.
    pub errors: u64,
    /// Long tasks so far.
    pub long_tasks: u64,
    /// Crashes: 0 or 1.
    pub crashes: u64,
}

/// Something the user did, or a mutation of a traced store.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ActionDetails<'a> {
    /// What it was.
    pub action_type: ActionType,
    /// Its name; for a tap the target's.
    pub name: &'a str,
    /// The id by which other events refer to it; `None` when that is the event's own.
    pub id: Option<Uuid>,
    /// How long it took until all that it caused had settled.
    pub loading_time: Option<Duration>,
}

/// A network request of the app.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResourceDetails<'a> {
    /// The URL, by default without query and user information.
    pub url: &'a str,
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The status code; `None` when there was no answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// Bytes of the response's body.
    pub size: Option<u64>,
    /// `http/1.1`, `h2`, …
    pub protocol: &'a str,
    /// Why there was no answer.
    pub error_type: &'a str,
    /// What the time went into, as far as the network stack has measured it.
    pub phases: Vec<PhaseTime>,
    /// The span that made the request. The row's own trace is the request's span.
    pub parent_span: Option<[u8; 8]>,
}

/// An error, crash, hang, ANR or out-of-memory kill.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ErrorDetails<'a> {
    /// What it was.
    pub error_kind: ErrorKind,
    /// Its type or class.
    pub error_type: &'a str,
    /// Its message.
    pub message: &'a str,
    /// The stack as the platform wrote it.
    pub stack: &'a str,
    /// Where it was observed.
    pub source: ErrorSource,
}

/// The main thread was busy for long.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LongTaskDetails {
    /// How long.
    pub duration: Duration,
    /// Whether a frame froze, that is took more than 700 ms.
    pub is_frozen_frame: bool,
}

/// A measured vital.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VitalDetails<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: f64,
    /// The value's unit, a UCUM code.
    pub unit: &'a str,
}

/// A log record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogDetails<'a> {
    /// OpenTelemetry's severity number, 1 (trace) to 24 (fatal).
    pub severity: u8,
    /// The text.
    pub body: &'a str,
    /// The logger.
    pub logger: &'a str,
}

/// A metric data point.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MetricDetails<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Its unit, a UCUM code.
    pub unit: &'a str,
    /// Wall time at which the aggregation began, ns since the Unix epoch; 0 for a gauge.
    pub start_unix_nano: u64,
    /// The value.
    pub point: MetricPoint,
    /// The same since the last point of the series, with its start in ns since the Unix epoch: for
    /// backends that want deltas. `None` when it is not known.
    pub since_last: Option<(u64, MetricPoint)>,
}

/// The value of a metric data point.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricPoint {
    /// A value that stands for itself.
    Gauge(f64),
    /// A sum.
    Sum {
        /// The sum.
        value: f64,
        /// Whether it only grows.
        is_monotonic: bool,
        /// What it is summed over.
        temporality: Temporality,
    },
    /// A histogram with explicit buckets.
    Histogram {
        /// Upper bounds of the buckets, inclusive and ascending.
        bounds: Vec<f64>,
        /// Counts, one more than there are bounds.
        buckets: Vec<u64>,
        /// The sum of the values.
        sum: f64,
        /// What it is counted over.
        temporality: Temporality,
    },
}

/// A finished span. Its ids are the row's own trace context.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SpanDetails<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its role.
    pub span_kind: SpanKind,
    /// The span that started it; `None` at the root.
    pub parent_span: Option<[u8; 8]>,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed.
    pub status_message: &'a str,
    /// What happened during it.
    pub events: Vec<SpanEventDetails<'a>>,
    /// Spans that it refers to.
    pub links: Vec<TraceContext>,
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SpanEventDetails<'a> {
    /// Its name.
    pub name: &'a str,
    /// Wall time, ns since the Unix epoch.
    pub time_unix_nano: u64,
    /// Its attributes.
    pub attributes: Vec<(&'a str, AnyValue)>,
}
