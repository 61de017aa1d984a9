//! What holds for every backend that Throughline ships, against a real server: each kind of event
//! arrives once, the books balance, nobody but the backend sees the credentials, and a backend that
//! is down for days holds up nobody else.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use throughline::backends::{Connect, Datadog, Fluentd, Sentry};
use throughline::event::{Action, Custom, ErrorEvent, EventKind, Log, LongTask, Severity, Span, SpanStatus, Vital};
use throughline::export::Exporter;
use throughline::ledger::DropReason;
use throughline::testing::{Answer, FaultServer, Received};
use throughline::time::{Clock, ManualClock};
use throughline::transport::{AuthHeaders, Authorizing};
use throughline::{Consent, Destination, Host, Telemetry};
use uuid::Uuid;

use crate::support::{LONG, builder, record_mixed, tick, until, walk};

/// What no file and no body may contain.
const SECRET: &str = "s3cr3t-0123456789abcdef";

/// A backend, as a destination at a server.
struct Backend {
    name: &'static str,
    destination: fn(&str) -> Destination,
    /// The body with which it answers that it has the events.
    receipt: &'static str,
    /// Kinds for which the format has no place.
    unsupported: &'static [EventKind],
}

/// Every backend. A new one is added here, and is tested as the others are.
const BACKENDS: [Backend; 5] = [
    Backend {
        name: "otlp",
        destination: |url| Destination::new("otlp", url).header("authorization", SECRET),
        receipt: "",
        unsupported: &[],
    },
    Backend {
        name: "datadog",
        destination: |url| {
            own("datadog", Datadog::with_base_url(url, SECRET, "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b").unwrap())
        },
        receipt: "",
        unsupported: &[EventKind::Metric],
    },
    Backend {
        name: "sentry",
        destination: |url| {
            own("sentry", Sentry::new(&format!("{}/42", url.replace("://", &format!("://{SECRET}@")))).unwrap())
        },
        receipt: "{}",
        unsupported: &[
            EventKind::View,
            EventKind::Action,
            EventKind::Resource,
            EventKind::LongTask,
            EventKind::Vital,
            EventKind::Metric,
            EventKind::Span,
        ],
    },
    Backend {
        name: "fluentd",
        destination: |url| {
            own("fluentd", Fluentd::new(url, "shop.app").unwrap().header("authorization", SECRET).unwrap())
        },
        receipt: "",
        unsupported: &[],
    },
    Backend {
        name: "connect",
        destination: |url| own("connect", Connect::new(url).unwrap().header("authorization", SECRET).unwrap()),
        receipt: "",
        unsupported: &[],
    },
];

impl Backend {
    /// What it answers when it has the events.
    fn accepts(&self) -> Option<Answer> {
        Some(Answer::Status(200, Vec::new(), self.receipt.as_bytes().to_vec()))
    }
}

pub fn own(name: &str, exporter: impl Exporter + 'static) -> Destination {
    Destination::exporter(name, Arc::new(exporter))
}

/// A client with these destinations, whose clock is moved by hand.
pub fn start(dir: &Path, destinations: impl IntoIterator<Item = Destination>, clock: &Arc<ManualClock>) -> Telemetry {
    start_with(dir, destinations, clock, Host::default())
}

fn start_with(
    dir: &Path,
    destinations: impl IntoIterator<Item = Destination>,
    clock: &Arc<ManualClock>,
    mut host: Host,
) -> Telemetry {
    let mut config = builder(dir).session_events(false);
    for destination in destinations {
        config = config.destination(destination);
    }
    host.clock = Clock::Manual(Arc::clone(clock));
    Telemetry::start_with(config.build().unwrap(), Consent::Granted, host).unwrap()
}

/// Records an event of each kind but sessions. Returns the ids with the kinds.
pub fn record_all(telemetry: &Telemetry) -> Vec<(Uuid, EventKind)> {
    let trace = telemetry.new_trace().unwrap();
    let mut span = Span::new("checkout", trace, Duration::from_millis(5));
    span.status = SpanStatus::Error;
    let view = telemetry.start_view("Cart").unwrap();
    let mut ids = vec![
        (telemetry.record_action(&Action::tap("buy")).unwrap(), EventKind::Action),
        (telemetry.record_error(&ErrorEvent::new("E", "handled")).unwrap(), EventKind::Error),
        (telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap(), EventKind::Error),
        (telemetry.record_long_task(&LongTask::new(Duration::from_millis(800))).unwrap(), EventKind::LongTask),
        (telemetry.record_vital(&Vital::new("ttid", 0.42, "s")).unwrap(), EventKind::Vital),
        (telemetry.record_custom(&Custom::new("order.placed")).unwrap(), EventKind::Custom),
        (telemetry.record_log(&Log::new(Severity::Warn, "careful")).unwrap(), EventKind::Log),
        (telemetry.record_span(&span).unwrap(), EventKind::Span),
    ];
    ids.push((record_mixed(telemetry, 4).unwrap(), EventKind::Metric));
    ids.push((record_mixed(telemetry, 5).unwrap(), EventKind::Resource));
    telemetry.stop_view();
    ids.push((view, EventKind::View));
    ids
}

/// The kinds of what `record_mixed` records, by its number.
const MIXED: [EventKind; 6] =
    [EventKind::Action, EventKind::Log, EventKind::Error, EventKind::Span, EventKind::Metric, EventKind::Resource];

/// Whether a body has the id of an event, in any of the forms in which formats write it.
pub fn has(request: &Received, id: Uuid) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    body.contains(&id.hyphenated().to_string()) || body.contains(&id.simple().to_string())
}

pub fn stored(server: &FaultServer) -> Vec<Received> {
    server.received().into_iter().filter(|request| request.stored).collect()
}

#[test]
fn every_kind_of_event_arrives_in_every_format_or_is_counted() {
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        server.always(backend.accepts());
        let telemetry = start(dir.path(), [(backend.destination)(&server.url())], &ManualClock::new());
        let ids = record_all(&telemetry);
        assert!(telemetry.flush(LONG).complete, "{}", backend.name);
        let requests = stored(&server);
        for (id, kind) in &ids {
            let arrived = requests.iter().any(|request| has(request, *id));
            // The id of one that has no place may be in another's event.
            assert!(arrived || backend.unsupported.contains(kind), "{}: {kind:?}", backend.name);
        }
        let books = telemetry.books(LONG).unwrap().remove(0);
        let unsupported = ids.iter().filter(|(_, kind)| backend.unsupported.contains(kind)).count() as u64;
        assert!(books.balanced() && books.queued == 0, "{}: {books:?}", backend.name);
        assert_eq!(books.dropped.total(), unsupported, "{}: {books:?}", backend.name);
        assert_eq!(books.dropped.of(DropReason::Unsupported), unsupported, "{}", backend.name);
    }
}

#[test]
fn nobody_but_the_backend_sees_the_credentials() {
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        server.script([Answer::Status(403, Vec::new(), Vec::new()), Answer::Status(503, Vec::new(), Vec::new())]);
        server.always(backend.accepts());
        let telemetry = start(dir.path(), [(backend.destination)(&server.url())], &ManualClock::new());
        record_all(&telemetry);
        telemetry.flush(LONG);
        let health = format!("{:?}", telemetry.health());
        assert!(!health.contains(SECRET), "{}: {health}", backend.name);
        assert!(telemetry.shutdown(LONG));
        for file in walk(dir.path()) {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "{}: {} has the credentials", backend.name, file.display());
        }
        for request in server.received() {
            assert!(!String::from_utf8_lossy(&request.body).contains(SECRET), "{}: a body", backend.name);
            assert!(!request.path.contains(SECRET), "{}: {}", backend.name, request.path);
            let headers = request.headers.iter().filter(|(_, value)| value.contains(SECRET)).count();
            assert_eq!(headers, 1, "{}: {:?}", backend.name, request.headers);
        }
    }
}

/// A host whose token is refused until it is asked for a new one. It notes who asked, and whether
/// for a new one.
#[derive(Debug, Default)]
struct Tokens(Mutex<Vec<(String, bool)>>);

impl AuthHeaders for Tokens {
    fn headers(&self, destination: &str, refresh: bool) -> Authorizing<'_> {
        self.0.lock().unwrap().push((destination.to_owned(), refresh));
        let token = format!("{} token of {destination}", if refresh { "new" } else { "old" });
        Box::pin(async move { Ok(vec![("X-Token".to_owned(), token)]) })
    }
}

fn authorized(auth: Arc<dyn AuthHeaders>) -> Host {
    let mut host = Host::default();
    host.auth = Some(auth);
    host
}

fn tokens(server: &FaultServer) -> Vec<String> {
    let of =
        |request: Received| request.headers.into_iter().find(|(name, _)| name == "x-token").map(|(_, value)| value);
    server.received().into_iter().filter_map(of).collect()
}

#[test]
fn a_refused_token_is_renewed_once_and_the_same_request_sent_again() {
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        server.script([Answer::Status(401, Vec::new(), Vec::new())]);
        server.always(backend.accepts());
        let host = Arc::<Tokens>::default();
        let auth = authorized(host.clone());
        let telemetry = start_with(dir.path(), [(backend.destination)(&server.url())], &ManualClock::new(), auth);
        let id = telemetry.record_error(&ErrorEvent::new("E", "handled")).unwrap();
        assert!(telemetry.flush(LONG).complete, "{}", backend.name);
        assert!(stored(&server).iter().any(|request| has(request, id)), "{}", backend.name);
        let asked = [(backend.name.to_owned(), false), (backend.name.to_owned(), true)];
        assert_eq!(*host.0.lock().unwrap(), asked, "{}: the new token is kept", backend.name);
        let name = backend.name;
        let sent = tokens(&server);
        assert_eq!(sent[..2], [format!("old token of {name}"), format!("new token of {name}")], "{name}");
        assert!(sent[2..].iter().all(|token| *token == sent[1]), "{name}: {sent:?}");
        let requests = server.received();
        assert_eq!((&requests[0].path, &requests[0].body), (&requests[1].path, &requests[1].body), "{name}");
        assert_eq!(telemetry.health().retries, 0, "{name}: it was no failure");
    }
}

#[test]
fn a_token_that_is_refused_twice_pauses_the_backend_and_costs_nothing() {
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        server.always(Some(Answer::Status(401, Vec::new(), Vec::new())));
        let host = Arc::<Tokens>::default();
        let auth = authorized(host.clone());
        let clock = ManualClock::new();
        let telemetry = start_with(dir.path(), [(backend.destination)(&server.url())], &clock, auth);
        let id = telemetry.record_error(&ErrorEvent::new("E", "handled")).unwrap();
        assert!(!telemetry.flush(LONG).complete, "{}", backend.name);
        assert_eq!(server.received().len(), 2, "{}: one refusal, one renewal", backend.name);
        assert!(telemetry.health().destinations[0].paused.is_some(), "{}", backend.name);
        server.always(backend.accepts());
        let has_arrived = || stored(&server).iter().any(|request| has(request, id));
        pass(&telemetry, &clock, Duration::from_secs(1_800), backend.name, has_arrived);
    }
}

#[test]
fn each_backend_gets_the_token_that_the_host_returned_for_it_and_no_other() {
    let (dir, servers) = (tempfile::tempdir().unwrap(), BACKENDS.map(|_| FaultServer::start().unwrap()));
    for (server, backend) in servers.iter().zip(&BACKENDS) {
        server.always(backend.accepts());
    }
    let auth = authorized(Arc::<Tokens>::default());
    let destinations = BACKENDS.iter().zip(&servers).map(|(backend, server)| (backend.destination)(&server.url()));
    let telemetry = start_with(dir.path(), destinations, &ManualClock::new(), auth);
    record_all(&telemetry);
    assert!(telemetry.flush(LONG).complete);
    for (backend, server) in BACKENDS.iter().zip(&servers) {
        let sent = tokens(server);
        assert_eq!(sent.len(), server.received().len(), "{}", backend.name);
        assert!(sent.iter().all(|token| *token == format!("old token of {}", backend.name)), "{sent:?}");
    }
}

#[test]
fn a_token_that_would_divide_a_header_is_not_sent() {
    #[derive(Debug)]
    struct Divides;

    impl AuthHeaders for Divides {
        fn headers(&self, _destination: &str, _refresh: bool) -> Authorizing<'_> {
            Box::pin(async { Ok(vec![("authorization".to_owned(), format!("{SECRET}\r\nx-more: yes"))]) })
        }
    }

    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let auth = authorized(Arc::new(Divides));
    let telemetry = start_with(dir.path(), [Destination::new("otlp", server.url())], &ManualClock::new(), auth);
    telemetry.record_action(&Action::tap("buy")).unwrap();
    let reason = telemetry.flush(Duration::from_millis(500)).reason.unwrap();
    assert!(reason.contains("the host's authorization") && !reason.contains(SECRET), "{reason}");
    assert!(server.received().is_empty());
}

/// Lets time pass until something holds.
pub fn pass(telemetry: &Telemetry, clock: &ManualClock, step: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || {
        clock.advance(step);
        tick(telemetry);
        holds()
    });
}

#[test]
fn no_answer_but_a_delivery_costs_a_crash() {
    let statuses = [200, 302, 400, 401, 403, 404, 413, 415, 422, 429, 500, 501, 503];
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let clock = ManualClock::new();
        let page = b"<!doctype html><title>Sign in</title>";
        server.script(statuses.map(|status| Answer::Status(status, Vec::new(), page.to_vec())));
        server.always(backend.accepts());
        let telemetry = start(dir.path(), [(backend.destination)(&server.url())], &clock);
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap();
        let is_there = || server.received().iter().skip(statuses.len()).any(|request| has(request, crash));
        pass(&telemetry, &clock, Duration::from_secs(3_700), backend.name, is_there);
        let is_settled = || telemetry.books(LONG).unwrap().remove(0).queued == 0;
        pass(&telemetry, &clock, Duration::from_secs(1), backend.name, is_settled);
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced() && books.dropped.total() == 0, "{}: {books:?}", backend.name);
    }
}

#[test]
fn a_backend_that_begins_to_refuse_everything_loses_nothing_and_is_not_flooded() {
    for backend in BACKENDS {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let clock = ManualClock::new();
        server.always(backend.accepts());
        let telemetry = start(dir.path(), [(backend.destination)(&server.url())], &clock);
        let is_settled = || telemetry.books(LONG).unwrap().remove(0).queued == 0;
        (0..12).for_each(|n| assert!(record_mixed(&telemetry, n).is_some()));
        pass(&telemetry, &clock, Duration::from_secs(30), backend.name, is_settled);
        let before = server.received().len();
        // A firewall in front of it has new rules, for six hours.
        server.always(Some(Answer::Status(400, Vec::new(), b"no".to_vec())));
        let mut ids = Vec::new();
        for n in 0..360 {
            let id = record_mixed(&telemetry, n).unwrap();
            ids.extend((!backend.unsupported.contains(&MIXED[n % MIXED.len()])).then_some(id));
            clock.advance(Duration::from_secs(60));
            tick(&telemetry);
        }
        let refused = server.received().len() - before;
        // Each of three signals is asked 16 times and then after 1, 2 and 4 hours, and so are the
        // halves of what was refused. How many answers come within their minute depends on the
        // machine: 3 to 109 requests were seen.
        assert!(refused <= 150, "{}: {refused} requests", backend.name);
        server.always(backend.accepts());
        pass(&telemetry, &clock, Duration::from_secs(600), backend.name, is_settled);
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced(), "{}: {books:?}", backend.name);
        let lost = books.dropped.total() - books.dropped.of(DropReason::Unsupported);
        assert_eq!(lost, 0, "{}: {books:?}", backend.name);
        let requests = stored(&server);
        let missing = ids.iter().filter(|id| !requests.iter().any(|request| has(request, **id))).count();
        assert_eq!(missing, 0, "{}", backend.name);
    }
}

#[test]
fn a_backend_that_is_dead_for_three_days_holds_up_no_other_and_catches_up() {
    for (at, dead) in BACKENDS.iter().enumerate() {
        let living = &BACKENDS[(at + 1) % BACKENDS.len()];
        let dir = tempfile::tempdir().unwrap();
        let [down, up] = [FaultServer::start().unwrap(), FaultServer::start().unwrap()];
        down.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
        up.always(living.accepts());
        let clock = ManualClock::new();
        let destinations = [(dead.destination)(&down.url()), (living.destination)(&up.url())];
        let telemetry = start(dir.path(), destinations, &clock);
        let (mut ids, mut wanted) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            for n in 0..12 {
                let id = record_mixed(&telemetry, n).unwrap();
                ids.extend((!dead.unsupported.contains(&MIXED[n % MIXED.len()])).then_some(id));
                wanted.extend((!living.unsupported.contains(&MIXED[n % MIXED.len()])).then_some(id));
            }
            let is_punctual = || wanted.iter().all(|id| stored(&up).iter().any(|request| has(request, *id)));
            pass(&telemetry, &clock, Duration::from_secs(30), living.name, is_punctual);
            clock.advance(Duration::from_secs(6 * 3_600));
        }
        assert!(stored(&down).is_empty());
        down.always(dead.accepts());
        let has_caught_up = || telemetry.books(LONG).unwrap().iter().all(|books| books.queued == 0);
        pass(&telemetry, &clock, Duration::from_secs(300), dead.name, has_caught_up);
        let requests = stored(&down);
        let missing = ids.iter().filter(|id| !requests.iter().any(|request| has(request, **id))).count();
        let books = telemetry.books(LONG).unwrap();
        assert!(books.iter().all(|books| books.balanced()), "{books:?}");
        let dropped = |at: usize| books[at].dropped.total() - books[at].dropped.of(DropReason::Unsupported);
        assert_eq!(missing as u64, dropped(0), "{}: what is missing is counted: {books:?}", dead.name);
        assert_eq!(dropped(1), 0);
    }
}
