//! The signals of OpenTelemetry: logs, metric data points, spans.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{MAX_MESSAGE_CHARS, MAX_SPAN_ITEMS, MAX_TEXT_CHARS, MAX_UNIT_CHARS};
use crate::model::time::nanos;
use crate::model::value::Attribute;
use std::time::Duration;

/// Severity of a log record: the first number of each range of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Severity {
    /// 1
    Trace = 1,
    /// 5
    Debug = 5,
    /// 9
    Info = 9,
    /// 13
    Warn = 13,
    /// 17
    Error = 17,
    /// 21
    Fatal = 21,
}

/// A log record.
///
/// ```
/// use throughline::event::{Event, Lane, Log, Severity};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let mut log = Log::new(Severity::Warn, "the cart could not be synchronized");
/// log.logger = "shop.cart";
/// assert!(telemetry.record_log(&log).is_some());
///
/// // Errors have a lane that is sent sooner.
/// assert_eq!(log.lane(), Lane::Bulk);
/// assert_eq!(Log::new(Severity::Error, "no connection").lane(), Lane::Error);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Log<'a> {
    /// How severe it is.
    pub severity: Severity,
    /// The message, at most 8,192 characters.
    pub body: &'a str,
    /// The name of the logger. Empty when there is none.
    pub logger: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Log<'a> {
    /// Makes a log record.
    pub fn new(severity: Severity, body: &'a str) -> Self {
        Self { severity, body, logger: "", common: Common::default() }
    }
}

event!(
    Log,
    EventKind::Log,
    |e| if e.severity >= Severity::Error { Lane::Error } else { Lane::Bulk },
    |_| None,
    |e, out| {
        out.uint(field::LEVEL, e.severity as u64);
        out.message(field::MESSAGE, e.body, MAX_MESSAGE_CHARS);
        out.name(field::NAME, e.logger);
    },
    fn label(&self) -> &str {
        self.body
    }
);

/// What each point of a sum or histogram covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Temporality {
    /// The time since the last point.
    Delta = 1,
    /// The time since the start.
    #[default]
    Cumulative = 2,
}

/// The value of a metric data point.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MetricData<'a> {
    /// A value that is not added to others, such as a temperature.
    Gauge(f64),
    /// A sum.
    Sum {
        /// The sum.
        value: f64,
        /// Whether the sum can only grow.
        monotonic: bool,
        /// Which time the sum covers.
        temporality: Temporality,
    },
    /// An explicit-bucket histogram.
    Histogram {
        /// Upper bounds, ascending.
        bounds: &'a [f64],
        /// One count more than there are bounds.
        buckets: &'a [u64],
        /// Sum of the values.
        sum: f64,
        /// Which time the counts cover.
        temporality: Temporality,
    },
}

/// A data point of a metric that the app has aggregated itself.
/// [`Telemetry::counter`](crate::Telemetry::counter) and its siblings aggregate on the device.
///
/// ```
/// use throughline::event::{Metric, MetricData, Temporality};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// telemetry.record_metric(&Metric::new("battery.level", "1", MetricData::Gauge(0.8)));
///
/// let (bounds, buckets) = ([10.0, 100.0], [4, 7, 1]); // one bucket more than there are bounds
/// let temporality = Temporality::Delta;
/// let (bounds, buckets) = (&bounds[..], &buckets[..]);
/// let data = MetricData::Histogram { bounds, buckets, sum: 310.0, temporality };
/// assert!(telemetry.record_metric(&Metric::new("db.query", "ms", data)).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// The unit, in UCUM's terms (`s`, `By`, `1`).
    pub unit: &'a str,
    /// The value.
    pub data: MetricData<'a>,
    /// Wall time at which the aggregation began, ns since the Unix epoch; 0 for a gauge.
    pub start_ns: u64,
    /// What a cumulative sum or histogram has gained since its last point, for destinations that
    /// ask for differences.
    pub interval: Option<Interval<'a>>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

/// What a series has gained since its last point.
#[derive(Debug, Clone, Copy)]
pub struct Interval<'a> {
    /// Wall time of the last point, ns since the Unix epoch.
    pub start_ns: u64,
    /// The sum since then.
    pub value: f64,
    /// The counts of a histogram since then.
    pub buckets: &'a [u64],
}

impl<'a> Metric<'a> {
    /// Makes a data point.
    pub fn new(name: &'a str, unit: &'a str, data: MetricData<'a>) -> Self {
        Self { name, unit, data, start_ns: 0, interval: None, common: Common::default() }
    }
}

event!(
    Metric,
    EventKind::Metric,
    |_| Lane::Bulk,
    |_| None,
    |e, out| {
        out.name(field::NAME, e.name);
        out.text(field::UNIT, e.unit, MAX_UNIT_CHARS);
        out.count(field::START_TIME, e.start_ns);
        if let Some(interval) = e.interval {
            out.uint(field::INTERVAL_START, interval.start_ns);
            out.double(field::INTERVAL_VALUE, interval.value);
            if !interval.buckets.is_empty() {
                out.uints(field::INTERVAL_BUCKETS, interval.buckets);
            }
        }
        match e.data {
            MetricData::Gauge(value) => {
                out.uint(field::TYPE, 1);
                out.double(field::VALUE, value);
            }
            MetricData::Sum { value, monotonic, temporality } => {
                out.uint(field::TYPE, 2);
                out.double(field::VALUE, value);
                out.count(field::MONOTONIC, u64::from(monotonic));
                out.uint(field::TEMPORALITY, temporality as u64);
            }
            MetricData::Histogram { bounds, buckets, sum, temporality } => {
                out.uint(field::TYPE, 3);
                out.double(field::VALUE, sum);
                out.uint(field::TEMPORALITY, temporality as u64);
                out.doubles(field::BOUNDS, bounds);
                out.uints(field::BUCKETS, buckets);
            }
        }
    },
    fn label(&self) -> &str {
        self.name
    }
);

/// The role of a span (OpenTelemetry's numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanKind {
    /// Work inside the app.
    Internal = 1,
    /// Serving a request.
    Server = 2,
    /// Making a request.
    Client = 3,
    /// Sending a message.
    Producer = 4,
    /// Handling a message.
    Consumer = 5,
}

/// How a span ended (OpenTelemetry's numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanStatus {
    /// Nobody has said whether it succeeded.
    Unset = 0,
    /// It succeeded.
    Ok = 1,
    /// It failed.
    Error = 2,
}

/// Something that happened during a span. [`Span`] has an example.
#[derive(Debug, Clone, Copy)]
pub struct SpanEvent<'a> {
    /// Its name.
    pub name: &'a str,
    /// Wall time, ns since the Unix epoch.
    pub time_ns: u64,
    /// Its attributes.
    pub attributes: &'a [Attribute<'a>],
}

impl SpanEvent<'_> {
    /// Writes it as a field of its span.
    pub(crate) fn write(&self, out: &mut Encoder<'_>) {
        out.nested(field::SPAN_EVENT, |out| {
            out.name(field::NAME, self.name);
            out.uint(field::START_TIME, self.time_ns);
            out.attributes(self.attributes);
        });
    }
}

/// A span that has ended. Its ids are the trace context of the event.
/// [`Telemetry::start_span`](crate::Telemetry::start_span) also measures a span.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::{Span, SpanEvent, SpanStatus};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let context = telemetry.new_trace().ok_or("the client is off")?;
/// let time_ns = 1_767_225_600_000_000_000;
/// let events = [SpanEvent { name: "cache_miss", time_ns, attributes: &[] }];
/// let mut span = Span::new("load_cart", context, Duration::from_millis(18));
/// (span.status, span.events) = (SpanStatus::Ok, &events);
/// telemetry.record_span(&span); // `None` unless the trace is sampled
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Span<'a> {
    /// Its name.
    pub name: &'a str,
    /// The role.
    pub span_kind: SpanKind,
    /// The id of the span that started this one. `None` at the root of a trace.
    pub parent_span: Option<[u8; 8]>,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed. Empty when it did not.
    pub status_message: &'a str,
    /// What happened during the span, at most 128 events.
    pub events: &'a [SpanEvent<'a>],
    /// Other spans that this one refers to, at most 128.
    pub links: &'a [TraceContext],
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Span<'a> {
    /// Makes a span that has ended.
    pub fn new(name: &'a str, context: TraceContext, duration: Duration) -> Self {
        Self {
            name,
            span_kind: SpanKind::Internal,
            parent_span: None,
            duration,
            status: SpanStatus::Unset,
            status_message: "",
            events: &[],
            links: &[],
            common: Common { trace: Some(context), ..Common::default() },
        }
    }

    /// Sets the span that started it.
    #[must_use]
    pub fn parent_span(mut self, span: [u8; 8]) -> Self {
        self.parent_span = Some(span);
        self
    }
}

event!(
    Span,
    EventKind::Span,
    |_| Lane::Bulk,
    |e| Some(e.duration),
    |e, out| {
        out.name(field::NAME, e.name);
        out.uint(field::TYPE, e.span_kind as u64);
        out.uint(field::DURATION, nanos(e.duration));
        out.count(field::STATUS, e.status as u64);
        out.message(field::MESSAGE, e.status_message, MAX_TEXT_CHARS);
        if let Some(parent) = e.parent_span {
            out.bytes(field::PARENT_SPAN, &parent);
        }
        for event in e.events.iter().take(MAX_SPAN_ITEMS) {
            event.write(out);
        }
        for link in e.links.iter().take(MAX_SPAN_ITEMS) {
            out.trace(field::LINK, link);
        }
        out.cut_items(e.events.len().saturating_sub(MAX_SPAN_ITEMS) + e.links.len().saturating_sub(MAX_SPAN_ITEMS));
    },
    fn label(&self) -> &str {
        self.name
    }
);
