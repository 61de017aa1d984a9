//! Sentry as a destination: a whole client delivers what has a place there, and Relay, Sentry's
//! receiver, finds no fault with it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use throughline::backends::Sentry;
use throughline::event::{
    Custom, ErrorEvent, ErrorKind, Log, LongTask, Session, SessionChange, Severity, TraceContext, View, Vital,
};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::{AnyValue, Config, ConfigBuilder, Consent, Destination, Telemetry, User, Value};

use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, record_mixed};

/// Says where the Python is that has Relay's library. `cargo xtask test` installs it.
const RELAY: &str = "THROUGHLINE_RELAY";

fn config(dir: &Path, server: &FaultServer, set: impl FnOnce(Sentry) -> Sentry) -> Config {
    sentry(dir, server, set).build().unwrap()
}

/// A configuration with Sentry alone.
pub fn sentry(dir: &Path, server: &FaultServer, set: impl FnOnce(Sentry) -> Sentry) -> ConfigBuilder {
    let dsn = server.url().replacen("://", "://0123456789abcdef@", 1) + "/42";
    let exporter = Arc::new(set(Sentry::new(&dsn).unwrap()));
    builder(dir).service_version("1.2.3").destination(Destination::exporter("sentry", exporter))
}

/// A server that answers as Relay does.
fn relay() -> FaultServer {
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(200, vec!["content-type: application/json".to_owned()], b"{}".to_vec())));
    server
}

/// The types and payloads of the items of every envelope that the server keeps.
fn items(server: &FaultServer) -> Vec<Vec<(String, Json)>> {
    let stored = server.received().into_iter().filter(|request| request.stored);
    stored.map(|request| items_of(&request.body)).collect()
}

/// The types and payloads of the items of an envelope.
pub fn items_of(body: &[u8]) -> Vec<(String, Json)> {
    let lines: Vec<Json> =
        body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    lines[1..].chunks(2).map(|pair| (pair[0]["type"].as_str().unwrap().to_owned(), pair[1].clone())).collect()
}

fn events(server: &FaultServer) -> Vec<Json> {
    items(server).into_iter().flatten().filter(|(kind, _)| kind == "event").map(|(_, event)| event).collect()
}

#[test]
fn a_client_delivers_what_has_a_place_in_sentry_and_counts_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let server = relay();
    let telemetry = Telemetry::start(config(dir.path(), &server, |sentry| sentry), Consent::Granted).unwrap();
    telemetry.start_view("Cart").unwrap();
    for n in 0..60 {
        record_mixed(&telemetry, n).unwrap();
    }
    let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "no memory", "#00 pc 12  liba.so")).unwrap();
    telemetry.record_custom(&Custom::new("promo")).unwrap();
    telemetry.record_vital(&Vital::new("ttid", 0.5, "s")).unwrap();
    telemetry.record_long_task(&LongTask::new(Duration::from_secs(1))).unwrap();
    telemetry.record_view(&View::new(telemetry.new_id().unwrap(), "Own")).unwrap();
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);

    let envelopes = items(&server);
    let count = |kind: &str| envelopes.iter().flatten().filter(|item| item.0 == kind).count();
    assert_eq!(count("event"), 11, "10 handled errors and the crash");
    let logs: usize = envelopes.iter().flatten().filter_map(|item| item.1["items"].as_array()).map(Vec::len).sum();
    assert_eq!(logs, 11, "10 lines and the event of the app's own");
    let own = envelopes.iter().filter(|items| items.iter().any(|item| item.0 == "event"));
    for items in own {
        let kinds: Vec<_> = items.iter().map(|item| item.0.as_str()).collect();
        assert_eq!(kinds, ["event", "session"], "one event an envelope, and what it says of its session");
    }
    let updates: Vec<_> = envelopes.iter().flatten().filter(|item| item.0 == "session").map(|item| &item.1).collect();
    assert_eq!(updates.iter().filter(|update| update["init"] == true).count(), 1, "a session begins once");
    let of_crash: Vec<_> = updates.iter().filter(|update| update["status"] == "crashed").collect();
    assert_eq!(of_crash.len(), 1);
    assert!(updates.iter().all(|update| update["sid"] == of_crash[0]["sid"] && update["did"] == of_crash[0]["did"]));
    let is_crash = |event: &Json| event["event_id"] == crash.simple().to_string().as_str();
    assert!(events(&server).iter().any(|event| is_crash(event) && event["level"] == "fatal"));
    for request in server.received() {
        assert_eq!(request.path, "/api/42/envelope/");
        let auth = &request.headers.iter().find(|header| header.0 == "x-sentry-auth").unwrap().1;
        assert!(auth.ends_with("sentry_key=0123456789abcdef"), "{auth}");
        let body = String::from_utf8_lossy(&request.body);
        assert!(!body.contains("0123456789abcdef"));
        assert!(body.starts_with("{\"sent_at\":\"20") && body.matches("sent_at").count() == 1, "{body}");
    }
    // Actions, requests, spans and metrics; views, the vital and the long task.
    let books = books(&telemetry);
    assert_eq!(books.dropped.total(), books.dropped.of(DropReason::Unsupported));
    assert_eq!((books.delivered, books.queued), (books.accepted - books.dropped.total(), 0));
    assert_eq!(telemetry.health().panics, 0);
}

#[test]
fn a_crash_is_kept_when_sentry_wants_none_and_sent_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let server = relay();
    let telemetry = Telemetry::start(config(dir.path(), &server, |sentry| sentry), Consent::Granted).unwrap();
    telemetry.record_error(&ErrorEvent::crash("E", "m", "")).unwrap();
    for status in [429, 400, 403, 503] {
        server.always(Some(Answer::Status(status, Vec::new(), b"{\"detail\":\"no\"}".to_vec())));
        telemetry.flush(Duration::from_millis(200));
        let books = books(&telemetry);
        assert_eq!(books.dropped.total(), 0, "{status} has dropped something");
    }
    assert_eq!(books(&telemetry).delivered, 0);
}

/// What Sentry counts of each session, in the order in which they begin: how often it has begun,
/// and by which words it has ended.
fn sessions(server: &FaultServer) -> Vec<(String, usize, Vec<String>)> {
    let mut sessions: Vec<(String, usize, Vec<String>)> = Vec::new();
    for (_, update) in items(server).into_iter().flatten().filter(|(kind, _)| kind == "session") {
        let sid = update["sid"].as_str().unwrap().to_owned();
        if !sessions.iter().any(|session| session.0 == sid) {
            sessions.push((sid.clone(), 0, Vec::new()));
        }
        let session = sessions.iter_mut().find(|session| session.0 == sid).unwrap();
        session.1 += usize::from(update["init"] == true);
        session.2.extend(update["status"].as_str().filter(|status| *status != "ok").map(str::to_owned));
    }
    sessions
}

#[test]
fn a_session_begins_once_and_crashes_once_over_restarts_and_retries() {
    let dir = tempfile::tempdir().unwrap();
    let server = relay();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let start = || Telemetry::start(config(dir.path(), &server, |sentry| sentry), Consent::Granted).unwrap();
    let telemetry = start();
    telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "no memory", "#00 pc 12  liba.so")).unwrap();
    let crashed = telemetry.session_id().unwrap().to_string();
    telemetry.flush(Duration::from_millis(200));
    assert!(telemetry.shutdown(LONG));
    let json = vec!["content-type: application/json".to_owned()];
    server.always(Some(Answer::Status(200, json, b"{}".to_vec())));
    let mut next = String::new();
    for _ in 0..2 {
        let telemetry = start();
        telemetry.record_error(&ErrorEvent::new("E", "handled")).unwrap();
        assert!(telemetry.flush(LONG).complete);
        next = telemetry.session_id().unwrap().to_string();
        assert!(telemetry.shutdown(LONG));
    }
    let mut told = sessions(&server);
    told.sort_by_key(|session| session.0 != crashed);
    assert_eq!(told, [(crashed, 1, vec!["crashed".to_owned()]), (next, 1, Vec::new())]);
}

/// An app that really crashes, twice, and whose next launch sends it all to Sentry.
#[test]
fn each_crash_of_an_app_that_dies_at_launch_is_that_of_a_session_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let server = relay();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let mut crashed = Vec::new();
    for _ in 0..2 {
        let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
        crashed.push((app.tell("session"), 1, vec!["crashed".to_owned()]));
        app.crash();
    }
    let json = vec!["content-type: application/json".to_owned()];
    server.always(Some(Answer::Status(200, json, b"{}".to_vec())));
    let telemetry = Telemetry::start(config(dir.path(), &server, |sentry| sentry), Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let last = (telemetry.session_id().unwrap().to_string(), 1, Vec::new());
    let mut expected: Vec<_> = crashed.into_iter().chain([last]).collect();
    let mut told = sessions(&server);
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}

#[test]
fn what_is_switched_off_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = relay();
    let config = config(dir.path(), &server, |sentry| sentry.sessions(false).logs(false));
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    telemetry.record_log(&Log::new(Severity::Info, "a line")).unwrap();
    telemetry.record_error(&ErrorEvent::new("E", "m")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let kinds: Vec<_> = items(&server).into_iter().flatten().map(|item| item.0).collect();
    assert_eq!(kinds, ["event"]);
}

/// Records errors of every kind, with stacks of every form, for an app whose texts are hostile.
fn record_everything(telemetry: &Telemetry) {
    const STACKS: [&str; 8] = [
        "",
        "nothing that anybody knows",
        "#00 pc 00000000000657be  libshop.so (BuildId: 5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b) [context]\n\
         #01 pc 0000000000089908  /apex/bionic/libc.so (abort+164) (BuildId: 00112233)\n\
         #02 pc 00007f0012345678  <unknown> [fp]\n#03 pc 10  libold.so (no BuildId) [lr]",
        "a.Outer: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(Unknown Source)\nCaused by: a.Inner\n\tat a.D.e(D.java:2)\n\t... 1 more",
        "Error: no\n    at pay (http://h/index.bundle?x=1:1:2345)\n    at index.js:3:4\n    at map (native)",
        "pay@index.bundle:1:2345\nmap@[native code]",
        "panicked at src/pay.rs:3:7\n0: shop::pay at ./src/pay.rs:3:7\n1: main",
        "\"main\" prio=5 tid=1 Native\n  | sysTid=1\n  native: #00 pc 12  /l/libc.so (f+28) (BuildId: 00ff)\n  at a.B.c(B.java:1)\n\n\
         \"io\" daemon prio=5 tid=12 Waiting\n  at a.D.e(D.java:2)",
    ];
    const KINDS: [ErrorKind; 5] =
        [ErrorKind::Handled, ErrorKind::Crash, ErrorKind::Hang, ErrorKind::Anr, ErrorKind::OutOfMemory];
    let deep = (0..7).fold(AnyValue::Text("deep".to_owned()), |inner, level| match level % 2 {
        0 => AnyValue::List(vec![inner]),
        _ => AnyValue::Map(vec![("k".to_owned(), inner)]),
    });
    let long = "ü".repeat(1_000);
    let attributes = [
        ("nan", Value::Double(f64::NAN)),
        ("infinite", Value::Double(f64::NEG_INFINITY)),
        ("bytes", Value::Bytes(&[0, 255])),
        ("deep", (&deep).into()),
        ("long", (&long).into()),
        ("line\nbreak", "a\nb".into()),
        ("release", "latest".into()),
        ("event_id", 1.into()),
        ("thread.id", (-1).into()),
        ("thread.name", "render".into()),
        ("a.b", 1.into()),
        ("a", Value::Map(&[("b", Value::Bool(true))])),
        ("operation.name", "x".into()),
    ];
    let trace = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
    for (n, stack) in STACKS.into_iter().enumerate() {
        for kind in KINDS {
            let (name, message) = [("a.Outer", "no"), ("", ""), (long.as_str(), "line\nbreak")][n % 3];
            let mut error = ErrorEvent::new(name, message).stack(stack).attributes(&attributes);
            error.error_kind = kind;
            telemetry.record_error(&if n % 2 == 0 { error.trace(trace) } else { error }).unwrap();
        }
    }
}

#[test]
fn relay_finds_no_fault_with_any_event() {
    let Some(python) = std::env::var_os(RELAY) else {
        let reason = "skipped: `cargo xtask test` installs Relay's library and sets THROUGHLINE_RELAY";
        let _ = writeln!(std::io::stderr(), "{reason}");
        return;
    };
    let mut sent = Vec::new();
    for (release, environment) in [("shop@1.2.3+4", "production"), ("latest", "None"), ("a/b\\c", "x/y")] {
        let dir = tempfile::tempdir().unwrap();
        let server = relay();
        let dsn = server.url().replacen("://", "://0123456789abcdef@", 1) + "/42";
        // Without a version of its own, an event has the release that is set.
        let sentry = Sentry::new(&dsn).unwrap().release(release).environment(environment);
        let config =
            builder(dir.path()).destination(Destination::exporter("sentry", Arc::new(sentry))).build().unwrap();
        let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
        let plan = [("plan", "gold".into())];
        telemetry.set_user(Some(User { id: "u-7", email: "a@b.test", attributes: &plan, ..User::default() }));
        telemetry.start_view("Cart\nof mine").unwrap();
        record_everything(&telemetry);
        let session = Session::new(SessionChange::Start, telemetry.new_id().unwrap(), "own");
        telemetry.record_session(&session).unwrap();
        assert!(telemetry.flush(LONG).complete);
        assert_eq!(telemetry.health().panics, 0);
        sent.extend(events(&server));
    }
    assert_eq!(sent.len(), 3 * 40);
    let lines: String = sent.iter().map(|event| format!("{event}\n")).collect();
    let mut relay = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/relay.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = relay.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = relay.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let faults: Vec<Vec<String>> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(faults.len(), sent.len());
    for (event, faults) in sent.iter().zip(faults) {
        assert!(faults.is_empty(), "{faults:#?}\n{event:#}");
    }
}
