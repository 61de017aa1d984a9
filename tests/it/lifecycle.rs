//! How a client starts, stops, is suspended and switched off, and shares its directory.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use throughline::event::{Action, ErrorEvent, Span};
use throughline::health::JournalMode;
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::{Conditions, Consent, Host, Network, StorageState, Telemetry};

use crate::support::{LONG, books, builder, record_mixed, start, until};

fn threads() -> usize {
    let named = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).ok();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter_map(named).filter(|name| name.starts_with("throughline")).count()
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

/// Runs in a process of its own, because it counts threads and other tests run at the same time.
#[test]
fn a_client_that_is_disabled_has_no_thread_and_no_file() {
    if std::env::var_os("THROUGHLINE_ALONE").is_none() {
        let own = std::env::current_exe().unwrap();
        let name = "lifecycle::a_client_that_is_disabled_has_no_thread_and_no_file";
        let status = Command::new(own).args([name, "--exact"]).env("THROUGHLINE_ALONE", "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let telemetry = Telemetry::start(builder(&data).enabled(false).build().unwrap(), Consent::Granted).unwrap();
    assert_eq!(telemetry.record_action(&Action::tap("x")), None);
    assert_eq!((threads(), data.exists()), (0, false));
    telemetry.set_enabled(true).unwrap();
    assert!(telemetry.record_action(&Action::tap("x")).is_some());
    assert!(telemetry.drain(LONG));
    assert_eq!(threads(), 1);
    telemetry.set_enabled(false).unwrap();
    until("the thread has ended", || threads() == 0);
    assert_eq!(telemetry.record_action(&Action::tap("x")), None);
    assert_eq!(telemetry.health().storage, StorageState::Off);
    assert!(telemetry.shutdown(LONG));
    // The choice is remembered: the next client ends its thread without being told.
    let telemetry = Telemetry::start(builder(&data).build().unwrap(), Consent::Granted).unwrap();
    until("the client obeys and its thread has ended", || !telemetry.health().enabled && threads() == 0);
    telemetry.set_enabled(true).unwrap();
    assert!(telemetry.drain(LONG));
    assert!(telemetry.health().queued() >= 2);
}

#[test]
fn without_an_endpoint_events_are_kept_and_health_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).build().unwrap(), Consent::Granted).unwrap();
    record_mixed(&telemetry, 0);
    assert!(telemetry.drain(LONG));
    let health = telemetry.health();
    assert_eq!((health.queued(), health.journal), (2, Some(JournalMode::Mapped)));
    assert!(health.hints[0].contains("no endpoint"));
    let outcome = telemetry.flush(Duration::from_secs(1));
    assert!(!outcome.complete && outcome.reason.unwrap().contains("no endpoint"));
    assert!(telemetry.shutdown(LONG));
    // A destination that is configured later gets everything that is still in the queue.
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    // The session goes on, so its start was recorded once and not again.
    assert_eq!(books(&telemetry).delivered, 2);
}

#[test]
fn a_clean_end_leaves_no_journal_and_an_unclean_one_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    record_mixed(&telemetry, 0);
    assert!(telemetry.shutdown(LONG));
    assert_eq!(telemetry.record_action(&Action::tap("late")), None);
    assert_eq!(files(&dir.path().join("runs")), 0);
    assert!(telemetry.set_enabled(true).is_err());
    assert!(telemetry.flush(Duration::from_millis(10)).reason.is_some());
}

#[test]
fn an_open_view_of_a_dead_process_is_closed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    telemetry.start_view("Checkout");
    assert!(telemetry.drain(LONG));
    // A kill leaves the files as they are and releases the lock. A copy of the directory is like
    // that.
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(dir.path().join(".")).arg(copy.path()).status().unwrap();
    assert!(status.success());
    let telemetry = start(copy.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(books(&telemetry).queued, 0);
    let bodies: Vec<u8> = server.received().into_iter().flat_map(|request| request.body).collect();
    let text = String::from_utf8_lossy(&bodies);
    assert!(text.contains("process_death") && text.contains("Checkout"));
}

#[test]
fn a_second_client_gets_a_directory_of_its_own_and_its_events_are_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let first = start(dir.path(), "http://127.0.0.1:9");
    assert!(first.drain(LONG));
    let second = start(dir.path(), "http://127.0.0.1:9");
    let ids: Vec<_> = (0..30).map(|n| record_mixed(&second, n).unwrap()).collect();
    assert!(second.drain(LONG));
    assert!(dir.path().join("process-1/queue.db").exists());
    assert!(second.shutdown(LONG));
    assert!(first.shutdown(LONG));
    let third = start(dir.path(), &server.url());
    until("the directory is adopted", || {
        third.flush(LONG);
        !dir.path().join("process-1").exists()
    });
    let stored = server.stored_ids();
    assert!(ids.iter().all(|id| stored.contains(id)));
}

#[test]
fn a_suspended_client_holds_no_lock_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    record_mixed(&telemetry, 0);
    assert!(telemetry.suspend(LONG));
    assert_eq!(telemetry.health().storage, StorageState::Suspended);
    assert!(throughline::internals::dirlock::DirLock::try_lock(dir.path()).unwrap().is_some());
    let meanwhile = record_mixed(&telemetry, 1).unwrap();
    assert!(telemetry.resume(LONG));
    assert!(telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&meanwhile));
    assert_eq!(books(&telemetry).delivered, 3);
}

#[test]
fn crashes_are_sent_while_the_device_saves_power_and_the_rest_waits() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    telemetry.set_conditions(Conditions { low_power: true, ..Conditions::default() });
    record_mixed(&telemetry, 0);
    let crash = telemetry.record_error(&ErrorEvent::crash("E", "m", "s")).unwrap();
    let outcome = telemetry.flush(LONG);
    assert!(!outcome.complete && outcome.reason.unwrap().contains("saves power"));
    assert_eq!(server.stored_ids(), [crash]);
    telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
    assert!(telemetry.flush(LONG).reason.unwrap().contains("offline"));
    telemetry.set_conditions(Conditions::default());
    assert!(telemetry.flush(LONG).complete);
}

#[test]
fn sampled_out_events_are_counted_and_errors_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).session_sample_rate(0.0).trace_sample_rate(0.0);
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    assert_eq!(telemetry.record_action(&Action::tap("x")), None);
    assert!(telemetry.record_error(&ErrorEvent::new("E", "m")).is_some());
    telemetry.set_session_sample_rate(1.0).unwrap();
    assert!(telemetry.record_action(&Action::tap("x")).is_some());
    let unsampled = telemetry.new_trace().unwrap();
    assert!(!unsampled.sampled);
    assert_eq!(telemetry.record_span(&Span::new("s", unsampled, Duration::from_nanos(1))), None);
    assert!(telemetry.set_trace_sample_rate(2.0).is_err());
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    // The start of the session, one action and one span were sampled out.
    assert_eq!((books.accepted, books.delivered, books.dropped.of(DropReason::SampledOut)), (5, 2, 3));
}

#[test]
fn a_changed_rate_outlasts_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    telemetry.set_session_sample_rate(0.0).unwrap();
    assert!(telemetry.shutdown(LONG));
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    assert!(telemetry.drain(LONG));
    assert_eq!(telemetry.record_action(&Action::tap("x")), None);
}

#[test]
fn the_core_reports_about_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).self_report(true).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    let blob = vec![7u8; 4_096];
    let many: Vec<_> = (0..100).map(|_| ("blob", throughline::Value::Bytes(&blob))).collect();
    telemetry.record_action(&Action::tap("too large").attributes(&many));
    assert!(telemetry.drain(LONG));
    assert!(telemetry.flush(LONG).complete);
    let bodies: Vec<u8> = server.received().into_iter().flat_map(|request| request.body).collect();
    let text = String::from_utf8_lossy(&bodies);
    for name in ["throughline.flush", "throughline.queue.depth", "throughline.dropped", "oversize"] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn two_destinations_keep_books_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (FaultServer::start().unwrap(), FaultServer::start().unwrap());
    bad.always(Some(throughline::testing::Answer::Status(401, vec![], vec![])));
    let with_both = || {
        builder(dir.path())
            .destination(throughline::Destination::new("good", good.url()))
            .destination(throughline::Destination::new("bad", bad.url()))
    };
    let telemetry = Telemetry::start(with_both().build().unwrap(), Consent::Granted).unwrap();
    for n in 0..100 {
        record_mixed(&telemetry, n);
    }
    assert!(!telemetry.flush(Duration::from_secs(2)).complete);
    let books = telemetry.books(LONG).unwrap();
    assert!(books.iter().all(throughline::DestinationBooks::balanced), "{books:?}");
    assert_eq!((books[0].delivered, books[0].queued, books[1].delivered, books[1].queued), (101, 0, 0, 101));
    assert!(telemetry.shutdown(LONG));
    // The refusing destination is no longer configured. What it has not got is dropped and counted,
    // and the rows are deleted.
    let config = builder(dir.path()).destination(throughline::Destination::new("good", good.url()));
    let telemetry = Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(telemetry.books(LONG).unwrap()[0].queued, 0);
}

#[test]
fn contexts_of_a_long_run_do_not_pile_up_and_open_events_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    telemetry.start_view("First");
    let operation = telemetry.start_operation("Long");
    for round in 0..3 {
        (0..200).for_each(|n| {
            telemetry.push_view(&format!("V{round}.{n}"));
            telemetry.stop_view();
        });
        assert!(telemetry.flush(LONG).waiting == 0);
    }
    operation.succeed();
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);
    assert!(telemetry.shutdown(LONG));
    let db = rusqlite::Connection::open(dir.path().join(throughline::internals::queue::FILE)).unwrap();
    let contexts: u64 = db.query_row("SELECT count(*) FROM contexts", [], |row| row.get(0)).unwrap();
    assert!(contexts < 200, "{contexts}");
    // The operation was open all the time, so the view on which it began must still be known.
    let received = crate::app::received(&server);
    let long = received.spans.iter().find(|span| span.name == "Long").unwrap();
    assert_eq!(crate::app::text(&long.attributes, "app.screen.name"), "First");
}

#[test]
fn the_host_is_told_of_each_of_our_threads_and_its_panic_harms_nothing() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::default();
    host.on_thread_start = Some(|| {
        assert_eq!(std::thread::current().name(), Some("throughline"));
        BEGUN.fetch_add(1, Ordering::SeqCst);
        panic!("the host's own");
    });
    let telemetry = Telemetry::start_with(builder(dir.path()).build().unwrap(), Consent::Granted, host).unwrap();
    assert!(telemetry.record_action(&Action::tap("save")).is_some());
    assert!(telemetry.drain(LONG));
    assert_eq!((BEGUN.load(Ordering::SeqCst), telemetry.health().panics), (1, 0));
    assert!(telemetry.shutdown(LONG));
    assert!(telemetry.shutdown(LONG), "what has ended needs no time to end");
}

#[test]
fn whatever_several_threads_decide_at_once_no_event_is_sent_twice_and_the_books_balance() {
    use std::sync::atomic::AtomicBool;
    use throughline::{StorageState, TailSampling};

    fn decide(telemetry: &Telemetry, n: usize) {
        const SHORT: Duration = Duration::from_millis(200);
        match n % 14 {
            0 | 1 => telemetry.set_enabled(false).unwrap(),
            2 | 3 => telemetry.set_enabled(true).unwrap(),
            4 => telemetry.set_consent(Consent::Denied).unwrap(),
            5 => telemetry.set_consent(Consent::Pending).unwrap(),
            6 | 7 => telemetry.set_consent(Consent::Granted).unwrap(),
            8 => drop(telemetry.erase(SHORT)),
            9 => drop(telemetry.suspend(SHORT)),
            10 | 11 => drop(telemetry.resume(SHORT)),
            12 => drop(telemetry.flush(SHORT)),
            _ => {
                let rule = TailSampling { all_sessions: n.is_multiple_of(2), ..TailSampling::default() };
                telemetry.set_tail_sampling((!n.is_multiple_of(3)).then_some(rule)).unwrap();
            }
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let deciders: Vec<_> = (0..3usize)
            .map(|thread| {
                let telemetry = &telemetry;
                scope.spawn(move || {
                    let mut number = thread as u64 + 1;
                    for _ in 0..40 {
                        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        decide(telemetry, (number >> 40) as usize);
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    telemetry.start_view("View");
                    telemetry.start_operation("Operation").succeed();
                    telemetry.set_global_attribute("n", Some((n as i64).into()));
                    // Not the kind that needs a client that is on.
                    for kind in [0, 1, 2, 4, 5] {
                        record_mixed(&telemetry, kind);
                    }
                    telemetry.stop_view();
                    n += 1;
                    std::thread::yield_now();
                }
            });
        }
        deciders.into_iter().for_each(|decider| decider.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    telemetry.set_consent(Consent::Granted).unwrap();
    telemetry.set_enabled(true).unwrap();
    telemetry.set_tail_sampling(None).unwrap();
    // The journal may have filled up while nobody drained it.
    assert!(telemetry.resume(LONG));
    let mut last = None;
    crate::support::until("the client records", || {
        assert!(telemetry.drain(LONG));
        last = telemetry.record_error(&ErrorEvent::new("Last", "one that no other is like"));
        last.is_some()
    });
    let last = last.unwrap();
    let outcome = telemetry.flush(LONG);
    assert!(outcome.complete, "{outcome:?} {:?}", telemetry.health());
    assert_eq!((telemetry.health().panics, telemetry.health().storage), (0, StorageState::Open));
    books(&telemetry);
    drop(telemetry);
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete && telemetry.health().panics == 0);
    books(&telemetry);
    assert!(server.stored_ids().contains(&last));
    // One thing arrives twice by design: a request that was cut short, with the same bytes.
    let requests: HashMap<_, _> = server.received().into_iter().map(|request| (request.body, request.ids)).collect();
    let mut ids: Vec<_> = requests.into_values().flatten().map(|id| id.to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "sent twice");
}

#[test]
fn a_suspended_app_gets_no_open_file_because_the_client_is_switched_off_and_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.suspend(LONG));
    telemetry.set_enabled(false).unwrap();
    telemetry.set_enabled(true).unwrap();
    let id = record_mixed(&telemetry, 0).unwrap();
    assert!(telemetry.drain(LONG));
    assert_eq!(telemetry.health().storage, StorageState::Suspended);
    assert!(telemetry.resume(LONG) && telemetry.flush(LONG).complete);
    assert!(server.stored_ids().contains(&id));
}

#[test]
fn what_a_dead_sibling_left_is_not_sent_over_a_network_that_the_host_calls_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let first = start(dir.path(), "http://127.0.0.1:9");
    assert!(first.drain(LONG));
    let second = start(dir.path(), "http://127.0.0.1:9");
    let id = record_mixed(&second, 1).unwrap();
    assert!(second.drain(LONG));
    drop((second, first));
    assert!(dir.path().join("process-1").is_dir());
    let config = builder(dir.path()).endpoint(server.url()).enabled(false).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
    telemetry.set_enabled(true).unwrap();
    telemetry.flush(Duration::from_secs(1));
    assert!(server.received().is_empty());
    telemetry.set_conditions(Conditions::default());
    while !server.stored_ids().contains(&id) {
        telemetry.flush(LONG);
    }
}

#[test]
fn a_flush_that_may_take_for_ever_does_not_end_the_worker() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    for _ in 0..4 {
        assert!(telemetry.flush(Duration::MAX).complete);
    }
    let id = telemetry.record_action(&Action::tap("later")).unwrap();
    assert!(telemetry.flush(Duration::MAX).complete && server.stored_ids().contains(&id));
    assert_eq!(telemetry.health().panics, 0);
    assert!(telemetry.shutdown(Duration::MAX));
}
