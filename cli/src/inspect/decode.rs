//! Decodes OTLP export requests into the inspector's records, with OpenTelemetry's own message
//! types.

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::{Map, Value, json};
use throughline::names::EVENT_ID;
use throughline::names::semconv::{LOG_RECORD_UID, SERVICE_NAME, SESSION_ID};

use super::protojson::{self, to_protobuf};
use super::received::{Item, SEVERITY_ERROR, Signal, SpanEvent};

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

/// Decodes the body of a request.
pub(super) fn items(export: Export, encoding: Encoding, body: &[u8]) -> Result<Vec<Item>> {
    Ok(match export {
        Export::Logs => logs(encoding.read(&protojson::LOGS, body)?),
        Export::Traces => spans(encoding.read(&protojson::TRACES, body)?),
        Export::Metrics => metrics(encoding.read(&protojson::METRICS, body)?),
    })
}

fn logs(request: ExportLogsServiceRequest) -> Vec<Item> {
    let mut items = Vec::new();
    for group in request.resource_logs {
        let (service, resource) = resource_of(group.resource);
        let scopes = group.scope_logs.into_iter().map(|logs| (name_of(logs.scope), logs.log_records));
        for (scope, record) in scopes.flat_map(|(scope, logs)| logs.into_iter().map(move |log| (scope.clone(), log))) {
            let body = record.body.map(|body| text(&value(body))).unwrap_or_default();
            let time = if record.time_unix_nano > 0 { record.time_unix_nano } else { record.observed_time_unix_nano };
            // The `tracing` bridge names a record after its line of code; the message says more.
            let unnamed = record.event_name.is_empty() || record.event_name.starts_with("event ");
            let name = if unnamed { body.clone() } else { record.event_name };
            let item = Item {
                signal: Signal::Log,
                time_ns: nanos(time),
                end_ns: nanos(time),
                service: service.clone(),
                resource: resource.clone(),
                scope,
                trace: hex(&record.trace_id),
                span: hex(&record.span_id),
                name,
                severity: record.severity_number,
                body,
                ..Item::default()
            };
            items.push(with_attributes(item, record.attributes));
        }
    }
    items
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Item> {
    let mut items = Vec::new();
    for group in request.resource_spans {
        let (service, resource) = resource_of(group.resource);
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let has_failed = span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
            let start = nanos(span.start_time_unix_nano);
            let events = span.events.into_iter().map(|event| SpanEvent {
                name: event.name,
                after_ns: nanos(event.time_unix_nano).saturating_sub(start),
                attributes: map(event.attributes),
            });
            let item = Item {
                signal: Signal::Span,
                time_ns: start,
                end_ns: nanos(span.end_time_unix_nano),
                service: service.clone(),
                resource: resource.clone(),
                trace: hex(&span.trace_id),
                span: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                severity: if has_failed { SEVERITY_ERROR } else { 0 },
                body: span.status.map(|status| status.message).unwrap_or_default(),
                events: events.collect(),
                ..Item::default()
            };
            items.push(with_attributes(item, span.attributes));
        }
    }
    items
}

fn metrics(request: ExportMetricsServiceRequest) -> Vec<Item> {
    let mut items = Vec::new();
    for group in request.resource_metrics {
        let (service, resource) = resource_of(group.resource);
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let point = |time: u64, body: String, attributes: Vec<KeyValue>, exemplars: Vec<Exemplar>| {
                // The event's id is in the exemplars: as an attribute of the point it would make
                // each point a series of its own.
                let filtered = exemplars.into_iter().flat_map(|exemplar| exemplar.filtered_attributes);
                let item = Item {
                    signal: Signal::Metric,
                    time_ns: nanos(time),
                    end_ns: nanos(time),
                    service: service.clone(),
                    resource: resource.clone(),
                    name: metric.name.clone(),
                    body,
                    ..Item::default()
                };
                with_attributes(item, attributes.into_iter().chain(filtered).collect())
            };
            let numbers = |points: Vec<NumberDataPoint>| {
                points.into_iter().map(|p| {
                    let body = match p.value {
                        Some(number_data_point::Value::AsDouble(number)) => number.to_string(),
                        Some(number_data_point::Value::AsInt(number)) => number.to_string(),
                        None => String::new(),
                    };
                    point(p.time_unix_nano, body, p.attributes, p.exemplars)
                })
            };
            match metric.data {
                Some(metric::Data::Gauge(gauge)) => items.extend(numbers(gauge.data_points)),
                Some(metric::Data::Sum(sum)) => items.extend(numbers(sum.data_points)),
                Some(metric::Data::Histogram(histogram)) => items.extend(histogram.data_points.into_iter().map(|p| {
                    let body = format!("{} values, sum {}", p.count, p.sum.unwrap_or_default());
                    point(p.time_unix_nano, body, p.attributes, p.exemplars)
                })),
                _ => {}
            }
        }
    }
    items
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

/// A time as SQLite stores it. One behind the year 2262 counts as the last that fits.
fn nanos(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn name_of(scope: Option<InstrumentationScope>) -> String {
    scope.map(|scope| scope.name).unwrap_or_default()
}

fn map(attributes: Vec<KeyValue>) -> Value {
    let pair = |pair: KeyValue| (pair.key, pair.value.map_or(Value::Null, value));
    Value::Object(attributes.into_iter().map(pair).collect::<Map<_, _>>())
}

/// The name of the service, and all attributes of the resource.
fn resource_of(resource: Option<Resource>) -> (String, Value) {
    let attributes = map(resource.map(|resource| resource.attributes).unwrap_or_default());
    (attributes.get(SERVICE_NAME).map(text).unwrap_or_default(), attributes)
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
        other => other.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
