//! What events refer to (user, global attributes, view) takes no more room than the queue has, and
//! is there as long as an event needs it.

use std::time::Duration;

use throughline::event::Action;
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::value::Value;
use throughline::{Consent, Host, Network, TailSampling, Telemetry};

use crate::app::{received, text};
use crate::support::{LONG, books, builder, database_bytes, online, runs_and_contexts, start, tick};

const KIB: u64 = 1024;

#[test]
fn an_attribute_that_changes_while_offline_fills_no_database_for_the_life_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    online(&telemetry, Network::Offline);
    let long = "x".repeat(900);
    for n in 0..2_500 {
        telemetry.set_global_attribute("cart.summary", Some(Value::Text(&format!("{n} {long}"))));
        assert!(telemetry.record_action(&Action::tap(&n.to_string())).is_some(), "tap {n} was refused");
        if n % 100 == 0 {
            assert!(telemetry.drain(LONG));
        }
    }
    tick(&telemetry);
    let bytes = database_bytes(dir.path());
    // SQLite's log is as large as the database at the most.
    assert!(bytes < 2 * 1_536 * KIB, "{bytes} bytes on the disk for a queue of 1 MiB");
    online(&telemetry, Network::Unmetered);
    let later = telemetry.record_action(&Action::tap("later")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&later));
    let books = books(&telemetry);
    assert!(books.delivered > 100, "{books:?}");
    assert_eq!(books.dropped.total(), books.dropped.of(DropReason::QuotaBytes), "{books:?}");
    let received = received(&server);
    let taps = received.logs.iter().map(|log| (text(&log.attributes, "app.widget.name"), &log.attributes));
    for (tap, attributes) in taps.filter(|(tap, _)| tap.parse::<u32>().is_ok()) {
        let cart = text(attributes, "cart.summary");
        assert!(cart.starts_with(&format!("{tap} ")), "tap {tap} has the attribute {cart:.9}");
    }
}

#[test]
fn what_has_begun_keeps_its_context_however_many_come_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    online(&telemetry, Network::Offline);
    telemetry.set_global_attribute("step", Some(Value::Text("begun")));
    telemetry.start_view("Checkout");
    let long = "x".repeat(900);
    for n in 0..2_000 {
        telemetry.set_global_attribute("step", Some(Value::Text(&format!("{n} {long}"))));
        // An event writes the context down. This one goes when there is no room for all of them.
        telemetry.record_action(&Action::tap("a"));
        if n % 100 == 0 {
            tick(&telemetry);
        }
    }
    telemetry.stop_view();
    online(&telemetry, Network::Unmetered);
    assert!(telemetry.flush(LONG).complete);
    let dropped = books(&telemetry).dropped;
    assert_eq!(dropped.total(), dropped.of(DropReason::QuotaBytes), "{dropped:?}");
    let received = received(&server);
    let views = received.named("app.screen.view");
    let steps: Vec<_> = views.iter().map(|view| text(&view.attributes, "step")).collect();
    assert_eq!(steps, ["begun"]);
}

#[test]
fn a_run_is_forgotten_with_its_last_event_while_later_ones_are_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let start = || {
        let mut host = Host::default();
        host.clock = Clock::Manual(clock.clone());
        let config = builder(dir.path()).endpoint(server.url()).session_sample_rate(0.0);
        let config = config.tail_sampling(TailSampling::default()).build().unwrap();
        Telemetry::start_with(config, Consent::Granted, host).unwrap()
    };
    for _ in 0..20 {
        let telemetry = start();
        telemetry.start_view("Home");
        for n in 0..5 {
            telemetry.set_global_attribute("n", Some(Value::Int(n)));
            telemetry.record_action(&Action::tap("x"));
            clock.advance(Duration::from_secs(70));
            tick(&telemetry);
        }
        assert!(telemetry.shutdown(LONG));
        clock.advance(Duration::from_secs(6 * 3600));
    }
    // Each start forgets what it finds over, once nothing else is to do.
    let telemetry = start();
    tick(&telemetry);
    assert!(telemetry.shutdown(LONG));
    let (runs, contexts) = runs_and_contexts(dir.path());
    assert!(runs <= 3 && contexts < 60, "after 21 starts: {runs} runs, {contexts} contexts");
}

#[test]
fn contexts_of_earlier_starts_go_with_their_events() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let long = "x".repeat(900);
    for round in 0..6 {
        let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
        let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
        online(&telemetry, Network::Offline);
        for n in 0..400 {
            telemetry.set_global_attribute("cart", Some(Value::Text(&format!("{round} {n} {long}"))));
            assert!(telemetry.record_action(&Action::tap(&format!("{round} {n}"))).is_some());
            if n % 100 == 0 {
                assert!(telemetry.drain(LONG));
            }
        }
        assert!(telemetry.shutdown(LONG));
    }
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    books(&telemetry);
    let received = received(&server);
    let taps = received.named("app.widget.click");
    assert!(taps.len() > 100, "{} taps", taps.len());
    for tap in taps {
        let (name, cart) = (text(&tap.attributes, "app.widget.name"), text(&tap.attributes, "cart"));
        assert!(cart.starts_with(&format!("{name} ")), "tap {name} has the attribute {cart:.9}");
    }
}
