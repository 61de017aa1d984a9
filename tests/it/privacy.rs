//! What a user types, and what opens a door, does not leave the device, by whichever call it came.

use throughline::config::{RedactRules, ValuePatterns};
use throughline::event::{Action, Custom, ErrorEvent, Log, Resource, Severity, Span, SpanStatus};
use throughline::state::{Capture, StorePolicy};
use throughline::testing::FaultServer;
use throughline::{AnyValue, Consent, Encoding, Telemetry, User, Value};

use crate::app::{App, app, received, text};
use crate::support::{LONG, builder};

/// All that the backend has received.
fn sent(app: &App) -> Vec<u8> {
    app.end();
    app.server.received().into_iter().flat_map(|request| request.body).collect()
}

fn contains(body: &[u8], needle: &str) -> bool {
    body.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The texts that were sent although they must not be.
fn leaks<'t>(app: &App, secrets: &[&'t str]) -> Vec<&'t str> {
    let body = sent(app);
    secrets.iter().filter(|secret| contains(&body, secret)).copied().collect()
}

#[test]
fn no_text_of_an_event_carries_a_secret_off_the_device() {
    let app = app();
    let telemetry = &app.telemetry;
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", "LEAKJWT".repeat(180));
    for message in [
        "declined: 4111 1111 1111 1111 12/27",
        "declined: 5555 5555 5555 4444 123",
        "GET https://api.test/reset?token=LEAKTOKEN1&mail=LEAK%40mail.test failed",
        "GET /reset?mail=LEAKPATH%40mail.test failed",
        "Authorization: Basic TEVBS0JBU0lDOnB3",
        "password=LEAKPW1 refused",
        r#"{"body":"{\"password\":\"LEAKNESTED\"}"}"#,
        "cannot load data:image/png;base64,LEAKDATA",
    ] {
        telemetry.record_error(&ErrorEvent::new("E", message).stack(message));
        telemetry.record_log(&Log::new(Severity::Error, message));
    }
    telemetry.record_resource(&Resource::new("GET", "data:image/png;base64,LEAKURL", 200, std::time::Duration::ZERO));
    let message = format!("bad token {token}");
    let mut failed = Span::new("s", telemetry.new_trace().unwrap(), std::time::Duration::ZERO);
    failed.status = SpanStatus::Error;
    failed.status_message = &message;
    telemetry.record_span(&failed);
    telemetry.report_problem("write to LEAKREPORT@mail.test");
    let secrets = [
        "4111 1111",
        "5555 5555",
        "LEAKTOKEN1",
        "LEAK%40mail",
        "LEAKPATH",
        "TEVBS0JBU0lDOnB3",
        "LEAKPW1",
        "LEAKNESTED",
        "LEAKDATA",
        "LEAKURL",
        "LEAKJWT",
        "LEAKREPORT",
    ];
    assert_eq!(leaks(&app, &secrets), Vec::<&str>::new());
}

#[test]
fn no_name_and_no_attribute_carries_a_secret_off_the_device() {
    let app = app();
    let telemetry = &app.telemetry;
    // The cut to 1,024 characters goes through the token.
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", "LEAKJWT".repeat(90));
    let long = format!("{} {token}", "x".repeat(980));
    let map = [("access_token", Value::from("LEAKMAP")), ("mail", "LEAKDEEP@mail.test".into())];
    let attributes = [
        ("password2", Value::from("LEAKPW2")),
        ("accesstoken", "LEAKTOKEN2".into()),
        ("authToken1", "LEAKTOKEN3".into()),
        ("note", "write to LEAKTEXT@mail.test".into()),
        ("payload", r#"{"pin":"LEAKJSON"}"#.into()),
        ("map", Value::Map(&map)),
        ("long", (&long).into()),
    ];
    telemetry.record_action(&Action::tap("x").attributes(&attributes));
    telemetry.record_action(&Action::tap("Call LEAKNAME@mail.test"));
    telemetry.tap("Call LEAKTAP@mail.test");
    let root = telemetry.new_trace().unwrap();
    telemetry.record_span(&Span::new("GET /users/LEAKSPAN@mail.test", root, std::time::Duration::ZERO));
    telemetry.record_custom(&Custom::new("mail.LEAKCUSTOM@mail.test"));
    telemetry.start_view("Chat LEAKVIEW@mail.test");
    telemetry.record_log(&Log::new(Severity::Info, "in the view"));
    telemetry.set_global_attribute("contact", Some("LEAKGLOBAL@mail.test".into()));
    telemetry.set_global_attribute("long", Some((&long).into()));
    let policy = StorePolicy::default().capture("note", Capture::Full);
    telemetry.traced_store("Notes", &policy).unwrap().set("note", "", long.as_str());
    telemetry.start_operation("mail LEAKOPERATION@mail.test").succeed();
    let secrets = [
        "LEAKPW2",
        "LEAKTOKEN2",
        "LEAKTOKEN3",
        "LEAKTEXT",
        "LEAKJSON",
        "LEAKMAP",
        "LEAKDEEP",
        "LEAKNAME",
        "LEAKTAP",
        "LEAKSPAN",
        "LEAKCUSTOM",
        "LEAKVIEW",
        "LEAKGLOBAL",
        "LEAKOPERATION",
        "LEAKJWT",
    ];
    assert_eq!(leaks(&app, &secrets), Vec::<&str>::new());
}

#[test]
fn traced_state_captures_no_secret_whatever_its_type_and_its_place() {
    let app = app();
    let policy = StorePolicy::default().capture("profile", Capture::Full).capture("payment.**", Capture::Full);
    let store = app.telemetry.traced_store("User", &policy).unwrap();
    store.set("payment.pin", 0, 73_190_461);
    store.set("payment.accessToken", "", "LEAKSTATE1");
    store.set("tokens[3].value", 0, 73_190_462);
    let secret = [("password", Value::from("LEAKSTATE2")), ("mail", "LEAKSTATE3@mail.test".into())];
    store.set("profile", Value::Map(&[]), Value::Map(&secret));
    store.set("contacts[\"LEAKPATH@mail.test\"].muted", false, true);
    let body = sent(&app);
    for secret in ["LEAKSTATE1", "LEAKSTATE2", "LEAKSTATE3", "LEAKPATH"] {
        assert!(!contains(&body, secret), "{secret}");
    }
    let logs = received(&app.server).logs;
    assert_eq!(logs.iter().filter(|log| !text(&log.attributes, "state.path").is_empty()).count(), 5);
    assert!(logs.iter().all(|log| !text(&log.attributes, "state.new").starts_with("731904")));
}

#[test]
fn what_an_app_says_of_its_user_and_what_is_harmless_stays() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.set_user(Some(User { id: "u-1", email: "known@mail.test", ..User::default() }));
    let id = "550e8400-e29b-41d4-a716-446655440000";
    let attributes =
        [("order", Value::from("1234567890123")), ("id", id.into()), ("at", "2026-11-26T15:35:29Z".into())];
    telemetry.record_action(&Action::tap("Buy 2 for $1,234.56").attributes(&attributes));
    let body = sent(&app);
    for harmless in ["known@mail.test", "1234567890123", id, "2026-11-26T15:35:29Z", "Buy 2 for $1,234.56"] {
        assert!(contains(&body, harmless), "{harmless}");
    }
}

#[test]
fn attributes_are_not_searched_if_the_configuration_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let patterns = ValuePatterns { attributes: false, ..ValuePatterns::default() };
    let rules = RedactRules { patterns, ..RedactRules::default() };
    let config = builder(dir.path()).endpoint(server.url()).redact(rules).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    let attributes = [("note", Value::from("a@mail.test")), ("password", "LEAK".into())];
    telemetry.record_action(&Action::tap("x").attributes(&attributes));
    assert!(telemetry.flush(LONG).complete);
    let logs = received(&server).logs;
    let log = logs.iter().find(|log| text(&log.attributes, "app.widget.name") == "x").unwrap();
    assert_eq!(text(&log.attributes, "note"), "a@mail.test");
    assert_eq!(text(&log.attributes, "password"), "[redacted]");
}

#[test]
fn no_collection_holds_a_key_twice_or_an_empty_one() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let config = builder(dir.path()).endpoint(server.url()).encoding(encoding).build().unwrap();
        let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
        let (first, second) = (format!("{}a", "k".repeat(140)), format!("{}b", "k".repeat(140)));
        let deep = [("y", Value::from("v7_001")), ("y", Value::from("v7_002"))];
        let list = [Value::Map(&deep)];
        let nested = [
            ("x", Value::from("v7_003")),
            ("x", Value::from("v7_004")),
            ("", Value::from("v7_005")),
            (&first, Value::from("v7_006")),
            (&second, Value::from("v7_007")),
            ("list", Value::List(&list)),
        ];
        let owned = AnyValue::Map(vec![
            ("z".to_owned(), AnyValue::Text("v7_008".into())),
            ("z".to_owned(), AnyValue::Text("v7_009".into())),
        ]);
        let attributes = [
            ("k", Value::from("v7_010")),
            ("k", Value::from("v7_011")),
            ("map", Value::Map(&nested)),
            ("owned", Value::from(&owned)),
        ];
        telemetry.record_custom(&Custom::new("twice").attributes(&attributes));
        assert!(telemetry.flush(LONG).complete);
        let shown = if encoding == Encoding::Json {
            server.received().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect()
        } else {
            format!("{:?}", received(&server).named("twice"))
        };
        for (earlier, later) in [
            ("v7_001", "v7_002"),
            ("v7_003", "v7_004"),
            ("v7_006", "v7_007"),
            ("v7_008", "v7_009"),
            ("v7_010", "v7_011"),
        ] {
            assert!(!shown.contains(earlier), "{earlier}: {shown}");
            assert!(shown.contains(later), "{later}: {shown}");
        }
        assert!(!shown.contains("v7_005"), "{shown}");
    }
}
