//! Operations, requests and traced state: what the user wanted is one trace. It is read back from
//! what a backend has received.

use std::collections::BTreeMap;
use std::time::Duration;

use throughline::state::{Capture, Mutation, StorePolicy, Suppressed};
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry, Value};

use crate::app::{app, received, text};
use crate::support::{LONG, builder};

#[test]
fn an_operation_is_one_trace_with_its_mutations_and_requests() {
    let app = app();
    let telemetry = &app.telemetry;
    let policy = StorePolicy::default().capture("displayName", Capture::Full).transient(["**.isLoading"]);
    let profile = telemetry.traced_store("Profile", &policy).unwrap();
    let mut operation = telemetry.start_operation("UpdateDisplayName");
    operation.scope(|| {
        profile.set("isLoading", false, true);
        let resource = telemetry.start_resource("PUT", "https://api.test/me");
        resource.stop(200, |resource| resource);
        profile.set("displayName", "Ada", "Grace");
    });
    operation.set_attribute("length", 5);
    operation.retry(2);
    operation.succeed();
    let failing = telemetry.start_operation("Failing");
    failing.fail("SaveError", "no answer");
    drop(telemetry.start_operation("Dropped"));
    telemetry.start_operation("Cancelled").cancel();
    telemetry.start_operation("TimedOut").time_out();
    telemetry.start_span("cancelled span").cancel();
    telemetry.start_span("timed out span").time_out();
    let late = telemetry.start_operation("Late");
    app.pass(Duration::from_secs(601));
    late.succeed();
    let received = app.end();
    let span = |name: &str| received.spans.iter().find(|span| span.name == name).unwrap();
    let operation = span("UpdateDisplayName");
    assert_eq!(text(&operation.attributes, "operation.outcome"), "succeeded");
    assert_eq!(text(&operation.attributes, "operation.attempt"), "2");
    assert_eq!((text(&operation.attributes, "length"), operation.events.len()), ("5".into(), 1));
    let request = received.spans.iter().find(|span| span.name.starts_with("PUT")).unwrap();
    assert_eq!((&request.trace_id, &request.parent_span_id), (&operation.trace_id, &operation.span_id));
    let mutation = received.named("Profile.displayName.Update")[0];
    assert_eq!((&mutation.trace_id, &mutation.span_id), (&operation.trace_id, &operation.span_id));
    assert_eq!(text(&mutation.attributes, "state.cause"), "operation");
    assert_eq!(text(&mutation.attributes, "state.new"), "Grace");
    assert_eq!(text(&mutation.attributes, "state.suppressed.count"), "1");
    assert_eq!(text(&span("Failing").attributes, "operation.outcome"), "failed");
    assert_eq!(received.named("exception")[0].trace_id, span("Failing").trace_id);
    for (name, reason) in [("Dropped", "dropped"), ("Late", "timeout")] {
        assert_eq!(text(&span(name).attributes, "operation.outcome"), "abandoned");
        assert_eq!(text(&span(name).attributes, "operation.reason"), reason);
    }
    let ended = |name: &str| {
        let span = span(name);
        (span.status.as_ref().map(|status| status.code), text(&span.attributes, "error.type"))
    };
    for (name, outcome) in [("Cancelled", "cancelled"), ("TimedOut", "timed_out")] {
        assert_eq!(text(&span(name).attributes, "operation.outcome"), outcome);
        assert_eq!(text(&span(name).attributes, "operation.reason"), "", "that is of those that were abandoned");
    }
    for name in ["Cancelled", "cancelled span"] {
        assert_eq!(ended(name), (None, String::new()), "what is cancelled has not failed");
    }
    for name in ["TimedOut", "timed out span"] {
        assert_eq!(ended(name), (Some(2), "timeout".to_owned()));
    }
    assert_eq!(received.named("exception").len(), 1, "only what has failed is an error");
    let traces: std::collections::HashSet<_> = received.spans.iter().map(|span| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 8);
}

#[test]
fn overlapping_operations_on_one_store_never_get_each_others_mutations() {
    let app = app();
    let telemetry = &app.telemetry;
    let store = telemetry
        .traced_store("S", &StorePolicy::default().coalesce(Duration::ZERO).max_actions_per_second(10_000))
        .unwrap();
    let operations = [telemetry.start_operation("A"), telemetry.start_operation("B")];
    std::thread::scope(|scope| {
        for (operation, path) in operations.iter().zip(["a", "b"]) {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..100i64 {
                    operation.scope(|| store.set(path, n, n + 1));
                    store.set("outside", n, n + 1);
                }
            });
        }
    });
    let ids: Vec<_> = operations.iter().map(|operation| operation.context().unwrap().trace).collect();
    operations.into_iter().for_each(throughline::ActiveSpan::succeed);
    store.set("after", 1, 2);
    let received = app.end();
    for (path, context) in ["a", "b"].iter().zip(&ids) {
        let mutations = received.named(&format!("S.{path}.Update"));
        assert_eq!(mutations.len(), 100);
        assert!(mutations.iter().all(|mutation| mutation.span_id == context.span_id));
    }
    let outside = received.named("S.outside.Update");
    assert_eq!(outside.len(), 200);
    assert!(
        outside
            .iter()
            .all(|mutation| mutation.trace_id.is_empty() && text(&mutation.attributes, "state.cause") == "ambiguous")
    );
    assert_eq!(text(&received.named("S.after.Update")[0].attributes, "state.cause"), "none");
    assert_eq!((store.counts().ambiguous, store.counts().recorded), (200, 401));
    assert!(store.counts().balanced());
}

#[test]
fn fifty_interleaved_messages_keep_their_own_traces_across_two_hops() {
    let app = app();
    let telemetry = &app.telemetry;
    let store = telemetry
        .traced_store("Chat", &StorePolicy::default().coalesce(Duration::ZERO).max_actions_per_second(1_000))
        .unwrap();
    let parent =
        |n: u8| format!("00-{}-{}-01", format!("{:02x}", n + 1).repeat(16), format!("{:02x}", n + 1).repeat(8));
    let (first, second) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    std::thread::scope(|scope| {
        for n in 0..50u8 {
            let context = telemetry.extract([("traceparent", parent(n).as_str())]).unwrap();
            assert!(telemetry.keep_context(&format!("m{n}"), &context));
            first.0.send(n).unwrap();
        }
        drop(first.0);
        let (receive, send) = (first.1, second.0);
        scope.spawn(move || {
            let mut waiting: Vec<u8> = receive.iter().collect();
            waiting.reverse();
            for n in waiting {
                let context = telemetry.take_context(&format!("m{n}")).unwrap();
                let bound = telemetry.with_context(&context, || telemetry.bind(move || n));
                send.send((
                    n,
                    Box::new(bound) as Box<dyn FnOnce() -> u8 + Send>,
                    telemetry.with_context(&context, || telemetry.current_context()),
                ))
                .unwrap();
            }
        });
        let receive = second.1;
        let store = store.clone();
        scope.spawn(move || {
            for (n, bound, context) in receive {
                assert_eq!(bound(), n);
                telemetry.with_context(&context.unwrap(), || {
                    store.set(&format!("messages.m{n}"), -1, i64::from(n));
                    telemetry.start_resource("GET", &format!("https://chat.test/{n}")).stop(200, |resource| resource);
                });
            }
        });
    });
    assert!(telemetry.take_context("m3").is_none());
    let contexts = telemetry.health().contexts;
    assert_eq!((contexts.put, contexts.taken, contexts.refused), (50, 50, 0));
    let received = app.end();
    for n in 0..50u8 {
        let trace = vec![n + 1; 16];
        let mutation = received.named(&format!("Chat.messages.m{n}.Update"))[0];
        assert_eq!((&mutation.trace_id, &mutation.span_id), (&trace, &vec![n + 1; 8]));
        let url = format!("https://chat.test/{n}");
        let request = received.spans.iter().find(|span| text(&span.attributes, "url.full") == url).unwrap();
        assert_eq!((&request.trace_id, &request.parent_span_id), (&trace, &vec![n + 1; 8]));
    }
}

#[test]
fn a_panic_in_a_wrapped_body_is_recorded_and_reaches_the_caller() {
    let app = app();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        app.telemetry.wrap("Parse", || panic!("bad byte"));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"bad byte"));
    assert_eq!(app.telemetry.wrap("Fine", || 7), 7);
    assert!(app.telemetry.current_context().is_none());
    let received = app.end();
    let span = |name: &str| received.spans.iter().find(|span| span.name == name).unwrap().status.clone().unwrap();
    assert_eq!((span("Parse").code, span("Parse").message), (2, "bad byte".to_owned()));
    assert_eq!(span("Fine").code, 1);
}

#[test]
fn a_flush_also_sends_the_mutations_whose_window_is_still_open() {
    let app = app();
    let cart = app.telemetry.traced_store("Cart", &StorePolicy::default()).unwrap();
    cart.set("note", 1, 2);
    cart.set("note", 2, 3);
    assert!(app.telemetry.flush(LONG).complete);
    let first = received(&app.server);
    assert_eq!(text(&first.named("Cart.note.Update")[0].attributes, "mutation.count"), "2");
    cart.set("note", 3, 4);
    assert_eq!(app.end().named("Cart.note.Update").len(), 2);
    assert!(cart.counts().balanced());
}

#[test]
fn the_attributes_of_the_latest_mutation_win_and_never_replace_those_of_the_core() {
    let app = app();
    let cart = app.telemetry.traced_store("Cart", &StorePolicy::default()).unwrap();
    let long = "g".repeat(5_000);
    let attributes = [
        [("items", Value::Int(1)), ("tier", Value::Text("silver"))],
        [("items", Value::Int(2)), (throughline::names::STATE_STORE, Value::Text(&long))],
    ];
    for (n, given) in attributes.iter().enumerate() {
        cart.mutate(&Mutation::set("note", n as i64, n as i64 + 1).attributes(given));
    }
    cart.set("note", 2, 3);
    let received = app.end();
    let action = received.named("Cart.note.Update")[0];
    assert_eq!(text(&action.attributes, "mutation.count"), "3");
    assert_eq!((text(&action.attributes, "items"), text(&action.attributes, "tier")), ("2".into(), String::new()));
    assert_eq!(text(&action.attributes, throughline::names::STATE_STORE), "Cart");
}

#[test]
fn a_reverted_mutation_is_withdrawn_and_a_new_policy_counts_at_once() {
    let app = app();
    let policy = StorePolicy::default().ignore_if_reverted(Duration::from_millis(200));
    let menu = app.telemetry.traced_store("Menu", &policy).unwrap();
    let handle = menu.path("isOpen");
    handle.set(false, true);
    handle.set(true, false);
    menu.update_policy(&StorePolicy::default().deny(["**"])).unwrap();
    (0..10).for_each(|_| handle.set(false, true));
    drop(handle);
    assert!(menu.update_policy(&StorePolicy::default().allow(["a[["])).is_err());
    let received = app.end();
    assert!(received.named("Menu.isOpen.Update").is_empty());
    let counts = menu.counts();
    assert!(counts.balanced());
    assert_eq!((counts.mutations, counts.suppressed(Suppressed::Reverted)), (12, 2));
    let books = crate::support::books(&app.telemetry);
    assert_eq!(books.dropped.of(throughline::ledger::DropReason::Withdrawn), 1);
}

#[test]
fn the_random_flag_is_set_on_our_own_traces_and_passed_on_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let config = builder(dir.path()).trace_host("api.test").build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    let flags = |existing: &[(&str, &str)]| {
        let mut request = telemetry.start_resource("GET", "https://api.test/x");
        let headers = request.headers(existing);
        let written = headers.into_iter().find(|header| header.0 == "traceparent");
        let random = request.context().unwrap().random;
        request.stop(200, |resource| resource);
        (written.map(|header| header.1[53..].to_owned()), random)
    };
    let ours = (Some("03".to_owned()), true);
    assert_eq!(flags(&[]), ours);
    // The root of a tap, an operation in it, and a request in that.
    telemetry.tap("save");
    assert_eq!(flags(&[]), ours);
    assert_eq!(telemetry.start_operation("Save").scope(|| flags(&[])), ours);
    telemetry.finish_collecting();
    // What came from elsewhere is passed on, whichever way it came.
    for (came, random) in [("03", true), ("01", false)] {
        let theirs = format!("00-{}-{}-{came}", "ab".repeat(16), "cd".repeat(8));
        let context = telemetry.extract([("traceparent", theirs.as_str())]).unwrap();
        assert_eq!(telemetry.start_span_in("handle", &context).scope(|| flags(&[])), (Some(came.to_owned()), random));
        assert_eq!(flags(&[("traceparent", &theirs)]), (None, random));
    }
    // Of an id that the app brought, nothing is known.
    let trace = throughline::event::TraceContext { trace_id: [7; 16], span_id: [8; 8], sampled: true };
    telemetry.start_action(&throughline::event::Action::tap("theirs").trace(trace));
    assert_eq!(flags(&[]), (Some("01".to_owned()), false));
}

#[test]
fn a_request_carries_the_formats_of_its_host_and_logs_its_correlation_id() {
    use throughline::trace::{Format, TraceHost};
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let rule = TraceHost::new("api.test").formats([Format::TraceContext, Format::Baggage, Format::Correlation]);
    let config = builder(dir.path()).endpoint(server.url()).trace_host(rule).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    let session = telemetry.session_id().unwrap().to_string();
    let mut request = telemetry.start_resource("GET", "https://api.test/x");
    let headers: BTreeMap<_, _> = request.headers(&[]).into_iter().collect();
    let context = request.context().unwrap().trace;
    request.stop(200, |resource| resource.size(3));
    // The trace is sampled, and its id is random.
    assert_eq!(headers["traceparent"], context.traceparent().replace("-01", "-03"));
    assert_eq!(headers["baggage"], format!("session.id={session}"));
    let mut elsewhere = telemetry.start_resource("GET", "https://api.test.evil.com/x");
    assert!(elsewhere.headers(&[]).is_empty());
    elsewhere.stop(200, |resource| resource);
    // The app has put the request into a trace of its own, so the request belongs to that trace.
    let mut own = telemetry.start_resource("GET", "https://api.test/own");
    let theirs = format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8));
    assert!(own.headers(&[("traceparent", &theirs)]).iter().all(|header| header.0 != "traceparent"));
    own.stop(200, |resource| resource);
    assert!(telemetry.survives_redirect("https://api.test/x", "https://api.test/y"));
    assert!(!telemetry.survives_redirect("https://api.test/x", "https://cdn.test/y"));
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let span =
        |url: &str| received.spans.iter().find(|span| text(&span.attributes, "url.full").ends_with(url)).unwrap();
    let logged = text(&span("api.test/x").attributes, "http.request.header.x-correlation-id");
    assert_eq!(logged, format!("[{:?}]", headers["X-Correlation-ID"]));
    assert_eq!(text(&span("evil.com/x").attributes, "http.request.header.x-correlation-id"), "");
    assert_eq!(span("/own").trace_id, vec![0xab; 16]);
}

#[test]
fn a_flood_of_mutations_stays_within_the_budget_and_the_backend_can_account_for_each() {
    let app = app();
    let store = app.telemetry.traced_store("Feed", &StorePolicy::default()).unwrap();
    // 10,000 mutations a second, for ten seconds of the client's clock.
    for n in 0..100_000i64 {
        app.clock.advance(Duration::from_micros(100));
        store.set(&format!("items[{}].liked", n % 40), n, n + 1);
    }
    app.pass(Duration::from_secs(1));
    store.set("last", 1, 2);
    let received = app.end();
    let actions: Vec<_> = received.logs.iter().filter(|log| log.event_name.starts_with("Feed.")).collect();
    let sum = |key: &str| actions.iter().map(|log| text(&log.attributes, key).parse::<u64>().unwrap_or(0)).sum::<u64>();
    assert!(actions.len() <= 10 * 20 + 20, "{}", actions.len());
    assert_eq!(sum("mutation.count") + sum("state.suppressed.count"), 100_001);
    let counts = store.counts();
    assert_eq!((counts.mutations, counts.recorded, counts.dropped), (100_001, sum("mutation.count"), 0));
}

#[test]
fn the_late_answer_of_an_earlier_tap_is_not_blamed_on_the_next_one() {
    let app = app();
    let telemetry = &app.telemetry;
    let policy = StorePolicy::default().coalesce(Duration::ZERO).max_actions_per_second(10_000);
    let store = telemetry.traced_store("S", &policy).unwrap();
    let ms = |ms| app.clock.advance(Duration::from_millis(ms));
    telemetry.tap("first");
    store.set("first", 0, 1);
    let request = telemetry.start_resource("GET", "https://api.test/slow");
    ms(50);
    telemetry.tap("second");
    let own = telemetry.start_resource("GET", "https://api.test/fast");
    store.set("second", 0, 1);
    request.stop(200, |resource| resource);
    ms(99);
    store.set("answer", 0, 1);
    // By now the answer has had its effects.
    ms(1);
    own.stop(200, |resource| resource);
    store.set("own", 0, 1);
    ms(200);
    let without_tap = telemetry.start_resource("GET", "https://api.test/news");
    telemetry.tap("third");
    store.set("third", 0, 1);
    without_tap.stop(200, |resource| resource);
    store.set("news", 0, 1);
    let received = app.end();
    let cause = |path: &str| text(&received.named(&format!("S.{path}.Update"))[0].attributes, "state.cause");
    let causes = ["first", "second", "answer", "own", "third", "news"].map(cause);
    assert_eq!(causes, ["action", "action", "ambiguous", "action", "action", "ambiguous"]);
    assert_eq!((store.counts().ambiguous, store.counts().recorded), (2, 6));
}

#[test]
fn an_app_that_polls_does_not_lose_the_cause_of_what_a_tap_changes_in_its_own_turn() {
    let app = app();
    let telemetry = &app.telemetry;
    let policy = StorePolicy::default().coalesce(Duration::ZERO).max_actions_per_second(10_000);
    let store = telemetry.traced_store("S", &policy).unwrap();
    let ms = |ms| app.clock.advance(Duration::from_millis(ms));
    let turn = |name: &str, waits: u64| {
        let action = telemetry.tap(name).unwrap();
        let context = telemetry.action_context().unwrap();
        ms(waits);
        telemetry.with_context(&context, || store.set(name, 0, 1));
        (action, context)
    };
    // An answer that has come just now, and an operation that is running.
    telemetry.start_resource("GET", "https://api.test/poll").stop(200, |resource| resource);
    let (_, polled) = turn("polled", 0);
    let upload = telemetry.start_operation("Upload");
    let (_, busy) = turn("busy", 0);
    // What follows later could have been caused by either.
    store.set("later", 0, 1);
    upload.succeed();
    // The handler of a tap computes for longer than an action collects.
    ms(1_000);
    turn("slow", 150);
    ms(1_000);
    assert!(telemetry.action_context().is_none());
    let received = app.end();
    let log = |path: &str| received.named(&format!("S.{path}.Update"))[0].clone();
    let cause = |path: &str| text(&log(path).attributes, "state.cause");
    assert_eq!(["polled", "busy", "later", "slow"].map(cause), ["action", "action", "ambiguous", "action"]);
    for (path, context) in [("polled", polled), ("busy", busy)] {
        let root = received.spans.iter().find(|span| span.name == path).unwrap();
        assert_eq!(root.span_id, context.trace.span_id.to_vec(), "the tap roots the trace of {path}");
        assert_eq!(log(path).trace_id, root.trace_id, "{path}");
    }
    assert_eq!(store.counts().ambiguous, 1);
}
