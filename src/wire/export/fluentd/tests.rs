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
use crate::model::names::{self, fluentd as key};
use crate::model::value::{AnyValue, Value};

const TRACE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
const TIME: u64 = 1_767_225_600_000_000_001;

fn exporter() -> Fluentd {
    Fluentd::new("http://localhost:9880/", "shop.app").unwrap()
}

/// The records of events, as a strict parser reads them.
fn records(events: &[Vec<u8>]) -> Vec<Json> {
    records_in(events, &[], &[])
}

/// The same, with further attributes of the resource and of all events.
fn records_in(events: &[Vec<u8>], resource: &[(&str, AnyValue)], globals: &[(&str, AnyValue)]) -> Vec<Json> {
    let with = |own: (&str, &str), more: &[(&str, AnyValue)]| {
        let own = (own.0.to_owned(), AnyValue::Text(own.1.to_owned()));
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        std::iter::once(own).chain(more).collect()
    };
    let context = Arc::new(Context {
        attributes: with(("service.name", "shop"), resource),
        of_records: with(("user.id", "u-1"), globals),
    });
    let scope =
        Scope { session: Some(Uuid::from_u128(1)), view: Some(Uuid::from_u128(2)), view_name: "Cart".to_owned() };
    let scope = Arc::new(scope);
    let rows: Vec<_> = events
        .iter()
        .map(|bytes| ExportRow {
            id: Uuid::from_u128(7),
            time_ns: TIME,
            is_open: false,
            record: Record::decode(bytes).unwrap(),
            context: Arc::clone(&context),
            scope: Arc::clone(&scope),
        })
        .collect();
    let body = exporter().encode(RECORDS, &rows);
    assert_eq!(body, exporter().encode(RECORDS, &rows), "the same rows give the same bytes");
    serde_json::from_slice(&body).unwrap()
}

fn encoded(event: &impl Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(encode(event, Stamp::default(), &mut bytes));
    bytes
}

fn record(event: &impl Event) -> Json {
    let [record] = records(&[encoded(event)]).try_into().unwrap();
    record
}

#[test]
fn a_record_stands_alone() {
    let record = record(&Action::tap("buy").attributes(&[("sku", "A-17".into())]).trace(TRACE));
    let expected = json!({
        "time": 1_767_225_600.0,
        "time_unix_nano": "1767225600000000001",
        "throughline.event.id": "00000000-0000-0000-0000-000000000007",
        "log.record.uid": "00000000-0000-0000-0000-000000000007",
        "kind": "action",
        "event_name": "app.widget.click",
        "message": "buy",
        "severity_number": 9,
        "trace_id": "abababababababababababababababab",
        "span_id": "cdcdcdcdcdcdcdcd",
        "session.id": "00000000-0000-0000-0000-000000000001",
        "app.screen.id": "00000000-0000-0000-0000-000000000002",
        "app.screen.name": "Cart",
        "rum.action.id": "00000000-0000-0000-0000-000000000007",
        "rum.action.type": "tap",
        "app.widget.id": "buy",
        "app.widget.name": "buy",
        "sku": "A-17",
        "user.id": "u-1",
        "service.name": "shop",
    });
    assert_eq!(record, expected);
}

#[test]
fn every_kind_has_a_record() {
    let id = Uuid::from_u128(3);
    let mut span = Span::new("checkout", TRACE, Duration::from_millis(5));
    (span.status, span.status_message, span.parent_span) = (SpanStatus::Error, "declined", Some([1; 8]));
    let links = [TRACE];
    span.links = &links;
    let events = [
        encoded(&Session::new(SessionChange::Start, id, "user_app_launch")),
        encoded(&View::new(id, "Cart")),
        encoded(&Action::tap("buy")),
        encoded(&Resource::new("GET", "https://shop.test/cart", 503, Duration::from_millis(7))),
        encoded(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")),
        encoded(&LongTask::new(Duration::from_millis(800))),
        encoded(&Vital::new("ttid", 0.42, "s")),
        encoded(&Custom::new("order.placed")),
        encoded(&Log::new(Severity::Warn, "careful")),
        encoded(&Metric::new("frames", "1", MetricData::Gauge(60.0))),
        encoded(&span),
    ];
    let records = records(&events);
    let kinds: BTreeSet<_> = records.iter().map(|record| record[key::KIND].as_str().unwrap()).collect();
    assert_eq!(kinds, EventKind::ALL.map(|kind| kind.name()).into());
    let of = |kind: EventKind| records.iter().find(|record| record[key::KIND] == kind.name()).unwrap();
    let request = of(EventKind::Resource);
    assert_eq!((&request["duration_ns"], &request["http.response.status_code"]), (&json!(7_000_000), &json!(503)));
    let crash = of(EventKind::Error);
    assert_eq!((&crash["event_name"], &crash["exception.type"]), (&json!("app.crash"), &json!("SIGSEGV")));
    let span = of(EventKind::Span);
    assert_eq!((&span["status"], &span["message"]), (&json!("error"), &json!("declined")));
    assert_eq!(
        (&span["parent_span_id"], &span["links"][0]["span_id"]),
        (&json!("0101010101010101"), &json!("cdcdcdcdcdcdcdcd"))
    );
    let metric = of(EventKind::Metric);
    assert_eq!(
        (&metric["event_name"], &metric["value"], &metric["unit"]),
        (&json!("frames"), &json!(60.0), &json!("1"))
    );
    assert_eq!(metric.get("session.id"), None, "a metric is of the whole process");
}

#[test]
fn an_attribute_that_is_named_as_a_field_costs_neither_the_field_nor_itself() {
    let map = [("b", Value::Int(2))];
    let attributes = [
        ("time", "yesterday".into()),
        ("kind", 7.into()),
        ("tag", "mine".into()),
        ("service.name", "other".into()),
        ("a.b", 1.into()),
        ("a", Value::Map(&map)),
        ("nan", f64::NAN.into()),
        ("infinite", f64::INFINITY.into()),
    ];
    let record = record(&Custom::new("odd").attributes(&attributes));
    assert!(record["time"].is_f64() && record["kind"] == "custom");
    assert_eq!(
        (&record["app.time"], &record["app.kind"], &record["app.tag"]),
        (&json!("yesterday"), &json!(7), &json!("mine"))
    );
    assert_eq!((&record["a.b"], &record["a"]), (&json!(1), &json!({ "b": 2 })));
    assert_eq!(record["service.name"], "other", "what the event says goes before what the process says");
    assert_eq!((record.get("nan"), record.get("infinite")), (None, None));
    assert_eq!(record["throughline.dropped_attributes"], 2, "what JSON has no form for is counted");
}

#[test]
fn an_apps_time_and_its_app_time_both_arrive() {
    let attributes = [("app.time", 1.into()), ("time", 2.into()), ("app.app.kind", 3.into()), ("app.kind", 4.into())];
    let event = encoded(&Custom::new("odd").attributes(&attributes));
    let resource = [("kind", AnyValue::Int(5)), ("time", AnyValue::Int(6)), ("tag", AnyValue::Int(7))];
    let [record] = records_in(&[event], &resource, &[]).try_into().unwrap();
    assert_eq!((&record["app.time"], &record["app.app.time"]), (&json!(1), &json!(2)));
    let kinds = ["app.app.kind", "app.kind", "app.app.app.kind"].map(|name| record[name].as_i64());
    assert_eq!(kinds, [Some(3), Some(4), Some(5)], "the name of the process's attribute is free, too");
    assert_eq!(record["app.tag"], 7);
    let names = [("time", 1.into()), ("app.time", 2.into())];
    let mut span = Span::new("s", TRACE, Duration::ZERO);
    let events = [SpanEvent { name: "e", time_ns: 1, attributes: &names }];
    span.events = &events;
    let span = self::record(&span);
    let event = &span["events"][0];
    assert_eq!((&event["app.app.time"], &event["app.time"]), (&json!(1), &json!(2)));
}

#[test]
fn a_metric_without_a_number_says_that_it_has_lost_one() {
    let gauge = record(&Metric::new("frames", "1", MetricData::Gauge(f64::NAN)));
    assert_eq!((gauge.get("value"), &gauge[names::DROPPED_ATTRIBUTES]), (None, &json!(1)));
    let fine = record(&Metric::new("frames", "1", MetricData::Gauge(1.0)));
    assert_eq!(fine.get(names::DROPPED_ATTRIBUTES), None);
}

#[test]
fn a_clock_that_is_three_hours_slow_puts_no_record_beside_those_of_the_server() {
    let offset = [(names::SERVER_OFFSET, AnyValue::Int(3 * 3_600_000))];
    let events = [encoded(&Action::tap("buy")), encoded(&Metric::new("m", "1", MetricData::Gauge(1.0)))];
    for record in records_in(&events, &[], &offset) {
        assert_eq!(record["time"], 1_767_236_400.0, "{record}");
        assert_eq!(record["time_unix_nano"], TIME.to_string().as_str(), "by the device's clock");
    }
}

#[test]
fn what_cannot_work_is_refused_when_it_is_made() {
    for tag in ["", ".", ".a", "a.", "a/b", "A", "a b", "ü"] {
        assert!(Fluentd::new("http://localhost:9880", tag).is_err(), "{tag}");
    }
    for base in ["", "localhost:9880", "ftp://a", "http://a/?b", "tcp://localhost:24224"] {
        assert!(Fluentd::new(base, "shop").is_err(), "{base}");
    }
    assert!(exporter().header("author ization", "x").is_err() && exporter().header("a", "line\nbreak").is_err());
    let fluentd = exporter().header("Authorization", "Bearer abc").unwrap();
    assert_eq!(fluentd.url(RECORDS), "http://localhost:9880/shop.app");
    assert!(fluentd.headers(RECORDS).contains(&("authorization".to_owned(), "Bearer abc".to_owned())));
    assert!(!format!("{fluentd:?}").contains("abc"), "what is debugged is logged");
}

proptest! {
    #[test]
    fn no_event_is_lost_and_no_field_is_forged(
        names in prop::collection::vec("(time|kind|tag|value|trace_id|throughline.event.id|.{0,12})", 0..8), number: f64, text in ".{0,40}",
    ) {
        let attributes: Vec<_> = names.iter().map(|name| (name.as_str(), Value::Double(number))).collect();
        let record = record(&Log::new(Severity::Info, &text).attributes(&attributes));
        prop_assert_eq!(&record["kind"], "log");
        prop_assert_eq!(record["throughline.event.id"].as_str(), Some("00000000-0000-0000-0000-000000000007"));
        prop_assert!(record["time"].is_f64() && record.get("trace_id").is_none());
    }
}
