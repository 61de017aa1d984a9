//! The door and the exported object, with a client that sends to a server.

use std::time::{Duration, Instant, SystemTime};

use throughline_ffi::{Consent, Destination, OtlpSignal, SignalEndpoint, TelemetryCore, TelemetryError};

use crate::support::{App, at, config, draft, record, seconds, text, vectors, within};

#[test]
fn every_vector_is_served_and_what_is_malformed_is_counted() {
    let app = App::start();
    // A vector that refers to a span, a request or a store stands after the one that creates it,
    // with these exceptions.
    for vector in vectors()["drafts"].as_array().unwrap() {
        let answer = app.record(&crate::support::bytes(vector));
        let name = vector["vector"].as_str().unwrap();
        let unknown = [
            "given up",
            "cancelled",
            "its time was over",
            "a deletion",
            "a replacement",
            "a batch",
            "an operation fails",
            "a request ends unmeasured",
        ];
        let expected_unknown = unknown.contains(&name);
        let is_fine = if expected_unknown { answer == -3 || answer == 1 } else { answer >= 1 };
        assert!(is_fine, "{name}: {answer}");
    }
    for vector in vectors()["malformed"].as_array().unwrap() {
        assert_eq!(app.record(&crate::support::bytes(vector)), -2, "{}", vector["vector"]);
    }
    let health = app.core.health();
    assert_eq!(health.malformed_calls, 11);
    assert_eq!(health.panics, 0);
    let (logs, _) = app.received();
    let tap = logs.iter().find(|log| text(&log.attributes, "sku") == "A-17").unwrap();
    assert_eq!([text(&tap.attributes, "count"), text(&tap.attributes, "gift")], ["3", "true"]);
}

#[test]
fn calls_of_nobody_and_after_the_shutdown_are_counted_and_do_nothing() {
    let tap = draft("a tap with three attributes");
    assert_eq!(record(0, &tap), -1);
    assert_eq!(record(4_096, &tap), -1);
    assert_eq!(record(u64::MAX, &tap), -1);
    let app = App::start();
    assert_eq!(app.record(&tap), 1);
    assert!(app.core.shutdown(seconds(5)).unwrap());
    assert_eq!(app.record(&tap), -1);
    assert!(matches!(app.core.shutdown(seconds(5)), Err(TelemetryError::Closed { .. })));
    assert!(matches!(app.core.flush(seconds(5)), Err(TelemetryError::Closed { .. })));
    assert_eq!((app.core.session_id(), app.core.trace_headers("https://a.com".to_owned(), 1, vec![]).len()), (None, 0));
    let health = app.core.health();
    assert_eq!(health.storage, "closed");
    assert!(health.closed_calls >= 4, "{health:?}");
}

#[test]
fn a_bad_configuration_is_an_error_that_names_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), "no url");
    let error = TelemetryCore::start(config.clone(), Consent::Granted, None, None, None).unwrap_err();
    assert!(error.to_string().contains("endpoint"), "{error}");
    config.destinations.clear();
    config.session_sample_rate = 2.0;
    let error = TelemetryCore::start(config, Consent::Granted, None, None, None).unwrap_err();
    assert!(error.to_string().contains("session_sample_rate"), "{error}");
}

#[test]
fn a_destination_gets_the_signals_that_it_names_at_their_own_urls() {
    let app = App::start_with(
        |config| {
            let url = config.destinations[0].endpoint.clone();
            config.destinations[0].signals = Some(vec![OtlpSignal::Logs]);
            config.destinations.push(Destination {
                name: "traces".to_owned(),
                endpoint: String::new(),
                headers: vec![],
                encoding: None,
                temporality: None,
                signals: Some(vec![OtlpSignal::Traces]),
                signal_endpoints: vec![SignalEndpoint { signal: OtlpSignal::Traces, url: format!("{url}/push") }],
                format: None,
                lanes: None,
                kinds: None,
                max_age: None,
            });
        },
        None,
        None,
    );
    for name in ["a tap with three attributes", "a request begins", "a request ends"] {
        assert_eq!(app.record(&draft(name)), 1, "{name}");
    }
    assert!(app.core.flush(seconds(20)).unwrap().complete);
    let mut paths: Vec<_> = app.server.received().into_iter().map(|request| request.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths, ["/push", "/v1/logs"]);
}

#[test]
fn an_operation_is_one_trace_with_its_request_and_its_mutations() {
    let app = App::start_with(
        |config| {
            config.trace_hosts = vec![throughline_ffi::TraceHost {
                host: "api.example.com".to_owned(),
                formats: vec![],
                injection: None,
                baggage_keys: vec![],
            }];
        },
        None,
        None,
    );
    assert!(app.record(&draft("a store")) >= 1);
    // Without coalescing, no mutation waits when the flush comes.
    let mut policy = draft("another policy");
    policy.truncate(28);
    policy.extend_from_slice(&[17, 0, 0, 0]);
    policy.extend_from_slice(b"{\"coalesce_ms\":0}");
    assert!(app.record(&policy) >= 1);
    assert_eq!(app.record(&draft("an operation")), 1);
    assert_eq!(app.record(&draft("a request begins")), 1);
    let headers = app.core.trace_headers("https://api.example.com/me".to_owned(), 4, vec![]);
    let parent = &headers.iter().find(|field| field.name == "traceparent").unwrap().value;
    assert_eq!(app.core.trace_headers("https://evil.com/me".to_owned(), 4, vec![]), vec![]);
    assert_eq!(app.record(&draft("a request ends")), 1);
    assert_eq!(app.record(&draft("an insertion in a context")), 1);
    assert_eq!(app.record(&within(1, draft("a log"))), 1);
    assert_eq!(app.record(&within(1, draft("a tap with three attributes"))), 1);
    let mut ended = draft("a span succeeds");
    ended[24] = 1;
    assert_eq!(app.record(&ended), 1);
    // An event that comes after the end still belongs to the operation.
    assert_eq!(app.record(&within(1, draft("a handled error"))), 1);
    assert_eq!(app.core.health().stores[0].recorded, 1);
    let (logs, spans) = app.received();
    let operation = spans.iter().find(|span| span.name == "UpdateDisplayName").unwrap();
    assert_eq!(parent[3..35], hex(&operation.trace_id));
    let inside = logs.iter().filter(|log| log.trace_id == operation.trace_id);
    let mut names: Vec<_> = inside.map(|log| log.event_name.clone()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    let request = spans.iter().find(|span| span.kind == 3).unwrap();
    let connected = request.events.iter().find(|event| event.name == "connectEnd").unwrap();
    assert_eq!((request.events.len(), connected.time_unix_nano - request.start_time_unix_nano), (8, 10_500_000));
    assert_eq!(
        (request.trace_id.clone(), request.parent_span_id.clone()),
        (operation.trace_id.clone(), operation.span_id.clone())
    );
    assert_eq!(parent[36..52], hex(&request.span_id));
}

#[test]
fn a_context_waits_for_the_answer_of_its_message_and_is_taken_once() {
    let app = App::start();
    for name in ["an operation", "a message with headers"] {
        assert_eq!(app.record(&draft(name)), 1, "{name}");
    }
    let (keep, take) = (draft("an answer is awaited"), draft("an answer arrives"));
    assert_eq!(app.record(&take), 0, "nothing is kept yet");
    assert_eq!(app.record(&within(77, keep.clone())), 0, "a slot that is not there is not replaced by what is current");
    assert_eq!([app.record(&keep), app.record(&take), app.record(&take)], [1, 1, 0]);
    let mut long = draft("an answer is awaited");
    long.truncate(24);
    long.extend(129u32.to_le_bytes());
    long.extend([b'x'; 129]);
    assert_eq!(app.record(&long), 0);
    let problems = app.core.health().problems;
    assert!(problems.iter().any(|problem| problem.contains("1 contexts were not kept")), "{problems:?}");
    assert_eq!(app.record(&within(11, draft("a tap with three attributes"))), 1);
    let (logs, _) = app.received();
    let tap = logs.iter().find(|log| text(&log.attributes, "sku") == "A-17").unwrap();
    assert_eq!(hex(&tap.trace_id), "0af7651916cd43dd8448eb211c80319c");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn calls_from_before_the_start_have_their_own_times() {
    let app = App::start();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let earlier = u64::try_from((now - Duration::from_secs(60)).as_nanos()).unwrap();
    assert_eq!(app.record(&at(earlier, draft("a log"))), 1);
    assert_eq!(app.record(&at(earlier, draft("an operation"))), 1);
    let mut ended = draft("a span succeeds");
    ended[24] = 1;
    assert_eq!(app.record(&at(earlier + 2_000_000_000, ended)), 1);
    let (logs, spans) = app.received();
    let log = logs.iter().find(|log| text(&log.attributes, "sku") == "A-17").unwrap();
    assert!(log.time_unix_nano.abs_diff(earlier) < 1_000_000_000, "{}", log.time_unix_nano);
    let span = spans.iter().find(|span| span.name == "UpdateDisplayName").unwrap();
    assert!(span.start_time_unix_nano.abs_diff(earlier) < 1_000_000_000);
    let took = span.end_time_unix_nano - span.start_time_unix_nano;
    assert!(took.abs_diff(2_000_000_000) < 500_000_000, "{took}");
}

#[test]
fn a_policy_that_cannot_work_is_told_in_the_health() {
    let app = App::start();
    let mut bad = draft("a store");
    let at = bad.windows(11).position(|window| window == b"**.secret\"]".as_slice()).unwrap();
    bad[at..at + 9].copy_from_slice(b"items[[[[");
    assert_eq!(app.record(&bad), -3);
    let problems = app.core.health().problems;
    assert!(problems.iter().any(|text| text.contains("Cart") && text.contains("items[")), "{problems:?}");
    // A question about a store that was never declared.
    assert_eq!(app.record(&draft("is it recorded?")), -3);
}

#[test]
fn a_facade_counts_what_it_suppresses_and_caches_by_version() {
    let app = App::start();
    let version = app.record(&draft("a store"));
    let decided = app.record(&draft("is it recorded?"));
    assert_eq!((decided >> 8, decided & 0xff != 0), (version, true));
    assert_eq!(app.record(&draft("only counted")), 1);
    let later = app.record(&draft("another policy"));
    assert!(later > version);
    assert_eq!(app.record(&draft("is it recorded?")), later << 8);
    let books = &app.core.health().stores[0];
    assert_eq!((books.mutations, books.suppressed[0].count), (1_024, 1_024));
}

#[test]
fn stores_declared_while_off_work_once_it_is_on() {
    let app = App::start_with(|config| config.enabled = false, None, None);
    assert_eq!(app.record(&draft("a store")), 0);
    assert_eq!(app.record(&draft("a tap with three attributes")), 0);
    assert!(app.core.set_enabled(true));
    assert_eq!(app.record(&draft("a mutation")), 1);
    assert_eq!(app.core.health().stores[0].recorded, 1);
}

/// Waits until a thread has done what a call has asked for.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn switching_off_holds_at_once_and_is_remembered() {
    let app = App::start();
    assert_eq!(app.record(&draft("an event of the app")), 1);
    for round in 0..5 {
        assert!(app.core.set_enabled(false));
        assert_eq!(app.record(&draft("a log")), 0, "round {round}");
        assert!(app.core.set_enabled(true));
        until("it is on again", || app.core.health().enabled);
    }
    assert!(app.core.flush(seconds(20)).unwrap().complete);
    let (logs, _) = app.received();
    assert!(logs.iter().all(|log| !log.event_name.is_empty()), "{logs:?}");
    assert!(app.core.set_enabled(false));
    assert!(app.core.shutdown(seconds(20)).unwrap());
    let again =
        TelemetryCore::start(config(app.dir.path(), &app.server.url()), Consent::Granted, None, None, None).unwrap();
    until("the next start obeys", || !again.health().enabled);
}

#[test]
fn a_consent_that_is_withdrawn_erases_behind_the_call_and_one_given_at_once_waits_its_turn() {
    let app = App::start();
    for round in 0..5 {
        assert_eq!(app.record(&draft("an event of the app")), 1, "round {round}");
        assert!(app.core.drain(seconds(10)));
        app.core.set_consent(Consent::Denied);
        // This holds at once, however slow the disk is.
        assert_eq!(app.record(&draft("an event of the app")), 0, "round {round}");
        app.core.set_consent(Consent::Granted);
        until("it is on again", || app.core.health().enabled);
    }
    assert_eq!(app.record(&draft("a log")), 1);
    assert!(app.core.flush(seconds(20)).unwrap().complete);
    let (logs, _) = app.received();
    let all = vectors();
    let event = all["drafts"].as_array().unwrap().iter().find(|v| v["vector"] == "an event of the app").unwrap();
    assert!(logs.iter().all(|log| log.event_name != event["name"].as_str().unwrap()), "{logs:?}");
    assert!(logs.iter().any(|log| log.event_name.is_empty()), "{logs:?}");
    // A shutdown waits for an erasure.
    app.core.set_consent(Consent::Denied);
    app.core.shutdown(seconds(20)).unwrap();
    let left: Vec<_> = std::fs::read_dir(app.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "lock" || name == "switches.json"), "{left:?}");
}

#[test]
fn ten_thousand_open_spans_and_then_some_are_bounded() {
    let app = App::start();
    for slot in 1..=11_000_u64 {
        let mut span = draft("a child");
        span[24..32].copy_from_slice(&slot.to_le_bytes());
        assert_eq!(app.record(&within(0, span)), 1);
    }
    let health = app.core.health();
    assert_eq!(health.evicted_spans, 1_000);
    // Calls that name one of those are counted. A log is recorded all the same, without its cause.
    let unknown = health.unknown_calls;
    assert_eq!(app.record(&within(1, draft("a log"))), 1);
    assert_eq!(app.record(&draft("a span succeeds")), -3);
    assert_eq!(app.core.health().unknown_calls, unknown + 2);
}

#[test]
fn an_operation_that_runs_while_twenty_thousand_of_its_spans_end_is_not_given_up() {
    let app = App::start();
    let with = |vector: &str, slot: u64| {
        let mut span = draft(vector);
        span[24..32].copy_from_slice(&slot.to_le_bytes());
        within(0, span)
    };
    assert_eq!(app.record(&with("a child", 1)), 1);
    for slot in 2..=20_001_u64 {
        assert_eq!(app.record(&with("a child", slot)), 1);
        assert_eq!(app.record(&with("a span succeeds", slot)), 1);
    }
    // Of those that have ended, the latest contexts are kept.
    assert_eq!(app.core.health().evicted_spans, 10_001);
    let unknown = app.core.health().unknown_calls;
    assert_eq!(app.record(&within(20_001, draft("a log"))), 1);
    assert_eq!(app.record(&with("a span succeeds", 1)), 1);
    assert_eq!(app.core.health().unknown_calls, unknown);
}
