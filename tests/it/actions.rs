//! What an action collects, and what belongs to it.

use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use throughline::event::{ErrorEvent, Resource};
use throughline::state::{StorePolicy, Suppressed};

use crate::app::{app, text};

#[test]
fn an_action_collects_what_it_causes_until_all_of_it_has_ended() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.start_view("Cart");
    let cart = telemetry.traced_store("Cart", &StorePolicy::default().deny(["secret"])).unwrap();
    let action = telemetry.tap("checkout").unwrap();
    app.clock.advance(Duration::from_millis(50));
    cart.set("items[0].quantity", 1, 2);
    cart.set("secret", 1, 2);
    let resource = telemetry.start_resource("POST", "https://shop.test/orders");
    app.pass(Duration::from_secs(2));
    telemetry.record_error(&ErrorEvent::new("Timeout", "slow"));
    resource.stop(200, |resource| resource.size(10));
    app.pass(Duration::from_millis(101));
    // The action has ended by now, so this request does not belong to it.
    telemetry.record_resource(&Resource::new("GET", "https://shop.test/other", 200, Duration::from_nanos(1)));
    let received = app.end();
    let tap = received.named("app.widget.click")[0];
    let of = |key: &str| text(&tap.attributes, key);
    assert_eq!(of("rum.action.id"), action.to_string());
    assert_eq!(of("rum.action.loading_time"), "2050000000");
    assert_eq!((of("rum.action.resource.count"), of("rum.action.error.count")), ("1".into(), "1".into()));
    assert_eq!((of("rum.action.mutation.count"), of("rum.action.frustration")), ("1".into(), "[\"error_tap\"]".into()));
    let mutation = received.named("Cart.items[*].quantity.Update")[0];
    assert_eq!(text(&mutation.attributes, "state.cause"), "action");
    assert_eq!(text(&mutation.attributes, "rum.action.id"), action.to_string());
    assert_eq!(mutation.trace_id, tap.trace_id);
    let order = received.spans.iter().find(|span| text(&span.attributes, "url.full").ends_with("orders")).unwrap();
    assert_eq!((&order.trace_id, &order.parent_span_id), (&tap.trace_id, &tap.span_id));
    assert_eq!(text(&order.attributes, "rum.action.id"), action.to_string());
    let root = received.spans.iter().find(|span| span.name == "checkout").unwrap();
    assert_eq!((&root.trace_id, &root.span_id), (&tap.trace_id, &tap.span_id));
    let other = received.spans.iter().find(|span| text(&span.attributes, "url.full").ends_with("other")).unwrap();
    assert_eq!(text(&other.attributes, "rum.action.id"), "");
    assert!(received.named("Cart.secret.Update").is_empty());
    assert_eq!(cart.counts().suppressed(Suppressed::Denied), 1);
}

#[test]
fn a_request_belongs_to_the_action_of_its_trace_and_to_no_other() {
    let app = app();
    let telemetry = &app.telemetry;
    let request = |path: &str| telemetry.start_resource("GET", &format!("https://shop.test/{path}"));
    let first = telemetry.tap("checkout").unwrap();
    let checkout = telemetry.start_operation("Checkout");
    // The operation goes on after a pause in which the action has ended.
    app.pass(Duration::from_secs(1));
    checkout.scope(|| request("after-a-pause").stop(200, |resource| resource));
    let second = telemetry.tap("help").unwrap();
    checkout.scope(|| request("of-the-first").stop(200, |resource| resource));
    let theirs = format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8));
    let message = telemetry.extract([("traceparent", theirs.as_str())]).unwrap();
    let foreign = telemetry.with_context(&message, || request("of-a-message"));
    let span = telemetry.start_span_in("handle", &message);
    // The action does not wait for a request that it has not caused.
    app.pass(Duration::from_secs(1));
    foreign.stop(200, |resource| resource);
    span.scope(|| request("in-the-span").stop(200, |resource| resource));
    span.succeed();
    checkout.succeed();
    let received = app.end();
    let action_of = |end: &str| {
        let is_it = |span: &&Span| span.name == end || text(&span.attributes, "url.full").ends_with(end);
        text(&received.spans.iter().find(is_it).unwrap().attributes, "rum.action.id")
    };
    assert_eq!(action_of("after-a-pause"), first.to_string());
    assert_eq!(action_of("of-the-first"), first.to_string(), "not of the one that happens to collect");
    for foreign in ["of-a-message", "handle", "in-the-span"] {
        assert_eq!(action_of(foreign), "", "{foreign}");
    }
    let tap = |id: uuid::Uuid| {
        let is_it = |log: &&LogRecord| text(&log.attributes, "rum.action.id") == id.to_string();
        received.named("app.widget.click").into_iter().find(is_it).unwrap()
    };
    for id in [first, second] {
        assert_eq!(text(&tap(id).attributes, "rum.action.resource.count"), "", "what it collected");
    }
    assert_eq!(text(&tap(second).attributes, "rum.action.loading_time"), "0");
}

#[test]
fn three_taps_in_a_second_are_a_rage_tap() {
    let app = app();
    for _ in 0..3 {
        app.telemetry.tap("pay");
        app.clock.advance(Duration::from_millis(300));
    }
    app.telemetry.tap("other");
    let received = app.end();
    let rage = |log: &&LogRecord| text(&log.attributes, "rum.action.frustration") == "[\"rage_tap\"]";
    let taps = received.named("app.widget.click");
    assert_eq!((taps.len(), taps.iter().copied().filter(rage).count()), (4, 1));
}
