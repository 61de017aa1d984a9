//! An event belongs to the moment at which it began: to the user, the session and the view of then,
//! whatever comes before its end.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use throughline::event::{Action, ErrorEvent};
use throughline::state::StorePolicy;
use throughline::testing::FaultServer;
use throughline::time::Clock;
use throughline::{Consent, Telemetry, User, Value};

use crate::app::{app, received, text};
use crate::support::{LONG, start};

fn sign_in(telemetry: &Telemetry, id: &str) {
    assert!(telemetry.set_user(Some(User { id, ..User::default() })));
}

/// The view and the user of a record.
fn whose(attributes: &[KeyValue]) -> (String, String) {
    (text(attributes, "app.screen.name"), text(attributes, "user.id"))
}

#[test]
fn what_ends_on_the_next_screen_is_not_taken_for_the_next_users() {
    let app = app();
    let telemetry = &app.telemetry;
    let cart = telemetry.traced_store("Cart", &StorePolicy::default()).unwrap();
    sign_in(telemetry, "alice");
    telemetry.start_view("Cart");
    app.pass(Duration::from_secs(2));
    let operation = telemetry.start_operation("Buy");
    let span = telemetry.start_span("Validate");
    let request = telemetry.start_resource("POST", "https://api.example.com/orders");
    cart.set("items.count", 1, 0);
    // What a tap on "buy" does: it changes the state and goes on to the next screen.
    app.pass(Duration::from_millis(50));
    telemetry.start_view("Receipt");
    sign_in(telemetry, "bob");
    let action = telemetry.start_action(&Action::custom("Later"));
    app.pass(Duration::from_millis(50));
    operation.succeed();
    span.succeed();
    assert!(request.stop(200, |resource| resource).is_some());
    app.pass(Duration::from_secs(1));
    let received = app.end();
    let expected = ("Cart".to_owned(), "alice".to_owned());
    assert_eq!(whose(&received.named("Cart.items.count.Update")[0].attributes), expected);
    for name in ["Buy", "Validate", "POST"] {
        let span = received.spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(whose(&span.attributes), expected, "{name}");
        let caused_by = text(&span.attributes, "rum.action.id");
        assert_ne!(caused_by, action.unwrap().to_string(), "{name} began before the action");
    }
    let later = received.named("Later")[0];
    assert_eq!(whose(&later.attributes), ("Receipt".to_owned(), "bob".to_owned()));
}

#[test]
fn what_is_known_late_belongs_to_the_view_the_action_and_the_user_of_its_own_time() {
    let app = app();
    let telemetry = &app.telemetry;
    sign_in(telemetry, "alice");
    telemetry.start_view("Cart");
    let action = telemetry.start_action(&Action::tap("Buy")).unwrap();
    app.pass(Duration::from_millis(50));
    // A promise is rejected here, of which the engine will tell in two seconds.
    let then = Clock::Manual(app.clock.clone()).wall();
    app.pass(Duration::from_millis(50));
    telemetry.start_view("Receipt");
    sign_in(telemetry, "bob");
    telemetry.renew_session();
    telemetry.start_action(&Action::tap("Close")).unwrap();
    app.pass(Duration::from_millis(1_900));
    telemetry.start_action(&Action::tap("Later")).unwrap();
    telemetry.replay(then, || telemetry.record_error(&ErrorEvent::new("Rejected", "late")).unwrap());
    telemetry.record_error(&ErrorEvent::new("Thrown", "now")).unwrap();
    let received = app.end();
    let errors = received.named("exception");
    let (late, now) = (&errors[0].attributes, &errors[1].attributes);
    assert_eq!(text(late, "exception.type"), "Rejected");
    assert_eq!(whose(late), ("Cart".to_owned(), "alice".to_owned()));
    assert_eq!(text(late, "rum.action.id"), action.to_string());
    assert_ne!(text(late, "session.id"), text(now, "session.id"));
    assert_eq!(errors[0].time_unix_nano, then);
    assert_eq!(whose(now), ("Receipt".to_owned(), "bob".to_owned()));
    // It is counted where it happened, or not at all: that view and that action are over.
    for view in received.named("app.screen.view") {
        let expected = if text(&view.attributes, "session.id") == text(now, "session.id") { "1" } else { "" };
        assert_eq!(text(&view.attributes, "rum.view.error.count"), expected, "{:?}", view.attributes);
    }
    let clicks = received.named("app.widget.click");
    let errors_of = |name: &str| {
        let click = clicks.iter().find(|log| text(&log.attributes, "app.widget.name") == name);
        text(&click.unwrap_or_else(|| panic!("no {name}")).attributes, "rum.action.error.count")
    };
    assert_eq!((errors_of("Buy"), errors_of("Later")), (String::new(), "1".to_owned()));
}

#[test]
fn what_is_known_late_and_belongs_to_the_open_action_is_counted_there() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.start_view("Cart");
    telemetry.start_action(&Action::tap("Buy")).unwrap();
    let request = telemetry.start_resource("GET", "https://api.example.com/slow");
    app.pass(Duration::from_millis(50));
    let then = Clock::Manual(app.clock.clone()).wall();
    app.pass(Duration::from_secs(2));
    telemetry.replay(then, || telemetry.record_error(&ErrorEvent::new("Rejected", "late")).unwrap());
    assert!(request.stop(200, |resource| resource).is_some());
    let received = app.end();
    assert_eq!(text(&received.named("app.widget.click")[0].attributes, "rum.action.error.count"), "1");
}

#[test]
fn what_happened_while_consent_was_denied_is_never_recorded_however_late_it_is_known() {
    let app = app();
    let telemetry = &app.telemetry;
    let wall = || Clock::Manual(app.clock.clone()).wall();
    let late = |message: &'static str| telemetry.record_error(&ErrorEvent::new("Late", message));
    let before = wall();
    app.pass(Duration::from_secs(1));
    telemetry.set_consent(Consent::Denied).unwrap();
    let denied = wall();
    app.clock.advance(Duration::from_secs(1));
    telemetry.set_consent(Consent::Granted).unwrap();
    app.pass(Duration::from_secs(1));
    let after = wall();
    assert_eq!(telemetry.replay(before, || late("before the denial")), None);
    assert_eq!(telemetry.replay(denied, || late("while it was denied")), None);
    assert!(telemetry.replay(after, || late("after it")).is_some());
    assert!(late("now").is_some(), "and the thread records as before");
    let received = app.end();
    let messages: Vec<_> =
        received.named("exception").iter().map(|error| text(&error.attributes, "exception.message")).collect();
    assert_eq!(messages, ["after it", "now"]);
}

#[test]
fn what_happened_before_all_that_is_known_belongs_to_what_is_current() {
    let app = app();
    let telemetry = &app.telemetry;
    let before = Clock::Manual(app.clock.clone()).wall() - 5_000_000_000;
    telemetry.replay(before, || telemetry.record_error(&ErrorEvent::new("Early", "before the start")).unwrap());
    telemetry.start_view("Cart");
    telemetry.replay(before, || telemetry.record_error(&ErrorEvent::new("Early", "also")).unwrap());
    let received = app.end();
    let screens: Vec<_> = received.named("exception").iter().map(|e| whose(&e.attributes).0).collect();
    assert_eq!(screens.last().unwrap(), "Cart");
}

#[test]
fn a_logout_while_the_journal_is_full_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    sign_in(&telemetry, "alice");
    telemetry.start_view("Secret");
    assert!(telemetry.drain(LONG) && telemetry.suspend(LONG));
    // Nobody drains: a device that is locked, a full disk, an app that plays music in the
    // background.
    let blob = vec![7u8; 4096];
    let big: Vec<_> = (0..20).map(|_| ("blob", Value::Bytes(&blob))).collect();
    while telemetry.record_error(&ErrorEvent::new("E", "m").attributes(&big)).is_some() {}
    while telemetry.record_error(&ErrorEvent::crash("E", "m", "s").attributes(&big)).is_some() {}
    while telemetry.record_error(&ErrorEvent::crash("E", "m", "s")).is_some() {}
    // More contexts than are kept a place for.
    for n in 0..400i64 {
        assert!(telemetry.set_global_attribute("n", Some(n.into())));
    }
    assert!(telemetry.set_user(None));
    telemetry.start_view("Public");
    assert!(telemetry.record_error(&ErrorEvent::crash("E", "nobody's", "s")).is_none());
    assert!(telemetry.resume(LONG) && telemetry.drain(LONG));
    telemetry.record_action(&Action::tap("later")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let later = received.named("app.widget.click");
    assert_eq!(whose(&later[0].attributes), ("Public".to_owned(), String::new()));
    assert_eq!(text(&later[0].attributes, "n"), "399");
}

#[test]
fn what_was_thrown_before_a_view_that_the_full_journal_refused_is_not_taken_for_that_views() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    sign_in(&telemetry, "alice");
    telemetry.start_view("Secret");
    let then = Clock::System.wall();
    assert!(telemetry.drain(LONG) && telemetry.suspend(LONG));
    let blob = vec![7u8; 4096];
    let big: Vec<_> = (0..20).map(|_| ("blob", Value::Bytes(&blob))).collect();
    while telemetry.record_error(&ErrorEvent::new("E", "m").attributes(&big)).is_some() {}
    while telemetry.record_error(&ErrorEvent::crash("E", "m", "s").attributes(&big)).is_some() {}
    while telemetry.record_error(&ErrorEvent::crash("E", "m", "s")).is_some() {}
    for n in 0..400i64 {
        assert!(telemetry.set_global_attribute("n", Some(n.into())));
    }
    assert!(telemetry.set_user(None));
    telemetry.start_view("Public");
    assert!(telemetry.resume(LONG) && telemetry.drain(LONG));
    telemetry.replay(then, || telemetry.record_error(&ErrorEvent::new("Rejected", "alice's")).unwrap());
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let errors = received.named("exception");
    let late = errors.iter().find(|log| text(&log.attributes, "exception.type") == "Rejected").unwrap();
    assert_eq!(whose(&late.attributes), ("Secret".to_owned(), "alice".to_owned()));
}

#[test]
fn a_request_that_outlives_many_screens_keeps_the_user_who_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    sign_in(&telemetry, "alice");
    telemetry.start_view("Cart");
    let request = telemetry.start_resource("GET", "https://api.example.com/stream");
    sign_in(&telemetry, "bob");
    for n in 0..200 {
        telemetry.start_view(&format!("Screen {n}"));
        if n % 10 == 0 {
            assert!(telemetry.flush(LONG).complete);
        }
    }
    assert!(telemetry.flush(LONG).complete);
    assert!(request.stop(200, |resource| resource).is_some());
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    assert_eq!(whose(&received.spans[0].attributes), ("Cart".to_owned(), "alice".to_owned()));
}

#[test]
fn what_began_before_an_erasure_has_a_service_and_names_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    sign_in(&telemetry, "alice");
    telemetry.start_view("Secret");
    let request = telemetry.start_resource("GET", "https://api.example.com/stream");
    assert!(telemetry.erase(LONG) && telemetry.set_user(None));
    assert!(request.stop(200, |resource| resource).is_some());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(whose(&received(&server).spans[0].attributes), (String::new(), String::new()));
    let body = server.received().into_iter().find(|request| request.path.ends_with("/v1/traces")).unwrap().body;
    assert!(body.windows(12).any(|part| part == b"service.name"));
}

#[test]
fn what_was_thrown_before_many_attributes_changed_at_once_keeps_its_user() {
    let app = app();
    let telemetry = &app.telemetry;
    sign_in(telemetry, "alice");
    telemetry.start_view("Secret");
    app.pass(Duration::from_millis(500));
    let then = Clock::Manual(app.clock.clone()).wall();
    app.pass(Duration::from_millis(500));
    for n in 0..70i64 {
        telemetry.set_global_attribute("n", Some(n.into()));
    }
    sign_in(telemetry, "bob");
    telemetry.start_view("Public");
    telemetry.replay(then, || telemetry.record_error(&ErrorEvent::new("Rejected", "late"))).unwrap();
    let received = app.end();
    assert_eq!(whose(&received.named("exception")[0].attributes), ("Secret".to_owned(), "alice".to_owned()));
}
