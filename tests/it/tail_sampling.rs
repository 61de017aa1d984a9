//! Tail sampling: sessions that are sent only if something happens in them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use throughline::event::{Action, ErrorEvent, Span};
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, TailSampling, Telemetry};

use crate::app::{received, text};
use crate::support::{LONG, books, builder, tick};

struct App {
    dir: tempfile::TempDir,
    server: FaultServer,
    telemetry: Telemetry,
    clock: Arc<ManualClock>,
}

/// Starts an app whose sessions are not sampled, so that only the rule can keep them.
fn app(rule: TailSampling) -> App {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let telemetry = start(dir.path(), &server.url(), manual(&clock), rule);
    App { dir, server, telemetry, clock }
}

fn start(dir: &Path, endpoint: &str, host: Host, rule: TailSampling) -> Telemetry {
    let config = builder(dir).endpoint(endpoint).session_sample_rate(0.0).tail_sampling(rule).build().unwrap();
    Telemetry::start_with(config, Consent::Granted, host).unwrap()
}

fn manual(clock: &Arc<ManualClock>) -> Host {
    let mut host = Host::default();
    host.clock = Clock::Manual(clock.clone());
    host
}

impl App {
    /// Ends the process and begins another.
    fn again(self) -> Self {
        let App { dir, server, telemetry, clock } = self;
        assert!(telemetry.shutdown(LONG));
        let telemetry = start(dir.path(), &server.url(), manual(&clock), TailSampling::default());
        App { dir, server, telemetry, clock }
    }

    fn taps(&self) -> Vec<String> {
        tick(&self.telemetry);
        self.telemetry.flush(LONG);
        let logs = received(&self.server).logs;
        logs.iter().map(|log| text(&log.attributes, "app.widget.name")).filter(|name| !name.is_empty()).collect()
    }

    fn tap(&self, name: &str) {
        assert!(self.telemetry.record_action(&Action::tap(name)).is_some());
    }
}

#[test]
fn a_session_without_an_error_is_never_sent_and_is_booked_when_its_window_has_passed() {
    let app = app(TailSampling::default());
    app.telemetry.start_view("Home");
    (0..50).for_each(|_| app.tap("quiet"));
    app.telemetry.stop_view();
    assert!(app.taps().is_empty() && app.server.received().is_empty());
    let before = books(&app.telemetry);
    assert!(before.queued >= 51 && before.dropped.total() == 0, "{before:?}");
    app.clock.advance(Duration::from_secs(6 * 60));
    // This triggers a release, but the rule's window has passed for the earlier events.
    app.telemetry.report_problem("it is slow");
    app.tap("after");
    assert_eq!(app.taps(), ["after"]);
    let after = books(&app.telemetry);
    assert!(after.dropped.of(DropReason::SampledOut) >= 51, "{after:?}");
    assert_eq!(after.queued, 0);
}

#[test]
fn an_error_sends_what_came_before_and_what_comes_after() {
    let app = app(TailSampling::default());
    app.tap("before");
    let trace = app.telemetry.new_trace().unwrap();
    app.telemetry.record_span(&Span::new("work", trace, Duration::from_nanos(5)));
    app.telemetry.start_view("Cart");
    assert!(app.taps().is_empty());
    app.telemetry.record_error(&ErrorEvent::new("E", "something happened"));
    // What was kept aside must be released while the view is still open.
    tick(&app.telemetry);
    app.tap("after");
    app.telemetry.stop_view();
    let mut taps = app.taps();
    taps.sort();
    assert_eq!(taps, ["after", "before"]);
    let received = received(&app.server);
    assert!(received.spans.iter().any(|span| span.name == "work"));
    let view = received.logs.iter().find(|log| log.event_name == "app.screen.view").unwrap();
    assert_eq!(text(&view.attributes, "rum.view.error.count"), "1");
    let books = books(&app.telemetry);
    assert_eq!((books.queued, books.dropped.total()), (0, 0));
}

#[test]
fn what_comes_after_an_error_is_sent_until_the_session_ends_also_from_the_next_process() {
    let app = app(TailSampling::default());
    app.telemetry.record_error(&ErrorEvent::new("E", "something happened"));
    app.telemetry.start_view("Cart");
    app.tap("in another view");
    app.telemetry.stop_view();
    app.telemetry.set_session_sample_rate(0.0).unwrap();
    app.tap("after the rate was set");
    assert_eq!(app.taps(), ["in another view", "after the rate was set"]);
    let app = app.again();
    app.tap("in another process");
    assert_eq!(app.taps().len(), 3);
    app.telemetry.renew_session();
    app.tap("in another session");
    assert_eq!(app.taps().len(), 3);
    let app = app.again();
    app.tap("in another process of that");
    assert_eq!(app.taps().len(), 3);
}

#[test]
fn a_process_that_dies_with_its_error_has_released_what_came_before() {
    const DIR: &str = "THROUGHLINE_KEEP_DIR";
    if let Some(dir) = std::env::var_os(DIR) {
        let telemetry = start(Path::new(&dir), "http://127.0.0.1:9", Host::default(), TailSampling::default());
        telemetry.start_view("Cart");
        telemetry.record_action(&Action::tap("in the database"));
        tick(&telemetry);
        telemetry.record_action(&Action::tap("in the journal"));
        telemetry.record_error(&ErrorEvent::new("E", "something happened"));
        std::process::abort();
    }
    let dir = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["tail_sampling::a_process_that_dies_with_its_error_has_released_what_came_before", "--exact"])
        .env(DIR, dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url(), Host::default(), TailSampling::default());
    assert!(telemetry.flush(LONG).complete);
    let logs = received(&server).logs;
    let mut taps: Vec<_> = logs.iter().map(|log| text(&log.attributes, "app.widget.name")).collect();
    taps.retain(|name| !name.is_empty());
    assert_eq!(taps, ["in the database", "in the journal"]);
    let view = logs.iter().find(|log| log.event_name == "app.screen.view").unwrap();
    assert_eq!(text(&view.attributes, "throughline.ended"), "process_death");
    assert_eq!(books(&telemetry).dropped.total(), 0);
}

#[test]
fn a_slow_operation_can_be_a_trigger_and_errors_need_not_be() {
    let app =
        app(TailSampling { on_error: false, slow_operation: Some(Duration::from_secs(2)), ..TailSampling::default() });
    app.tap("before");
    app.telemetry.record_error(&ErrorEvent::new("E", "not enough"));
    app.telemetry.start_operation("Quick").succeed();
    assert!(app.taps().is_empty());
    let operation = app.telemetry.start_operation("Slow");
    app.clock.advance(Duration::from_secs(3));
    operation.succeed();
    assert_eq!(app.taps(), ["before"]);
    assert!(received(&app.server).spans.iter().any(|span| span.name == "Slow"));
}

#[test]
fn what_is_kept_aside_is_bounded_survives_the_process_and_the_rule_can_change() {
    let app = app(TailSampling { bytes: 64 * 1024, ..TailSampling::default() });
    let long = "x".repeat(1_000);
    for _ in 0..200 {
        app.telemetry.record_action(&Action::tap("many").attributes(&[("long", (&long).into())]));
        app.telemetry.drain(LONG);
    }
    let kept = books(&app.telemetry);
    assert!(kept.queued < 70 && kept.dropped.of(DropReason::SampledOut) > 130, "{kept:?}");
    let app = app.again();
    // An app reports the crash of its last process right after its start.
    app.telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "m", "s"));
    assert!(app.taps().len() > 40);
    // Without a rule, an event that is not sampled is refused again.
    app.telemetry.set_tail_sampling(None).unwrap();
    assert!(app.telemetry.record_action(&Action::tap("x")).is_none());
    assert!(
        app.telemetry
            .set_tail_sampling(Some(TailSampling { window: Duration::ZERO, ..TailSampling::default() }))
            .is_err()
    );
    app.telemetry.set_tail_sampling(Some(TailSampling { all_sessions: true, ..TailSampling::default() })).unwrap();
    app.telemetry.set_session_sample_rate(1.0).unwrap();
    let sent = app.taps().len();
    app.tap("aside although sampled");
    assert_eq!(app.taps().len(), sent);
    app.telemetry.report_problem("now");
    assert_eq!(app.taps().len(), sent + 1);
    books(&app.telemetry);
}

#[test]
fn a_problem_that_is_reported_after_a_long_pause_is_sent() {
    let app = app(TailSampling::default());
    app.tap("before the pause");
    tick(&app.telemetry);
    app.clock.advance(Duration::from_secs(20 * 60));
    app.telemetry.report_problem("it is slow").unwrap();
    app.tap("after");
    assert_eq!(app.taps(), ["after"]);
    let received = received(&app.server);
    assert!(received.logs.iter().any(|log| text(&log.attributes, "rum.problem.message") == "it is slow"));
}
