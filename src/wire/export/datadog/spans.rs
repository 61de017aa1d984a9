//! The body of a spans request: an envelope with one span a line.
//!
//! Ids are hex here, and decimal in RUM and logs. A trace's id is divided: the lower half is the
//! span's `trace_id`, the upper one the tag `_dd.p.tid`.

use serde_json::Value;

use super::Settings;
use super::facts::{Facts, free};
use super::json::{self, Object};
use crate::model::event::{SpanKind, SpanStatus};
use crate::model::export::{Details, ExportRow, SpanDetails};
use crate::model::names::{self, datadog, headers, semconv};
use crate::model::time::nanos;

/// The decision to keep a trace, and who has made it: the rate of the app's configuration.
const BY_RATE: &str = "-1";

pub(super) fn encode(settings: &Settings, rows: &[ExportRow<'_>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(rows.len() * 1_024);
    for row in rows {
        let Details::Span(details) = row.details() else { continue };
        let mut facts = Facts::of(settings, row);
        let mut envelope = Object::new();
        json::set(&mut envelope, "env", facts.env());
        json::set(&mut envelope, "spans", vec![Value::Object(span(&mut facts, &details))]);
        if !body.is_empty() {
            body.push(b'\n');
        }
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut body, &envelope);
    }
    body
}

fn span(facts: &mut Facts<'_>, details: &SpanDetails<'_>) -> Object {
    let own = facts.row.id().into_bytes();
    let (trace_id, span_id, sampled) = match facts.row.trace() {
        Some(trace) => (trace.trace_id, trace.span_id, trace.sampled),
        None => (own, halves(own).1, true),
    };
    let (high, low) = halves(trace_id);
    let is_root = details.parent_span.is_none();
    let mut meta = known(facts);
    json::set(&mut meta, headers::DATADOG_TAG_TRACE_ID, json::hex(&high));
    json::set(&mut meta, datadog::SPAN_KIND, role(details.span_kind));
    let mut metrics = Object::new();
    if is_root {
        json::set(&mut metrics, "_top_level", 1);
        json::set(&mut meta, headers::DATADOG_TAG_DECISION_MAKER, BY_RATE);
    }
    json::set(&mut metrics, "_sampling_priority_v1", u8::from(sampled));
    let has_failed = details.status == SpanStatus::Error;
    if has_failed {
        json::text(&mut meta, datadog::ERROR_MESSAGE, details.status_message);
        json::text(&mut meta, datadog::ERROR_TYPE, &facts.take_text(semconv::ERROR_TYPE));
        json::text(&mut meta, datadog::ERROR_STACK, &facts.take_text(semconv::EXCEPTION_STACKTRACE));
    }
    json::text(&mut meta, datadog::SPAN_LINKS, &links(details));
    json::text(&mut meta, "events", &events(facts, details));
    attributes(facts, &mut meta, &mut metrics);

    let mut span = Object::new();
    json::set(&mut span, "trace_id", json::hex(&low));
    json::set(&mut span, "span_id", json::hex(&span_id));
    json::set(&mut span, "parent_id", json::hex(&details.parent_span.unwrap_or_default()));
    json::set(&mut span, "name", details.name);
    json::set(&mut span, "resource", details.name);
    json::set(&mut span, "service", facts.service());
    json::set(&mut span, "type", datadog::SPAN_TYPE);
    json::set(&mut span, "start", json::whole(facts.time()));
    json::set(&mut span, "duration", json::whole(nanos(details.duration)));
    json::set(&mut span, "error", u8::from(has_failed));
    json::set(&mut span, "meta", meta);
    json::set(&mut span, "metrics", metrics);
    span
}

/// The upper and the lower half of an id.
fn halves(id: [u8; 16]) -> ([u8; 8], [u8; 8]) {
    let (high, low) = id.split_at(8);
    (high.try_into().unwrap_or_default(), low.try_into().unwrap_or_default())
}

/// The members of `meta` that every span has.
fn known(facts: &mut Facts<'_>) -> Object {
    let id = |id: String| {
        let mut object = Object::new();
        json::set(&mut object, "id", id);
        object
    };
    let mut internal = Object::new();
    json::set(&mut internal, datadog::SOURCE, facts.source());
    json::set(&mut internal, "application", id(facts.settings.application.clone()));
    json::set(&mut internal, "session", id(facts.session().to_string()));
    if let Some(view) = facts.row.view_id() {
        json::set(&mut internal, "view", id(view.to_string()));
    }
    let (mut tracer, mut span) = (Object::new(), Object::new());
    json::set(&mut tracer, "version", env!("CARGO_PKG_VERSION"));
    // The schema allows no other role here. The true one is the tag `span.kind`.
    json::set(&mut span, "kind", "client");
    let mut meta = Object::new();
    json::set(&mut meta, "_dd", internal);
    json::set(&mut meta, "tracer", tracer);
    json::set(&mut meta, "span", span);
    json::set(&mut meta, "version", facts.version());
    json::set(&mut meta, "usr", texts(facts.user()));
    json::set(&mut meta, "device", facts.device());
    json::set(&mut meta, "os", facts.os());
    json::set(&mut meta, names::EVENT_ID, facts.row.id().to_string());
    if let Some(action) = facts.row.action_id() {
        json::set(&mut meta, names::ACTION_ID, action.to_string());
    }
    meta
}

/// An object whose values are texts.
fn texts(object: Object) -> Object {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    object.into_iter().map(|(key, value)| (key, text(value).into())).collect()
}

/// The role of a span, as OpenTelemetry calls it.
fn role(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn links(details: &SpanDetails<'_>) -> String {
    if details.links.is_empty() {
        return String::new();
    }
    let links = details.links.iter().map(|link| {
        let mut object = Object::new();
        json::set(&mut object, "trace_id", json::hex(&link.trace_id));
        json::set(&mut object, "span_id", json::hex(&link.span_id));
        json::set(&mut object, "flags", u8::from(link.sampled));
        Value::Object(object)
    });
    Value::Array(links.collect()).to_string()
}

fn events(facts: &mut Facts<'_>, details: &SpanDetails<'_>) -> String {
    if details.events.is_empty() {
        return String::new();
    }
    let events = details.events.iter().map(|event| {
        let mut attributes = Object::new();
        for (key, value) in &event.attributes {
            if let Some(value) = json::any(value, &mut facts.lost) {
                json::set(&mut attributes, key, value);
            }
        }
        let mut object = Object::new();
        json::set(&mut object, "name", event.name);
        json::set(&mut object, "time_unix_nano", facts.row.by_server_clock(event.time_unix_nano));
        json::inner(&mut object, "attributes", attributes);
        Value::Object(object)
    });
    Value::Array(events.collect()).to_string()
}

/// Attributes that have no field of their own: numbers are metrics, everything else is text.
fn attributes(facts: &mut Facts<'_>, meta: &mut Object, metrics: &mut Object) {
    for (key, value) in facts.context(Object::new()) {
        // Datadog reads a key with a dot as that of a member of an object.
        let first = key.split('.').next().unwrap_or_default().to_owned();
        let is_ours = |key: &str| {
            let is_reserved = datadog::META.contains(&first.as_str()) || first.starts_with('_');
            (is_reserved && !key.starts_with(datadog::OF_THE_APP))
                || meta.contains_key(key)
                || metrics.contains_key(key)
        };
        let key = free(&key, is_ours);
        match value {
            Value::Number(number) => json::set(metrics, &key, number),
            Value::String(text) => json::set(meta, &key, text),
            other => json::set(meta, &key, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_of_a_trace_is_padded() {
        let id = 0x0000_0000_0000_04d2_0000_0000_0000_0929_u128.to_be_bytes();
        let (high, low) = halves(id);
        assert_eq!((json::hex(&high).as_str(), json::hex(&low).as_str()), ("00000000000004d2", "0000000000000929"));
    }

    #[test]
    fn a_value_that_is_no_text_is_written_as_one() {
        let mut object = Object::new();
        json::set(&mut object, "n", 1);
        json::set(&mut object, "t", "text");
        assert_eq!(Value::Object(texts(object)).to_string(), r#"{"n":"1","t":"text"}"#);
        assert_eq!(json::plain(&crate::model::value::AnyValue::Bool(true)), "true");
    }
}
