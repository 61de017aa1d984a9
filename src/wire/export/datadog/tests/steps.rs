//! Rows that tell of two events, and by whose clock they are.

use super::*;

#[test]
fn a_clock_that_is_three_hours_slow_puts_no_event_beside_its_request_on_the_server() {
    let hours = |offset: i64| vec![(names::SERVER_OFFSET.to_owned(), AnyValue::Int(offset * 3_600_000))];
    let body = |stored: &Stored| {
        let row = stored.row();
        let body = exporter().encode(exporter().signal(row.kind()).unwrap(), &[row]);
        assert!(!String::from_utf8_lossy(&body).contains(names::SERVER_OFFSET), "nobody is to add it once more");
        serde_json::from_slice::<Json>(&body).unwrap()
    };
    let events = [SpanEvent { name: "retry", time_ns: 1_767_225_600_000_000_007, attributes: &[] }];
    let mut span = Span::new("Checkout", TRACE, Duration::from_nanos(77));
    span.events = &events;
    let kinds: [Box<dyn Event + '_>; 3] =
        [Box::new(Action::tap("pay")), Box::new(Log::new(Severity::Info, "paid")), Box::new(span)];
    let [action, log, span] = kinds.map(|event| {
        let mut stored = Stored::of(event.as_ref());
        stored.globals(hours(3));
        body(&stored)
    });
    assert_eq!(action["date"], 1_767_236_400_000_u64);
    assert_eq!(log[0]["date"], "2026-01-01T03:00:00.000Z");
    assert_eq!(span["spans"][0]["start"], 1_767_236_400_000_000_001_u64);
    let retry = span["spans"][0]["meta"]["events"].as_str().unwrap();
    assert!(retry.contains("1767236400000000007"), "{retry}");
    let mut early = Stored::of(&Action::tap("pay"));
    (early.time_ns, _) = (1, early.globals(hours(-3)));
    assert_eq!(body(&early)["date"], 0, "no time is before the epoch");
    early.globals(vec![(names::SERVER_OFFSET.to_owned(), AnyValue::Int(i64::MAX))]);
    assert!(body(&early)["date"].is_u64());
}

#[test]
fn a_request_that_got_no_answer_is_an_error_too_unless_nobody_wanted_it_any_more() {
    let of = |request: &Resource<'_>| rum_of(&[Stored::of(request)]);
    let failed = Resource::new("get", "https://a.test/x", 0, Duration::from_secs(2)).failed("timeout");
    let [resource, error] = of(&failed.trace(TRACE).action_id(ACTION)).try_into().unwrap();
    assert_eq!((&resource["type"], resource["resource"].get("status_code")), (&json!("resource"), None));
    assert_ne!(resource["resource"]["id"], error["error"]["id"]);
    let mut own = error["error"].clone();
    assert!(own.as_object_mut().unwrap().remove("id").is_some());
    assert_eq!(
        own,
        json!({
            "message": "The request got no answer: timeout", "type": "timeout", "source": "network",
            "category": "Network", "handling": "handled", "is_crash": false, "source_type": "ios",
            "resource": {"method": "GET", "status_code": 0, "url": "https://a.test/x"},
        })
    );
    assert_eq!(error["date"].as_u64().unwrap(), resource["date"].as_u64().unwrap() + 2_000);
    assert_eq!((&error["action"], error["_dd"].get("span_id")), (&json!({"id": [ACTION.to_string()]}), None));
    for whole in [
        Resource::new("GET", "https://a.test/x", 500, Duration::ZERO),
        Resource::new("GET", "https://a.test/x", 0, Duration::ZERO),
        Resource::new("GET", "https://a.test/x", 0, Duration::ZERO).failed(words::ERROR_CANCELLED),
    ] {
        assert_eq!(of(&whole).len(), 1, "{whole:?}");
    }
    let odd = Resource::new("BREW", "https://a.test/x", 0, Duration::ZERO).failed("offline");
    assert_eq!(of(&odd)[1]["error"].get("resource"), None, "the schemas do not know the method");
}

#[test]
fn an_operation_is_two_steps_in_rum_if_the_app_wants_it() {
    let datadog = exporter().operations(true);
    assert_eq!((datadog.signal(EventKind::Span), exporter().signal(EventKind::Span)), (Some(RUM), Some(SPANS)));
    let of = |outcome: &str, is_operation: bool| -> Vec<Json> {
        let mut attributes = vec![(names::OPERATION_OUTCOME, outcome.into())];
        if is_operation {
            attributes.push((names::OPERATION_NAME, "Check out".into()));
        }
        let events = [SpanEvent { name: "retry", time_ns: 9, attributes: &[] }];
        let mut span = Span::new("Check out", TRACE, Duration::from_secs(3)).action_id(ACTION).attributes(&attributes);
        (span.status_message, span.events) = ("declined", &events);
        let body = datadog.encode(RUM, &[Stored::of(&span).row()]);
        body.split(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
    };
    let [start, end] = of(words::OUTCOME_FAILED, true).try_into().unwrap();
    let id = rows::ID.to_string();
    let vital = |step: &str| {
        json!({
            "type": "operation_step", "step_type": step, "name": "Check_out", "description": "Check out",
            "operation_key": id,
        })
    };
    let (mut expected, mut found) = (vital("start"), start["vital"].clone());
    assert_ne!(found.as_object_mut().unwrap().remove("id"), Some(json!(id)), "two vitals have two ids");
    assert_eq!(found, expected);
    expected = vital("end");
    (expected["id"], expected["failure_reason"]) = (json!(id), json!("error"));
    assert_eq!(end["vital"], expected);
    assert_eq!(end["date"].as_u64().unwrap(), start["date"].as_u64().unwrap() + 3_000);
    assert_eq!((start["context"].get(names::OPERATION_OUTCOME), start["context"].get("error.message")), (None, None));
    assert_eq!(end["context"]["error.message"], "declined");
    assert_eq!(end["context"][names::DROPPED_ATTRIBUTES], 1, "RUM has no place for the span's event");
    assert_eq!(end["context"][names::ACTION_ID], ACTION.to_string());
    for (outcome, reason) in [
        (words::OUTCOME_SUCCEEDED, json!(null)),
        (words::OUTCOME_CANCELLED, json!("abandoned")),
        (words::OUTCOME_ABANDONED, json!("abandoned")),
        (words::OUTCOME_TIMED_OUT, json!("other")),
    ] {
        assert_eq!(of(outcome, true)[1]["vital"]["failure_reason"], reason, "{outcome}");
    }
    let [span] = of("", false).try_into().unwrap();
    assert_eq!((&span["vital"]["type"], &span["vital"]["duration"]), (&json!("duration"), &json!(3_000_000_000_u64)));
}
