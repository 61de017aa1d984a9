//! Kills recording processes with SIGKILL while a backend misbehaves, and looks for lost events.
//!
//! A store is killed ten times, then a process that is not killed delivers what is left. It must
//! hold that every acknowledged event was delivered, and that hardly any event was delivered that
//! was not acknowledged.
//!
//! Three things vary:
//!
//! - where the process dies: at each of the [`NAMES`] in turn, at the n-th system call of its
//!   worker, at a random time;
//! - what the backend does: it accepts, loses the acknowledgement, cuts its answer, or answers 503;
//! - what the store does: it sends everything, keeps sessions back until an error happens, or waits
//!   for the user's decision about consent.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use throughline::internals::kill_point::NAMES;
use throughline::testing::{Answer, FaultServer};
use uuid::Uuid;

use crate::child::SESSION_EVENTS;
use crate::death::{Aim, run_until_dead};
use crate::random::Random;

/// A database that was opened in vain so many times is opened by a process that is not killed: the
/// next death would have it set aside unread, as one that kills its readers.
const MOST_OPENINGS: u32 = 3;
/// Kills of one store before it is drained and checked.
const KILLS_PER_STORE: u64 = 10;

#[derive(Args)]
pub(crate) struct Options {
    /// How many kills.
    #[arg(short, default_value_t = 200)]
    n: u64,
    /// The seed of an earlier run, to repeat it.
    #[arg(long)]
    seed: Option<u64>,
    /// How many stores are tortured side by side.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
}

/// What the processes of a store do with their events.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// They send everything.
    Plain,
    /// They keep sessions back until an error happens.
    TailSampled,
    /// In half of the processes the user has not decided about consent yet.
    Undecided,
}

impl Mode {
    fn of_store(store: u64) -> Self {
        match store % 3 {
            0 => Self::Plain,
            1 => Self::TailSampled,
            _ => Self::Undecided,
        }
    }

    /// A process of the store, not started yet.
    fn child(self, dir: &Path, endpoint: &str, random: &mut Random) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child").arg("--dir").arg(dir).args(["--endpoint", endpoint]).stdout(Stdio::piped());
        command.env_remove("THROUGHLINE_KILL");
        match self {
            Self::TailSampled => command.args(["--sampling", "tail"]),
            Self::Undecided if random.below(2) == 0 => command.args(["--consent", "pending"]),
            Self::Plain | Self::Undecided => &mut command,
        };
        Ok(command)
    }

    /// Runs a process that delivers everything.
    fn deliver(self, dir: &Path, endpoint: &str, random: &mut Random) -> Result<()> {
        let decided = if self == Self::Undecided { Self::Plain } else { self };
        let mut child = decided.child(dir, endpoint, random)?;
        let output = child.args(["--work", "deliver"]).output().context("the delivering child")?;
        ensure!(output.status.success(), "delivering: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

#[derive(Default)]
struct Tally {
    kills: BTreeMap<&'static str, u64>,
    acknowledged: u64,
    delivered: u64,
    repeats: u64,
    failures: Vec<String>,
    passed: u64,
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every kill. Returns how many stores failed.
pub(crate) fn run(options: &Options) -> Result<u64> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("torture kill: {} kills, seed {seed}", options.n);
    let stores = options.n.div_ceil(KILLS_PER_STORE);
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let bar = ProgressBar::new(options.n);
    let torture_stores = || {
        loop {
            let store = next.fetch_add(1, Ordering::Relaxed);
            if store >= stores {
                break;
            }
            let kills = KILLS_PER_STORE.min(options.n - store * KILLS_PER_STORE);
            let mut random = Random::of_case(seed, store);
            if let Err(error) = torture_store(&mut random, store, kills, &tally, &bar) {
                lock(&tally).failures.push(format!("store {store}: {error:#}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(torture_stores);
        }
    });
    bar.finish_and_clear();
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (place, kills) in &tally.kills {
        println!("  {kills:>6} kills at {place}");
    }
    println!("  {} events acknowledged, {} delivered", tally.acknowledged, tally.delivered);
    println!("  {} events delivered again because an acknowledgement was lost", tally.repeats);
    for failure in &tally.failures {
        println!("  FAILED {failure}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failures.len());
    Ok(tally.failures.len() as u64)
}

/// Kills one store a few times, delivers what is left, and compares.
fn torture_store(random: &mut Random, store: u64, kills: u64, tally: &Mutex<Tally>, bar: &ProgressBar) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = FaultServer::start()?;
    let mode = Mode::of_store(store);
    let mut acknowledged = HashSet::new();
    let mut history = Vec::new();
    for kill in 0..kills {
        server.end_script();
        server.script((0..12).map(|_| match random.below(10) {
            0 => Answer::LoseAck,
            1 => Answer::Status(503, vec![], vec![]),
            2 => Answer::CutAnswer(random.below(80) as usize),
            _ => Answer::Accept,
        }));
        let aim = aim(store * KILLS_PER_STORE + kill);
        if openings_in_vain(dir.path()) >= MOST_OPENINGS {
            mode.deliver(dir.path(), &server.url(), random).context("between two kills")?;
        }
        let (ids, died_at) = run_until_dead(mode.child(dir.path(), &server.url(), random)?, aim, random)?;
        history.push((died_at, ids.clone()));
        acknowledged.extend(ids);
        *lock(tally).kills.entry(died_at).or_default() += 1;
        bar.inc(1);
    }
    server.end_script();
    mode.deliver(dir.path(), &server.url(), random)?;
    let stored = server.stored_ids();
    let delivered: HashSet<Uuid> = stored.iter().copied().collect();
    let lost = acknowledged.difference(&delivered).count();
    if lost > 0 {
        let missing = |ids: &[Uuid]| ids.iter().filter(|id| !delivered.contains(id)).count();
        let by_kill: Vec<_> = history.iter().map(|(at, ids)| (at, missing(ids), ids.len())).collect();
        let kept = dir.keep();
        bail!(
            "{lost} of {} acknowledged events were lost, {} others delivered; by kill {by_kill:?}; the store is in {}",
            acknowledged.len(),
            delivered.difference(&acknowledged).count(),
            kept.display()
        );
    }
    // These are delivered without an acknowledgement: for each process its session, its view, and a
    // call under way in each thread; for each session its start, its end and its view.
    let extra = (delivered.len() - acknowledged.len()) as u64;
    let renewed = acknowledged.len() as u64 / SESSION_EVENTS as u64 + kills + 1;
    let sessions = if mode == Mode::TailSampled { renewed } else { 0 };
    ensure!(extra <= (kills + 1) * 6 + sessions * 3, "{extra} events were delivered that were not recorded");
    let mut tally = lock(tally);
    tally.acknowledged += acknowledged.len() as u64;
    tally.delivered += delivered.len() as u64;
    tally.repeats += (stored.len() - delivered.len()) as u64;
    tally.passed += kills;
    Ok(())
}

/// Where the n-th process of a run dies. Each name has its turn, whatever the seed.
fn aim(n: u64) -> Aim {
    let turn = n as usize % (NAMES.len() + 4);
    match NAMES.get(turn) {
        Some(name) => Aim::Point(name),
        None if turn.is_multiple_of(2) => Aim::SystemCall,
        None => Aim::RandomTime,
    }
}

/// How many processes in a row died while they opened the database.
fn openings_in_vain(dir: &Path) -> u32 {
    std::fs::read_to_string(dir.join("opening")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
