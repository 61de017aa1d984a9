//! A second language of the process attaches to the client that the first has started. It is a
//! program of its own, because other tests' clients would be found as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use throughline_attach::{ask, record_tap, running};
use throughline_ffi::{HeaderField, TelemetryCore, TraceHost};

use support::{config, seconds};

#[test]
fn an_attached_client_is_the_one_that_runs_and_does_not_keep_it_alive() {
    let _alone = ALONE.lock().unwrap();
    assert_eq!(running(), 0.0, "nothing was started");
    assert_eq!(question(1.0, "sessionId", json!([])), Value::Null);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |dir: &tempfile::TempDir| {
        let trace_hosts =
            vec![TraceHost { host: "api.test".to_owned(), formats: vec![], injection: None, baggage_keys: vec![] }];
        let config = throughline_ffi::TelemetryConfig { trace_hosts, ..config(dir.path(), "http://127.0.0.1:9") };
        TelemetryCore::start(config, throughline_ffi::Consent::Granted, None, None, None).unwrap()
    };
    let first = start(&dirs[0]);
    let attached = running();
    let asked = |name: &str, arguments: Value| question(attached, name, arguments);
    assert_eq!(attached, first.door() as f64);
    assert_eq!(asked("sessionId", json!([])), json!(first.session_id()));
    assert_eq!(asked("installationId", json!([])), json!(first.installation_id()));
    let second = start(&dirs[1]);
    assert_eq!(running(), second.door() as f64, "the latest one");
    assert!(second.shutdown(seconds(20)).unwrap());
    assert_eq!(running(), attached, "the one that still runs");
    let attributes = || HashMap::from([("n".to_owned(), "1".to_owned())]);
    assert!(record_tap(attached, "buy".to_owned(), attributes()));
    let existing = json!({"traceparent": "mine", "not a text": 1});
    let headers = asked("traceHeaders", json!(["https://api.test/", 0, existing]));
    let same = first.trace_headers(
        "https://api.test/".to_owned(),
        0,
        vec![HeaderField { name: "traceparent".to_owned(), value: "mine".to_owned() }],
    );
    assert_eq!(headers.as_object().unwrap().len(), same.len());
    assert_eq!(asked("setConsent", json!(["pending"])), json!(true));
    assert_eq!(asked("setConsent", json!(["PENDING"])), json!(false));
    assert_eq!(asked("setTraceSampleRate", json!([2])), json!(false));
    let health = asked("health", json!([]));
    assert_eq!(health["isEnabled"], true);
    assert!(health.to_string().contains("pending"), "{health}");
    assert!(first.shutdown(seconds(20)).unwrap());
    assert_eq!((running(), asked("isRunning", json!([]))), (0.0, json!(false)));
    assert_eq!(asked("sessionId", json!([])), Value::Null);
    assert_eq!(asked("setEnabled", json!([true])), json!(false));
    drop((first, second));
    assert!(!record_tap(attached, "buy".to_owned(), attributes()), "the client is gone");
    let third = start(&dirs[0]);
    let door = third.door();
    drop(third);
    assert_eq!(running(), 0.0, "its owner has given client {door} up");
}

#[test]
fn a_question_that_is_none_has_no_answer_and_does_no_harm() {
    let _alone = ALONE.lock().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "http://127.0.0.1:9");
    let core = TelemetryCore::start(config, throughline_ffi::Consent::Granted, None, None, None).unwrap();
    let handle = running();
    let long = "x".repeat(1 << 20);
    let wrong = ["", "[", "null", "{}", "7", "\"text\"", "[[]]", "[null]", "[-1]", "[1e300]", "[\"\\ud800\"]", &long];
    let names = [
        "traceHeaders",
        "traceId",
        "setConsent",
        "setEnabled",
        "setSessionSampleRate",
        "setTraceSampleRate",
        "pauseDestination",
        "resumeDestination",
    ];
    for arguments in wrong {
        for name in names {
            let answer = ask(handle, name.to_owned(), arguments.to_owned());
            assert!(matches!(answer.as_str(), "null" | "false"), "{name} {arguments:.20}: {answer}");
        }
    }
    for name in ["", "toString", "Health", "drop", &long] {
        assert_eq!(ask(handle, name.to_owned(), "[]".to_owned()), "null");
    }
    for handle in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(ask(handle, "isRunning".to_owned(), "[]".to_owned()), "null");
    }
    assert_eq!(core.health().panics, 0);
    assert!(core.shutdown(seconds(20)).unwrap());
}

/// The tests of this program, one at a time: each looks for the client that runs.
static ALONE: Mutex<()> = Mutex::new(());

fn question(client: f64, name: &str, arguments: Value) -> Value {
    serde_json::from_str(&ask(client, name.to_owned(), arguments.to_string())).unwrap()
}
