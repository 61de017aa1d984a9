//! Decodes OTLP export requests into the inspector's records, with OpenTelemetry's own message
//! types.

mod metrics;

use std::sync::Arc;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{self, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::{Map, Value, json};
use throughline::names::EVENT_ID;
use throughline::names::semconv::{LOG_RECORD_UID, SERVICE_NAME, SESSION_ID};

use super::protojson::{self, to_protobuf};
use super::received::{Item, SEVERITY_ERROR, Signal, SpanEvent, plausible};

/// Under which the id of an event was sent before it had the names of today.
const OLD_EVENT_ID: &str = "event.id";

/// The request that a path of OTLP/HTTP takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Export {
    Logs,
    Traces,
    Metrics,
}

/// How a request is encoded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// The encoding that a `Content-Type` names, if it is one of OTLP's.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_it = |encoding: &Self| encoding.content_type().eq_ignore_ascii_case(media_type);
        [Self::Protobuf, Self::Json].into_iter().find(is_it)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn read<M: Message + Default>(self, message: &protojson::Shape, body: &[u8]) -> Result<M> {
        match self {
            Self::Protobuf => M::decode(body).context("the body is not OTLP in protobuf"),
            Self::Json => {
                let protobuf = to_protobuf(message, body).context("the body is not OTLP in JSON")?;
                M::decode(protobuf.as_slice()).context("the body is not OTLP in JSON")
            }
        }
    }
}

/// What a request brings.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) items: Vec<Item>,
    /// Records that cannot be kept, and why.
    pub(super) rejected: u64,
    pub(super) why: String,
}

impl From<Vec<Item>> for Decoded {
    fn from(items: Vec<Item>) -> Self {
        Self { items, ..Self::default() }
    }
}

/// Decodes the body of a request.
pub(super) fn decode(export: Export, encoding: Encoding, body: &[u8]) -> Result<Decoded> {
    Ok(match export {
        Export::Logs => logs(encoding.read(&protojson::LOGS, body)?).into(),
        Export::Traces => spans(encoding.read(&protojson::TRACES, body)?).into(),
        Export::Metrics => metrics::points(encoding.read(&protojson::METRICS, body)?),
    })
}

/// The body of the answer to a request that was taken: an OTLP response of the same encoding, with
/// a `partial_success` if something was rejected.
pub(super) fn answer(export: Export, encoding: Encoding, decoded: Decoded) -> Vec<u8> {
    let Decoded { rejected, why, .. } = decoded;
    match encoding {
        Encoding::Json if rejected == 0 => b"{}".to_vec(),
        Encoding::Json => {
            let count = match export {
                Export::Logs => "rejectedLogRecords",
                Export::Traces => "rejectedSpans",
                Export::Metrics => "rejectedDataPoints",
            };
            json!({ "partialSuccess": { count: rejected.to_string(), "errorMessage": why } }).to_string().into_bytes()
        }
        // The responses of all signals have the same fields under the same numbers.
        Encoding::Protobuf => {
            let rejected_data_points = i64::try_from(rejected).unwrap_or(i64::MAX);
            let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message: why };
            let partial_success = (rejected > 0).then_some(partial);
            ExportMetricsServiceResponse { partial_success }.encode_to_vec()
        }
    }
}

fn logs(request: ExportLogsServiceRequest) -> Vec<Item> {
    let mut items = Vec::new();
    for group in request.resource_logs {
        let (service, resource) = resource_of(group.resource);
        let scopes = group.scope_logs.into_iter().map(|logs| (name_of(logs.scope), logs.log_records));
        for (scope, record) in scopes.flat_map(|(scope, logs)| logs.into_iter().map(move |log| (scope.clone(), log))) {
            let body = record.body.map(|body| text(&value(body))).unwrap_or_default();
            let time = if record.time_unix_nano > 0 { record.time_unix_nano } else { record.observed_time_unix_nano };
            let unnamed = record.event_name.is_empty() || is_line_of_code(&record.event_name);
            let name = if unnamed { body.clone() } else { record.event_name };
            let mut more = More::default();
            more.odd_time("time_unix_nano", time);
            more.number("observed_time_unix_nano", record.observed_time_unix_nano);
            more.text("severity_text", record.severity_text);
            more.number("flags", record.flags);
            more.number("dropped_attributes_count", record.dropped_attributes_count);
            let item = Item {
                signal: Signal::Log,
                time_ns: nanos(time),
                end_ns: nanos(time),
                service: service.clone(),
                resource: Arc::clone(&resource),
                scope,
                trace: more.id("trace_id", &record.trace_id, 16),
                span: more.id("span_id", &record.span_id, 8),
                name,
                severity: record.severity_number,
                body,
                more: more.0,
                ..Item::default()
            };
            items.push(with_attributes(item, record.attributes));
        }
    }
    items
}

/// Whether an event has the name that the `tracing` bridge gives to one without a name: `event`,
/// the file and the line. The message says more.
fn is_line_of_code(name: &str) -> bool {
    let place = name.strip_prefix("event ").and_then(|place| place.rsplit_once(':'));
    place.is_some_and(|(file, line)| file.ends_with(".rs") && line.parse::<u32>().is_ok())
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Item> {
    let mut items = Vec::new();
    for group in request.resource_spans {
        let (service, resource) = resource_of(group.resource);
        let scopes = group.scope_spans.into_iter().map(|spans| (name_of(spans.scope), spans.spans));
        for (scope, span) in scopes.flat_map(|(scope, spans)| spans.into_iter().map(move |span| (scope.clone(), span)))
        {
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            let mut more = More::default();
            more.odd_time("start_time_unix_nano", start);
            more.odd_time("end_time_unix_nano", end);
            more.text("kind", SpanKind::try_from(span.kind).map_or(span.kind.to_string(), kind_of));
            more.text("trace_state", span.trace_state);
            more.number("flags", span.flags);
            more.list("links", span.links.into_iter().map(link).collect());
            more.number("dropped_attributes_count", span.dropped_attributes_count);
            more.number("dropped_events_count", span.dropped_events_count);
            more.number("dropped_links_count", span.dropped_links_count);
            let has_failed = span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
            let item = Item {
                signal: Signal::Span,
                time_ns: nanos(start),
                end_ns: nanos(end),
                service: service.clone(),
                resource: Arc::clone(&resource),
                scope,
                trace: more.id("trace_id", &span.trace_id, 16),
                span: more.id("span_id", &span.span_id, 8),
                parent: more.id("parent_span_id", &span.parent_span_id, 8),
                name: span.name,
                severity: if has_failed { SEVERITY_ERROR } else { 0 },
                body: span.status.map(|status| status.message).unwrap_or_default(),
                events: span.events.into_iter().map(|event| event_of(event, start)).collect(),
                more: more.0,
                ..Item::default()
            };
            items.push(with_attributes(item, span.attributes));
        }
    }
    items
}

fn kind_of(kind: SpanKind) -> String {
    if kind == SpanKind::Unspecified { String::new() } else { kind.as_str_name().to_owned() }
}

fn event_of(event: span::Event, start: u64) -> SpanEvent {
    let odd_time = (!is_plausible(event.time_unix_nano) || !is_plausible(start)).then_some(event.time_unix_nano);
    SpanEvent {
        name: event.name,
        after_ns: nanos(event.time_unix_nano).saturating_sub(nanos(start)),
        odd_time,
        attributes: map(event.attributes),
    }
}

fn link(link: span::Link) -> Value {
    let mut more = More::default();
    more.text("trace_id", hex(&link.trace_id));
    more.text("span_id", hex(&link.span_id));
    more.text("trace_state", link.trace_state);
    more.number("flags", link.flags);
    more.attributes(link.attributes);
    Value::Object(more.0)
}

/// What an item has no field of its own for. What a record does not have is left out.
#[derive(Default)]
struct More(Map<String, Value>);

impl More {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn text(&mut self, key: &str, text: String) {
        if !text.is_empty() {
            self.set(key, text);
        }
    }

    fn number(&mut self, key: &str, number: impl Into<u64>) {
        match number.into() {
            0 => {}
            number => self.set(key, number),
        }
    }

    fn list(&mut self, key: &str, list: Vec<Value>) {
        if !list.is_empty() {
            self.set(key, list);
        }
    }

    fn attributes(&mut self, attributes: Vec<KeyValue>) {
        if !attributes.is_empty() {
            self.set("attributes", map(attributes));
        }
    }

    /// A time that does not fit an item, as it was sent.
    fn odd_time(&mut self, key: &str, time: u64) {
        if time > 0 && !is_plausible(time) {
            self.set(key, time);
        }
    }

    /// The id of a trace or a span as hex. One of another length, or of zeros alone, is none; it
    /// is kept here.
    fn id(&mut self, key: &str, id: &[u8], length: usize) -> String {
        if id.len() == length && id.iter().any(|byte| *byte != 0) {
            return hex(id);
        }
        self.text(key, hex(id));
        String::new()
    }
}

fn with_attributes(mut item: Item, attributes: Vec<KeyValue>) -> Item {
    item.attributes = map(attributes);
    let text_of = |key: &str| item.attributes.get(key).map(text).unwrap_or_default();
    let ids = [LOG_RECORD_UID, EVENT_ID, OLD_EVENT_ID].map(text_of);
    let mut event_id = ids.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    // The versions of a view that is open are records of one event.
    if item.version() > 0 {
        event_id.truncate(event_id.find('.').unwrap_or(event_id.len()));
    }
    (item.event_id, item.session) = (event_id, text_of(SESSION_ID));
    item
}

/// A time as SQLite stores it: the largest number stands for those that do not fit.
fn nanos(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn is_plausible(time: u64) -> bool {
    plausible(nanos(time)).is_some()
}

fn name_of(scope: Option<InstrumentationScope>) -> String {
    scope.map(|scope| scope.name).unwrap_or_default()
}

fn map(attributes: Vec<KeyValue>) -> Value {
    let pair = |pair: KeyValue| (pair.key, pair.value.map_or(Value::Null, value));
    Value::Object(attributes.into_iter().map(pair).collect::<Map<_, _>>())
}

/// The name of the service, and all attributes of the resource.
fn resource_of(resource: Option<Resource>) -> (String, Arc<Value>) {
    let attributes = map(resource.map(|resource| resource.attributes).unwrap_or_default());
    (attributes.get(SERVICE_NAME).map(text).unwrap_or_default(), Arc::new(attributes))
}

fn value(any: AnyValue) -> Value {
    match any.value {
        Some(any_value::Value::StringValue(text)) => text.into(),
        Some(any_value::Value::BoolValue(flag)) => flag.into(),
        Some(any_value::Value::IntValue(number)) => number.into(),
        Some(any_value::Value::DoubleValue(number)) => {
            serde_json::Number::from_f64(number).map_or_else(|| json!(number.to_string()), Value::Number)
        }
        Some(any_value::Value::ArrayValue(list)) => list.values.into_iter().map(value).collect(),
        Some(any_value::Value::KvlistValue(map)) => Value::Object(
            map.values.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, value))).collect(),
        ),
        Some(any_value::Value::BytesValue(bytes)) => hex(&bytes).into(),
        _ => Value::Null,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // What has no value has no text either: `null` would be the name of a session.
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
