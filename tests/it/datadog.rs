//! Datadog's intakes, played by a server on the loopback interface: every kind of event arrives,
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use throughline::backends::Datadog;
use throughline::event::{
    Action, Custom, ErrorEvent, EventKind, Log, LongTask, Metric, MetricData, Resource, Severity, Span, Vital,
};
use throughline::export::Exporter;
use throughline::ledger::DropReason;
use throughline::state::StorePolicy;
use throughline::testing::{Answer, FaultServer, Received};
use throughline::{Consent, Destination, Network, Telemetry, User};

use crate::support::{LONG, books, builder, online, until};

const APPLICATION: &str = "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b";

fn taken() -> Answer {
    Answer::Status(202, Vec::new(), br#"{"request_id":"1"}"#.to_vec())
}

fn start(dir: &std::path::Path, server: &FaultServer) -> Telemetry {
    start_with(dir, server, |datadog| datadog)
}

fn start_with(dir: &std::path::Path, server: &FaultServer, set: impl FnOnce(Datadog) -> Datadog) -> Telemetry {
    let datadog = Datadog::with_base_url(&server.url(), "pub0123456789abcdef", APPLICATION).unwrap();
    let datadog = set(datadog.source("react-native").unwrap());
    let config = builder(dir).destination(Destination::exporter("datadog", Arc::new(datadog)));
    Telemetry::start(config.synthetic_views(true).build().unwrap(), Consent::Granted).unwrap()
}

/// The events that the server keeps, with the signal's word in the path.
fn events(server: &FaultServer) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for request in server.received().into_iter().filter(|request| request.stored) {
        let signal = request.path.strip_prefix("/api/v2/").unwrap().split('?').next().unwrap().to_owned();
        let header = |name: &str| request.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
        let content_type = if signal == "logs" { "application/json" } else { "text/plain;charset=UTF-8" };
        assert_eq!(
            (header("content-type").as_str(), header("dd-api-key").as_str()),
            (content_type, "pub0123456789abcdef")
        );
        assert_eq!(header("dd-evp-origin"), "react-native");
        if signal == "logs" {
            let lines: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            found.extend(lines.into_iter().map(|line| (signal.clone(), line)));
        } else {
            let lines = request.body.split(|byte| *byte == b'\n');
            found.extend(lines.map(|line| (signal.clone(), serde_json::from_slice(line).unwrap())));
        }
    }
    found
}

/// Records an event of every kind, beside the views and sessions that the client makes itself.
/// Returns the ids of those that arrive, with their kinds.
fn record_every_kind(telemetry: &Telemetry) -> BTreeMap<String, EventKind> {
    let mut ids = BTreeMap::new();
    let mut add = |kind, id: Option<uuid::Uuid>| ids.insert(id.unwrap().to_string(), kind);
    let user = User { id: "u-1", name: "", email: "", attributes: &[] };
    assert!(telemetry.set_user(Some(user)));
    telemetry.start_view("Cart");
    add(EventKind::Action, telemetry.record_action(&Action::tap("pay")));
    add(
        EventKind::Resource,
        telemetry.record_resource(&Resource::new("GET", "http://a.test/", 200, Duration::from_millis(5))),
    );
    add(EventKind::Error, telemetry.record_error(&ErrorEvent::new("E", "handled")));
    add(EventKind::Error, telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "at 0", "main")));
    add(EventKind::LongTask, telemetry.record_long_task(&LongTask::new(Duration::from_millis(900))));
    add(EventKind::Vital, telemetry.record_vital(&Vital::new("ready", 0.5, "s")));
    add(EventKind::Vital, telemetry.record_vital(&Vital::new("heap", 1.0, "By")));
    add(EventKind::Custom, telemetry.record_custom(&Custom::new("promo")));
    add(EventKind::Log, telemetry.record_log(&Log::new(Severity::Info, "a line")));
    let trace = telemetry.new_trace().unwrap();
    add(EventKind::Span, telemetry.record_span(&Span::new("work", trace, Duration::from_millis(1))));
    let store = telemetry.traced_store("Cart", &StorePolicy::default().coalesce(Duration::ZERO)).unwrap();
    store.set("total", 1, 2);
    telemetry.record_metric(&Metric::new("depth", "1", MetricData::Gauge(1.0))).unwrap();
    telemetry.stop_view();
    ids
}

#[test]
fn every_kind_of_event_arrives_at_the_intake_that_is_its() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(taken()));
    let telemetry = start(dir.path(), &server);
    let ids = record_every_kind(&telemetry);
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!(
        (books.queued, books.dropped.total(), books.dropped.of(DropReason::Unsupported)),
        (0, 1, 1),
        "{books:?}"
    );

    let events = events(&server);
    let texts: Vec<_> = events.iter().map(|(signal, event)| (signal.as_str(), event.to_string())).collect();
    for (id, kind) in &ids {
        let signal = match kind {
            EventKind::Log => "logs",
            EventKind::Span => "spans",
            _ => "rum",
        };
        let quoted = format!("\"{id}\"");
        // A crash has its id as that of the incident, too, but is one event.
        let found: Vec<_> =
            texts.iter().filter(|(_, text)| text.contains(&quoted)).map(|(signal, _)| *signal).collect();
        assert_eq!(found, [signal], "{kind:?} {id}");
    }
    let rum: Vec<_> = events.iter().filter(|(signal, _)| signal == "rum").map(|(_, event)| event).collect();
    let kinds: BTreeSet<_> = rum.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["action", "error", "long_task", "resource", "view", "vital"]));
    assert!(rum.iter().all(|event| event["application"]["id"] == APPLICATION && event["source"] == "react-native"));
    assert!(rum.iter().any(|event| event["action"]["target"]["name"] == "Cart.total.Update"));
    let sessions: BTreeSet<_> = rum.iter().map(|event| event["session"]["id"].as_str().unwrap()).collect();
    let of_lines =
        events.iter().filter(|(signal, _)| signal == "logs").map(|(_, line)| line["session_id"].as_str().unwrap());
    assert_eq!(sessions, of_lines.collect(), "everything belongs to one session");
    // Every event of a view has it as its own, and the view's last version says so.
    let cart: Vec<_> = rum.iter().filter(|event| event["view"]["name"] == "Cart").collect();
    let last = cart
        .iter()
        .filter(|event| event["type"] == "view")
        .max_by_key(|event| event["_dd"]["document_version"].as_u64());
    let last = last.unwrap();
    assert!(cart.iter().all(|event| event["view"]["id"] == last["view"]["id"]));
    assert_eq!((&last["view"]["is_active"], &last["view"]["crash"]["count"]), (&Value::Bool(false), &Value::from(1)));
    assert!(events.iter().any(|(_, line)| line["message"] == "session.start"));
    assert!(cart.iter().all(|event| event["usr"]["id"] == "u-1"));
}

#[test]
fn a_login_page_takes_nothing_and_a_wrong_token_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server);
    let page = b"<html><body>Log in</body></html>".to_vec();
    server.always(Some(Answer::Status(200, vec!["content-type: text/html".to_owned()], page)));
    record_every_kind(&telemetry);
    assert!(!telemetry.flush(Duration::from_millis(300)).complete);
    assert_eq!(books(&telemetry).delivered, 0);

    server.always(Some(Answer::Status(403, Vec::new(), Vec::new())));
    telemetry.flush(LONG);
    let told = books(&telemetry);
    assert_eq!(told.delivered, 0);
    assert!(told.paused.is_some_and(|reason| reason.contains("check the client token and the site")));
    assert_eq!(told.dropped.total(), told.dropped.of(DropReason::Unsupported), "a wrong token costs nothing");
    telemetry.shutdown(LONG);
}

#[test]
fn a_request_that_is_sent_again_says_so_and_keeps_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let telemetry = start(dir.path(), &server);
    telemetry.record_action(&Action::tap("pay")).unwrap();
    let of = |path: &str| {
        let received = server.received().into_iter();
        received.filter(|request| request.path.starts_with(path)).collect::<Vec<_>>()
    };
    until("a request for RUM has failed", || {
        telemetry.flush(Duration::from_millis(100));
        !of("/api/v2/rum").is_empty()
    });
    server.always(Some(taken()));
    // A network that returns ends the waiting between two attempts.
    until("everything is delivered", || {
        online(&telemetry, Network::Offline);
        online(&telemetry, Network::Unmetered);
        telemetry.flush(LONG).complete
    });
    // The view that is open is one of the queue's rows until it ends.
    assert_eq!(books(&telemetry).dropped.total(), 0);
    let header = |request: &Received, name: &str| {
        request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    for request in of("/api/v2/") {
        assert_eq!(request.path.split('?').nth(1).unwrap().split('&').next(), Some("ddsource=react-native"));
        assert_eq!(header(&request, "dd-idempotency-key").is_empty(), request.path.contains("/logs"));
    }
    let all = of("/api/v2/");
    let requests: BTreeSet<_> = all.iter().map(|request| header(request, "dd-request-id")).collect();
    assert_eq!(requests.len(), all.len(), "each attempt has an id of its own");
    let rum = of("/api/v2/rum");
    for again in rum.iter().filter(|request| request.path.contains("retry_count")) {
        let same = rum.iter().filter(|request| request.body == again.body);
        assert!(
            same.map(|request| header(request, "dd-idempotency-key"))
                .all(|key| key == header(again, "dd-idempotency-key"))
        );
    }
    let says = |request: &&Received| {
        request.path.contains("&ddtags=retry_count:") && request.path.ends_with(",last_failure_status:503")
    };
    assert!(rum.iter().any(|request| says(&request)), "{rum:?}");
}

/// The server's clock is three hours ahead of the device's.
#[test]
fn events_of_a_device_with_a_wrong_clock_lie_beside_those_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3 * 3_600));
    server.always(Some(Answer::Status(202, vec![format!("date: {date}")], Vec::new())));
    let telemetry = start_with(dir.path(), &server, |datadog| datadog.operations(true));
    telemetry.record_action(&Action::tap("first")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    telemetry.record_action(&Action::tap("second")).unwrap();
    telemetry.start_operation("Pay").succeed();
    telemetry.record_resource(&Resource::new("GET", "http://a.test/", 0, Duration::ZERO).failed("offline")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert!(books(&telemetry).balanced());
    let events = events(&server);
    let of = |pointer: &str, value: &str| {
        let found = events.iter().filter(|(_, event)| event.pointer(pointer).is_some_and(|found| found == value));
        found.map(|(_, event)| event.clone()).collect::<Vec<_>>()
    };
    let date = |event: &Value| event["date"].as_i64().unwrap();
    let [first] = of("/action/target/name", "first").try_into().unwrap();
    let hours = |event: &Value| (date(event) - date(&first) + 1_800_000) / 3_600_000;
    let steps = of("/vital/name", "Pay");
    assert_eq!(
        steps.iter().map(|step| step["vital"]["step_type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["start", "end"]
    );
    let failed = of("/error/resource/url", "http://a.test/");
    assert_eq!((failed.len(), of("/resource/url", "http://a.test/").len()), (1, 1));
    for event in of("/action/target/name", "second").iter().chain(&steps).chain(&failed) {
        assert_eq!(hours(event), 3, "{event}");
    }
    assert!(!events.iter().any(|(_, event)| event.to_string().contains("server_offset")));
}

#[test]
fn an_exporter_is_usable_through_its_trait() {
    let datadog = Datadog::new("us1", "pub1", APPLICATION).unwrap();
    let exporter: &dyn Exporter = &datadog;
    let signals: BTreeSet<_> = EventKind::ALL.into_iter().filter_map(|kind| exporter.signal(kind)).collect();
    let urls: Vec<_> = signals.into_iter().map(|signal| exporter.url(signal)).collect();
    assert_eq!(
        urls,
        ["rum", "logs", "spans"].map(|path| format!("https://browser-intake-datadoghq.com/api/v2/{path}"))
    );
}
