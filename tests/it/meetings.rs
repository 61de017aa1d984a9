//! Where contexts, consent, tail sampling and several processes meet.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use throughline::event::{Action, ErrorEvent};
use throughline::health::StorageState;
use throughline::internals::queue::{QueueLimits, open_or_rebuild};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::value::Value;
use throughline::{Consent, Destination, Host, Network, OtlpSignal, TailSampling, Telemetry};

use crate::app::{received, text};
use crate::remote::{App, Sign};
use crate::support::{
    LONG, books, builder, database_bytes, online, record_mixed, runs_and_contexts, start, tick, until, walk,
};

const KIB: u64 = 1024;

/// The only journal below a directory.
fn journal(dir: &Path) -> PathBuf {
    walk(dir).into_iter().find(|path| path.extension().is_some_and(|end| end == "journal")).unwrap()
}

/// Records taps, each with a global attribute of its own.
fn taps_with_long_contexts(telemetry: &Telemetry, taps: u32) {
    let long = "x".repeat(900);
    for n in 0..taps {
        telemetry.set_global_attribute("cart.summary", Some(Value::Text(&format!("{n} {long}"))));
        assert!(telemetry.record_action(&Action::tap(&n.to_string())).is_some(), "tap {n} was refused");
        if n % 100 == 0 {
            assert!(telemetry.drain(LONG));
        }
    }
    tick(telemetry);
}

/// The attribute that the tap of this name arrived with is the one that it was recorded with.
fn assert_own_contexts(server: &FaultServer) -> usize {
    let received = received(server);
    let taps = received.logs.iter().map(|log| (text(&log.attributes, "app.widget.name"), &log.attributes));
    let taps: Vec<_> = taps.filter(|(tap, _)| tap.parse::<u32>().is_ok()).collect();
    for (tap, attributes) in &taps {
        let cart = text(attributes, "cart.summary");
        assert!(cart.starts_with(&format!("{tap} ")), "tap {tap} has the attribute {cart:.9}");
    }
    taps.len()
}

#[test]
fn contexts_of_what_waits_for_consent_do_not_fill_the_database_until_nothing_fits_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Pending).unwrap();
    taps_with_long_contexts(&telemetry, 2_500);
    assert_eq!(telemetry.health().storage, StorageState::Open);
    let bytes = database_bytes(dir.path());
    // SQLite's log is as large as the database at the most.
    assert!(bytes < 2 * 1_536 * KIB, "{bytes} bytes on the disk for a queue of 1 MiB");
    telemetry.set_consent(Consent::Granted).unwrap();
    let later = telemetry.record_action(&Action::tap("later")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&later));
    let books = books(&telemetry);
    assert!(books.delivered > 100, "{books:?}");
    assert_eq!(books.dropped.total(), books.dropped.of(DropReason::QuotaBytes), "{books:?}");
    assert!(assert_own_contexts(&server) > 100);
}

#[test]
fn contexts_of_a_session_that_is_kept_aside_push_out_nothing_that_is_to_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
    let config = config.tail_sampling(TailSampling::default()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    online(&telemetry, Network::Offline);
    let wanted: Vec<_> = (0..50).map(|_| telemetry.record_action(&Action::tap("wanted")).unwrap()).collect();
    assert!(telemetry.drain(LONG));
    telemetry.set_session_sample_rate(0.0).unwrap();
    taps_with_long_contexts(&telemetry, 2_500);
    online(&telemetry, Network::Unmetered);
    assert!(telemetry.flush(LONG).complete, "{:?}", books(&telemetry));
    let stored = server.stored_ids();
    let lost = wanted.iter().filter(|id| !stored.contains(id)).count();
    assert_eq!(lost, 0, "{:?}", books(&telemetry));
}

#[test]
fn what_an_app_records_after_it_was_taken_for_dead_still_says_whose_it_is() {
    for is_removed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut app = App::start(dir.path(), &server.url(), Sign::Number);
        app.record("tap before");
        app.must("flush");
        app.must("suspend");
        let session = app.tell("session");
        app.record("tap in the background");
        let journal = journal(dir.path());
        if is_removed {
            std::fs::remove_file(&journal).unwrap();
        } else {
            // It is suspended for longer than anybody waits: as if it had never said that it lives.
            let file = std::fs::File::options().write(true).open(&journal).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[0; 56], 256).unwrap();
        }
        let mut other = App::start(dir.path(), &server.url(), Sign::Number);
        other.must("flush");
        app.record("tap later");
        app.must("resume");
        app.record("tap after");
        app.must("flush");
        let received = received(&server);
        for name in ["before", "in the background", "later", "after"] {
            let mut taps = received.logs.iter().filter(|log| text(&log.attributes, "app.widget.name") == name);
            let tap = taps.next().unwrap_or_else(|| panic!("`{name}` has not arrived"));
            assert_eq!(text(&tap.attributes, "session.id"), session, "`{name}`, removed: {is_removed}");
        }
    }
}

#[test]
fn what_waits_for_consent_leaves_room_for_a_crash_in_a_small_queue() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).queue_bytes(1024 * KIB).crash_bytes(128 * KIB);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Pending).unwrap();
    let long = "x".repeat(900);
    for n in 0..12_000 {
        assert!(telemetry.record_action(&Action::tap(&long)).is_some(), "tap {n} was refused");
        if n % 100 == 0 {
            assert!(telemetry.drain(LONG));
        }
    }
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "while nobody had decided", "main")).unwrap();
    assert!(telemetry.drain(LONG));
    assert_eq!(telemetry.health().storage, StorageState::Open);
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&crash));
    let books = books(&telemetry);
    assert!(books.delivered > 100, "{books:?}");
    assert_eq!(books.dropped.total(), books.dropped.of(DropReason::QuotaBytes), "{books:?}");
}

#[test]
fn an_app_whose_run_another_process_has_ended_loses_no_crash_when_it_comes_back() {
    for is_delivered in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut app = App::start(dir.path(), &server.url(), Sign::Number);
        if is_delivered {
            app.must("flush");
        } else {
            server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
            app.record("tap before");
        }
        app.must("suspend");
        let session = app.tell("session");
        // The system has cleaned up: nothing says any more that the app lives.
        std::fs::remove_file(journal(dir.path())).unwrap();
        let mut other = App::start(dir.path(), &server.url(), Sign::Number);
        other.tell("flush");
        other.kill();
        server.always(None);
        app.must("resume");
        assert!(!dir.path().join("process-1").exists());
        app.record("tap after");
        app.must("flush");
        let logs = received(&server).logs;
        let tap = logs.iter().find(|log| text(&log.attributes, "app.widget.name") == "after").unwrap();
        assert_eq!(text(&tap.attributes, "session.id"), session, "delivered: {is_delivered}");
        app.must("suspend");
        let crash = app.record("crash SIGSEGV");
        app.kill();
        let next = start(dir.path(), &server.url());
        until("the crash arrives", || next.flush(LONG).complete && server.stored_ids().contains(&crash));
        assert_eq!(books(&next).dropped.total(), 0, "delivered: {is_delivered}");
    }
}

#[test]
fn a_user_who_never_decides_leaves_no_runs_behind() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    for _ in 0..20 {
        let mut host = Host::default();
        host.clock = Clock::Manual(clock.clone());
        let config = builder(dir.path()).endpoint("http://127.0.0.1:9").max_age(Duration::from_secs(3600));
        let telemetry = Telemetry::start_with(config.build().unwrap(), Consent::Pending, host).unwrap();
        telemetry.record_action(&Action::tap("x"));
        tick(&telemetry);
        assert!(telemetry.shutdown(LONG));
        clock.advance(Duration::from_secs(2 * 3600));
    }
    let (runs, contexts) = runs_and_contexts(dir.path());
    assert!(runs <= 3 && contexts < 20, "after 20 starts: {runs} runs, {contexts} contexts");
}

#[test]
fn what_is_recorded_after_the_database_was_damaged_still_says_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.record("tap before");
    app.must("flush");
    app.must("suspend");
    let session = app.tell("session");
    app.record("tap in the background");
    let db = rusqlite::Connection::open(dir.path().join("queue.db")).unwrap();
    db.execute("UPDATE contexts SET crc = crc + 1", []).unwrap();
    db.execute("UPDATE state SET crc = crc + 1 WHERE key = 'age'", []).unwrap();
    drop(db);
    app.must("resume");
    app.record("tap after");
    app.must("flush");
    let logs = received(&server).logs;
    for name in ["in the background", "after"] {
        let tap = logs.iter().find(|log| text(&log.attributes, "app.widget.name") == name).unwrap();
        assert_eq!(text(&tap.attributes, "session.id"), session, "`{name}`");
    }
}

/// A sequence of numbers that looks random and is the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The database as a process leaves it that is killed now, opened by the next one.
fn assert_sound_if_killed(dir: &Path, what: &str) {
    let killed = tempfile::tempdir().unwrap();
    let from = dir.join(".").into_os_string();
    assert!(Command::new("cp").args(["-r".into(), from, killed.path().into()]).status().unwrap().success());
    let limits = QueueLimits { queue_bytes: 1 << 20, crash_bytes: 1 << 17, max_age: Duration::from_secs(3600) };
    let (queue, opened) = open_or_rebuild(killed.path(), limits, &Clock::System).unwrap();
    assert_eq!(opened.set_aside, None, "{what}");
    for books in queue.books().unwrap() {
        assert!(books.balanced(), "{what}: {books:?}");
    }
}

#[test]
fn a_process_that_is_killed_whatever_it_did_leaves_a_database_that_the_next_one_trusts() {
    let seeds = std::env::var("THROUGHLINE_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seeds.map_or(1..3u64, |seed| seed..seed + 1) {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let (server, other) = (FaultServer::start().unwrap(), FaultServer::start().unwrap());
        let refused = Some(Answer::Status(404, Vec::new(), Vec::new()));
        let clock = ManualClock::new();
        let mut host = Host::default();
        host.clock = Clock::Manual(clock.clone());
        let logs = Destination::new("logs", server.url()).signals([OtlpSignal::Logs, OtlpSignal::Traces]);
        let traces = Destination::new("traces", other.url()).signals([OtlpSignal::Traces]);
        let config = builder(dir.path()).destination(logs).destination(traces).queue_bytes(1024 * KIB);
        let config = config.crash_bytes(128 * KIB).max_age(Duration::from_secs(3600));
        let config = config.tail_sampling(TailSampling::default()).build().unwrap();
        let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
        let long = "x".repeat(900);
        for step in 0..50 {
            match random.below(10) {
                0..4 => {
                    for n in 0..random.below(300) as usize {
                        if n % 2 == 0 {
                            telemetry.set_global_attribute("cart", Some(Value::Text(&format!("{step} {n} {long}"))));
                        }
                        record_mixed(&telemetry, n);
                    }
                }
                4 => telemetry.set_session_sample_rate(random.below(2) as f64).unwrap(),
                5 => {
                    let consent = if random.below(2) == 0 { Consent::Pending } else { Consent::Granted };
                    telemetry.set_consent(consent).unwrap();
                }
                6 => server.always(refused.clone().filter(|_| random.below(2) == 0)),
                7 => other.always(refused.clone().filter(|_| random.below(2) == 0)),
                8 => clock.advance(Duration::from_secs(random.below(2_000))),
                _ => {
                    telemetry.record_error(&ErrorEvent::new("E", "worth keeping"));
                }
            }
            online(&telemetry, Network::Unmetered);
            telemetry.flush(Duration::from_millis(200));
            online(&telemetry, Network::Offline);
            tick(&telemetry);
            assert_sound_if_killed(dir.path(), &format!("seed {seed}, step {step}"));
            assert_eq!(telemetry.health().set_aside, None, "seed {seed}, step {step}");
            for books in telemetry.books(LONG).unwrap() {
                assert!(books.balanced(), "seed {seed}, step {step}: {books:?}");
            }
        }
    }
}
