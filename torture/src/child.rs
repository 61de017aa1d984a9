//! The process that is killed: two threads record through the real client and write each id to standard output as
//! soon as `record` has returned.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use throughline::event::{Action, ErrorEvent, Log, Severity};
use throughline::health::JournalMode;
use throughline::ledger::DropReason;
use throughline::{Config, Consent, DestinationBooks, Environment, TailSampling, Telemetry};

/// Before the number of rows that were booked as damaged, on standard error.
pub(crate) const BOOKED: &str = "rows booked as damaged: ";
/// How many events of the first thread make a session, where sessions are kept aside.
pub(crate) const SESSION_EVENTS: i64 = 400;

#[derive(Args)]
pub(crate) struct Options {
    /// Data directory.
    #[arg(long)]
    dir: PathBuf,
    /// Where to send.
    #[arg(long)]
    endpoint: String,
    /// How long to record.
    #[arg(long, default_value_t = 60)]
    millis: u64,
    /// Record nothing; deliver what is there.
    #[arg(long)]
    drain: bool,
    /// After recording, deliver everything, however long it takes.
    #[arg(long)]
    settle: bool,
    /// Every event has nearly a kilobyte.
    #[arg(long)]
    fat: bool,
    /// Sessions are kept aside until an error comes; they are short.
    #[arg(long)]
    aside: bool,
    /// The user has not decided yet.
    #[arg(long)]
    pending: bool,
    /// Bytes of the queue.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    queue_bytes: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut config = Config::builder("torture", &options.dir)
        .environment(Environment::Test)
        .endpoint(&options.endpoint)
        .flush_interval(Duration::from_millis(100))
        .start_jitter(false)
        .self_report(false)
        .queue_bytes(options.queue_bytes);
    if options.aside {
        let rule =
            TailSampling { bytes: 8 * 1024 * 1024, window: Duration::from_secs(3_600), ..TailSampling::default() };
        config = config.session_sample_rate(0.0).tail_sampling(rule);
    }
    let consent = if options.pending { Consent::Pending } else { Consent::Granted };
    let telemetry = Telemetry::start(config.build()?, consent)?;
    let started = Instant::now();
    // The stated exception: until the journal is mapped, a kill loses what was recorded.
    while telemetry.health().journal != Some(JournalMode::Mapped) {
        ensure!(started.elapsed() < Duration::from_secs(10), "the journal was never mapped: {:?}", telemetry.health());
        std::thread::sleep(Duration::from_micros(200));
    }
    if options.drain {
        if options.aside {
            telemetry.report_problem("what is still aside goes, too");
            telemetry.stop_view();
        }
        let books = settle(&telemetry)?;
        // Refused at the door is not acknowledged: two threads at full speed may fill the ring.
        let refused = books.dropped.of(DropReason::JournalFull);
        ensure!(books.dropped.total() == refused, "something was dropped: {books:?}");
        return Ok(());
    }
    let until = started + Duration::from_millis(options.millis);
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let telemetry = &telemetry;
            scope.spawn(move || record(telemetry, thread, until, options));
        }
        telemetry.start_view("Torture");
        telemetry.flush(Duration::from_secs(1));
    });
    if options.settle {
        telemetry.stop_view();
        let dropped = settle(&telemetry)?.dropped;
        writeln!(std::io::stderr(), "{BOOKED}{}", dropped.of(DropReason::RowCorrupt))?;
    }
    telemetry.shutdown(Duration::from_secs(5));
    Ok(())
}

/// Flushes until nothing waits; the books must balance.
fn settle(telemetry: &Telemetry) -> Result<DestinationBooks> {
    for _ in 0..60 {
        if telemetry.flush(Duration::from_secs(20)).complete {
            break;
        }
    }
    let books = telemetry.books(Duration::from_secs(10))?.remove(0);
    ensure!(books.balanced(), "the books do not balance: {books:?}");
    ensure!(books.queued == 0, "not everything was settled: {books:?}");
    Ok(books)
}

fn record(telemetry: &Telemetry, thread: u64, until: Instant, options: &Options) {
    let filler = "x".repeat(900);
    let mut n = 0i64;
    while Instant::now() < until {
        n += 1;
        let attributes = [("thread", (thread as i64).into()), ("n", n.into()), ("filler", filler.as_str().into())];
        let short = [attributes[0], attributes[1]];
        let id = match n % 40 {
            7 => telemetry.record_error(&ErrorEvent::crash("Torture", "on purpose", "main").attributes(&attributes)),
            3 | 23 => telemetry.record_error(&ErrorEvent::new("Torture", "handled").attributes(&attributes)),
            1 | 11 | 21 | 31 => telemetry.record_log(&Log::new(Severity::Info, "line").attributes(&attributes)),
            _ => telemetry.record_action(&Action::tap("button").attributes(if options.fat {
                &attributes
            } else {
                &short
            })),
        };
        // `None`: the journal was full, which has been counted. It must not happen at this pace.
        if let Some(id) = id {
            let _ = rustix::io::write(rustix::stdio::stdout(), id.as_bytes());
        }
        if options.aside && thread == 0 && n % SESSION_EVENTS == 0 {
            telemetry.renew_session();
        }
        if n % 16 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}
