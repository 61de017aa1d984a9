//! Crashes of real processes, and what the next launch makes of them. The ways to crash are the
//! torture's affair; here it is what the world does between the crash and its delivery.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::event::ErrorEvent;
use throughline::internals::crash::stack_ranges;
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry};

use crate::app::{arrived, distinct, received, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, start, until, walk};

/// A process that has crashed on the view `Checkout`.
fn crashed(dir: &Path, server: &FaultServer) {
    let mut app = App::start(dir, &server.url(), Sign::Lock);
    app.tell("view Home");
    app.tell("view Checkout");
    app.crash();
}

/// The crashes that the server keeps.
pub fn crashes(server: &FaultServer) -> Vec<LogRecord> {
    distinct(server).into_iter().filter(|log| log.event_name == "app.crash").collect()
}

fn with_ending(dir: &Path, ending: &str) -> Vec<PathBuf> {
    walk(dir).into_iter().filter(|path| path.extension().is_some_and(|end| end == ending)).collect()
}

/// The only run file below a directory whose process is dead.
fn run_file(dir: &Path) -> PathBuf {
    let [file] = with_ending(dir, "crash").try_into().unwrap();
    file
}

#[test]
fn a_crash_belongs_to_the_view_that_is_shown_and_arrives_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    for _ in 0..2 {
        let next = start(dir.path(), &server.url());
        assert!(next.flush(LONG).complete);
        books(&next);
        assert!(next.shutdown(LONG));
    }
    // Nobody has died while it was sent, so it is not sent again either.
    assert_eq!(arrived(&server).named("app.crash").len(), 1);
    let [crash] = crashes(&server).try_into().unwrap();
    assert_eq!(text(&crash.attributes, "app.screen.name"), "Checkout");
    assert_eq!(text(&crash.attributes, "exception.type"), "SIGABRT");
    assert!(text(&crash.attributes, "exception.stacktrace").starts_with("#00 pc "));
    assert_eq!(with_ending(dir.path(), "crash"), [] as [PathBuf; 0], "the stack must not stay on the device");
}

/// The errors that the server keeps and that are no crashes, by their type.
fn errors(server: &FaultServer, of_type: &str) -> Vec<LogRecord> {
    let is_one = |log: &LogRecord| log.event_name != "app.crash" && text(&log.attributes, "exception.type") == of_type;
    distinct(server).into_iter().filter(is_one).collect()
}

/// What arrives of an app that records these fatal errors of a language and dies by a signal.
fn dies_of(fatals: &[&str], signal: i32) -> (tempfile::TempDir, FaultServer) {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.tell("view Checkout");
    for fatal in fatals {
        app.record(&format!("crash {fatal}"));
    }
    app.die_by(signal);
    let next = start(dir.path(), &server.url());
    assert!(next.flush(LONG).complete);
    assert_eq!(books(&next).dropped.total(), 0);
    assert!(next.shutdown(LONG));
    assert_eq!(with_ending(dir.path(), "crash"), [] as [PathBuf; 0]);
    (dir, server)
}

#[test]
fn an_error_of_a_language_that_aborts_the_process_is_not_counted_twice() {
    let (_dir, server) = dies_of(&["TypeError"], 6);
    let [crash] = crashes(&server).try_into().unwrap();
    assert_eq!(text(&crash.attributes, "exception.type"), "TypeError");
    assert_eq!(errors(&server, "SIGABRT"), []);
}

#[test]
fn one_death_that_two_languages_and_a_signal_tell_of_is_one_crash_and_loses_nothing() {
    let (_dir, server) = dies_of(&["TypeError", "JavascriptException"], 8);
    let [crash] = crashes(&server).try_into().unwrap();
    assert_eq!(text(&crash.attributes, "exception.type"), "TypeError");
    let id = text(&crash.attributes, "app.crash.id");
    for other in ["JavascriptException", "SIGFPE"] {
        let [error] = errors(&server, other).try_into().unwrap();
        assert_eq!(text(&error.attributes, "rum.error.fatal.id"), id, "{other}");
        assert_eq!(text(&error.attributes, "app.screen.name"), "Checkout", "{other}");
    }
}

#[test]
fn an_error_that_ends_the_process_belongs_to_the_one_operation_that_runs() {
    let found = |operations: &[&str]| {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let telemetry = start(dir.path(), &server.url());
        let operations: Vec<_> = operations.iter().map(|name| telemetry.start_operation(name)).collect();
        assert!(telemetry.record_error(&ErrorEvent::crash("TypeError", "no total", "at pay")).is_some());
        assert!(telemetry.flush(LONG).complete);
        let [crash] = crashes(&server).try_into().unwrap();
        let first = operations.first().and_then(|operation| Some(operation.context()?.trace.trace_id.to_vec()));
        let is_named = crash.attributes.iter().any(|pair| pair.key == "operation.name");
        let name = is_named.then(|| text(&crash.attributes, "operation.name").to_owned());
        (name, first == Some(crash.trace_id))
    };
    assert_eq!(found(&["Pay"]), (Some("Pay".to_owned()), true));
    // Nobody knows which of them has failed.
    assert_eq!(found(&["Pay", "Sync"]), (None, false));
    assert_eq!(found(&[]), (None, false));
}

#[test]
fn a_crash_outlasts_a_server_that_fails_for_a_week() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    let clock = ManualClock::new();
    let mut host = Host::default();
    host.clock = Clock::Manual(clock.clone());
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let next = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    for _ in 0..8 {
        clock.advance(Duration::from_secs(86_400));
        assert!(!next.flush(Duration::from_secs(1)).complete);
    }
    server.always(None);
    until("the crash arrives", || {
        clock.advance(Duration::from_secs(3_600));
        next.flush(LONG).complete
    });
    let id = text(&crashes(&server)[0].attributes, "app.crash.id");
    assert_eq!(server.stored_ids().iter().filter(|stored| stored.to_string() == id).count(), 1);
    assert_eq!(books(&next).dropped.total(), 0);
}

#[test]
fn a_second_crash_before_the_first_is_sent_costs_neither() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    for _ in 0..3 {
        crashed(dir.path(), &server);
    }
    server.always(None);
    let next = start(dir.path(), &server.url());
    until("all crashes arrive", || next.flush(LONG).complete);
    let stored = server.received().into_iter().filter(|request| request.stored);
    let ids: std::collections::HashSet<_> = stored.flat_map(|request| request.ids).collect();
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    let mut arrived: Vec<_> = crashes(&server).iter().map(|crash| text(&crash.attributes, "app.crash.id")).collect();
    arrived.retain(|id| ids.contains(id));
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 3);
    assert_eq!(books(&next).dropped.total(), 0);
}

#[test]
fn who_denies_at_the_next_launch_leaves_neither_a_crash_nor_its_stack() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    let config = || builder(dir.path()).endpoint(server.url()).build().unwrap();
    let denied = Telemetry::start(config(), Consent::Denied).unwrap();
    until("the run file is erased", || with_ending(dir.path(), "crash").is_empty());
    assert!(denied.shutdown(LONG));
    let next = Telemetry::start(config(), Consent::Granted).unwrap();
    assert!(next.flush(LONG).complete);
    assert_eq!(crashes(&server), []);
}

#[test]
fn a_crash_waits_apart_until_the_user_has_decided() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let next = Telemetry::start(config, Consent::Pending).unwrap();
    let _ = next.flush(Duration::from_millis(500));
    assert_eq!(crashes(&server), []);
    let health = next.health();
    assert_eq!((health.set_aside, health.quarantined_files), (None, 0), "the database is whole");
    assert!(!dir.path().join("quarantine").exists());
    next.set_consent(Consent::Granted).unwrap();
    until("the crash arrives", || next.flush(LONG).complete && crashes(&server).len() == 1);
}

#[test]
fn a_run_file_that_has_killed_its_readers_is_set_aside_without_its_stacks() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    std::fs::write(run_file(dir.path()).with_extension("unwinding"), "2").unwrap();
    let next = start(dir.path(), &server.url());
    assert!(next.flush(LONG).complete);
    assert_eq!((crashes(&server), next.health().quarantined_files), (Vec::new(), 1));
    let aside = with_ending(&dir.path().join("quarantine"), "crash");
    let file = std::fs::File::open(&aside[0]).unwrap();
    for (at, len) in stack_ranges() {
        let mut stack = vec![1; len];
        file.read_exact_at(&mut stack, at).unwrap();
        assert!(stack.iter().all(|byte| *byte == 0), "a stack is left at {at:#x}");
    }
}

#[test]
fn a_run_file_that_has_killed_one_reader_is_read_without_tables() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    crashed(dir.path(), &server);
    std::fs::write(run_file(dir.path()).with_extension("unwinding"), "1").unwrap();
    let next = start(dir.path(), &server.url());
    assert!(next.flush(LONG).complete);
    let [crash] = crashes(&server).try_into().unwrap();
    assert_ne!(text(&crash.attributes, "throughline.crash.unwinding"), "cfi");
}

#[test]
fn what_lies_in_the_place_of_a_run_file_costs_nothing_but_the_crash() {
    type Put = fn(&Path);
    let others: [(&str, Put); 4] = [
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("a link", |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap()),
        ("a pipe", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        }),
        ("an empty file", |path| std::fs::write(path, "").unwrap()),
    ];
    for (what, put) in others {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
        let tap = app.record("tap before");
        app.crash();
        let file = run_file(dir.path());
        std::fs::remove_file(&file).unwrap();
        put(&file);
        let next = start(dir.path(), &server.url());
        assert!(next.flush(LONG).complete, "{what}");
        assert!(server.stored_ids().contains(&tap), "{what}");
        assert_eq!(books(&next).dropped.total(), 0, "{what}");
        assert!(Path::new("/etc/passwd").exists());
    }
}

/// The names of the breadcrumbs of a crash, in their order. Their times must be, too.
pub fn breadcrumbs(crash: &LogRecord) -> Vec<String> {
    let list = crash.attributes.iter().find(|entry| entry.key == "throughline.breadcrumbs");
    let Some(Any::ArrayValue(list)) = list.and_then(|entry| entry.value.clone()?.value) else { return Vec::new() };
    let mut last = 0;
    let name = |value: Option<Any>| {
        let Some(Any::KvlistValue(map)) = value else { panic!("a breadcrumb is no map") };
        let time = text(&map.values, "time_unix_nano").parse::<u64>().unwrap();
        let is_before = crash.event_name != "app.crash" || time <= crash.time_unix_nano;
        assert!(time >= last && is_before, "{time} is out of order");
        last = time;
        text(&map.values, "name")
    };
    list.values.into_iter().map(|value| value.value).map(name).collect()
}

/// Starts the next process, which delivers the only crash.
fn next_launch(dir: &Path, server: &FaultServer) -> LogRecord {
    let next = start(dir, &server.url());
    until("everything arrives", || next.flush(LONG).complete && !crashes(server).is_empty());
    assert_eq!(books(&next).dropped.total(), 0);
    assert!(next.shutdown(LONG));
    let [crash] = crashes(server).try_into().unwrap();
    crash
}

/// How a process dies: by a signal alone, or of an error that its language has recorded before.
const DEATHS: [fn(&mut App); 2] = [App::crash, |app| {
    app.record("crash uncaught");
    app.crash();
}];

#[test]
fn what_was_delivered_before_a_crash_is_still_told_by_it_and_not_delivered_again() {
    for die in DEATHS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
        app.tell("view Home");
        let first = app.record("tap first");
        app.must("flush");
        assert!(server.stored_ids().contains(&first));
        app.tell("view Checkout");
        app.record("tap second");
        die(&mut app);
        let crash = next_launch(dir.path(), &server);
        let told = breadcrumbs(&crash);
        let (from, told) = (told.iter().position(|name| name == "Home").unwrap(), told.as_slice());
        assert_eq!(told[from..], ["Home", "first", "Checkout", "second"]);
        assert_eq!(server.stored_ids().iter().filter(|id| **id == first).count(), 1);
        assert!(!text(&crash.attributes, "app.crash.id").is_empty());
    }
}

#[test]
fn what_was_erased_or_denied_before_a_crash_is_not_told_by_it() {
    for (die, orders) in DEATHS.into_iter().flat_map(|die| [(die, &["erase"][..]), (die, &["deny", "grant"])]) {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
        app.record("tap secret");
        app.must("flush");
        app.record("tap secret too");
        orders.iter().for_each(|order| app.must(order));
        until("the client records", || app.tell("tap after") != "none");
        app.must("drain");
        die(&mut app);
        let told = breadcrumbs(&next_launch(dir.path(), &server));
        assert!(told.contains(&"after".to_owned()), "{orders:?}: {told:?}");
        assert!(!told.iter().any(|name| name.starts_with("secret")), "{orders:?}: {told:?}");
    }
}

#[test]
fn an_error_that_ends_the_process_tells_of_events_that_wait_with_it_in_the_journal() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.tell("hold");
    app.record("tap before");
    app.record("crash uncaught");
    app.record("tap behind");
    app.kill();
    let told = breadcrumbs(&next_launch(dir.path(), &server));
    assert_eq!(told.last().map(String::as_str), Some("before"), "{told:?}");
}

#[test]
fn a_crash_tells_nothing_of_the_runs_before_and_after_its_own() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.record("tap of the run before");
    app.must("flush");
    app.kill();
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.record("tap of its own");
    app.crash();
    let next = start(dir.path(), &server.url());
    next.record_action(&throughline::event::Action::tap("of the run after"));
    until("everything arrives", || next.flush(LONG).complete && !crashes(&server).is_empty());
    let told = breadcrumbs(&crashes(&server)[0]);
    let taps: Vec<_> = told.iter().filter(|name| name.starts_with("of")).collect();
    assert_eq!(taps, ["of its own"]);
}

#[test]
fn a_crash_counts_on_the_view_that_was_shown_and_on_no_other() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.tell("view Left");
    app.tell("view Covered");
    app.tell("push Shown");
    // The backend has seen the views while they were open: what is told later has to be newer.
    app.must("flush");
    app.crash();
    next_launch(dir.path(), &server);
    let all = received(&server);
    let views = all.named("app.screen.view");
    let counted = |name: &str| {
        let view = views.iter().find(|view| text(&view.attributes, "app.screen.name") == name);
        let attributes = &view.unwrap_or_else(|| panic!("`{name}` has not arrived")).attributes;
        (text(attributes, "rum.view.crash.count"), text(attributes, "rum.view.is_active"))
    };
    let over = "false".to_owned();
    assert_eq!(counted("Shown"), ("1".to_owned(), over.clone()));
    for other in ["Left", "Covered"] {
        assert_eq!(counted(other), (String::new(), over.clone()), "{other}");
    }
}

#[test]
fn a_client_that_is_switched_off_captures_nothing() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.drain(LONG));
    telemetry.set_enabled(false).unwrap();
    until("the run file is removed", || with_ending(dir.path(), "crash").is_empty());
    assert!(!telemetry.health().captures_crashes);
    let config = builder(dir.path()).capture_crashes(false).build().unwrap();
    telemetry.shutdown(LONG);
    let without = Telemetry::start(config, Consent::Granted).unwrap();
    without.set_enabled(true).unwrap();
    assert!(without.drain(LONG));
    assert_eq!(with_ending(dir.path(), "crash"), [] as [PathBuf; 0]);
}
