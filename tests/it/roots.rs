//! The span of an action, the root of everything that it causes, covers what the action began.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry};

use crate::app::{App, Received, app, received, text};
use crate::support::{LONG, builder, until};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn span<'r>(received: &'r Received, name: &str) -> &'r Sent {
    let mut found = received.spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
    assert!(found.next().is_none(), "more than one span {name}");
    span
}

/// Checks that the tap's span begins no later and ends no earlier than this one, which it caused.
fn assert_covered(received: &Received, tap: &str, caused: &str) {
    let (root, inner) = (span(received, tap), span(received, caused));
    assert_eq!((&inner.trace_id, root.parent_span_id.len()), (&root.trace_id, 0));
    assert!(root.start_time_unix_nano <= inner.start_time_unix_nano, "{caused} begins before {tap}");
    assert!(root.end_time_unix_nano >= inner.end_time_unix_nano, "{tap} ends before {caused}");
}

fn loading_time(app: &App, received: &Received, target: &str) -> Duration {
    let taps = received.named("app.widget.click");
    let tap = taps.iter().find(|tap| text(&tap.attributes, "app.widget.name") == target).unwrap();
    assert!(app.telemetry.health().panics == 0);
    Duration::from_nanos(text(&tap.attributes, "rum.action.loading_time").parse().unwrap())
}

#[test]
fn a_tap_ends_no_earlier_than_the_operation_that_it_began() {
    let app = app();
    let tap = app.telemetry.tap("save").unwrap();
    app.clock.advance(ms(10));
    let operation = app.telemetry.start_operation("Save");
    app.clock.advance(ms(30));
    operation.succeed();
    app.telemetry.stop_action(tap);
    let received = app.end();
    assert_covered(&received, "save", "Save");
    assert_eq!(loading_time(&app, &received, "save"), ms(40));
}

#[test]
fn a_tap_whose_operation_goes_on_is_over_and_its_span_still_covers_the_operation() {
    let app = app();
    app.telemetry.tap("sync");
    let operation = app.telemetry.start_operation("Sync");
    let inner = app.telemetry.start_operation("Merge");
    for _ in 0..4 {
        app.pass(Duration::from_secs(3));
    }
    inner.succeed();
    app.pass(Duration::from_secs(1));
    assert!(app.telemetry.flush(LONG).complete);
    assert!(received(&app.server).spans.iter().all(|span| span.name != "sync"), "an operation is still running");
    operation.fail("Timeout", "no answer");
    let received = app.end();
    for operation in ["Sync", "Merge"] {
        assert_covered(&received, "sync", operation);
    }
    let root = span(&received, "sync");
    assert_eq!(root.end_time_unix_nano - root.start_time_unix_nano, 13_000_000_000);
    assert_eq!(loading_time(&app, &received, "sync"), Duration::ZERO);
}

#[test]
fn another_tap_does_not_cut_the_span_of_the_one_before_it() {
    let app = app();
    app.telemetry.tap("first");
    let first = app.telemetry.start_operation("First");
    app.clock.advance(ms(20));
    app.telemetry.tap("second");
    let second = app.telemetry.start_operation("Second");
    app.clock.advance(ms(20));
    second.succeed();
    app.clock.advance(ms(20));
    first.succeed();
    let received = app.end();
    assert_covered(&received, "first", "First");
    assert_covered(&received, "second", "Second");
    assert_ne!(span(&received, "first").trace_id, span(&received, "second").trace_id);
}

#[test]
fn a_clock_that_is_set_during_a_tap_moves_nothing_out_of_its_span() {
    for seconds in [3_600, -3_600] {
        let app = app();
        let tap = app.telemetry.tap("save").unwrap();
        app.clock.jump_wall(seconds);
        app.pass(ms(10));
        let operation = app.telemetry.start_operation("Save");
        let request = operation.scope(|| app.telemetry.start_resource("PUT", "https://a.test/me"));
        let inner = operation.scope(|| app.telemetry.start_span("encode"));
        app.pass(ms(10));
        request.stop(200, |resource| resource);
        inner.succeed();
        operation.succeed();
        app.telemetry.stop_action(tap);
        let received = app.end();
        for caused in ["Save", "PUT", "encode"] {
            assert_covered(&received, "save", caused);
        }
    }
}

#[test]
fn by_the_real_clock_a_tap_covers_its_operation_its_requests_and_its_spans() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    for n in 0..200 {
        let tap = telemetry.tap(&format!("tap {n}")).unwrap();
        let operation = telemetry.start_operation(&format!("operation {n}"));
        operation.scope(|| {
            telemetry.start_span(&format!("span {n}")).succeed();
            telemetry.start_resource("GET", "https://a.test/").stop(200, |resource| resource);
        });
        if n % 2 == 0 {
            operation.succeed();
            telemetry.stop_action(tap);
        } else {
            telemetry.stop_action(tap);
            operation.fail("E", "m");
        }
    }
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    for n in 0..200 {
        let tap = format!("tap {n}");
        assert_covered(&received, &tap, &format!("operation {n}"));
        assert_covered(&received, &tap, &format!("span {n}"));
        let root = span(&received, &tap);
        let request = received.spans.iter().find(|span| span.name == "GET" && span.trace_id == root.trace_id).unwrap();
        assert!(root.end_time_unix_nano >= request.end_time_unix_nano, "{tap} ends before its request");
    }
}

#[test]
fn a_root_that_waits_for_an_operation_is_sent_when_the_client_shuts_down() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = || builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config(), Consent::Granted).unwrap();
    telemetry.tap("save");
    let operation = telemetry.start_operation("Save");
    telemetry.finish_collecting();
    assert!(telemetry.shutdown(LONG));
    operation.succeed();
    let telemetry = Telemetry::start(config(), Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    assert_covered(&received, "save", "Save");
    assert_eq!(text(&span(&received, "Save").attributes, "operation.reason"), "shutdown");
}

/// What the child of the next test does before it is killed.
fn leave_a_root_open(dir: &std::path::Path) -> ! {
    let telemetry = Telemetry::start(builder(dir).build().unwrap(), Consent::Granted).unwrap();
    let mapped = Some(throughline::health::JournalMode::Mapped);
    until("the journal is mapped", || telemetry.health().journal == mapped);
    telemetry.tap("save");
    let _operation = telemetry.start_operation("Save");
    telemetry.finish_collecting();
    // After `kill -9` no code of this process runs any more.
    std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    unreachable!();
}

#[test]
fn a_root_that_waits_when_the_process_is_killed_is_not_lost() {
    let name = "roots::a_root_that_waits_when_the_process_is_killed_is_not_lost";
    if let Some(dir) = std::env::var_os("THROUGHLINE_ROOT_DIR") {
        leave_a_root_open(std::path::Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact"]).env("THROUGHLINE_ROOT_DIR", dir.path()).stdout(std::process::Stdio::null());
    assert!(!child.status().unwrap().success());
    let server = FaultServer::start().unwrap();
    let telemetry = crate::support::start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    for name in ["save", "Save"] {
        assert_eq!(text(&span(&received, name).attributes, "throughline.ended"), "process_death");
    }
    assert_eq!(span(&received, "Save").parent_span_id, span(&received, "save").span_id);
}
