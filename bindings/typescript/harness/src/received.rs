//! What the backend has received, as JSON that a test reads.

use std::error::Error;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use prost::Message;
use serde_json::{Map, Value, json};
use throughline::testing::FaultServer;

/// Logs and spans, with their names, attributes and traces.
pub(crate) fn received(server: &FaultServer) -> Result<Value, Box<dyn Error>> {
    let (mut logs, mut spans) = (Vec::new(), Vec::new());
    for request in server.received().into_iter().filter(|request| request.stored) {
        let body = request.body.as_slice();
        if request.path.ends_with("/v1/logs") {
            let groups = ExportLogsServiceRequest::decode(body)?.resource_logs;
            for log in groups.into_iter().flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records) {
                logs.push(json!({
                    "name": log.event_name, "attributes": attributes(log.attributes),
                    "trace": hex(&log.trace_id), "span": hex(&log.span_id),
                }));
            }
        } else if request.path.ends_with("/v1/traces") {
            let groups = ExportTraceServiceRequest::decode(body)?.resource_spans;
            for span in groups.into_iter().flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans) {
                spans.push(json!({
                    "name": span.name, "attributes": attributes(span.attributes), "status": span.status.map(|status| status.code),
                    "trace": hex(&span.trace_id), "span": hex(&span.span_id), "parent": hex(&span.parent_span_id),
                }));
            }
        }
    }
    Ok(json!({ "logs": logs, "spans": spans }))
}

fn attributes(pairs: Vec<KeyValue>) -> Value {
    pairs.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, value))).collect::<Map<_, _>>().into()
}

fn value(value: AnyValue) -> Value {
    match value.value {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(flag)) => flag.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::DoubleValue(number)) => number.into(),
        Some(Any::ArrayValue(list)) => list.values.into_iter().map(self::value).collect(),
        Some(Any::KvlistValue(map)) => attributes(map.values),
        Some(Any::BytesValue(bytes)) => hex(&bytes).into(),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
