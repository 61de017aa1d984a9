//! This version must deliver everything that is in the stores of an older version, and nothing of
//! it twice.
//!
//! `tests/golden/store-v1` holds the data directories of processes that were killed. Its
//! `README.md` says what is in each. The list beside a directory (`killed.txt` for `killed/`) names
//! every event that had not been delivered, with its destination, and the final books.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;
use throughline::testing::{FaultServer, event_ids};
use throughline::time::{Clock, ManualClock};
use throughline::transport::http::HttpTransport;
use throughline::transport::{Request, Sending, Transport};
use throughline::{Consent, Destination, Host, TailSampling, Telemetry};

use crate::app::text;
use crate::support::{LONG, builder, until, walk};

/// Longer than any deadline of an older process can delay something in another boot.
const EVERY_WAIT: Duration = Duration::from_secs(16 * 60);
/// The rule of the processes that wrote the stores with sessions that were kept aside.
const RULE: TailSampling = TailSampling {
    window: Duration::from_secs(3600),
    bytes: 2 * 1024 * 1024,
    all_sessions: false,
    on_error: true,
    slow_operation: None,
};

/// Sends requests to the servers of this test, although the configuration has the endpoints of the
/// older process: a changed endpoint would end a pause.
#[derive(Debug)]
struct Rerouted {
    http: HttpTransport,
    servers: Vec<(String, String)>,
}

impl Transport for Rerouted {
    fn send(&self, mut request: Request) -> Sending<'_> {
        for (from, to) in &self.servers {
            if let Some(path) = request.url.strip_prefix(from) {
                request.url = format!("{to}{path}");
                break;
            }
        }
        self.http.send(request)
    }
}

struct Store {
    dir: tempfile::TempDir,
    /// Lines `destination id name`, and `books destination accepted=.. delivered=.. dropped=..`.
    expected: Vec<String>,
    servers: BTreeMap<String, FaultServer>,
    clock: Arc<ManualClock>,
}

impl Store {
    /// Copies the store `name` and puts the clock a minute after its process was last active, in
    /// another boot.
    fn copied(name: &str) -> Self {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store-v1");
        let dir = tempfile::tempdir().unwrap();
        let from = golden.join(name);
        for file in walk(&from) {
            let to = dir.path().join(file.strip_prefix(&from).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let bytes = fs::read(&file).unwrap();
            if file.extension().is_some_and(|extension| extension == "gz") {
                let mut plain = Vec::new();
                GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
                fs::write(to.with_extension(""), plain).unwrap();
            } else {
                fs::write(to, bytes).unwrap();
            }
        }
        let list = fs::read_to_string(golden.join(format!("{name}.txt"))).unwrap();
        let expected: Vec<String> = list.lines().map(str::to_owned).collect();
        let books = expected.iter().filter_map(|line| line.strip_prefix("books ")?.split(' ').next());
        let servers = books.map(|name| (name.to_owned(), FaultServer::start().unwrap())).collect();
        let clock = ManualClock::new();
        clock.reboot(60);
        let store = Self { dir, expected, servers, clock };
        let last = store.json("session.json")["last_wall"].as_u64().unwrap();
        let now = Clock::Manual(store.clock.clone()).wall();
        store.clock.jump_wall((last as i64 - now as i64) / 1_000_000_000 + 60);
        store
    }

    fn json(&self, file: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.dir.path().join(file)).unwrap()).unwrap()
    }

    /// Starts this version on the store. It records nothing of its own.
    fn start(&self, rule: Option<TailSampling>) -> Telemetry {
        let mut config = builder(self.dir.path()).session_events(false).device_tag("a-device".to_owned());
        if let Some(rule) = rule {
            config = config.tail_sampling(rule);
        }
        let endpoint = |name: &String| format!("http://{name}.invalid");
        for name in self.servers.keys() {
            config = config.destination(Destination::new(name, endpoint(name)));
        }
        let servers = self.servers.iter().map(|(name, server)| (endpoint(name), server.url())).collect();
        let mut host = Host::default();
        host.transport = Some(Arc::new(Rerouted { http: HttpTransport::new(), servers }));
        host.clock = Clock::Manual(self.clock.clone());
        Telemetry::start_with(config.build().unwrap(), Consent::Granted, host).unwrap()
    }

    /// Flushes until everything is delivered. The clock moves by `step` in between, so that
    /// deadlines pass.
    fn deliver(&self, telemetry: &Telemetry, step: Duration) {
        for _ in 0..20 {
            let flush = telemetry.flush(Duration::from_millis(500));
            let queued: u64 = telemetry.books(LONG).unwrap().iter().map(|books| books.queued).sum();
            if flush.complete && queued == 0 && !self.dir.path().join("process-1").exists() {
                return;
            }
            self.clock.advance(step);
        }
        panic!("not everything was delivered: {:?} {:?}", telemetry.books(LONG), telemetry.health());
    }

    /// Compares what arrived, and the books, with the list.
    fn assert_delivered(&self, telemetry: &Telemetry) {
        let mut found = Vec::new();
        for books in telemetry.books(LONG).unwrap() {
            assert!(books.balanced(), "{books:?}");
            assert_eq!(books.queued, 0, "{books:?}");
            let (accepted, delivered, dropped) = (books.accepted, books.delivered, books.dropped.total());
            found.push(format!("books {} accepted={accepted} delivered={delivered} dropped={dropped}", books.name));
        }
        for (name, server) in &self.servers {
            found.extend(arrived(server).into_iter().map(|event| format!("{name} {event}")));
        }
        let mut expected = self.expected.clone();
        expected.sort();
        found.sort();
        // A view that was open arrives in more than one version.
        found.dedup();
        assert_eq!(found, expected);
    }

    /// Checks that the session and the installation of the older process go on.
    fn assert_continued(&self, telemetry: &Telemetry) {
        let known = |file: &str| self.json(file)["id"].as_str().unwrap().to_owned();
        assert_eq!(telemetry.session_id().unwrap().to_string(), known("session.json"));
        assert_eq!(telemetry.installation_id().unwrap().to_string(), known("installation.json"));
    }
}

/// The id of an event. Those of a view that is open are followed by its version.
fn event_id(attributes: &[KeyValue]) -> String {
    let id = text(attributes, "log.record.uid") + &text(attributes, "throughline.event.id");
    id.split('.').next().unwrap_or_default().to_owned()
}

/// The id and the name of every event that a server has stored, repetitions included.
fn arrived(server: &FaultServer) -> Vec<String> {
    let mut found = Vec::new();
    for request in server.received().iter().filter(|request| request.stored) {
        let body = request.body.as_slice();
        if request.path.ends_with("/v1/logs") {
            let decoded = ExportLogsServiceRequest::decode(body).unwrap();
            for log in decoded.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records) {
                let name = if log.event_name.is_empty() { "log" } else { &log.event_name };
                found.push(format!("{} {name}", event_id(&log.attributes)));
            }
        } else if request.path.ends_with("/v1/traces") {
            let decoded = ExportTraceServiceRequest::decode(body).unwrap();
            for span in decoded.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans) {
                found.push(format!("{} span {}", event_id(&span.attributes), span.name));
            }
        } else {
            let decoded = ExportMetricsServiceRequest::decode(body).unwrap();
            for metric in decoded.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
                // The id of a metric is in an exemplar.
                let ids = event_ids(&metric.encode_to_vec());
                found.extend(ids.iter().map(|id| format!("{id} metric {}", metric.name)));
            }
        }
    }
    found
}

/// Starts this version on a store and checks that all of it is delivered.
fn is_delivered_whole(name: &str) {
    let store = Store::copied(name);
    let telemetry = store.start(None);
    store.assert_continued(&telemetry);
    store.deliver(&telemetry, EVERY_WAIT);
    store.assert_delivered(&telemetry);
    assert!(telemetry.shutdown(LONG));
    let journals: Vec<PathBuf> = walk(&store.dir.path().join("runs"));
    assert!(journals.is_empty(), "journals are left: {journals:?}");
}

#[test]
fn batches_that_an_older_version_had_settled_in_part_are_neither_lost_nor_repeated() {
    is_delivered_whole("partly-delivered");
}

#[test]
fn parts_that_an_older_version_had_halved_and_a_pause_that_it_had_set_lose_nothing() {
    is_delivered_whole("refused");
}

#[test]
fn what_killed_processes_of_an_older_version_left_open_or_in_a_sibling_directory_is_not_lost() {
    is_delivered_whole("killed");
}

#[test]
fn what_is_only_in_the_journal_of_an_older_version_is_not_lost() {
    is_delivered_whole("suspended");
}

#[test]
fn what_an_older_version_kept_back_until_consent_is_not_lost() {
    is_delivered_whole("pending");
}

#[test]
fn a_damaged_database_that_an_older_version_had_read_in_part_is_read_to_its_end() {
    is_delivered_whole("damaged");
}

#[test]
fn what_an_older_version_kept_aside_is_released_by_a_problem_that_is_reported_now() {
    let mut store = Store::copied("aside");
    let telemetry = store.start(Some(RULE));
    store.assert_continued(&telemetry);
    assert!(telemetry.drain(LONG));
    let report = telemetry.report_problem("it is slow").unwrap();
    store.deliver(&telemetry, Duration::from_secs(1));
    // The report is the only event that this version has recorded.
    store.expected.push(format!("main {report} problem.reported"));
    store.assert_delivered(&telemetry);
}

#[test]
fn a_release_that_an_older_version_could_not_finish_is_finished() {
    let store = Store::copied("released");
    let telemetry = store.start(Some(RULE));
    store.assert_continued(&telemetry);
    store.deliver(&telemetry, Duration::from_secs(1));
    store.assert_delivered(&telemetry);
}

#[test]
fn the_off_switch_of_an_older_version_is_obeyed_and_nothing_is_lost_meanwhile() {
    let store = Store::copied("switched-off");
    let telemetry = store.start(None);
    until("the client obeys", || !telemetry.health().enabled);
    assert!(store.servers["main"].received().is_empty());
    telemetry.set_enabled(true).unwrap();
    store.deliver(&telemetry, EVERY_WAIT);
    store.assert_delivered(&telemetry);
}

#[test]
fn the_sampling_rate_that_an_older_version_was_switched_to_still_holds() {
    let store = Store::copied("partly-delivered");
    let telemetry = store.start(None);
    assert!(telemetry.drain(LONG));
    assert!(!telemetry.new_trace().unwrap().sampled);
}
