//! Panics are recorded once, whoever panics and whatever is locked meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::event::{Log, Severity};
use throughline::testing::FaultServer;
use throughline::{Consent, EventHook, EventView, Host, Telemetry};

use crate::app::{received, text};
use crate::support::{LONG, builder, start, until};

/// The panics that have arrived and whose message contains a word: the hook sees those of all tests
/// that run at the same time.
fn panics(server: &FaultServer, word: &str) -> Vec<LogRecord> {
    let is_it = |log: &LogRecord| {
        text(&log.attributes, "exception.type") == "panic" && text(&log.attributes, "exception.message").contains(word)
    };
    received(server).logs.into_iter().filter(is_it).collect()
}

/// Runs this test once more as a process of its own, which finds `dir` in its environment. Returns
/// how it ended.
fn as_child(name: &str, dir: &Path) -> std::process::ExitStatus {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([&format!("panics::{name}"), "--exact", "--nocapture"]).env("THROUGHLINE_PANICS_DIR", dir);
    child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

fn dir_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os("THROUGHLINE_PANICS_DIR").map(Into::into)
}

/// A client whose journal is mapped, so that what it records survives the process.
fn mapped(dir: &Path) -> Telemetry {
    let telemetry = Telemetry::start(builder(dir).build().unwrap(), Consent::Granted).unwrap();
    until("the journal is mapped", || telemetry.health().journal == Some(throughline::health::JournalMode::Mapped));
    assert!(telemetry.capture_panics());
    telemetry
}

#[inline(never)]
fn declines_the_card() {
    panic!("declined: card 4111111111111111 of anna@example.com");
}

#[test]
fn a_panic_that_is_caught_is_one_error_with_its_place_and_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.capture_panics() && telemetry.capture_panics());
    let operation = telemetry.start_operation("Pay");
    let trace = operation.context().unwrap().trace.trace_id;
    let pay = std::thread::Builder::new().name("checkout".to_owned());
    std::thread::scope(|scope| {
        let work = || operation.scope(|| catch_unwind(declines_the_card).unwrap_err());
        pay.spawn_scoped(scope, work).unwrap().join().unwrap();
    });
    operation.succeed();
    assert!(telemetry.flush(LONG).complete);
    let found = panics(&server, "declined");
    assert_eq!(found.len(), 1);
    let [message, stack] = ["exception.message", "exception.stacktrace"].map(|key| text(&found[0].attributes, key));
    assert!(!message.contains("4111") && !message.contains("anna"), "{message}");
    assert!(stack.starts_with("panicked at tests/it/panics.rs:"), "{stack}");
    assert_eq!(text(&found[0].attributes, "thread.name"), "checkout");
    assert_eq!(found[0].trace_id, trace);
    // On a busy machine a panic may be recorded before its frames are known.
    until("a panic has frames", || {
        catch_unwind(declines_the_card).unwrap_err();
        assert!(telemetry.flush(LONG).complete);
        let stacks = panics(&server, "declined").into_iter().map(|log| text(&log.attributes, "exception.stacktrace"));
        let frame = |stack: String| stack.lines().nth(1).map(str::to_owned);
        let first: Vec<String> = stacks.filter_map(frame).collect();
        assert!(first.iter().all(|frame| frame.contains("declines_the_card")), "{first:?}");
        !first.is_empty()
    });
}

#[test]
fn a_loop_of_panics_is_not_a_loop_of_backtraces() {
    // All tests of a process share the backtraces of a minute.
    if let Some(dir) = dir_of_child() {
        let _telemetry = mapped(&dir);
        for _ in 0..200 {
            catch_unwind(|| panic!("around and around")).unwrap_err();
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(as_child("a_loop_of_panics_is_not_a_loop_of_backtraces", dir.path()).success());
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    let found = panics(&server, "around and around");
    assert_eq!(found.len(), 200);
    let with_frames = found.iter().filter(|log| text(&log.attributes, "exception.stacktrace").contains('\n')).count();
    assert!(with_frames <= 120, "{with_frames} backtraces, of at most 60 in a minute");
}

#[test]
fn a_panic_of_an_operation_is_not_recorded_twice() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let run = |text: &'static str| {
        let inner = || telemetry.start_operation("Inner").run(|| panic!("{text}"));
        let outer = AssertUnwindSafe(|| telemetry.start_operation("Outer").run(inner));
        catch_unwind(outer).unwrap_err();
    };
    run("nobody captures it");
    assert!(telemetry.capture_panics());
    run("it is captured");
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(panics(&server, "nobody captures it").len(), 2, "one of each operation, as before");
    assert_eq!(panics(&server, "it is captured").len(), 1);
    let failed = received(&server).spans.iter().filter(|span| text(&span.attributes, "error.type") == "panic").count();
    assert_eq!(failed, 4);
}

#[derive(Debug, Default)]
struct Faulty(AtomicUsize);

impl EventHook for Faulty {
    fn keep(&self, event: &EventView<'_>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(event.label != "a bug of the hook");
        true
    }

    fn rewrite(&self, text: &str) -> Option<String> {
        assert!(!text.contains("a bug while it writes"));
        None
    }
}

#[test]
fn a_hook_of_the_host_that_panics_is_counted_and_not_recorded_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let hook = Arc::new(Faulty::default());
    let mut host = Host::default();
    host.hook = Some(hook.clone());
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    assert!(telemetry.capture_panics());
    for _ in 0..20 {
        assert!(telemetry.record_log(&Log::new(Severity::Info, "a bug of the hook")).is_none());
        assert!(telemetry.record_log(&Log::new(Severity::Info, "a bug while it writes")).is_some());
    }
    assert!(telemetry.health().hook_panics >= 40);
    assert!(telemetry.flush(LONG).complete);
    assert!(panics(&server, "a bug").is_empty());
}

#[test]
fn a_client_that_is_dropped_is_not_kept_alive_by_its_panics() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.capture_panics());
    drop(telemetry);
    catch_unwind(|| panic!("nobody listens")).unwrap_err();
    let again = start(dir.path(), &server.url());
    assert!(again.flush(LONG).complete);
    assert!(panics(&server, "nobody listens").is_empty());
}

/// Panics while the panic of its owner unwinds.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the second of two");
    }
}

#[test]
fn a_panic_during_a_panic_loses_neither_and_ends_the_process_as_before() {
    let name = "a_panic_during_a_panic_loses_neither_and_ends_the_process_as_before";
    if let Some(dir) = dir_of_child() {
        let _telemetry = mapped(&dir);
        let _ = catch_unwind(|| {
            let _second = PanicsWhenDropped;
            panic!("the first of two");
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let status = as_child(name, dir.path());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6), "{status}");
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((panics(&server, "the first of two").len(), panics(&server, "the second of two").len()), (1, 1));
}

#[test]
fn a_hook_that_ends_the_process_does_not_cost_the_panic() {
    let name = "a_hook_that_ends_the_process_does_not_cost_the_panic";
    if let Some(dir) = dir_of_child() {
        std::panic::set_hook(Box::new(|_| std::process::exit(7)));
        let _telemetry = mapped(&dir);
        panic!("the last words");
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(as_child(name, dir.path()).code(), Some(7), "the app's own hook still runs");
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(panics(&server, "the last words").len(), 1);
}

#[test]
fn many_threads_that_panic_at_once_all_go_on_and_none_is_lost_unseen() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.capture_panics());
    let barrier = std::sync::Barrier::new(64);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                barrier.wait();
                catch_unwind(|| panic!("all at once")).unwrap_err();
            });
        }
    });
    // The next one says how many were left out.
    until("all of them are recorded", || {
        catch_unwind(AssertUnwindSafe(|| panic!("and one more"))).unwrap_err();
        assert!(telemetry.flush(LONG).complete);
        let logs = received(&server).logs;
        let left_out = logs.iter().filter_map(|log| text(&log.attributes, "rum.error.repeats").parse::<usize>().ok());
        let known = panics(&server, "all at once").len() + left_out.sum::<usize>();
        known >= 64
    });
}
