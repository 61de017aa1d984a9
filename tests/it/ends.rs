//! What a launch makes of how the last run ended: whether crashes are captured, how much is made of
//! their stacks, and whether an app may wait for their delivery.

use std::path::Path;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry};

use crate::app::{distinct, text};
use crate::crashes::crashes;
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, start};

/// The device is dead for as long as no upload can take.
const PATIENCE: Duration = Duration::from_secs(60);

fn crashed_in_our_code(dir: &Path, server: &FaultServer) {
    App::start(dir, &server.url(), Sign::Lock).die_in_our_code();
}

#[test]
fn capture_that_crashes_the_app_again_and_again_leaves_it_alone_for_a_day_and_says_so() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    for _ in 0..3 {
        crashed_in_our_code(dir.path(), &server);
    }
    // The next launch of the same day does not try again, and is quiet about it.
    for _ in 0..2 {
        let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
        app.must("flush");
        assert_eq!(app.tell("captures"), "false");
        let hints = app.tell("hints");
        assert!(hints.contains("for a day"), "{hints}");
        app.must("close");
    }
    assert_eq!(crashes(&server).len(), 3, "what was captured before is not lost");
    let said = distinct(&server).into_iter().filter(|log| log.event_name == "throughline.capture.off").count();
    assert_eq!(said, 1);
    let clock = ManualClock::new();
    let mut host = Host::default();
    host.clock = Clock::Manual(clock.clone());
    clock.advance(Duration::from_secs(25 * 3_600));
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let later = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    assert!(later.flush(LONG).complete);
    // Whether it captures depends on the other clients of this process.
    assert_eq!(later.health().hints, [] as [String; 0]);
    books(&later);
}

#[test]
fn an_app_that_is_named_as_our_threads_are_keeps_its_crashes_to_itself() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let program = dir.path().join("throughline");
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let data = dir.path().join("data");
    for _ in 0..3 {
        App::start_program(&program, &data, &server.url(), Sign::Lock).crash();
    }
    let mut app = App::start_program(&program, &data, &server.url(), Sign::Lock);
    assert_eq!(app.tell("hints"), "");
    app.must("flush");
    let threads: Vec<_> = crashes(&server).iter().map(|crash| text(&crash.attributes, "thread.name")).collect();
    assert_eq!(threads, ["throughline"; 3]);
}

#[test]
fn crashes_of_the_app_itself_never_switch_capture_off() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    for _ in 0..4 {
        App::start(dir.path(), &server.url(), Sign::Lock).crash();
    }
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.must("flush");
    assert_eq!(app.tell("captures"), "true");
}

#[test]
fn an_app_that_crashes_in_a_loop_is_not_made_slower_by_each_of_its_stacks() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    for _ in 0..6 {
        App::start(dir.path(), &server.url(), Sign::Lock).crash();
    }
    let next = start(dir.path(), &server.url());
    assert!(next.flush(LONG).complete);
    let crashes = crashes(&server);
    let by_tables = |crash: &&_| text_of(crash, "throughline.crash.unwinding") == "cfi";
    assert_eq!((crashes.len(), crashes.iter().filter(by_tables).count()), (6, 4));
    assert!(crashes.iter().all(|crash| text(&crash.attributes, "exception.stacktrace").starts_with("#00 pc ")));
}

fn text_of(crash: &LogRecord, name: &str) -> String {
    text(&crash.attributes, name)
}

#[test]
fn an_app_that_died_at_launch_can_wait_until_its_crash_is_delivered() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    App::start(dir.path(), &server.url(), Sign::Lock).crash();
    let next = start(dir.path(), &server.url());
    let outcome = next.flush_crashes(LONG);
    assert!(outcome.complete, "{outcome:?}");
    assert_eq!(crashes(&server).len(), 1);
    // What has been told is told: a second call has nothing to wait for.
    assert!(next.flush_crashes(LONG).complete);
}

#[test]
fn an_app_that_died_at_launch_waits_no_longer_than_it_said() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    App::start(dir.path(), &server.url(), Sign::Lock).crash();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let next = start(dir.path(), &server.url());
    let outcome = next.flush_crashes(Duration::from_millis(200));
    assert_eq!((outcome.complete, outcome.waiting), (false, 1), "{outcome:?}");
}

#[test]
fn an_app_that_did_not_die_at_launch_never_waits_for_a_server() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    server.always(Some(Answer::Slow(PATIENCE)));
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.record("tap pay");
    app.kill();
    let begun = Instant::now();
    let next = start(dir.path(), &server.url());
    let outcome = next.flush_crashes(PATIENCE);
    assert!(outcome.complete, "no crash waits: {outcome:?}");
    assert!(begun.elapsed() < PATIENCE, "it has waited");
    let empty = tempfile::tempdir().unwrap();
    assert!(start(empty.path(), &server.url()).flush_crashes(PATIENCE).complete);
}
