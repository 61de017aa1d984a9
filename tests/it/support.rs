//! What the areas share: a client in a temporary directory, events of all kinds, and its books.

use std::path::Path;
use std::time::{Duration, Instant};

use throughline::event::{Action, ErrorEvent, Log, Metric, MetricData, Resource, Severity, Span};
use throughline::{Conditions, Config, ConfigBuilder, Consent, DestinationBooks, Environment, Network, Telemetry};
use uuid::Uuid;

/// How long a call may take before a test fails. Nothing takes that long unless it hangs, however
/// busy the machine is.
pub const LONG: Duration = Duration::from_secs(20);

pub fn builder(dir: &Path) -> ConfigBuilder {
    Config::builder("it", dir)
        .environment(Environment::Test)
        .flush_interval(Duration::from_secs(3600))
        .flush_events(1_000_000)
        .start_jitter(false)
        .self_report(false)
        .synthetic_views(false)
}

pub fn start(dir: &Path, endpoint: &str) -> Telemetry {
    Telemetry::start(builder(dir).endpoint(endpoint).build().unwrap(), Consent::Granted).unwrap()
}

/// Records the event number `n`. Six kinds of events of all lanes but the crash lane take turns.
pub fn record_mixed(telemetry: &Telemetry, n: usize) -> Option<Uuid> {
    let number = i64::try_from(n).unwrap();
    let attributes = [("n", number.into()), ("even", n.is_multiple_of(2).into()), ("text", "value".into())];
    match n % 6 {
        0 => telemetry.record_action(&Action::tap("buy").attributes(&attributes)),
        1 => telemetry.record_log(&Log::new(Severity::Info, "a line").attributes(&attributes)),
        2 => telemetry.record_error(&ErrorEvent::new("E", "handled").attributes(&attributes)),
        3 => {
            let trace = telemetry.new_trace().unwrap();
            telemetry.record_span(&Span::new("work", trace, Duration::from_nanos(5_000)).attributes(&attributes))
        }
        4 => telemetry.record_metric(&Metric::new("depth", "1", MetricData::Gauge(1.0)).attributes(&attributes)),
        _ => telemetry.record_resource(
            &Resource::new("GET", "http://localhost/a", 200, Duration::from_nanos(7)).attributes(&attributes),
        ),
    }
}

pub fn books(telemetry: &Telemetry) -> DestinationBooks {
    let books = telemetry.books(LONG).unwrap().remove(0);
    assert!(books.balanced(), "{books:?}");
    books
}

/// Returns when the worker has looked at the clock since the call. It does so between two commands,
/// so the second answer proves it.
pub fn tick(telemetry: &Telemetry) {
    assert!(telemetry.drain(LONG) && telemetry.drain(LONG));
}

/// Waits until something holds that another thread brings about. Fails if it takes too long.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "it never came about: {what}");
        // Not a loop without a pause: it would keep the worker, whose priority is low, from
        // working.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Every file below a directory.
pub fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    // A directory that is removed meanwhile has none.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// Reports which network there is, and nothing else.
pub fn online(telemetry: &Telemetry, network: Network) {
    telemetry.set_conditions(Conditions { network, ..Conditions::default() });
}

/// Bytes of the databases below a directory, their logs included.
pub fn database_bytes(dir: &Path) -> u64 {
    let files = walk(dir).into_iter().filter(|path| path.to_string_lossy().contains("queue.db"));
    files.filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum()
}

/// How many runs and contexts a database holds that no process uses.
pub fn runs_and_contexts(dir: &Path) -> (u64, u64) {
    let db = rusqlite::Connection::open(dir.join("queue.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    (count("SELECT count(*) FROM state WHERE key LIKE 'run/%'"), count("SELECT count(*) FROM contexts"))
}
