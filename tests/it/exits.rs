//! What Android says about the ends of earlier processes: each of its records is reported once, and
//! what the core has reported itself is not reported again.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::event::Action;
use throughline::exits::{AndroidExit, AndroidReason, SystemExit, run_of_summary};
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry};

use crate::app::{distinct, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, start, walk};

const PROCESS: &str = "com.example.shop";

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// A record of a process that the user was using.
fn exit(reason: i32, pid: u32) -> SystemExit {
    let exit = AndroidExit {
        reason: AndroidReason::from_code(reason),
        status: 0,
        importance: 100,
        at_ms: now_ms(),
        pid,
        process: Some(PROCESS.to_owned()),
        pss_kb: 7,
        rss_kb: 9,
        run: None,
    };
    SystemExit { exit, description: "user request after error".to_owned(), trace: "\"main\" tid=1 Native".to_owned() }
}

/// A directory in which a launch has seen that the system has no record yet.
fn known(server: &FaultServer) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert!(launch(dir.path(), server, &[]).shutdown(LONG));
    dir
}

/// A launch to which the system shows these records.
fn launch(dir: &Path, server: &FaultServer, exits: &[SystemExit]) -> Telemetry {
    let next = start(dir, &server.url());
    assert!(next.report_exits(exits.to_vec(), PROCESS, LONG));
    assert!(next.flush(LONG).complete);
    books(&next);
    next
}

/// The fatal errors that the server keeps.
fn deaths(server: &FaultServer) -> Vec<LogRecord> {
    let is_death = |log: &LogRecord| ["app.crash", "app.anr", "app.oom", "app.hang"].contains(&&*log.event_name);
    distinct(server).into_iter().filter(is_death).collect()
}

fn names(server: &FaultServer) -> Vec<String> {
    let mut names: Vec<_> = deaths(server).into_iter().map(|log| log.event_name).collect();
    names.sort();
    names
}

const ANR: i32 = 6;
const LOW_MEMORY: i32 = 3;
const EXCEPTION: i32 = 4;
const NATIVE_CRASH: i32 = 5;
const USER_REQUESTED: i32 = 10;

#[test]
fn a_record_that_the_system_shows_to_each_launch_is_reported_once_ever() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let anr = exit(ANR, 4711);
    for _ in 0..3 {
        let next = launch(dir.path(), &server, &[anr.clone(), exit(USER_REQUESTED, 4712)]);
        assert!(next.report_exits(vec![anr.clone()], PROCESS, LONG));
        assert!(next.shutdown(LONG));
    }
    let [death] = deaths(&server).try_into().unwrap();
    let of = |name| text(&death.attributes, name);
    assert_eq!((&*death.event_name, of("exception.type")), ("app.anr", "ANR".to_owned()));
    assert_eq!(of("exception.stacktrace"), "\"main\" tid=1 Native");
    assert_eq!((of("process.pid"), of("process.executable.name")), ("4711".to_owned(), PROCESS.to_owned()));
    assert_eq!(
        (of("throughline.exit.rule"), of("throughline.exit.memory")),
        ("system_anr".to_owned(), "7168".to_owned())
    );
    assert_eq!(death.time_unix_nano / 1_000_000, anr.exit.at_ms);
}

#[test]
fn a_crash_that_the_system_saw_too_is_not_counted_twice() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let pid = app.pid();
    app.crash();
    launch(dir.path(), &server, &[exit(NATIVE_CRASH, pid)]).shutdown(LONG);
    // Nor when the system has its record only at the launch after the next.
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let pid = app.pid();
    app.crash();
    let late = exit(NATIVE_CRASH, pid);
    launch(dir.path(), &server, &[]).shutdown(LONG);
    launch(dir.path(), &server, &[late]).shutdown(LONG);
    assert_eq!(names(&server), ["app.crash", "app.crash"]);
}

/// A record of a run that names itself, with the number of another process.
fn exit_of(reason: i32, summary: &str) -> SystemExit {
    let byte = |at| u8::from_str_radix(&summary[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..summary.len()).step_by(2).map(byte).collect();
    let mut record = exit(reason, 1);
    record.exit.run = run_of_summary(&bytes);
    assert!(record.exit.run.is_some(), "{summary}");
    record
}

#[test]
fn a_run_that_names_itself_is_found_although_its_process_id_was_used_again() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let summary = app.tell("summary");
    app.crash();
    launch(dir.path(), &server, &[exit_of(NATIVE_CRASH, &summary)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.crash"]);
}

#[test]
fn what_a_busy_app_records_meanwhile_does_not_make_a_report_come_again() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let anr = exit(ANR, 4711);
    let next = start(dir.path(), &server.url());
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                next.record_action(&Action::tap("busy"));
            }
        });
        for _ in 0..20 {
            assert!(next.report_exits(vec![anr.clone()], PROCESS, LONG));
        }
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(next.shutdown(LONG));
    launch(dir.path(), &server, &[anr]).shutdown(LONG);
    assert_eq!(names(&server), ["app.anr"]);
}

#[test]
fn a_hang_and_its_anr_are_one_death_also_where_no_crash_is_captured() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = crate::watchdog::watched(dir.path(), &server);
    crate::watchdog::hang(&mut app);
    let summary = app.tell("summary");
    app.kill();
    for file in walk(dir.path()).into_iter().filter(|file| file.extension().is_some_and(|end| end == "crash")) {
        std::fs::remove_file(file).unwrap();
    }
    launch(dir.path(), &server, &[exit_of(ANR, &summary)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.hang"]);
}

#[test]
fn a_hang_that_ended_as_an_anr_is_one_death() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = crate::watchdog::watched(dir.path(), &server);
    crate::watchdog::hang(&mut app);
    let pid = app.pid();
    app.kill();
    launch(dir.path(), &server, &[exit(ANR, pid)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.hang"]);
}

#[test]
fn an_exception_that_was_recorded_when_it_happened_is_not_recorded_again() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.record("crash IllegalStateException");
    let pid = app.pid();
    app.kill();
    launch(dir.path(), &server, &[exit(EXCEPTION, pid)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.crash"]);
}

#[test]
fn only_what_the_user_was_using_died_for_want_of_memory() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let pid = app.pid();
    app.kill();
    let mut cached = exit(LOW_MEMORY, 9);
    cached.exit.importance = 400;
    launch(dir.path(), &server, &[exit(LOW_MEMORY, pid), cached]).shutdown(LONG);
    assert_eq!(names(&server), ["app.oom"]);
}

#[test]
fn each_process_of_an_app_reports_its_own_ends() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut other = exit(ANR, 5);
    other.exit.process = Some(format!("{PROCESS}:sync"));
    let next = launch(dir.path(), &server, std::slice::from_ref(&other));
    assert_eq!(names(&server), [] as [&str; 0]);
    let sync = format!("{PROCESS}:sync");
    assert!(next.report_exits(Vec::new(), &sync, LONG) && next.report_exits(vec![other], &sync, LONG));
    assert!(next.flush(LONG).complete);
    assert_eq!(names(&server), ["app.anr"]);
}

#[test]
fn what_ended_before_there_was_a_client_or_a_consent_is_not_reported() {
    let server = FaultServer::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let before = exit(ANR, 1);
    launch(dir.path(), &server, std::slice::from_ref(&before)).shutdown(LONG);
    let anr = exit(ANR, 4711);
    let next = launch(dir.path(), &server, &[before, anr.clone()]);
    assert_eq!(names(&server), ["app.anr"]);
    next.set_consent(Consent::Denied).unwrap();
    assert!(next.shutdown(LONG));
    // What was reported before does not come back either.
    let of_the_denied_time = exit(ANR, 2);
    launch(dir.path(), &server, &[anr.clone(), of_the_denied_time.clone()]).shutdown(LONG);
    assert_eq!(names(&server), ["app.anr"]);
    launch(dir.path(), &server, &[anr, of_the_denied_time, exit(ANR, 3)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.anr", "app.anr"]);
}

#[test]
fn a_crash_that_another_process_or_an_earlier_launch_has_reported_is_not_reported_again() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let pid = app.pid();
    app.crash();
    // The launch that reads the crash dies before the host has asked the system.
    let mut reader = App::start(dir.path(), &server.url(), Sign::Lock);
    reader.must("flush");
    reader.kill();
    // A further process has a directory of its own, and the main one is in other hands.
    let _other = App::start(dir.path(), &server.url(), Sign::Lock);
    launch(dir.path(), &server, &[exit(NATIVE_CRASH, pid)]).shutdown(LONG);
    assert_eq!(names(&server), ["app.crash"]);
}
