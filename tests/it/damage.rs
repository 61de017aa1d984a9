//! Damaged files are recovered step by step, and what only looks like damage is left alone.

use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use throughline::event::Action;
use throughline::internals::queue::{FILE, QueueLimits, open_or_rebuild};
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::time::Clock;
use throughline::{Consent, StorageState, Telemetry};

use crate::support::{LONG, books, builder, record_mixed, start, until};

const LIMITS: QueueLimits =
    QueueLimits { queue_bytes: 8 << 20, crash_bytes: 1 << 20, max_age: Duration::from_secs(86_400) };

#[test]
fn a_database_of_a_later_version_is_set_aside_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    record_mixed(&telemetry, 0);
    assert!(telemetry.shutdown(LONG));
    let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    assert!(telemetry.drain(LONG));
    assert!(telemetry.health().set_aside.unwrap().contains("later version (99)"));
    assert!(dir.path().join("quarantine/newer-99-0").join(FILE).exists());
}

#[test]
fn garbage_in_place_of_the_database_costs_only_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), vec![0x5a; 100_000]).unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let id = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&id));
    assert_eq!(books(&telemetry).delivered, 2);
}

#[test]
fn a_database_that_killed_its_reader_four_times_is_set_aside_unread() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_or_rebuild(dir.path(), LIMITS, &Clock::System).unwrap());
    fs::write(dir.path().join("opening"), "4").unwrap();
    let (queue, opened) = open_or_rebuild(dir.path(), LIMITS, &Clock::System).unwrap();
    assert!(opened.set_aside.unwrap().contains("4 times"));
    assert!(!dir.path().join("opening").exists());
    drop(queue);
}

#[test]
fn a_locked_device_is_waited_for_and_nothing_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let before = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.shutdown(LONG));
    // Another connection holds an exclusive transaction. SQLite then answers SQLITE_BUSY, which is
    // treated like the denied access of a device before its first unlock.
    let other = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let telemetry =
        Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted).unwrap();
    let meanwhile = record_mixed(&telemetry, 1).unwrap();
    until("the client finds the database locked", || matches!(telemetry.health().storage, StorageState::Locked(_)));
    drop(other);
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    assert!(stored.contains(&before) && stored.contains(&meanwhile));
    assert!(!dir.path().join("quarantine").exists());
}

#[test]
fn a_journal_truncated_under_the_mapping_is_said_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.drain(LONG));
    // The run file too, into which a crash would be written.
    for file in fs::read_dir(dir.path().join("runs")).unwrap().flatten() {
        File::options().write(true).open(file.path()).unwrap().set_len(0).unwrap();
    }
    let ids: Vec<_> = (0..500).map(|n| record_mixed(&telemetry, n).unwrap()).collect();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(telemetry.health().journal, Some(throughline::health::JournalMode::Lost));
    let stored = server.stored_ids();
    assert!(ids.iter().all(|id| stored.contains(id)));
    books(&telemetry);
}

#[test]
fn a_process_that_dies_while_it_reads_a_damaged_database_goes_on_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    for n in 0..3_000 {
        record_mixed(&telemetry, n).unwrap();
        if n % 500 == 0 {
            assert!(telemetry.drain(LONG));
        }
    }
    assert!(telemetry.drain(LONG));
    let rows = telemetry.health().queued();
    assert!(telemetry.shutdown(LONG));
    let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    db.execute("UPDATE state SET crc = crc + 1 WHERE key = 'age'", []).unwrap();
    drop(db);
    for steps in [1, 4, 6] {
        let (mut queue, _) = open_or_rebuild(dir.path(), LIMITS, &Clock::System).unwrap();
        assert!(queue.is_salvaging());
        for _ in 0..steps {
            assert!(queue.salvage_step().unwrap());
        }
    }
    // Events that are recorded while the database is read out are delivered, too, and nothing is
    // delivered twice.
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let id = record_mixed(&telemetry, 9_000).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    assert!(stored.contains(&id));
    assert!(stored.len() as u64 > rows, "{} of {rows} rows and the new events", stored.len());
    assert_eq!(books(&telemetry).dropped.total(), 0, "a lane was booked twice");
}

#[test]
fn a_marker_that_outlived_its_reading_does_not_bring_the_old_books_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let before = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.shutdown(LONG));
    let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    db.execute("UPDATE state SET crc = crc + 1 WHERE key = 'age'", []).unwrap();
    drop(db);
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    assert!(telemetry.shutdown(LONG));
    let sent = server.stored_ids();
    assert!(sent.contains(&before));
    // The process has died after everything was read, but before the marker was removed.
    let marker = dir.path().join("quarantine/damaged-0/unread");
    assert!(!marker.exists());
    fs::write(&marker, "").unwrap();
    let telemetry = start(dir.path(), &server.url());
    let after = record_mixed(&telemetry, 1).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(!marker.exists());
    let stored = server.stored_ids();
    assert!(stored.contains(&after));
    assert_eq!(stored.iter().filter(|id| **id == before).count(), 1, "the old rows were read once more");
    books(&telemetry);
}

#[test]
fn a_row_in_a_place_that_the_books_have_not_given_is_damage_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    let before = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.shutdown(LONG));
    let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    db.execute("INSERT INTO lane_event(seq, row) SELECT max(seq) + 1, x'00' FROM lane_event", []).unwrap();
    drop(db);
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let after = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    assert!(stored.contains(&before) && stored.contains(&after));
    assert!(telemetry.health().set_aside.unwrap().contains("UNIQUE"));
    books(&telemetry);
}

#[test]
fn a_directory_in_the_place_of_the_database_or_its_log_is_set_aside() {
    for name in ["queue.db", "queue.db-wal"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(name)).unwrap();
        let server = FaultServer::start().unwrap();
        let telemetry = start(dir.path(), &server.url());
        let id = record_mixed(&telemetry, 0).unwrap();
        assert!(telemetry.flush(LONG).complete, "{name}");
        assert!(server.stored_ids().contains(&id));
        books(&telemetry);
    }
}

#[test]
fn a_lane_whose_books_are_lost_has_accepted_at_least_what_was_dropped() {
    for destination in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let start = |rate: f64| {
            let config = builder(dir.path()).session_sample_rate(rate);
            let config = if destination { config.endpoint(server.url()) } else { config };
            Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap()
        };
        let telemetry = start(0.0);
        for n in 0..300 {
            record_mixed(&telemetry, n);
        }
        assert!(telemetry.shutdown(LONG));
        let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
        db.execute("UPDATE state SET crc = crc + 1 WHERE key LIKE 'lane/%' OR key = 'age'", []).unwrap();
        drop(db);
        let telemetry = start(1.0);
        record_mixed(&telemetry, 0).unwrap();
        assert_eq!(telemetry.flush(LONG).complete, destination);
        let books = books(&telemetry);
        assert!(books.dropped.of(DropReason::SampledOut) > 150, "{books:?}");
    }
}

#[test]
fn a_log_that_loses_its_end_after_a_checkpoint_leaves_books_that_balance() {
    let dir = tempfile::tempdir().unwrap();
    let config = || builder(dir.path()).endpoint("http://127.0.0.1:9").build().unwrap();
    let telemetry = Telemetry::start(config(), Consent::Granted).unwrap();
    let filler = "x".repeat(900);
    let record = |from: i64, to: i64| {
        for n in from..to {
            let attributes = [("n", n.into()), ("filler", filler.as_str().into())];
            telemetry.record_action(&Action::tap("x").attributes(&attributes)).unwrap();
            if n % 200 == 0 {
                assert!(telemetry.drain(LONG));
            }
        }
        assert!(telemetry.drain(LONG));
    };
    // More than SQLite keeps in its log: it writes it back into the database, and begins again at
    // the front of the same file.
    record(0, 3_000);
    let copy_to = |to: &std::path::Path| {
        let from = dir.path().join(".").into_os_string();
        assert!(Command::new("cp").args(["-r".into(), from, to.into()]).status().unwrap().success());
        to.join("queue.db-wal")
    };
    for more in 0..3 {
        record(3_000 + 600 * more, 3_600 + 600 * more);
        for eighth in [0, 1, 4, 7] {
            let killed = tempfile::tempdir().unwrap();
            let log = copy_to(killed.path());
            let length = fs::metadata(&log).unwrap().len();
            File::options().write(true).open(&log).unwrap().set_len(length * eighth / 8).unwrap();
            let server = FaultServer::start().unwrap();
            let next = start(killed.path(), &server.url());
            let id = record_mixed(&next, 0).unwrap();
            let outcome = next.flush(LONG);
            assert!(outcome.complete, "{eighth}/8 of the log of {length} bytes: {outcome:?}");
            let books = books(&next);
            assert_eq!(books.queued, 0, "{eighth}/8 of the log of {length} bytes: {books:?}");
            assert!(server.stored_ids().contains(&id));
        }
    }
}

/// Makes the books unreadable, so that the next opening sets the database aside.
fn damage(dir: &std::path::Path) {
    let db = rusqlite::Connection::open(dir.join(FILE)).unwrap();
    db.execute("UPDATE state SET crc = crc + 1 WHERE key = 'age'", []).unwrap();
}

#[test]
fn a_damaged_database_costs_none_of_the_events_that_wait_for_consent() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let undecided =
        || Telemetry::start(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Pending).unwrap();
    let telemetry = undecided();
    let before: Vec<_> = (0..900).filter_map(|n| record_mixed(&telemetry, n)).collect();
    assert!(telemetry.drain(LONG));
    telemetry.shutdown(LONG);
    damage(dir.path());
    // Still undecided: what was read out waits again, before what comes now.
    let telemetry = undecided();
    let meanwhile = record_mixed(&telemetry, 0).unwrap();
    let waiting = books(&telemetry);
    assert_eq!(waiting.dropped.total(), 0, "{waiting:?}");
    assert!(waiting.queued > 900 && server.received().is_empty());
    telemetry.set_consent(Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let stored = server.stored_ids();
    for id in before.iter().chain([&meanwhile]) {
        assert_eq!(stored.iter().filter(|stored| *stored == id).count(), 1, "{id}");
    }
    assert_eq!((books(&telemetry).queued, books(&telemetry).dropped.total()), (0, 0));
}
