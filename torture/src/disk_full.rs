//! Fills the disk under a recording process, and frees it again.
//!
//! Each cycle records into a small file system until there are events in the queue, fills it with
//! another file, records on, and removes that file. It must hold that a crash is accepted while the
//! disk is full and is delivered afterwards, that a diagnosis says that the disk is full as long as
//! it is, that nothing stays behind, and that the books balance.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use throughline::diagnosis::Cause;
use throughline::event::{Action, ErrorEvent};
use throughline::testing::FaultServer;
use throughline::{Config, Consent, Environment, Telemetry};

use crate::random::Random;

#[derive(Args)]
pub(crate) struct Options {
    /// How often the disk is filled and freed.
    #[arg(short, default_value_t = 5)]
    n: u64,
    /// The seed of an earlier run, to repeat it.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs every cycle. Returns how many failed.
pub(crate) fn run(options: &Options) -> Result<u64> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("torture disk-full: {} cycles, seed {seed}", options.n);
    let mount = tempfile::tempdir()?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(mount.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("  skipped: this user may not mount a file system");
        println!("0 passed, 0 failed");
        return Ok(0);
    }
    let (mut passed, mut failed) = (0, 0);
    for n in 0..options.n {
        let mut random = Random::new(seed ^ n);
        match cycle(&mut random, &mount.path().join(format!("store-{n}"))) {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                println!("  FAILED cycle {n}: {error:#}");
            }
        }
    }
    let _ = Command::new("umount").arg(mount.path()).output();
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

fn cycle(random: &mut Random, dir: &Path) -> Result<()> {
    let server = FaultServer::start()?;
    let config = Config::builder("full", dir)
        .environment(Environment::Test)
        .endpoint(server.url())
        .flush_interval(Duration::from_secs(3600))
        .flush_events(1_000_000)
        .start_jitter(false)
        .self_report(false)
        .synthetic_views(false)
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    telemetry.drain(Duration::from_secs(5));
    record(&telemetry, 0, 500 + random.below(2_000) as i64);
    let hog = dir.join("..").join("hog");
    let mut file = File::create(&hog)?;
    while file.write_all(&[7u8; 4096]).is_ok() {}
    record(&telemetry, 10_000, 3_000);
    let crash = telemetry.record_error(&ErrorEvent::crash("Full", "while the disk was full", "main"));
    ensure!(crash.is_some(), "a crash was refused while the disk was full");
    record(&telemetry, 20_000, 2_000);
    let until = Instant::now() + Duration::from_secs(10);
    while !says_full(&telemetry) {
        ensure!(
            Instant::now() < until,
            "the disk is full, and nobody says so: {:?}",
            telemetry.diagnose(Duration::ZERO)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(file);
    std::fs::remove_file(&hog)?;
    ensure!(telemetry.drain(Duration::from_secs(10)), "the worker does not answer after the disk was freed");
    // The worker looks for room once a second.
    std::thread::sleep(Duration::from_millis(1_200));
    record(&telemetry, 30_000, 200);
    let outcome = telemetry.flush(Duration::from_secs(30));
    let books = telemetry.books(Duration::from_secs(10))?.remove(0);
    ensure!(books.balanced(), "the books do not balance: {books:?}");
    ensure!(outcome.complete && books.queued == 0, "not delivered after the disk was freed: {outcome:?} {books:?}");
    ensure!(!says_full(&telemetry), "the disk is said to be full when it is not any more");
    ensure!(crash.is_some_and(|id| server.stored_ids().contains(&id)), "the crash was lost");
    telemetry.shutdown(Duration::from_secs(5));
    drop(telemetry);
    let _ = std::fs::remove_dir_all(dir);
    Ok(())
}

/// Whether a developer who asks what is wrong is told that the disk is full.
fn says_full(telemetry: &Telemetry) -> bool {
    let said = telemetry.diagnose(Duration::ZERO);
    said.findings.iter().any(|finding| finding.cause == Cause::StorageFull)
}

/// Records events at a pace that the worker keeps up with.
fn record(telemetry: &Telemetry, first: i64, count: i64) {
    let filler = "x".repeat(200);
    for n in first..first + count {
        let attributes = [("n", n.into()), ("filler", filler.as_str().into())];
        telemetry.record_action(&Action::tap("x").attributes(&attributes));
        if n % 100 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
