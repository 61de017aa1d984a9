mod schema;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::*;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::event::encode::{Stamp, encode};
use crate::model::event::*;
use crate::model::names;
use crate::model::value::{AnyValue, Value};
use schema::Schema;

const TRACE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
const TIME: u64 = 1_767_225_600_000_000_001;

fn exporter() -> Connect {
    Connect::new("http://localhost:8080/api/").unwrap()
}

fn text(text: &str) -> AnyValue {
    AnyValue::Text(text.to_owned())
}

fn pairs(pairs: &[(&str, AnyValue)]) -> Vec<(String, AnyValue)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn context(user: &str) -> Arc<Context> {
    Arc::new(Context {
        attributes: pairs(&[
            ("service.name", text("shop")),
            ("service.version", text("4.2.0")),
            ("device.model.identifier", text("iPhone16,2")),
            ("os.name", text("iOS")),
            ("telemetry.sdk.name", text("throughline")),
            ("app.installation.id", text("i-1")),
            ("deployment.environment.name", text("production")),
            ("team", text("checkout")),
            ("os.version", AnyValue::Int(19)),
        ]),
        of_records: pairs(&[
            ("user.id", text(user)),
            ("user.plan", text("gold")),
            ("throughline.feature_flag.new_cart", AnyValue::Bool(true)),
            ("throughline.server_offset_ms", AnyValue::Int(-1_500)),
            ("tenant", text("t-1")),
        ]),
    })
}

struct Given {
    bytes: Vec<u8>,
    is_open: bool,
    context: Arc<Context>,
}

/// The request in JSON, which says the same in protobuf.
fn request(signal: Signal, given: &[Given]) -> Json {
    let scope =
        Scope { session: Some(Uuid::from_u128(1)), view: Some(Uuid::from_u128(2)), view_name: "Cart".to_owned() };
    let scope = Arc::new(scope);
    let rows: Vec<_> = given
        .iter()
        .zip(7..)
        .map(|(given, id)| ExportRow {
            id: Uuid::from_u128(id),
            time_ns: TIME,
            is_open: given.is_open,
            record: Record::decode(&given.bytes).unwrap(),
            context: Arc::clone(&given.context),
            scope: Arc::clone(&scope),
        })
        .collect();
    for row in &rows {
        assert_eq!(exporter().signal(row.kind()), Some(signal));
    }
    let (proto, json) = (exporter().encode(signal, &rows), exporter().json().encode(signal, &rows));
    assert_eq!(proto, exporter().encode(signal, &rows), "the same rows give the same bytes");
    let message = if signal == ERRORS { "ReportErrorRequest" } else { "ReportEventRequest" };
    let json: Json = serde_json::from_slice(&json).unwrap();
    assert_eq!(Schema::read().json(message, &proto), json, "both forms say the same");
    json
}

fn encoded(event: &impl Event) -> Given {
    let mut bytes = Vec::new();
    assert!(encode(event, Stamp::default(), &mut bytes));
    Given { bytes, is_open: false, context: context("u-1") }
}

fn one(event: &impl Event) -> Json {
    let signal = if event.kind() == EventKind::Error { ERRORS } else { EVENTS };
    let request = request(signal, &[encoded(event)]);
    request[if signal == ERRORS { "errors" } else { "events" }][0].clone()
}

#[test]
fn an_event_says_all_that_is_known_of_it() {
    let list = [Value::Int(1), Value::Text("two"), Value::Bool(false)];
    let map = [("k", Value::Double(f64::NAN)), ("b", Value::Bytes(&[1, 2]))];
    let attributes = [("list", Value::List(&list)), ("map", Value::Map(&map)), ("n", Value::Int(-5))];
    let given = encoded(&Action::tap("buy").attributes(&attributes).trace(TRACE));
    let expected = json!({
        "batchId": "c884be2c-dd43-8f6c-b892-1c18aef70ae6",
        "contexts": [{
            "app": { "name": "shop", "version": "4.2.0" },
            "device": { "model": "iPhone16,2" },
            "os": { "name": "iOS" },
            "sdk": { "name": "throughline" },
            "installationId": "i-1",
            "environment": "production",
            "resourceAttributes": { "team": { "stringValue": "checkout" }, "os.version": { "intValue": "19" } },
            "user": { "id": "u-1", "attributes": { "plan": { "stringValue": "gold" } } },
            "featureFlags": { "new_cart": { "boolValue": true } },
            "globalAttributes": { "tenant": { "stringValue": "t-1" } },
            "serverTimeOffset": "-1.500s",
        }],
        "events": [{
            "header": {
                "eventId": "00000000-0000-0000-0000-000000000007",
                "deduplicationId": "00000000-0000-0000-0000-000000000007",
                "time": "2026-01-01T00:00:00.000000001Z",
                "sessionId": "00000000-0000-0000-0000-000000000001",
                "viewId": "00000000-0000-0000-0000-000000000002",
                "viewName": "Cart",
                "trace": { "traceId": "q6urq6urq6urq6urq6urqw==", "spanId": "zc3Nzc3Nzc0=", "sampled": true },
                "attributes": {
                    "list": { "listValue": { "values": [
                        { "intValue": "1" }, { "stringValue": "two" }, { "boolValue": false }
                    ] } },
                    "map": { "mapValue": { "entries": { "k": { "doubleValue": "NaN" }, "b": { "bytesValue": "AQI=" } } } },
                    "n": { "intValue": "-5" },
                },
            },
            "action": {
                "actionId": "00000000-0000-0000-0000-000000000007",
                "type": "ACTION_TYPE_TAP",
                "name": "buy",
            },
        }],
    });
    assert_eq!(request(EVENTS, &[given]), expected);
}

#[test]
fn every_kind_has_a_message_of_its_own() {
    let id = Uuid::from_u128(3);
    let moments = [SpanEvent { name: "retry", time_ns: 5, attributes: &[("k", Value::Int(1))] }];
    let mut span = Span::new("checkout", TRACE, Duration::from_millis(5)).parent_span([1; 8]);
    (span.status, span.status_message, span.events, span.links) = (SpanStatus::Error, "declined", &moments, &[TRACE]);
    let phases = [PhaseTime { phase: Phase::Tls, start: Duration::ZERO, duration: Duration::from_millis(2) }];
    let request_of_the_app =
        Resource::new("GET", "https://shop.test/cart", 503, Duration::from_millis(7)).phases(&phases);
    let histogram =
        MetricData::Histogram { bounds: &[0.5, 1.0], buckets: &[1, 0, 2], sum: 4.5, temporality: Temporality::Delta };
    let sum = MetricData::Sum { value: 4.0, monotonic: true, temporality: Temporality::Cumulative };
    let mut mutation = Action::new(ActionType::StateMutation, "cart.items");
    mutation.common.attributes = &[];
    let events = [
        encoded(&Session::new(SessionChange::Start, id, "user_app_launch")),
        encoded(&View::new(id, "Cart")),
        encoded(&Action::new(ActionType::ApplicationStart, "start")),
        encoded(&mutation),
        encoded(&request_of_the_app),
        encoded(&LongTask::new(Duration::from_millis(800))),
        encoded(&Vital::new("ttid", f64::NEG_INFINITY, "s")),
        encoded(&Custom::new("order.placed")),
        encoded(&Log::new(Severity::Warn, "careful")),
        encoded(&Metric::new("frames", "1", MetricData::Gauge(60.0))),
        encoded(&Metric::new("sizes", "By", histogram)),
        encoded(&Metric::new("bytes", "By", sum)),
        encoded(&span),
    ];
    let sent = request(EVENTS, &events);
    let sent = sent["events"].as_array().unwrap();
    let members = |event: &Json| -> Vec<String> {
        event.as_object().unwrap().keys().filter(|key| *key != "header").cloned().collect()
    };
    let kinds: Vec<_> = sent.iter().flat_map(members).collect();
    let expected = [
        "session",
        "view",
        "action",
        "stateMutation",
        "resource",
        "longTask",
        "vital",
        "custom",
        "log",
        "metric",
        "metric",
        "metric",
        "span",
    ];
    assert_eq!(kinds, expected);
    let of = |kind: &str| sent.iter().filter_map(|event| event.get(kind)).next_back().unwrap().clone();
    assert_eq!(of("session")["change"], "SESSION_CHANGE_START");
    assert_eq!((&of("view")["version"], &of("view")["name"]), (&json!("1"), &json!("Cart")));
    assert_eq!(
        of("resource")["phases"],
        json!([{ "type": "REQUEST_PHASE_TYPE_TLS", "start": "0s", "duration": "0.002s" }])
    );
    assert_eq!((&of("longTask")["duration"], &of("vital")["value"]), (&json!("0.800s"), &json!("-Infinity")));
    assert_eq!(
        of("metric")["total"]["sum"],
        json!({ "value": 4.0, "monotonic": true, "temporality": "TEMPORALITY_CUMULATIVE" })
    );
    let buckets = &sent[10]["metric"]["total"]["histogram"];
    assert_eq!((&buckets["bounds"], &buckets["bucketCounts"]), (&json!([0.5, 1.0]), &json!(["1", "0", "2"])));
    let span = of("span");
    assert_eq!((&span["status"], &span["statusMessage"]), (&json!("SPAN_STATUS_ERROR"), &json!("declined")));
    assert_eq!(span["events"][0]["attributes"]["k"]["intValue"], "1");
    assert_eq!(span["links"][0]["sampled"], true);
    let contexts: BTreeSet<_> =
        sent.iter().map(|event| event["header"]["contextIndex"].as_u64().unwrap_or(0)).collect();
    assert_eq!(contexts, [0, 1].into(), "a metric has a context without the user");
}

#[test]
fn a_mutation_of_state_is_no_attribute() {
    let map = [("sku", Value::Text("A-17"))];
    let attributes = [
        (names::STATE_STORE, "cart".into()),
        (names::STATE_PATH, "items".into()),
        (names::STATE_MUTATION, "insert".into()),
        (names::STATE_CAUSE, "action".into()),
        (names::MUTATION_COUNT, 2.into()),
        (names::MUTATION_DURATION, 1_000_000.into()),
        (names::STATE_OLD_TYPE, "list".into()),
        (names::STATE_OLD_LENGTH, 0.into()),
        (names::STATE_NEW, Value::Map(&map)),
        (names::STATE_SUPPRESSED, "not a number".into()),
        ("own", 1.into()),
    ];
    let sent = one(&Action::new(ActionType::StateMutation, "cart.items").attributes(&attributes));
    let expected = json!({
        "actionId": "00000000-0000-0000-0000-000000000007",
        "name": "cart.items",
        "store": "cart",
        "path": "items",
        "mutation": "insert",
        "cause": "action",
        "newValue": { "mapValue": { "entries": { "sku": { "stringValue": "A-17" } } } },
        "oldType": "list",
        "oldLength": "0",
        "count": "2",
        "duration": "0.001s",
    });
    assert_eq!(sent["stateMutation"], expected);
    let rest = json!({ "own": { "intValue": "1" }, "state.suppressed.count": { "stringValue": "not a number" } });
    assert_eq!(sent["header"]["attributes"], rest, "what has no field, or another type, stays an attribute");
}

#[test]
fn a_crash_has_its_breadcrumbs() {
    let crumb = [
        ("time_unix_nano", Value::Int(1_000_000_000)),
        ("kind", "action".into()),
        ("name", "buy".into()),
        ("severity_number", 9.into()),
        ("duration_ns", 5.into()),
        ("attributes", Value::Map(&[("sku", Value::Int(1))])),
        ("later", true.into()),
    ];
    let crumbs = [Value::Map(&crumb)];
    let attributes = [(names::BREADCRUMBS, Value::List(&crumbs)), (names::CRASH_SIGNAL, "SIGSEGV".into())];
    let sent = one(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0").attributes(&attributes));
    assert_eq!((&sent["kind"], &sent["stack"]), (&json!("ERROR_KIND_CRASH"), &json!("#00 pc 0")));
    let expected = json!([{
        "time": "1970-01-01T00:00:01Z",
        "kind": "action",
        "name": "buy",
        "severityNumber": 9,
        "duration": "0.000000005s",
        "attributes": { "later": { "boolValue": true }, "sku": { "intValue": "1" } },
    }]);
    assert_eq!(sent["breadcrumbs"], expected);
    assert_eq!(sent["header"]["attributes"], json!({ "throughline.crash.signal": { "stringValue": "SIGSEGV" } }));
    let odd = one(&ErrorEvent::new("E", "m").attributes(&[(names::BREADCRUMBS, "none".into())]));
    assert_eq!(odd["header"]["attributes"][names::BREADCRUMBS]["stringValue"], "none");
    assert_eq!((&odd["kind"], odd.get("breadcrumbs")), (&json!("ERROR_KIND_HANDLED"), None));
}

#[test]
fn a_batch_says_each_context_once_and_events_name_theirs() {
    let of = |user: &str| Given { context: context(user), ..encoded(&Action::tap("buy")) };
    let sent = request(EVENTS, &[of("u-1"), of("u-2"), of("u-1"), of("u-2")]);
    let users: Vec<_> = sent["contexts"].as_array().unwrap().iter().map(|context| &context["user"]["id"]).collect();
    assert_eq!(users, ["u-1", "u-2"]);
    let places: Vec<_> =
        sent["events"].as_array().unwrap().iter().map(|event| event["header"]["contextIndex"].as_u64()).collect();
    assert_eq!(places, [None, Some(1), None, Some(1)]);
}

#[test]
fn a_retry_is_known_by_its_ids_and_a_snapshot_is_no_retry() {
    let snapshot = |version: u64, is_open: bool| {
        let mut view = View::new(Uuid::from_u128(3), "Cart");
        view.version = version;
        request(EVENTS, &[Given { is_open, ..encoded(&view) }])
    };
    let [first, again, second, last] = [snapshot(1, true), snapshot(1, true), snapshot(2, true), snapshot(2, false)];
    let ids = |request: &Json| {
        let header = &request["events"][0]["header"];
        (request["batchId"].clone(), header["deduplicationId"].clone())
    };
    assert_eq!(ids(&first), ids(&again));
    let distinct: BTreeSet<_> = [&first, &second, &last].map(|request| ids(request).0.to_string()).into();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
    let distinct: BTreeSet<_> = [&first, &second, &last].map(|request| ids(request).1.to_string()).into();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
    assert_eq!(ids(&last).1, "00000000-0000-0000-0000-000000000007", "the event itself has its own id");
    assert_eq!(first["events"][0]["header"]["open"], true);
    assert_eq!(Uuid::parse_str(first["batchId"].as_str().unwrap()).unwrap().get_version_num(), 8);
}

#[test]
fn what_cannot_work_is_refused_when_it_is_made() {
    for base in ["", "localhost:8080", "ftp://a", "http://a/?b", "http://a/throughline.telemetry.v1.TelemetryService"] {
        assert!(Connect::new(base).is_err(), "{base}");
    }
    for (name, value) in
        [("author ization", "x"), ("a", "line\nbreak"), ("Content-Type", "x"), ("connect-timeout-ms", "1")]
    {
        assert!(exporter().header(name, value).is_err(), "{name}");
    }
    let connect = exporter().header("Authorization", "Bearer abc").unwrap();
    let [events, errors] = [EVENTS, ERRORS].map(|signal| connect.url(signal));
    assert_eq!(events, "http://localhost:8080/api/throughline.telemetry.v1.TelemetryService/ReportEvent");
    assert_eq!(errors, "http://localhost:8080/api/throughline.telemetry.v1.TelemetryService/ReportError");
    let header = |connect: &Connect, name: &str| {
        connect.headers(EVENTS).into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap()
    };
    assert_eq!(header(&connect, "authorization"), "Bearer abc");
    assert_eq!(header(&connect, "connect-protocol-version"), "1");
    assert_eq!(header(&connect, "connect-timeout-ms"), "30000");
    assert_eq!(header(&connect, "content-type"), "application/proto");
    assert_eq!(header(&connect.clone().json(), "content-type"), "application/json");
    assert_ne!(connect.version(), connect.clone().json().version());
    assert!(!format!("{connect:?}").contains("abc"), "what is debugged is logged");
}

#[test]
fn an_answer_settles_or_delays_both_methods() {
    let answer = |status, kind: &str, body: &[u8]| {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Response { status, headers, body: body.to_vec(), ..Response::default() }
    };
    let rejected = answer(200, "application/proto", &[0x08, 1, 0x12, 3, 0x0a, 1, b'a']);
    assert_eq!(exporter().classify(&rejected), Verdict::Delivered { rejected: 1 });
    let busy = br#"{"code":"unavailable","details":[{"type":"google.rpc.RetryInfo","value":"CgIIAw"}]}"#;
    let busy = answer(503, "application/json", busy);
    assert_eq!(exporter().classify(&busy), Verdict::Retry);
    let three = Duration::from_secs(3);
    assert_eq!(exporter().waits(&busy), [(EVENTS, three), (ERRORS, three)]);
    assert!(exporter().waits(&rejected).is_empty());
}

/// Any value that the app may give.
fn values() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        any::<f64>().prop_map(AnyValue::Double),
        ".{0,12}".prop_map(AnyValue::Text),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(8, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::List),
            prop::collection::vec(("(|a|a.b|.{0,4})", inner), 0..4).prop_map(AnyValue::Map),
        ]
    })
}

proptest! {
    #[test]
    fn both_forms_say_the_same_of_any_event(
        attributes in prop::collection::vec(
            ("(|a|a.b|throughline.breadcrumbs|state.store|state.old|user.id|.{0,8})", values()), 0..8,
        ),
        which in 0..4, name in ".{0,20}",
    ) {
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| (key.as_str(), Value::Any(value))).collect();
        let sent = match which {
            0 => one(&Action::new(ActionType::StateMutation, &name).attributes(&attributes)),
            1 => one(&ErrorEvent::new(&name, "m").attributes(&attributes)),
            2 => one(&Log::new(Severity::Info, &name).attributes(&attributes)),
            _ => one(&Metric::new(&name, "1", MetricData::Gauge(f64::NAN)).attributes(&attributes)),
        };
        prop_assert_eq!(sent["header"]["eventId"].as_str(), Some("00000000-0000-0000-0000-000000000007"));
    }
}
