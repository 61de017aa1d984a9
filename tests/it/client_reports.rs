//! Client reports: Sentry is told of what was discarded on the device, and of nothing twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use throughline::event::{ErrorEvent, Lane, Log, Severity};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry};

use crate::sentry::{items_of, sentry};
use crate::support::{LONG, books, until};

fn answer(status: u16, headers: &[&str]) -> Answer {
    let json = "content-type: application/json";
    let headers = headers.iter().chain(&[json]).map(|header| (*header).to_owned()).collect();
    Answer::Status(status, headers, b"{}".to_vec())
}

fn start(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>) -> Telemetry {
    let mut host = Host::default();
    host.clock = Clock::Manual(Arc::clone(clock));
    let config = sentry(dir, server, |sentry| sentry).queue_bytes(1 << 20).crash_bytes(64 << 10);
    Telemetry::start_with(config.build().unwrap(), Consent::Granted, host).unwrap()
}

/// A client that cannot send and has had to give up some of the errors and logs that wait.
fn overfull(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>) -> Telemetry {
    server.always(Some(answer(503, &[])));
    let telemetry = start(dir, server, clock);
    telemetry.flush(Duration::from_millis(100));
    let text = "x".repeat(60_000);
    for n in 0..10 {
        telemetry.record_log(&Log::new(Severity::Info, &text)).unwrap();
        telemetry.record_error(&ErrorEvent::new(&format!("E{n}"), "m")).unwrap();
        assert!(telemetry.drain(LONG));
    }
    for n in 10..40 {
        telemetry.record_error(&ErrorEvent::new(&format!("E{n}"), "m").stack(&text)).unwrap();
        assert!(telemetry.drain(LONG));
    }
    let dropped = books(&telemetry).dropped;
    assert!(
        dropped.get(Lane::Error, DropReason::QuotaBytes) > 0 && dropped.get(Lane::Bulk, DropReason::QuotaBytes) > 0
    );
    telemetry
}

/// The counts of a report, by reason and category.
type Counts = BTreeMap<(String, String), u64>;

/// The reports in what the server was sent, whether or not it keeps that: which request each was
/// in, and its counts.
fn reports(server: &FaultServer) -> Vec<(usize, Counts)> {
    let mut reports = Vec::new();
    for (at, request) in server.received().iter().enumerate() {
        for (_, report) in items_of(&request.body).iter().filter(|(kind, _)| kind == "client_report") {
            let word = |entry: &Json, name: &str| entry[name].as_str().unwrap().to_owned();
            let entries = report["discarded_events"].as_array().unwrap().iter();
            let counts = entries
                .map(|entry| ((word(entry, "reason"), word(entry, "category")), entry["quantity"].as_u64().unwrap()));
            reports.push((at, counts.collect()));
        }
    }
    reports
}

fn count(report: &Counts, reason: &str, category: &str) -> u64 {
    report.get(&(reason.to_owned(), category.to_owned())).copied().unwrap_or(0)
}

/// The ids of the events that the server was sent, of each request.
fn sent(server: &FaultServer) -> Vec<Option<String>> {
    let id = |body: &[u8]| {
        let items = items_of(body);
        let event = items.into_iter().find(|(kind, _)| kind == "event");
        event.map(|(_, event)| event["event_id"].as_str().unwrap().to_owned())
    };
    server.received().iter().map(|request| id(&request.body)).collect()
}

#[test]
fn what_was_discarded_is_told_once_by_reason_and_category_over_restarts() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let telemetry = overfull(dir.path(), &server, &clock);
    let dropped = books(&telemetry).dropped;
    // Nothing was told, because nothing was accepted: another process knows the counts.
    assert!(telemetry.shutdown(LONG));
    let before = server.received().len();
    let telemetry = start(dir.path(), &server, &clock);
    server.always(Some(answer(200, &[])));
    assert!(telemetry.flush(LONG).complete);
    let told: Vec<_> = reports(&server).into_iter().filter(|(at, _)| *at >= before).collect();
    let [(_, report)] = told.as_slice() else { panic!("{told:?}") };
    let of = |lane| dropped.get(lane, DropReason::QuotaBytes);
    assert_eq!(count(report, "cache_overflow", "error"), of(Lane::Error));
    // The lane of events has views, too, which have no place in Sentry.
    let others = count(report, "cache_overflow", "log_item") + count(report, "cache_overflow", "session");
    assert!((of(Lane::Bulk)..=of(Lane::Bulk) + of(Lane::Event)).contains(&others), "{report:?} {dropped:?}");
    assert!(report.keys().all(|(reason, _)| reason == "cache_overflow"), "{report:?}");
    // What was dropped has changed no law, and nothing is told again.
    assert_eq!(books(&telemetry).dropped.get(Lane::Error, DropReason::QuotaBytes), of(Lane::Error));
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), &server, &clock);
    telemetry.record_error(&ErrorEvent::new("Later", "m")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(reports(&server).into_iter().filter(|(at, _)| *at >= before).count(), 1);
}

#[test]
fn a_report_whose_answer_is_lost_is_told_again_with_the_same_counts() {
    let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
    let telemetry = overfull(dir.path(), &server, &clock);
    let before = server.received().len();
    server.script([Answer::LoseAck]);
    server.always(Some(answer(200, &[])));
    until("all is delivered", || {
        clock.advance(Duration::from_secs(600));
        telemetry.flush(LONG).complete
    });
    let told: Vec<_> = reports(&server).into_iter().filter(|(at, _)| *at >= before).map(|(_, report)| report).collect();
    assert_eq!((told.len(), &told[0]), (2, &told[1]));
}

/// Relay answers 429 as soon as it limits one of the items, and keeps the others.
#[test]
fn a_report_beside_events_that_sentry_limits_is_told_once_and_the_events_are_kept() {
    for status in [429, 200] {
        let (dir, server, clock) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), ManualClock::new());
        let telemetry = overfull(dir.path(), &server, &clock);
        let before = server.received().len();
        server.script([answer(status, &["x-sentry-rate-limits: 60:error:organization"])]);
        server.always(Some(answer(200, &[])));
        telemetry.flush(Duration::from_millis(500));
        until("all is delivered", || {
            clock.advance(Duration::from_secs(600));
            telemetry.flush(LONG).complete
        });
        let told: Vec<_> = reports(&server).into_iter().map(|(at, _)| at).filter(|at| *at >= before).collect();
        assert_eq!(told, [before], "{status}: with the first request, and with no other");
        let events = sent(&server).split_off(before);
        let limited = events[0].clone().expect("errors come first");
        assert_eq!(events.iter().flatten().filter(|id| **id == limited).count(), 2, "{status}: it is sent again");
        assert_eq!(books(&telemetry).queued, 0);
    }
}
