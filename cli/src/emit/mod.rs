//! `emit`: a reproducible scenario with every kind of event, recorded and sent by the real client.
//!
//! The summary on standard output is what the client's own books say, so that a test can compare it
//! with what a backend has received. The command fails when the books do not balance, when events
//! are left in the queue, and when this run has dropped some.

mod backend;
mod out;
mod pace;
mod scenario;
mod stories;
mod verdict;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use tempfile::TempDir;
use throughline::ledger::Ledger;
use throughline::state::StateCounts;
use throughline::{Config, Consent, DestinationBooks, Environment, FlushOutcome, Host, Telemetry};

use crate::output;
use backend::{Backend, Signal};
use out::Out;
use pace::pause_after;
use scenario::Scenario;

/// The uploader must not send on its own: the scenario is recorded first and then flushed.
const NO_TIMED_FLUSH: Duration = Duration::from_secs(3600);
/// Events between two pauses.
const EVENTS_PER_PAUSE: u64 = 500;
/// How long the client may take to write what was recorded, whatever the time for sending it.
const DRAIN: Duration = Duration::from_secs(10);
/// Between two looks at a database that is not open.
const RETRY: Duration = Duration::from_millis(50);
/// How long the client may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Options {
    /// What the backend understands. Give it several times, each with an --endpoint, to send to
    /// several backends at once.
    #[arg(long, value_enum, required = true)]
    backend: Vec<Backend>,
    /// Where the backend is, for example http://127.0.0.1:4318: one for each --backend, in the same
    /// order.
    #[arg(long, required = true)]
    endpoint: Vec<String>,
    /// Send nothing, and write each request to this file: a line of JSON with the URL, the headers
    /// without credentials, and the body without its compression. The events are then gone, so this
    /// takes no --data-dir: what waits there is for the backend.
    #[arg(long, conflicts_with = "data_dir")]
    out: Option<PathBuf>,
    /// Signals that a backend for OTLP takes, separated by commas. Events of the others are not
    /// sent.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "logs,traces,metrics")]
    signals: Vec<Signal>,
    /// Seed of the scenario. The same seed gives the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of single events to record.
    #[arg(long, default_value_t = 1_000)]
    events: u64,
    /// Number of stories to record as well. A story is a view, a tap, an operation with traced
    /// mutations, a request, a log and metrics.
    #[arg(long, default_value_t = 0)]
    stories: u64,
    /// Directory of the queue. Without it, a temporary directory is used and deleted at the end.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Record the scenario and stop; send nothing.
    #[arg(long, conflicts_with = "flush_only", requires = "data_dir")]
    record_only: bool,
    /// Record nothing; send what an earlier run left in the data directory.
    #[arg(long, requires = "data_dir", conflicts_with_all = ["events", "stories", "seed", "ids"])]
    flush_only: bool,
    /// File to which the id of each event is appended as soon as `record` has returned.
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Seconds after which sending is given up.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// Show no progress bar.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    // Deletes the directory at the end, if it is a temporary one.
    let temporary = if options.data_dir.is_none() { Some(tempfile::tempdir()?) } else { None };
    let data_dir = options.data_dir.as_deref().or(temporary.as_ref().map(TempDir::path)).context("no directory")?;
    if options.flush_only {
        verdict::ensure_recorded(data_dir)?;
    }
    let telemetry = start(options, data_dir)?;
    let timeout = Duration::from_secs(options.timeout);
    let wait = timeout.max(DRAIN);
    let cannot_write = || format!("the queue in {} could not be written", data_dir.display());
    // What earlier runs have lost is in the books before this one records or sends anything.
    ensure!(telemetry.drain(wait), cannot_write());
    let cannot_open = || format!("the queue in {} cannot be opened; the disk may be full", data_dir.display());
    let before = books_of(&telemetry, wait).with_context(cannot_open)?;
    let (mut accepted, mut state) = (BTreeMap::new(), StateCounts::default());
    if !options.flush_only {
        accepted = record(&telemetry, options)?;
        state = stories::record(&telemetry, options.seed, options.stories)?;
    }
    ensure!(telemetry.drain(wait), cannot_write());
    // Sending takes events that are meant for other destinations only out of a destination's books.
    let recorded = books_of(&telemetry, wait).with_context(cannot_open)?;
    let outcome = (!options.record_only).then(|| telemetry.flush(timeout));
    let books = books_of(&telemetry, wait).with_context(cannot_open)?;
    let losses = verdict::losses(&dropped(&before), &dropped(&books));
    let outcome = outcome.map(|outcome| verdict::blame(outcome, losses.as_deref()));
    let printed = output::line(summary(options, &accepted, &state, &books, outcome.as_ref()));
    telemetry.shutdown(SHUTDOWN);
    ensure!(state.balanced(), "the counts do not balance: mutations is not recorded + suppressed + dropped");
    let is_balanced = books.iter().all(DestinationBooks::balanced);
    ensure!(is_balanced, "the books do not balance: accepted is not delivered + queued + dropped");
    for (before, recorded) in before.iter().zip(&recorded) {
        verdict::ensure_booked(accepted.values().sum(), recorded.accepted.saturating_sub(before.accepted))?;
    }
    verdict::check(outcome, losses.as_deref(), options.data_dir.as_deref())?;
    // That nobody reads the summary matters less than whether the events have arrived.
    printed
}

/// The books of each destination. A database that cannot be opened yet is waited for, as a flush
/// would do.
fn books_of(telemetry: &Telemetry, wait: Duration) -> Result<Vec<DestinationBooks>> {
    let end = Instant::now() + wait.min(DRAIN);
    loop {
        match telemetry.books(wait) {
            Ok(books) => return Ok(books),
            Err(error) if Instant::now() >= end => return Err(error.into()),
            Err(_) => std::thread::sleep(RETRY),
        }
    }
}

/// What was dropped, for whichever destination.
fn dropped(books: &[DestinationBooks]) -> Ledger {
    books.iter().fold(Ledger::default(), |mut all, books| {
        all.merge(&books.dropped);
        all
    })
}

/// Starts a client that records nothing of its own, so that the counts are those of the scenario.
fn start(options: &Options, data_dir: &Path) -> Result<Telemetry> {
    let mut config = Config::builder("throughline-emit", data_dir)
        .environment(Environment::Test)
        .service_version(env!("CARGO_PKG_VERSION"))
        .flush_interval(NO_TIMED_FLUSH)
        .flush_events(u64::MAX)
        .start_jitter(false)
        .self_report(false)
        .session_events(false)
        .synthetic_views(false);
    for destination in backend::destinations(&options.backend, &options.endpoint, &options.signals)? {
        config = config.destination(destination);
    }
    let mut host = Host::default();
    if let Some(path) = &options.out {
        host.transport = Some(Arc::new(Out::create(path)?));
    }
    Ok(Telemetry::start_with(config.build()?, Consent::Granted, host)?)
}

/// Records the single events and counts them by kind.
fn record(telemetry: &Telemetry, options: &Options) -> Result<BTreeMap<&'static str, u64>> {
    let target = if options.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(options.events), target);
    let mut ids = options.ids.as_deref().map(append_to).transpose()?;
    let mut scenario = Scenario::new(options.seed);
    let mut accepted = BTreeMap::new();
    for n in 0..options.events {
        let (kind, id) = scenario.record_event(telemetry, n);
        *accepted.entry(kind.name()).or_default() += 1;
        if let (Some(file), Some(id)) = (&mut ids, id) {
            file.write_all(format!("{id}\n").as_bytes())?;
        }
        pause_after(n, EVENTS_PER_PAUSE, telemetry);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(accepted)
}

fn append_to(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).with_context(|| format!("opening {}", path.display()))
}

fn summary(
    options: &Options,
    accepted: &BTreeMap<&str, u64>,
    state: &StateCounts,
    books: &[DestinationBooks],
    outcome: Option<&FlushOutcome>,
) -> serde_json::Value {
    let destinations: Vec<_> = books.iter().map(of_destination).collect();
    let mut summary = json!({
        "seed": options.seed,
        "accepted": accepted,
        "stories": options.stories,
        "mutations": {
            "seen": state.mutations,
            "recorded": state.recorded,
            "suppressed": state.all_suppressed(),
            "dropped": state.dropped,
            "balanced": state.balanced(),
        },
        "complete": outcome.map(|outcome| outcome.complete),
        "reason": outcome.and_then(|outcome| outcome.reason.clone()),
    });
    // Of a single destination, the books are read without a name.
    match (destinations.as_slice(), summary.as_object_mut()) {
        ([serde_json::Value::Object(only)], Some(summary)) => {
            summary
                .extend(only.iter().filter(|(key, _)| *key != "name").map(|(key, value)| (key.clone(), value.clone())));
        }
        (_, Some(summary)) => drop(summary.insert("destinations".to_owned(), destinations.into())),
        _ => {}
    }
    summary
}

/// The books of a destination.
fn of_destination(books: &DestinationBooks) -> serde_json::Value {
    let mut dropped = BTreeMap::<&str, u64>::new();
    for (_, reason, count) in books.dropped.iter() {
        *dropped.entry(reason.name()).or_default() += count;
    }
    json!({
        "name": books.name,
        "accepted_total": books.accepted,
        "delivered": books.delivered,
        "queued": books.queued,
        "dropped": dropped,
        "balanced": books.balanced(),
    })
}
