//! Events that nobody would write: each costs itself at most.

use super::*;
use crate::model::value::{OwnedAttributes, lend};
use proptest::prelude::*;

/// Whether Relay would read an envelope: it can be divided by its lengths, and no name is twice in
/// an object.
fn check(body: &[u8]) -> Result<(), TestCaseError> {
    for (header, item) in items(body) {
        prop_assert!(header["type"].is_string() && item.is_object());
    }
    let mut rest = body;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let unique: Result<Unique, _> = serde_json::from_slice(&rest[..end]);
        prop_assert!(unique.is_ok(), "{:?}: {}", unique, String::from_utf8_lossy(&rest[..end]));
        rest = &rest[end + 1..];
    }
    Ok(())
}

/// JSON in which no object has a name twice.
#[derive(Debug)]
struct Unique;

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Unique;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
                while seq.next_element::<Unique>()?.is_some() {}
                Ok(Unique)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value::<Unique>()?;
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("{name} is there twice")));
                    }
                }
                Ok(Unique)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "",
        "a",
        "a.b",
        "release",
        "event_id",
        "type",
        "throughline.stack",
        "throughline.dropped_attributes",
        "user.id",
        "user.",
        "user.id ",
        "thread.id",
        "thread.name",
        "throughline.breadcrumbs",
        "rum.error.source",
        "session.id",
        "sentry.release",
        "log.record.uid",
        "throughline.crash.signal",
        "operation.name",
        "service.name",
    ];
    prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "\\PC{0,12}"]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let special = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE];
    let leaf = prop_oneof![
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        any::<f64>().prop_map(AnyValue::Double),
        prop::sample::select(special).prop_map(AnyValue::Double),
        any::<String>().prop_map(AnyValue::Text),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(8, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::List),
            prop::collection::vec((key(), inner), 0..4).prop_map(AnyValue::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<(String, AnyValue)>> {
    prop::collection::vec((key(), value()), 0..10)
}

fn stack() -> impl Strategy<Value = String> {
    let lines = vec![
        "#00 pc 12  libshop.so (BuildId: 5f0c) [cfi]",
        "#01 pc zz",
        "at a.B.c(B.java:1)",
        "at f (x.js:1:2)",
        "f@x.js:1:2",
        "Caused by: ",
        "Caused by: a: b",
        "\"main\" prio=5 tid=1 Native",
        "panicked at a.rs:1:2",
        "0: main at a.rs:1:2",
        "(",
        ")",
        "at (",
        "#",
        "(BuildId: ",
        "(offset ",
        "[",
        "@",
        ":::",
        "\"\" tid=",
        "... more",
        "native: ",
    ];
    let line = prop_oneof![prop::sample::select(lines).prop_map(str::to_owned), "\\PC{0,40}"];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// A row as a damaged or a later store may give it: with keys that are twice there.
fn row_of<T>(
    event: &impl Event,
    (own, resource, of_records): (&[(String, AnyValue)], OwnedAttributes, OwnedAttributes),
    (view_name, time_ns): (String, u64),
    check: impl FnOnce(ExportRow<'_>) -> T,
) -> T {
    let mut bytes = Vec::new();
    encode(event, Stamp::default(), &mut bytes);
    let mut record = Record::decode(&bytes).unwrap();
    record.attributes.extend(own.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let scope = Scope { session: time_ns.is_multiple_of(2).then(|| Uuid::from_u128(9)), view: None, view_name };
    check(ExportRow {
        id: Uuid::from_u128(u128::from(time_ns)),
        time_ns,
        is_open: false,
        record,
        context: Arc::new(Context { attributes: resource, of_records }),
        scope: Arc::new(scope),
    })
}

proptest! {
    #[test]
    fn every_error_makes_an_envelope_that_can_be_read(
        name in any::<String>(), message in any::<String>(), stack in stack(), kind in 0..5_usize,
        own in attributes(), resource in attributes(), globals in attributes(), view: String, time: u64,
    ) {
        let kinds = [ErrorKind::Handled, ErrorKind::Crash, ErrorKind::Hang, ErrorKind::Anr, ErrorKind::OutOfMemory];
        let mut error = ErrorEvent::new(&name, &message).stack(&stack);
        error.error_kind = kinds[kind];
        row_of(&error, (&own, resource, globals), (view, time), |row| {
            let rows = [row];
            let body = sentry().encode(EVENTS, &rows);
            check(&body)?;
            prop_assert_eq!(&body, &sentry().encode(EVENTS, &rows), "the same rows give the same bytes");
            let event = &items(&body)[0].1;
            let exception = event["exception"]["values"].as_array().unwrap().last().unwrap();
            prop_assert!(exception.get("type").or(exception.get("value")).is_some());
            Ok(())
        })?;
    }

    #[test]
    fn every_log_and_session_makes_an_envelope_that_can_be_read(
        body in any::<String>(), severity: u8, own in attributes(), resource in attributes(), globals in attributes(),
        view: String, time: u64,
    ) {
        let lent = lend(&own);
        let mut log = Log::new(Severity::Info, &body).attributes(&lent);
        log.severity = [Severity::Trace, Severity::Fatal][usize::from(severity % 2)];
        let parts = || (&own[..], resource.clone(), globals.clone());
        row_of(&log, parts(), (view.clone(), time), |row| check(&sentry().encode(LOGS, &[row])))?;
        row_of(&Custom::new(&body), parts(), (view.clone(), time), |row| check(&sentry().encode(LOGS, &[row])))?;
        let end = Session::new(SessionChange::End, Uuid::from_u128(4), &body);
        row_of(&end, parts(), (view, time), |row| check(&sentry().encode(SESSIONS, &[row])))?;
    }

    #[test]
    fn no_answer_makes_the_exporter_panic(
        status: u16, body in prop::collection::vec(any::<u8>(), 0..80), limits in "[0-9:;,.a-z -]{0,40}", kind: String,
    ) {
        let headers = vec![("x-sentry-rate-limits".to_owned(), limits), ("content-type".to_owned(), kind)];
        let response = Response { status, headers, body, truncated: false };
        let _ = (sentry().classify(&response), sentry().waits(&response));
    }

    #[test]
    fn no_text_for_a_dsn_panics(dsn in "(https?://)?\\PC{0,20}@?\\PC{0,20}/?[0-9]{0,4}") {
        if let Ok(sentry) = Sentry::new(&dsn) {
            let url = sentry.url(EVENTS);
            prop_assert!(url.ends_with("/envelope/") && !url.contains(['@', '?', '#', ' ']), "{}", url);
        }
    }
}

#[test]
fn a_name_that_sentry_has_itself_stays_the_apps_among_the_extras() {
    let attributes = [
        ("release", "mine".into()),
        ("event_id", "mine".into()),
        ("a.b", 1.into()),
        ("nan", f64::NAN.into()),
        ("bytes", Attr::Bytes(&[0, 255])),
        ("tenant", "us".into()),
    ];
    let event = payload(&ErrorEvent::new("E", "m").attributes(&attributes));
    let extra = &event["extra"];
    assert_eq!((&extra["release"], &event["release"]), (&json!("mine"), &json!("shop@1.2.3")));
    assert_eq!([&extra["a.b"], &extra["nan"], &extra["bytes"]], [&json!(1), &json!("NaN"), &json!("00ff")]);
    assert_eq!((&extra["tenant"], &extra["app.channel"]), (&json!("us"), &json!("beta")), "the event's own counts");
    assert_eq!(event["user"], json!({"id": "u-1", "data": {"plan": "gold"}}));
    assert!(extra.get("app.installation.id").is_none(), "only its hash leaves the device");
}
