//! What is written down of the session for the next process, when the file cannot be read or
//! written, when the clock is set back, and when the process dies soon.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use throughline::event::Action;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Config, Consent, Host, Telemetry};

use crate::app::{distinct, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, until};

const MINUTE: Duration = Duration::from_secs(60);

fn start_at(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>, rate: f64) -> Telemetry {
    let config: Config = builder(dir).endpoint(server.url()).session_sample_rate(rate).build().unwrap();
    let mut host = Host::default();
    host.clock = Clock::Manual(Arc::clone(clock));
    Telemetry::start_with(config, Consent::Granted, host).unwrap()
}

/// What the server was told of sessions under this name: the number of each, and its id.
fn told(server: &FaultServer, name: &str) -> Vec<(String, String)> {
    let told = |key: &str, log: &opentelemetry_proto::tonic::logs::v1::LogRecord| text(&log.attributes, key);
    let logs = distinct(server).into_iter().filter(|log| log.event_name == name);
    let mut found: Vec<_> = logs.map(|log| (told("rum.session.sequence", &log), told("session.id", &log))).collect();
    found.sort();
    found
}

#[test]
fn a_remembered_rate_holds_for_the_session_that_begins_with_the_process() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let first = start_at(dir.path(), &server, &clock, 0.0);
    first.set_session_sample_rate(1.0).unwrap();
    let ended = first.session_id().unwrap().to_string();
    assert!(first.shutdown(LONG));
    clock.advance(60 * MINUTE);
    let second = start_at(dir.path(), &server, &clock, 0.0);
    let begun = second.session_id().unwrap().to_string();
    assert!(second.flush(LONG).complete);
    assert_eq!(told(&server, "session.end"), [("1".to_owned(), ended)]);
    assert_eq!(told(&server, "session.start"), [("2".to_owned(), begun)]);
    second.set_session_sample_rate(0.0).unwrap();
    assert!(second.shutdown(LONG));
    clock.advance(60 * MINUTE);
    let third = start_at(dir.path(), &server, &clock, 1.0);
    assert!(third.flush(LONG).complete);
    assert_eq!(told(&server, "session.start").len(), 1, "this one is not kept");
}

#[test]
fn a_session_that_has_ended_before_its_process_died_is_not_ended_by_the_next() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let first = app.tell("session");
    app.tell("renew");
    let second = app.tell("session");
    // A crash handler waits for this alone.
    app.must("drain");
    app.kill();
    let mut next = App::start(dir.path(), &server.url(), Sign::Lock);
    assert_eq!(next.tell("session"), second, "it goes on");
    next.must("flush");
    assert_eq!(told(&server, "session.end"), [("1".to_owned(), first.clone())]);
    assert_eq!(told(&server, "session.start"), [("1".to_owned(), first), ("2".to_owned(), second)]);
}

#[test]
fn a_session_that_could_not_be_written_down_is_written_as_soon_as_it_can() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let telemetry = start_at(dir.path(), &server, &clock, 1.0);
    assert!(telemetry.drain(LONG));
    let file = dir.path().join("session.json");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    telemetry.renew_session();
    assert!(telemetry.flush(LONG).complete, "what has ended and begun is sent all the same");
    assert_eq!(told(&server, "session.end").len(), 1);
    std::fs::remove_dir(&file).unwrap();
    // In the foreground it is tried again after 15 seconds.
    assert!(telemetry.suspend(LONG) && file.is_file());
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(&telemetry.session_id().unwrap().to_string()), "{written}");
}

/// What the server is told when a process starts while the device is locked, an hour after another,
/// and is unlocked later: the earlier session, and those that begin meanwhile.
fn started_while_locked(begin: impl FnOnce(&Telemetry)) -> (FaultServer, String) {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let before = start_at(dir.path(), &server, &clock, 1.0);
    let first = before.session_id().unwrap().to_string();
    assert!(before.flush(LONG).complete && before.shutdown(LONG));
    clock.advance(60 * MINUTE);
    // Neither the database nor the file can be read before the first unlock. Root can read files of
    // any mode, so a link to itself stands for such a file.
    let (file, aside) = (dir.path().join("session.json"), dir.path().join("aside"));
    let other = rusqlite::Connection::open(dir.path().join(throughline::internals::queue::FILE)).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    std::fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let telemetry = start_at(dir.path(), &server, &clock, 1.0);
    telemetry.record_action(&Action::tap("locked"));
    begin(&telemetry);
    until("the client finds the device locked", || {
        matches!(telemetry.health().storage, throughline::StorageState::Locked(_))
    });
    std::fs::rename(&aside, &file).unwrap();
    drop(other);
    until("everything is sent", || telemetry.flush(LONG).complete);
    assert_eq!(books(&telemetry).dropped.total(), 0);
    (server, first)
}

#[test]
fn a_session_that_begins_while_the_device_is_locked_follows_the_last_one() {
    let (server, first) = started_while_locked(|_| ());
    let [(one, old), (two, new)] = told(&server, "session.start").try_into().unwrap();
    assert_eq!((one.as_str(), &old, two.as_str()), ("1", &first, "2"));
    assert_eq!(told(&server, "session.end"), [(one, first.clone())]);
    let starts = distinct(&server).into_iter().filter(|log| log.event_name == "session.start");
    let begun = starts.map(|log| (text(&log.attributes, "session.id"), text(&log.attributes, "session.previous_id")));
    assert!(begun.into_iter().any(|begun| begun == (new.clone(), first.clone())));
}

#[test]
fn a_session_that_begins_and_ends_while_the_device_is_locked_has_its_end() {
    let mut ended = String::new();
    let (server, first) = started_while_locked(|telemetry| {
        ended = telemetry.session_id().unwrap().to_string();
        telemetry.renew_session();
    });
    let ids: BTreeSet<_> = told(&server, "session.end").into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, BTreeSet::from([first, ended]));
    assert_eq!(told(&server, "session.start").len(), 3);
}

#[test]
fn a_clock_that_is_set_back_does_not_end_the_session_at_the_next_launch() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let telemetry = start_at(dir.path(), &server, &clock, 1.0);
    let session = telemetry.session_id();
    clock.advance(MINUTE);
    telemetry.record_action(&Action::tap("before"));
    assert!(telemetry.drain(LONG));
    clock.jump_wall(-3_600);
    clock.advance(MINUTE);
    telemetry.record_action(&Action::tap("after"));
    assert!(telemetry.shutdown(LONG));
    clock.advance(MINUTE);
    assert_eq!(start_at(dir.path(), &server, &clock, 1.0).session_id(), session, "the user was there a minute ago");
}

#[test]
fn a_session_that_begins_after_an_erasure_in_another_process_ends_the_one_before() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let app = start_at(dir.path(), &server, &clock, 1.0);
    assert!(app.drain(LONG));
    let extension = start_at(dir.path(), &server, &clock, 1.0);
    assert!(extension.drain(LONG) && extension.suspend(LONG));
    // What the extension has is erased when it comes back.
    app.erase(LONG);
    let first = app.session_id().unwrap();
    assert!(app.drain(LONG));
    clock.advance(20 * MINUTE);
    assert!(extension.resume(LONG));
    extension.record_action(&Action::tap("in the extension"));
    assert!(extension.flush(LONG).complete);
    let second = extension.session_id().unwrap();
    assert_ne!(second, first);
    app.record_action(&Action::tap("back"));
    assert!(app.flush(LONG).complete);
    assert_eq!(app.session_id(), Some(second), "it goes on where the user is");
    let ended: Vec<_> = told(&server, "session.end").into_iter().map(|(_, id)| id).collect();
    assert_eq!(ended.iter().filter(|id| **id == first.to_string()).count(), 1, "{ended:?}");
}

#[test]
fn no_session_begins_while_the_client_is_switched_off() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let telemetry = start_at(dir.path(), &server, &clock, 1.0);
    assert!(telemetry.drain(LONG));
    telemetry.set_enabled(false).unwrap();
    telemetry.set_consent(Consent::Denied).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    clock.advance(60 * MINUTE);
    telemetry.set_enabled(true).unwrap();
    telemetry.record_action(&Action::tap("on again"));
    assert!(telemetry.flush(LONG).complete);
    let only = telemetry.session_id().unwrap().to_string();
    assert_eq!(told(&server, "session.end"), []);
    assert_eq!(told(&server, "session.start"), [("1".to_owned(), only)]);
}
