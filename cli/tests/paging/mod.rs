//! From page to page while records arrive, and addresses that are not quite right.

use serde_json::{Value, json};

use super::Inspector;
use crate::intake::{links, logs, of_session, spans};
use crate::pages::header;

const NOW: u64 = 1_700_000_000_000_000_000;

fn record(session: &str, n: u64) -> Value {
    json!({"timeUnixNano": (NOW + n).to_string(), "eventName": format!("event {n}."), "attributes": of_session(session)})
}

/// Follows the links `next` of the API, and calls `between` before each. Returns one field of all
/// entries.
fn follow(inspector: &Inspector, path: &str, field: &str, mut between: impl FnMut()) -> Vec<String> {
    let (mut path, mut seen) = (path.to_owned(), Vec::new());
    loop {
        let answer = inspector.get(&path);
        let entries: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        seen.extend(entries.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()));
        let link = header(&answer, "link").to_owned();
        let Some(next) = link.split(", ").find(|link| link.ends_with("rel=\"next\"")) else { return seen };
        path = next.split(['<', '>']).nth(1).unwrap().to_owned();
        between();
    }
}

#[test]
fn who_goes_from_page_to_page_while_records_arrive_sees_each_once() {
    let inspector = Inspector::start(&[]);
    let sessions: Vec<Value> = (0..50).map(|n| record(&format!("s{n:02}"), 1_000 + n)).collect();
    inspector.take("/v1/logs", &logs(json!(sessions)));
    let records: Vec<Value> = (0..50).map(|n| record("long", 100 + n)).collect();
    inspector.take("/v1/logs", &logs(json!(records)));

    // Newer sessions arrive, and old ones grow backwards.
    let mut n = 0;
    let seen = follow(&inspector, "/api/sessions?per_page=7", "id", || {
        n += 1;
        inspector.take("/v1/logs", &logs(json!([record(&format!("new{n}"), 5_000 + n), record("s20", n)])));
    });
    let mut expected: Vec<String> = (0..50).rev().map(|n| format!("s{n:02}")).collect();
    expected.push("long".to_owned());
    assert_eq!(seen, expected);

    // Records arrive that happened before those that were seen.
    let mut n = 0;
    let seen = follow(&inspector, "/api/session/long?per_page=7", "name", || {
        n += 1;
        inspector.take("/v1/logs", &logs(json!([record("long", n)])));
    });
    assert_eq!(seen, (0..50).map(|n| format!("event {}.", 100 + n)).collect::<Vec<_>>());
}

#[test]
fn a_page_that_stands_still_says_what_has_come_since_and_leads_there() {
    let inspector = Inspector::start(&[]);
    let records: Vec<Value> = (0..30).map(|n| record("s", 100 + n)).collect();
    inspector.take("/v1/logs", &logs(json!(records)));
    let first = inspector.get("/session/s?per_page=10");
    assert!(!first.contains("more record"), "{first}");
    let next = links(&first, "?page=2").remove(0).replace("&#38;", "&");
    inspector.take("/v1/logs", &logs(json!([record("s", 1), record("s", 2)])));
    let second = inspector.get(&format!("/session/s{next}"));
    assert!(second.contains("Showing 11–20 of 30 records") && second.contains("event 110."), "{second}");
    assert!(second.contains(">2 more records since</a>"), "{second}");
    assert!(inspector.get("/session/s?page=2&per_page=10").contains("Showing 11–20 of 32 records"));
    for until in ["0", "-1", "x", "99999999999999999999", "18446744073709551615", "1e3"] {
        let page = inspector.get(&format!("/session/s?until={until}"));
        assert!(page.contains("32 records") && !page.contains("more record"), "{until}: {page}");
    }
}

#[test]
fn a_trace_id_in_upper_case_leads_to_its_trace() {
    let inspector = Inspector::start(&[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    inspector.take("/v1/traces", &spans(json!([{"traceId": trace, "spanId": "01".repeat(8), "name": "found"}])));
    let upper = trace.to_uppercase();
    assert!(inspector.get(&format!("/trace/{upper}")).contains("found"));
    assert_eq!(inspector.json(&format!("/api/trace/{upper}")).as_array().unwrap().len(), 1);
}

#[test]
fn an_address_that_makes_no_sense_is_answered_with_a_page_in_a_browser() {
    let inspector = Inspector::start(&[]);
    for path in ["/session-of/abc", "/trace-of/99999999999999999999", "/session/%FF", "/session-of/7", "/session/a/b"] {
        let (status, page) = inspector.send(&format!("GET {path}"), &[("accept", "text/html")], b"");
        assert!((400..500).contains(&status) && page.contains("<h1>"), "{path}: {page}");
        assert!(page.contains("<a href=\"/\">All sessions</a>"), "{path}: {page}");
        assert!(page.contains("content-security-policy: ") && page.contains("content-type: text/html"), "{page}");
        let (plain, text) = inspector.send(&format!("GET {path}"), &[], b"");
        assert!(plain == status && !text.contains("<h1>"), "{path}: {text}");
    }
}

#[test]
fn a_link_to_a_record_leads_to_the_page_that_has_it() {
    let inspector = Inspector::start(&[]);
    let trace = "0b".repeat(16);
    let mut all: Vec<Value> = (0..5_010).map(|n| record("s", n)).collect();
    all.iter_mut().for_each(|record| record["traceId"] = json!(trace));
    inspector.take("/v1/logs", &logs(json!(all)));
    let last = inspector.get("/session/s?page=last");
    for (link, page) in [
        (links(&last, "/trace/").pop().unwrap(), "Showing 5,001–5,010"),
        (links(&inspector.get("/session/s"), "/trace/").remove(0), "Showing 1–5,000"),
    ] {
        let (address, anchor) = link.split_once('#').unwrap();
        let shown = inspector.get(address);
        assert!(shown.contains(page) && shown.contains(&format!("id=\"{anchor}\"")), "{link}");
    }
    // A record of another trace, and one that does not exist, are no reason to fail.
    for record in ["0", "x", "99999999999999999999", "9999999"] {
        assert!(inspector.get(&format!("/trace/{trace}?record={record}")).contains("Showing 1–5,000"), "{record}");
    }
}
