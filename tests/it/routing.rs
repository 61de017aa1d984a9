//! Several destinations at once: who gets what, for how long, and what the app pauses. Each against
//! real servers, with OTLP beside a format of another kind.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use throughline::backends::{Datadog, Fluentd};
use throughline::event::{Action, Custom, ErrorEvent, EventKind, Lane, Log, Severity};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer, Received};
use throughline::time::ManualClock;
use throughline::{Config, Destination, DestinationBooks, Error, OtlpSignal, Telemetry};
use uuid::Uuid;

use crate::backends::{has, own, pass, record_all, start, stored};
use crate::support::{LONG, builder, record_mixed, tick, until};

const HOUR: Duration = Duration::from_secs(3_600);

/// A server that takes everything, in every format.
fn server() -> FaultServer {
    let server = FaultServer::start().unwrap();
    up(&server);
    server
}

fn up(server: &FaultServer) {
    server.always(Some(Answer::Status(200, Vec::new(), Vec::new())));
}

fn down(server: &FaultServer) {
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
}

fn otlp(name: &str, server: &FaultServer) -> Destination {
    Destination::new(name, server.url())
}

fn fluentd(name: &str, server: &FaultServer) -> Destination {
    own(name, Fluentd::new(&server.url(), "shop.app").unwrap())
}

/// How often a server has got an event.
fn times(server: &FaultServer, id: Uuid) -> usize {
    stored(server).iter().filter(|request| has(request, id)).count()
}

fn all(telemetry: &Telemetry) -> Vec<DestinationBooks> {
    let books = telemetry.books(LONG).unwrap();
    assert!(books.iter().all(DestinationBooks::balanced), "{books:?}");
    books
}

/// Accepted, delivered, waiting, dropped.
fn figures(books: &DestinationBooks) -> (u64, u64, u64, u64) {
    (books.accepted, books.delivered, books.queued, books.dropped.total())
}

fn crash(telemetry: &Telemetry) -> Uuid {
    telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap()
}

fn handled(telemetry: &Telemetry) -> Uuid {
    telemetry.record_error(&ErrorEvent::new("E", "handled")).unwrap()
}

fn action(telemetry: &Telemetry) -> Uuid {
    telemetry.record_action(&Action::tap("buy")).unwrap()
}

#[test]
fn each_destination_gets_the_lanes_and_kinds_that_it_names_in_every_format() {
    for errors in [otlp, fluentd] {
        for product in [otlp, fluentd] {
            let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
            let kinds = [EventKind::View, EventKind::Action, EventKind::Custom];
            let destinations =
                [errors("errors", &a).lanes([Lane::Crash, Lane::Error]), product("product", &b).kinds(kinds)];
            let telemetry = start(dir.path(), destinations, &ManualClock::new());
            let ids = record_all(&telemetry);
            let loud = telemetry.record_log(&Log::new(Severity::Error, "loud")).unwrap();
            assert!(telemetry.flush(LONG).complete);
            // The id of a view is also on the events that occurred in it.
            let is_view = |kind: &EventKind| *kind == EventKind::View;
            for (id, kind) in ids.iter().filter(|(_, kind)| !is_view(kind)) {
                assert_eq!(times(&a, *id), usize::from(*kind == EventKind::Error), "{kind:?} to the errors");
                assert_eq!(times(&b, *id) > 0, kinds.contains(kind), "{kind:?} to the product");
            }
            assert_eq!((times(&a, loud), times(&b, loud)), (1, 0), "a log of the lane of errors");
            let books = all(&telemetry);
            let nowhere = books[0].dropped.of(DropReason::NoDestination);
            assert_eq!(nowhere, 6, "the long task, the vital, the log, the span, the metric and the request");
            assert_eq!(figures(&books[0]), (3 + nowhere, 3, 0, nowhere), "{books:?}");
            assert_eq!(figures(&books[1]), (3 + nowhere, 3, 0, nowhere), "{books:?}");
            assert_eq!(telemetry.health().queued(), 0);
            let hints = telemetry.health().hints;
            let hint = "no destination takes `log` of the lane bulk, `long_task`, `metric`, `resource`, `session`, \
                        `span`, `vital`: they are counted as `no_destination`";
            assert_eq!(hints, [hint]);
        }
    }
}

#[test]
fn with_one_destination_for_everything_nothing_counts_as_lost_for_the_others() {
    let (dir, [a, b, c]) = (tempfile::tempdir().unwrap(), [server(), server(), server()]);
    let destinations = [
        otlp("everything", &a),
        fluentd("logs", &b).kinds([EventKind::Log]).lanes([Lane::Bulk]),
        otlp("crashes", &c).lanes([Lane::Crash]),
    ];
    let telemetry = start(dir.path(), destinations, &ManualClock::new());
    (0..60).for_each(|n| assert!(record_mixed(&telemetry, n).is_some()));
    let crash = crash(&telemetry);
    assert!(telemetry.flush(LONG).complete);
    let books = all(&telemetry);
    let figures: Vec<_> = books.iter().map(figures).collect();
    assert_eq!(figures, [(61, 61, 0, 0), (10, 10, 0, 0), (1, 1, 0, 0)]);
    assert_eq!((times(&a, crash), times(&b, crash), times(&c, crash)), (1, 0, 1));
    assert_eq!(c.received().len(), 1, "no request for what is not meant for it");
    assert!(telemetry.health().hints.is_empty(), "{:?}", telemetry.health().hints);
}

#[test]
fn a_filter_that_forgets_crashes_costs_none_and_is_said() {
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let destinations = [fluentd("errors", &a).lanes([Lane::Error]), otlp("rest", &b).lanes([Lane::Event, Lane::Bulk])];
    let telemetry = start(dir.path(), destinations, &ManualClock::new());
    let (crash, error) = (crash(&telemetry), handled(&telemetry));
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((times(&a, crash), times(&b, crash), times(&a, error)), (1, 0, 1));
    let hints = telemetry.health().hints;
    assert!(hints.iter().any(|hint| hint.contains("no destination takes crashes") && hint.contains("`errors`")));
    assert_eq!(all(&telemetry).iter().map(|books| books.dropped.total()).sum::<u64>(), 0);
    drop(telemetry);

    // With a destination for crashes, each filter means what it says.
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let destinations = [fluentd("errors", &a).lanes([Lane::Error]), otlp("crashes", &b).lanes([Lane::Crash])];
    let telemetry = start(dir.path(), destinations, &ManualClock::new());
    let (crash, error) = (self::crash(&telemetry), handled(&telemetry));
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((times(&a, crash), times(&b, crash), times(&a, error), times(&b, error)), (0, 1, 1, 0));
    assert!(!telemetry.health().hints.iter().any(|hint| hint.contains("crashes")));
}

#[test]
fn crashes_that_no_destination_can_take_are_counted_and_said() {
    let (dir, a) = (tempfile::tempdir().unwrap(), server());
    let bulk = otlp("bulk", &a).lanes([Lane::Bulk]);
    let telemetry = start(dir.path(), [bulk], &ManualClock::new());
    let crash = crash(&telemetry);
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((times(&a, crash), all(&telemetry)[0].dropped.of(DropReason::NoDestination)), (0, 1));
    let hints = telemetry.health().hints;
    assert!(hints.iter().any(|hint| hint.contains("crashes, errors")), "{hints:?}");
}

#[test]
fn an_open_view_and_a_session_go_only_where_they_are_wanted() {
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let clock = ManualClock::new();
    let destinations = [
        otlp("views", &a).kinds([EventKind::View, EventKind::Session]),
        fluentd("rest", &b).kinds([EventKind::Action]),
    ];
    let config = destinations.into_iter().fold(builder(dir.path()), throughline::ConfigBuilder::destination);
    let mut host = throughline::Host::default();
    host.clock = throughline::time::Clock::Manual(clock.clone());
    let telemetry = Telemetry::start_with(config.build().unwrap(), throughline::Consent::Granted, host).unwrap();
    let view = telemetry.start_view("Cart").unwrap();
    assert!(telemetry.flush(LONG).complete);
    // The snapshot is sent beside the batches.
    until("the open view is sent", || {
        telemetry.flush(Duration::from_millis(100));
        times(&a, view) > 0
    });
    let snapshots = times(&a, view);
    let tap = action(&telemetry);
    let is_newer = || times(&a, view) > snapshots;
    pass(&telemetry, &clock, Duration::from_secs(31), "a newer snapshot", is_newer);
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((times(&a, tap), times(&b, tap)), (0, 1));
    let is_about = |request: &&Received| !has(request, tap);
    assert_eq!(b.received().iter().filter(is_about).count(), 0, "neither the view nor the session");
}

#[test]
fn a_filter_that_changes_between_two_starts_repeats_nothing_and_loses_nothing() {
    for format in [otlp, fluentd] {
        let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
        let clock = ManualClock::new();
        let open = |changing: Destination| start(dir.path(), [changing, otlp("rest", &b)], &clock);
        let actions = || format("changing", &a).kinds([EventKind::Action]);
        // With the narrow filter, while the backend is down: some are frozen, and some wait.
        down(&a);
        let telemetry = open(actions());
        let (early, log) = (action(&telemetry), record_mixed(&telemetry, 1).unwrap());
        telemetry.flush(Duration::from_secs(2));
        let late = action(&telemetry);
        assert!(telemetry.drain(LONG) && telemetry.shutdown(LONG));
        // With none: what was passed over is not called back, and what waits is sent.
        let telemetry = open(format("changing", &a));
        let (error, later_log) = (handled(&telemetry), record_mixed(&telemetry, 1).unwrap());
        assert!(telemetry.drain(LONG));
        up(&a);
        let has_all = || [early, late, error, later_log].iter().all(|id| times(&a, *id) == 1);
        pass(&telemetry, &clock, Duration::from_secs(60), "what waits arrives", has_all);
        assert!(telemetry.flush(LONG).complete);
        assert_eq!((times(&a, log), times(&b, log)), (0, 1), "it was passed over before");
        assert!(telemetry.shutdown(LONG));
        // With another narrow one: what waits and is not wanted any more is passed over.
        down(&a);
        let telemetry = open(format("changing", &a));
        let (dropped, kept) = (action(&telemetry), handled(&telemetry));
        telemetry.flush(Duration::from_secs(2));
        assert!(telemetry.shutdown(LONG));
        up(&a);
        let telemetry = open(format("changing", &a).lanes([Lane::Crash, Lane::Error]));
        pass(&telemetry, &clock, Duration::from_secs(60), "the error arrives", || times(&a, kept) == 1);
        assert!(telemetry.flush(LONG).complete);
        assert_eq!((times(&a, dropped), times(&b, dropped)), (0, 1));
        let books = all(&telemetry);
        assert_eq!((figures(&books[0]).2, figures(&books[0]).3), (0, 0), "{books:?}");
        assert_eq!(figures(&books[1]), (7, 7, 0, 0), "{books:?}");
        for id in [early, late, error, later_log, kept] {
            assert_eq!((times(&a, id), times(&b, id)), (1, 1));
        }
    }
}

#[test]
fn what_was_passed_over_does_not_come_back_with_what_a_refused_signal_has_kept() {
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let clock = ManualClock::new();
    // The other one is paused, so that every row stays in the queue.
    let open = |changing: Destination| {
        let telemetry = start(dir.path(), [changing, otlp("rest", &b)], &clock);
        assert!(telemetry.pause_destination("rest"));
        telemetry
    };
    let custom = |telemetry: &Telemetry| telemetry.record_custom(&Custom::new("placed")).unwrap();
    a.always(Some(Answer::Status(404, Vec::new(), Vec::new())));
    let telemetry = open(otlp("changing", &a).kinds([EventKind::Action]));
    // The first is refused, which pauses the signal. What comes then is kept without being encoded.
    let mut wanted = vec![action(&telemetry)];
    telemetry.flush(LONG);
    wanted.push(action(&telemetry));
    let passed = custom(&telemetry);
    wanted.push(action(&telemetry));
    telemetry.flush(LONG);
    assert!(telemetry.shutdown(LONG));
    // The same signal is still paused, and now more kinds of it are wanted.
    let telemetry = open(otlp("changing", &a));
    wanted.extend([custom(&telemetry), action(&telemetry)]);
    telemetry.flush(LONG);
    assert_eq!(stored(&a).len(), 0);
    up(&a);
    let have_arrived = || wanted.iter().all(|id| times(&a, *id) == 1);
    pass(&telemetry, &clock, Duration::from_secs(1_800), "what was kept arrives", have_arrived);
    assert_eq!(times(&a, passed), 0);
    assert!(telemetry.resume_destination("rest"));
    assert!(telemetry.flush(LONG).complete);
    let books = all(&telemetry);
    assert_eq!((figures(&books[0]), figures(&books[1])), ((5, 5, 0, 0), (6, 6, 0, 0)), "{books:?}");
}

#[test]
fn each_destination_keeps_events_for_its_own_time() {
    for format in [otlp, fluentd] {
        let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
        let clock = ManualClock::new();
        down(&a);
        down(&b);
        let destinations = [format("impatient", &a).max_age(HOUR), format("patient", &b)];
        let telemetry = start(dir.path(), destinations, &clock);
        let (crash, old) = (crash(&telemetry), action(&telemetry));
        assert!(telemetry.drain(LONG));
        clock.advance(3 * HOUR);
        let young = action(&telemetry);
        assert!(telemetry.drain(LONG));
        up(&a);
        up(&b);
        let have_arrived = || times(&a, young) == 1 && times(&b, young) == 1 && times(&a, crash) == 1;
        pass(&telemetry, &clock, Duration::from_secs(60), "what is young enough arrives", have_arrived);
        assert!(telemetry.flush(LONG).complete);
        assert_eq!((times(&a, old), times(&b, old), times(&b, crash)), (0, 1, 1));
        let books = all(&telemetry);
        assert_eq!((figures(&books[0]), figures(&books[1])), ((3, 2, 0, 1), (3, 3, 0, 0)), "{books:?}");
        assert_eq!(books[0].dropped.of(DropReason::QuotaAge), 1);
    }
}

#[test]
fn what_is_not_meant_for_a_destination_is_not_too_old_for_it() {
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let clock = ManualClock::new();
    let destinations = [otlp("errors", &a).kinds([EventKind::Error]).max_age(HOUR), fluentd("rest", &b)];
    let telemetry = start(dir.path(), destinations, &clock);
    action(&telemetry);
    handled(&telemetry);
    assert!(telemetry.drain(LONG));
    clock.advance(3 * HOUR);
    assert!(telemetry.flush(LONG).complete);
    let books = all(&telemetry);
    assert_eq!((figures(&books[0]), figures(&books[1])), ((1, 0, 0, 1), (2, 2, 0, 0)), "{books:?}");
}

#[test]
fn a_destination_that_the_app_has_paused_keeps_its_events_and_holds_up_no_other() {
    for format in [otlp, fluentd] {
        let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
        let clock = ManualClock::new();
        let destinations = || [format("paused", &a), otlp("other", &b)];
        let telemetry = start(dir.path(), destinations(), &clock);
        assert!(!telemetry.pause_destination("unknown") && !telemetry.resume_destination("unknown"));
        assert!(telemetry.pause_destination("paused"));
        let ids = [crash(&telemetry), action(&telemetry), handled(&telemetry)];
        telemetry.start_view("Cart").unwrap();
        let outcome = telemetry.flush(LONG);
        assert!(!outcome.complete && outcome.waiting == 3, "{outcome:?}");
        assert_eq!(outcome.reason.unwrap(), "the app has paused the destination");
        let health = telemetry.health();
        let status: Vec<_> = health.destinations.iter().map(|other| (&*other.name, other.paused_by_app)).collect();
        assert_eq!(status, [("paused", true), ("other", false)]);
        assert!(health.hints.iter().any(|hint| hint.contains("has paused `paused`")), "{:?}", health.hints);
        assert!(health.destinations[0].paused.is_none(), "the backend has refused nothing");
        // Neither time nor a switch ends it.
        clock.advance(24 * HOUR);
        tick(&telemetry);
        telemetry.set_enabled(false).unwrap();
        telemetry.set_enabled(true).unwrap();
        telemetry.flush(LONG);
        assert!(a.received().is_empty() && ids.iter().all(|id| times(&b, *id) == 1));
        let books = all(&telemetry);
        assert_eq!(figures(&books[0]).2, 4, "three, and the view: {books:?}");
        assert!(telemetry.resume_destination("paused"));
        assert!(telemetry.flush(LONG).complete);
        assert!(ids.iter().all(|id| times(&a, *id) == 1));
        assert!(!telemetry.health().destinations[0].paused_by_app);
        // The next process begins without it.
        assert!(telemetry.pause_destination("paused"));
        let last = action(&telemetry);
        assert!(telemetry.drain(LONG) && telemetry.shutdown(LONG));
        let telemetry = start(dir.path(), destinations(), &clock);
        assert!(telemetry.flush(LONG).complete && times(&a, last) == 1);
    }
}

#[test]
fn a_pause_of_days_keeps_nothing_that_is_not_meant_for_the_destination() {
    let (dir, [a, b]) = (tempfile::tempdir().unwrap(), [server(), server()]);
    let clock = ManualClock::new();
    let destinations = [fluentd("crashes", &a).lanes([Lane::Crash]), otlp("other", &b)];
    let telemetry = start(dir.path(), destinations, &clock);
    assert!(telemetry.pause_destination("crashes"));
    let crash = crash(&telemetry);
    for n in 0..1_200 {
        record_mixed(&telemetry, n);
    }
    let outcome = telemetry.flush(LONG);
    assert_eq!((outcome.complete, outcome.waiting), (false, 1));
    until("nothing but the crash is in the queue", || {
        telemetry.flush(Duration::from_millis(100));
        telemetry.drain(LONG) && telemetry.health().queued() == 1
    });
    let books = all(&telemetry);
    assert_eq!((figures(&books[0]), figures(&books[1])), ((1, 0, 1, 0), (1_201, 1_201, 0, 0)));
    assert!(telemetry.resume_destination("crashes"));
    assert!(telemetry.flush(LONG).complete && times(&a, crash) == 1);
}

#[test]
fn quotas_hold_for_a_destination_that_the_app_has_paused() {
    let (dir, a) = (tempfile::tempdir().unwrap(), server());
    let clock = ManualClock::new();
    let telemetry = start(dir.path(), [otlp("paused", &a)], &clock);
    assert!(telemetry.pause_destination("paused"));
    let (crash, old) = (crash(&telemetry), action(&telemetry));
    assert!(telemetry.drain(LONG));
    clock.advance(8 * 24 * HOUR);
    assert!(telemetry.suspend(LONG) && telemetry.resume(LONG));
    tick(&telemetry);
    assert!(telemetry.resume_destination("paused"));
    assert!(telemetry.flush(LONG).complete);
    assert_eq!((times(&a, crash), times(&a, old)), (1, 0));
    assert_eq!(all(&telemetry)[0].dropped.of(DropReason::QuotaAge), 1);
}

/// A server that takes connections and requests, and never answers.
fn silent() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || while stream.read(&mut [0; 4_096]).is_ok_and(|count| count > 0) {});
        }
    });
    url
}

#[test]
fn a_backend_that_hangs_delays_no_other_by_more_than_its_own_five_seconds() {
    let hanging = |at: usize| -> Destination {
        let id = "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b";
        match at {
            0 => own("hangs", Datadog::with_base_url(&silent(), "token", id).unwrap()),
            1 => own("hangs", Fluentd::new(&silent(), "shop.app").unwrap()),
            _ => Destination::new("hangs", silent()),
        }
    };
    for at in 0..3 {
        let (dir, b) = (tempfile::tempdir().unwrap(), server());
        let clock = ManualClock::new();
        let telemetry = start_every(dir.path(), [hanging(at), fluentd("other", &b)], Duration::from_secs(5), &clock);
        for round in 0..4 {
            let ids: Vec<_> = (0..6).filter_map(|n| record_mixed(&telemetry, n)).collect();
            // The interval begins when the worker has looked at what is there.
            tick(&telemetry);
            // The clock is moved by the interval and not further, whatever hangs meanwhile.
            clock.advance(Duration::from_secs(5));
            until("the other backend has everything", || {
                tick(&telemetry);
                ids.iter().all(|id| times(&b, *id) == 1) && all(&telemetry)[1].queued == 0
            });
            assert_eq!(all(&telemetry)[0].delivered, 0, "round {round}");
        }
    }
}

fn start_every(
    dir: &Path,
    destinations: impl IntoIterator<Item = Destination>,
    interval: Duration,
    clock: &Arc<ManualClock>,
) -> Telemetry {
    let config = builder(dir).session_events(false).flush_interval(interval);
    let config = destinations.into_iter().fold(config, throughline::ConfigBuilder::destination).build().unwrap();
    let mut host = throughline::Host::default();
    host.clock = throughline::time::Clock::Manual(Arc::clone(clock));
    Telemetry::start_with(config, throughline::Consent::Granted, host).unwrap()
}

#[test]
fn a_filter_that_cannot_work_is_refused_with_what_would_be_right() {
    let refusal =
        |destination: Destination| match Config::builder("shop", "/tmp/unused").destination(destination).build() {
            Err(error @ Error::InvalidConfig { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
    let formats: [fn() -> Destination; 2] = [
        || Destination::new("d", "http://h"),
        || own("d", Datadog::new("eu1", "token", "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b").unwrap()),
    ];
    for format in formats {
        assert!(refusal(format().lanes([])).contains("name at least one of crash"));
        assert!(refusal(format().kinds([])).contains("name at least one kind"));
        assert!(refusal(format().lanes([Lane::Bulk]).kinds([EventKind::View])).contains("get no event"));
        assert!(refusal(format().max_age(Duration::ZERO)).contains("between 1 minute and 1 year"));
        let works = format().lanes([Lane::Bulk]).kinds([EventKind::Span]).max_age(HOUR);
        assert!(Config::builder("shop", "/tmp/unused").destination(works).build().is_ok());
    }
    assert!(refusal(formats[1]().kinds([EventKind::Metric])).contains("no place in the destination's format"));
    let traces = formats[0]().signals([OtlpSignal::Traces]);
    assert!(refusal(traces.kinds([EventKind::Log])).contains("none of the destination's signals"));
}
