//! Damage: bit flips, truncation, zeroed and garbage pages, a directory in place of a file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;
use throughline::testing::FaultServer;
use uuid::Uuid;

use crate::child::BOOKED;
use crate::random::Random;

#[derive(Args)]
pub(crate) struct Options {
    /// Damaged stores.
    #[arg(short, default_value_t = 40)]
    n: u64,
    /// Seed of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

/// Rows that fit onto the last pages of the four lanes: more are not lost to damage that SQLite does not see.
const MOST_ON_DAMAGED_PAGES: usize = 4 * 40;

#[derive(Default)]
struct Totals {
    damaged_bytes: u64,
    recorded: u64,
    delivered: u64,
    unreadable: u64,
}

pub(crate) fn run(options: &Options) -> Result<u64> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("torture corrupt: {} stores, seed {seed}", options.n);
    let bar = ProgressBar::new(options.n);
    let (mut passed, mut failed) = (0, 0);
    let mut totals = Totals::default();
    for n in 0..options.n {
        let mut random = Random::new(seed ^ n.wrapping_mul(0x5851_f42d_4c95_7f2d));
        match one(&mut random, n, &mut totals) {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                println!("  FAILED store {n}: {error:#}");
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!(
        "  {} KiB damaged; {} of {} recorded events delivered all the same, none with a wrong payload; {} recorded afterwards got \
         onto damaged pages and were booked",
        totals.damaged_bytes / 1024,
        totals.delivered,
        totals.recorded,
        totals.unreadable
    );
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

/// Records with the network away, damages the files, delivers what is left.
fn one(random: &mut Random, n: u64, totals: &mut Totals) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recorded = record(dir.path())?;
    totals.recorded += recorded.len() as u64;
    let files = [dir.path().join("queue.db"), dir.path().join("queue.db-wal")];
    let journals: Vec<PathBuf> = fs::read_dir(dir.path().join("runs"))?.flatten().map(|entry| entry.path()).collect();
    let has_bytes = |path: &&PathBuf| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    let targets: Vec<&PathBuf> = files.iter().chain(&journals).filter(has_bytes).collect();
    let target = targets.get(random.below(targets.len() as u64) as usize).context("no file to damage")?;
    totals.damaged_bytes += damage(random, target, n)?;
    let server = FaultServer::start()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("child").arg("--dir").arg(dir.path()).args(["--endpoint", &server.url(), "--millis", "20", "--settle"]);
    let output = child.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the next start failed after damage to {}: {stderr}", target.display());
    ensure!(!stderr.contains("panicked"), "a panic after damage to {}: {stderr}", target.display());
    let known: HashSet<Uuid> = recorded.into_iter().collect();
    let acknowledged = ids(&output.stdout);
    let mut delivered = HashSet::new();
    for request in server.received() {
        for id in &request.ids {
            delivered.insert(*id);
        }
        ensure!(fillers_are_whole(&request.body), "a wrong payload was delivered");
    }
    totals.delivered += delivered.intersection(&known).count() as u64;
    let lost = acknowledged.iter().filter(|id| !delivered.contains(id)).count();
    // SQLite may put a row on a page whose damage it does not see, and find it unreadable afterwards. Then it is said.
    let booked = stderr.lines().find_map(|line| line.strip_prefix(BOOKED)?.parse::<usize>().ok());
    let is_said = *target == &files[0] && booked.is_some_and(|booked| lost <= booked.min(MOST_ON_DAMAGED_PAGES));
    if lost > 0 && !is_said {
        let target = target.display().to_string();
        let kept = dir.keep();
        anyhow::bail!(
            "{lost} events recorded after damage to {target} were lost, {booked:?} booked ({})",
            kept.display()
        );
    }
    totals.unreadable += lost as u64;
    Ok(())
}

/// A process that records without a backend and is killed, so that both database and journal hold events.
fn record(dir: &Path) -> Result<Vec<Uuid>> {
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("child").arg("--dir").arg(dir).args(["--endpoint", "http://127.0.0.1:9", "--millis", "60"]);
    child.stdout(std::process::Stdio::piped());
    let mut process = child.spawn()?;
    let mut pipe = process.stdout.take().context("the child's pipe")?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut pipe, &mut bytes);
        bytes
    });
    std::thread::sleep(std::time::Duration::from_millis(80));
    process.kill()?;
    process.wait()?;
    Ok(ids(&reader.join().unwrap_or_default()))
}

/// Whether every `filler` attribute in a protobuf body is what the child wrote: 900 times `x`.
fn fillers_are_whole(body: &[u8]) -> bool {
    let key = b"\x0a\x06filler";
    let value: Vec<u8> = b"\x12\x87\x07\x0a\x84\x07".iter().copied().chain([b'x'; 900]).collect();
    let mut rest = body;
    while let Some(at) = rest.windows(key.len()).position(|window| window == key) {
        rest = rest.get(at + key.len()..).unwrap_or_default();
        if !rest.starts_with(&value) {
            return false;
        }
    }
    true
}

fn ids(bytes: &[u8]) -> Vec<Uuid> {
    let (ids, _) = bytes.as_chunks::<16>();
    ids.iter().map(|id| Uuid::from_bytes(*id)).collect()
}

fn damage(random: &mut Random, path: &Path, kind: u64) -> Result<u64> {
    let mut bytes = fs::read(path)?;
    let len = bytes.len() as u64;
    ensure!(len > 0, "{} is empty", path.display());
    let mut touched = 0;
    match kind % 6 {
        0 => {
            for _ in 0..(len / 4096 * 2).max(4) {
                let at = random.below(len) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                    touched += 1;
                }
            }
        }
        1 => {
            bytes.truncate(random.below(len) as usize);
            touched = len - bytes.len() as u64;
        }
        2 | 3 => {
            for _ in 0..3 {
                let page = random.below(len.div_ceil(4096)) as usize * 4096;
                for byte in bytes.iter_mut().skip(page).take(4096) {
                    *byte = if kind % 6 == 2 { 0 } else { random.next() as u8 };
                    touched += 1;
                }
            }
        }
        4 => {
            for byte in &mut bytes {
                *byte = random.next() as u8;
            }
            touched = len;
        }
        _ => {
            fs::remove_file(path)?;
            fs::create_dir(path)?;
            return Ok(len);
        }
    }
    fs::write(path, bytes)?;
    Ok(touched)
}
