//! The process that is killed.
//!
//! Two threads record through the real client. As soon as `record` has returned an id, the thread
//! writes it to standard output: from then on the event is acknowledged and must not be lost.

use std::io::Write as _;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use throughline::event::{Action, ErrorEvent, Log, Severity};
use throughline::health::JournalMode;
use throughline::ledger::DropReason;
use throughline::{Config, Consent, DestinationBooks, Environment, TailSampling, Telemetry};

/// What stands on standard error before the number of rows that were counted as damaged.
pub(crate) const DAMAGED_ROWS: &str = "damaged rows: ";
/// With tail sampling, the first thread renews the session after so many events.
pub(crate) const SESSION_EVENTS: i64 = 400;

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// It records, sends what it can meanwhile, and shuts down.
    Record,
    /// It records, then delivers everything, however long that takes.
    RecordAndDeliver,
    /// It records nothing, and delivers what earlier processes have left.
    Deliver,
}

/// How large the events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// Most have under 100 bytes.
    Mixed,
    /// Each has nearly a kilobyte, so that the journal's ring soon begins its next lap.
    Large,
}

/// Which sessions are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sampling {
    /// Every session.
    All,
    /// No session is sampled: each is kept back until an error happens in it. Sessions are short.
    Tail,
}

/// What the user has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    /// Events may be sent.
    Granted,
    /// The user has not decided yet: events wait apart.
    Pending,
}

#[derive(Args)]
pub(crate) struct Options {
    /// The data directory.
    #[arg(long)]
    dir: PathBuf,
    /// The address of the backend.
    #[arg(long)]
    endpoint: String,
    /// How long to record, in milliseconds.
    #[arg(long = "millis", value_parser = milliseconds, default_value = "60")]
    time: Duration,
    #[arg(long, value_enum, default_value = "record")]
    work: Work,
    #[arg(long, value_enum, default_value = "mixed")]
    size: Size,
    #[arg(long, value_enum, default_value = "all")]
    sampling: Sampling,
    #[arg(long, value_enum, default_value = "granted")]
    consent: Decision,
}

fn milliseconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_millis)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let telemetry = start(options)?;
    if options.work == Work::Deliver {
        if options.sampling == Sampling::Tail {
            telemetry.report_problem("a problem releases what is still kept back");
            telemetry.stop_view();
        }
        let books = deliver_all(&telemetry)?;
        // An event that is refused when it is recorded was never acknowledged. Two threads at full
        // speed may fill the ring.
        let refused = books.dropped.of(DropReason::JournalFull);
        ensure!(books.dropped.total() == refused, "something was dropped: {books:?}");
        return Ok(());
    }
    let until = Instant::now() + options.time;
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let telemetry = &telemetry;
            scope.spawn(move || record(telemetry, thread, until, options));
        }
        telemetry.start_view("Torture");
        telemetry.flush(Duration::from_secs(1));
    });
    if options.work == Work::RecordAndDeliver {
        telemetry.stop_view();
        let dropped = deliver_all(&telemetry)?.dropped;
        writeln!(std::io::stderr(), "{DAMAGED_ROWS}{}", dropped.of(DropReason::RowCorrupt))?;
    }
    telemetry.shutdown(Duration::from_secs(5));
    Ok(())
}

/// Starts the client, and waits until its journal is mapped.
fn start(options: &Options) -> Result<Telemetry> {
    let mut config = Config::builder("torture", &options.dir)
        .environment(Environment::Test)
        .endpoint(&options.endpoint)
        .flush_interval(Duration::from_millis(100))
        .start_jitter(false)
        .self_report(false);
    if options.sampling == Sampling::Tail {
        let tail =
            TailSampling { bytes: 8 * 1024 * 1024, window: Duration::from_secs(3_600), ..TailSampling::default() };
        config = config.session_sample_rate(0.0).tail_sampling(tail);
    }
    let consent = match options.consent {
        Decision::Granted => Consent::Granted,
        Decision::Pending => Consent::Pending,
    };
    let telemetry = Telemetry::start(config.build()?, consent)?;
    let started = Instant::now();
    // The documented exception: until the journal is mapped, a kill loses what was recorded.
    while telemetry.health().journal != Some(JournalMode::Mapped) {
        ensure!(started.elapsed() < Duration::from_secs(10), "the journal was never mapped: {:?}", telemetry.health());
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(telemetry)
}

/// Flushes until nothing waits. The books must balance.
fn deliver_all(telemetry: &Telemetry) -> Result<DestinationBooks> {
    for _ in 0..60 {
        if telemetry.flush(Duration::from_secs(20)).complete {
            break;
        }
    }
    let books = telemetry.books(Duration::from_secs(10))?.remove(0);
    ensure!(books.balanced(), "the books do not balance: {books:?}");
    ensure!(books.queued == 0, "not everything was delivered: {books:?}");
    Ok(books)
}

/// Records events of several kinds until the time has passed, and acknowledges each.
fn record(telemetry: &Telemetry, thread: u64, until: Instant, options: &Options) {
    let filler = "x".repeat(900);
    let mut n = 0i64;
    while Instant::now() < until {
        n += 1;
        let large = [("thread", (thread as i64).into()), ("n", n.into()), ("filler", filler.as_str().into())];
        let small = [large[0], large[1]];
        let id = match n % 40 {
            7 => telemetry.record_error(&ErrorEvent::crash("Torture", "on purpose", "main").attributes(&large)),
            3 | 23 => telemetry.record_error(&ErrorEvent::new("Torture", "handled").attributes(&large)),
            1 | 11 | 21 | 31 => telemetry.record_log(&Log::new(Severity::Info, "line").attributes(&large)),
            _ if options.size == Size::Large => telemetry.record_action(&Action::tap("button").attributes(&large)),
            _ => telemetry.record_action(&Action::tap("button").attributes(&small)),
        };
        // Without an id the journal was full and the event was counted, not acknowledged.
        if let Some(id) = id {
            let _ = rustix::io::write(rustix::stdio::stdout(), id.as_bytes());
        }
        if options.sampling == Sampling::Tail && thread == 0 && n % SESSION_EVENTS == 0 {
            telemetry.renew_session();
        }
        if n % 16 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}
