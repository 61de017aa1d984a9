use super::*;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::event::encode::{Stamp, encode};
use crate::model::event::*;
use crate::model::names::semconv;
use crate::model::value::AnyValue;
use crate::model::value::Value;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const TRACE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };

fn exporter(encoding: Encoding) -> Otlp {
    Otlp::new(&Destination::new("d", "http://localhost:4318/").encoding(encoding))
}

fn with_row<T>(event: &impl Event, check: impl FnOnce(&ExportRow<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    encode(event, Stamp::default(), &mut bytes);
    let context = Context {
        attributes: vec![("service.name".to_owned(), AnyValue::Text("shop".to_owned()))],
        of_records: vec![("user.id".to_owned(), AnyValue::Text("u-1".to_owned()))],
    };
    let scope = Scope { session: Some(Uuid::from_bytes([1; 16])), view: None, view_name: String::new() };
    check(&ExportRow {
        id: Uuid::from_bytes([7; 16]),
        time_ns: 1_767_225_600_000_000_001,
        is_open: false,
        record: Record::decode(&bytes).unwrap(),
        context: Arc::new(context),
        scope: Arc::new(scope),
    })
}

/// Every form of every event decodes with OpenTelemetry's own types, and both forms say the same.
fn both<M: Message + Default + PartialEq + serde::de::DeserializeOwned + std::fmt::Debug>(
    event: &impl Event,
    signal: Signal,
) -> M {
    with_row(event, |row| {
        let rows = std::slice::from_ref(row);
        assert_eq!(exporter(Encoding::Protobuf).signal(event.kind()), Some(signal));
        let protobuf = M::decode(exporter(Encoding::Protobuf).encode(signal, rows).as_slice()).unwrap();
        let text = exporter(Encoding::Json).encode(signal, rows);
        let json: M =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
        assert_eq!(protobuf, json, "{}", String::from_utf8_lossy(&text));
        protobuf
    })
}

#[test]
fn logs_decode_with_opentelemetrys_own_types() {
    let list = [Value::Int(1), Value::Text("two")];
    let attributes = [
        ("text", "ü\"\n".into()),
        ("list", Value::List(&list)),
        ("map", Value::Map(&[("k", Value::Bool(true))])),
        ("bytes", Value::Bytes(&[1, 2, 3, 4])),
        ("log.record.uid", "mine".into()),
    ];
    let request: ExportLogsServiceRequest = both(&Action::tap("buy").attributes(&attributes).trace(TRACE), LOGS);
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.event_name, "app.widget.click");
    assert_eq!(record.trace_id, [0xab; 16]);
    assert_eq!(record.time_unix_nano, 1_767_225_600_000_000_001);
    let ids: Vec<_> = record.attributes.iter().filter(|pair| pair.key == "log.record.uid").collect();
    assert_eq!(ids.len(), 1, "duplicate keys are illegal");
    assert!(format!("{:?}", ids[0]).contains("07070707-0707-0707-0707-070707070707"));
}

#[test]
fn every_kind_of_log_event_encodes() {
    let id = Uuid::from_bytes([3; 16]);
    let _: ExportLogsServiceRequest = both(&Session::new(SessionChange::Start, id, "user_app_launch"), LOGS);
    let _: ExportLogsServiceRequest = both(&View::new(id, "Cart"), LOGS);
    let _: ExportLogsServiceRequest = both(&ErrorEvent::new("E", "m").stack("s"), LOGS);
    let crash: ExportLogsServiceRequest = both(&ErrorEvent::crash("E", "m", "s"), LOGS);
    assert_eq!(crash.resource_logs[0].scope_logs[0].log_records[0].severity_number, 21);
    let _: ExportLogsServiceRequest = both(&LongTask::new(Duration::from_nanos(800_000_000)), LOGS);
    let _: ExportLogsServiceRequest = both(&Vital::new("ttid", 0.42, "s"), LOGS);
    let _: ExportLogsServiceRequest = both(&Custom::new("x"), LOGS);
    let _: ExportLogsServiceRequest = both(&Log::new(Severity::Warn, "careful"), LOGS);
}

#[test]
fn spans_and_resources_decode() {
    let events = [SpanEvent { name: "cache miss", time_ns: 5, attributes: &[("k", Value::Int(1))] }];
    let mut span = Span::new("UpdateDisplayName", TRACE, Duration::from_nanos(1_000)).parent_span([9; 8]);
    (span.events, span.links, span.status) = (&events, &[TRACE], SpanStatus::Error);
    let request: ExportTraceServiceRequest = both(&span, TRACES);
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_000);
    assert_eq!((span.events.len(), span.links.len(), span.parent_span_id.len()), (1, 1, 8));
    let phase = |phase, start, duration| PhaseTime {
        phase,
        start: Duration::from_nanos(start),
        duration: Duration::from_nanos(duration),
    };
    let phases = [
        phase(Phase::FirstByte, 40, 20),
        phase(Phase::Dns, 1, 9),
        phase(Phase::Connect, 10, 30),
        phase(Phase::Tls, 20, 19),
        phase(Phase::Download, 60, u64::MAX),
        phase(Phase::Dns, 0, 0),
    ];
    let resource = Resource::new("GET", "https://api.example.com/a", 503, Duration::from_nanos(77)).phases(&phases);
    let request: ExportTraceServiceRequest = both(&resource, TRACES);
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    let since = |time: u64| time.saturating_sub(span.start_time_unix_nano);
    let moments: Vec<_> = span.events.iter().map(|event| (event.name.as_str(), since(event.time_unix_nano))).collect();
    assert_eq!(
        moments,
        [
            ("domainLookupStart", 1),
            ("domainLookupEnd", 10),
            ("connectStart", 10),
            ("secureConnectionStart", 20),
            ("connectEnd", 40),
            ("requestStart", 40),
            ("responseStart", 60),
            ("responseEnd", u64::MAX - span.start_time_unix_nano),
        ]
    );
    assert_eq!((span.kind, span.status.as_ref().unwrap().code), (3, 2));
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
}

#[test]
fn metrics_decode_and_keep_ids_out_of_the_series() {
    let gauge: ExportMetricsServiceRequest = both(&Metric::new("g", "1", MetricData::Gauge(1.5)), METRICS);
    let sum = MetricData::Sum { value: 4.0, monotonic: true, temporality: Temporality::Cumulative };
    let _: ExportMetricsServiceRequest = both(&Metric::new("s", "By", sum), METRICS);
    let histogram =
        MetricData::Histogram { bounds: &[1.0, 2.0], buckets: &[3, 0, 4], sum: 9.5, temporality: Temporality::Delta };
    let _: ExportMetricsServiceRequest = both(&Metric::new("h", "s", histogram), METRICS);
    let text = format!("{gauge:?}");
    assert!(text.contains("exemplars: [Exemplar") && text.contains("throughline.event.id"));
    assert!(!text.contains("session.id") && !text.contains("user.id"), "{text}");
}

#[test]
fn a_nan_is_legal_in_both_forms() {
    with_row(&Metric::new("g", "1", MetricData::Gauge(f64::NAN)), |row| {
        let rows = std::slice::from_ref(row);
        let text = String::from_utf8(exporter(Encoding::Json).encode(METRICS, rows)).unwrap();
        assert!(text.contains(r#""asDouble":"NaN""#), "{text}");
        let bytes = exporter(Encoding::Protobuf).encode(METRICS, rows);
        assert!(ExportMetricsServiceRequest::decode(bytes.as_slice()).is_ok());
    });
}

#[test]
fn every_status_has_a_verdict() {
    let otlp = exporter(Encoding::Protobuf);
    let verdict = |status| otlp.classify(&Response { status, ..Response::default() });
    for status in 0..700 {
        let _ = verdict(status);
    }
    assert_eq!(verdict(200), Verdict::Delivered { rejected: 0 });
    assert_eq!(verdict(204), Verdict::Delivered { rejected: 0 });
    for status in [301, 302, 307, 308, 408, 421, 425, 429, 500, 501, 502, 503, 504, 507, 511, 599] {
        assert_eq!(verdict(status), Verdict::Retry);
    }
    assert_eq!(verdict(413), Verdict::Split);
    for status in [400, 406, 409, 422, 431, 499] {
        assert_eq!(verdict(status), Verdict::Refused);
    }
    for status in [401, 402, 403, 404, 405, 407, 410, 415, 451] {
        assert!(matches!(verdict(status), Verdict::Hold(_)));
    }
    let huge = Response { status: 200, truncated: true, ..Response::default() };
    assert_eq!(otlp.classify(&huge), Verdict::Retry);
}

#[test]
fn rows_are_grouped_by_resource_and_a_change_of_user_makes_no_other_resource() {
    with_row(&Custom::new("a"), |first| {
        with_row(&Custom::new("b"), |second| {
            let attributes = vec![("service.name".into(), AnyValue::Text("x".into()))];
            let other = Arc::new(Context { attributes, of_records: Vec::new() });
            let third = ExportRow {
                id: second.id,
                time_ns: 1,
                is_open: false,
                record: second.record.clone(),
                context: other,
                scope: second.scope.clone(),
            };
            let copy = ExportRow {
                id: first.id,
                time_ns: first.time_ns,
                is_open: false,
                record: first.record.clone(),
                context: first.context.clone(),
                scope: first.scope.clone(),
            };
            let mut signed_out = Context::clone(&first.context);
            signed_out.of_records.clear();
            let fourth = ExportRow {
                id: second.id,
                time_ns: 1,
                is_open: false,
                record: second.record.clone(),
                context: Arc::new(signed_out),
                scope: second.scope.clone(),
            };
            let rows = [copy, third, fourth];
            let body = exporter(Encoding::Protobuf).encode(LOGS, &rows);
            let groups = ExportLogsServiceRequest::decode(body.as_slice()).unwrap().resource_logs;
            assert_eq!(groups.iter().map(|group| group.scope_logs[0].log_records.len()).collect::<Vec<_>>(), [2, 1]);
            let has_user =
                |at: usize| groups[0].scope_logs[0].log_records[at].attributes.iter().any(|pair| pair.key == "user.id");
            assert!(has_user(0) && !has_user(1));
        });
    });
}

/// The attributes of the span that becomes of a request, and its name.
fn span_of(request: &Resource<'_>) -> (String, std::collections::BTreeMap<String, String>) {
    let request: ExportTraceServiceRequest = both(request, TRACES);
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    let value = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        format!("{:?}", pair.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    (span.name.clone(), span.attributes.iter().map(|pair| (pair.key.clone(), value(pair))).collect())
}

#[test]
fn a_request_names_its_port_and_a_method_that_backends_know() {
    let request = |method, url| span_of(&Resource::new(method, url, 200, Duration::from_millis(1)));
    let (name, attributes) = request("GET", "https://api.example.com/a");
    assert_eq!((name.as_str(), &*attributes["server.port"]), ("GET", "IntValue(443)"));
    assert!(!attributes.contains_key("http.request.method_original") && !attributes.contains_key("error.type"));
    for (method, known, original) in
        [("", "_OTHER", None), ("PURGE", "_OTHER", Some("PURGE")), ("gEt", "GET", Some("gEt"))]
    {
        let (name, attributes) = request(method, "http://api.example.com:8080/a");
        assert_eq!(name, if known == "GET" { "GET" } else { "HTTP" });
        assert_eq!(attributes["http.request.method"], format!("StringValue({known:?})"));
        let said = attributes.get("http.request.method_original").cloned();
        assert_eq!(said, original.map(|original| format!("StringValue({original:?})")));
        assert_eq!(attributes["server.port"], "IntValue(8080)");
    }
    let (_, failed) = span_of(&Resource::new("GET", "https://a.test/", 0, Duration::ZERO));
    assert_eq!(failed["error.type"], "StringValue(\"_OTHER\")");
}

#[test]
fn a_request_that_was_cancelled_is_not_one_that_the_backend_has_failed() {
    let ended = |error_type| {
        let request = Resource::new("GET", "https://a.test/", 0, Duration::ZERO).failed(error_type);
        let sent: ExportTraceServiceRequest = both(&request, TRACES);
        let span = &sent.resource_spans[0].scope_spans[0].spans[0];
        (span.status.as_ref().map(|status| status.code), span_of(&request).1["error.type"].clone())
    };
    assert_eq!(ended("cancelled"), (None, "StringValue(\"cancelled\")".to_owned()));
    assert_eq!(ended("timeout"), (Some(2), "StringValue(\"timeout\")".to_owned()));
}

#[test]
fn the_values_of_a_header_are_a_list_even_if_the_app_gave_a_text() {
    let many = [Value::Text("a"), Value::Text("b")];
    let attributes = [
        ("http.request.header.x-shop", "one".into()),
        ("http.response.header.via", Value::List(&many)),
        ("http.request.headers", "no header".into()),
    ];
    let (_, attributes) =
        span_of(&Resource::new("GET", "https://a.test/", 200, Duration::ZERO).attributes(&attributes));
    assert!(attributes["http.request.header.x-shop"].starts_with("ArrayValue"), "{attributes:?}");
    assert_eq!(attributes["http.response.header.via"].matches("StringValue").count(), 2);
    assert_eq!(attributes["http.request.headers"], "StringValue(\"no header\")");
}

#[test]
fn a_logger_is_the_scope_of_its_lines_and_no_attribute() {
    let mut lines = Vec::new();
    for (logger, body) in [("shop.cart", "1"), ("", "2"), ("shop.cart", "3")] {
        let mut log = Log::new(Severity::Info, body);
        log.logger = logger;
        let mut bytes = Vec::new();
        encode(&log, Stamp::default(), &mut bytes);
        lines.push(bytes);
    }
    let context = Arc::new(Context::default());
    let scope = Arc::new(Scope::default());
    let row = |bytes| ExportRow {
        id: Uuid::from_bytes([7; 16]),
        time_ns: 1,
        is_open: false,
        record: Record::decode(bytes).unwrap(),
        context: context.clone(),
        scope: scope.clone(),
    };
    let rows: Vec<_> = lines.iter().map(|bytes| row(bytes)).collect();
    let request =
        ExportLogsServiceRequest::decode(exporter(Encoding::Protobuf).encode(LOGS, &rows).as_slice()).unwrap();
    let scopes = &request.resource_logs[0].scope_logs;
    let found: Vec<_> = scopes
        .iter()
        .map(|logs| (logs.scope.as_ref().unwrap(), logs.log_records.len()))
        .map(|(scope, lines)| (scope.name.as_str(), !scope.version.is_empty(), lines))
        .collect();
    assert_eq!(found, [("shop.cart", false, 2), ("throughline", true, 1)]);
    assert!(scopes.iter().all(|logs| logs.schema_url == semconv::SCHEMA_URL));
    assert!(!format!("{request:?}").contains("log.logger"));
}

#[test]
fn versions_of_a_view_that_is_open_are_no_duplicates_of_each_other() {
    let uid = |is_open: bool, version: u64| {
        let mut view = View::new(Uuid::from_bytes([3; 16]), "Cart");
        view.version = version;
        with_row(&view, |row| {
            let row = ExportRow {
                id: row.id,
                time_ns: 1,
                is_open,
                record: row.record.clone(),
                context: row.context.clone(),
                scope: row.scope.clone(),
            };
            let body = exporter(Encoding::Protobuf).encode(LOGS, &[row]);
            let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
            let record = &request.resource_logs[0].scope_logs[0].log_records[0];
            format!("{:?}", record.attributes.iter().find(|pair| pair.key == "log.record.uid").unwrap().value)
        })
    };
    let [first, second, last] = [uid(true, 1), uid(true, 2), uid(false, 3)];
    assert!(first != second && second != last && last.contains("\"07070707-0707-0707-0707-070707070707\""), "{last}");
}
