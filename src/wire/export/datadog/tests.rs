//! What becomes of each kind of event, and how it is sent.

mod lines;
mod rows;
mod schema;
mod steps;

use serde_json::{Value as Json, json};

use super::*;
use crate::model::event::*;
use crate::model::names::{self, words};
use crate::model::value::{AnyValue, Value};
use rows::{ACTION, SESSION, Stored, TRACE, VIEW, every_kind};

fn exporter() -> Datadog {
    Datadog::new("eu1", "pub0123456789abcdef", "3B2C1A40-5D6E-4F70-8A9B-0C1D2E3F4A5B").unwrap()
}

/// The events of a RUM request.
fn rum_of(stored: &[Stored]) -> Vec<Json> {
    let rows: Vec<_> = stored.iter().map(Stored::row).collect();
    let body = exporter().encode(RUM, &rows);
    assert!(!body.ends_with(b"\n"));
    body.split(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn rum(event: &dyn Event) -> Json {
    rum_of(&[Stored::of(event)]).remove(0)
}

#[test]
fn what_every_event_has() {
    let event = rum(&Action::tap("pay").id(ACTION).trace(TRACE));
    let id = |id: Uuid| json!(id.to_string());
    assert_eq!(event["date"], 1_767_225_599_750_u64, "by the server's clock");
    assert_eq!(event["application"]["id"], "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b");
    assert_eq!((&event["session"]["id"], &event["session"]["type"]), (&id(SESSION), &json!("user")));
    assert_eq!(event["view"], json!({"id": VIEW.to_string(), "name": "Cart", "url": "Cart"}));
    assert_eq!(
        (&event["service"], &event["version"], &event["source"]),
        (&json!("shop"), &json!("1.2"), &json!("ios"))
    );
    assert_eq!(
        event["ddtags"],
        concat!("service:shop,version:1.2,env:production,sdk_version:", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        event["usr"],
        json!({"id": "u-1", "name": "7", "email": "a@b.example", "plan": "pro", "anonymous_id": "installation"})
    );
    assert_eq!(event["device"]["model"], "iPhone16,2");
    assert_eq!(event["os"], json!({"name": "iOS", "version": "17.4.1", "version_major": "17"}));
    assert_eq!(event["_dd"], json!({"format_version": 2, "sdk_name": "throughline"}));
    assert_eq!(event["action"]["id"], id(ACTION));
    assert_eq!(event["context"]["trace_id"], "abababababababababababababababab");
    assert_eq!(event["context"]["tenant"], "acme");
}

#[test]
fn an_action_says_what_it_caused_and_a_mutation_is_a_custom_one() {
    let signs = [Value::Text("rage_tap"), Value::Text("made_up")];
    let attributes = [
        (names::ACTION_ERRORS, 2.into()),
        (names::ACTION_RESOURCES, 1.into()),
        (names::ACTION_MUTATIONS, 3.into()),
        (names::ACTION_FRUSTRATION, Value::List(&signs)),
    ];
    let mut tap = Action::tap("pay").attributes(&attributes);
    tap.loading_time = Some(Duration::from_nanos(u64::MAX));
    let event = rum(&tap);
    assert_eq!(
        event["action"],
        json!({
            "type": "tap", "id": rows::ID.to_string(), "target": {"name": "pay"}, "loading_time": i64::MAX,
            "error": {"count": 2}, "resource": {"count": 1}, "long_task": {"count": 0},
            "frustration": {"type": ["rage_tap"]},
        })
    );
    assert_eq!(event["context"][names::ACTION_MUTATIONS], 3);
    let mutation = rum(&Action::mutation("Cart.total.Update").action_id(ACTION).trace(TRACE));
    assert_eq!(
        (&mutation["action"]["type"], &mutation["action"]["target"]["name"]),
        (&json!("custom"), &json!("Cart.total.Update"))
    );
    assert_eq!(mutation["context"][names::ACTION_ID], ACTION.to_string());
    assert_eq!(mutation.get("action").unwrap().get("loading_time"), None);
}

#[test]
fn a_resource_is_linked_to_its_span_in_decimal_and_its_trace_in_hex() {
    let headers = [Value::Text("a"), Value::Text("b")];
    let attributes = [
        ("http.request.header.x-correlation-id", "c-1".into()),
        ("http.response.header.via", Value::List(&headers)),
        ("http.response.header.x_odd", "o".into()),
    ];
    let phases = [PhaseTime { phase: Phase::Tls, start: Duration::from_nanos(3), duration: Duration::from_nanos(4) }];
    let resource = Resource::new("get", "https://a.test/x", 404, Duration::from_millis(5))
        .size(7)
        .trace(TRACE)
        .parent_span([0, 0, 0, 0, 0, 0, 0, 9])
        .action_id(ACTION)
        .phases(&phases)
        .attributes(&attributes);
    let event = rum(&resource);
    assert_eq!(
        (&event["_dd"]["trace_id"], &event["_dd"]["span_id"], &event["_dd"]["parent_span_id"]),
        (&json!("abababababababababababababababab"), &json!("14829735431805717965"), &json!("9"))
    );
    assert_eq!(event["action"]["id"], json!([ACTION.to_string()]));
    assert_eq!(
        event["resource"],
        json!({
            "id": rows::ID.to_string(), "type": "native", "method": "GET", "url": "https://a.test/x", "status_code": 404,
            "duration": 5_000_000, "size": 7, "ssl": {"start": 3, "duration": 4},
            "request": {"headers": {"x-correlation-id": "c-1"}}, "response": {"headers": {"via": "a, b"}},
        })
    );
    assert_eq!(event["context"]["http.response.header.x_odd"], "o");
    assert_eq!(event["context"].get("trace_id"), None);
}

#[test]
fn a_trace_that_is_not_kept_is_not_linked() {
    let trace = TraceContext { sampled: false, ..TRACE };
    let event = rum(&Resource::new("BREW", "https://a.test/x", 0, Duration::ZERO).failed("timeout").trace(trace));
    assert_eq!(event["_dd"].get("trace_id"), None);
    assert_eq!(event["context"]["trace_id"], "abababababababababababababababab");
    assert_eq!((event["resource"].get("method"), event["resource"].get("status_code")), (None, None));
    assert_eq!(
        (&event["context"]["http.request.method"], &event["context"]["error.type"]),
        (&json!("BREW"), &json!("timeout"))
    );
}

#[test]
fn an_error_is_a_crash_if_the_process_has_died_of_it() {
    let handled = rum(&ErrorEvent::new("E", "").stack("at main").action_id(ACTION));
    let error = &handled["error"];
    assert_eq!(
        (&error["is_crash"], &error["handling"], &error["category"]),
        (&json!(false), &json!("handled"), &json!("Exception"))
    );
    assert_eq!((&error["message"], &error["source_type"]), (&json!("E"), &json!("ios")));
    assert_eq!(handled["feature_flags"], json!({"cart.v2": true}));
    let attributes = [
        (names::CRASH_SIGNAL, "SIGSEGV".into()),
        (names::CRASH_CODE, "SEGV_MAPERR".into()),
        ("thread.name", "main".into()),
        ("thread.id", 7.into()),
        ("process.pid", 42.into()),
    ];
    let stack = "#00 pc 0000000000001042  /data/app/libshop.so (BuildId: 0a1b) [cfi]\n\
                 #01 pc 0000000000000007  /system/lib64/libc.so (BuildId: ff) [cfi]\n\
                 #02 pc 0000000000000009  /data/app/libshop.so (BuildId: 0a1b) [cfi]\n\
                 #03 pc 0000000000000009  <unknown> [cfi]\n\
                 (BuildId: broken";
    let crash = rum(&ErrorEvent::crash("SIGSEGV", "no memory", stack).attributes(&attributes));
    let error = &crash["error"];
    assert_eq!((&error["is_crash"], &error["handling"]), (&json!(true), &json!("unhandled")));
    assert_eq!(error["threads"], json!([{"name": "main (7)", "crashed": true, "stack": stack}]));
    assert_eq!(
        error["binary_images"],
        json!([
            {"uuid": "0a1b", "name": "/data/app/libshop.so", "is_system": false, "arch": "arm64"},
            {"uuid": "ff", "name": "/system/lib64/libc.so", "is_system": true, "arch": "arm64"},
        ])
    );
    assert_eq!(
        error["meta"],
        json!({
            "incident_identifier": rows::ID.to_string(), "code_type": "arm64", "exception_type": "SIGSEGV",
            "exception_codes": "SEGV_MAPERR", "process": "[42]",
        })
    );
    let kinds =
        [(ErrorKind::Hang, "App Hang"), (ErrorKind::Anr, "ANR"), (ErrorKind::OutOfMemory, "Watchdog Termination")];
    for (kind, category) in kinds {
        let mut error = ErrorEvent::crash("E", "m", "");
        error.error_kind = kind;
        let event = rum(&error);
        assert_eq!((&event["error"]["category"], &event["error"]["is_crash"]), (&json!(category), &json!(true)));
        assert_eq!(event["error"].get("threads"), None);
    }
}

#[test]
fn a_hang_that_the_app_survived_has_its_duration() {
    let attributes = [(names::HANG_DURATION, 3_000_000_000_i64.into())];
    let event = rum(&ErrorEvent::new(words::ERROR_HANG, "m").attributes(&attributes));
    assert_eq!((&event["error"]["category"], &event["error"]["is_crash"]), (&json!("App Hang"), &json!(false)));
    assert_eq!(event["freeze"], json!({"duration": 3_000_000_000_u64}));
}

#[test]
fn the_form_of_a_stack_follows_the_platform_and_native_code() {
    let datadog = exporter().source("react-native").unwrap();
    let of = |event: &ErrorEvent<'_>| {
        let stored = Stored::of(event);
        let event: Json = serde_json::from_slice(&datadog.encode(RUM, &[stored.row()])).unwrap();
        (event["source"].clone(), event["error"]["source_type"].clone())
    };
    assert_eq!(of(&ErrorEvent::new("E", "m")), (json!("react-native"), json!("react-native")));
    let attributes = [(names::CRASH_SIGNAL, "SIGSEGV".into())];
    assert_eq!(of(&ErrorEvent::crash("E", "m", "s").attributes(&attributes)), (json!("react-native"), json!("ios")));
}

#[test]
fn of_several_versions_of_a_view_only_the_last_is_sent() {
    let version = |id: Uuid, version: u64| {
        let mut view = View::new(id, "Cart");
        (view.version, view.time_spent, view.action_count) = (version, Duration::from_nanos(version), version);
        (view.error_count, view.crash_count) = (2, 1);
        view.loading_time = Some(Duration::from_nanos(5));
        Stored::of(&view)
    };
    let other = Uuid::from_bytes([8; 16]);
    let rows = [version(VIEW, 2), Stored::of(&Action::tap("a")), version(VIEW, 4), version(other, 1), version(VIEW, 3)];
    let events = rum_of(&rows);
    let found: Vec<_> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["_dd"]["document_version"].as_u64()))
        .collect();
    assert_eq!(found, [("action", None), ("view", Some(4)), ("view", Some(1))]);
    let view = &events[1]["view"];
    assert_eq!(
        (&view["id"], &view["time_spent"], &view["loading_time"]),
        (&json!(VIEW.to_string()), &json!(4), &json!(5))
    );
    assert_eq!(
        (&view["action"], &view["error"], &view["is_active"]),
        (&json!({"count": 4}), &json!({"count": 3}), &json!(true))
    );
    assert_eq!(events[1]["feature_flags"], json!({"cart.v2": true}));
    // The version of an open view that was never shown.
    assert_eq!(rum(&View::new(VIEW, "Cart"))["view"]["time_spent"], 1);
}

#[test]
fn what_the_host_measured_is_on_the_view() {
    let attributes = [
        (names::VIEW_FROZEN_FRAMES, 2.into()),
        (names::VIEW_SLOW_FRAMES, 3.into()),
        (names::VIEW_MEMORY_MEAN, 4_096.into()),
        (names::VIEW_MEMORY_MAX, "wrong".into()),
    ];
    let event = rum(&View::new(VIEW, "Cart").attributes(&attributes));
    assert_eq!((&event["view"]["frozen_frame"]["count"], &event["view"]["memory_average"]), (&json!(2), &json!(4_096)));
    assert_eq!((event["view"].get("memory_max"), &event["context"][names::VIEW_MEMORY_MAX]), (None, &json!("wrong")));
    assert_eq!(event["context"][names::VIEW_SLOW_FRAMES], 3);
}

#[test]
fn a_vital_is_a_duration_in_nanoseconds_or_an_action() {
    let vital = |name, value, unit| rum(&Vital::new(name, value, unit));
    let event = vital("checkout ready", 0.42, "s");
    assert_eq!(
        event["vital"],
        json!({
            "id": rows::ID.to_string(), "type": "duration", "name": "checkout_ready",
            "description": "checkout ready", "duration": 420_000_000,
        })
    );
    let attributes = [(names::START_TYPE, "cold".into())];
    let launch = rum(&Vital::new(names::VITAL_INITIAL_DISPLAY, 900.0, "ms").attributes(&attributes));
    assert_eq!(
        (&launch["vital"]["type"], &launch["vital"]["app_launch_metric"], &launch["vital"]["startup_type"]),
        (&json!("app_launch"), &json!("ttid"), &json!("cold_start"))
    );
    let other = vital("heap", 12.5, "By");
    assert_eq!(
        (&other["type"], &other["action"]["type"], &other["action"]["target"]["name"]),
        (&json!("action"), &json!("custom"), &json!("heap"))
    );
    assert_eq!(
        (&other["context"][names::VITAL_VALUE], &other["context"][names::VITAL_UNIT]),
        (&json!(12.5), &json!("By"))
    );
    let lost = vital("ttid", f64::NAN, "s");
    assert_eq!((&lost["type"], &lost["context"][names::DROPPED_ATTRIBUTES]), (&json!("action"), &json!(1)));
}

#[test]
fn an_event_without_a_view_or_a_session_has_ones_that_it_always_gets() {
    let mut stored = Stored::of(&Custom::new("x"));
    stored.unplace(false);
    let first = rum_of(&[stored.clone()]).remove(0);
    assert_eq!(first["view"]["name"], words::VIEW_BACKGROUND);
    assert_eq!(first["session"]["id"], SESSION.to_string());
    let mut launch = Stored::of(&Action::new(ActionType::ApplicationStart, "start"));
    launch.unplace(false);
    let launch = rum_of(&[launch]).remove(0);
    assert_eq!(launch["view"]["name"], words::VIEW_LAUNCH);
    assert_ne!(launch["view"]["id"], first["view"]["id"]);
    stored.unplace(true);
    let homeless = rum_of(&[stored.clone(), stored]);
    assert_eq!(homeless[0]["session"]["id"], homeless[1]["session"]["id"]);
    assert_ne!(homeless[0]["session"]["id"], first["session"]["id"]);
}

#[test]
fn no_attribute_takes_the_place_of_ours_and_a_hostile_one_costs_itself() {
    let deep = [("nan", Value::Double(f64::NAN)), ("", 1.into()), ("ok", 2.into())];
    let list = [Value::Double(f64::INFINITY), 1.into()];
    let attributes = [
        ("trace_id", "mine".into()),
        ("app.trace_id", "also mine".into()),
        ("nan", Value::Double(f64::NAN)),
        ("a.b", 1.into()),
        ("a", Value::Map(&deep)),
        ("list", Value::List(&list)),
        ("bytes", Value::Bytes(&[0, 255])),
        ("tenant", "own".into()),
    ];
    let event = rum(&Action::tap("pay").trace(TRACE).attributes(&attributes));
    let context = &event["context"];
    assert_eq!(context["trace_id"], "abababababababababababababababab");
    assert_eq!((&context["app.trace_id"], &context["app.app.trace_id"]), (&json!("also mine"), &json!("mine")));
    assert_eq!((&context["a"], &context["a.b"], &context["list"]), (&json!({"ok": 2}), &json!(1), &json!([null, 1])));
    assert_eq!((&context["bytes"], &context["tenant"], context.get("nan")), (&json!("00ff"), &json!("own"), None));
    // Two NaNs and an infinity; the core itself takes no empty key.
    assert_eq!(context[names::DROPPED_ATTRIBUTES], 3);
}

#[test]
fn a_metric_has_no_place_and_every_other_kind_has_one() {
    for kind in EventKind::ALL {
        assert_eq!(exporter().signal(kind).is_none(), kind == EventKind::Metric, "{kind:?}");
    }
}

#[test]
fn logs_and_spans_can_be_left_out() {
    let taken = |datadog: Datadog| [RUM, LOGS, SPANS].map(|signal| datadog.takes(signal));
    assert_eq!(taken(exporter()), [true, true, true]);
    assert_eq!(taken(exporter().logs(false)), [true, false, true]);
    assert_eq!(taken(exporter().spans(false)), [true, true, false]);
}

#[test]
fn a_request_is_addressed_and_stamped_as_the_intake_wants_it() {
    let datadog = exporter();
    assert_eq!(datadog.url(RUM), "https://browser-intake-datadoghq.eu/api/v2/rum");
    assert_eq!(datadog.url(LOGS), "https://browser-intake-datadoghq.eu/api/v2/logs");
    assert_eq!(datadog.url(SPANS), "https://browser-intake-datadoghq.eu/api/v2/spans");
    assert_eq!(datadog.max_age(), Some(Duration::from_secs(18 * 3_600)));
    assert!(datadog.headers(RUM).contains(&("dd-api-key".to_owned(), "pub0123456789abcdef".to_owned())));
    assert!(datadog.headers(LOGS).contains(&("content-type".to_owned(), "application/json".to_owned())));
    assert!(datadog.is_stamped());
    let stamped = |signal, retries, last_status| {
        let mut request = Request { url: "u".to_owned(), headers: Vec::new(), body: b"abc".to_vec() };
        let attempt = Attempt { retries, last_status, time_unix_nano: 1, id: VIEW };
        datadog.clone().source("ios").unwrap().stamp(signal, &mut request, &attempt);
        let names: Vec<_> = request.headers.iter().map(|(name, _)| name.clone()).collect();
        (request, names)
    };
    let (request, _) = stamped(RUM, 0, None);
    assert_eq!(request.url, "u?ddsource=ios");
    assert_eq!(
        request.headers,
        [
            ("dd-request-id".to_owned(), VIEW.to_string()),
            ("dd-idempotency-key".to_owned(), "a9993e364706816aba3e25717850c26c9cd0d89d".to_owned()),
        ]
    );
    assert_eq!(stamped(RUM, 2, Some(503)).0.url, "u?ddsource=ios&ddtags=retry_count:2,last_failure_status:503");
    assert_eq!(stamped(RUM, 1, None).0.url, "u?ddsource=ios&ddtags=retry_count:1");
    assert_eq!(
        stamped(LOGS, 2, Some(503)),
        (Request { url: "u?ddsource=ios".to_owned(), ..stamped(LOGS, 0, None).0 }, vec!["dd-request-id".to_owned()])
    );
    assert_eq!(stamped(SPANS, 2, Some(503)).0.url, "u");
}

#[test]
fn a_setting_that_cannot_work_is_refused_with_its_name() {
    const ID: &str = "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b";
    let field = |made: Result<Datadog, Error>| match made {
        Err(Error::InvalidConfig { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    for site in ["", "us2", "https://datadoghq.com"] {
        assert_eq!(field(Datadog::new(site, "pub1", ID)), "site");
    }
    for (name, domain, host) in SITES {
        let urls = [name, domain].map(|site| Datadog::new(site, "pub1", ID).unwrap().url(RUM));
        assert_eq!(urls, [(); 2].map(|()| format!("https://{host}/api/v2/rum")));
    }
    for token in ["", "a b", "ü", "a\n", "0123456789abcdef0123456789ABCDEF"] {
        assert_eq!(field(Datadog::new("us1", token, ID)), "client_token");
    }
    assert_eq!(field(Datadog::new("us1", "pub1", "shop")), "application_id");
    for url in ["ftp://h", "http://h/api/v2/rum", "http://h?x=1", "h"] {
        assert_eq!(field(Datadog::with_base_url(url, "pub1", ID)), "base_url");
    }
    assert_eq!(Datadog::with_base_url("http://h:1/p/", "pub1", ID).unwrap().url(SPANS), "http://h:1/p/api/v2/spans");
    assert_eq!(field(exporter().source("symbian")), "source");
    assert!(!format!("{:?}", exporter()).contains("pub0123"), "the token is a secret");
}

#[test]
fn a_setting_that_changes_a_body_changes_the_version() {
    let versions = [
        exporter().version(),
        exporter().service("a").version(),
        exporter().env("a").version(),
        exporter().app_version("a").version(),
        exporter().source("ios").unwrap().version(),
        exporter().service("").version(),
        exporter().operations(true).version(),
    ];
    let unique: std::collections::BTreeSet<_> = versions.iter().collect();
    assert_eq!(unique.len(), versions.len());
    assert_eq!(exporter().version(), exporter().version());
}

#[test]
fn an_event_that_would_be_too_large_loses_its_context_and_says_so() {
    let text = "\u{1}".repeat(1_024);
    let keys: Vec<String> = (0..120).map(|n| format!("k{n}")).collect();
    let attributes: Vec<_> = keys.iter().map(|key| (key.as_str(), Value::Text(&text))).collect();
    let small = rum(&Action::tap("pay").attributes(&attributes));
    assert_eq!(small["context"]["k7"], text);
    let mut stored = Stored::of(&Action::tap("pay").attributes(&attributes));
    stored.globals((0..120).map(|n| (format!("g{n}"), AnyValue::Text(text.clone()))).collect());
    let large = rum_of(&[stored]).remove(0);
    assert_eq!(large["action"]["target"]["name"], "pay");
    assert_eq!(large["context"], json!({names::DROPPED_ATTRIBUTES: 240}));
}

#[test]
fn the_bytes_of_every_kind_are_those_of_the_golden_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/datadog.txt");
    let mut found = String::new();
    for signal in [RUM, LOGS, SPANS] {
        let all = every_kind();
        let rows: Vec<_> =
            all.iter().map(Stored::row).filter(|row| exporter().signal(row.kind()) == Some(signal)).collect();
        let body = exporter().encode(signal, &rows);
        assert_eq!(body, exporter().encode(signal, &rows), "the same rows are the same bytes");
        found += &String::from_utf8(body).unwrap();
        found.push('\n');
    }
    let found = found.replace(env!("CARGO_PKG_VERSION"), "{version}");
    if std::env::var_os("THROUGHLINE_BLESS").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(file).unwrap());
}
