//! Much at once, several programs at once: the inspector keeps answering, and its counts are right.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Inspector, total};
use crate::intake::{logs, of_session, spans};

const NOW: u64 = 1_700_000_000_000_000_000;

/// What is refused: a name for it, the path, the headers and the body, and a part of the reason.
type Refused<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str);

fn text(key: &str, text: &str) -> Value {
    json!({"key": key, "value": {"stringValue": text}})
}

#[test]
fn a_store_that_another_program_holds_stops_nothing_but_what_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("items.db");
    let inspector = Inspector::start(&["--store", file.to_str().unwrap()]);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answered = AtomicUsize::new(0);
    let body = logs(json!([{"timeUnixNano": "1"}])).to_string();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (status, _) = inspector.post("/v1/logs", &[("content-type", "application/json")], body.as_bytes());
                answered.fetch_add(1, Ordering::SeqCst);
                assert!(matches!(status, 200 | 503), "{status}");
            });
        }
        // More often than once: a request that waits for the file is under way before the last.
        for _ in 0..50 {
            assert!(inspector.get("/health/live").contains("live"));
        }
        assert_eq!(answered.load(Ordering::SeqCst), 0, "the inspector answered nothing until the file was free");
        other.execute_batch("COMMIT").unwrap();
    });
}

#[test]
fn two_inspectors_of_one_store_show_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("items.db");
    let store = ["--store", file.to_str().unwrap()];
    let (one, other) = (Inspector::start(&store), Inspector::start(&store));
    let version = other.stats()["version"].clone();
    let record = |n: u64| json!({"timeUnixNano": (NOW + n).to_string(), "attributes": of_session("s")});
    one.take("/v1/logs", &logs(json!([record(1), record(2)])));
    assert_eq!((total(&one.stats()), total(&other.stats())), (2, 2));
    // A page of the other one learns that it has to change.
    assert_ne!(other.stats()["version"], version);
    other.take("/v1/logs", &logs(json!([record(3)])));
    assert_eq!((total(&one.stats()), total(&other.stats())), (3, 3));
    assert!(one.get("/").contains("3 logs"));
}

#[test]
fn a_page_of_an_earlier_run_is_not_taken_for_one_of_this_run() {
    let version = |inspector: &Inspector| inspector.stats()["version"].as_u64().unwrap();
    let first = Inspector::start(&[]);
    first.take("/v1/logs", &logs(json!([{"timeUnixNano": "1"}])));
    let shown = version(&first);
    drop(first);
    let second = Inspector::start(&[]);
    second.take("/v1/logs", &logs(json!([{"timeUnixNano": "2"}])));
    assert_ne!(version(&second), shown);
}

#[test]
fn a_large_resource_of_many_records_does_not_fill_the_memory() {
    let inspector = Inspector::start(&[]);
    let records: Vec<Value> = (0..20_000).map(|n| json!({"timeUnixNano": (NOW + n).to_string()})).collect();
    let resource = json!({"attributes": [text("blob", &"x".repeat(1 << 20)), text("service.name", "shop")]});
    let group = json!({"resource": resource, "scopeLogs": [{"logRecords": records}]});
    inspector.take("/v1/logs", &json!({"resourceLogs": [group]}));
    assert_eq!(inspector.stats()["logs"], 20_000);
    let record = &inspector.json("/api/without-session?per_page=1")[0];
    assert_eq!(record["resource"]["service.name"], "shop");
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", inspector.process.id())) {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 600 << 10, "{peak} KiB");
    }
}

#[test]
fn a_page_of_many_large_records_is_one_that_a_browser_can_load() {
    let inspector = Inspector::start(&[]);
    let trace = "ab".repeat(16);
    for part in 0..6 {
        let span = |n: u64| {
            json!({"traceId": trace, "spanId": format!("{:016x}", part * 200 + n + 1), "name": "n",
                "startTimeUnixNano": (NOW + n).to_string(), "endTimeUnixNano": (NOW + n + 1).to_string(),
                "attributes": [text("session.id", "s"), text("stack", &"at line\n".repeat(3_000))]})
        };
        inspector.take("/v1/traces", &spans((0..200).map(span).collect()));
    }
    for path in [format!("/trace/{trace}"), "/session/s".to_owned()] {
        let page = inspector.get(&path);
        assert!(page.len() < 12 << 20, "{path}: {} bytes", page.len());
        assert!(page.contains("This page has no room for the record"), "{path}");
    }
    // What is left out there can be reached.
    let page = inspector.get("/session/s?page=60&per_page=20");
    assert!(page.contains("at line") && !page.contains("has no room"), "{page}");
}

#[test]
fn a_request_that_is_refused_is_counted_whoever_refused_it_and_pages_say_so_at_once() {
    let inspector = Inspector::start(&[]);
    let json = ("content-type", "application/json");
    let large = vec![b' '; (20 << 20) + 1];
    let cases: [Refused<'_>; 7] = [
        ("too large", "/v1/logs", &[json], &large, "got 413"),
        ("no gzip", "/v1/logs", &[json, ("content-encoding", "gzip")], b"{}", "got 400"),
        ("an unknown coding", "/v1/logs", &[json, ("content-encoding", "br")], b"{}", "content encoding"),
        ("no JSON", "/v1/logs", &[json], b"{", "not OTLP in JSON"),
        ("no content type", "/v1/logs", &[], b"{}", "is not OTLP"),
        ("a path that is none", "/v1/logs/", &[json], b"{}", "There is no such page"),
        ("the base URL alone", "/", &[json], b"{}", "OTLP is sent to /v1/logs"),
    ];
    let before = inspector.stats()["version"].as_u64().unwrap();
    for (n, (what, path, headers, body, why)) in (1..).zip(cases) {
        inspector.raw(&format!("POST {path}"), headers, body);
        let stats = inspector.stats();
        assert_eq!((&stats["refused"], &stats["requests"]), (&json!(n), &json!(n)), "{what}: {stats}");
        assert_eq!(stats["version"], before + n, "{what}: a page that is open would not show it");
        let page = inspector.get("/");
        let reason = page.split("The last refused request: ").nth(1).unwrap_or_default();
        assert!(reason.starts_with(&format!("POST {path} got")) && reason.contains(why), "{what}: {page}");
    }
    assert!(inspector.get("/").contains("7 requests refused"));
}

#[test]
fn a_span_that_is_sent_again_is_shown_once() {
    let inspector = Inspector::start(&[]);
    let trace = "0a".repeat(16);
    let span = |id: u64, name: &str| {
        json!({"traceId": trace, "spanId": format!("{id:016x}"), "name": name, "startTimeUnixNano": NOW.to_string(),
            "endTimeUnixNano": (NOW + 5).to_string()})
    };
    for _ in 0..2 {
        inspector.take("/v1/traces", &spans(json!([span(1, "a"), span(2, "a")])));
    }
    assert_eq!((&inspector.stats()["spans"], &inspector.stats()["duplicates"]), (&json!(2), &json!(2)));
    // Another record of the same span, and spans without ids, are no repetitions.
    inspector.take("/v1/traces", &spans(json!([span(1, "b"), {"name": "c"}, {"name": "c"}])));
    assert_eq!(inspector.stats()["spans"], 5);
    let shown = inspector.json(&format!("/api/trace/{trace}"));
    assert!(shown.as_array().unwrap().iter().all(|span| span["event_id"] == ""), "{shown}");
}

#[test]
fn a_connection_that_sends_nothing_stops_nobody() {
    let inspector = Inspector::start(&[]);
    let address = inspector.url.strip_prefix("http://").unwrap();
    let silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "1"}])));
    assert!(inspector.get("/").contains("1 log"));
    drop(silent);
}
