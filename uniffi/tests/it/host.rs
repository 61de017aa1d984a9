//! A host that sends requests itself, authorizes them, or decides when they are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use throughline::testing::FaultServer;
use throughline_ffi::{
    AuthHeaders, Consent, Destination, EventKind, EventLane, HeaderField, HostDuration, HostError, HostLog,
    HostTransport, HttpRequest, HttpResponse, TelemetryCore,
};

use crate::support::{App, config, draft, record, seconds};

fn accepted() -> HttpResponse {
    HttpResponse { status: 200, headers: vec![], body: vec![] }
}

#[derive(Default)]
struct Sender {
    calls: AtomicU32,
    seen: std::sync::Mutex<Vec<HttpRequest>>,
}

impl HostTransport for Sender {
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, HostError> {
        let authorized = request.headers.iter().any(|field| field.name == "authorization" && field.value == "fresh");
        self.seen.lock().unwrap().push(request);
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(HostError::Failed { reason: "thrown by the host".to_owned() }),
            _ if authorized => Ok(accepted()),
            _ => Ok(HttpResponse { status: 401, ..accepted() }),
        }
    }
}

#[derive(Default)]
struct Auth(AtomicU32);

impl AuthHeaders for Auth {
    fn headers(&self, destination: String, refresh: bool) -> Result<Vec<HeaderField>, HostError> {
        assert_eq!(destination, "default");
        self.0.fetch_add(1, Ordering::SeqCst);
        let value = if refresh { "fresh" } else { "stale" };
        Ok(vec![HeaderField { name: "Authorization".to_owned(), value: value.to_owned() }])
    }
}

#[test]
fn the_hosts_failure_is_a_retry_and_a_401_asks_once_for_fresh_headers() {
    let (sender, auth) = (Arc::<Sender>::default(), Arc::<Auth>::default());
    let app = App::start_with(|_| {}, Some(sender.clone()), Some(auth.clone()));
    app.record(&draft("a tap with three attributes"));
    // The first request fails. It is tried again within the flush.
    let flush = app.core.flush(seconds(20)).unwrap();
    assert!(flush.complete, "{flush:?}");
    assert_eq!(auth.0.load(Ordering::SeqCst), 2);
    let seen = sender.seen.lock().unwrap();
    let authorization = |request: &HttpRequest| {
        let field = request.headers.iter().find(|field| field.name == "authorization");
        field.map(|field| field.value.clone()).unwrap_or_default()
    };
    let values: Vec<_> = seen.iter().map(authorization).collect();
    assert_eq!(values[..3], ["stale", "stale", "fresh"]);
    // The view is open and is sent beside the batch, as it is then.
    assert!(seen[..3].windows(2).all(|pair| pair[0].url != pair[1].url || pair[0].body == pair[1].body));
}

#[test]
fn a_destination_gets_what_it_names_and_nothing_while_it_is_paused() {
    let other = FaultServer::start().unwrap();
    let app = App::start_with(
        |config| {
            config.destinations[0].lanes = Some(vec![EventLane::Crash, EventLane::Error]);
            config.destinations[0].max_age = Some(HostDuration(Duration::from_secs(3_600)));
            let kinds = Some(vec![EventKind::Action, EventKind::View]);
            let (name, endpoint) = ("other".to_owned(), other.url());
            let second = Destination { name, endpoint, lanes: None, kinds, ..config.destinations[0].clone() };
            config.destinations.push(second);
        },
        None,
        None,
    );
    assert!(!app.core.pause_destination("unknown".to_owned()));
    assert!(app.core.health().problems.iter().any(|problem| problem.contains("`unknown`")));
    assert!(app.core.pause_destination("other".to_owned()));
    app.record(&draft("a tap with three attributes"));
    let outcome = app.core.flush(seconds(20)).unwrap();
    assert_eq!(outcome.reason.as_deref(), Some("the app has paused the destination"), "{outcome:?}");
    let health = app.core.health();
    assert_eq!(health.destinations.iter().map(|other| other.paused_by_app).collect::<Vec<_>>(), [false, true]);
    assert!(app.server.received().is_empty() && other.received().is_empty());
    assert!(app.core.resume_destination("other".to_owned()));
    assert!(app.core.flush(seconds(20)).unwrap().complete);
    assert!(app.server.received().is_empty() && !other.stored_ids().is_empty());
}

#[test]
fn a_host_that_owns_the_timing_fetches_and_answers_requests() {
    let app = App::start_with(|config| config.pull = true, None, None);
    app.record(&draft("a tap with three attributes"));
    let mut uploads = 0;
    // A request without an answer is handed out again, unchanged.
    let first = app.core.next_upload(seconds(10)).unwrap();
    assert!(app.core.upload_done(first.id, None));
    assert!(!app.core.upload_done(first.id, Some(accepted())));
    while let Some(upload) =
        app.core.next_upload(if uploads == 0 { seconds(10) } else { HostDuration(Duration::from_millis(500)) })
    {
        if uploads == 0 {
            assert_eq!(
                (upload.request.url, upload.request.body),
                (first.request.url.clone(), first.request.body.clone())
            );
        }
        uploads += 1;
        assert!(app.core.upload_done(upload.id, Some(accepted())));
    }
    assert!(uploads >= 1);
    let flush = app.core.flush(seconds(5)).unwrap();
    assert!(flush.complete && flush.waiting == 0, "{flush:?}");
    assert_eq!(app.server.received().len(), 0);
}

#[derive(Default)]
struct Lines(std::sync::Mutex<Vec<String>>);

impl HostLog for Lines {
    fn line(&self, line: String) -> Result<(), HostError> {
        self.0.lock().unwrap().push(line);
        Err(HostError::Failed { reason: "thrown by the host".to_owned() })
    }
}

#[test]
fn the_debug_log_reaches_the_hosts_own_log() {
    let (dir, server, lines) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap(), Arc::<Lines>::default());
    let mut config = config(dir.path(), &server.url());
    config.debug = true;
    let core = TelemetryCore::start(config, Consent::Granted, None, None, Some(lines.clone())).unwrap();
    record(core.door(), &draft("an event of the app"));
    assert!(core.flush(seconds(20)).unwrap().complete);
    let lines = lines.0.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("delivered")), "{lines:?}");
}
