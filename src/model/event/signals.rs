//! The signals of OpenTelemetry: logs, metric data points, spans.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_SPAN_ITEMS, MAX_TEXT_CHARS, MAX_UNIT_CHARS};
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
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Log<'a> {
    /// How severe.
    pub severity: Severity,
    /// The text, at most 8,192 characters.
    pub body: &'a str,
    /// The logger; empty when there is none.
    pub logger: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Log<'a> {
    /// A log record.
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
        out.text(field::NAME, e.logger, MAX_NAME_CHARS);
    },
    fn label(&self) -> &str {
        self.body
    }
);

/// Whether a sum or histogram starts anew with each point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Temporality {
    /// Each point stands for the time since the last one.
    Delta = 1,
    /// Each point stands for the time since the start.
    #[default]
    Cumulative = 2,
}

/// The value of a metric data point.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MetricData<'a> {
    /// A value that stands for itself.
    Gauge(f64),
    /// A sum.
    Sum {
        /// The sum.
        value: f64,
        /// Whether it only grows.
        monotonic: bool,
        /// What it is summed over.
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
        /// What it is counted over.
        temporality: Temporality,
    },
}

/// A metric data point.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Its unit, in UCUM's terms.
    pub unit: &'a str,
    /// The value.
    pub data: MetricData<'a>,
    /// Wall time at which the aggregation began, ns since the Unix epoch; 0 for a gauge.
    pub start_ns: u64,
    /// The same since the last point, for destinations that want that: of a cumulative sum or
    /// histogram.
    pub interval: Option<Interval<'a>>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

/// What came since the last point of a series.
#[derive(Debug, Clone, Copy)]
pub struct Interval<'a> {
    /// Wall time of the last point, ns since the Unix epoch.
    pub start_ns: u64,
    /// The sum since then.
    pub value: f64,
    /// A histogram's counts since then.
    pub buckets: &'a [u64],
}

impl<'a> Metric<'a> {
    /// A data point.
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
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
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
    /// Inside the app.
    Internal = 1,
    /// Serves a request.
    Server = 2,
    /// Makes a request.
    Client = 3,
    /// Sends a message.
    Producer = 4,
    /// Handles a message.
    Consumer = 5,
}

/// How a span ended (OpenTelemetry's numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanStatus {
    /// Nothing was said.
    Unset = 0,
    /// It succeeded.
    Ok = 1,
    /// It failed.
    Error = 2,
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy)]
pub struct SpanEvent<'a> {
    /// Its name.
    pub name: &'a str,
    /// Wall time, ns since the Unix epoch.
    pub time_ns: u64,
    /// Its attributes.
    pub attributes: &'a [Attribute<'a>],
}

/// A finished span. Its ids are the event's own trace context.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Span<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its role.
    pub span_kind: SpanKind,
    /// The span that started it; `None` at the root.
    pub parent_span: Option<[u8; 8]>,
    /// How long it took, ns.
    pub duration: Duration,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed; empty otherwise.
    pub status_message: &'a str,
    /// What happened during it, at most 128.
    pub events: &'a [SpanEvent<'a>],
    /// Spans that it refers to, at most 128.
    pub links: &'a [TraceContext],
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Span<'a> {
    /// A finished span.
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
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
        out.uint(field::TYPE, e.span_kind as u64);
        out.uint(field::DURATION, nanos(e.duration));
        out.count(field::STATUS, e.status as u64);
        out.message(field::MESSAGE, e.status_message, MAX_TEXT_CHARS);
        if let Some(parent) = e.parent_span {
            out.bytes(field::PARENT_SPAN, &parent);
        }
        for event in e.events.iter().take(MAX_SPAN_ITEMS) {
            out.nested(field::SPAN_EVENT, |out| {
                out.text(field::NAME, event.name, MAX_NAME_CHARS);
                out.uint(field::START_TIME, event.time_ns);
                out.attributes(event.attributes);
            });
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
