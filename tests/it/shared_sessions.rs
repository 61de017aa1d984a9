//! One session in several processes of an app: it begins once and ends once, whoever is idle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::event::Action;
use throughline::internals::sampling::keep_session;
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Config, Consent, Host, Telemetry};
use uuid::Uuid;

use crate::app::{received, text};
use crate::support::{LONG, books, builder, until};

/// A client whose clock a test moves, beside others in the same directory.
fn process(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>) -> Telemetry {
    sampled_process(dir, server, clock, 1.0)
}

/// The same, which keeps this share of the sessions.
fn sampled_process(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>, rate: f64) -> Telemetry {
    let config: Config = builder(dir).endpoint(server.url()).session_sample_rate(rate).build().unwrap();
    let mut host = Host::default();
    host.clock = Clock::Manual(clock.clone());
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    assert!(telemetry.drain(LONG));
    telemetry
}

#[test]
fn an_extension_and_the_app_agree_on_the_session_and_end_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let app = process(dir.path(), &server, &clock);
    app.start_view("Checkout");
    let first = app.session_id().unwrap();
    until("the session is written down", || dir.path().join("session.json").exists());
    assert!(app.suspend(LONG));
    clock.advance(Duration::from_secs(5 * 60));
    let extension = process(dir.path(), &server, &clock);
    assert_eq!(extension.session_id(), Some(first), "five minutes later the session goes on");
    assert!(extension.shutdown(LONG));
    clock.advance(Duration::from_secs(20 * 60));
    let extension = process(dir.path(), &server, &clock);
    let second = extension.session_id().unwrap();
    assert_ne!(second, first);
    assert!(extension.flush(LONG).complete);
    // The app comes back, and goes on in the session that the user is in.
    assert!(app.resume(LONG) && app.drain(LONG));
    app.record_action(&Action::tap("back"));
    assert_eq!(app.session_id(), Some(second));
    app.renew_session();
    assert!(app.flush(LONG).complete);
    let ended: Vec<_> = received(&server)
        .named("session.end")
        .iter()
        .map(|log| (text(&log.attributes, "session.id"), text(&log.attributes, "rum.session.reason")))
        .collect();
    let expected = [(first.to_string(), "inactivity".to_owned()), (second.to_string(), "explicit".to_owned())];
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert_eq!((&ended[0].0, &ended[1].0), (&expected[0].0, &expected[1].0));
    assert_ne!(ended[0].1, "process_death", "the app lives");
    // The extension notices it when it writes its own session down.
    extension.start_view("Widget");
    assert!(extension.suspend(LONG) && extension.resume(LONG) && extension.drain(LONG));
    assert_eq!(extension.session_id(), app.session_id());
}

/// What the server was told of sessions: the number of each, and its id. Each process delivers for
/// itself, so the order of arrival says nothing.
fn told(server: &FaultServer, name: &str) -> Vec<(String, String)> {
    let logs = received(server);
    let told = |log: &&LogRecord| (text(&log.attributes, "rum.session.sequence"), text(&log.attributes, "session.id"));
    let mut found: Vec<_> = logs.named(name).iter().map(told).collect();
    found.sort();
    found
}

/// An app in a first session, and an extension that has ended it 20 minutes later and begun the
/// second. The app was not suspended: nothing has told it that it was idle.
fn idle_beside_another(
    dir: &Path,
    server: &FaultServer,
    clock: &Arc<ManualClock>,
    rate: f64,
) -> [(Telemetry, Uuid); 2] {
    let app = sampled_process(dir, server, clock, rate);
    let first = app.session_id().unwrap();
    until("the session is written down", || dir.join("session.json").exists());
    clock.advance(Duration::from_secs(20 * 60));
    let extension = sampled_process(dir, server, clock, rate);
    let second = extension.session_id().unwrap();
    assert_ne!(second, first);
    assert!(extension.flush(LONG).complete);
    [(app, first), (extension, second)]
}

#[test]
fn an_idle_process_does_not_end_again_the_session_that_another_has_ended() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let [(app, first), (extension, second)] = idle_beside_another(dir.path(), &server, &clock, 1.0);
    app.record_action(&Action::tap("back"));
    assert!(app.flush(LONG).complete);
    assert_eq!(app.session_id(), Some(second), "it goes on where the user is");
    app.renew_session();
    assert!(app.flush(LONG).complete && extension.flush(LONG).complete);
    let third = app.session_id().unwrap();
    let of = |number: u8, id: Uuid| (number.to_string(), id.to_string());
    assert_eq!(told(&server, "session.end"), [of(1, first), of(2, second)]);
    assert_eq!(told(&server, "session.start"), [of(1, first), of(2, second), of(3, third)]);
    let books = books(&app);
    assert_eq!(books.dropped.of(DropReason::Withdrawn), 2, "what it took back is counted");
    assert_eq!(books.dropped.total(), 2);
}

#[test]
fn a_session_that_every_process_has_left_idle_is_ended_once_by_the_first_that_goes_on() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let [(app, first), (extension, second)] = idle_beside_another(dir.path(), &server, &clock, 1.0);
    clock.advance(Duration::from_secs(20 * 60));
    // Neither process has said that the second session is over. The app does not know it at all.
    app.record_action(&Action::tap("back"));
    assert!(app.flush(LONG).complete);
    let third = app.session_id().unwrap();
    extension.record_action(&Action::tap("shared"));
    assert!(extension.flush(LONG).complete);
    assert_eq!(extension.session_id(), Some(third), "it goes on where the user is");
    let of = |number: u8, id: Uuid| (number.to_string(), id.to_string());
    assert_eq!(told(&server, "session.end"), [of(1, first), of(2, second)]);
    assert_eq!(told(&server, "session.start"), [of(1, first), of(2, second), of(3, third)]);
    let logs = received(&server);
    let begun = logs.named("session.start");
    let newest = begun.iter().find(|log| text(&log.attributes, "session.id") == third.to_string()).unwrap();
    assert_eq!(text(&newest.attributes, "session.previous_id"), second.to_string());
}

/// Ids are random, so installations are begun until one has the first session left out and the
/// others kept: one in eight.
#[test]
fn a_session_is_ended_once_also_by_a_process_whose_own_was_not_sampled() {
    let has_been_found = (0..300).any(|_| {
        let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
        let [(app, first), (_extension, second)] = idle_beside_another(dir.path(), &server, &clock, 0.5);
        clock.advance(Duration::from_secs(20 * 60));
        app.record_action(&Action::tap("back"));
        assert!(app.flush(LONG).complete);
        let third = app.session_id().unwrap();
        let kept = [first, second, third].map(|id| keep_session(id, 0.5));
        let of = |number: u8, id: Uuid| (number.to_string(), id.to_string());
        let numbered = [of(1, first), of(2, second), of(3, third)];
        let kept_of = |count: usize| -> Vec<_> {
            numbered[..count].iter().zip(kept).filter(|(_, kept)| *kept).map(|(of, _)| of.clone()).collect()
        };
        assert_eq!(told(&server, "session.end"), kept_of(2), "{kept:?}");
        assert_eq!(told(&server, "session.start"), kept_of(3), "{kept:?}");
        kept == [false, true, true]
    });
    assert!(has_been_found);
}
