//! A clock that jumps and a device that reboots delete nothing, delay nothing for long, and
//! leave no wrong time on what comes next.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
use prost::Message;
use throughline::event::Action;
use throughline::internals::queue::{Queue, QueueLimits};
use throughline::internals::recorder::Recorder;
use throughline::testing::Answer;
use throughline::time::{Clock, ManualClock};

use crate::app::{app, text};
use crate::support::LONG;

const LIMITS: QueueLimits =
    QueueLimits { queue_bytes: 8 << 20, crash_bytes: 1 << 20, max_age: Duration::from_secs(7 * 86_400) };
const DAY: i64 = 86_400;
const YEAR: i64 = 366 * DAY;

fn filled(dir: &std::path::Path, clock: &Clock) -> Queue {
    let mut queue = Queue::open(dir, LIMITS, clock.clone()).unwrap();
    let recorder = Recorder::new(clock.clone(), Default::default(), Box::new(|| {})).unwrap();
    for n in 0..50 {
        let attributes = [("n", throughline::Value::Int(n))];
        recorder.record(&throughline::event::Action::tap("x").attributes(&attributes)).unwrap();
    }
    let run = queue.enter_run(recorder.journal().start()).unwrap();
    queue.absorb(run, recorder.journal(), usize::MAX, usize::MAX).unwrap();
    queue
}

fn rows(queue: &Queue) -> u64 {
    queue.depth().iter().map(|lane| lane.rows).sum()
}

#[test]
fn a_clock_jump_of_a_year_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let mut queue = filled(dir.path(), &Clock::Manual(manual.clone()));
    for jump in [YEAR, -2 * YEAR, 50 * YEAR, -49 * YEAR] {
        manual.jump_wall(jump);
        assert_eq!(queue.expire().unwrap(), 0);
    }
    assert_eq!(rows(&queue), 50);
}

#[test]
fn rows_expire_by_the_time_that_passed() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let mut queue = filled(dir.path(), &Clock::Manual(manual.clone()));
    manual.advance(Duration::from_secs(7 * 86_400 - 60));
    assert_eq!(queue.expire().unwrap(), 0);
    manual.advance(Duration::from_secs(1_000));
    assert_eq!(queue.expire().unwrap(), 50);
    assert_eq!(rows(&queue), 0);
    assert!(queue.books().unwrap()[0].balanced());
}

#[test]
fn a_reboot_counts_only_the_time_that_is_known_to_have_passed() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let clock = Clock::Manual(manual.clone());
    drop(filled(dir.path(), &clock));
    manual.reboot(60);
    manual.jump_wall(YEAR);
    let mut queue = Queue::open(dir.path(), LIMITS, clock).unwrap();
    assert_eq!(queue.expire().unwrap(), 0);
    manual.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(queue.expire().unwrap(), 50);
}

#[test]
fn a_point_never_ends_before_it_starts_and_counts_nothing_twice_when_the_clock_is_set_back() {
    let app = app();
    let counter = app.telemetry.counter("purchases", "1").unwrap();
    for jump in [0, -86_400, 0, -3_600, 7_200] {
        app.clock.jump_wall(jump);
        counter.record(1.0, &[]);
        app.pass(Duration::from_secs(11));
    }
    assert!(app.telemetry.flush(LONG).complete);
    let requests = app.server.received().into_iter().filter(|request| request.path.ends_with("/v1/metrics"));
    let mut series = std::collections::BTreeMap::new();
    for metric in requests
        .map(|request| ExportMetricsServiceRequest::decode(request.body.as_slice()).unwrap())
        .flat_map(|decoded| decoded.resource_metrics)
        .flat_map(|group| group.scope_metrics)
        .flat_map(|scope| scope.metrics)
    {
        let Some(Data::Sum(sum)) = metric.data else { panic!("{metric:?}") };
        for point in sum.data_points {
            assert!(point.start_time_unix_nano <= point.time_unix_nano, "{point:?}");
            let Some(Number::AsDouble(value)) = point.value else { panic!("{point:?}") };
            series.insert(point.start_time_unix_nano, value);
        }
    }
    assert_eq!(series.values().sum::<f64>(), 5.0, "{series:?}");
}

#[test]
fn the_first_event_after_the_clock_was_set_while_nothing_happened_has_the_new_time() {
    let app = app();
    let wall = || throughline::time::Clock::Manual(app.clock.clone()).wall();
    let mut expected = Vec::new();
    for (n, jump) in [0, 30 * DAY, -DAY].into_iter().enumerate() {
        assert!(app.telemetry.drain(LONG));
        app.clock.jump_wall(jump);
        expected.push((format!("{n}"), wall()));
        app.telemetry.record_action(&Action::custom(&format!("{n}")));
    }
    // The worker is suspended: nobody drains for long.
    assert!(app.telemetry.suspend(LONG));
    app.telemetry.record_action(&Action::custom("busy"));
    app.clock.jump_wall(DAY);
    app.clock.advance(Duration::from_secs(2));
    expected.push(("suspended".to_owned(), wall()));
    app.telemetry.record_action(&Action::custom("suspended"));
    assert!(app.telemetry.resume(LONG));
    let received = app.end();
    for (name, time) in expected {
        assert_eq!(received.named(&name)[0].time_unix_nano, time, "{name}");
    }
}

#[test]
fn a_clock_that_is_corrected_while_the_app_runs_puts_no_event_into_the_future() {
    let app = app();
    let server = std::time::UNIX_EPOCH + Duration::from_nanos(Clock::Manual(app.clock.clone()).wall());
    let date = httpdate::fmt_http_date(server + Duration::from_secs(DAY as u64));
    app.server.always(Some(Answer::Status(200, vec![format!("date: {date}")], Vec::new())));
    app.telemetry.record_action(&Action::custom("first"));
    assert!(app.telemetry.flush(LONG).complete);
    app.telemetry.record_action(&Action::custom("slow"));
    assert!(app.telemetry.drain(LONG));
    app.server.always(Some(Answer::Status(200, Vec::new(), Vec::new())));
    for (name, jump) in [("right", DAY), ("slow again", -DAY)] {
        app.clock.jump_wall(jump);
        assert!(app.telemetry.drain(LONG));
        app.telemetry.record_action(&Action::custom(name));
    }
    let received = app.end();
    let times = ["slow", "right", "slow again"].map(|name| {
        let [event] = received.named(name)[..] else { panic!("{name}: {:?}", received.logs) };
        let offset: i64 = text(&event.attributes, "throughline.server_offset_ms").parse().unwrap_or(0);
        event.time_unix_nano as i64 / 1_000_000 + offset
    });
    let apart = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(apart < 60_000, "by the server's clock they were recorded in one minute: {times:?}");
}

#[test]
fn a_time_in_the_far_future_is_not_taken_for_one_in_the_past() {
    let app = app();
    let latest = u64::try_from(i64::MAX).unwrap();
    let mut ids = Vec::new();
    for time in [0, latest, latest + 1, u64::MAX] {
        ids.push(app.telemetry.record_action(&Action::custom("far").at(time)).unwrap().to_string());
    }
    let received = app.end();
    let far = received.named("far");
    assert_eq!(far.iter().map(|log| log.time_unix_nano).collect::<Vec<_>>(), [0, latest, latest, latest]);
    assert_eq!(far.iter().map(|log| text(&log.attributes, "log.record.uid")).collect::<Vec<_>>(), ids);
}
