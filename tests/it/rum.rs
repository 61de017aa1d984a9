//! Sessions, views, actions and metrics, recorded through the client and read back from what a
//! backend has received.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use throughline::event::{Action, ErrorEvent, Resource, Temporality};
use throughline::state::{Mutation, StorePolicy};
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry, Value};

use crate::app::{app, received, text};
use crate::support::{LONG, builder, tick, until, walk};

#[test]
fn a_view_counts_what_happens_on_it_and_not_while_another_covers_it() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.record_error(&ErrorEvent::new("Early", "before any view"));
    telemetry.start_view("List");
    telemetry.record_action(&Action::tap("row"));
    app.pass(Duration::from_secs(2));
    telemetry.mark_interactive();
    telemetry.push_view("Sheet");
    telemetry.record_resource(&Resource::new("GET", "https://a.test/x", 200, Duration::from_nanos(5)));
    telemetry.record_error(&ErrorEvent::new("E", "on the sheet"));
    app.pass(Duration::from_secs(10));
    telemetry.stop_view();
    telemetry.record_action(&Action::tap("row"));
    app.pass(Duration::from_secs(3));
    let received = app.end();
    let views: BTreeMap<_, _> = received
        .named("app.screen.view")
        .into_iter()
        .map(|view| (text(&view.attributes, "app.screen.name"), view))
        .collect();
    let of = |view: &str, key: &str| text(&views[view].attributes, key);
    assert_eq!(views.keys().collect::<Vec<_>>(), ["ApplicationLaunch", "List", "Sheet"]);
    assert_eq!(of("ApplicationLaunch", "rum.view.error.count"), "1");
    assert_eq!((of("List", "rum.view.action.count"), of("List", "rum.view.error.count")), ("2".into(), "".into()));
    assert_eq!(of("List", "rum.view.time_spent"), "5000000000");
    assert_eq!(of("List", "rum.view.loading_time"), "2000000000");
    assert_eq!((of("Sheet", "rum.view.resource.count"), of("Sheet", "rum.view.error.count")), ("1".into(), "1".into()));
    assert_eq!(of("Sheet", "rum.view.time_spent"), "10000000000");
    assert_eq!(of("List", "rum.view.is_active"), "false");
    let error = received.named("exception").into_iter().find(|e| text(&e.attributes, "exception.type") == "E").unwrap();
    assert_eq!(text(&error.attributes, "app.screen.name"), "Sheet");
}

#[test]
fn a_session_ends_when_the_user_is_inactive_and_its_view_goes_on_in_the_next() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.start_view("Home");
    let first = telemetry.session_id().unwrap();
    app.pass(Duration::from_secs(14 * 60));
    telemetry.record_action(&Action::tap("still here"));
    app.pass(Duration::from_secs(14 * 60));
    telemetry.record_action(&Action::tap("still here"));
    assert_eq!(telemetry.session_id(), Some(first));
    app.pass(Duration::from_secs(15 * 60 + 1));
    telemetry.record_action(&Action::tap("back again"));
    let second = telemetry.session_id().unwrap();
    assert_ne!(first, second);
    let received = app.end();
    let ended = received.named("session.end");
    assert_eq!(ended.len(), 1);
    assert_eq!(text(&ended[0].attributes, "session.id"), first.to_string());
    assert_eq!(text(&ended[0].attributes, "rum.session.reason"), "inactivity_timeout");
    let started = received.named("session.start");
    let next = started.iter().find(|start| text(&start.attributes, "session.id") == second.to_string()).unwrap();
    assert_eq!(text(&next.attributes, "session.previous_id"), first.to_string());
    assert_eq!(text(&next.attributes, "rum.session.sequence"), "2");
    let views = received.named("app.screen.view");
    let of = |session: &str| views.iter().filter(|view| text(&view.attributes, "session.id") == session).count();
    assert_eq!((of(&first.to_string()), of(&second.to_string())), (1, 1));
    let tap = received.logs.iter().find(|log| text(&log.attributes, "app.widget.name") == "back again").unwrap();
    assert_eq!(text(&tap.attributes, "session.id"), second.to_string());
    assert_eq!(text(&tap.attributes, "app.screen.name"), "Home");
}

#[test]
fn a_disabled_client_runs_the_work_and_records_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::start(builder(dir.path()).enabled(false).build().unwrap(), Consent::Granted).unwrap();
    let store = telemetry.traced_store("S", &StorePolicy::default()).unwrap();
    store.mutate(&Mutation::set("a", 1, 2));
    let operation = telemetry.start_operation("O");
    assert_eq!(operation.scope(|| 3), 3);
    assert!(operation.context().is_none() && telemetry.tap("x").is_none());
    operation.succeed();
    assert_eq!(telemetry.wrap("w", || 4), 4);
    assert!(telemetry.traced_store("S", &StorePolicy::default().allow(["a["])).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// What the child of the next test does before it is killed.
fn leave_everything_open(dir: &std::path::Path) -> ! {
    let telemetry = Telemetry::start(builder(dir).build().unwrap(), Consent::Granted).unwrap();
    let mapped = Some(throughline::health::JournalMode::Mapped);
    until("the journal is mapped", || telemetry.health().journal == mapped);
    telemetry.start_view("Profile");
    let store = telemetry.traced_store("Profile", &StorePolicy::default().coalesce(Duration::from_secs(60))).unwrap();
    telemetry.tap("save");
    let operation = telemetry.start_operation("UpdateDisplayName");
    operation.scope(|| (0..5i64).for_each(|n| store.set("age", n, n + 1)));
    // After `kill -9` no code of this process runs any more.
    let own = std::process::id().to_string();
    std::process::Command::new("kill").args(["-9", &own]).status().unwrap();
    unreachable!();
}

#[test]
fn what_a_killed_process_left_open_is_closed_and_marked() {
    let name = "rum::what_a_killed_process_left_open_is_closed_and_marked";
    if let Some(dir) = std::env::var_os("THROUGHLINE_KILLED_DIR") {
        leave_everything_open(std::path::Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let status = std::process::Command::new(own)
        .args([name, "--exact"])
        .env("THROUGHLINE_KILLED_DIR", dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let server = FaultServer::start().unwrap();
    let telemetry = crate::support::start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let view = received.named("app.screen.view")[0];
    let tap = received.named("app.widget.click")[0];
    let mutation = received.named("Profile.age.Update")[0];
    let operation = received.spans.iter().find(|span| span.name == "UpdateDisplayName").unwrap();
    for attributes in [&view.attributes, &tap.attributes, &mutation.attributes, &operation.attributes] {
        assert_eq!(text(attributes, "throughline.ended"), "process_death");
    }
    // The count is written to the journal at every power of two: five mutations leave a four.
    assert_eq!(text(&mutation.attributes, "mutation.count"), "4");
    assert_eq!((&mutation.trace_id, &mutation.span_id), (&operation.trace_id, &operation.span_id));
    assert_eq!(tap.trace_id, operation.trace_id);
}

#[test]
fn a_session_goes_on_in_the_next_process_or_ends_with_the_reason_process_death() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let start = || {
        let mut host = Host::default();
        host.clock = Clock::Manual(clock.clone());
        let telemetry =
            Telemetry::start_with(builder(dir.path()).endpoint(server.url()).build().unwrap(), Consent::Granted, host)
                .unwrap();
        telemetry.record_action(&Action::tap("x"));
        tick(&telemetry);
        telemetry
    };
    let telemetry = start();
    let first = telemetry.session_id().unwrap();
    assert!(telemetry.shutdown(LONG));
    clock.advance(Duration::from_secs(600));
    let telemetry = start();
    assert_eq!(telemetry.session_id(), Some(first));
    // A kill leaves the file of a process that has not shut down.
    let file = dir.path().join("session.json");
    let alive = std::fs::read(&file).unwrap();
    assert!(telemetry.shutdown(LONG));
    std::fs::write(&file, alive).unwrap();
    clock.advance(Duration::from_secs(1_000));
    let telemetry = start();
    let second = telemetry.session_id().unwrap();
    assert_ne!(first, second);
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let ended = received.named("session.end");
    assert_eq!((ended.len(), text(&ended[0].attributes, "session.id")), (1, first.to_string()));
    assert_eq!(text(&ended[0].attributes, "rum.session.reason"), "process_death");
    let starts: Vec<_> =
        received.named("session.start").iter().map(|start| text(&start.attributes, "rum.session.sequence")).collect();
    assert_eq!(starts, ["1", "2"]);
    assert!(telemetry.shutdown(LONG));
    // A damaged file counts as none: the client starts with a session of its own.
    std::fs::write(&file, b"{\"id\":").unwrap();
    assert!(start().session_id().is_some());
}

#[test]
fn secrets_and_personal_data_never_reach_the_disk() {
    let app = app();
    let telemetry = &app.telemetry;
    let nested = [("cardNumber", Value::from("4111111111111111")), ("brand", "visa".into())];
    let attributes = [
        ("user.password", Value::from("hunter2")),
        ("x-api-key", "k-123".into()),
        ("payment", Value::Map(&nested)),
        ("state.store", "mine".into()),
        ("sku", "A-17".into()),
    ];
    telemetry.record_action(&Action::tap("pay").attributes(&attributes));
    telemetry.tap("save");
    telemetry.start_action(&Action::tap("again").attributes(&attributes));
    let mut operation = telemetry.start_operation("Pay");
    operation.set_attribute("refresh_token", "t-456");
    operation.fail("Refused", "card 4111 1111 1111 1111 of ada@mail.test refused");
    telemetry
        .record_log(&throughline::event::Log::new(throughline::event::Severity::Info, "Bearer abcdefgh12345 sent"));
    telemetry.record_resource(&Resource::new(
        "GET",
        "https://u:p4ss@a.test/x?code=q-789#f",
        200,
        Duration::from_nanos(1),
    ));
    let received = app.end();
    let mut files = Vec::new();
    for entry in walk(app.dir.path()) {
        files.extend(std::fs::read(entry).unwrap());
    }
    // None of these secrets is a short run of hexadecimal digits, because the files are full of
    // random ids, and one of them would contain it one day.
    let secrets = [
        "hunter2",
        "k-123",
        "4111111111111111",
        "4111 1111",
        "1111 1111",
        "t-456",
        "ada@mail",
        "abcdefgh12345",
        "p4ss",
        "q-789",
    ];
    for secret in secrets {
        assert!(!files.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is on the disk");
    }
    assert!(files.windows(4).any(|window| window == b"A-17"), "the search works");
    let pay = received.named("app.widget.click")[0];
    assert_eq!(text(&pay.attributes, "user.password"), "[redacted]");
    assert_eq!(
        (text(&pay.attributes, "state.store"), text(&pay.attributes, "app.state.store")),
        ("".into(), "mine".into())
    );
    let again = received.named("app.widget.click")[2];
    assert_eq!(
        (text(&again.attributes, "app.state.store"), text(&again.attributes, "sku")),
        ("mine".into(), "A-17".into())
    );
    let error = received.named("exception")[0];
    assert_eq!(text(&error.attributes, "exception.message"), "card [redacted] of [redacted] refused");
    let request = received.spans.iter().find(|span| span.name.starts_with("GET")).unwrap();
    assert_eq!(text(&request.attributes, "url.full"), "https://a.test/x");
}

#[test]
fn metrics_are_aggregated_and_each_destination_gets_its_temporality() {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
    let dir = tempfile::tempdir().unwrap();
    let servers = [FaultServer::start().unwrap(), FaultServer::start().unwrap()];
    let delta = throughline::Destination::new("delta", servers[1].url()).temporality(Temporality::Delta);
    let config = builder(dir.path()).endpoint(servers[0].url()).destination(delta).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    let taps = telemetry.counter("cart.taps", "{tap}").unwrap();
    let time = telemetry.histogram("cart.time", "ms", Some(&[10.0, 100.0])).unwrap();
    for round in [2.0, 3.0] {
        (0..100).for_each(|_| taps.record(round, &[("screen", "Cart".into())]));
        time.record(round * 10.0, &[]);
        assert!(telemetry.flush(LONG).complete);
    }
    assert!(telemetry.gauge("cart.taps", "1").is_err());
    let points = |server: &FaultServer| {
        let mut sums = Vec::new();
        for request in server.received().iter().filter(|request| request.path.ends_with("/v1/metrics")) {
            let decoded = ExportMetricsServiceRequest::decode(request.body.as_slice()).unwrap();
            for metric in decoded.resource_metrics.into_iter().flat_map(|r| r.scope_metrics).flat_map(|s| s.metrics) {
                match metric.data {
                    Some(Data::Sum(sum)) => {
                        let Some(Number::AsDouble(value)) = sum.data_points[0].value else { panic!() };
                        assert!(sum.is_monotonic && sum.data_points[0].start_time_unix_nano > 0);
                        sums.push((value, sum.aggregation_temporality));
                    }
                    Some(Data::Histogram(histogram)) => {
                        sums.push((
                            histogram.data_points[0].bucket_counts.iter().sum::<u64>() as f64,
                            histogram.aggregation_temporality,
                        ));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        sums.sort_by(|a, b| a.0.total_cmp(&b.0));
        sums
    };
    assert_eq!(points(&servers[0]), [(1.0, 2), (2.0, 2), (200.0, 2), (500.0, 2)]);
    assert_eq!(points(&servers[1]), [(1.0, 1), (1.0, 1), (200.0, 1), (300.0, 1)]);
}

#[test]
fn a_view_carries_what_the_host_measured_while_it_was_shown() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.record_process_start("cold", Duration::from_millis(800));
    telemetry.start_view("Feed");
    telemetry.record_frames(120);
    telemetry.record_slow_frame(Duration::from_millis(40));
    telemetry.record_slow_frame(Duration::from_millis(900));
    telemetry.record_memory(100);
    telemetry.record_memory(300);
    telemetry.record_cpu(Duration::from_millis(250));
    telemetry.start_view("Other");
    let received = app.end();
    let views = received.named("app.screen.view");
    let feed = views.iter().find(|view| text(&view.attributes, "app.screen.name") == "Feed").unwrap();
    let of = |key: &str| text(&feed.attributes, key);
    assert_eq!((of("rum.view.frame.count"), of("rum.view.slow_frame.count")), ("120".into(), "2".into()));
    assert_eq!((of("rum.view.frozen_frame.count"), of("rum.view.long_task.count")), ("1".into(), "2".into()));
    assert_eq!((of("rum.view.memory_average"), of("rum.view.memory_max")), ("200".into(), "300".into()));
    let start = received.named("app.vital")[0];
    assert_eq!(text(&start.attributes, "rum.vital.name"), "process_start");
    assert_eq!(text(&start.attributes, "rum.start.type"), "cold");
    let double = |log: &LogRecord, key: &str| {
        let value = log.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value);
        let Some(Any::DoubleValue(number)) = value else { panic!("{key}: {value:?}") };
        number
    };
    let janks: Vec<_> = received
        .named("app.jank")
        .iter()
        .map(|jank| (double(jank, "app.jank.threshold"), double(jank, "app.jank.period")))
        .collect();
    assert_eq!(janks, [(0.016, 0.04), (0.7, 0.9)]);
    assert!(received.named("app.jank").iter().all(|jank| text(&jank.attributes, "app.jank.frame_count") == "1"));
}

#[test]
fn a_session_that_is_not_sampled_lasts_as_long_as_its_user_is_active() {
    let app = app();
    app.telemetry.set_session_sample_rate(0.0).unwrap();
    let session = app.telemetry.session_id();
    for _ in 0..4 {
        app.pass(Duration::from_secs(10 * 60));
        assert!(app.telemetry.record_action(&Action::tap("x")).is_none());
    }
    assert_eq!(app.telemetry.session_id(), session);
}

#[test]
fn what_the_hosts_transport_records_opens_no_view_that_is_never_sent() {
    use std::sync::{Arc, OnceLock};
    use throughline::event::{Log, Severity};
    use throughline::testing::FaultServer;
    use throughline::transport::http::HttpTransport;
    use throughline::transport::{Request, Sending, Transport};
    use throughline::{Consent, Host, Telemetry};

    /// Writes a log line about each request, as many network stacks do.
    #[derive(Debug, Default)]
    struct Chatty(HttpTransport, OnceLock<Telemetry>);

    impl Transport for Chatty {
        fn send(&self, request: Request) -> Sending<'_> {
            if let Some(telemetry) = self.1.get() {
                assert!(telemetry.record_log(&Log::new(Severity::Info, "sending")).is_none());
                assert!(telemetry.start_view("of the transport").is_none());
                let _ = telemetry.start_span("of the transport");
            }
            self.0.send(request)
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let transport = Arc::new(Chatty::default());
    let mut host = Host::default();
    host.transport = Some(transport.clone());
    let config = crate::support::builder(dir.path()).endpoint(server.url()).synthetic_views(true).build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    assert!(transport.1.set(telemetry.clone()).is_ok());
    // The session's start is sent before the app has recorded anything.
    assert!(telemetry.flush(LONG).complete && !server.received().is_empty());
    telemetry.record_action(&Action::tap("first")).unwrap();
    telemetry.start_view("Home").unwrap();
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);
    let received = crate::app::received(&server);
    let mut views: Vec<_> =
        received.named("app.screen.view").iter().map(|view| text(&view.attributes, "app.screen.name")).collect();
    views.dedup();
    assert_eq!(views, ["ApplicationLaunch", "Home"]);
}

#[test]
fn an_operation_of_a_new_visit_does_not_belong_to_the_last_one() {
    let app = app();
    let before = app.telemetry.session_id();
    app.pass(Duration::from_secs(20 * 60));
    app.telemetry.start_operation("Refresh").succeed();
    let after = app.telemetry.session_id();
    assert_ne!(after, before);
    let received = app.end();
    let span = received.spans.iter().find(|span| span.name == "Refresh").unwrap();
    assert_eq!(text(&span.attributes, "session.id"), after.unwrap().to_string());
}
