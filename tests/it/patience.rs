//! Delivery is cheap when things go well, and fair and patient when they do not.

use std::sync::Arc;
use std::time::Duration;

use throughline::event::{Action, Custom, ErrorEvent, Log, Severity};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::time::ManualClock;
use throughline::{Conditions, Config, Consent, Destination, Environment, Network, Telemetry};
use uuid::Uuid;

use crate::carrier::{Carried, Carrier, Switch, one, status};
use crate::support::{LONG, books, builder, record_mixed, start, tick, until};

const HALF_A_DAY: Duration = Duration::from_secs(12 * 3600);

const BACKGROUND: Conditions = Conditions {
    foreground: false,
    network: Network::Metered,
    battery_percent: None,
    charging: false,
    low_power: false,
};

/// A backend that is down, as `answer` says, until the switch is on.
fn down(answer: impl Fn() -> Carried + Send + Sync + 'static) -> (Switch, Arc<Carrier>) {
    let up = Switch::default();
    let is_up = up.clone();
    let backend = Carrier::new(move |_| if is_up.is_on() { status(200) } else { answer() });
    (up, backend)
}

/// Records an action every second for a minute, and says how many requests that made.
fn requests_of_a_minute(conditions: Conditions) -> usize {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let config = Config::builder("it", dir.path()).environment(Environment::Production).endpoint("http://backend.test");
    let telemetry = backend.start(config.start_jitter(false).build().unwrap(), &clock);
    telemetry.set_conditions(conditions);
    for n in 0..60i64 {
        telemetry.record_custom(&Custom::new("position").attributes(&[("n", n.into())]));
        clock.advance(Duration::from_secs(1));
        tick(&telemetry);
        tick(&telemetry);
    }
    backend.requests()
}

#[test]
fn an_action_a_second_does_not_cost_a_request_each() {
    let requests = requests_of_a_minute(Conditions { network: Network::Metered, ..Conditions::default() });
    assert!((1..=15).contains(&requests), "{requests} requests in the foreground");
    let requests = requests_of_a_minute(BACKGROUND);
    assert!((1..=3).contains(&requests), "{requests} requests in the background");
}

#[test]
fn a_steady_trickle_is_sent_once_an_interval() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let config = one(dir.path()).flush_interval(Duration::from_secs(4)).build().unwrap();
    let telemetry = backend.start(config, &clock);
    for n in 0..200i64 {
        telemetry.record_log(&Log::new(Severity::Info, "a line").attributes(&[("n", n.into())]));
        clock.advance(Duration::from_millis(100));
        tick(&telemetry);
        tick(&telemetry);
    }
    let requests = backend.requests();
    assert!((3..=8).contains(&requests), "20 s, ten logs a second, an interval of 4 s: {requests} requests");
}

#[test]
fn what_waits_is_sent_on_the_way_to_the_background() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let id = telemetry.record_action(&Action::tap("buy")).unwrap();
    tick(&telemetry);
    assert!(!backend.has_accepted(id), "it waits for others");
    telemetry.set_conditions(BACKGROUND);
    until("the action is sent", || backend.has_accepted(id));
}

#[test]
fn the_connection_is_kept_between_the_uploads_of_a_burst() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    for _ in 0..5 {
        telemetry.record_action(&Action::tap("buy")).unwrap();
        assert!(telemetry.flush(LONG).complete);
    }
    assert_eq!(backend.idle.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(telemetry.suspend(LONG));
    assert!(backend.idle.load(std::sync::atomic::Ordering::Relaxed) > 0, "a suspended app keeps no connection");
}

#[test]
fn a_trickle_of_errors_does_not_keep_actions_on_the_device() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let config = one(dir.path()).flush_interval(Duration::from_secs(4)).build().unwrap();
    let telemetry = backend.start(config, &clock);
    let action = telemetry.record_action(&Action::tap("buy")).unwrap();
    for n in 0..20i64 {
        telemetry.record_error(&ErrorEvent::new("E", "again").attributes(&[("n", n.into())]));
        clock.advance(Duration::from_secs(1));
        tick(&telemetry);
    }
    until("the action is sent", || {
        telemetry.record_error(&ErrorEvent::new("E", "again"));
        clock.advance(Duration::from_secs(1));
        tick(&telemetry);
        backend.has_accepted(action)
    });
}

#[test]
fn a_crash_that_the_backend_fails_on_does_not_block_later_crashes() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|asked| status(if asked.contains("POISON") { 500 } else { 200 }));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let poison = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "POISON", "main")).unwrap();
    telemetry.flush(Duration::from_millis(300));
    let good = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "good", "main")).unwrap();
    for _ in 0..12 {
        telemetry.record_action(&Action::tap("something that the backend takes"));
        clock.advance(HALF_A_DAY);
        telemetry.flush(Duration::from_millis(100));
    }
    assert!(backend.has_accepted(good), "six days and {} requests later", backend.requests());
    let of_poison = || backend.seen().iter().filter(|request| request.ids.contains(&poison)).count();
    let before = of_poison();
    for _ in 0..8 {
        telemetry.record_action(&Action::tap("something that the backend takes"));
        clock.advance(HALF_A_DAY / 2);
        telemetry.flush(Duration::from_millis(100));
    }
    assert!((1..=3).contains(&(of_poison() - before)), "a crash is tried once a day: {}", of_poison() - before);
    assert_eq!(books(&telemetry).dropped.total(), 0);
}

#[test]
fn an_event_that_the_backend_fails_on_does_not_block_its_lane() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|asked| status(if asked.contains("POISON") { 502 } else { 200 }));
    let telemetry = backend.start(one(dir.path()).max_age(HALF_A_DAY * 600).build().unwrap(), &clock);
    telemetry.record_action(&Action::tap("POISON"));
    telemetry.flush(Duration::from_millis(300));
    let mut good = Vec::new();
    for _ in 0..40 {
        good.extend(telemetry.record_action(&Action::tap("good")));
        clock.advance(HALF_A_DAY);
        telemetry.flush(Duration::from_millis(100));
    }
    let late = good.iter().filter(|id| !backend.has_accepted(**id)).count();
    assert_eq!(late, 0, "of {} actions behind it", good.len());
    let books = books(&telemetry);
    assert_eq!(books.dropped.of(DropReason::Undeliverable), 1, "{books:?}");
    assert_eq!(books.dropped.total(), 1);
}

#[test]
fn one_event_among_hundreds_that_the_backend_fails_on_costs_itself_alone() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|asked| status(if asked.contains("POISON") { 500 } else { 200 }));
    let telemetry = backend.start(one(dir.path()).max_age(HALF_A_DAY * 600).build().unwrap(), &clock);
    let mut good = Vec::new();
    for n in 0..300 {
        let name = if n == 123 { "POISON" } else { "good" };
        let id = telemetry.record_action(&Action::tap(name)).unwrap();
        good.extend((n != 123).then_some(id));
    }
    for _ in 0..60 {
        // Something else that the backend takes, so that the fault is not its own.
        telemetry.record_error(&ErrorEvent::new("E", "handled"));
        clock.advance(HALF_A_DAY);
        telemetry.flush(Duration::from_millis(100));
    }
    assert!(good.iter().all(|id| backend.has_accepted(*id)));
    let books = books(&telemetry);
    assert_eq!((books.dropped.of(DropReason::Undeliverable), books.dropped.total()), (1, 1), "{books:?}");
}

#[test]
fn an_outage_of_days_drops_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let (up, backend) = down(|| status(503));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.extend(record_mixed(&telemetry, n));
        ids.extend(telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")));
        clock.advance(Duration::from_secs(3600));
        telemetry.flush(Duration::from_millis(30));
    }
    up.on();
    until("everything is delivered", || {
        clock.advance(Duration::from_secs(3600));
        telemetry.flush(Duration::from_millis(100)).waiting == 0
    });
    assert!(ids.iter().all(|id| backend.has_accepted(*id)));
    assert_eq!(books(&telemetry).dropped.total(), 0);
}

#[test]
fn what_was_frozen_ages_like_the_rest() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(503));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let old = telemetry.record_action(&Action::tap("old")).unwrap();
    telemetry.flush(Duration::from_millis(100));
    let waiting = books(&telemetry).queued;
    clock.advance(HALF_A_DAY * 40);
    assert!(telemetry.shutdown(LONG));
    let before = backend.requests();
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    telemetry.flush(Duration::from_millis(100));
    assert_eq!(books(&telemetry).dropped.of(DropReason::QuotaAge), waiting);
    assert!(!backend.seen()[before..].iter().any(|request| request.ids.contains(&old)));
}

/// Lets requests fail until the next backoff may be 15 minutes.
fn grow_backoff(backend: &Carrier, telemetry: &Telemetry, clock: &ManualClock) {
    for _ in 0..12 {
        let before = backend.requests();
        until("something is tried", || {
            clock.advance(Duration::from_secs(60));
            tick(telemetry);
            backend.requests() > before
        });
    }
}

#[test]
fn a_network_that_comes_back_ends_the_backoff() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let (up, backend) = down(|| Carried::Lost);
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")).unwrap();
    let action = telemetry.record_action(&Action::tap("a")).unwrap();
    telemetry.set_conditions(BACKGROUND);
    grow_backoff(&backend, &telemetry, &clock);
    up.on();
    clock.advance(Duration::from_millis(1));
    telemetry.set_conditions(Conditions { network: Network::Offline, ..BACKGROUND });
    telemetry.set_conditions(BACKGROUND);
    // The jitter of a returning network is 10 s. A request that was under way meanwhile may fail
    // once more, and waits for a second at the most.
    for _ in 0..15 {
        tick(&telemetry);
        clock.advance(Duration::from_secs(1));
    }
    until("both are sent without waiting for the backoff", || {
        backend.has_accepted(crash) && backend.has_accepted(action)
    });
}

#[test]
fn the_next_start_ends_the_backoff() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let (up, backend) = down(|| Carried::Lost);
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")).unwrap();
    grow_backoff(&backend, &telemetry, &clock);
    assert!(telemetry.shutdown(LONG));
    up.on();
    clock.advance(Duration::from_millis(1));
    let _telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    until("the crash is sent at once", || backend.has_accepted(crash));
}

#[test]
fn no_flush_and_no_restart_asks_a_backend_that_said_not_for_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(429, vec!["retry-after: 3600".into()], vec![])));
    for _ in 0..3 {
        let telemetry = start(dir.path(), &server.url());
        for n in 0..12 {
            record_mixed(&telemetry, n);
        }
        for _ in 0..5 {
            telemetry.flush(Duration::from_millis(100));
        }
        assert!(telemetry.shutdown(LONG));
    }
    assert_eq!(server.received().len(), 1);
}

/// Logs that compress badly, to about 550 bytes each.
fn record_noise(telemetry: &Telemetry, count: u64) -> Vec<Uuid> {
    let digit = |n: u64, k: u64| (n * 7_919 + k * 104_729).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise = |n: u64| (0..60).map(|k| format!("{:x}", digit(n, k))).collect::<String>();
    (0..count).filter_map(|n| telemetry.record_log(&Log::new(Severity::Info, &noise(n)))).collect()
}

#[test]
fn the_daily_cap_holds_for_requests_that_fail() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(502));
    let config = one(dir.path()).daily_bytes(20_000u64).session_events(false).build().unwrap();
    let telemetry = backend.start(config, &clock);
    record_noise(&telemetry, 400);
    assert!(telemetry.drain(LONG));
    telemetry.set_conditions(BACKGROUND);
    for _ in 0..90 {
        clock.advance(Duration::from_secs(901));
        tick(&telemetry);
        tick(&telemetry);
    }
    let sum: usize = backend.seen().iter().map(|request| request.bytes).sum();
    assert!(sum > 0 && sum <= 20_000, "{sum} bytes in {} requests within a day", backend.requests());
}

#[test]
fn what_is_larger_than_a_days_bytes_is_sent_over_several_days() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let config = one(dir.path()).daily_bytes(20_000u64).session_events(false).build().unwrap();
    let telemetry = backend.start(config, &clock);
    // A crash is sent in spite of the cap, and tells what was recorded before it.
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")).unwrap();
    let ids = record_noise(&telemetry, 100);
    assert!(telemetry.drain(LONG));
    let mut seen = 0;
    // The queue's clock began an hour before midnight.
    clock.advance(Duration::from_secs(23 * 3_600));
    for day in 0..6 {
        for _ in 0..8 {
            tick(&telemetry);
            telemetry.flush(LONG);
            clock.advance(Duration::from_secs(3 * 3_600));
        }
        let sum: usize = backend.seen().iter().skip(seen).map(|request| request.bytes).sum();
        seen = backend.requests();
        assert!(sum <= 20_000, "{sum} bytes on day {day}");
    }
    assert!(backend.has_accepted(crash) && ids.iter().all(|id| backend.has_accepted(*id)));
    assert_eq!(books(&telemetry).dropped.total(), 0);
}

#[test]
fn no_single_answer_costs_a_crash() {
    let statuses = [
        400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 415, 421, 422, 425, 429, 431, 451, 500, 501, 505,
        511,
    ];
    for answer in statuses {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let telemetry = start(dir.path(), &server.url());
        assert!(telemetry.flush(LONG).complete);
        server.script([Answer::Status(answer, vec![], vec![])]);
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")).unwrap();
        for _ in 0..3 {
            telemetry.flush(Duration::from_secs(2));
        }
        assert_eq!(books(&telemetry).dropped.total(), 0, "after one {answer}");
        if answer != 413 {
            assert!(server.stored_ids().contains(&crash), "after one {answer}");
        }
    }
}

/// Two destinations, of which the first takes requests and never answers.
fn half_dead() -> Arc<Carrier> {
    Carrier::new(|asked| if asked.url.starts_with("http://a.test") { Carried::Silence } else { status(200) })
}

fn with_two(dir: &std::path::Path, backend: &Arc<Carrier>, clock: &Arc<ManualClock>) -> Telemetry {
    let config = builder(dir)
        .destination(Destination::new("a", "http://a.test"))
        .destination(Destination::new("b", "http://b.test"))
        .build()
        .unwrap();
    Telemetry::start_with(config, Consent::Granted, backend.host(clock)).unwrap()
}

#[test]
fn a_backend_that_hangs_does_not_starve_the_other() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = half_dead();
    let telemetry = with_two(dir.path(), &backend, &clock);
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main")).unwrap();
    until("the other backend has the crash", || backend.has_accepted(crash));
    let action = telemetry.record_action(&Action::tap("a")).unwrap();
    telemetry.flush(Duration::from_millis(50));
    until("the other backend has the action", || backend.has_accepted(action));
}

#[test]
fn a_request_that_a_suspension_cuts_short_is_counted_as_a_failure() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = half_dead();
    let telemetry = with_two(dir.path(), &backend, &clock);
    telemetry.record_action(&Action::tap("a")).unwrap();
    let to_a = || backend.seen().iter().filter(|request| request.url.starts_with("http://a.test")).count();
    telemetry.flush(Duration::from_millis(50));
    until("a request hangs", || to_a() > 0);
    for _ in 0..5 {
        assert!(telemetry.suspend(LONG));
        assert!(telemetry.resume(LONG));
        let id = telemetry.record_action(&Action::tap("b")).unwrap();
        telemetry.flush(Duration::from_millis(50));
        until("the other backend has the action", || backend.has_accepted(id));
    }
    let books = telemetry.books(LONG).unwrap();
    assert!(books.iter().all(|books| books.balanced() && books.dropped.total() == 0), "{books:?}");
}

#[test]
fn no_connection_is_kept_and_nothing_spins_once_consent_is_withdrawn() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    telemetry.record_action(&Action::tap("buy")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    telemetry.set_consent(Consent::Pending).unwrap();
    // Were it kept, its time would be over again and again, and the worker would never sleep.
    until("the connection is closed", || backend.idle.load(std::sync::atomic::Ordering::Relaxed) > 0);
}
