//! A client that is off gives the reason in its health, in the outcome of a flush, and when it is
//! asked for the books.

use std::path::Path;
use std::time::Duration;

use throughline::event::Action;
use throughline::{Conditions, Consent, Error, Network, StorageState, Telemetry};

use crate::support::{LONG, builder, until};

fn start(dir: &Path, consent: Consent) -> Telemetry {
    Telemetry::start(builder(dir).build().unwrap(), consent).unwrap()
}

fn records(telemetry: &Telemetry) -> bool {
    telemetry.record_action(&Action::tap("x")).is_some()
}

/// The reason that the client gives, which must be the same wherever it is asked.
fn reason(telemetry: &Telemetry) -> String {
    assert!(!records(telemetry));
    let health = telemetry.health();
    assert!(!health.enabled);
    let outcome = telemetry.flush(Duration::from_secs(1));
    assert!(!outcome.complete);
    let reason = outcome.reason.unwrap();
    assert_eq!(health.hints.iter().filter(|hint| **hint == reason).count(), 1, "{:?}", health.hints);
    match telemetry.books(Duration::from_secs(1)) {
        Err(Error::Closed { reason: other }) => assert_eq!(other, reason),
        other => panic!("{other:?}"),
    }
    reason
}

#[test]
fn a_client_that_the_configuration_leaves_off_names_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let config = builder(dir.path()).enabled(false).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    assert!(reason(&telemetry).contains("configuration says `enabled(false)`"));
    // A client that the configuration leaves off must not begin because of the user's consent.
    telemetry.set_consent(Consent::Denied).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(reason(&telemetry).contains("configuration says `enabled(false)`"));
    telemetry.set_enabled(true).unwrap();
    assert!(records(&telemetry) && telemetry.health().enabled);
}

#[test]
fn a_client_without_consent_names_the_user_and_a_switch_does_not_overrule_them() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Denied);
    assert!(reason(&telemetry).contains("the user has denied consent"));
    telemetry.set_enabled(true).unwrap();
    assert!(reason(&telemetry).contains("the user has denied consent"));
    telemetry.set_consent(Consent::Pending).unwrap();
    assert!(records(&telemetry));
    telemetry.set_consent(Consent::Denied).unwrap();
    assert!(reason(&telemetry).contains("the user has denied consent"));
}

#[test]
fn a_client_that_the_app_has_switched_off_names_the_call_also_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Granted);
    assert!(records(&telemetry));
    telemetry.set_enabled(false).unwrap();
    assert!(reason(&telemetry).contains("`set_enabled(false)`"));
    until("the database is closed", || telemetry.health().storage == StorageState::Off);
    // A user who refuses and then consents again does not switch on what the app has switched off.
    telemetry.set_consent(Consent::Denied).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(reason(&telemetry).contains("`set_enabled(false)`"));
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), Consent::Granted);
    until("the next process obeys", || !telemetry.health().enabled);
    assert!(reason(&telemetry).contains("`set_enabled(false)`"));
    telemetry.set_enabled(true).unwrap();
    assert!(records(&telemetry) && telemetry.drain(LONG));
}

#[test]
fn switching_on_right_after_the_start_overrules_the_choice_of_an_earlier_process() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = start(dir.path(), Consent::Granted);
        telemetry.set_enabled(false).unwrap();
        assert!(telemetry.shutdown(LONG));
        let telemetry = start(dir.path(), Consent::Granted);
        // The worker may or may not have read the earlier choice by now.
        telemetry.set_enabled(true).unwrap();
        assert!(telemetry.drain(LONG) && records(&telemetry));
        assert!(telemetry.shutdown(LONG));
        let telemetry = start(dir.path(), Consent::Granted);
        assert!(telemetry.drain(LONG) && telemetry.health().enabled);
    }
}

#[test]
fn a_client_that_was_shut_down_says_so_whichever_call_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Granted);
    assert!(telemetry.shutdown(LONG));
    assert!(reason(&telemetry).contains("shut down"));
    assert!(matches!(telemetry.set_enabled(true), Err(Error::Closed { .. })));
    telemetry.set_enabled(false).unwrap();
    telemetry.set_consent(Consent::Denied).unwrap();
    assert!(matches!(telemetry.set_consent(Consent::Granted), Err(Error::Closed { .. })));
    assert!(reason(&telemetry).contains("shut down"));
}

#[test]
fn a_client_that_is_being_switched_off_says_so_until_the_call_that_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Granted);
    telemetry.pause();
    assert!(!records(&telemetry));
    assert!(telemetry.health().hints.iter().any(|hint| hint.contains("being switched off")));
    telemetry.set_enabled(false).unwrap();
    assert!(reason(&telemetry).contains("`set_enabled(false)`"));
    telemetry.set_enabled(true).unwrap();
    telemetry.pause();
    telemetry.set_enabled(true).unwrap();
    assert!(records(&telemetry), "switching on ends the pause");
}

#[test]
fn a_consent_that_cannot_take_effect_can_be_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let telemetry = start(&data, Consent::Denied);
    std::fs::write(&data, "a file where the directory should be").unwrap();
    assert!(matches!(telemetry.set_consent(Consent::Granted), Err(Error::InvalidConfig { .. })));
    assert_eq!(telemetry.consent(), Consent::Denied);
    assert!(reason(&telemetry).contains("the user has denied consent"));
    std::fs::remove_file(&data).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(records(&telemetry) && telemetry.consent() == Consent::Granted);
}

#[test]
fn a_flush_that_the_end_overtakes_says_that_the_client_was_switched_off() {
    let dir = tempfile::tempdir().unwrap();
    let server = throughline::testing::FaultServer::start().unwrap();
    server.always(Some(throughline::testing::Answer::Slow(Duration::from_secs(1))));
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    assert!(records(&telemetry));
    let outcome = std::thread::scope(|scope| {
        let flush = scope.spawn(|| telemetry.flush(LONG));
        until("the request is under way", || !server.received().is_empty());
        telemetry.set_enabled(false).unwrap();
        flush.join().unwrap()
    });
    assert!(outcome.reason.unwrap().contains("`set_enabled(false)`"));
}

#[test]
fn an_off_that_is_said_without_a_worker_is_not_forgotten_by_the_next_process() {
    for consent in [Consent::Granted, Consent::Denied] {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = start(dir.path(), consent);
        telemetry.set_consent(Consent::Denied).unwrap();
        telemetry.set_enabled(false).unwrap();
        drop(telemetry);
        let telemetry = start(dir.path(), Consent::Granted);
        until("the next process obeys", || !telemetry.health().enabled);
        assert!(reason(&telemetry).contains("`set_enabled(false)`"));
    }
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).enabled(false).build().unwrap(), Consent::Granted).unwrap();
    telemetry.set_enabled(false).unwrap();
    drop(telemetry);
    let telemetry = start(dir.path(), Consent::Granted);
    until("a process that is configured to be on obeys", || !telemetry.health().enabled);
}

#[test]
fn an_on_that_is_said_while_the_user_denies_overrules_the_off_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Granted);
    telemetry.set_enabled(false).unwrap();
    telemetry.set_consent(Consent::Denied).unwrap();
    telemetry.set_enabled(true).unwrap();
    drop(telemetry);
    let telemetry = start(dir.path(), Consent::Granted);
    assert!(telemetry.drain(LONG) && telemetry.health().enabled, "{:?}", telemetry.health().hints);
}

#[test]
fn a_rate_that_is_set_while_the_client_is_off_holds_when_it_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), Consent::Denied);
    telemetry.set_session_sample_rate(0.0).unwrap();
    telemetry.set_consent(Consent::Granted).unwrap();
    // The worker has read the rate when it answers.
    assert!(telemetry.drain(LONG) && !records(&telemetry));
    drop(telemetry);
    let telemetry = start(dir.path(), Consent::Granted);
    assert!(telemetry.drain(LONG) && !records(&telemetry), "the next process obeys");
}

#[test]
fn a_network_that_was_reported_before_the_client_was_on_is_not_taken_for_an_open_one() {
    let offline = Conditions { network: Network::Offline, ..Conditions::default() };
    let server = throughline::testing::FaultServer::start().unwrap();
    let sends_nothing = |telemetry: &Telemetry| {
        assert!(records(telemetry));
        let outcome = telemetry.flush(Duration::from_secs(5));
        assert_eq!(outcome.reason.as_deref(), Some("the device is offline"));
        assert!(server.received().is_empty());
    };
    for consent in [Consent::Granted, Consent::Denied] {
        let dir = tempfile::tempdir().unwrap();
        let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
        let telemetry = Telemetry::start(config, consent).unwrap();
        telemetry.set_conditions(offline);
        telemetry.set_consent(Consent::Granted).unwrap();
        sends_nothing(&telemetry);
        telemetry.set_enabled(false).unwrap();
        telemetry.set_enabled(true).unwrap();
        sends_nothing(&telemetry);
    }
}

#[test]
fn a_client_that_calls_of_two_threads_leave_on_has_a_worker() {
    for round in 0..16 {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = start(dir.path(), Consent::Granted);
        let decide = |is_on: bool| match (round % 2, is_on) {
            (0, _) => telemetry.set_enabled(is_on).unwrap(),
            (_, true) => telemetry.set_consent(Consent::Granted).unwrap(),
            (_, false) => telemetry.set_consent(Consent::Denied).unwrap(),
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| decide(false));
                scope.spawn(|| decide(true));
            }
        });
        let is_on = telemetry.health().enabled;
        assert_eq!(telemetry.drain(LONG), is_on, "round {round}");
        assert_eq!(records(&telemetry), is_on);
        decide(true);
        assert!(records(&telemetry) && telemetry.drain(LONG), "round {round}");
        drop(telemetry);
        // What was said last is what the next process reads.
        let telemetry = start(dir.path(), Consent::Granted);
        assert!(telemetry.drain(LONG) && telemetry.health().enabled, "round {round}");
    }
}
