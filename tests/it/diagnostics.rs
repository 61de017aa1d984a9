//! What MetricKit says about earlier processes: each diagnostic is reported once ever, and what the
//! core has reported itself is not reported again.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::testing::FaultServer;
use throughline::{Consent, DiagnosticsOutcome, Telemetry, limits};

use crate::app::{distinct, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, start, until};

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A time as MetricKit writes it: cut to the minute, and without a zone.
fn written(seconds: u64) -> String {
    let (days, minutes) = (seconds / 86_400 + 719_468, seconds % 86_400 / 60);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let (month, day) = (if march < 10 { march + 3 } else { march - 9 }, of_year - (153 * march + 2) / 5 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:00", minutes / 60, minutes % 60)
}

/// A payload of `tests/metrickit`, of these times and this process.
fn payload(name: &str, from: u64, until: u64, pid: u32) -> Vec<u8> {
    let path = format!("{}/tests/metrickit/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, rest) = text.split_once("\"timeStampEnd\"").unwrap();
    let at = |text: &str, time: u64| text.replacen(&text[text.find("2026-").unwrap()..][..19], &written(time), 1);
    let mut text = format!("{}\"timeStampEnd\"{}", at(begin, from), at(rest, until));
    for known in 4_711..4_715 {
        for space in ["", " "] {
            text = text.replace(&format!("\"pid\":{space}{known}"), &format!("\"pid\": {pid}"));
        }
    }
    text.into_bytes()
}

/// A crash or a hang of now: not of a moment ago, when the directory was made.
fn of(name: &str, pid: u32) -> Vec<u8> {
    payload(name, now_s() + 60, now_s() + 60, pid)
}

/// Counts of the two hours around now.
fn counts(name: &str) -> Vec<u8> {
    payload(name, now_s() - 3_600, now_s() + 3_600, 0)
}

/// A directory in which a launch has heard that there is no payload yet.
fn known(server: &FaultServer) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    launch(dir.path(), server, &[]);
    dir
}

/// A process that has written down which run it is.
fn running(dir: &Path, server: &FaultServer) -> App {
    let mut app = App::start(dir, &server.url(), Sign::Lock);
    until("the run file is there", || app.tell("captures") == "true");
    app
}

/// What the client makes of a payload.
fn report(telemetry: &Telemetry, payload: &[u8]) -> (u32, u32, u32) {
    let DiagnosticsOutcome { complete, reported, known, left, .. } = telemetry.report_diagnostics(payload, 0, LONG);
    assert!(complete);
    (reported, known, left)
}

/// A launch which gets these payloads. What each came to: reported, known and left out.
fn launch(dir: &Path, server: &FaultServer, payloads: &[Vec<u8>]) -> Vec<(u32, u32, u32)> {
    let next = start(dir, &server.url());
    report(&next, b"{}");
    let outcomes = payloads.iter().map(|payload| report(&next, payload)).collect();
    assert!(next.flush(LONG).complete);
    books(&next);
    assert!(next.shutdown(LONG));
    outcomes
}

/// The names of the errors that the server keeps: of those that ended the app, the event's.
fn names(server: &FaultServer) -> Vec<String> {
    let errors = errors(server);
    let name = |log: &LogRecord| match &*log.event_name {
        "app.crash" | "app.hang" | "app.oom" | "app.anr" => log.event_name.clone(),
        _ => text(&log.attributes, "exception.type"),
    };
    let mut names: Vec<_> = errors.iter().map(name).collect();
    names.sort();
    names
}

fn errors(server: &FaultServer) -> Vec<LogRecord> {
    let is_error = |log: &LogRecord| log.attributes.iter().any(|pair| pair.key == "exception.type");
    distinct(server).into_iter().filter(is_error).collect()
}

#[test]
fn a_crash_that_ios_has_seen_is_reported_once_ever_with_the_stack_of_its_thread() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let crash = of("crash", 4_711);
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        outcomes.extend(launch(dir.path(), &server, &[crash.clone(), crash.clone()]));
    }
    assert_eq!(outcomes, [(1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0)]);
    let [death] = errors(&server).try_into().unwrap();
    let of = |name| text(&death.attributes, name);
    assert_eq!((&*death.event_name, &*of("exception.type")), ("app.crash", "SIGSEGV"));
    assert_eq!(of("exception.message"), "0x10 is not in any region.");
    let line = "#00 pc 00000000000014a0  Shop (BuildId: e3e6b9890e7a3773b4094d77b472699e) [metrickit]\n#01 pc ";
    assert!(of("exception.stacktrace").starts_with(line), "{}", of("exception.stacktrace"));
    assert_eq!(of("exception.stacktrace").matches("\n\nThread ").count(), 2);
    assert_eq!((&*of("process.pid"), &*of("throughline.exit.rule")), ("4711", "system_native_crash"));
    assert_eq!((&*of("throughline.crash.exception"), &*of("throughline.crash.code")), ("EXC_BAD_ACCESS", "1"));
    assert_eq!(
        [of("throughline.exit.app.version"), of("throughline.exit.app.build"), of("throughline.exit.os.version")],
        ["2.3.1", "417", "iPhone OS 26.1 (23B85)"]
    );
    assert!(now_s().abs_diff(death.time_unix_nano / 1_000_000_000) <= 120);
}

#[test]
fn a_death_that_the_app_has_recorded_itself_is_not_reported_again() {
    let server = FaultServer::start().unwrap();
    for name in ["exception", "ios15"] {
        let dir = known(&server);
        let before = names(&server).len();
        // A signal, which our own handler has seen.
        let mut app = running(dir.path(), &server);
        let signal = of(name, app.pid());
        app.crash();
        assert_eq!(launch(dir.path(), &server, &[signal]), [(0, 1, 0)], "{name}");
        // An error of a language, of which iOS tells a launch after the next.
        let mut app = running(dir.path(), &server);
        app.record("crash NSRangeException");
        let late = of(name, app.pid());
        app.kill();
        launch(dir.path(), &server, &[]);
        // In the same minute without a process id, both are one to whoever reads them.
        assert_eq!(launch(dir.path(), &server, &[late]), [(0, 1, 0)], "{name}");
        assert_eq!(names(&server).len(), before + 2);
    }
}

#[test]
fn a_run_that_left_no_report_is_told_once_whichever_of_its_records_comes_first() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = running(dir.path(), &server);
    let (crash, again) = (of("crash", app.pid()), of("exception", app.pid()));
    app.kill();
    launch(dir.path(), &server, &[]);
    assert_eq!(launch(dir.path(), &server, &[crash, again, counts("memory")]), [(1, 0, 0), (0, 1, 0), (0, 1, 0)]);
    assert_eq!(names(&server), ["app.crash"]);
}

#[test]
fn an_end_for_want_of_memory_is_known_when_a_period_had_one_end_and_one_run() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    assert_eq!(launch(dir.path(), &server, &[counts("memory")]), [(0, 0, 1)], "there was no run");
    let dir = known(&server);
    running(dir.path(), &server).kill();
    assert_eq!(launch(dir.path(), &server, &[counts("several")]), [(0, 0, 1)], "which end was the run's?");
    // The run is remembered: the counts come a day later.
    let memory = counts("memory");
    assert_eq!(launch(dir.path(), &server, std::slice::from_ref(&memory)), [(1, 0, 0)]);
    assert_eq!(launch(dir.path(), &server, &[memory]), [(0, 1, 0)]);
    let [death] = errors(&server).try_into().unwrap();
    assert_eq!((&*death.event_name, text(&death.attributes, "exception.type")), ("app.oom", "LowMemory".to_owned()));
    assert_eq!(text(&death.attributes, "throughline.exit.period"), "7200000000000");
    let dir = known(&server);
    running(dir.path(), &server).kill();
    assert_eq!(launch(dir.path(), &server, &[counts("memory")]), [(1, 0, 0)], "at the launch that follows");
    let dir = known(&server);
    for _ in 0..2 {
        running(dir.path(), &server).kill();
        launch(dir.path(), &server, &[]);
    }
    assert_eq!(launch(dir.path(), &server, &[counts("memory")]), [(0, 0, 1)], "two runs");
}

#[test]
fn a_crash_that_is_only_counted_waits_for_its_diagnostic() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let mut app = running(dir.path(), &server);
    let crash = of("crash", app.pid());
    app.kill();
    let counted = String::from_utf8(counts("memory")).unwrap().replace("MemoryResourceLimit", "BadAccess");
    assert_eq!(launch(dir.path(), &server, &[counted.into_bytes(), crash]), [(0, 0, 1), (1, 0, 0)]);
    let [death] = errors(&server).try_into().unwrap();
    assert!(text(&death.attributes, "exception.stacktrace").starts_with("#00 pc "));
}

#[test]
fn what_the_app_survived_is_a_handled_error_and_what_the_watchdog_ended_is_a_hang() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let payloads = [of("hang", 4_714), of("others", 1), of("watchdog", 4_713)];
    assert_eq!(launch(dir.path(), &server, &payloads), [(1, 0, 0), (3, 0, 0), (1, 0, 0)]);
    assert_eq!(launch(dir.path(), &server, &payloads), [(0, 1, 0), (0, 3, 0), (0, 1, 0)]);
    assert_eq!(names(&server), ["MetricKitCpu", "MetricKitDiskWrite", "MetricKitHang", "MetricKitLaunch", "app.hang"]);
    let errors = errors(&server);
    let hang = errors.iter().find(|log| text(&log.attributes, "exception.type") == "MetricKitHang").unwrap();
    assert_eq!(text(&hang.attributes, "rum.hang.duration"), "20000000000");
    assert_eq!(text(&hang.attributes, "exception.message"), "The main thread did not respond for 20 sec");
}

#[test]
fn what_is_of_a_time_before_there_was_a_client_or_a_consent_is_not_reported() {
    let server = FaultServer::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let before = of("exception", 1);
    let mut app = running(dir.path(), &server);
    let ours = of("crash", app.pid());
    app.kill();
    let next = start(dir.path(), &server.url());
    // Only what is of a run of ours is certainly of our time.
    assert_eq!(report(&next, &before), (0, 0, 1));
    assert_eq!(report(&next, &ours), (1, 0, 0));
    let yesterday = payload("ios15", now_s() - 86_400, now_s() - 86_400, 0);
    assert_eq!((report(&next, &yesterday), report(&next, &before)), ((0, 0, 1), (0, 1, 0)));
    assert!(next.flush(LONG).complete);
    next.set_consent(Consent::Denied).unwrap();
    let off = next.report_diagnostics(&ours, 0, LONG);
    assert!(!off.complete && off.reason.is_some(), "{off:?}");
    assert!(next.shutdown(LONG));
    let next = start(dir.path(), &server.url());
    let of_the_denied_time = payload("exception", now_s(), now_s(), 2);
    assert_eq!((report(&next, &ours), report(&next, &of_the_denied_time)), ((0, 0, 1), (0, 0, 1)));
    assert!(next.shutdown(LONG));
    assert_eq!(names(&server), ["app.crash"]);
}

#[test]
fn a_payload_that_cannot_be_read_is_refused_and_said() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let next = start(dir.path(), &server.url());
    let crash = of("crash", 4_711);
    let said = |payload: &[u8]| {
        let DiagnosticsOutcome { complete, reported, known, left, reason, .. } =
            next.report_diagnostics(payload, 0, LONG);
        assert_eq!((complete, reported, known, left), (true, 0, 0, 1), "{reason:?}");
        reason.unwrap()
    };
    let large = vec![b' '; 50_000_000];
    assert_eq!(said(&large), format!("the payload has 50000000 bytes, more than {}", limits::MAX_DIAGNOSTIC_BYTES));
    assert!(said(&crash[..crash.len() / 2]).starts_with("the payload is not JSON from byte "));
    assert_eq!(said(b"[]"), "the payload is not a JSON object");
    let deep = "[".repeat(100_000);
    assert!(said(deep.as_bytes()).starts_with("the payload is not JSON"));
    assert!(said(&vec![b'['; 4_000_000]).starts_with("the payload has too many values"));
    assert!(next.shutdown(LONG));
    assert_eq!(launch(dir.path(), &server, &[crash]), [(1, 0, 0)], "it is taken when it is whole");
}

#[test]
fn what_stands_in_a_payload_is_redacted_and_kept_in_a_session_that_is_not_sampled() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let config = builder(dir.path()).endpoint(server.url()).session_sample_rate(0.0).build().unwrap();
    let next = Telemetry::start(config, Consent::Granted).unwrap();
    assert_eq!(report(&next, &of("exception", 4_712)), (1, 0, 0));
    assert!(next.flush(LONG).complete && next.shutdown(LONG));
    let [crash] = errors(&server).try_into().unwrap();
    let of = |name| text(&crash.attributes, name);
    assert_eq!((&*of("exception.type"), &*of("throughline.crash.signal")), ("NSRangeException", "SIGABRT"));
    assert!(of("exception.message").starts_with("index 3 beyond bounds"), "{}", of("exception.message"));
    assert!(!of("exception.message").contains("sk_live"), "{}", of("exception.message"));
}

#[test]
fn processes_of_an_app_that_get_the_same_payload_report_it_once() {
    let server = FaultServer::start().unwrap();
    let dir = known(&server);
    let crash = of("crash", 4_711);
    // A second client has a directory of its own.
    let (first, second) = (start(dir.path(), &server.url()), start(dir.path(), &server.url()));
    assert_eq!((report(&second, &crash), report(&first, &crash)), ((1, 0, 0), (0, 1, 0)));
    assert!(second.flush(LONG).complete && second.shutdown(LONG) && first.shutdown(LONG));
    assert_eq!(launch(dir.path(), &server, &[crash]), [(0, 1, 0)]);
    assert_eq!(names(&server), ["app.crash"]);
}
