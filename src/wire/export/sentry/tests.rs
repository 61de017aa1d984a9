use super::*;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::event::encode::{Stamp, encode};
use crate::model::event::*;
use crate::model::ledger::DropReason;
use crate::model::names::semconv;
use crate::model::value::{AnyValue, Value as Attr};
use sentry_types::protocol::v7::{Envelope as Theirs, EnvelopeItem, ItemContainer, Level, SessionStatus};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use uuid::Uuid;

mod answers;
mod hostile;
mod sequences;

const TRACE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };

/// A native stack in the form of the core, and in that of a tombstone.
const NATIVE: &str = "#00 pc 00000000000657be  libshop.so (BuildId: 5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b) [context]\n\
                      #01 pc 0000000000089908  /apex/bionic/libc.so (abort+164) (BuildId: 00112233)\n\
                      #02 pc 00007f0012345678  <unknown> [fp]\n\
                      #03 pc 0000000000000010  libold.so (no BuildId) [lr]";

fn sentry() -> Sentry {
    Sentry::new("https://0123456789abcdef@o1.ingest.sentry.io/42").unwrap()
}

fn text(text: &str) -> AnyValue {
    AnyValue::Text(text.to_owned())
}

fn resource() -> Vec<(String, AnyValue)> {
    let pairs = [
        ("service.name", text("shop")),
        ("service.version", text("1.2.3")),
        ("deployment.environment.name", text("production")),
        ("telemetry.sdk.language", text("kotlin")),
        ("os.type", text("linux")),
        ("os.name", text("Android")),
        ("os.version", text("15")),
        ("host.arch", text("arm64")),
        ("device.manufacturer", text("Acme")),
        ("device.model.identifier", text("A-1")),
        ("app.installation.id", text("4d5e6f")),
        ("app.channel", text("beta")),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

fn with_row_of<T>(event: &impl Event, resource: Vec<(String, AnyValue)>, check: impl FnOnce(ExportRow<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    assert!(encode(event, Stamp::default(), &mut bytes));
    let of_records = [("user.id", text("u-1")), ("user.plan", text("gold")), ("tenant", text("eu"))];
    let of_records = of_records.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let scope = Scope {
        session: Some(Uuid::from_bytes([1; 16])),
        view: Some(Uuid::from_bytes([2; 16])),
        view_name: "Cart".to_owned(),
    };
    check(ExportRow {
        id: Uuid::from_bytes([7; 16]),
        time_ns: 1_767_225_600_123_456_789,
        is_open: false,
        record: Record::decode(&bytes).unwrap(),
        context: Arc::new(Context { attributes: resource, of_records }),
        scope: Arc::new(scope),
    })
}

fn encoded(event: &impl Event) -> Vec<u8> {
    with_row_of(event, resource(), |row| {
        let sentry = sentry();
        sentry.encode(sentry.signal(row.kind()).unwrap(), &[row])
    })
}

/// The headers and payloads of the items of an envelope, read by their lengths.
fn items(body: &[u8]) -> Vec<(Json, Json)> {
    let line = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut rest = &body[line(body) + 1..];
    let mut items = Vec::new();
    while !rest.is_empty() {
        let header: Json = serde_json::from_slice(&rest[..line(rest)]).unwrap();
        rest = &rest[line(rest) + 1..];
        let length = header["length"].as_u64().unwrap() as usize;
        items.push((header, serde_json::from_slice(&rest[..length]).unwrap()));
        assert_eq!(rest[length], b'\n', "a wrong length");
        rest = &rest[length + 1..];
    }
    items
}

fn payload(event: &impl Event) -> Json {
    items(&encoded(event)).remove(0).1
}

fn crash_attributes(crumbs: &AnyValue) -> Vec<crate::model::value::Attribute<'_>> {
    vec![
        (names::CRASH_SIGNAL, "SIGSEGV".into()),
        (names::CRASH_CODE, "SEGV_MAPERR".into()),
        (names::CRASH_ADDRESS, "0x10".into()),
        (semconv::THREAD_ID, 77.into()),
        (semconv::THREAD_NAME, "render".into()),
        (names::BREADCRUMBS, crumbs.into()),
    ]
}

fn crumbs() -> AnyValue {
    use crate::model::names::breadcrumb as key;
    let crumb = |pairs: &[(&str, AnyValue)]| {
        AnyValue::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    };
    let time = |n: i64| (key::TIME, AnyValue::Int(1_767_225_600_000_000_000 + n));
    AnyValue::List(vec![
        crumb(&[time(1), (key::KIND, text("view")), (key::NAME, text("Cart"))]),
        crumb(&[time(2_000), (key::KIND, text("action")), (key::NAME, text("buy"))]),
        crumb(&[
            time(3_000_000),
            (key::KIND, text("resource")),
            (key::NAME, text("GET https://shop.test/api")),
            (key::DURATION, AnyValue::Int(77)),
            (key::ATTRIBUTES, AnyValue::Map(vec![(semconv::HTTP_STATUS.to_owned(), AnyValue::Int(503))])),
        ]),
        crumb(&[time(4), (key::KIND, text("log")), (key::MESSAGE, text("slow")), (key::SEVERITY, AnyValue::Int(13))]),
        crumb(&[time(5), (key::KIND, text("error")), (key::NAME, text("E")), (key::MESSAGE, text("no"))]),
    ])
}

/// Compares with the bytes of a file, or writes it if it is not there and `THROUGHLINE_BLESS` is
/// set.
fn golden(name: &str, body: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sentry").join(name);
    if std::env::var_os("THROUGHLINE_BLESS").is_some() && !path.exists() {
        std::fs::write(&path, body).unwrap();
    }
    let want = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(String::from_utf8_lossy(body), String::from_utf8_lossy(&want), "{name}");
}

#[test]
fn the_bytes_are_those_of_the_golden_files() {
    let crumbs = crumbs();
    let attributes = crash_attributes(&crumbs);
    let message = "There is no memory at the address 0x10";
    let crash = ErrorEvent::crash("SIGSEGV", message, NATIVE).attributes(&attributes).trace(TRACE);
    golden("crash.envelope", &encoded(&crash));
    let java = "a.Outer: no\n\tat a.B.c(B.java:1)\nCaused by: a.Inner: why\n\tat a.D.e(D.java:2)\n\t... 1 more";
    golden("handled.envelope", &encoded(&ErrorEvent::new("a.Outer", "no").stack(java)));
    let id = Uuid::from_bytes([3; 16]);
    golden("session_start.envelope", &encoded(&Session::new(SessionChange::Start, id, "user_app_launch")));
    golden("session_end.envelope", &encoded(&Session::new(SessionChange::End, id, "inactivity_timeout")));
    let died = Uuid::from_bytes([1; 16]);
    golden("session_crashed.envelope", &encoded(&Session::new(SessionChange::End, died, "process_crash")));
    let list = [Attr::Int(1), Attr::Text("two")];
    let attributes = [("n", 1.into()), ("d", 0.5.into()), ("list", Attr::List(&list)), ("b", true.into())];
    golden("log.envelope", &encoded(&Log::new(Severity::Warn, "careful").attributes(&attributes).trace(TRACE)));
}

#[test]
fn sentrys_own_types_read_every_envelope() {
    let read = |body: &[u8]| Theirs::from_slice(body).unwrap_or_else(|error| panic!("{error}"));
    let error = read(&encoded(&ErrorEvent::new("a.E", "no").stack("\tat a.B.c(B.java:1)").trace(TRACE)));
    assert_eq!(error.uuid(), Some(&Uuid::from_bytes([7; 16])));
    let event = error.event().unwrap();
    assert_eq!((event.level, event.platform.as_ref()), (Level::Error, "java"));
    assert_eq!((event.release.as_deref(), event.environment.as_deref()), (Some("shop@1.2.3"), Some("production")));
    assert_eq!(event.exception.values[0].stacktrace.as_ref().unwrap().frames[0].lineno, Some(1));
    assert_eq!(event.user.as_ref().unwrap().id.as_deref(), Some("u-1"));
    let update = |envelope: &Theirs| match envelope.items().last() {
        Some(EnvelopeItem::SessionUpdate(update)) => update.clone(),
        other => panic!("{other:?}"),
    };
    let session = update(&error);
    assert_eq!((session.status, session.errors, session.init), (SessionStatus::Ok, 1, false));
    assert_eq!(session.session_id, Uuid::from_bytes([1; 16]));

    let id = Uuid::from_bytes([3; 16]);
    let start = update(&read(&encoded(&Session::new(SessionChange::Start, id, "user_app_launch"))));
    assert_eq!((start.status, start.errors, start.init, start.session_id), (SessionStatus::Ok, 0, true, id));
    let end = update(&read(&encoded(&Session::new(SessionChange::End, id, "max_duration"))));
    assert_eq!((end.status, end.init, end.distinct_id == start.distinct_id), (SessionStatus::Exited, false, true));
    // The session of the row is another, so the app keeps that one.
    let own = update(&read(&encoded(&Session::new(SessionChange::End, id, "process_crash"))));
    assert_eq!(own.status, SessionStatus::Exited);
    for reason in ["process_crash", "process_hang"] {
        let died = update(&read(&encoded(&Session::new(SessionChange::End, Uuid::from_bytes([1; 16]), reason))));
        assert_eq!((died.status, died.errors, died.init), (SessionStatus::Ok, 0, false), "{reason} was told before");
    }

    for event in [encoded(&Log::new(Severity::Info, "a line")), encoded(&Custom::new("promo"))] {
        match read(&event).items().next() {
            Some(EnvelopeItem::ItemContainer(ItemContainer::Logs(logs))) => assert_eq!(logs.len(), 1),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_way_to_die_ends_the_session_in_the_word_of_release_health() {
    let of = |kind, attributes: &[crate::model::value::Attribute<'_>]| {
        let mut error = ErrorEvent::new("E", "m").attributes(attributes);
        error.error_kind = kind;
        let items = items(&encoded(&error));
        let session = items.get(1).map(|(_, session)| (session["status"].clone(), session["errors"].clone()));
        (items[0].1["level"].clone(), items[0].1["exception"]["values"][0]["mechanism"].clone(), session)
    };
    for (kind, level, mechanism, handled, status) in [
        (ErrorKind::Handled, "error", "generic", true, "ok"),
        (ErrorKind::Crash, "fatal", "uncaught", false, "crashed"),
        (ErrorKind::Hang, "fatal", "AppHang", false, "abnormal"),
        (ErrorKind::Anr, "fatal", "ANR", false, "abnormal"),
        (ErrorKind::OutOfMemory, "fatal", "OutOfMemory", false, "abnormal"),
    ] {
        let (is_level, is_mechanism, session) = of(kind, &[]);
        assert_eq!((is_level, is_mechanism), (json!(level), json!({"type": mechanism, "handled": handled})));
        assert_eq!(session, Some((json!(status), json!(1))));
    }
    let told = [(names::EXIT_RULE, "anr".into())];
    assert_eq!(of(ErrorKind::Anr, &told).2, None, "it was recorded in the session of another process");
}

#[test]
fn a_native_stack_has_its_modules_and_addresses() {
    let crash = payload(&ErrorEvent::crash("SIGSEGV", "m", NATIVE));
    assert_eq!(crash["platform"], "native");
    let images = json!([
        {"type": "elf", "code_file": "libshop.so", "code_id": "5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b5f0c1a2b",
            "debug_id": "2b1a0c5f-0c5f-2b1a-5f0c-1a2b5f0c1a2b"},
        {"type": "elf", "code_file": "/apex/bionic/libc.so", "code_id": "00112233",
            "debug_id": "33221100-0000-0000-0000-000000000000"},
    ]);
    assert_eq!(crash["debug_meta"]["images"], images);
    let trace = &crash["exception"]["values"][0]["stacktrace"];
    assert_eq!(trace["instruction_addr_adjustment"], "none");
    let frames = json!([
        {"package": "libold.so", "instruction_addr": "0x10"},
        {"instruction_addr": "0x7f0012345678", "trust": "fp"},
        {"function": "abort", "package": "/apex/bionic/libc.so", "instruction_addr": "0x89908", "addr_mode": "rel:1"},
        {"package": "libshop.so", "instruction_addr": "0x657be", "addr_mode": "rel:0", "trust": "context"},
    ]);
    assert_eq!(trace["frames"], frames);
    assert!(crash["extra"].get("throughline.stack").is_none(), "every line was understood");
}

#[test]
fn a_stack_that_is_not_understood_stays_whole() {
    let odd = payload(&ErrorEvent::new("E", "m").stack("somewhere\nover there"));
    assert_eq!(odd["extra"]["throughline.stack"], "somewhere\nover there");
    assert!(odd["exception"]["values"][0].get("stacktrace").is_none(), "Relay refuses one without frames");
    let long = format!("{}\n", "x".repeat(1_000)).repeat(40);
    let long = payload(&ErrorEvent::new("E", "m").stack(&long));
    let lines = long["extra"]["throughline.stack"].as_array().unwrap();
    assert_eq!((lines.len(), lines[39].as_str().unwrap().len()), (40, 1_000));
    let dump = "\"main\" prio=5 tid=1 Native\n  at a.B.c(B.java:1)\n\"io\" prio=5 tid=2 Waiting\n  at a.D.e(D.java:2)";
    let mut anr = ErrorEvent::new("ANR", "timed out").stack(dump);
    anr.error_kind = ErrorKind::Anr;
    let anr = payload(&anr);
    assert_eq!(anr["threads"]["values"].as_array().unwrap().len(), 2);
    assert_eq!(anr["exception"]["values"][0]["stacktrace"]["frames"][0]["module"], "a.B");
}

#[test]
fn a_release_that_relay_would_remove_is_made_legal_and_kept_in_a_tag() {
    let mut resource = resource();
    resource[1].1 = text("feature/cart");
    resource[2].1 = text("None");
    let body = with_row_of(&ErrorEvent::new("E", "m"), resource, |row| sentry().encode(EVENTS, &[row]));
    let items = items(&body);
    let event = &items[0].1;
    assert_eq!((&event["release"], &event["environment"]), (&json!("shop@feature_cart"), &json!("None_")));
    assert_eq!(event["tags"]["throughline.release"], "shop@feature/cart");
    assert_eq!(event["tags"]["throughline.environment"], "None");
    assert_eq!(items[1].1["attrs"], json!({"release": "shop@feature_cart", "environment": "None_"}));
}

#[test]
fn a_session_has_a_release_even_if_nothing_is_known() {
    let release_of = |resource: Vec<(String, AnyValue)>| {
        let start = Session::new(SessionChange::Start, Uuid::from_bytes([3; 16]), "");
        let body = with_row_of(&start, resource, |row| sentry().encode(SESSIONS, &[row]));
        items(&body).remove(0).1["attrs"]["release"].clone()
    };
    assert_eq!(release_of(Vec::new()), "unknown");
    assert_eq!(release_of(vec![("service.name".to_owned(), text("shop"))]), "shop");
}

#[test]
fn an_event_keeps_the_release_and_the_build_of_the_app_that_has_recorded_it() {
    let own = sentry().release("shop@9").environment("canary");
    let said = |resource| {
        let body = with_row_of(&ErrorEvent::new("E", "m"), resource, |row| own.encode(EVENTS, &[row]));
        let event = items(&body).remove(0).1;
        [&event["release"], &event["environment"], &event["dist"]].map(Clone::clone)
    };
    let mut recorded = resource();
    recorded.push(("app.build_id".to_owned(), text("77")));
    assert_eq!(said(recorded), [json!("shop@1.2.3"), json!("canary"), json!("77")]);
    let unversioned = vec![("service.name".to_owned(), text("shop"))];
    assert_eq!(said(unversioned)[..2], [json!("shop@9"), json!("canary")]);
    let mut versions = vec![sentry().version(), own.version(), sentry().sessions(false).version()];
    versions.extend([sentry().release("a").version(), sentry().environment("a").version()]);
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 5, "each of them gives another body");
    assert_eq!(sentry().version(), sentry().logs(false).version(), "the same body");
}

#[test]
fn an_error_is_alone_in_its_envelope_and_several_are_left_for_the_client_to_divide() {
    with_row_of(&ErrorEvent::new("E", "m"), resource(), |first| {
        with_row_of(&ErrorEvent::new("F", "m"), resource(), |second| {
            let rows = [first, second];
            assert!(sentry().encode(EVENTS, &rows).is_empty(), "Relay would answer 200 and not keep both");
            assert!(rows.chunks(1).all(|row| !sentry().encode(EVENTS, row).is_empty()));
        });
    });
    assert_eq!([EVENTS, SESSIONS, LOGS].map(|signal| sentry().limits(signal).events), [1, 100, 100]);
    let mut bytes = Vec::new();
    encode(&Log::new(Severity::Info, "a line"), Stamp::default(), &mut bytes);
    let row = |n: u128| ExportRow {
        id: Uuid::from_u128(n),
        time_ns: 1,
        is_open: false,
        record: Record::decode(&bytes).unwrap(),
        context: Arc::new(Context::default()),
        scope: Arc::new(Scope::default()),
    };
    let rows: Vec<_> = (0..101).map(row).collect();
    assert!(sentry().encode(LOGS, &rows).is_empty());
    let items = items(&sentry().encode(LOGS, &rows[..100]));
    assert_eq!((items.len(), &items[0].0["item_count"]), (1, &json!(100)));
}

#[test]
fn the_key_is_in_a_header_and_nowhere_else() {
    let sentry = Sentry::new("https://SECRETKEY@o1.ingest.sentry.io/42").unwrap();
    let headers = sentry.headers(EVENTS);
    let auth = &headers.iter().find(|(name, _)| name == "x-sentry-auth").unwrap().1;
    assert!(auth.starts_with("Sentry sentry_version=7, sentry_client=throughline/") && auth.ends_with("=SECRETKEY"));
    assert!(headers.contains(&("content-type".to_owned(), "application/x-sentry-envelope".to_owned())));
    assert_eq!(sentry.url(LOGS), "https://o1.ingest.sentry.io/api/42/envelope/");
    let body = with_row_of(&ErrorEvent::new("E", "m"), resource(), |row| sentry.encode(EVENTS, &[row]));
    assert!(!String::from_utf8(body).unwrap().contains("SECRET"));
    assert!(!format!("{sentry:?}").contains("SECRET"));
}

#[test]
fn the_time_of_sending_is_added_when_it_is_sent() {
    let body = encoded(&ErrorEvent::new("E", "m"));
    assert!(sentry().is_stamped() && !String::from_utf8_lossy(&body).contains("sent_at"));
    let mut request = Request { url: sentry().url(EVENTS), headers: Vec::new(), body: body.clone() };
    let attempt = |time_unix_nano| Attempt { retries: 0, last_status: None, time_unix_nano, id: Uuid::nil() };
    sentry().stamp(EVENTS, &mut request, &attempt(1_767_225_600_000_000_000));
    assert!(Theirs::from_slice(&request.body).is_ok());
    let line = |body: &[u8]| body.iter().position(|byte| *byte == b'\n').unwrap();
    let header: Json = serde_json::from_slice(&request.body[..line(&request.body)]).unwrap();
    assert_eq!(header["sent_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(request.body[line(&request.body)..], body[line(&body)..]);
}

#[test]
fn what_has_no_place_has_no_signal_and_what_is_switched_off_is_not_meant() {
    let placed = EventKind::ALL.map(|kind| sentry().signal(kind).map(|signal| signal.0));
    let none = None;
    let want = [Some(1), none, none, none, Some(0), none, none, Some(2), Some(2), none, none];
    assert_eq!(placed, want);
    assert!([EVENTS, SESSIONS, LOGS].iter().all(|signal| sentry().takes(*signal)));
    assert!(!sentry().sessions(false).takes(SESSIONS) && !sentry().logs(false).takes(LOGS));
    let quiet = sentry().sessions(false);
    let body = with_row_of(&ErrorEvent::new("E", "m"), resource(), |row| quiet.encode(EVENTS, &[row]));
    assert_eq!(items(&body).len(), 1);
    assert_eq!(sentry().max_age(), Some(Duration::from_secs(30 * 86_400)));
    assert_ne!(sentry().classify(&Response::default()), Verdict::Drop(DropReason::ServerError));
}

#[test]
fn a_report_has_the_losses_that_sentry_knows_and_goes_with_any_envelope() {
    let loss = |signal, reason, count| Loss { signal, reason, count };
    let losses = [
        loss(EVENTS, DropReason::QuotaBytes, 3),
        loss(LOGS, DropReason::QuotaAge, 4),
        loss(EVENTS, DropReason::DiskFull, 2),
        loss(SESSIONS, DropReason::Rejected, 1),
        loss(LOGS, DropReason::Unsupported, 9),
        loss(Signal(7), DropReason::QuotaBytes, 9),
    ];
    let with = |losses: &[Loss]| {
        let body = encoded(&Log::new(Severity::Info, "a line"));
        let mut request = Request { url: String::new(), headers: Vec::new(), body: body.clone() };
        sentry().add_losses(&mut request, losses);
        assert!(request.body.starts_with(&body));
        request.body
    };
    let body = with(&losses);
    golden("client_report.envelope", &body);
    let items = items(&body);
    assert_eq!(items[1].0["type"], "client_report");
    let entry = |reason: &str, category: &str, quantity: u64| json!({"reason": reason, "category": category, "quantity": quantity});
    let expected = [
        entry("cache_overflow", "error", 5),
        entry("cache_overflow", "log_item", 4),
        entry("send_error", "session", 1),
    ];
    assert_eq!(items[1].1, json!({"discarded_events": expected}));
    // Their types have no `cache_overflow`, which is in Sentry's documentation; Relay takes any.
    let known = [EVENTS, SESSIONS, LOGS].map(|signal| loss(signal, DropReason::Rejected, 1));
    let theirs = Theirs::from_slice(&with(&known)).unwrap();
    assert!(matches!(theirs.items().last(), Some(EnvelopeItem::ClientReport(_))));
    // What is none of Sentry's business makes no report, not even an empty one.
    assert_eq!(with(&losses[4..]), encoded(&Log::new(Severity::Info, "a line")));
}
