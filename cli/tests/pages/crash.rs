//! The page of a crash.

use serde_json::{Value, json};

use crate::Inspector;
use crate::intake::{links, logs};

const CRASHED: u64 = 1_700_000_000_000_000_000;

fn attribute(key: &str, text: &str) -> Value {
    json!({"key": key, "value": {"stringValue": text}})
}

fn map(entries: &[(&str, Value)]) -> Value {
    let values: Vec<_> = entries.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"kvlistValue": {"values": values}})
}

/// A breadcrumb of an action, so many milliseconds before the crash.
fn crumb(before_ms: u64, kind: &str, name: &str, attributes: &Value) -> Value {
    map(&[
        ("time_unix_nano", json!({"intValue": (CRASHED - before_ms * 1_000_000).to_string()})),
        ("kind", json!({"stringValue": kind})),
        ("name", json!({"stringValue": name})),
        ("attributes", attributes.clone()),
    ])
}

fn mutation(id: u64, path: &str, new: &str, before_ms: i64) -> Value {
    let time = CRASHED as i64 - before_ms * 1_000_000;
    json!({"timeUnixNano": time.to_string(), "eventName": "Cart.Update", "attributes": [
        attribute("session.id", "s"), attribute("log.record.uid", &format!("m{id}")),
        attribute("state.store", "Cart"), attribute("state.path", path), attribute("state.new", new),
    ]})
}

/// The page of the only crash, by way of its session.
fn page_of(inspector: &Inspector, crash: &Value) -> String {
    inspector.take("/v1/logs", &logs(json!([crash])));
    let [link] = links(&inspector.get("/session/s"), "/crash/").try_into().unwrap();
    inspector.get(&link)
}

#[test]
fn a_crash_has_a_page_that_says_why_and_where_and_what_happened_before() {
    let inspector = Inspector::start(&[]);
    let changes = [("a", 900, "old"), ("a", 500, "kept"), ("b", 100, "other"), ("a", -50, "later")];
    let mutations: Vec<_> =
        (0..).zip(changes).map(|(id, (path, before, new))| mutation(id, path, new, before)).collect();
    inspector.take("/v1/logs", &logs(json!(mutations)));
    let crumbs = [
        crumb(62_000, "view", "Cart", &map(&[])),
        crumb(40, "action", "pay <now>", &map(&[("sku", json!({"stringValue": "A-17"}))])),
    ];
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let page = page_of(
        &inspector,
        &json!({"timeUnixNano": CRASHED.to_string(), "eventName": "app.crash", "severityNumber": 21,
        "traceId": trace, "spanId": "b7ad6b7169203331", "attributes": [
            attribute("session.id", "s"), attribute("throughline.crash.signal", "SIGSEGV"),
            attribute("throughline.crash.code", "SEGV_MAPERR"), attribute("throughline.crash.address", "0x8"),
            attribute("exception.type", "SIGSEGV"), attribute("exception.message", "There is no memory at 0x8"),
            attribute("exception.stacktrace", "#00 pc 0000000000000010  libshop.so (no BuildId) [context]"),
            attribute("app.screen.name", "Payment"), attribute("operation.name", "Pay"),
            attribute("thread.name", "main"), {"key": "thread.id", "value": {"intValue": "77"}},
            {"key": "throughline.breadcrumbs", "value": {"arrayValue": {"values": crumbs}}},
            {"key": "throughline.breadcrumbs_dropped", "value": {"intValue": "3"}},
        ]}),
    );
    for said in [
        "SIGSEGV at 0x8: null pointer",
        "There is no memory at 0x8",
        "SEGV_MAPERR",
        "Payment",
        "main (77)",
        "libshop.so",
        "−1 min 02 s",
        "pay &#60;now&#62;",
        "sku = &#34;A-17&#34;",
        "3 earlier events not shown",
        "&#34;kept&#34;",
        "&#34;other&#34;",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("&#34;old&#34;") && !page.contains("&#34;later&#34;"), "{page}");
    let (newest, oldest) = (page.find("pay &#60;now&#62;").unwrap(), page.find("−1 min 02 s").unwrap());
    assert!(newest < oldest, "the latest comes first");
    assert_eq!(links(&page, &format!("/trace/{trace}?record=")).len(), 1);
    assert_eq!(links(&page, "/session/s?record=").len(), 1);
    assert!(inspector.get(&format!("/trace/{trace}")).contains("The page of this crash"));
}

#[test]
fn a_crash_that_says_little_or_nonsense_has_a_page_too() {
    let nonsense = [
        json!({"stringValue": "no list"}),
        json!({"arrayValue": {"values": [{"stringValue": "no map"}, {"intValue": "7"}, {}]}}),
        json!({"arrayValue": {"values": [map(&[
            ("time_unix_nano", json!({"stringValue": "yesterday"})),
            ("kind", json!({"arrayValue": {}})),
            ("duration_ns", json!({"intValue": "-9223372036854775808"})),
            ("attributes", json!({"stringValue": "<b>"})),
        ])]}}),
    ];
    for crumbs in nonsense {
        let inspector = Inspector::start(&[]);
        let page = page_of(
            &inspector,
            &json!({"timeUnixNano": "18446744073709551615", "eventName": "app.crash", "attributes": [
                attribute("session.id", "s"), attribute("throughline.crash.signal", "<SIG>"),
                {"key": "throughline.breadcrumbs", "value": crumbs},
            ]}),
        );
        assert!(page.contains("&#60;SIG&#62;") && page.contains("No stack was sent."), "{page}");
    }
}

#[test]
fn what_is_no_crash_has_no_page_of_its_own() {
    let inspector = Inspector::start(&[]);
    let tap =
        json!({"timeUnixNano": "1", "eventName": "app.widget.click", "attributes": [attribute("session.id", "s")]});
    inspector.take("/v1/logs", &logs(json!([tap])));
    assert_eq!(links(&inspector.get("/session/s"), "/crash/"), [] as [String; 0]);
    for number in ["1", "2", "-1", "9223372036854775807"] {
        assert_eq!(inspector.send(&format!("GET /crash/{number}"), &[], b"").0, 404, "{number}");
    }
    assert_eq!(inspector.send("GET /crash/first", &[], b"").0, 400);
}
