use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use super::*;

fn read<M: prost::Message + Default>(message: &Shape, json: &Value) -> M {
    M::decode(to_protobuf(message, json.to_string().as_bytes()).unwrap().as_slice()).unwrap()
}

fn log(record: Value) -> LogRecord {
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
    let mut request: ExportLogsServiceRequest = read(&LOGS, &request);
    request.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
}

fn span(span: Value) -> Span {
    let request = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    let mut request: ExportTraceServiceRequest = read(&TRACES, &request);
    request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn attribute(value: Value) -> Option<Any> {
    log(json!({"attributes": [{"key": "k", "value": value}]})).attributes.remove(0).value.unwrap().value
}

#[test]
fn a_number_that_json_does_not_have_is_a_text() {
    assert!(matches!(attribute(json!({"doubleValue": "NaN"})), Some(Any::DoubleValue(nan)) if nan.is_nan()));
    for (text, number) in [("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY), ("1.5e3", 1_500.0)] {
        assert_eq!(attribute(json!({"doubleValue": text})), Some(Any::DoubleValue(number)));
    }
    let gauge = json!({"gauge": {"dataPoints": [{"asDouble": "-Infinity"}, {"asInt": "-9223372036854775808"}]}});
    let request: ExportMetricsServiceRequest =
        read(&METRICS, &json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]}));
    let Some(metric::Data::Gauge(gauge)) = &request.resource_metrics[0].scope_metrics[0].metrics[0].data else {
        panic!("{request:?}");
    };
    let values: Vec<_> = gauge.data_points.iter().map(|point| point.value).collect();
    let expected = [number_data_point::Value::AsDouble(f64::NEG_INFINITY), number_data_point::Value::AsInt(i64::MIN)];
    assert_eq!(values, expected.map(Some));
}

#[test]
fn a_whole_number_is_a_number_or_a_text_and_exact() {
    for time in [json!(u64::MAX), json!(u64::MAX.to_string())] {
        assert_eq!(log(json!({"timeUnixNano": time})).time_unix_nano, u64::MAX);
    }
    for (value, number) in
        [(json!(-5), -5), (json!("5"), 5), (json!(1e3), 1_000), (json!("9007199254740993"), 9_007_199_254_740_993)]
    {
        assert_eq!(attribute(json!({"intValue": value})), Some(Any::IntValue(number)));
    }
    let scale = json!({"exponentialHistogram": {"dataPoints": [{"scale": -3, "positive": {"offset": -7, "bucketCounts": ["1", 2]}}]}});
    let request: ExportMetricsServiceRequest =
        read(&METRICS, &json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [scale]}]}]}));
    let text = format!("{request:?}");
    assert!(text.contains("scale: -3") && text.contains("offset: -7, bucket_counts: [1, 2]"), "{text}");
}

#[test]
fn enums_names_and_ids_are_taken_in_every_legal_form() {
    for (kind, code) in [(json!("SPAN_KIND_CLIENT"), json!("STATUS_CODE_ERROR")), (json!(3), json!(2))] {
        let span = span(json!({"kind": kind, "status": {"code": code}}));
        assert_eq!((span.kind, span.status.unwrap().code), (3, 2));
    }
    assert_eq!(log(json!({"severityNumber": "SEVERITY_NUMBER_WARN2"})).severity_number, 14);
    for (trace, parent) in
        [("AA".repeat(16), "bB".repeat(8)), ("qqqqqqqqqqqqqqqqqqqqqg==".into(), "u7u7u7u7u7s".into())]
    {
        let snake = json!({"trace_id": trace, "parent_span_id": parent, "spanId": "", "start_time_unix_nano": 7});
        let span = span(snake);
        assert_eq!((span.trace_id, span.parent_span_id), (vec![0xaa; 16], vec![0xbb; 8]));
        assert_eq!((span.span_id.len(), span.start_time_unix_nano), (0, 7));
    }
    for text in ["-_8=", "+/8=", "-_8", "+/8"] {
        assert_eq!(attribute(json!({"bytesValue": text})), Some(Any::BytesValue(vec![0xfb, 0xff])));
    }
}

#[test]
fn what_is_missing_or_unknown_harms_nothing() {
    let empty: ExportLogsServiceRequest = read(&LOGS, &json!({"resourceLogs": null, "new": {"x": [1]}}));
    assert!(empty.resource_logs.is_empty());
    let record = log(json!({"attributes": null, "body": null, "unknown": 1, "eventName": "e"}));
    assert_eq!((record.attributes.len(), record.body, record.event_name.as_str()), (0, None, "e"));
    assert_eq!(attribute(json!({})), None);
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let error = |record: Value| {
        let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
        format!("{:#}", to_protobuf(&LOGS, request.to_string().as_bytes()).unwrap_err())
    };
    for (record, place) in [
        (json!({"timeUnixNano": -1}), "in `timeUnixNano`: -1 is not within 0"),
        (json!({"timeUnixNano": "1.5"}), "whole number"),
        (json!({"flags": 4_294_967_296u64}), "in `flags`"),
        (json!({"traceId": "xyz"}), "in `traceId`: no id"),
        (json!({"attributes": {"k": 1}}), "expected a list, got an object"),
        (json!({"severityNumber": "LOUD"}), "in `severityNumber`"),
        (json!({"body": {"doubleValue": "inf"}}), "expected a number"),
        (json!({"body": {"bytesValue": "?"}}), "no base64"),
        (json!([]), "expected an object, got a list"),
    ] {
        let said = error(record);
        assert!(said.contains(place), "{said}");
    }
    let deep = "{\"a\":".repeat(5_000) + "1" + &"}".repeat(5_000);
    assert!(to_protobuf(&LOGS, deep.as_bytes()).is_err() && to_protobuf(&LOGS, b"{").is_err());
}

#[test]
fn every_field_of_a_point_has_the_number_of_the_protocol() {
    let exemplar = json!({"timeUnixNano": 1, "asInt": "2", "spanId": "0b".repeat(8), "traceId": "0a".repeat(16),
        "filteredAttributes": [{"key": "f"}]});
    let point = |mut more: Value| {
        let common = json!({"attributes": [{"key": "k"}], "startTimeUnixNano": 11, "timeUnixNano": 12, "flags": 13});
        let (Value::Object(all), Value::Object(common)) = (&mut more, common) else { panic!("{more}") };
        all.extend(common);
        more
    };
    let histogram = json!({"count": 14, "sum": 15.5, "bucketCounts": [16, "17"], "explicitBounds": [18.5, "NaN"],
        "exemplars": [exemplar], "min": 19.5, "max": 20.5});
    let exponential = json!({"count": 21, "sum": 22.5, "scale": 23, "zeroCount": 24, "positive": {"offset": 25},
        "negative": {"offset": 26}, "min": 27.5, "max": 28.5, "zeroThreshold": 29.5, "exemplars": [exemplar]});
    let summary = json!({"count": 30, "sum": 31.5, "quantileValues": [{"quantile": 0.5, "value": 32.5}]});
    let number = json!({"asInt": 33, "exemplars": [exemplar]});
    let list = |point: Value| json!({"dataPoints": [point], "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"});
    let metrics = json!([
        {"name": "n", "description": "d", "unit": "u", "histogram": list(point(histogram))},
        {"exponentialHistogram": list(point(exponential)), "metadata": [{"key": "m"}]},
        {"summary": list(point(summary))},
        {"sum": {"dataPoints": [point(number)], "aggregationTemporality": 2, "isMonotonic": true}},
    ]);
    let request: ExportMetricsServiceRequest =
        read(&METRICS, &json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}));
    let text = format!("{request:?}");
    for said in [
        "name: \"n\", description: \"d\", unit: \"u\"",
        "count: 14, sum: Some(15.5), bucket_counts: [16, 17], explicit_bounds: [18.5, NaN]",
        "min: Some(19.5), max: Some(20.5)",
        "count: 21, sum: Some(22.5), scale: 23, zero_count: 24, positive: Some(Buckets { offset: 25",
        "negative: Some(Buckets { offset: 26",
        "min: Some(27.5), max: Some(28.5), zero_threshold: 29.5",
        "count: 30, sum: 31.5, quantile_values: [ValueAtQuantile { quantile: 0.5, value: 32.5 }]",
        "value: Some(AsInt(33))",
        "is_monotonic: true",
        "aggregation_temporality: Delta",
        "metadata: [KeyValue { key: \"m\"",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(text.matches("start_time_unix_nano: 11, time_unix_nano: 12").count(), 4);
    assert_eq!((text.matches("flags: 13").count(), text.matches("KeyValue { key: \"k\"").count()), (4, 4));
    let exemplars = "time_unix_nano: 1, span_id: [11, 11, 11, 11, 11, 11, 11, 11], trace_id: [10, 10";
    assert_eq!((text.matches(exemplars).count(), text.matches("Some(AsInt(2))").count()), (3, 3), "{text}");
}

#[test]
fn every_field_of_a_span_has_the_number_of_the_protocol() {
    let all = json!({
        "traceState": "a=1", "flags": 257, "name": "n", "endTimeUnixNano": "9", "droppedAttributesCount": 1,
        "events": [{"timeUnixNano": "3", "name": "e", "droppedAttributesCount": 2}], "droppedEventsCount": 3,
        "links": [{"traceId": "0a".repeat(16), "spanId": "0b".repeat(8), "traceState": "b=2", "flags": 1}],
        "droppedLinksCount": 4, "status": {"message": "m", "code": 1},
    });
    let span = span(all);
    let (event, link) = (&span.events[0], &span.links[0]);
    assert_eq!((span.trace_state.as_str(), span.flags, span.name.as_str()), ("a=1", 257, "n"));
    assert_eq!((span.end_time_unix_nano, span.dropped_attributes_count), (9, 1));
    assert_eq!((event.time_unix_nano, event.name.as_str(), event.dropped_attributes_count), (3, "e", 2));
    assert_eq!((link.trace_id[0], link.span_id[0], link.trace_state.as_str(), link.flags), (10, 11, "b=2", 1));
    assert_eq!((span.dropped_events_count, span.dropped_links_count), (3, 4));
    assert_eq!((span.status.as_ref().unwrap().message.as_str(), span.status.as_ref().unwrap().code), ("m", 1));
}
