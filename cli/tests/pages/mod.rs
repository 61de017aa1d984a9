//! The pages: everything can be reached and read, and what is cut says so.

mod crash;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use throughline::names::VIEW_VERSION;

use super::Inspector;
use crate::intake::{links, logs, of_session, spans};

const NOW: u64 = 1_700_000_000_000_000_000;

fn record(session: &str, n: u64) -> Value {
    json!({"timeUnixNano": (NOW + n).to_string(), "eventName": format!("event {n}."), "body": {"stringValue": format!("body {n}.")},
        "attributes": of_session(session)})
}

/// The value of a header of an answer.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[test]
fn the_end_of_a_long_session_is_one_link_away_and_the_cut_is_said() {
    let inspector = Inspector::start(&[]);
    let records: Vec<Value> = (0..1_203).map(|n| record("long", n)).collect();
    inspector.take("/v1/logs", &logs(json!(records)));
    let first = inspector.get("/session/long");
    assert!(first.contains("Showing 1–500 of 1,203 records") && !first.contains("body 1202."), "{first}");
    let pages = links(&first, "?page=");
    assert!(pages.iter().any(|page| page.starts_with("?page=3&")), "{pages:?}");
    let last = inspector.get("/session/long?page=3");
    assert!(last.contains("Showing 1,001–1,203 of 1,203 records") && last.contains("body 1202."), "{last}");
    // Times count from the start of the session, not of the page.
    assert!(last.contains("+1 µs") && !last.contains("+0 µs"), "{last}");

    let answer = inspector.get("/api/session/long?page=2&per_page=1000");
    assert_eq!(header(&answer, "x-total-count"), "1203");
    assert!(
        header(&answer, "link").contains("</api/session/long?page=1&per_page=1000&until=1203>; rel=\"prev\""),
        "{answer}"
    );
    assert_eq!(inspector.json("/api/session/long?page=2&per_page=1000").as_array().unwrap().len(), 203);
    assert_eq!(inspector.json("/api/session/long").as_array().unwrap().len(), 1_203);
}

#[test]
fn every_session_of_many_can_be_reached_the_newest_first() {
    let inspector = Inspector::start(&[]);
    let records: Vec<Value> = (0..1_203).map(|n| record(&format!("session-{n:04}"), n)).collect();
    inspector.take("/v1/logs", &logs(json!(records)));
    let (mut path, mut seen) = ("/".to_owned(), Vec::new());
    loop {
        let page = inspector.get(&path);
        assert!(page.contains("of 1,203 sessions"), "{page}");
        seen.extend(links(&page, "/session/"));
        let older = page.split("older ›").next().filter(|before| before.len() < page.len());
        let Some(before) = older else { break };
        path =
            format!("/{}", before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&"));
    }
    let expected: Vec<String> = (0..1_203).rev().map(|n| format!("/session/session-{n:04}")).collect();
    assert_eq!(seen, expected);
    assert_eq!(header(&inspector.get("/api/sessions?per_page=10"), "x-total-count"), "1203");
}

#[test]
fn a_page_that_makes_no_sense_is_the_first_or_the_last() {
    let inspector = Inspector::start(&[]);
    let records: Vec<Value> = (0..501).map(|n| record("s", n)).collect();
    inspector.take("/v1/logs", &logs(json!(records)));
    for (page, shows) in [
        ("-1", "Showing 1–500"),
        ("0", "Showing 1–500"),
        ("", "Showing 1–500"),
        ("abc", "Showing 1–500"),
        ("1.5", "Showing 1–500"),
        ("%ff", "Showing 1–500"),
        ("<script>alert(1)</script>", "Showing 1–500"),
        ("3", "Showing 501–501"),
        ("last", "Showing 501–501"),
        ("18446744073709551615", "Showing 501–501"),
        ("99999999999999999999999", "Showing 501–501"),
    ] {
        let page = page.replace('<', "%3C").replace('>', "%3E");
        assert!(inspector.get(&format!("/session/s?page={page}")).contains(shows), "{page}");
        for path in ["/", "/trace/t", "/without-session", "/api/sessions", "/api/session/s", "/api/trace/t"] {
            inspector.get(&format!("{path}?page={page}"));
        }
    }
    for size in ["-1", "0", "x", "18446744073709551616", "1"] {
        let answer = inspector.get(&format!("/api/session/s?page=2&page=3&per_page={size}"));
        assert_eq!(header(&answer, "x-total-count"), "501", "{size}");
    }
}

#[test]
fn records_without_a_session_have_a_place() {
    let inspector = Inspector::start(&[]);
    assert!(!inspector.get("/").contains("without a session"));
    let records: Vec<Value> =
        (0..501).map(|n| json!({"timeUnixNano": (NOW + n).to_string(), "eventName": "lost"})).collect();
    inspector.take("/v1/logs", &logs(json!(records)));
    let list = inspector.get("/");
    assert!(list.contains("501 records without a session") && !list.contains("Nothing has arrived"), "{list}");
    assert_eq!(links(&list, "/without-session"), ["/without-session"]);
    let page = inspector.get("/without-session");
    assert!(page.contains("Showing 1–500 of 501 records") && page.contains("lost"), "{page}");
    assert_eq!(header(&inspector.get("/api/without-session"), "x-total-count"), "501");
    assert_eq!(inspector.json("/api/sessions"), json!([]));
}

#[test]
fn a_trace_of_very_many_spans_says_its_cut() {
    let inspector = Inspector::start(&[]);
    let trace = "ab".repeat(16);
    let span = |n: u64| {
        json!({"traceId": trace, "spanId": format!("{:016x}", n + 1), "parentSpanId": format!("{n:016x}"),
        "name": "s", "startTimeUnixNano": (NOW + n).to_string(), "endTimeUnixNano": (NOW + n).to_string()})
    };
    let all: Vec<Value> = (0..5_001).map(span).collect();
    inspector.take("/v1/traces", &spans(json!(all)));
    let page = inspector.get(&format!("/trace/{trace}"));
    assert!(page.contains("Showing 1–5,000 of 5,001 records") && page.contains("depth 4999"));
    assert!(inspector.get(&format!("/trace/{trace}?page=last")).contains("Showing 5,001–5,001 of 5,001"));
}

#[test]
fn a_stack_keeps_its_lines() {
    let inspector = Inspector::start(&[]);
    let (stack, body) = ("at a\n    at <b>\n    at c", "first\n  second");
    let attributes = json!([{"key": "session.id", "value": {"stringValue": "s"}},
        {"key": "exception.stacktrace", "value": {"stringValue": stack}}]);
    inspector.take(
        "/v1/logs",
        &logs(json!([{"timeUnixNano": "1", "attributes": attributes, "body": {"stringValue": body}}])),
    );
    let page = inspector.get("/session/s");
    assert!(page.contains("<pre>at a\n    at &#60;b&#62;\n    at c</pre>"), "{page}");
    assert!(page.contains("<pre>first\n  second</pre>") && page.contains("<summary>first …"), "{page}");
    assert!(page.contains("white-space: pre-wrap"));
}

#[test]
fn every_session_can_be_opened_whatever_its_id() {
    let inspector = Inspector::start(&[]);
    let huge = "x".repeat(100_000);
    let ids = [".", "..", " ", "%", "100%", "%2e%2e", "a/b", "a\\b", "ü\u{202e}", "\n", "?page=2", &huge];
    for (n, id) in ids.iter().enumerate() {
        inspector.take("/v1/logs", &logs(json!([record(id, n as u64)])));
    }
    let list = inspector.get("/");
    let found: BTreeSet<String> = links(&list, "/session").into_iter().collect();
    assert_eq!(found.len(), ids.len(), "{found:?}");
    assert!(list.contains("(100,000 characters)") && list.contains("(blank id)"), "{list}");
    let mut seen = BTreeSet::new();
    for link in &found {
        // A browser resolves dots before it asks, also where they are percent-encoded.
        assert!(!link.ends_with("/.") && !link.ends_with("/..") && !link.to_lowercase().ends_with("%2e"), "{link}");
        let page = inspector.get(link);
        seen.extend((0..ids.len()).filter(|n| page.contains(&format!("body {n}."))));
        inspector.get(&format!("/api{link}"));
    }
    assert_eq!(seen.len(), ids.len());
    for missing in ["/session-of/0", "/session-of/-1", "/trace-of/99", "/api/session-of/99"] {
        assert_eq!(inspector.send(&format!("GET {missing}"), &[], b"").0, 404, "{missing}");
    }
    for wrong in ["/session-of/x", "/session/%ff", "/session-of/99999999999999999999"] {
        assert_eq!(inspector.send(&format!("GET {wrong}"), &[], b"").0, 400, "{wrong}");
    }
}

#[test]
fn what_has_no_name_can_be_opened_and_what_is_cut_says_so() {
    let inspector = Inspector::start(&[]);
    let long = "y".repeat(40_000);
    let records = json!([
        {"timeUnixNano": "1", "attributes": of_session("s")},
        {"timeUnixNano": "2", "eventName": "  ", "body": {"stringValue": "  "}, "attributes": of_session("s")},
        {"timeUnixNano": "3", "body": {"stringValue": long}, "attributes": of_session("s")},
    ]);
    inspector.take("/v1/logs", &logs(records));
    let page = inspector.get("/session/s");
    assert_eq!(page.matches("<summary>(no name)").count(), 2, "{page}");
    assert!(
        page.contains("… (40,000 characters)") && page.contains("7,232 more characters are not shown here"),
        "{page}"
    );
    assert!(inspector.get("/api/session/s").contains(&long));
    let service = json!({"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "100%d <b>"}}]},
        "scopeLogs": [{"logRecords": [record("t", 1)]}]});
    inspector.take("/v1/logs", &json!({"resourceLogs": [service]}));
    let list = inspector.get("/");
    assert!(list.contains("100%d &#60;b&#62;") && list.contains("(no service)"), "{list}");
}

#[test]
fn a_record_of_any_size_leaves_a_page_that_a_browser_can_show() {
    let inspector = Inspector::start(&[]);
    let trace = "ab".repeat(16);
    let text = |key: String, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let mut attributes: Vec<Value> =
        (0..100).map(|n| text(format!("text.{n:03}"), &"a line\n".repeat(2_000))).collect();
    attributes.push(text("session.id".to_owned(), "s"));
    let events: Vec<Value> = (0..5_000).map(|n| json!({"name": "e", "timeUnixNano": (NOW + n).to_string()})).collect();
    let span = json!({"traceId": trace, "spanId": "01".repeat(8), "startTimeUnixNano": NOW.to_string(),
        "endTimeUnixNano": (NOW + 9_000).to_string(), "attributes": attributes, "events": events});
    let mut all = vec![span];
    all.extend(
        (0..30).map(
            |n| json!({"traceId": trace, "spanId": "02".repeat(8), "attributes": of_session(&format!("other-{n}"))}),
        ),
    );
    inspector.take("/v1/traces", &spans(json!(all)));
    let page = inspector.get(&format!("/trace/{trace}"));
    assert!(page.len() < 200_000, "{} bytes", page.len());
    for said in [
        "200 of 5,000 events drawn",
        "more texts not shown here",
        "more characters are not shown here",
        "and 11 more sessions",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn what_has_no_value_is_no_session() {
    let inspector = Inspector::start(&[]);
    let attributes = json!([{"key": "session.id", "value": {}}]);
    inspector.take("/v1/logs", &logs(json!([{"timeUnixNano": "1", "attributes": attributes, "body": {}}])));
    assert!(inspector.get("/").contains("1 record without a session"));
    assert!(inspector.get("/without-session").contains("(no name)"));
}

#[test]
fn a_newer_snapshot_keeps_its_row_in_the_page() {
    let inspector = Inspector::start(&[]);
    let snapshot = |version: u64, title: &str| {
        let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
        let version = json!({"key": VIEW_VERSION, "value": {"intValue": version.to_string()}});
        let attributes = [text("session.id", "s"), text("log.record.uid", "view-1"), text("title", title), version];
        inspector.take(
            "/v1/logs",
            &logs(json!([{"timeUnixNano": NOW.to_string(), "eventName": "v", "attributes": attributes}])),
        );
    };
    let rows = || -> Vec<String> {
        let page = inspector.get("/session/s");
        page.split("<tr id=\"").skip(1).map(|row| row.split('"').next().unwrap().to_owned()).collect()
    };
    snapshot(1, "before");
    inspector.take("/v1/logs", &logs(json!([record("s", 1)])));
    let before = rows();
    snapshot(2, "after");
    assert!(inspector.get("/session/s").contains("after"));
    assert_eq!((rows(), before.len()), (before, 2));
}

#[test]
fn a_page_runs_no_script_but_its_own_and_loads_nothing() {
    let inspector = Inspector::start(&[]);
    inspector.take("/v1/logs", &logs(json!([record("s", 1)])));
    let mut nonces = BTreeSet::new();
    for path in ["/", "/session/s", "/without-session", "/trace/t"] {
        let page = inspector.get(path);
        let policy = header(&page, "content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && nonce.len() == 32, "{policy}");
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains(&format!("<script nonce=\"{nonce}\">")), "{page}");
        assert!(!page.contains("src=") && !page.contains("<link rel=\"stylesheet"), "{page}");
        assert!(nonces.insert(nonce), "a nonce that is known allows a script of someone else");
    }
}

#[test]
fn a_page_that_is_not_there_says_where_to_go() {
    let inspector = Inspector::start(&[]);
    let (status, answer) = inspector.send("GET /nowhere", &[("accept", "text/html")], b"");
    assert!(
        status == 404 && answer.contains("<h1>There is no such page</h1>") && !answer.contains("<script"),
        "{answer}"
    );
    let (status, answer) = inspector.send("GET /nowhere", &[], b"");
    assert!(status == 404 && answer.contains("/v1/logs") && !answer.contains("<html"), "{answer}");
    let (status, answer) = inspector.send("GET /v1/logs", &[], b"");
    assert!(status == 405 && answer.contains("by POST"), "{answer}");
}
