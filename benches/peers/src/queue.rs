//! What happens behind the call: draining into SQLite, starting with a full queue, flushing it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry};

use crate::client::{LONG, Texts, action, config, record, start_mapped};
use crate::disk::directory;
use crate::sqlite::raw_inserts;
use crate::timing::{median, ns, percentile};

/// Events in a full queue.
const QUEUED: u64 = 100_000;

/// The result of draining, and the bare inserts beside it.
pub(crate) struct Drain {
    pub(crate) events_per_s: f64,
    pub(crate) raw_per_s: f64,
    /// The median of the pairs' ratios. A disk that slows down slows down both of a pair.
    pub(crate) ratio: f64,
    pub(crate) bytes_per_event: f64,
    /// A queue with 100,000 events.
    pub(crate) dir: TempDir,
}

/// Drains as fast as SQLite takes the rows, in turns with a bare insert of the same bytes.
pub(crate) fn drain() -> Result<Drain> {
    let texts: Vec<Texts> = (0..QUEUED).map(Texts::new).collect();
    let encoded = |texts: &Texts| {
        let mut payload = Vec::new();
        texts.encode(&mut payload);
        payload
    };
    let payloads: Vec<Vec<u8>> = texts.iter().map(encoded).collect();
    let (mut ours, mut raw, mut ratios, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for _ in 0..7 {
        let (dir, rate) = drain_once(&texts)?;
        let bare = raw_inserts(&payloads)?;
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

/// From the first `record` to the last committed row, with no event refused.
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

/// `start` on the caller's thread with 100,000 queued events, in microseconds.
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

/// The result of flushing 100,000 events.
pub(crate) struct Flush {
    pub(crate) peak_kib: f64,
    pub(crate) events_per_s: f64,
}

/// Flushes 100,000 queued events in a process of its own, and measures the peak of its anonymous
/// memory above idle.
pub(crate) fn flush(dir: &TempDir) -> Result<Flush> {
    let server = FaultServer::start()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("--flush").arg(dir.path()).arg(server.url());
    let output = child.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the flushing child failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next().context("a figure is missing")?.context("not a figure");
    Ok(Flush { peak_kib: next()?, events_per_s: next()? })
}

/// The process that flushes. Prints the peak in KiB, and the events per second.
pub(crate) fn flush_child(dir: &str, url: &str) -> Result<()> {
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

/// The anonymous memory of this process, in KiB.
fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}
