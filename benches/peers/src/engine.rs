//! Our own figures.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use throughline::internals::encode::{Stamp, encode as canonical};
use throughline::event::{Action, Event};
use throughline::health::JournalMode;
use throughline::testing::FaultServer;
use throughline::{Attribute, Config, Consent, ConfigBuilder, Environment, Telemetry};

use crate::table::percentile;

const LONG: Duration = Duration::from_secs(120);
const QUEUED: u64 = 100_000;

/// A directory on a real file system: the journal's page faults must be those of a disk.
pub(crate) fn disk() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let _ = std::fs::create_dir_all(&target);
    target
}

pub(crate) fn directory() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(disk())?)
}

pub(crate) fn config(dir: &Path) -> ConfigBuilder {
    Config::builder("bench", dir)
        .environment(Environment::Test)
        .queue_bytes(2 << 30)
        .flush_interval(Duration::from_secs(86_400))
        .flush_events(u64::MAX)
        .start_jitter(false)
        .self_report(false)
        .session_events(false)
}

fn start_mapped(dir: &Path) -> Result<Telemetry> {
    let telemetry = Telemetry::start(config(dir).build()?, Consent::Granted)?;
    while telemetry.health().journal != Some(JournalMode::Mapped) {
        std::thread::yield_now();
    }
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    Ok(telemetry)
}

/// The texts of the n-th event: they vary per call.
pub(crate) struct Texts {
    pub(crate) sku: String,
    pub(crate) source: &'static str,
    pub(crate) count: String,
}

impl Texts {
    pub(crate) fn new(n: u64) -> Self {
        let sources = ["catalog", "search", "wishlist", "banner"];
        let source = sources.get(n as usize % 4).copied().unwrap_or("catalog");
        Self { sku: format!("A-{n:06}"), source, count: (n % 97).to_string() }
    }

    fn attributes(&self) -> [Attribute<'_>; 3] {
        [("sku", (&self.sku).into()), ("source", self.source.into()), ("count", (&self.count).into())]
    }
}

fn action<'a>(attributes: &'a [Attribute<'a>]) -> Action<'a> {
    Action::custom("shop.item_added").attributes(attributes)
}

fn record(telemetry: &Telemetry, n: u64) -> bool {
    telemetry.record_action(&action(&Texts::new(n).attributes())).is_some()
}

/// What the paced run came to.
pub(crate) struct Paced {
    pub(crate) clock_ns: f64,
    pub(crate) floor_ns: f64,
    pub(crate) floor_p999_ns: f64,
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
    pub(crate) p999_ns: f64,
    pub(crate) events: u64,
    pub(crate) dropped: u64,
    pub(crate) missing: u64,
}

fn ns(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// What reading the clock around a call costs.
pub(crate) fn clock_pair() -> f64 {
    let mut samples: Vec<u32> = (0..100_000).map(|_| ns(Instant::now())).collect();
    percentile(&mut samples, 0.5)
}

/// 10,000 events a second, one at a time, and halfway between two of them the floor: a clock read, a copy and a CRC of the
/// same bytes, as cold as the call is when the kernel's tick has just passed.
pub(crate) fn paced(seconds: u64) -> Result<Paced> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    let clock_ns = clock_pair();
    let events = seconds * 10_000;
    let mut calls = Vec::with_capacity(events as usize);
    let mut floors = Vec::with_capacity(events as usize);
    let mut payload = Vec::new();
    canonical(&action(&Texts::new(1).attributes()), Stamp { time_delta: 1 << 35, context: 1, scope: 2, ..Stamp::default() }, &mut payload);
    // Touched: the floor must not pay for page faults that the worker takes from us.
    let mut ring = vec![1u8; 1 << 20];
    let mut at = 0;
    let mut dropped = 0;
    let begun = Instant::now();
    let spin_until = |micros: u64| {
        while begun.elapsed() < Duration::from_micros(micros) {
            std::hint::spin_loop();
        }
    };
    for n in 0..events {
        spin_until(100 * n);
        let texts = Texts::new(n);
        let call = Instant::now();
        let kept = telemetry.record_action(&action(&texts.attributes())).is_some();
        calls.push(ns(call));
        dropped += u64::from(!kept);
        spin_until(100 * n + 50);
        let floor = Instant::now();
        black_box(rustix::time::clock_gettime(rustix::time::ClockId::Boottime));
        at = (at + payload.len()) % (ring.len() - payload.len());
        ring[at..at + payload.len()].copy_from_slice(black_box(&payload));
        black_box(crc32c::crc32c(black_box(&payload)));
        floors.push(ns(floor));
    }
    black_box(&ring);
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    let kept = telemetry.health().queued();
    let own = |value: f64| (value - clock_ns).max(0.0);
    Ok(Paced {
        clock_ns,
        floor_ns: own(percentile(&mut floors, 0.5)),
        floor_p999_ns: own(percentile(&mut floors, 0.999)),
        p50_ns: own(percentile(&mut calls, 0.5)),
        p99_ns: own(percentile(&mut calls, 0.99)),
        p999_ns: own(percentile(&mut calls, 0.999)),
        events,
        dropped,
        missing: (events - dropped).saturating_sub(kept),
    })
}

/// One event every 10 ms: each finds cold caches and a parked worker.
pub(crate) fn isolated() -> Result<f64> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    let clock_ns = clock_pair();
    let mut calls: Vec<u32> = (0..300)
        .map(|n| {
            std::thread::sleep(Duration::from_millis(10));
            let texts = Texts::new(n);
            let call = Instant::now();
            telemetry.record_action(&action(&texts.attributes()));
            ns(call)
        })
        .collect();
    Ok((percentile(&mut calls, 0.5) - clock_ns).max(0.0) / 1_000.0)
}

/// Bursts of 100 events every 10 ms from several threads.
pub(crate) fn threads(count: u64) -> Result<f64> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    let clock_ns = clock_pair();
    let mut calls: Vec<u32> = std::thread::scope(|scope| {
        let worker = |thread: u64| {
            let telemetry = &telemetry;
            scope.spawn(move || {
                let mut calls = Vec::new();
                for burst in 0..200 / count.max(1) * 2 {
                    for n in 0..100 {
                        let texts = Texts::new(thread << 20 | burst << 8 | n);
                        let call = Instant::now();
                        telemetry.record_action(&action(&texts.attributes()));
                        calls.push(ns(call));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                calls
            })
        };
        let workers: Vec<_> = (0..count).map(worker).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    Ok((percentile(&mut calls, 0.99) - clock_ns).max(0.0))
}

/// A call on a client that is off, three borrowed attributes included.
pub(crate) fn disabled() -> Result<f64> {
    let dir = directory()?;
    let telemetry = Telemetry::start(config(dir.path()).enabled(false).build()?, Consent::Granted)?;
    let texts = Texts::new(7);
    let rounds = 20_000_000u32;
    let mut runs: Vec<f64> = (0..5)
        .map(|_| {
            let (telemetry, texts) = (black_box(&telemetry), black_box(&texts));
            let started = Instant::now();
            for _ in 0..rounds {
                // Nothing is kept in registers from one round to the next: the attributes are built each time.
                std::sync::atomic::compiler_fence(Ordering::SeqCst);
                telemetry.record_action(&action(&texts.attributes()));
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
        })
        .collect();
    Ok(median(&mut runs))
}

/// Context switches of the worker while nothing happens for a minute.
pub(crate) fn idle_switches(seconds: u64) -> Result<f64> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    for n in 0..10 {
        record(&telemetry, n);
    }
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    std::thread::sleep(Duration::from_secs(3));
    let before = switches()?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(switches()? - before)
}

fn switches() -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")?.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm"))?;
        if name.starts_with("throughline") && !name.starts_with("throughline-ben") {
            let status = std::fs::read_to_string(task.path().join("status"))?;
            let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
            sum += counts.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).sum::<f64>();
        }
    }
    Ok(sum)
}

/// Encoding alone, into a warm buffer.
pub(crate) fn encode() -> f64 {
    let texts = Texts::new(7);
    let mut buffer = Vec::with_capacity(256);
    let rounds = 2_000_000u32;
    let started = Instant::now();
    for _ in 0..rounds {
        buffer.clear();
        let attributes = black_box(&texts).attributes();
        black_box(canonical(&action(&attributes), Stamp { time_delta: 1 << 35, context: 1, scope: 2, ..Stamp::default() }, &mut buffer));
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
}

/// What draining came to, and the bare inserts beside it.
pub(crate) struct Drain {
    pub(crate) events_per_s: f64,
    pub(crate) raw_per_s: f64,
    /// Median of the pairs' ratios: a disk that slows down meets both of a pair.
    pub(crate) ratio: f64,
    pub(crate) bytes_per_event: f64,
    /// A queue with 100,000 events.
    pub(crate) dir: TempDir,
}

/// As fast as SQLite takes them, in turns with a bare insert of the same bytes.
pub(crate) fn drain() -> Result<Drain> {
    let texts: Vec<Texts> = (0..QUEUED).map(Texts::new).collect();
    let canonical_form = |texts: &Texts| {
        let attributes = texts.attributes();
        let event = action(&attributes);
        let mut payload = Vec::new();
        canonical(&event as &dyn Event, Stamp { time_delta: 1 << 35, context: 1, scope: 2, ..Stamp::default() }, &mut payload);
        payload
    };
    let payloads: Vec<Vec<u8>> = texts.iter().map(canonical_form).collect();
    let (mut ours, mut raw, mut ratios, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for _ in 0..7 {
        let (dir, rate) = drain_once(&texts)?;
        let bare = crate::sqlite::raw_inserts(&payloads)?;
        ours.push(rate);
        raw.push(bare);
        ratios.push(rate / bare);
        last = Some(dir);
    }
    let dir = last.context("no run")?;
    let bytes = std::fs::metadata(dir.path().join("queue.db"))?.len();
    Ok(Drain {
        events_per_s: median(&mut ours),
        raw_per_s: median(&mut raw),
        ratio: median(&mut ratios),
        bytes_per_event: bytes as f64 / QUEUED as f64,
        dir,
    })
}

pub(crate) fn median(runs: &mut [f64]) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN)
}

/// From the first `record` to the last committed row, nothing refused.
fn drain_once(texts: &[Texts]) -> Result<(TempDir, f64)> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    let started = Instant::now();
    for (n, texts) in texts.iter().enumerate() {
        ensure!(telemetry.record_action(&action(&texts.attributes())).is_some(), "an event was refused");
        if n % 64 == 0 {
            while telemetry.health().journal_bytes > 400 * 1024 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    let rate = texts.len() as f64 / started.elapsed().as_secs_f64();
    telemetry.shutdown(LONG);
    Ok((dir, rate))
}

/// `start` on the caller's thread, with 100,000 events queued.
pub(crate) fn start(dir: &TempDir) -> Result<f64> {
    let mut samples = Vec::new();
    for _ in 0..21 {
        let config = config(dir.path()).build()?;
        let started = Instant::now();
        let telemetry = Telemetry::start(config, Consent::Granted)?;
        samples.push(ns(started));
        telemetry.drain(LONG);
        telemetry.shutdown(LONG);
    }
    Ok(percentile(&mut samples, 0.5) / 1_000.0)
}

/// What flushing 100,000 events came to.
pub(crate) struct Flush {
    pub(crate) peak_kib: f64,
    pub(crate) events_per_s: f64,
}

/// Peak of anonymous memory above idle, in a process of its own, while 100,000 queued events are flushed.
pub(crate) fn memory(dir: &TempDir) -> Result<Flush> {
    let server = FaultServer::start()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("--memory").arg(dir.path()).arg(server.url());
    let output = child.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the memory child failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next().context("a figure is missing")?.context("not a figure");
    Ok(Flush { peak_kib: next()?, events_per_s: next()? })
}

fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}

pub(crate) fn memory_child(dir: &str, url: &str) -> Result<()> {
    let idle = anonymous_kib();
    let peak = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let (peak, stop) = (peak.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_kib(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let telemetry = Telemetry::start(config(Path::new(dir)).endpoint(url).build()?, Consent::Granted)?;
    for n in 0..10 {
        record(&telemetry, n);
    }
    telemetry.drain(LONG);
    let started = Instant::now();
    let outcome = telemetry.flush(LONG);
    let seconds = started.elapsed().as_secs_f64();
    ensure!(outcome.complete, "not flushed: {outcome:?}");
    stop.store(true, Ordering::Relaxed);
    let _ = sampler.join();
    println!("{} {}", peak.load(Ordering::Relaxed).saturating_sub(idle), outcome.delivered as f64 / seconds);
    Ok(())
}
