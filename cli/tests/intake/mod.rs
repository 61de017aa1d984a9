//! What others send to the inspector: every answer is 200 or says what is wrong, and whatever was
//! taken can be shown.

mod points;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use serde_json::{Value, json};
use throughline::event::{Custom, Metric, MetricData};
use throughline::{Config, Consent, Encoding, Environment, Telemetry};

use super::Inspector;

const LONG: Duration = Duration::from_secs(20);
const JSON: (&str, &str) = ("content-type", "application/json");

/// What is refused: a name for it, the status, and the headers and the body of the request.
type Refused<'a> = (&'a str, u16, Vec<(&'a str, &'a str)>, &'a [u8]);

impl Inspector {
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.send(&format!("POST {path}"), headers, body)
    }

    /// Posts a body that has to be taken.
    pub(crate) fn take(&self, path: &str, body: &Value) {
        let (status, answer) = self.post(path, &[JSON], body.to_string().as_bytes());
        assert_eq!(status, 200, "{body}: {answer}");
    }
}

pub(crate) fn logs(records: Value) -> Value {
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
}

pub(crate) fn spans(spans: Value) -> Value {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
}

pub(crate) fn of_session(id: &str) -> Value {
    json!([{"key": "session.id", "value": {"stringValue": id}}])
}

/// The links of a page that begin like this.
pub(crate) fn links(page: &str, begin: &str) -> Vec<String> {
    let start = format!("href=\"{begin}");
    let found = page.split(&start).skip(1);
    found.filter_map(|rest| Some(format!("{begin}{}", rest.split('"').next()?))).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn numbers_that_json_does_not_have_reach_the_inspector_in_either_encoding() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let inspector = Inspector::start(&[]);
        let dir = tempfile::tempdir().unwrap();
        let config = Config::builder("shop", dir.path()).environment(Environment::Test).endpoint(&inspector.url);
        let config = config.encoding(encoding).start_jitter(false).self_report(false).synthetic_views(false);
        let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
        let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for number in numbers {
            telemetry.record_custom(&Custom::new("ratio").attributes(&[("ratio", number.into())])).unwrap();
            telemetry.record_metric(&Metric::new("ratio", "1", MetricData::Gauge(number))).unwrap();
        }
        assert!(telemetry.flush(LONG).complete);
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert_eq!((books.delivered, books.dropped.total()), (books.accepted, 0), "{encoding:?}");
        let shown = inspector.get(&format!("/api/session/{}", telemetry.session_id().unwrap()));
        for text in ["\"NaN\"", "\"inf\"", "\"-inf\""] {
            assert!(shown.contains(&format!("\"ratio\":{text}")), "{encoding:?}: {shown}");
        }
        assert_eq!(inspector.stats()["metrics"], 3);
    }
}

#[test]
fn every_legal_form_of_a_body_is_taken() {
    let inspector = Inspector::start(&[]);
    inspector
        .take("/v1/logs", &json!({"resource_logs": [{"scope_logs": [{"log_records": [{"time_unix_nano": "1"}]}]}]}));
    inspector.take("/v1/logs", &json!({"resourceLogs": null}));
    inspector.take("/v1/logs", &json!({"resourceLogs": [{"resource": null, "scopeLogs": [{"scope": null}]}]}));
    let attributes = json!([
        {"key": "i", "value": {"intValue": 5}},
        {"key": "j", "value": {"intValue": "5"}},
        {"key": "e", "value": {}},
        {"key": "n", "value": null},
        {"key": "b", "value": {"bytesValue": "-_8"}},
    ]);
    inspector.take("/v1/logs", &logs(json!([{"severityNumber": "SEVERITY_NUMBER_INFO", "attributes": attributes}])));
    let trace = json!([{"traceId": "qqqqqqqqqqqqqqqqqqqqqg==", "spanId": "u7u7u7u7u7s=", "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": 1_700_000_000_000_000_000u64, "status": {"code": "STATUS_CODE_ERROR"}}]);
    inspector.take("/v1/traces", &spans(trace));
    assert!(inspector.get(&format!("/trace/{}", "aa".repeat(16))).contains("class=\"bar error\""));
    inspector.take("/v1/traces", &spans(json!([{"traceId": "CC".repeat(16), "spanId": "DD".repeat(8)}])));
    assert!(inspector.get(&format!("/trace/{}", "cc".repeat(16))).contains("<details"));

    let body = logs(json!([{"timeUnixNano": "1"}])).to_string();
    for headers in [
        vec![("content-type", "application/json; charset=utf-8")],
        vec![("content-type", "Application/JSON")],
        vec![JSON, ("content-encoding", "identity")],
    ] {
        assert_eq!(inspector.post("/v1/logs", &headers, body.as_bytes()).0, 200, "{headers:?}");
    }
    for coding in ["gzip", "GZIP", "x-gzip"] {
        let headers = [JSON, ("content-encoding", coding)];
        assert_eq!(inspector.post("/v1/logs", &headers, &gzip(body.as_bytes())).0, 200, "{coding}");
    }
    assert_eq!(inspector.stats()["refused"], 0);

    // Each part of the body is a member of its own, and a message of its own.
    let before = inspector.stats()["logs"].as_u64().unwrap();
    let part = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs { log_records: vec![LogRecord::default()], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    };
    let part = gzip(&part.encode_to_vec());
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
    assert_eq!(inspector.post("/v1/logs", &headers, &[&part[..], &part[..]].concat()).0, 200);
    assert_eq!(inspector.stats()["logs"], before + 2, "a part of what was answered with 200 is lost");
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let inspector = Inspector::start(&[]);
    let body = logs(json!([{"timeUnixNano": "1"}])).to_string();
    let packed = gzip(body.as_bytes());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(body.as_bytes()).unwrap();
    let zlib = zlib.finish().unwrap();
    let bomb = gzip(&vec![0; 200 << 20]);
    let deep_json = "{\"a\":".repeat(5_000) + "1" + &"}".repeat(5_000);
    let deep_value = (0..120).fold(json!({"intValue": "1"}), |value, _| json!({"arrayValue": {"values": [value]}}));
    let deep_value = logs(json!([{"attributes": [{"key": "d", "value": deep_value}]}])).to_string();
    let garbage = [&packed[..], b"garbage"].concat();
    let cases: [Refused<'_>; 11] = [
        ("something behind a gzip body", 400, vec![JSON, ("content-encoding", "gzip")], &garbage),
        ("no content type", 415, vec![], b""),
        ("another content type", 415, vec![("content-type", "text/plain")], b"x"),
        ("deflate", 415, vec![JSON, ("content-encoding", "deflate")], &zlib),
        ("zstd", 415, vec![JSON, ("content-encoding", "zstd")], b"x"),
        ("a gzip body without its end", 400, vec![JSON, ("content-encoding", "gzip")], &packed[..packed.len() - 6]),
        ("a small body that is a large one", 413, vec![JSON, ("content-encoding", "gzip")], &bomb),
        ("JSON that is too deep", 400, vec![JSON], deep_json.as_bytes()),
        ("a value that is too deep", 400, vec![JSON], deep_value.as_bytes()),
        ("a list in place of an object", 400, vec![JSON], b"[]"),
        ("no protobuf", 400, vec![("content-type", "application/x-protobuf")], b"\xff\xff"),
    ];
    for (what, status, headers, body) in cases {
        let (answered, answer) = inspector.post("/v1/logs", &headers, body);
        let reason = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
        assert!(answered == status && !reason.is_empty(), "{what}: {answer}");
    }
    assert_eq!(inspector.stats()["logs"], 0);
}

#[test]
fn no_record_makes_a_page_fail() {
    let inspector = Inspector::start(&[]);
    let span = |trace: &str, id: u64, parent: u64, start: u64, end: u64| {
        let hex = |id: u64| if id == 0 { String::new() } else { format!("{id:016x}") };
        json!({"traceId": trace, "spanId": hex(id), "parentSpanId": hex(parent), "name": "s",
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string()})
    };
    let circle = "a".repeat(32);
    inspector.take(
        "/v1/traces",
        &spans(json!([span(&circle, 1, 1, 0, 1), span(&circle, 2, 3, 0, 1), span(&circle, 3, 2, 0, 1)])),
    );
    assert_eq!(inspector.get(&format!("/trace/{circle}")).matches("<details").count(), 3);
    let chain = "b".repeat(32);
    let long: Vec<Value> = (0..4_900).map(|n| span(&chain, n + 1, n, 1, 2)).collect();
    inspector.take("/v1/traces", &spans(json!(long)));
    inspector.get(&format!("/trace/{chain}"));
    let now = 1_700_000_000_000_000_000;
    for (n, (start, end)) in [(u64::MAX, u64::MAX), (1 << 63, 1 << 63), (2, 1), (0, 0)].into_iter().enumerate() {
        let trace = format!("{:032x}", n + 1);
        inspector.take("/v1/traces", &spans(json!([span(&trace, 1, 0, start, end), span(&trace, 2, 0, now, now + 1)])));
        inspector.get(&format!("/trace/{trace}"));
    }
    let times = ["9223372036854775808", "9223372036854775807", "1700000000000000000", "0"];
    let records: Vec<Value> =
        times.iter().map(|time| json!({"timeUnixNano": time, "attributes": of_session("s")})).collect();
    inspector.take("/v1/logs", &logs(json!(records)));

    let markup = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    for session in [markup, "a/b?c#d e%f", "..", "é€😀"] {
        let record = json!({"timeUnixNano": now.to_string(), "eventName": markup, "body": {"stringValue": markup},
            "attributes": of_session(session)});
        inspector.take("/v1/logs", &logs(json!([record])));
    }
    let list = inspector.get("/");
    let sessions = links(&list, "/session");
    assert_eq!(sessions.len(), 5, "{sessions:?}");
    for page in sessions.iter().map(|session| inspector.get(session)).chain([list]) {
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    }
    for page in ["/api/sessions", "/api/stats", "/metrics", "/health/ready"] {
        inspector.get(page);
    }
}

#[test]
fn a_page_and_the_numbers_for_a_monitor_call_spans_spans() {
    let inspector = Inspector::start(&[]);
    inspector.take("/v1/traces", &spans(json!([{"traceId": "ab".repeat(16), "spanId": "cd".repeat(8)}])));
    assert_eq!(inspector.stats()["spans"], 1);
    let metrics = inspector.get("/metrics");
    assert!(metrics.contains("{signal=\"spans\"} 1") && !metrics.contains("traces"), "{metrics}");
}

#[test]
fn an_id_of_the_version_before_is_still_recognised() {
    let inspector = Inspector::start(&[]);
    for key in ["event.id", "log.record.uid"] {
        let id = json!({"key": key, "value": {"stringValue": "e-1"}});
        inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "1", "attributes": [id]}])));
    }
    assert_eq!((&inspector.stats()["logs"], &inspector.stats()["duplicates"]), (&json!(1), &json!(1)));
}

#[test]
fn a_number_is_shown_to_its_last_digit() {
    let inspector = Inspector::start(&[]);
    let numbers = [943.3567169983137, 13.114189588902203, 0.1 + 0.2, 8.533e68, 5e-324, f64::MAX];
    let record =
        |number: &f64| json!({"timeUnixNano": "1", "attributes": [{"key": "n", "value": {"doubleValue": number}}]});
    inspector.take("/v1/logs", &logs(numbers.iter().map(record).collect()));
    let answer = inspector.get("/api/without-session");
    for number in numbers {
        assert!(answer.contains(&format!("\"n\":{}}}", json!(number))), "{number}: {answer}");
    }
}

#[test]
fn a_name_that_begins_like_a_line_of_code_is_not_lost() {
    let inspector = Inspector::start(&[]);
    let record = |name: &str| json!({"timeUnixNano": "1", "eventName": name, "body": {"stringValue": "said"}});
    inspector.take("/v1/logs", &logs(json!([record("event signup"), record("event src/main.rs:12")])));
    let names: Vec<Value> = inspector.json("/api/without-session").as_array().unwrap().clone();
    assert_eq!((&names[0]["name"], &names[1]["name"]), (&json!("event signup"), &json!("said")));
}

#[test]
fn a_logger_of_the_app_is_shown_with_its_lines() {
    let inspector = Inspector::start(&[]);
    let scope =
        json!({"scope": {"name": "shop.cart"}, "logRecords": [{"timeUnixNano": "1", "attributes": of_session("s")}]});
    inspector.take("/v1/logs", &json!({"resourceLogs": [{"scopeLogs": [scope]}]}));
    assert!(inspector.get("/api/session/s").contains("\"scope\":\"shop.cart\""));
}
