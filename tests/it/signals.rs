//! A backend for some signals is a backend, and a wrong endpoint is named.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use throughline::event::{Action, ErrorEvent, Log, Metric, MetricData, Resource, Severity};
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer};
use throughline::time::ManualClock;
use throughline::transport::Response;
use throughline::{Config, Consent, Destination, DestinationBooks, Error, OtlpSignal, Telemetry};
use uuid::Uuid;

use crate::carrier::{Carried, Carrier, one, status};
use crate::support::{LONG, books, builder, record_mixed, start, until};

const HOUR: Duration = Duration::from_secs(3600);

fn action(telemetry: &Telemetry) -> Uuid {
    telemetry.record_action(&Action::tap("buy")).unwrap()
}

fn request(telemetry: &Telemetry) -> Uuid {
    let resource = Resource::new("GET", "https://example.com/items", 200, Duration::from_millis(1));
    telemetry.record_resource(&resource).unwrap()
}

fn metric(telemetry: &Telemetry) -> Uuid {
    telemetry.record_metric(&Metric::new("depth", "1", MetricData::Gauge(1.0))).unwrap()
}

/// A backend that answers a signal with 200 if it is among `takes`, and else as `refusal` says.
fn takes(takes: &'static [&'static str], refusal: u16) -> Arc<Carrier> {
    Carrier::new(move |asked| {
        status(if takes.iter().any(|signal| asked.url.ends_with(signal)) { 200 } else { refusal })
    })
}

fn to(backend: &Carrier, signal: &str) -> usize {
    backend.seen().iter().filter(|request| request.url.ends_with(signal)).count()
}

#[test]
fn a_backend_for_traces_alone_gets_every_trace() {
    for refusal in [400, 401, 403, 404, 405, 410, 415, 422, 501, 503] {
        let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let backend = takes(&["/v1/traces"], refusal);
        let telemetry = backend.start(one(dir.path()).session_events(false).build().unwrap(), &clock);
        let mut requests = Vec::new();
        for n in 0..60 {
            requests.push(request(&telemetry));
            action(&telemetry);
            metric(&telemetry);
            telemetry.record_error(&ErrorEvent::new("E", "handled"));
            if n % 10 == 0 {
                telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main"));
            }
            clock.advance(Duration::from_secs(1800));
            telemetry.flush(Duration::from_millis(30));
        }
        until("every trace is there", || {
            clock.advance(Duration::from_secs(900));
            telemetry.flush(Duration::from_millis(50));
            requests.iter().all(|id| backend.has_accepted(*id))
        });
        let books = books(&telemetry);
        assert_eq!(books.dropped.total(), 0, "{refusal}: {books:?}");
        assert_eq!((books.delivered, books.queued), (60, 186), "{refusal}: {books:?}");
        let others = to(&backend, "/v1/logs") + to(&backend, "/v1/metrics");
        assert!(refusal >= 500 || others < 60, "{others} requests in 30 hours that were answered with {refusal}");
    }
}

#[test]
fn what_a_paused_signal_has_kept_is_delivered_when_it_is_taken() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let is_ready = crate::carrier::Switch::default();
    let ready = is_ready.clone();
    let backend =
        Carrier::new(move |asked| status(if asked.url.ends_with("/v1/traces") || ready.is_on() { 200 } else { 404 }));
    let telemetry = backend.start(one(dir.path()).build().unwrap(), &clock);
    let mut ids = Vec::new();
    for _ in 0..20 {
        for _ in 0..100 {
            ids.extend([action(&telemetry), request(&telemetry)]);
        }
        telemetry.flush(LONG);
    }
    assert_eq!(books(&telemetry).queued, 2_001);
    assert_eq!(to(&backend, "/v1/logs"), 1, "nothing else is tried for an hour");
    let rows: u64 = telemetry.health().queue.iter().map(|lane| lane.rows).sum();
    assert!(rows < 2_600, "{rows} rows: what was delivered goes");
    is_ready.on();
    until("everything is delivered", || {
        clock.advance(HOUR);
        telemetry.flush(LONG).complete
    });
    assert!(ids.iter().all(|id| backend.has_accepted(*id)));
    let of_logs: Vec<_> = backend.seen().into_iter().filter(|request| request.url.ends_with("/v1/logs")).collect();
    let delivered: usize = of_logs.iter().filter(|request| request.is_accepted).map(|request| request.ids.len()).sum();
    assert_eq!(delivered, 2_001, "each once");
    let books = books(&telemetry);
    assert_eq!((books.queued, books.dropped.total(), books.paused), (0, 0, None));
}

#[test]
fn a_paused_signal_gives_way_when_the_queue_is_full_and_when_it_is_old() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = takes(&["/v1/traces"], 404);
    let config = || one(dir.path()).queue_bytes(1024 * 1024).crash_bytes(64 * 1024).build().unwrap();
    let telemetry = backend.start(config(), &clock);
    let text = "x".repeat(900);
    let mut requests = Vec::new();
    for _ in 0..40 {
        for _ in 0..100 {
            telemetry.record_action(&Action::tap("buy").attributes(&[("text", text.as_str().into())]));
        }
        requests.push(request(&telemetry));
        telemetry.flush(LONG);
    }
    let held = books(&telemetry);
    assert!(held.dropped.of(DropReason::QuotaBytes) > 2_000, "{held:?}");
    let bytes: u64 = telemetry.health().queue.iter().map(|lane| lane.bytes).sum();
    assert!(bytes <= 1024 * 1024, "{bytes} bytes");
    // A request may be evicted before it is sent, like anything else.
    let delivered = requests.iter().filter(|id| backend.has_accepted(**id)).count();
    assert!(delivered > 30, "{delivered} requests");
    assert!(telemetry.shutdown(LONG));
    clock.advance(24 * 8 * HOUR);
    let telemetry = backend.start(config(), &clock);
    until("the old ones go", || {
        telemetry.flush(Duration::from_millis(50));
        books(&telemetry).dropped.of(DropReason::QuotaAge) > 0
    });
    let books = books(&telemetry);
    assert!(books.queued < 10, "{books:?}");
}

#[test]
fn a_single_event_is_not_dropped_by_a_backend_that_may_take_nothing_of_its_kind() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = takes(&["/v1/metrics"], 400);
    let telemetry = backend.start(one(dir.path()).session_events(false).build().unwrap(), &clock);
    for _ in 0..12 {
        action(&telemetry);
        metric(&telemetry);
        telemetry.flush(Duration::from_secs(2));
        clock.advance(HOUR / 2);
    }
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.queued, books.dropped.total()), (12, 12, 0), "{books:?}");
    assert!(books.paused.as_ref().unwrap().contains("/v1/logs"), "{books:?}");
}

#[test]
fn the_first_event_of_a_signal_does_not_block_it_when_it_is_refused() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|asked| status(if asked.contains("POISON") { 400 } else { 200 }));
    let telemetry = backend.start(one(dir.path()).session_events(false).build().unwrap(), &clock);
    telemetry.record_action(&Action::tap("POISON"));
    telemetry.flush(Duration::from_secs(2));
    let id = action(&telemetry);
    until("the next one is delivered", || {
        clock.advance(HOUR);
        telemetry.flush(Duration::from_millis(100));
        backend.has_accepted(id)
    });
    until("the first one is dropped", || {
        clock.advance(HOUR);
        telemetry.flush(Duration::from_millis(100));
        books(&telemetry).dropped.of(DropReason::Rejected) == 1
    });
}

#[test]
fn a_pause_of_one_signal_outlives_a_restart_and_ends_with_a_changed_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(404, vec![], vec![])));
    let mut requests = 0;
    for _ in 0..3 {
        let telemetry = start(dir.path(), &server.url());
        action(&telemetry);
        assert!(!telemetry.flush(LONG).complete);
        let paused = telemetry.health().destinations[0].paused.clone().unwrap();
        assert!(paused.contains(&format!("answered 404 to {}/v1/logs", server.url())), "{paused}");
        assert!(telemetry.shutdown(LONG));
        requests += 1;
    }
    assert_eq!((server.received().len(), requests), (1, 3));
    server.always(None);
    let telemetry = start(dir.path(), &format!("{}/", server.url()));
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.queued, books.paused), (0, None));
}

fn named(dir: &std::path::Path, destinations: impl IntoIterator<Item = Destination>) -> Config {
    let config = builder(dir).session_events(false);
    destinations.into_iter().fold(config, throughline::ConfigBuilder::destination).build().unwrap()
}

fn all(telemetry: &Telemetry) -> Vec<DestinationBooks> {
    let books = telemetry.books(LONG).unwrap();
    assert!(books.iter().all(DestinationBooks::balanced), "{books:?}");
    books
}

#[test]
fn each_destination_gets_the_signals_that_it_names_and_no_other_counts_as_lost() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let config = named(
        dir.path(),
        [
            Destination::new("jaeger", "http://jaeger.test").signals([OtlpSignal::Traces]),
            Destination::new("prometheus", "http://prometheus.test/api/v1/otlp").signals([OtlpSignal::Metrics]),
            Destination::new("logs", "http://logs.test").signals([OtlpSignal::Logs]),
        ],
    );
    let telemetry = backend.start(config, &clock);
    for _ in 0..30 {
        action(&telemetry);
        request(&telemetry);
        metric(&telemetry);
        telemetry.record_log(&Log::new(Severity::Info, "a line"));
    }
    telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main"));
    assert!(telemetry.flush(LONG).complete);
    let of = |books: DestinationBooks| (books.name, books.accepted, books.delivered, books.dropped.total());
    let books: Vec<_> = all(&telemetry).into_iter().map(of).collect();
    let expected = [("jaeger", 30, 30, 0), ("prometheus", 30, 30, 0), ("logs", 61, 61, 0)];
    assert_eq!(books, expected.map(|(name, accepted, delivered, lost)| (name.to_owned(), accepted, delivered, lost)));
    assert!(backend.seen().iter().all(|request| {
        ["http://jaeger.test/v1/traces", "http://prometheus.test/api/v1/otlp/v1/metrics", "http://logs.test/v1/logs"]
            .contains(&request.url.as_str())
    }));
    assert!(telemetry.health().hints.is_empty(), "{:?}", telemetry.health().hints);
    assert_eq!(telemetry.health().queued(), 0);
}

#[test]
fn events_of_a_signal_that_nobody_takes_are_counted_and_said() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = Carrier::new(|_| status(200));
    let traces = Destination::new("jaeger", "http://jaeger.test").signals([OtlpSignal::Traces]);
    let telemetry = backend.start(named(dir.path(), [traces]), &clock);
    for _ in 0..10 {
        action(&telemetry);
        request(&telemetry);
    }
    telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main"));
    assert!(telemetry.flush(LONG).complete);
    let books = all(&telemetry).remove(0);
    assert_eq!((books.delivered, books.queued, books.dropped.of(DropReason::NoDestination)), (10, 0, 11), "{books:?}");
    let hints = telemetry.health().hints;
    assert!(hints.iter().any(|hint| hint.contains("no destination takes logs and metrics")), "{hints:?}");
}

#[test]
fn a_signal_that_is_named_no_longer_is_settled_without_a_request() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let backend = takes(&["/v1/traces"], 404);
    let all_signals = || Destination::new("jaeger", "http://jaeger.test");
    let telemetry = backend.start(named(dir.path(), [all_signals()]), &clock);
    for _ in 0..3 {
        for _ in 0..10 {
            action(&telemetry);
            request(&telemetry);
        }
        telemetry.flush(Duration::from_secs(2));
    }
    assert_eq!(all(&telemetry)[0].queued, 30);
    assert!(telemetry.shutdown(LONG));
    let before = to(&backend, "/v1/logs");
    let logs = Destination::new("logs", "http://logs.test/v1/traces/x").signals([OtlpSignal::Logs]);
    let logs = logs.signal_endpoint(OtlpSignal::Logs, "http://logs.test/push/v1/traces");
    let telemetry = backend.start(named(dir.path(), [all_signals().signals([OtlpSignal::Traces]), logs]), &clock);
    assert!(telemetry.flush(LONG).complete);
    let books = all(&telemetry);
    assert_eq!((books[0].queued, books[0].dropped.total(), books[0].delivered), (0, 0, 30), "{books:?}");
    assert_eq!((books[1].queued, books[1].dropped.total(), books[1].delivered), (0, 0, 30), "{books:?}");
    assert_eq!(to(&backend, "/v1/logs"), before);
}

#[test]
fn a_signal_goes_to_the_endpoint_of_its_own() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let metrics = Destination::new("metrics", "")
        .signals([OtlpSignal::Metrics])
        .signal_endpoint(OtlpSignal::Metrics, format!("{}/opentelemetry/push", server.url()));
    let base = Destination::new("base", format!("{}/base/", server.url()))
        .signal_endpoint(OtlpSignal::Logs, format!("{}/logs", server.url()));
    let telemetry = Telemetry::start(named(dir.path(), [metrics, base]), Consent::Granted).unwrap();
    for n in 0..12 {
        record_mixed(&telemetry, n);
    }
    assert!(telemetry.flush(LONG).complete);
    let mut paths: Vec<_> = server.received().into_iter().map(|request| request.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths, ["/base/v1/metrics", "/base/v1/traces", "/logs", "/opentelemetry/push"]);
}

#[test]
fn a_server_of_one_signal_that_asks_to_wait_does_not_hold_up_the_server_of_another() {
    let (dir, busy, other) =
        (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), FaultServer::start().unwrap());
    busy.always(Some(Answer::Status(429, vec!["retry-after: 3600".into()], vec![])));
    let destination =
        Destination::new("two", other.url()).signal_endpoint(OtlpSignal::Logs, format!("{}/v1/logs", busy.url()));
    for n in 1..4 {
        let telemetry = Telemetry::start(named(dir.path(), [destination.clone()]), Consent::Granted).unwrap();
        action(&telemetry);
        let id = request(&telemetry);
        let outcome = telemetry.flush(LONG);
        assert!(!outcome.complete && outcome.reason.unwrap().contains("answered 429"));
        assert!(other.stored_ids().contains(&id), "request {n}");
        assert!(telemetry.shutdown(LONG));
    }
    assert_eq!(busy.received().len(), 1);
}

#[test]
fn a_view_that_is_open_does_not_ask_a_server_again_that_said_not_for_an_hour() {
    let (dir, busy, other) =
        (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), FaultServer::start().unwrap());
    busy.always(Some(Answer::Status(429, vec!["retry-after: 3600".into()], vec![])));
    let destination =
        Destination::new("two", other.url()).signal_endpoint(OtlpSignal::Logs, format!("{}/v1/logs", busy.url()));
    let telemetry = Telemetry::start(named(dir.path(), [destination]), Consent::Granted).unwrap();
    telemetry.start_view("Cart");
    assert!(telemetry.drain(LONG));
    telemetry.flush(Duration::from_secs(2));
    until("the server is asked", || !busy.received().is_empty());
    for _ in 0..5 {
        let id = request(&telemetry);
        telemetry.flush(Duration::from_millis(300));
        until("the other server has the request", || other.stored_ids().contains(&id));
    }
    assert_eq!(busy.received().len(), 1);
}

fn refusal(destination: Destination) -> String {
    match builder(std::path::Path::new("/tmp/unused")).destination(destination).build() {
        Err(error @ Error::InvalidConfig { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_endpoint_that_cannot_work_is_refused_with_what_would_be_right() {
    for (url, signal) in [
        ("http://h:4318/v1/logs", "logs"),
        ("https://h/v1/traces/", "traces"),
        ("https://h/otlp/V1/Metrics", "metrics"),
    ] {
        let text = refusal(Destination::new("d", url));
        assert!(text.contains(&format!("ends in /v1/{signal}")) && text.contains("`endpoint`"), "{text}");
    }
    assert!(refusal(Destination::new("d", "http://h").signals([])).contains("name at least one"));
    assert!(refusal(Destination::new("d", "")).contains("give a base URL"));
    let other = Destination::new("d", "http://h").signals([OtlpSignal::Traces]);
    assert!(refusal(other.signal_endpoint(OtlpSignal::Logs, "http://h/l")).contains("set for logs"));
    let url = Destination::new("d", "http://h").signal_endpoint(OtlpSignal::Logs, "http://user:SECRET@h/l");
    let text = refusal(url);
    assert!(text.contains("`signal_endpoint`") && !text.contains("SECRET"), "{text}");
}

/// A port that answers every connection with these bytes, and then hangs up.
fn port(bytes: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            answer(stream, bytes);
        }
    });
    (authority, connections)
}

fn answer(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut some = [0; 64 * 1024];
    let _ = stream.read(&mut some);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    while stream.read(&mut some).is_ok_and(|count| count > 0) {}
}

/// What `health()` says of an upload to this endpoint.
fn said(endpoint: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), endpoint);
    action(&telemetry);
    let outcome = telemetry.flush(Duration::from_millis(1_500));
    assert!(!outcome.complete);
    let books = books(&telemetry);
    assert_eq!((books.delivered, books.dropped.total()), (0, 0));
    let said = telemetry.health().last_upload.unwrap().unwrap_err();
    assert_eq!(outcome.reason.unwrap(), said);
    said
}

#[test]
fn a_port_of_grpc_is_named() {
    let settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64";
    let goaway = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    for frames in [&settings[..], &goaway[..]] {
        let (authority, connections) = port(frames);
        let text = said(&format!("http://{authority}"));
        assert!(text.contains("this looks like OTLP/gRPC; OTLP/HTTP usually listens on port 4318"), "{text}");
        assert!(text.contains(&format!("http://{authority}/v1/logs")), "{text}");
        assert!(connections.load(Ordering::Relaxed) > 0);
    }
    let (authority, _) = port(b"HTTP/1.1 415 X\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n");
    assert!(said(&format!("http://{authority}")).contains("this looks like OTLP/gRPC"));
    let (authority, _) = port(b"");
    assert!(said(&format!("http://{authority}")).contains("OTLP/HTTP usually listens on port 4318"));
}

#[test]
fn a_port_with_tls_is_named_for_http_and_one_without_for_https() {
    for tls in [
        &b"\x15\x03\x01\x00\x02\x02\x28"[..],
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"HTTP/1.1 400 X\r\nconnection: close\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>",
    ] {
        let (authority, _) = port(tls);
        let text = said(&format!("http://{authority}"));
        assert!(text.contains("this port speaks TLS; the endpoint should begin with https://"), "{text}");
    }
    let (authority, _) = port(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    let text = said(&format!("https://{authority}"));
    assert!(text.contains("does not speak TLS") && text.contains("http://"), "{text}");
}

#[test]
fn a_port_without_tls_that_waits_for_more_is_named() {
    let server = FaultServer::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), &server.url().replace("http:", "https:"));
    action(&telemetry);
    until("the cause is said", || {
        let outcome = telemetry.flush(Duration::from_millis(200));
        outcome.reason.is_some_and(|reason| reason.contains("this port does not speak TLS"))
    });
}

#[test]
fn no_answer_of_a_backend_is_taken_for_a_complete_flush() {
    for code in 400..600 {
        let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let backend = Carrier::new(move |_| Carried::Answer(Response { status: code, ..Response::default() }));
        let telemetry = backend.start(one(dir.path()).session_events(false).build().unwrap(), &clock);
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "x", "main"));
        for n in 0..6 {
            record_mixed(&telemetry, n);
        }
        let mut outcome = telemetry.flush(Duration::from_millis(20));
        until("the answer is said", || {
            outcome = telemetry.flush(Duration::from_millis(20));
            outcome.reason.as_ref().is_none_or(|reason| reason.contains("http://"))
        });
        let books = books(&telemetry);
        assert!(crash.is_some() && !outcome.complete, "{code}: {outcome:?}");
        let lost = books.dropped.total();
        assert!(lost == 0 || (code == 413 && lost == books.dropped.of(DropReason::TooLarge)), "{code}: {books:?}");
        let reason = outcome.reason.unwrap();
        assert!(reason.contains(&code.to_string()) && reason.contains("http://backend.test/v1/"), "{code}: {reason}");
    }
}
