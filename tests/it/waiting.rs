//! What waits for the user's consent: what gives way, and what grows old.

use std::time::Duration;

use throughline::event::{Action, ErrorEvent, Log, Severity};
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry, Value};

use crate::support::{LONG, books, builder, until};

#[test]
fn a_crash_that_waits_for_consent_outlives_a_flood_of_logs() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Pending).unwrap();
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "m", "main")).unwrap();
    let blob = vec![7u8; 4_000];
    let attributes: Vec<_> = (0..24).map(|_| ("blob", Value::Bytes(&blob))).collect();
    let mut logs = 0;
    while logs < 150 {
        let log = Log::new(Severity::Info, "a line").attributes(&attributes);
        logs += usize::from(telemetry.record_log(&log).is_some());
        assert!(telemetry.drain(LONG));
    }
    let before = books(&telemetry);
    assert!(before.dropped.of(DropReason::QuotaBytes) > 0, "{before:?}");
    telemetry.set_consent(Consent::Granted).unwrap();
    until("the crash arrives", || {
        telemetry.flush(LONG);
        server.stored_ids().contains(&crash)
    });
    assert!(telemetry.flush(LONG).complete);
    books(&telemetry);
}

#[test]
fn what_waits_for_consent_grows_old_like_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let open = |consent| {
        let config = builder(dir.path()).endpoint(server.url()).max_age(Duration::from_secs(86_400)).build().unwrap();
        let mut host = Host::default();
        host.clock = Clock::Manual(clock.clone());
        let telemetry = Telemetry::start_with(config, consent, host).unwrap();
        assert!(telemetry.drain(LONG));
        telemetry
    };
    let telemetry = open(Consent::Pending);
    let old = telemetry.record_action(&Action::tap("old")).unwrap();
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "m", "main")).unwrap();
    assert!(telemetry.drain(LONG));
    clock.advance(Duration::from_secs(23 * 3_600));
    let young = telemetry.record_action(&Action::tap("young")).unwrap();
    assert!(telemetry.drain(LONG));
    clock.advance(Duration::from_secs(2 * 3_600));
    assert!(telemetry.shutdown(LONG));
    let telemetry = open(Consent::Pending);
    assert!(books(&telemetry).dropped.of(DropReason::QuotaAge) >= 1);
    telemetry.set_consent(Consent::Granted).unwrap();
    until("what is young enough arrives", || {
        telemetry.flush(LONG);
        server.stored_ids().contains(&young)
    });
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    assert!(stored.contains(&crash) && !stored.contains(&old));
    books(&telemetry);
}
