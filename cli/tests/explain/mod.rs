//! `explain`: the share that is recorded, values as JSON, and the example of the documentation.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use throughline::event::Custom;
use throughline::{AnyValue, Config, Consent, Environment, Telemetry};

use super::throughline;

fn explain(config: &str, event: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, config).unwrap();
    throughline().args(["explain", "--config"]).arg(&file).args(["--event", event]).output().unwrap()
}

fn answer(config: &str, event: &str) -> Value {
    let output = explain(config, event);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn why(config: &str, event: &str) -> (String, String, f64) {
    let answer = answer(config, event);
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    (text("verdict"), text("why"), answer["share"].as_f64().unwrap())
}

#[test]
fn an_event_of_which_a_part_is_sampled_does_not_count_as_recorded_for_sure() {
    let config = r#"{"session_sample_rate": 0.2, "trace_sample_rate": 0.5}"#;
    let (verdict, reason, share) = why(config, r#"{"kind": "action", "name": "tap"}"#);
    assert!(verdict == "recorded" && reason.starts_with("in 20 % of sessions (session_sample_rate)"), "{reason}");
    assert_eq!(share, 0.2);
    let (_, reason, share) = why(config, r#"{"kind": "span", "name": "load"}"#);
    assert!(reason.starts_with("in 20 % of sessions (session_sample_rate), in 50 % of traces"), "{reason}");
    assert_eq!(share, 0.1);
    let (verdict, reason, share) = why(config, r#"{"kind": "mutation", "store": "Cart", "path": "a", "new": 1}"#);
    assert!(verdict == "coalesced" && reason.starts_with("in 20 % of sessions"), "{reason}");
    assert_eq!(share, 0.2);
    let (verdict, reason, share) = why(config, r#"{"kind": "error", "message": "x"}"#);
    assert!(verdict == "recorded" && !reason.contains('%') && share == 1.0, "{reason}");
    let (verdict, reason, share) = why("{}", r#"{"kind": "log"}"#);
    assert!(verdict == "recorded" && !reason.contains('%') && share == 1.0, "{reason}");
    let (verdict, reason, share) = why(r#"{"session_sample_rate": 0}"#, r#"{"kind": "log"}"#);
    assert!(verdict == "dropped" && reason.contains("session_sample_rate") && share == 0.0, "{reason}");
}

#[test]
fn headers_of_a_trace_that_may_not_be_sampled_are_not_shown_as_certain() {
    let config = r#"{"trace_sample_rate": 0.25, "trace_hosts": [{"host": "example.com", "injection": "all"}]}"#;
    let answer = answer(config, r#"{"kind": "resource", "url": "https://example.com/x"}"#);
    let header = |key: &str| answer[key]["traceparent"].as_str().unwrap().to_owned();
    assert!(header("headers").ends_with("-01") && header("headers_when_not_sampled").ends_with("-00"), "{answer}");
    assert!(answer["headers_why"].as_str().unwrap().contains("25 % of traces"), "{answer}");
}

#[test]
fn values_are_json_and_not_a_form_of_our_own() {
    let config = r#"{"stores": {"Cart": {"capture": "full"}}}"#;
    let captured = |old: Value, new: Value| {
        let event = json!({"kind": "mutation", "store": "Cart", "path": "a", "old": old, "new": new});
        let answer = answer(config, &event.to_string());
        (answer["state.old"].clone(), answer["state.new"].clone())
    };
    assert_eq!(captured(json!(1), json!(2.5)), (json!(1), json!(2.5)));
    assert_eq!(captured(json!(true), json!("a \"quoted\"\n\\ text")), (json!(true), json!("a \"quoted\"\n\\ text")));
    // A list is recorded as a text, which is JSON itself.
    assert_eq!(captured(json!(""), json!([1, "x"])), (json!(""), json!("[1,\"x\"]")));
    let summary = answer("{}", r#"{"kind": "mutation", "store": "Cart", "path": "a", "new": "four"}"#);
    assert_eq!(summary["state.new"], json!({"type": "text", "length": 4}));
}

/// The block of code in `docs/cli.md` that follows a line.
fn block(after: &str) -> String {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let rest = document.split(after).nth(1).unwrap_or_else(|| panic!("docs/cli.md does not say `{after}`"));
    let code = rest.split("```").nth(1).unwrap();
    code.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn the_example_of_the_documentation_is_a_configuration_and_gives_the_answer_that_is_shown() {
    let config = block("A complete `config.json`");
    let settings: Value = serde_json::from_str(&config).unwrap();
    for key in ["session_sample_rate", "trace_sample_rate", "trace_hosts", "stores", "redact"] {
        assert!(settings.get(key).is_some(), "the example does not show {key}");
    }
    let shown: Value = serde_json::from_str(&block("The answer:")).unwrap();
    let command = block("Ask what becomes of a mutation");
    let event = command.split('\'').nth(1).unwrap();
    assert_eq!(answer(&config, event), shown);
}

#[test]
fn a_mistake_in_the_configuration_is_named() {
    for (config, said) in [
        (r#"{"session_sample_rate": 20}"#, "`session_sample_rate` must be between 0.0 and 1.0"),
        (r#"{"sample_rate": 1}"#, "unknown field `sample_rate`"),
        ("[", "parsing"),
        ("[]", "expected an object"),
        ("null", "expected an object"),
        // Of a store that the event has nothing to do with.
        (r#"{"stores": {"Cart": {"allow": ["a[*"]}}}"#, "in the policy of the store `Cart`"),
    ] {
        let output = explain(config, r#"{"kind": "log"}"#);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(said), "{stderr}");
        assert!(!stderr.contains("backtrace"), "{stderr}");
    }
}

#[test]
fn a_question_that_makes_no_sense_is_not_answered_with_recorded() {
    for (event, said) in [
        (r#"{"kind": "resource"}"#, "a resource needs `url`"),
        (r#"{"kind": "action", "store": "Cart", "path": "a"}"#, "`store` belongs to events of the kind `mutation`"),
        (r#"{"kind": "log", "new": 1}"#, "`new` belongs to events of the kind `mutation`"),
        (r#"["log"]"#, "expected an object"),
    ] {
        let output = explain("{}", event);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(said), "{event}: {stderr}");
    }
    assert!(explain("\u{feff}{}", r#"{"kind": "log"}"#).status.success());
}

#[test]
fn a_secret_inside_of_an_attribute_is_shown_as_the_client_records_it() {
    let attributes = json!({
        "user": {"password": "hunter2", "address": "a@example.com", "list": [{"token": "x"}], "none": null},
        "texts": ["a@example.com", null],
        "long": "x".repeat(2_000),
        "throughline.x": 1,
        "plain": {"n": 1.5},
        "none": null,
    });
    let answer = answer("{}", &json!({"kind": "log", "attributes": attributes}).to_string());
    // As a real client sends it.
    let inspector = super::Inspector::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let config = Config::builder("shop", dir.path()).environment(Environment::Test).endpoint(&inspector.url);
    let config = config.start_jitter(false).self_report(false).synthetic_views(false).session_events(false);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    let map = |entries: &[(&str, AnyValue)]| {
        AnyValue::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    };
    let text = |text: &str| AnyValue::Text(text.to_owned());
    let user = map(&[
        ("address", text("a@example.com")),
        ("list", AnyValue::List(vec![map(&[("token", text("x"))])])),
        ("password", text("hunter2")),
    ]);
    let (texts, plain) =
        (AnyValue::List(vec![text("a@example.com"), text("null")]), map(&[("n", AnyValue::Double(1.5))]));
    let long = "x".repeat(2_000);
    let attributes = [
        ("user", (&user).into()),
        ("texts", (&texts).into()),
        ("long", long.as_str().into()),
        ("throughline.x", 1.into()),
        ("plain", (&plain).into()),
    ];
    telemetry.record_custom(&Custom::new("e").attributes(&attributes)).unwrap();
    assert!(telemetry.flush(Duration::from_secs(20)).complete);
    let session = telemetry.session_id().unwrap();
    let recorded = inspector.json(&format!("/api/session/{session}"))[0]["attributes"].clone();
    let shown = answer["attributes"].as_object().unwrap();
    assert_eq!(shown.len(), attributes.len(), "{answer}");
    for (key, value) in shown {
        assert_eq!(value, &recorded[key], "{key}: {recorded}");
    }
    assert!(!answer.to_string().contains("hunter2") && !answer.to_string().contains("a@example.com"), "{answer}");
    let said = answer["redacted"].to_string();
    for change in ["`user`: redacted", "`texts`: redacted", "`long`: shortened", "`throughline.x`: renamed"] {
        assert!(said.contains(change), "{change}: {said}");
    }
    assert!(!said.contains("`plain`"), "{said}");
}

#[test]
fn a_state_that_has_no_value_in_some_place_can_be_asked_about() {
    let config = r#"{"stores": {"Cart": {"capture": "full"}}}"#;
    let event = r#"{"kind": "mutation", "store": "Cart", "path": "a", "old": {"x": null, "y": 1}, "new": {"y": 2}}"#;
    assert_eq!(answer(config, event)["state.old"], "{\"y\":1}");
}
