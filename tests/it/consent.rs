//! The user's consent: events are kept apart until the user has given it, and everything is erased
//! when the user refuses.

use std::path::Path;
use std::time::Duration;

use throughline::event::{Action, ErrorEvent};
use throughline::testing::FaultServer;
use throughline::{Conditions, Consent, Network, Telemetry};

use crate::app::received;
use crate::support::{LONG, books, builder, record_mixed, until, walk};

const MARK: &str = "a-mark-that-is-searched-for";

fn start(dir: &Path, server: &FaultServer, consent: Consent) -> Telemetry {
    Telemetry::start(builder(dir).endpoint(server.url()).build().unwrap(), consent).unwrap()
}

fn record(telemetry: &Telemetry) {
    telemetry.start_view(MARK);
    telemetry.record_action(&Action::tap(MARK));
    telemetry.record_error(&ErrorEvent::crash(MARK, "m", "s"));
    telemetry.start_operation(MARK).succeed();
}

/// The files that contain the mark.
fn marked(dir: &Path) -> Vec<std::path::PathBuf> {
    let holds = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
    };
    walk(dir).into_iter().filter(holds).collect()
}

#[test]
fn pending_events_wait_apart_and_are_sent_once_consent_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server, Consent::Pending);
    let before: Vec<_> = (0..600).filter_map(|n| record_mixed(&telemetry, n)).collect();
    record(&telemetry);
    let flush = telemetry.flush(Duration::from_secs(5));
    assert!(!flush.complete && flush.reason.unwrap().contains("consented"));
    assert!(server.received().is_empty());
    // The user decides in the next process, and not before it has recorded something.
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), &server, Consent::Pending);
    let later = record_mixed(&telemetry, 1).unwrap();
    assert!(telemetry.drain(LONG));
    assert!(books(&telemetry).queued > 600 && server.received().is_empty());
    telemetry.set_consent(Consent::Granted).unwrap();
    let after = record_mixed(&telemetry, 1).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    for id in before.iter().chain([&later, &after]) {
        assert_eq!(stored.iter().filter(|stored| *stored == id).count(), 1, "{id}");
    }
    assert_eq!(books(&telemetry).dropped.total(), 0);
    // The start of the session had been kept apart, too.
    assert!(received(&server).logs.iter().any(|log| log.event_name == "session.start"));
}

#[test]
fn health_says_that_nothing_is_sent_while_consent_is_pending() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server, Consent::Pending);
    let says = || telemetry.health().hints.iter().any(|hint| hint.contains("consent is pending"));
    assert!(says());
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(!says());
    telemetry.set_consent(Consent::Pending).unwrap();
    assert!(says());
}

#[test]
fn consent_at_the_next_start_sends_what_was_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server, Consent::Pending);
    let id = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), &server, Consent::Granted);
    assert!(telemetry.drain(LONG) && telemetry.flush(LONG).complete);
    until("what was kept apart arrives", || telemetry.flush(LONG).complete && server.stored_ids().contains(&id));
    books(&telemetry);
}

#[test]
fn a_refusal_erases_everything_and_a_later_consent_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(throughline::testing::Answer::Status(503, Vec::new(), Vec::new())));
    for before in [Consent::Granted, Consent::Pending] {
        let telemetry = start(dir.path(), &server, before);
        let session = telemetry.session_id();
        record(&telemetry);
        assert!(telemetry.drain(LONG));
        // The mark must be found wherever events may be: in SQLite, in the journal, in an open
        // event, in quarantine.
        std::fs::create_dir_all(dir.path().join("quarantine")).unwrap();
        std::fs::write(dir.path().join("quarantine/old.db"), MARK).unwrap();
        record(&telemetry);
        assert!(!marked(dir.path()).is_empty());
        telemetry.set_consent(Consent::Denied).unwrap();
        assert_eq!(marked(dir.path()), Vec::<std::path::PathBuf>::new(), "after {before:?}");
        assert!(telemetry.record_action(&Action::tap(MARK)).is_none() && telemetry.tap(MARK).is_none());
        let left: Vec<_> = walk(dir.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert!(left.iter().all(|name| name == "lock" || name == "switches.json"), "{left:?}");
        telemetry.set_consent(Consent::Granted).unwrap();
        assert!(telemetry.record_action(&Action::tap("again")).is_some());
        assert!(telemetry.drain(LONG));
        assert_ne!(telemetry.session_id(), session);
        assert!(books(&telemetry).queued >= 1);
        assert!(telemetry.shutdown(LONG));
        assert_eq!(marked(dir.path()), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_start_without_consent_erases_what_earlier_processes_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(throughline::testing::Answer::Status(503, Vec::new(), Vec::new())));
    let telemetry = start(dir.path(), &server, Consent::Granted);
    record(&telemetry);
    assert!(telemetry.shutdown(LONG));
    assert!(!marked(dir.path()).is_empty());
    let telemetry = start(dir.path(), &server, Consent::Denied);
    until("everything is erased", || marked(dir.path()).is_empty());
    assert!(telemetry.record_action(&Action::tap(MARK)).is_none());
    assert_eq!(telemetry.consent(), Consent::Denied);
}

#[test]
fn erasing_leaves_nothing_and_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(throughline::testing::Answer::Status(503, Vec::new(), Vec::new())));
    let telemetry = start(dir.path(), &server, Consent::Granted);
    record(&telemetry);
    // Without a network, a flush returns only when no request is under way.
    telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
    telemetry.flush(LONG);
    let refused = server.received().len();
    record(&telemetry);
    let session = telemetry.session_id();
    assert!(telemetry.erase(LONG));
    telemetry.set_conditions(Conditions::default());
    server.always(None);
    assert_eq!(marked(dir.path()), Vec::<std::path::PathBuf>::new());
    assert_ne!(telemetry.session_id(), session);
    let ids: Vec<_> = (0..30).filter_map(|n| record_mixed(&telemetry, n)).collect();
    telemetry.start_view("Next");
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.queued, books.dropped.total()), (0, 0));
    let stored = server.stored_ids();
    assert!(ids.iter().all(|id| stored.contains(id)));
    for request in server.received().iter().skip(refused) {
        assert!(!request.body.windows(MARK.len()).any(|window| window == MARK.as_bytes()));
    }
    assert!(received(&server).logs.iter().any(|log| log.event_name == "app.screen.view"));
    assert!(telemetry.shutdown(LONG));
    assert_eq!(marked(dir.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_a_dead_sibling_kept_apart_is_sent_once_consent_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let first = start(dir.path(), &server, Consent::Pending);
    first.drain(LONG);
    let second = start(dir.path(), &server, Consent::Pending);
    let id = record_mixed(&second, 1).unwrap();
    second.drain(LONG);
    assert!(second.shutdown(LONG));
    assert!(first.shutdown(LONG));
    assert!(dir.path().join("process-1").is_dir());
    let telemetry = start(dir.path(), &server, Consent::Granted);
    until("the sibling's event arrives", || {
        telemetry.flush(LONG);
        server.stored_ids().contains(&id)
    });
}
