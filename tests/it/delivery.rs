//! A backend that misbehaves costs no event, and gets nothing twice unless it asks for it.

use std::collections::HashSet;
use std::time::Duration;

use throughline::Consent;
use throughline::testing::{Answer, FaultServer};
use uuid::Uuid;

use crate::support::{LONG, books, record_mixed, start};

fn status(code: u16) -> Answer {
    Answer::Status(code, vec![], vec![])
}

/// Records `count` events and flushes until all of them are settled, while the server plays the
/// script. Returns the ids that were recorded, and those that the server has stored.
fn play(count: usize, script: Vec<Answer>) -> (HashSet<Uuid>, Vec<Uuid>) {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.script(script);
    let telemetry = start(dir.path(), &server.url());
    let recorded: HashSet<Uuid> = (0..count).map(|n| record_mixed(&telemetry, n).unwrap()).collect();
    assert_eq!(recorded.len(), count);
    for _ in 0..20 {
        if telemetry.flush(LONG).complete {
            break;
        }
    }
    let books = books(&telemetry);
    assert_eq!((books.queued, books.dropped.total()), (0, 0), "{books:?}");
    // The client itself records the start of the session.
    assert_eq!(books.delivered, count as u64 + 1);
    let stored = server.stored_ids();
    assert!(recorded.is_subset(&stored.iter().copied().collect()));
    (recorded, stored)
}

#[test]
fn everything_arrives_once() {
    let (recorded, stored) = play(3_000, vec![]);
    assert_eq!(stored.len(), recorded.len() + 1);
}

#[test]
fn a_lost_acknowledgement_repeats_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.script([Answer::LoseAck]);
    let telemetry = start(dir.path(), &server.url());
    for n in 0..50 {
        record_mixed(&telemetry, n);
    }
    assert!(telemetry.flush(LONG).complete);
    let received = server.received();
    assert!(received[1..].iter().any(|again| again.body == received[0].body));
    assert_eq!(books(&telemetry).delivered, 51);
}

#[test]
fn an_answer_cut_at_any_byte_is_retried() {
    for bytes in [0, 1, 9, 15, 16, 40, 60, 75] {
        let (_, stored) = play(10, vec![Answer::CutAnswer(bytes)]);
        assert!(stored.len() >= 11);
    }
}

#[test]
fn a_request_cut_at_any_byte_is_retried() {
    for bytes in [0, 1, 100, 10_000] {
        let (recorded, stored) = play(40, vec![Answer::CutRequest(bytes)]);
        assert_eq!(stored.len(), recorded.len() + 1);
    }
}

#[test]
fn retryable_statuses_portals_and_broken_answers_lose_nothing() {
    for answer in [
        status(429),
        status(502),
        status(503),
        status(504),
        status(302),
        status(511),
        Answer::CaptivePortal,
        Answer::Huge(1_000_000),
        Answer::WrongLength,
        Answer::Slow(Duration::from_millis(1)),
    ] {
        play(10, vec![answer]);
    }
}

#[test]
fn retry_after_is_obeyed_even_by_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.script([Answer::Status(429, vec!["retry-after: 3600".into()], vec![])]);
    let telemetry = start(dir.path(), &server.url());
    let outcome = telemetry.flush(Duration::from_millis(500));
    assert!(!outcome.complete);
    telemetry.flush(Duration::from_millis(500));
    assert_eq!(server.received().len(), 1);
    assert_eq!(books(&telemetry).queued, 1);
}

#[test]
fn a_backend_that_refuses_the_client_is_asked_once_for_each_signal_and_loses_nothing() {
    for code in [401, 403, 404, 405, 410, 415] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        server.always(Some(status(code)));
        let telemetry = start(dir.path(), &server.url());
        for n in 0..20 {
            record_mixed(&telemetry, n);
        }
        let outcome = telemetry.flush(Duration::from_secs(2));
        assert!(!outcome.complete);
        let books = books(&telemetry);
        assert_eq!((books.queued, books.dropped.total()), (21, 0));
        assert!(books.paused.is_some());
        assert!(server.received().len() <= 3, "{}", server.received().len());
    }
}

#[test]
fn a_changed_endpoint_lifts_the_pause() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, good) = (FaultServer::start().unwrap(), FaultServer::start().unwrap());
    bad.always(Some(status(401)));
    let telemetry = start(dir.path(), &bad.url());
    record_mixed(&telemetry, 0);
    assert!(!telemetry.flush(Duration::from_secs(2)).complete);
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), &good.url());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(books(&telemetry).queued, 0);
}

#[test]
fn a_poisoned_event_alone_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    // The destination has just accepted something. If it refuses an event now, the event is at
    // fault and not the destination.
    assert!(telemetry.flush(LONG).complete);
    let ids: Vec<Uuid> = (0..60).map(|n| record_mixed(&telemetry, n).unwrap()).collect();
    server.always(Some(Answer::Poison(vec![ids[6], ids[13]])));
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!(books.dropped.of(throughline::ledger::DropReason::Rejected), 2, "{books:?}");
    assert_eq!(books.delivered, 59);
    let stored: HashSet<Uuid> = server.stored_ids().into_iter().collect();
    assert!(ids.iter().all(|id| stored.contains(id) != (*id == ids[6] || *id == ids[13])));
}

#[test]
fn a_backend_that_refuses_everything_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(status(400)));
    let telemetry = start(dir.path(), &server.url());
    for n in 0..64 {
        record_mixed(&telemetry, n);
    }
    telemetry.flush(Duration::from_secs(3));
    let books = books(&telemetry);
    assert_eq!((books.queued, books.dropped.total()), (65, 0), "{books:?}");
    assert!(books.paused.is_some());
}

#[test]
fn too_large_a_request_is_halved_until_it_fits() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::AtMost(7)));
    let telemetry = start(dir.path(), &server.url());
    for n in 0..300 {
        record_mixed(&telemetry, n);
    }
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.dropped.total()), (301, 0));
    assert_eq!(server.stored_ids().len(), 301);
}

#[test]
fn a_partial_success_is_not_repeated_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    for n in 0..10 {
        record_mixed(&telemetry, 6 * n);
    }
    server.script([Answer::Partial(4)]);
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.dropped.of(throughline::ledger::DropReason::PartialReject)), (7, 4));
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_server_that_is_broken_for_a_while_costs_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    server.always(Some(status(500)));
    telemetry.record_error(&throughline::event::ErrorEvent::crash("SIGSEGV", "at 0", "main"));
    record_mixed(&telemetry, 0);
    telemetry.flush(Duration::from_secs(1));
    assert_eq!(books(&telemetry).queued, 2);
    server.always(None);
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(books(&telemetry).delivered, 3);
}

#[test]
fn headers_reach_the_configured_origin_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, other) = (FaultServer::start().unwrap(), FaultServer::start().unwrap());
    first.script((0..3).map(|_| Answer::Status(307, vec![format!("location: {}/v1/logs", other.url())], vec![])));
    let config = crate::support::builder(dir.path()).endpoint(first.url()).header("Authorization", "Bearer s3cret");
    let telemetry = throughline::Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    record_mixed(&telemetry, 0);
    telemetry.flush(Duration::from_secs(3));
    assert_eq!(other.connections(), 0);
    let received = first.received();
    assert!(received.iter().all(|r| r.headers.contains(&("authorization".into(), "Bearer s3cret".into()))));
}
