//! What a call costs the app: paced, isolated, from several threads, and while the client is off.

use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use throughline::{Consent, Telemetry};

use crate::client::{LONG, Texts, action, config, record, start_mapped};
use crate::disk::directory;
use crate::timing::{clock_pair, median, ns, percentile};

/// The result of the paced run. Times are in nanoseconds, without the cost of reading the clock.
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

/// Records 10,000 events a second, one at a time. Halfway between two events it times the floor: a
/// clock read, a copy and a CRC of the same bytes. The floor meets the same caches as the call.
pub(crate) fn paced(seconds: u64) -> Result<Paced> {
    let dir = directory()?;
    let telemetry = start_mapped(dir.path())?;
    let clock_ns = clock_pair();
    let events = seconds * 10_000;
    let mut calls = Vec::with_capacity(events as usize);
    let mut floors = Vec::with_capacity(events as usize);
    let mut payload = Vec::new();
    Texts::new(1).encode(&mut payload);
    // Written once, so that the floor has no page faults: the worker takes them from the call.
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
        let accepted = telemetry.record_action(&action(&texts.attributes())).is_some();
        calls.push(ns(call));
        dropped += u64::from(!accepted);
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
    let queued = telemetry.health().queued();
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
        missing: (events - dropped).saturating_sub(queued),
    })
}

/// The median of calls that come every 10 ms and find cold caches and a parked worker, in
/// microseconds.
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

/// The 99th percentile of calls from several threads at once, in bursts of 100 every 10 ms, in
/// nanoseconds.
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

/// A call on a client that is disabled, with three borrowed attributes, in nanoseconds.
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
                // Nothing stays in registers from one round to the next, so that the attributes are
                // built each time.
                compiler_fence(Ordering::SeqCst);
                telemetry.record_action(&action(&texts.attributes()));
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
        })
        .collect();
    Ok(median(&mut runs))
}

/// The context switches of the worker while nothing happens for so many seconds.
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

/// The context switches of the client's threads so far.
fn switches() -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")?.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm"))?;
        // The main thread has the name of this program.
        if name.starts_with("throughline") && !name.starts_with("throughline-ben") {
            let status = std::fs::read_to_string(task.path().join("status"))?;
            let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
            sum += counts.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).sum::<f64>();
        }
    }
    Ok(sum)
}

/// Encoding alone, into a warm buffer, in nanoseconds.
pub(crate) fn encode() -> f64 {
    let texts = Texts::new(7);
    let mut buffer = Vec::with_capacity(256);
    let rounds = 2_000_000u32;
    let started = Instant::now();
    for _ in 0..rounds {
        buffer.clear();
        black_box(&texts).encode(&mut buffer);
        black_box(&buffer);
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
}
