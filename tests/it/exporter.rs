//! A destination with an exporter that the host has written: it delivers, its books balance, and it
//! is another destination when its version changes.

use std::sync::Arc;
use std::time::Duration;

use throughline::event::{
    Action, ActionType, Custom, ErrorEvent, ErrorKind, EventKind, Log, LongTask, Metric, MetricData, PhaseTime,
    Resource, Severity, Span, SpanStatus, TraceContext, Vital,
};
use throughline::export::{Details, ExportRow, Exporter, MetricPoint, Signal, Verdict};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::transport::Response;
use throughline::{AnyValue, Config, Consent, Destination, Telemetry};

use crate::support::{LONG, books, builder, record_mixed};

/// Writes each event as a line of text with its id, kind and label. Errors have a signal of their
/// own, and metrics have none.
#[derive(Debug)]
struct Lines {
    url: String,
    version: u32,
}

impl Exporter for Lines {
    fn version(&self) -> u32 {
        self.version
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        match kind {
            EventKind::Metric => None,
            EventKind::Error => Some(Signal(1)),
            _ => Some(Signal(0)),
        }
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        assert!(rows.iter().all(|row| self.signal(row.kind()) == Some(signal)));
        let line = |row: &ExportRow<'_>| format!("{} {} {}\n", row.id(), row.kind().name(), row.label());
        rows.iter().map(line).collect::<String>().into_bytes()
    }

    fn url(&self, signal: Signal) -> String {
        format!("{}/lines/{}", self.url, signal.0)
    }

    fn headers(&self, signal: Signal) -> Vec<(String, String)> {
        vec![("content-type".to_owned(), "text/plain".to_owned()), ("x-signal".to_owned(), signal.0.to_string())]
    }

    fn classify(&self, response: &Response) -> Verdict {
        match response.status {
            200..=299 => Verdict::Delivered { rejected: 0 },
            400 => Verdict::Refused,
            403 => Verdict::Hold("not for you".to_owned()),
            _ => Verdict::Retry,
        }
    }
}

fn config(dir: &std::path::Path, exporter: impl Exporter + 'static) -> Config {
    builder(dir).session_events(false).destination(Destination::exporter("own", Arc::new(exporter))).build().unwrap()
}

fn lines(server: &FaultServer) -> Vec<String> {
    let bodies = server.received().into_iter().filter(|request| request.stored).map(|request| request.body);
    bodies.flat_map(|body| String::from_utf8(body).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn an_exporter_of_the_hosts_delivers_and_its_books_balance() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let exporter = Lines { url: server.url(), version: 1 };
    let telemetry = Telemetry::start(config(dir.path(), exporter), Consent::Granted).unwrap();
    let ids: Vec<_> = (0..60).map(|n| record_mixed(&telemetry, n).unwrap()).collect();
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.name.as_str(), books.delivered, books.queued), ("own", 50, 0));
    assert_eq!(books.dropped.of(DropReason::Unsupported), 10, "metrics have no signal");
    let lines = lines(&server);
    assert_eq!(lines.len(), 50);
    // Every sixth event of `record_mixed` is a metric, beginning with the fifth.
    for (_, id) in ids.iter().enumerate().filter(|(n, _)| n % 6 != 4) {
        assert_eq!(lines.iter().filter(|line| line.starts_with(&id.to_string())).count(), 1);
    }
    for request in server.received() {
        let signal = request.headers.iter().find(|header| header.0 == "x-signal").unwrap().1.clone();
        assert_eq!(request.path, format!("/lines/{signal}"));
        let is_error = String::from_utf8(request.body).unwrap().lines().all(|line| line.contains(" error "));
        assert_eq!(is_error, signal == "1");
    }
}

#[test]
fn a_pause_ends_when_the_exporter_is_another_one_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(403, Vec::new(), Vec::new())));
    let exporter = |version| Lines { url: server.url(), version };
    let start = |version| Telemetry::start(config(dir.path(), exporter(version)), Consent::Granted).unwrap();
    let telemetry = start(1);
    telemetry.record_action(&Action::tap("buy")).unwrap();
    telemetry.flush(LONG);
    assert!(books(&telemetry).paused.is_some_and(|reason| reason.ends_with(": not for you")));
    assert!(telemetry.shutdown(LONG));

    server.always(None);
    let telemetry = start(1);
    telemetry.flush(Duration::from_millis(300));
    assert!(books(&telemetry).paused.is_some(), "the same exporter stays paused");
    assert!(telemetry.shutdown(LONG));

    let telemetry = start(2);
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.paused, books.delivered, books.queued), (None, 1, 0));
}

#[test]
fn every_kind_of_event_is_read_back_as_it_was_recorded() {
    /// Checks each row while it encodes it, and writes the row's kind.
    #[derive(Debug)]
    struct Checks(String);

    impl Exporter for Checks {
        fn version(&self) -> u32 {
            1
        }

        fn signal(&self, _kind: EventKind) -> Option<Signal> {
            Some(Signal(0))
        }

        fn encode(&self, _signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
            rows.iter().for_each(check);
            rows.iter().map(|row| format!("{}\n", row.kind().name())).collect::<String>().into_bytes()
        }

        fn url(&self, _signal: Signal) -> String {
            self.0.clone()
        }

        fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
            Vec::new()
        }

        fn classify(&self, _response: &Response) -> Verdict {
            Verdict::Delivered { rejected: 0 }
        }
    }

    const TRACE: TraceContext = TraceContext { trace_id: [7; 16], span_id: [9; 8], sampled: true };

    fn check(row: &ExportRow<'_>) {
        assert!(row.session_id().is_some() && row.ended().is_none());
        assert!(row.resource_attributes().iter().any(|(key, _)| key == "service.name"));
        match row.details() {
            Details::Action(action) => {
                assert_eq!((action.action_type, action.name, row.label()), (ActionType::Tap, "buy", "buy"));
                assert_eq!(row.attributes(), [("n", AnyValue::Int(1))]);
                assert_eq!(row.view_name(), "Cart");
            }
            Details::Resource(request) => {
                assert_eq!((request.method, request.url), ("GET", "https://a.test/x"));
                assert_eq!((request.status, request.size), (Some(503), Some(9)));
                assert_eq!((request.duration, request.phases.len()), (Duration::from_millis(5), 1));
            }
            Details::Error(error) => {
                assert_eq!((error.error_kind, error.error_type), (ErrorKind::Handled, "E"));
                assert_eq!((error.message, error.stack), ("message", "stack"));
            }
            Details::LongTask(task) => {
                assert!(task.is_frozen_frame && task.duration == Duration::from_secs(1));
            }
            Details::Vital(vital) => assert_eq!((vital.name, vital.value, vital.unit), ("ttid", 0.5, "s")),
            Details::Custom(name) => assert_eq!(name, "shared"),
            Details::Log(log) => assert_eq!((log.severity, log.body), (13, "careful")),
            Details::Metric(metric) => {
                assert_eq!((metric.name, metric.point), ("level", MetricPoint::Gauge(3.0)));
            }
            Details::Span(span) => {
                assert_eq!((span.name, span.status), ("work", SpanStatus::Unset));
                assert_eq!((row.trace(), span.parent_span), (Some(TRACE), Some([3; 8])));
            }
            Details::View(view) => assert_eq!((view.name, view.is_active), ("Cart", false)),
            other => panic!("{other:?}"),
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = Telemetry::start(config(dir.path(), Checks(server.url())), Consent::Granted).unwrap();
    telemetry.start_view("Cart").unwrap();
    telemetry.record_action(&Action::tap("buy").attributes(&[("n", 1.into())])).unwrap();
    let dns = [PhaseTime { phase: throughline::event::Phase::Dns, start: Duration::ZERO, duration: Duration::ZERO }];
    let request = Resource::new("GET", "https://a.test/x?secret=1", 503, Duration::from_millis(5)).size(9).phases(&dns);
    telemetry.record_resource(&request).unwrap();
    telemetry.record_error(&ErrorEvent::new("E", "message").stack("stack")).unwrap();
    telemetry.record_long_task(&LongTask::new(Duration::from_secs(1))).unwrap();
    telemetry.record_vital(&Vital::new("ttid", 0.5, "s")).unwrap();
    telemetry.record_custom(&Custom::new("shared")).unwrap();
    telemetry.record_log(&Log::new(Severity::Warn, "careful")).unwrap();
    telemetry.record_metric(&Metric::new("level", "1", MetricData::Gauge(3.0))).unwrap();
    telemetry.record_span(&Span::new("work", TRACE, Duration::from_millis(1)).parent_span([3; 8])).unwrap();
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(telemetry.health().panics, 0, "a check failed on the worker's thread");
    let mut kinds = lines(&server);
    kinds.sort();
    kinds.dedup();
    let all = ["action", "custom", "error", "log", "long_task", "metric", "resource", "span", "view", "vital"];
    assert_eq!(kinds, all);
}

type Encode = Box<dyn Fn(&[ExportRow<'_>]) -> bool + Send + Sync>;

/// Lines of text, and what else the test does when they are encoded.
struct Misbehaves {
    url: String,
    version: u32,
    signal: fn(EventKind) -> Option<u8>,
    encode: Encode,
}

impl std::fmt::Debug for Misbehaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Misbehaves")
    }
}

impl Misbehaves {
    /// `encode` says whether the lines are written; else the body is empty.
    fn new(server: &FaultServer, encode: impl Fn(&[ExportRow<'_>]) -> bool + Send + Sync + 'static) -> Self {
        Self { url: server.url(), version: 1, signal: |_| Some(0), encode: Box::new(encode) }
    }
}

impl Exporter for Misbehaves {
    fn version(&self) -> u32 {
        self.version
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        (self.signal)(kind).map(Signal)
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        assert!(rows.iter().all(|row| self.signal(row.kind()) == Some(signal)));
        if !(self.encode)(rows) {
            return Vec::new();
        }
        rows.iter().map(|row| format!("{} {}\n", row.id(), row.label())).collect::<String>().into_bytes()
    }

    fn url(&self, signal: Signal) -> String {
        format!("{}/lines/{}", self.url, signal.0)
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        Vec::new()
    }

    fn classify(&self, response: &Response) -> Verdict {
        match response.status {
            200..=299 => Verdict::Delivered { rejected: 0 },
            _ => Verdict::Retry,
        }
    }
}

fn labels(server: &FaultServer) -> Vec<String> {
    let mut labels: Vec<_> = lines(server).iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    labels.sort();
    labels
}

#[test]
fn an_event_on_which_an_exporter_panics_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let exporter = Misbehaves::new(&server, |rows| {
        assert!(rows.iter().all(|row| row.label() != "poison"), "a bug of the host's");
        true
    });
    let telemetry = Telemetry::start(config(dir.path(), exporter), Consent::Granted).unwrap();
    for n in 0..40 {
        telemetry.record_action(&Action::tap(if n == 17 { "poison" } else { "buy" })).unwrap();
    }
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(labels(&server), vec!["buy"; 39]);
    let seen = books(&telemetry);
    assert_eq!((seen.delivered, seen.queued, seen.dropped.of(DropReason::Unsupported)), (39, 0, 1));
    assert!(telemetry.health().panics > 0);
    // A crash that is alone in its lane, before and after which others are sent.
    telemetry.record_action(&Action::tap("later")).unwrap();
    assert!(telemetry.flush(LONG).complete && labels(&server).contains(&"later".to_owned()));
    telemetry.record_error(&ErrorEvent::crash("poison", "m", "s")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    let seen = books(&telemetry);
    assert_eq!((seen.delivered, seen.queued, seen.dropped.of(DropReason::Unsupported)), (40, 0, 2));
}

#[test]
fn an_exporter_that_is_broken_by_one_event_does_not_lose_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let state = std::sync::Mutex::new(());
    let exporter = Misbehaves::new(&server, move |rows| {
        // After a panic the lock is poisoned, and every call panics.
        let _state = state.lock().unwrap();
        assert!(rows.iter().all(|row| row.label() != "poison"), "a bug of the host's");
        true
    });
    let telemetry = Telemetry::start(config(dir.path(), exporter), Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("buy")).unwrap();
    assert!(telemetry.flush(LONG).complete);
    telemetry.record_action(&Action::tap("poison")).unwrap();
    telemetry.flush(Duration::from_secs(1));
    for _ in 0..5 {
        telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "m", "s")).unwrap();
        (0..3).for_each(|_| assert!(telemetry.record_action(&Action::tap("buy")).is_some()));
        telemetry.flush(Duration::from_secs(1));
    }
    let seen = books(&telemetry);
    assert_eq!((seen.delivered, seen.queued, seen.dropped.total()), (1, 20, 1));
    assert!(seen.paused.is_some());
}

#[test]
fn an_exporter_that_always_panics_loses_nothing_and_holds_up_no_other_destination() {
    let dir = tempfile::tempdir().unwrap();
    let (server, other) = (FaultServer::start().unwrap(), FaultServer::start().unwrap());
    let start = |exporter: Misbehaves| {
        let config = builder(dir.path())
            .session_events(false)
            .destination(Destination::exporter("own", Arc::new(exporter)))
            .destination(Destination::new("otlp", other.url()));
        Telemetry::start(config.build().unwrap(), Consent::Granted).unwrap()
    };
    let telemetry = start(Misbehaves::new(&server, |_| panic!("a bug of the host's")));
    for n in 0..6 {
        for _ in 0..5 {
            telemetry.record_action(&Action::tap("buy")).unwrap();
        }
        telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "m", "s")).unwrap();
        telemetry.flush(Duration::from_secs(5));
        assert!(telemetry.drain(LONG), "the worker died at flush {n}");
    }
    let books = telemetry.books(LONG).unwrap();
    assert!(books.iter().all(throughline::DestinationBooks::balanced), "{books:?}");
    assert_eq!((books[0].delivered, books[0].queued, books[0].dropped.total()), (0, 36, 0));
    assert!(books[0].paused.as_deref().is_some_and(|reason| reason.contains("panicked")), "{books:?}");
    assert_eq!((books[1].delivered, books[1].queued), (36, 0));
    telemetry.shutdown(LONG);
    // The next version of the app has a better one.
    let telemetry = start(Misbehaves { version: 2, ..Misbehaves::new(&server, |_| true) });
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(labels(&server).len(), 36);
}

#[test]
fn an_empty_body_counts_no_event_as_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry =
        Telemetry::start(config(dir.path(), Misbehaves::new(&server, |_| false)), Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("buy")).unwrap();
    telemetry.flush(Duration::from_secs(5));
    assert!(server.received().is_empty());
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.queued, books.dropped.total()), (0, 1, 0));
    assert!(books.paused.is_some_and(|reason| reason.contains("empty")));
}

#[test]
fn events_of_a_batch_that_waits_are_sent_or_counted_when_the_exporter_sorts_them_anew() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let old = Misbehaves {
        signal: |kind| Some(if kind == EventKind::Log { 1 } else { 0 }),
        ..Misbehaves::new(&server, |_| true)
    };
    let telemetry = Telemetry::start(config(dir.path(), old), Consent::Granted).unwrap();
    for _ in 0..10 {
        telemetry.record_action(&Action::tap("tap")).unwrap();
        telemetry.record_custom(&Custom::new("custom")).unwrap();
        telemetry.record_resource(&Resource::new("GET", "http://a/", 200, Duration::ZERO)).unwrap();
    }
    telemetry.flush(Duration::from_millis(300));
    telemetry.shutdown(LONG);
    server.always(None);
    // Actions keep their signal, custom events get another one, requests have none any more.
    let new = Misbehaves {
        version: 2,
        signal: |kind| match kind {
            EventKind::Custom => Some(2),
            EventKind::Resource => None,
            _ => Some(0),
        },
        ..Misbehaves::new(&server, |_| true)
    };
    let telemetry = Telemetry::start(config(dir.path(), new), Consent::Granted).unwrap();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(labels(&server), [vec!["custom"; 10], vec!["tap"; 10]].concat());
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.queued, books.dropped.of(DropReason::Unsupported)), (20, 0, 10));
}

#[test]
fn an_exporter_that_blocks_stops_no_caller_and_gets_no_second_worker_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let (entered, is_encoding) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (entered, released) = (std::sync::Mutex::new(entered), std::sync::Mutex::new(released));
    let exporter = Misbehaves::new(&server, move |_| {
        let _ = entered.lock().unwrap().send(());
        // Until the test lets it go on, and from then on at once.
        let _ = released.lock().unwrap().recv();
        true
    });
    let telemetry = Telemetry::start(config(dir.path(), exporter), Consent::Granted).unwrap();
    telemetry.record_action(&Action::tap("before")).unwrap();
    telemetry.flush_soon(LONG);
    is_encoding.recv().unwrap();
    // The caller does not wait for the worker for longer than it is told to.
    telemetry.set_enabled(false).unwrap();
    telemetry.set_enabled(true).unwrap();
    telemetry.record_action(&Action::tap("after")).unwrap();
    telemetry.drain(Duration::from_millis(300));
    let siblings = std::fs::read_dir(dir.path()).unwrap().flatten();
    let siblings = siblings.filter(|entry| entry.file_name().to_string_lossy().starts_with("process-")).count();
    assert_eq!(siblings, 0, "a second worker drains the same journal");
    drop(release);
    assert!(telemetry.drain(LONG) && telemetry.flush(LONG).complete);
    assert_eq!(labels(&server), ["after", "before"]);
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.queued, books.dropped.total()), (2, 0, 0));
}

#[test]
fn a_transport_that_panics_costs_a_retry_and_not_the_worker() {
    use throughline::transport::{Request, Sending, Transport};

    #[derive(Debug, Default)]
    struct Panics(std::sync::atomic::AtomicUsize);

    impl Transport for Panics {
        fn send(&self, _request: Request) -> Sending<'_> {
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(n.is_multiple_of(2) || n > 7, "a bug of the host's");
            Box::pin(async move {
                assert!(n > 7, "a bug of the host's");
                Ok(Response { status: 200, ..Response::default() })
            })
        }

        fn idle(&self) {
            assert!(self.0.load(std::sync::atomic::Ordering::Relaxed) > 7, "a bug of the host's");
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let mut host = throughline::Host::default();
    host.transport = Some(Arc::new(Panics::default()));
    let config = builder(dir.path()).session_events(false).endpoint("http://h").build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    telemetry.record_action(&Action::tap("buy")).unwrap();
    let mut reasons = Vec::new();
    loop {
        let outcome = telemetry.flush(Duration::from_millis(200));
        assert!(telemetry.drain(LONG), "the worker died");
        if outcome.complete {
            break;
        }
        // On a busy machine a flush may end before its request has failed, and says that.
        reasons.push(outcome.reason.unwrap());
    }
    assert!(reasons.iter().any(|reason| reason.contains("panicked")), "{reasons:?}");
    assert_eq!(books(&telemetry).delivered, 1);
    assert!(telemetry.health().panics >= 8);
}
