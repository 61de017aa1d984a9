//! An event as a record of Fluentd: one flat JSON object.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use crate::model::event::{SpanStatus, Temporality};
use crate::model::export::{Details, ExportRow, MetricPoint};
use crate::model::names::{self, fluentd as key};
use crate::model::time::nanos;
use crate::model::value::AnyValue;
use crate::wire::export::json::{Object, any, hex, list, set, text};
use crate::wire::export::otlp::{Out, flat};

/// The record of an event. What the core says goes before what the app says.
pub(super) fn record(row: &ExportRow<'_>) -> Object {
    let mut record = Object::new();
    let flat = flat(row);
    own(&mut record, row);
    text(&mut record, key::EVENT_NAME, flat.name);
    text(&mut record, key::MESSAGE, flat.body);
    if flat.severity > 0 {
        set(&mut record, key::SEVERITY, flat.severity);
    }
    let mut lost = row.dropped_attributes();
    let own = flat.attributes.0.iter().map(|(name, _)| *name);
    let known: BTreeSet<&str> = own.chain(row.resource_attributes().iter().map(|(name, _)| name.as_str())).collect();
    for (name, value) in &flat.attributes.0 {
        let value = match value {
            Out::Text(text) => Some(text.as_ref().into()),
            Out::Texts(text) => Some(vec![*text].into()),
            Out::Flag(flag) => Some((*flag).into()),
            Out::Int(number) => Some((*number).into()),
            Out::Double(number) => any(&AnyValue::Double(*number), &mut lost),
            Out::Any(value) => any(value, &mut lost),
        };
        put(&mut record, name, value, &known);
    }
    for (name, value) in row.resource_attributes() {
        if !flat.attributes.0.iter().any(|(known, _)| known == name) {
            put(&mut record, name, any(value, &mut lost), &known);
        }
    }
    details(&mut record, row, &mut lost);
    if lost > 0 {
        set(&mut record, names::DROPPED_ATTRIBUTES, lost);
    }
    record
}

/// What Fluentd and every event have.
fn own(record: &mut Object, row: &ExportRow<'_>) {
    let time = row.by_server_clock(row.time_unix_nano());
    let exact = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    // Seconds, as Fluentd wants them, by the clock of the servers whose records lie beside it.
    // Fluentd keeps about 100 ns of the fraction.
    record.extend(exact.parse().ok().and_then(Number::from_f64).map(|time| (key::TIME.to_owned(), time.into())));
    set(record, key::TIME_UNIX_NANO, row.time_unix_nano().to_string());
    set(record, names::EVENT_ID, row.id().to_string());
    set(record, key::KIND, row.kind().name());
    if let Some(trace) = row.trace() {
        set(record, key::TRACE_ID, hex(&trace.trace_id));
        set(record, key::SPAN_ID, hex(&trace.span_id));
    }
}

/// What is no attribute in the vocabulary of OpenTelemetry.
fn details(record: &mut Object, row: &ExportRow<'_>, lost: &mut u64) {
    match row.details() {
        Details::Resource(request) => {
            set(record, key::DURATION, nanos(request.duration));
            parent(record, request.parent_span);
        }
        Details::Span(span) => {
            set(record, key::DURATION, nanos(span.duration));
            parent(record, span.parent_span);
            if span.status != SpanStatus::Unset {
                set(record, key::STATUS, if span.status == SpanStatus::Ok { "ok" } else { "error" });
            }
            text(record, key::MESSAGE, span.status_message);
            let events = span.events.iter().map(|event| {
                let mut entry = Object::new();
                text(&mut entry, key::EVENT_NAME, event.name);
                entry.insert(key::TIME_UNIX_NANO.to_owned(), event.time_unix_nano.to_string().into());
                let known = event.attributes.iter().map(|(name, _)| *name).collect();
                for (name, value) in &event.attributes {
                    put(&mut entry, name, any(value, lost), &known);
                }
                Value::Object(entry)
            });
            list(record, key::EVENTS, events.collect());
            let links = span.links.iter().map(|link| {
                let ids = [(key::TRACE_ID, hex(&link.trace_id)), (key::SPAN_ID, hex(&link.span_id))];
                ids.into_iter().map(|(name, id)| (name.to_owned(), Value::from(id))).collect()
            });
            list(record, key::LINKS, links.collect());
        }
        Details::Metric(metric) => {
            text(record, key::EVENT_NAME, metric.name);
            text(record, key::UNIT, metric.unit);
            if metric.start_unix_nano > 0 {
                set(record, key::START_UNIX_NANO, metric.start_unix_nano.to_string());
            }
            point(record, metric.point, lost);
        }
        _ => {}
    }
}

/// The value of a metric. A number that JSON does not have is counted as an attribute is.
fn point(record: &mut Object, point: MetricPoint, lost: &mut u64) {
    let (value, temporality) = match point {
        MetricPoint::Gauge(value) => (value, None),
        MetricPoint::Sum { value, is_monotonic, temporality } => {
            set(record, key::IS_MONOTONIC, is_monotonic);
            (value, Some(temporality))
        }
        MetricPoint::Histogram { bounds, buckets, sum, temporality } => {
            let bounds = bounds.into_iter().filter_map(|bound| any(&AnyValue::Double(bound), lost));
            list(record, key::BOUNDS, bounds.collect());
            list(record, key::BUCKETS, buckets.into_iter().map(Value::from).collect());
            (sum, Some(temporality))
        }
    };
    record.extend(any(&AnyValue::Double(value), lost).map(|value| (key::VALUE.to_owned(), value)));
    if let Some(temporality) = temporality {
        let is_delta = temporality == Temporality::Delta;
        set(record, key::TEMPORALITY, if is_delta { "delta" } else { "cumulative" });
    }
}

fn parent(record: &mut Object, parent: Option<[u8; 8]>) {
    record.extend(parent.map(|parent| (key::PARENT_SPAN_ID.to_owned(), Value::from(hex(&parent)))));
}

/// Adds a value of the app's, if JSON has a form for it. A name that Fluentd or this format has is
/// prefixed, until it is none of those that the app has, too.
fn put(record: &mut Object, name: &str, value: Option<Value>, known: &BTreeSet<&str>) {
    let Some(value) = value else { return };
    let mut free = name.to_owned();
    while key::RESERVED.contains(&free.as_str()) || (free != name && known.contains(free.as_str())) {
        free.insert_str(0, key::OF_THE_APP);
    }
    record.insert(free, value);
}
