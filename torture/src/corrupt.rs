//! Damages a store and looks at what the next process makes of it.
//!
//! Each case records with the network away, kills the process, damages one file in one of the ways
//! of [`Damage`], and starts another process that records and delivers. It must hold that
//!
//! - the next process starts, does not panic, and delivers every event that it recorded itself;
//! - no event is delivered with a wrong payload;
//! - an event of the next process may be lost only when SQLite put its row onto a damaged page, and
//!   then the loss is counted.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use throughline::testing::FaultServer;
use uuid::Uuid;

use crate::acknowledged::{ids, read_to_end};
use crate::child::DAMAGED_ROWS;
use crate::random::Random;

#[derive(Args)]
pub(crate) struct Options {
    /// How many stores to damage.
    #[arg(short, default_value_t = 40)]
    n: u64,
    /// The seed of an earlier run, to repeat it.
    #[arg(long)]
    seed: Option<u64>,
    /// Damage this file alone.
    #[arg(long, value_enum)]
    file: Option<StoreFile>,
}

/// A file of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StoreFile {
    /// The database.
    Database,
    /// The database's write-ahead log.
    Wal,
    /// The journal of a run.
    Journal,
}

/// The rows that fit onto the last pages of the four lanes. Damage that SQLite does not notice
/// cannot cost more than these.
const MOST_ON_DAMAGED_PAGES: usize = 4 * 40;

/// The size of a page of the database.
const PAGE: usize = 4096;

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// Single bits are flipped, two for each page.
    FlippedBits,
    /// The end of the file is cut off.
    Truncated,
    /// Three pages are zero.
    ZeroedPages,
    /// Three pages are random bytes.
    RandomPages,
    /// The whole file is random bytes.
    RandomFile,
    /// A directory has the file's name.
    Directory,
}

impl Damage {
    const ALL: [Self; 6] =
        [Self::FlippedBits, Self::Truncated, Self::ZeroedPages, Self::RandomPages, Self::RandomFile, Self::Directory];

    /// Damages a file. Returns how many bytes were damaged.
    fn apply(self, random: &mut Random, path: &Path) -> Result<u64> {
        let mut bytes = fs::read(path)?;
        let length = bytes.len() as u64;
        ensure!(length > 0, "{} is empty", path.display());
        let mut damaged = 0;
        match self {
            Self::FlippedBits => {
                for _ in 0..(length / PAGE as u64 * 2).max(4) {
                    let at = random.below(length) as usize;
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << random.below(8);
                        damaged += 1;
                    }
                }
            }
            Self::Truncated => {
                bytes.truncate(random.below(length) as usize);
                damaged = length - bytes.len() as u64;
            }
            Self::ZeroedPages | Self::RandomPages => {
                for _ in 0..3 {
                    let page = random.below(length.div_ceil(PAGE as u64)) as usize * PAGE;
                    for byte in bytes.iter_mut().skip(page).take(PAGE) {
                        *byte = if matches!(self, Self::ZeroedPages) { 0 } else { random.next() as u8 };
                        damaged += 1;
                    }
                }
            }
            Self::RandomFile => {
                for byte in &mut bytes {
                    *byte = random.next() as u8;
                }
                damaged = length;
            }
            Self::Directory => {
                fs::remove_file(path)?;
                fs::create_dir(path)?;
                return Ok(length);
            }
        }
        fs::write(path, bytes)?;
        Ok(damaged)
    }
}

#[derive(Default)]
struct Totals {
    damaged_bytes: u64,
    recorded: u64,
    delivered: u64,
    counted: u64,
}

/// Runs every case. Returns how many failed.
pub(crate) fn run(options: &Options) -> Result<u64> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("torture corrupt: {} stores, seed {seed}", options.n);
    let bar = ProgressBar::new(options.n);
    let (mut passed, mut failed) = (0, 0);
    let mut totals = Totals::default();
    for (n, damage) in (0..options.n).zip(Damage::ALL.iter().cycle()) {
        let mut random = Random::of_case(seed, n);
        match case(&mut random, *damage, options.file, &mut totals) {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                println!("  FAILED store {n}, {damage:?}: {error:#}");
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("  {} KiB damaged", totals.damaged_bytes / 1024);
    println!("  {} of {} events recorded before the damage were delivered", totals.delivered, totals.recorded);
    println!("  {} events recorded after it were lost on damaged pages, and counted", totals.counted);
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

/// Records, damages a file, records again and delivers.
fn case(random: &mut Random, damage: Damage, file: Option<StoreFile>, totals: &mut Totals) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let before: HashSet<Uuid> = record(dir.path(), random)?.into_iter().collect();
    totals.recorded += before.len() as u64;
    let target = target(dir.path(), file, random)?;
    totals.damaged_bytes += damage.apply(random, &target)?;
    let server = FaultServer::start()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("child").arg("--dir").arg(dir.path()).args(["--endpoint", &server.url(), "--millis", "20"]);
    let output = child.args(["--work", "record-and-deliver"]).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the next process failed after damage to {}: {stderr}", target.display());
    ensure!(!stderr.contains("panicked"), "a panic after damage to {}: {stderr}", target.display());
    let mut delivered = HashSet::new();
    for request in server.received() {
        delivered.extend(request.ids.iter().copied());
        ensure!(fillers_are_whole(&request.body), "a wrong payload was delivered");
    }
    totals.delivered += delivered.intersection(&before).count() as u64;
    let lost = ids(&output.stdout).iter().filter(|id| !delivered.contains(id)).count();
    // SQLite may put a row onto a page whose damage it does not notice. The row is unreadable then.
    let counted = stderr.lines().find_map(|line| line.strip_prefix(DAMAGED_ROWS)?.parse::<usize>().ok());
    let is_database = target.ends_with("queue.db");
    let is_explained = is_database && counted.is_some_and(|counted| lost <= counted.min(MOST_ON_DAMAGED_PAGES));
    if lost > 0 && !is_explained {
        let kept = dir.keep();
        bail!(
            "{lost} events recorded after damage to {} were lost, {counted:?} were counted; the store is in {}",
            target.display(),
            kept.display()
        );
    }
    totals.counted += lost as u64;
    Ok(())
}

/// One of the store's files that are not empty: the database, its log, or a journal.
fn target(dir: &Path, file: Option<StoreFile>, random: &mut Random) -> Result<PathBuf> {
    let runs = fs::read_dir(dir.join("runs"))?.flatten().map(|entry| entry.path());
    let is_journal = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "journal");
    let journals = runs.filter(is_journal).map(|path| (StoreFile::Journal, path));
    let files = [(StoreFile::Database, dir.join("queue.db")), (StoreFile::Wal, dir.join("queue.db-wal"))];
    let is_filled = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    let filled: Vec<_> = files.into_iter().chain(journals).filter(|(_, path)| is_filled(path)).collect();
    // The process may have been killed when there was no such file.
    let is_there = filled.iter().any(|(found, _)| Some(*found) == file);
    let wanted = filled.into_iter().filter(|(found, _)| !is_there || Some(*found) == file);
    let filled: Vec<PathBuf> = wanted.map(|(_, path)| path).collect();
    filled.get(random.below(filled.len() as u64) as usize).cloned().context("there is no file to damage")
}

/// Runs a process that records without a backend and is killed, so that both the database and a
/// journal contain events. In half of the cases it records so much that SQLite has written a part
/// of the log back into the database by then.
fn record(dir: &Path, random: &mut Random) -> Result<Vec<Uuid>> {
    let (size, millis) = if random.below(2) == 0 { ("mixed", 60) } else { ("large", 400) };
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("child").arg("--dir").arg(dir).args(["--endpoint", "http://127.0.0.1:9", "--size", size]);
    let mut process = child.args(["--millis", "10000"]).stdout(Stdio::piped()).spawn()?;
    let reader = read_to_end(&mut process)?;
    let started = Instant::now();
    while fs::metadata(dir.join("queue.db-wal")).map_or(0, |found| found.len()) == 0 {
        ensure!(started.elapsed() < Duration::from_secs(10), "the process wrote no database");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(random.below(millis)));
    process.kill()?;
    process.wait()?;
    Ok(ids(&reader.join().unwrap_or_default()))
}

/// Whether every attribute `filler` in a body of protobuf is what the child wrote, 900 times `x`,
/// or what a breadcrumb keeps of it: the first 64 characters.
fn fillers_are_whole(body: &[u8]) -> bool {
    let key = b"\x0a\x06filler";
    let filler = |head: &[u8], length: usize| [head, &vec![b'x'; length]].concat();
    let written = filler(b"\x12\x87\x07\x0a\x84\x07", 900);
    let in_breadcrumb = filler(b"\x12\x42\x0a\x40", 64);
    let mut rest = body;
    while let Some(at) = rest.windows(key.len()).position(|window| window == key) {
        rest = rest.get(at + key.len()..).unwrap_or_default();
        if !rest.starts_with(&written) && !rest.starts_with(&in_breadcrumb) {
            return false;
        }
    }
    true
}
