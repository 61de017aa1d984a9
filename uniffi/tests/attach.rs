//! A second language of the process attaches to the client that the first has started. It is a
//! program of its own, because other tests' clients would be found as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::collections::HashMap;

use throughline_attach::attach;
use throughline_ffi::{HeaderField, TelemetryCore, TraceHost};

use support::{config, seconds};

#[test]
fn an_attached_client_is_the_one_that_runs_and_does_not_keep_it_alive() {
    assert!(attach().is_none(), "nothing was started");
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |dir: &tempfile::TempDir| {
        let trace_hosts =
            vec![TraceHost { host: "api.test".to_owned(), formats: vec![], injection: None, baggage_keys: vec![] }];
        let config = throughline_ffi::TelemetryConfig { trace_hosts, ..config(dir.path(), "http://127.0.0.1:9") };
        TelemetryCore::start(config, throughline_ffi::Consent::Granted, None, None, None).unwrap()
    };
    let first = start(&dirs[0]);
    let attached = attach().unwrap();
    assert_eq!((attached.door(), attached.session_id()), (first.door(), first.session_id()));
    assert_eq!(attached.installation_id(), first.installation_id());
    let second = start(&dirs[1]);
    assert_eq!(attach().unwrap().door(), second.door(), "the latest one");
    assert!(second.shutdown(seconds(20)).unwrap());
    assert_eq!(attach().unwrap().door(), first.door(), "the one that still runs");
    assert!(attached.record_tap("buy".to_owned(), HashMap::from([("n".to_owned(), "1".to_owned())])));
    let existing = HashMap::from([("traceparent".to_owned(), "mine".to_owned())]);
    let headers = attached.trace_headers("https://api.test/".to_owned(), 0, existing);
    let same = first.trace_headers(
        "https://api.test/".to_owned(),
        0,
        vec![HeaderField { name: "traceparent".to_owned(), value: "mine".to_owned() }],
    );
    assert_eq!(headers.len(), same.len());
    assert!(attached.set_consent("pending".to_owned()) && !attached.set_consent("PENDING".to_owned()));
    let health = attached.health();
    assert!(health.contains("\"isEnabled\":true") && health.contains("pending"), "{health}");
    assert!(first.shutdown(seconds(20)).unwrap());
    assert!(attach().is_none() && !attached.is_running());
    assert_eq!((attached.session_id(), attached.set_enabled(true)), (None, false));
    drop((first, second));
    let third = start(&dirs[0]);
    let door = third.door();
    drop(third);
    assert!(attach().is_none(), "its owner has given client {door} up");
}
