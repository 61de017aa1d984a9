//! The layout, pinned by the vectors that Swift and Kotlin write.

use serde_json::{Value as Json, json};
use throughline::event::PhaseTime;
use throughline::{AnyValue, Value};
use throughline_ffi::draft::{Attributes, Call, Draft, Held, Malformed, Phases};

use crate::support::{bytes, vectors};

#[test]
fn every_vector_is_read_as_it_says() {
    let vectors = vectors();
    let mut calls = std::collections::BTreeSet::new();
    for vector in vectors["drafts"].as_array().unwrap() {
        let bytes = bytes(vector);
        let draft = Draft::read(&bytes).unwrap_or_else(|Malformed| panic!("{vector}"));
        let mut expected = vector.clone();
        for key in ["vector", "hex"] {
            expected.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(shown(&draft), expected, "{}", vector["vector"]);
        calls.insert(vector["call"].as_str().unwrap().to_owned());
        // A byte less never reads as something else than an error or the same call with fewer
        // attributes.
        for end in 0..bytes.len() {
            if let Ok(cut) = Draft::read(&bytes[..end]) {
                assert_eq!(std::mem::discriminant(&cut.call), std::mem::discriminant(&draft.call));
                assert!(read(&cut).is_err(), "{} cut at {end}", vector["vector"]);
            }
        }
    }
    assert_eq!(calls.len(), 43);
}

#[test]
fn what_is_malformed_is_refused() {
    for vector in vectors()["malformed"].as_array().unwrap() {
        let bytes = bytes(vector);
        assert!(Draft::read(&bytes).and_then(|draft| read(&draft)).is_err(), "{}", vector["vector"]);
    }
    assert!(Draft::read(&vec![1; throughline_ffi::draft::MAX_DRAFT_BYTES + 1]).is_err());
}

/// Reads what is only read when it is lent.
fn read(draft: &Draft<'_>) -> Result<(), Malformed> {
    let attributes = match draft.call {
        Call::Action { attributes, .. }
        | Call::Resource { attributes, .. }
        | Call::Error { attributes, .. }
        | Call::LongTask { attributes, .. }
        | Call::Vital { attributes, .. }
        | Call::Custom { attributes, .. }
        | Call::Log { attributes, .. }
        | Call::Measurement { attributes, .. }
        | Call::StartAction { attributes, .. }
        | Call::StartOperation { attributes, .. }
        | Call::StartSpan { attributes, .. }
        | Call::SpanAttributes { attributes, .. }
        | Call::SpanEvent { attributes, .. }
        | Call::EndRequest { attributes, .. }
        | Call::Mutation { attributes, .. }
        | Call::User { attributes } => attributes,
        Call::ReadContext { headers, .. } => return headers.read().map(drop),
        _ => return Ok(()),
    };
    attributes.lend(|_| ())
}

fn attributes_shown(attributes: &Attributes<'_>) -> Json {
    let lent = attributes
        .lend(|lent| lent.iter().map(|(key, value)| json!([key, value_shown(&value.to_any())])).collect::<Vec<_>>())
        .unwrap();
    let owned: Vec<Json> =
        attributes.to_owned().unwrap().iter().map(|(key, value)| json!([key, value_shown(value)])).collect();
    assert_eq!(lent, owned);
    Json::Array(lent)
}

fn held_shown(held: &Held<'_>) -> Json {
    held.lend(|value: Option<Value<'_>>| value.map_or(json!({"none": null}), |value| value_shown(&value.to_any())))
        .unwrap()
}

fn value_shown(value: &AnyValue) -> Json {
    match value {
        AnyValue::Bool(flag) => json!({"bool": flag}),
        AnyValue::Int(number) if number.unsigned_abs() > 1 << 53 => json!({"int": number.to_string()}),
        AnyValue::Int(number) => json!({"int": number}),
        AnyValue::Double(number) if number.is_nan() => json!({"double": "NaN"}),
        AnyValue::Double(number) if number.is_infinite() => {
            json!({"double": if *number > 0.0 { "Infinity" } else { "-Infinity" }})
        }
        AnyValue::Double(number) => json!({"double": number}),
        AnyValue::Text(text) => json!({"text": text}),
        AnyValue::Bytes(bytes) => json!({"bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        AnyValue::List(items) => json!({"list": items.iter().map(value_shown).collect::<Vec<_>>()}),
        AnyValue::Map(entries) => {
            json!({"map": entries.iter().map(|(key, value)| json!([key, value_shown(value)])).collect::<Vec<_>>()})
        }
        other => panic!("{other:?}"),
    }
}

/// `StateMutation` as `state_mutation`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

fn name_of(value: &dyn std::fmt::Debug) -> String {
    snake(&format!("{value:?}"))
}

fn phases_shown(phases: &Phases<'_>) -> Vec<Json> {
    let shown = |time: &PhaseTime| {
        json!([name_of(&time.phase), time.start.as_nanos().to_string(), time.duration.as_nanos().to_string()])
    };
    phases.read().iter().map(shown).collect()
}

/// A draft in the terms of the vectors.
fn shown(draft: &Draft<'_>) -> Json {
    let n = |number: u64| json!(number.to_string());
    let mut out = match &draft.call {
        Call::Action { action_type, name, attributes } => {
            json!({"call": "action", "type": name_of(action_type), "name": name, "attributes": attributes_shown(attributes)})
        }
        Call::Resource { method, url, status, duration_ns, bytes, error_type, attributes } => json!({
            "call": "resource", "method": method, "url": url, "status": status, "duration_ns": n(*duration_ns),
            "bytes": bytes.to_string(), "error_type": error_type, "attributes": attributes_shown(attributes)}),
        Call::Error { kind, source, error_type, message, stack, attributes } => json!({
            "call": "error", "kind": name_of(kind), "source": name_of(source), "error_type": error_type,
            "message": message, "stack": stack, "attributes": attributes_shown(attributes)}),
        Call::LongTask { duration_ns, frozen, attributes } => json!({
            "call": "long_task", "duration_ns": n(*duration_ns), "frozen": frozen,
            "attributes": attributes_shown(attributes)}),
        Call::Vital { name, value, unit, attributes } => json!({
            "call": "vital", "name": name, "value": value, "unit": unit, "attributes": attributes_shown(attributes)}),
        Call::Custom { name, attributes } => {
            json!({"call": "custom", "name": name, "attributes": attributes_shown(attributes)})
        }
        Call::Log { severity, body, logger, attributes } => json!({
            "call": "log", "severity": name_of(severity), "body": body, "logger": logger,
            "attributes": attributes_shown(attributes)}),
        Call::Measurement { instrument, name, unit, value, attributes } => json!({
            "call": "measurement", "instrument": name_of(instrument), "name": name, "unit": unit, "value": value,
            "attributes": attributes_shown(attributes)}),
        Call::StartView { name } => json!({"call": "start_view", "name": name}),
        Call::PushView { name } => json!({"call": "push_view", "name": name}),
        Call::StopView => json!({"call": "stop_view"}),
        Call::MarkInteractive => json!({"call": "mark_interactive"}),
        Call::StartAction { action_type, name, attributes } => json!({
            "call": "start_action", "type": name_of(action_type), "name": name,
            "attributes": attributes_shown(attributes)}),
        Call::RenewSession => json!({"call": "renew_session"}),
        Call::StartOperation { slot, name, attributes } => json!({
            "call": "start_operation", "slot": n(*slot), "name": name, "attributes": attributes_shown(attributes)}),
        Call::StartSpan { slot, name, attributes } => json!({
            "call": "start_span", "slot": n(*slot), "name": name, "attributes": attributes_shown(attributes)}),
        Call::SpanAttributes { slot, attributes } => {
            json!({"call": "span_attributes", "slot": n(*slot), "attributes": attributes_shown(attributes)})
        }
        Call::SpanEvent { slot, name, attributes } => json!({
            "call": "span_event", "slot": n(*slot), "name": name, "attributes": attributes_shown(attributes)}),
        Call::SpanLink { slot, other } => json!({"call": "span_link", "slot": n(*slot), "other": n(*other)}),
        Call::EndSpan { slot, outcome, error_type, message } => json!({
            "call": "end_span", "slot": n(*slot), "outcome": name_of(outcome), "error_type": error_type,
            "message": message}),
        Call::ReadContext { slot, headers } => {
            json!({"call": "read_context", "slot": n(*slot), "headers": headers.read().unwrap()})
        }
        Call::Retry { slot, attempt } => json!({"call": "retry", "slot": n(*slot), "attempt": attempt}),
        Call::KeepContext { key } => json!({"call": "keep_context", "key": key}),
        Call::TakeContext { slot, key } => json!({"call": "take_context", "slot": n(*slot), "key": key}),
        Call::StartRequest { slot, method, url } => {
            json!({"call": "start_request", "slot": n(*slot), "method": method, "url": url})
        }
        Call::EndRequest { slot, status, bytes, protocol, error_type, phases, attributes } => json!({
            "call": "end_request", "slot": n(*slot), "status": status, "bytes": bytes.to_string(),
            "protocol": protocol, "error_type": error_type, "phases": phases_shown(phases),
            "attributes": attributes_shown(attributes)}),
        Call::DeclareStore { store, name, policy } => {
            json!({"call": "declare_store", "store": store, "name": name, "policy": policy})
        }
        Call::Mutation { store, kind, path, old, new, attributes } => json!({
            "call": "mutation", "store": store, "kind": name_of(kind), "path": path, "old": held_shown(old),
            "new": held_shown(new), "attributes": attributes_shown(attributes)}),
        Call::Decide { store, path } => json!({"call": "decide", "store": store, "path": path}),
        Call::UpdatePolicy { store, policy } => json!({"call": "update_policy", "store": store, "policy": policy}),
        Call::Suppressed { store } => json!({"call": "suppressed", "store": store}),
        Call::Frames { count } => json!({"call": "frames", "count": n(*count)}),
        Call::SlowFrame { duration_ns } => json!({"call": "slow_frame", "duration_ns": n(*duration_ns)}),
        Call::Memory { bytes } => json!({"call": "memory", "bytes": n(*bytes)}),
        Call::ProcessorTime { duration_ns } => json!({"call": "processor_time", "duration_ns": n(*duration_ns)}),
        Call::ProcessStart { start_type, duration_ns } => {
            json!({"call": "process_start", "start_type": start_type, "duration_ns": n(*duration_ns)})
        }
        Call::InitialDisplay { duration_ns } => json!({"call": "initial_display", "duration_ns": n(*duration_ns)}),
        Call::SyncFailure { call, code, retries, offline } => {
            json!({"call": "sync_failure", "rpc": call, "code": code, "retries": retries, "offline": offline})
        }
        Call::QueueFlush { depth, ok } => json!({"call": "queue_flush", "depth": n(*depth), "ok": ok}),
        Call::ReportProblem { message } => json!({"call": "report_problem", "message": message}),
        Call::User { attributes } => json!({"call": "user", "attributes": attributes_shown(attributes)}),
        Call::GlobalAttribute { key, value } => {
            json!({"call": "global_attribute", "key": key, "value": held_shown(value)})
        }
        Call::FeatureFlag { name, value } => json!({"call": "feature_flag", "name": name, "value": held_shown(value)}),
        Call::Fault { place } => json!({"call": "fault", "place": place}),
    };
    let object = out.as_object_mut().unwrap();
    if draft.suppressed > 0 {
        object.insert("suppressed".to_owned(), json!(draft.suppressed));
    }
    if draft.context > 0 {
        object.insert("context".to_owned(), n(draft.context));
    }
    if draft.time_ns > 0 {
        object.insert("time_ns".to_owned(), n(draft.time_ns));
    }
    out
}
