//! What the guides promise of traced stores and instruments.

use std::time::Duration;

use throughline::state::{Mutation, StorePolicy, Suppressed};
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry, Value};

use crate::app::{app, received, text};
use crate::support::{LONG, builder};

fn at_once() -> StorePolicy {
    StorePolicy { coalesce: Duration::ZERO, ..StorePolicy::default() }
}

#[test]
fn a_mutation_with_a_context_of_its_own_is_not_blamed_on_the_open_action() {
    let app = app();
    let store = app.telemetry.traced_store("Cart", &at_once()).unwrap();
    app.telemetry.tap("elsewhere").unwrap();
    let message = app.telemetry.start_span("message");
    let context = message.context().unwrap().clone();
    store.mutate_in(&context, &Mutation::set("total", 1, 2));
    store.set("count", 1, 2);
    message.succeed();
    let received = app.end();
    let of = |path: &str| {
        received.logs.iter().find(|log| text(&log.attributes, "state.path") == path).expect("it was recorded")
    };
    assert_eq!(text(&of("total").attributes, "state.cause"), "operation");
    assert_eq!(of("total").trace_id, context.trace.trace_id.to_vec());
    assert_eq!(text(&of("count").attributes, "state.cause"), "action");
}

#[test]
fn the_difference_of_two_states_is_recorded_and_what_exceeds_the_limit_is_counted() {
    let app = app();
    let policy = StorePolicy { max_actions_per_second: 1_000, ..at_once() };
    let store = app.telemetry.traced_store("Cart", &policy).unwrap();
    let item = |price: i64| [("price", Value::Int(price)), ("name", Value::Text("pen"))];
    let (old, new) = (item(1), item(2));
    let (old, new) = ([("item", Value::Map(&old))], [("item", Value::Map(&new))]);
    store.record_diff(&Value::Map(&old), &Value::Map(&new));
    assert_eq!((store.counts().mutations, store.counts().recorded), (1, 1));
    // One difference reports at most 100 mutations.
    let keys: Vec<String> = (0..150).map(|n| format!("k{n}")).collect();
    let state = |value: i64| keys.iter().map(|key| (key.as_str(), Value::Int(value))).collect::<Vec<_>>();
    let (old, new) = (state(1), state(2));
    store.record_diff(&Value::Map(&old), &Value::Map(&new));
    let counts = store.counts();
    assert_eq!((counts.mutations, counts.recorded), (151, 101));
    assert_eq!(counts.suppressed(Suppressed::DiffLimit), 50);
    let received = app.end();
    let paths: Vec<String> = received.logs.iter().map(|log| text(&log.attributes, "state.path")).collect();
    assert_eq!(paths.iter().filter(|path| *path == "item.price").count(), 1);
    assert!(!paths.iter().any(|path| path == "item.name"), "what is equal is no mutation");
}

#[test]
fn a_measurement_that_cannot_be_kept_as_it_was_made_is_counted() {
    let app = app();
    let counter = app.telemetry.counter("cart.checkouts", "{checkout}").unwrap();
    counter.record(f64::NAN, &[]);
    counter.record(-1.0, &[]);
    for n in 0..101 {
        counter.record(1.0, &[("cart", n.into())]);
    }
    let counts = app.telemetry.metric_counts();
    assert_eq!((counts.refused, counts.overflowed), (2, 1));
    assert!(app.telemetry.flush(LONG).complete);
    assert!(app.telemetry.shutdown(LONG));
    assert_eq!(app.telemetry.metric_counts(), Default::default());
}

#[test]
fn stores_and_meters_that_were_made_before_the_consent_live_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Denied).unwrap();
    let cart = telemetry.traced_store("Cart", &StorePolicy::default()).unwrap();
    let user = telemetry.traced_store("User", &StorePolicy::default()).unwrap();
    let counter = telemetry.counter("purchases", "1").unwrap();
    let (name, price) = (user.path("name"), cart.path("price"));
    let ignored = cart.path("ignored");
    user.update_policy(&StorePolicy::default().deny(["name"])).unwrap();
    assert!(telemetry.counter("1st", "1").is_err() && telemetry.histogram("h", "1", Some(&[2.0, 1.0])).is_err());
    cart.set("before", 0, 1);
    counter.record(7.0, &[]);
    telemetry.set_consent(Consent::Granted).unwrap();
    cart.set("items.count", 0, 1);
    price.set(1, 2);
    name.set("a", "b");
    cart.update_policy(&StorePolicy::default().deny(["ignored"])).unwrap();
    ignored.set(1, 2);
    counter.record(1.0, &[]);
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let mut named: Vec<_> =
        received.logs.iter().map(|log| &log.event_name).filter(|name| name.ends_with("Update")).collect();
    named.sort();
    assert_eq!(named, ["Cart.items.count.Update", "Cart.price.Update"]);
    drop((name, ignored));
    assert_eq!((cart.counts().mutations, user.counts().mutations), (3, 1));
    let metrics = server.received().into_iter().filter(|request| request.path.ends_with("/v1/metrics"));
    let one = 1f64.to_le_bytes();
    assert!(metrics.into_iter().any(|request| request.body.windows(8).any(|part| part == one)));
}
