//! What becomes of logs, sessions and spans.

use serde_json::{Value as Json, json};

use super::rows::{ACTION, SESSION, Stored, TRACE, VIEW};
use super::*;

fn log(event: &dyn Event) -> Json {
    let stored = Stored::of(event);
    let lines: Json = serde_json::from_slice(&exporter().encode(LOGS, &[stored.row()])).unwrap();
    assert_eq!(lines.as_array().unwrap().len(), 1);
    lines[0].clone()
}

fn span(event: &dyn Event) -> Json {
    let stored = Stored::of(event);
    let envelope: Json = serde_json::from_slice(&exporter().encode(SPANS, &[stored.row()])).unwrap();
    assert_eq!((&envelope["env"], envelope["spans"].as_array().unwrap().len()), (&json!("production"), 1));
    envelope["spans"][0].clone()
}

#[test]
fn a_log_has_its_place_and_keeps_the_apps_attributes_apart() {
    let attributes = [
        ("status", "mine".into()),
        ("host", "mine".into()),
        ("exception.type", "E".into()),
        ("exception.message", "m".into()),
    ];
    let mut line = Log::new(Severity::Warn, "careful").trace(TRACE).action_id(ACTION).attributes(&attributes);
    line.logger = "shop.cart";
    let line = log(&line);
    assert_eq!(
        (&line["status"], &line["message"], &line["date"]),
        (&json!("warn"), &json!("careful"), &json!("2025-12-31T23:59:59.750Z"))
    );
    assert_eq!(
        (&line["dd.trace_id"], &line["dd.span_id"]),
        (&json!("abababababababababababababababab"), &json!("14829735431805717965"))
    );
    assert_eq!((&line["view.id"], &line["user_action.id"]), (&json!(VIEW.to_string()), &json!(ACTION.to_string())));
    assert_eq!((&line["session_id"], &line["logger"]["name"]), (&json!(SESSION.to_string()), &json!("shop.cart")));
    assert_eq!(line["error"], json!({"kind": "E", "message": "m"}));
    assert_eq!((&line["context"]["status"], line.get("host")), (&json!("mine"), None));
    for (severity, status) in [
        (Severity::Trace, "trace"),
        (Severity::Debug, "debug"),
        (Severity::Info, "info"),
        (Severity::Error, "error"),
        (Severity::Fatal, "critical"),
    ] {
        assert_eq!(log(&Log::new(severity, ""))["status"], status);
    }
}

#[test]
fn a_session_is_a_line_of_its_own_session() {
    let mut session = Session::new(SessionChange::End, Uuid::from_bytes([6; 16]), "inactivity_timeout");
    session.previous = Some(SESSION);
    let line = log(&session);
    assert_eq!(
        (&line["message"], &line["session_id"]),
        (&json!("session.end"), &json!(Uuid::from_bytes([6; 16]).to_string()))
    );
    assert_eq!(line["context"][names::SESSION_REASON], "inactivity_timeout");
    assert_eq!(line["context"]["session.previous_id"], SESSION.to_string());
}

#[test]
fn a_span_has_hex_ids_and_its_trace_is_divided() {
    let attributes = [
        ("n", 1.into()),
        ("text", "t".into()),
        ("version", "mine".into()),
        ("_dd.p.tid", "forged".into()),
        ("usr.id", "forged".into()),
    ];
    let inner = [("k", Value::Double(f64::NAN))];
    let events = [SpanEvent { name: "retry", time_ns: 9, attributes: &inner }];
    let mut event = Span::new("Checkout", TRACE, Duration::from_nanos(77)).attributes(&attributes);
    (event.status, event.status_message, event.events, event.links) =
        (SpanStatus::Error, "declined", &events, &[TRACE]);
    let root = span(&event);
    assert_eq!(
        (&root["trace_id"], &root["span_id"], &root["parent_id"]),
        (&json!("abababababababab"), &json!("cdcdcdcdcdcdcdcd"), &json!("0000000000000000"))
    );
    assert_eq!(
        (&root["start"], &root["duration"], &root["error"]),
        (&json!(1_767_225_599_750_000_001_u64), &json!(77), &json!(1))
    );
    let (meta, metrics) = (&root["meta"], &root["metrics"]);
    assert_eq!(
        (&meta["_dd.p.tid"], &meta["_dd.p.dm"], &meta["app._dd.p.tid"]),
        (&json!("abababababababab"), &json!("-1"), &json!("forged"))
    );
    assert_eq!(
        (&meta["version"], &meta["app.version"], &meta["app.usr.id"]),
        (&json!("1.2"), &json!("mine"), &json!("forged"))
    );
    assert_eq!(
        (&meta["text"], &metrics["n"], &metrics["_top_level"], &metrics["_sampling_priority_v1"]),
        (&json!("t"), &json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&meta["error.message"], &metrics[names::DROPPED_ATTRIBUTES]), (&json!("declined"), &json!(1)));
    assert!(meta["_dd.span_links"].as_str().unwrap().contains("abababababababababababababababab"));
    let child = span(&Span::new("Child", TRACE, Duration::ZERO).parent_span([0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!((&child["parent_id"], child["metrics"].get("_top_level")), (&json!("0000000000000001"), None));
}
