//! The layout of drafts. The calls of its table are read, and so are the vectors that Swift and
//! Kotlin write.

use serde_json::{Value as Json, json};
use throughline::event::PhaseTime;
use throughline::{AnyValue, Value};
use throughline_ffi::draft::layout::{HEADER_BYTES, MAX_DRAFT_BYTES, VERSION};
use throughline_ffi::draft::rows::{CallRow, CodeTable};
use throughline_ffi::draft::{Attributes, Call, Draft, Malformed, OptionalValue, Phases, codes};

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
        // Without its end, a draft is either refused or read as the same call whose attributes
        // cannot be lent.
        for end in 0..bytes.len() {
            if let Ok(cut) = Draft::read(&bytes[..end]) {
                assert_eq!(std::mem::discriminant(&cut.call), std::mem::discriminant(&draft.call));
                assert!(read(&cut).is_err(), "{} cut at {end}", vector["vector"]);
            }
        }
    }
    // Every call has a vector, except `Fault`, which only test builds have.
    assert_eq!(calls.len(), Call::ROWS.len() - 1);
}

#[test]
fn what_is_malformed_is_refused() {
    for vector in vectors()["malformed"].as_array().unwrap() {
        let bytes = bytes(vector);
        assert!(Draft::read(&bytes).and_then(|draft| read(&draft)).is_err(), "{}", vector["vector"]);
    }
    assert!(Draft::read(&vec![1; MAX_DRAFT_BYTES + 1]).is_err());
}

#[test]
fn every_call_of_the_table_is_read_with_its_code_and_no_other_is() {
    let rows = Call::ROWS;
    let codes: std::collections::BTreeSet<u8> = rows.iter().map(|row| row.code).collect();
    assert_eq!(codes.len(), rows.len(), "two calls have the same code");
    for row in rows {
        let bytes = smallest(row);
        let draft = Draft::read(&bytes).unwrap_or_else(|Malformed| panic!("{} is not read", row.name));
        assert_eq!((draft.call.name(), read(&draft)), (row.name, Ok(())));
        // The fields fill the draft, so that it cannot be read without its last byte.
        if !row.fields.is_empty() {
            let cut = Draft::read(&bytes[..bytes.len() - 1]).and_then(|draft| read(&draft));
            assert_eq!(cut, Err(Malformed), "{}", row.name);
        }
    }
    for code in (0..=u8::MAX).filter(|code| !codes.contains(code)) {
        let mut bytes = vec![0; 64];
        (bytes[0], bytes[1]) = (VERSION, code);
        assert_eq!(Draft::read(&bytes), Err(Malformed), "code {code}");
    }
}

/// The shortest draft of a call: numbers are 0, texts and attributes are empty.
fn smallest(row: &CallRow) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    (bytes[0], bytes[1]) = (VERSION, row.code);
    for field in row.fields {
        match field.layout {
            "u16" | "attributes" | "headers" => bytes.extend([0; 2]),
            "u32" | "text" => bytes.extend([0; 4]),
            "u64" | "i64" | "f64" => bytes.extend([0; 8]),
            "flag" | "phases" | "value?" => bytes.push(0),
            // For an enum, the code of its first case.
            coded => {
                let name = |table: &CodeTable| snake(table.name).replace('_', " ");
                let table = codes::TABLES.iter().find(|table| name(table) == coded).unwrap();
                bytes.push(table.codes[0].code);
            }
        }
    }
    bytes
}

/// Reads attributes and headers, which `Draft::read` leaves encoded.
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
        Call::ReadContext { headers, .. } => return headers.read_all().map(drop),
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

fn optional_shown(held: &OptionalValue<'_>) -> Json {
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
    phases.read_all().iter().map(shown).collect()
}

/// A draft as the vectors describe it.
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
        Call::StopView {} => json!({"call": "stop_view"}),
        Call::MarkInteractive {} => json!({"call": "mark_interactive"}),
        Call::StartAction { action_type, name, attributes } => json!({
            "call": "start_action", "type": name_of(action_type), "name": name,
            "attributes": attributes_shown(attributes)}),
        Call::RenewSession {} => json!({"call": "renew_session"}),
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
            json!({"call": "read_context", "slot": n(*slot), "headers": headers.read_all().unwrap()})
        }
        Call::Retry { slot, attempt } => json!({"call": "retry", "slot": n(*slot), "attempt": attempt}),
        Call::KeepContext { key } => json!({"call": "keep_context", "key": key}),
        Call::ActionContext { slot } => json!({"call": "action_context", "slot": n(*slot)}),
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
            "call": "mutation", "store": store, "kind": name_of(kind), "path": path, "old": optional_shown(old),
            "new": optional_shown(new), "attributes": attributes_shown(attributes)}),
        Call::Decide { store, path } => json!({"call": "decide", "store": store, "path": path}),
        Call::UpdatePolicy { store, policy } => json!({"call": "update_policy", "store": store, "policy": policy}),
        Call::Suppressed { store } => json!({"call": "suppressed", "store": store}),
        Call::Frames { count } => json!({"call": "frames", "count": n(*count)}),
        Call::SlowFrame { duration_ns } => json!({"call": "slow_frame", "duration_ns": n(*duration_ns)}),
        Call::Memory { bytes } => json!({"call": "memory", "bytes": n(*bytes)}),
        Call::CpuTime { duration_ns } => json!({"call": "cpu_time", "duration_ns": n(*duration_ns)}),
        Call::ProcessStart { start_type, duration_ns } => {
            json!({"call": "process_start", "start_type": start_type, "duration_ns": n(*duration_ns)})
        }
        Call::InitialDisplay { duration_ns } => json!({"call": "initial_display", "duration_ns": n(*duration_ns)}),
        Call::SyncFailure { rpc, code, retries, offline } => {
            json!({"call": "sync_failure", "rpc": rpc, "code": code, "retries": retries, "offline": offline})
        }
        Call::QueueFlush { depth, ok } => json!({"call": "queue_flush", "depth": n(*depth), "ok": ok}),
        Call::ReportProblem { message } => json!({"call": "report_problem", "message": message}),
        Call::User { attributes } => json!({"call": "user", "attributes": attributes_shown(attributes)}),
        Call::GlobalAttribute { key, value } => {
            json!({"call": "global_attribute", "key": key, "value": optional_shown(value)})
        }
        Call::FeatureFlag { name, value } => {
            json!({"call": "feature_flag", "name": name, "value": optional_shown(value)})
        }
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
