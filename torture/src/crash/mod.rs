//! Lets processes crash in every way, with and without us, and compares.
//!
//! Each cell of the matrix is a way to crash, a place, and the handlers that were there before. It
//! runs once without our handlers: that tells how the process ends, and what the handlers before
//! ours see. Then it runs with them. It must hold that
//!
//! - the process ends as it did without us, and the handlers before ours see the same;
//! - the next process delivers the crash exactly once, with the view that was shown;
//! - a process that survives reports nothing.

mod damage;
mod next_launch;
mod symbols;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use throughline::names::{CRASH_HANDLER_TIME, OPERATION_NAME};

use damage::Files;
use next_launch::{Reported, next_launch};
use symbols::Functions;

use crate::random::Random;

/// The ways to crash, with the signal that is reported.
const KINDS: [(&str, &str); 16] = [
    ("null-write", "SIGSEGV"),
    ("null-read", "SIGSEGV"),
    ("high", "SIGSEGV"),
    ("write-text", "SIGSEGV"),
    ("past-end", "SIGBUS"),
    ("divide", "SIGFPE"),
    ("illegal", "SIGILL"),
    ("trap", "SIGTRAP"),
    ("abort", "SIGABRT"),
    ("double-free", "SIGABRT"),
    ("panic", "SIGABRT"),
    ("overflow", "SIGSEGV"),
    ("jump-null", "SIGSEGV"),
    ("smash", "SIGSEGV"),
    ("forbidden", "SIGSYS"),
    ("sent", "SIGSEGV"),
];
const PLACES: [&str; 5] = ["main", "thread", "small", "allocator", "journal"];
const CHAINS: [&str; 4] = ["none", "info", "plain", "ignore"];
/// Bytes of the alternate stack that our handler may take, with what the kernel puts there.
const MOST_STACK: u64 = 8 * 1024;
/// How long a process may take to die. The longest wait in a handler is 2 s.
const MOST: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct Options {
    /// How often each cell of the matrix runs.
    #[arg(short, default_value_t = 3)]
    n: u32,
    /// How often 2, 8 and 64 threads crash at once.
    #[arg(long, default_value_t = 50)]
    together: u32,
    /// How often each way of crashing inside the handler runs, of which there are 48.
    #[arg(long, default_value_t = 2)]
    nested: u32,
    /// How many places of a run file are damaged.
    #[arg(long, default_value_t = 2_000)]
    damaged: u64,
    /// Damage every byte of it instead.
    #[arg(long)]
    every_byte: bool,
    /// The seed of the damage.
    #[arg(long)]
    seed: Option<u64>,
    /// Only cells whose name contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// How many processes run side by side.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// A process to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    kind: &'static str,
    signal: &'static str,
    place: &'static str,
    chain: &'static str,
    threads: usize,
    /// Behind which stages the handler crashes, a bit each, and how often.
    faults: (u32, u32),
}

impl Cell {
    fn name(&self) -> String {
        let Self { kind, place, chain, threads, faults, .. } = self;
        match (threads, faults) {
            (1, (0, _)) => format!("{kind}/{place}/{chain}"),
            (1, (stages, times)) => format!("{kind}/{place}/{chain}/nested-{stages}-{times}"),
            (threads, _) => format!("{kind}/{place}/{chain}/{threads}-threads"),
        }
    }

    /// Whether no handler can run: the stack is used up and there is no other.
    fn has_no_stack(&self) -> bool {
        matches!(self.kind, "overflow" | "panic") && self.place == "small"
    }

    fn run(&self, dir: &Path, is_bare: bool) -> Result<End> {
        let program = std::env::current_exe()?.with_file_name("throughline-crashme");
        let mut command = Command::new(&program);
        command.args(["--kind", self.kind, "--place", self.place, "--chain", self.chain]).arg("--dir").arg(dir);
        command.args(["--threads", &self.threads.to_string()]);
        command.args(["--crash-behind", &self.faults.0.to_string(), "--nested", &self.faults.1.to_string()]);
        if is_bare {
            command.arg("--bare");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("{} must be built", program.display()))?;
        let timer = Timer::start(child.id());
        let mut said = String::new();
        if let Some(mut out) = child.stdout.take() {
            std::io::Read::read_to_string(&mut out, &mut said)?;
        }
        let status = child.wait()?;
        ensure!(!timer.has_fired(), "it did not die");
        let said: Vec<String> = said.lines().map(str::to_owned).collect();
        Ok(End { status, survived: said.iter().any(|line| line == "survived"), said })
    }
}

/// How a process ended.
#[derive(Debug)]
struct End {
    status: ExitStatus,
    survived: bool,
    said: Vec<String>,
}

impl End {
    /// What the handlers before ours saw, without what another run changes.
    fn before(&self) -> Vec<&String> {
        self.said.iter().filter(|line| line.starts_with("before:")).collect()
    }

    fn action(&self) -> Option<&str> {
        self.said.iter().find_map(|line| line.split_once("action ")).map(|(_, id)| id)
    }
}

/// Kills a process that takes too long.
struct Timer {
    fired: std::sync::Arc<std::sync::atomic::AtomicBool>,
    done: std::sync::mpsc::Sender<()>,
}

impl Timer {
    fn start(pid: u32) -> Self {
        let fired = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (done, is_done) = std::sync::mpsc::channel();
        let mark = std::sync::Arc::clone(&fired);
        std::thread::spawn(move || {
            if is_done.recv_timeout(MOST) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                mark.store(true, Ordering::SeqCst);
                if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
        });
        Self { fired, done }
    }

    fn has_fired(self) -> bool {
        let _ = self.done.send(());
        self.fired.load(Ordering::SeqCst)
    }
}

pub(crate) fn run(options: &Options) -> Result<u64> {
    let mut cells = Vec::new();
    for (kind, signal) in KINDS {
        for place in PLACES {
            for chain in CHAINS {
                cells.push(Cell { kind, signal, place, chain, threads: 1, faults: (0, 0) });
            }
        }
    }
    let matrix = cells.len() as u64 * u64::from(options.n);
    println!("{matrix} processes of {} cells", cells.len());
    let mut failed = run_cells(cells, options, options.n)?;
    println!("crashes of several threads at once");
    let together = |threads| Cell {
        kind: "null-write",
        signal: "SIGSEGV",
        place: "thread",
        chain: "none",
        threads,
        faults: (0, 0),
    };
    failed += run_cells([2, 8, 64].map(together).to_vec(), options, options.together)?;
    println!("another SDK that is installed before and after us");
    let again = |(kind, signal)| Cell { kind, signal, place: "main", chain: "again", threads: 1, faults: (0, 0) };
    failed += run_cells(KINDS.map(again).to_vec(), options, options.n)?;
    println!("crashes inside the handler");
    let nested = [1, 2, 3].into_iter().flat_map(|times| {
        let stages = (1..=3).map(|stage| 1 << stage).chain([0b1110]);
        stages.flat_map(move |stages| CHAINS.map(|chain| (stages, times, chain)))
    });
    let nested = nested.map(|(stages, times, chain)| Cell {
        kind: "null-write",
        signal: "SIGSEGV",
        place: "main",
        chain,
        threads: 1,
        faults: (stages, times),
    });
    failed += run_cells(nested.collect(), options, options.nested)?;
    failed += damaged_files(options)?;
    Ok(failed)
}

/// Damages a run file in many places.
fn damaged_files(options: &Options) -> Result<u64> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("damaged run files (seed {seed})");
    let dir = scratch()?;
    let cell = Cell { kind: "abort", signal: "SIGABRT", place: "main", chain: "none", threads: 1, faults: (0, 0) };
    cell.run(dir.path(), false)?;
    let files = Files::take(dir.path())?;
    let (mut failed, mut random) = (0, Random::new(seed));
    let count = if options.every_byte { files.len() as u64 } else { options.damaged };
    for n in 0..count {
        let at = if options.every_byte { n } else { random.below(files.len() as u64) };
        if let Err(error) = files.damage(at as usize, seed ^ n) {
            println!("{error:#}");
            failed += 1;
        }
    }
    println!("{} passed, {failed} failed", count - failed);
    Ok(failed)
}

/// Runs each cell without us once, and with us as often as asked.
fn run_cells(cells: Vec<Cell>, options: &Options, times: u32) -> Result<u64> {
    let cells: Vec<Cell> = cells.into_iter().filter(|cell| cell.name().contains(&options.only)).collect();
    if cells.is_empty() {
        return Ok(0);
    }
    let bar = ProgressBar::new(cells.len() as u64 * u64::from(times));
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, Vec<String>>::new()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let failed = |error: anyhow::Error| {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.entry(cell.name()).or_default().push(format!("{error:#}"));
                    };
                    let bare = scratch().and_then(|dir| cell.run(dir.path(), true));
                    match bare {
                        Ok(bare) => {
                            for _ in 0..times {
                                check(cell, &bare).unwrap_or_else(failed);
                                bar.inc(1);
                            }
                        }
                        Err(error) => failed(error),
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    figures();
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed: usize = failures.values().map(Vec::len).sum();
    for (cell, errors) in &failures {
        println!("{cell}: {} of {}: {}", errors.len(), times, errors.first().map_or("", String::as_str));
    }
    println!("{} passed, {failed} failed", cells.len() * times as usize - failed);
    Ok(failed as u64)
}

fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir()?)
}

/// What was measured in the processes: how long the handler took, in ns, and how much of a stack it
/// took together with the kernel, in bytes.
static TIMES: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static STACKS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn note(figures: &Mutex<Vec<u64>>, figure: Option<u64>) {
    figures.lock().unwrap_or_else(PoisonError::into_inner).extend(figure.filter(|figure| *figure > 0));
}

/// Prints what was measured since the last time.
fn figures() {
    for (what, figures) in [("handler, ns", &TIMES), ("stack of the handler, bytes", &STACKS)] {
        let mut figures = std::mem::take(&mut *figures.lock().unwrap_or_else(PoisonError::into_inner));
        figures.sort_unstable();
        let at = |share: usize| figures.get((figures.len() * share / 100).min(figures.len().saturating_sub(1)));
        if let (Some(median), Some(p99), Some(most)) = (at(50), at(99), figures.last()) {
            println!("{what}: median {median}, p99 {p99}, most {most}, of {}", figures.len());
        }
    }
}

/// Runs a cell with us and compares.
fn check(cell: &Cell, bare: &End) -> Result<()> {
    let dir = scratch()?;
    let ours = cell.run(dir.path(), false)?;
    let reported = next_launch(dir.path())?;
    let outcome = compare(cell, bare, &ours, &reported);
    if outcome.is_err() {
        let kept: PathBuf = dir.keep();
        return outcome.with_context(|| format!("in {}", kept.display()));
    }
    let again = next_launch(dir.path())?;
    ensure!(again.crashes.is_empty(), "the crash was delivered twice");
    Ok(())
}

fn compare(cell: &Cell, bare: &End, ours: &End, reported: &Reported) -> Result<()> {
    ensure!(ours.status == bare.status, "it ended with {:?} instead of {:?}", ours.status, bare.status);
    if cell.threads == 1 {
        ensure!(ours.before() == bare.before(), "before us: {:?} instead of {:?}", ours.before(), bare.before());
    }
    ensure!(ours.survived == bare.survived, "survived: {}", ours.survived);
    let crashes = &reported.crashes;
    if ours.survived || cell.has_no_stack() {
        ensure!(crashes.is_empty(), "there was no crash that could be reported, and there is {crashes:?}");
        return Ok(());
    }
    let [crash] = crashes.as_slice() else { bail!("{} crashes were reported instead of one", crashes.len()) };
    ensure!(crash.error_type == cell.signal, "{} was reported instead of {}", crash.error_type, cell.signal);
    ensure!(crash.view == "Checkout", "the view is `{}`", crash.view);
    let trace = ours.said.iter().find_map(|line| line.strip_prefix("trace ")).unwrap_or_default();
    ensure!(crash.trace == trace, "the trace is `{}` and not `{trace}`", crash.trace);
    let operation = crash.attributes.iter().find(|(key, _)| key == OPERATION_NAME).map(|(_, name)| name.as_str());
    ensure!(operation == Some("Text(\"Pay\")"), "the operation is {operation:?}");
    expect_functions(cell, crash)?;
    let time = crash.attributes.iter().find(|(key, _)| key == CRASH_HANDLER_TIME);
    note(&TIMES, time.and_then(|(_, value)| value.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()));
    let stack = ours.said.iter().find_map(|line| line.strip_prefix("stack: ")).and_then(|bytes| bytes.parse().ok());
    note(&STACKS, stack);
    let is_within = cell.faults.1 > 0 || stack.is_none_or(|bytes| bytes <= MOST_STACK);
    ensure!(is_within, "the handler took {stack:?} bytes of the stack");
    let tap = ours.action().unwrap_or_default();
    ensure!(reported.actions.iter().any(|id| id == tap), "the tap before the crash is lost");
    ensure!(ours.status.signal().is_some(), "the process was not ended by a signal: {:?}", ours.status);
    Ok(())
}

/// The functions that the process was in when it crashed, the innermost first.
fn expected(cell: &Cell) -> Vec<String> {
    let own = if cell.kind == "panic" { "panic_in_c".to_owned() } else { cell.kind.replace('-', "_") };
    match (cell.kind, cell.place) {
        ("overflow", _) => vec![own; 5],
        (_, "main" | "thread" | "small") => {
            [own.as_str(), "crash", "provoke", "third", "second"].map(str::to_owned).to_vec()
        }
        _ => [own.as_str(), "crash", "provoke"].map(str::to_owned).to_vec(),
    }
}

/// Checks that the stack holds the functions that the process was in, one behind the other.
fn expect_functions(cell: &Cell, crash: &next_launch::Crash) -> Result<()> {
    static FUNCTIONS: std::sync::OnceLock<Option<Functions>> = std::sync::OnceLock::new();
    let program = std::env::current_exe()?.with_file_name("throughline-crashme");
    let functions = FUNCTIONS.get_or_init(|| Functions::of(&program).ok());
    let Some(functions) = functions else { bail!("{} has no symbols", program.display()) };
    let found = functions.of_stack(&crash.stack);
    // Nothing is left of a stack that was overwritten, and a signal from elsewhere finds the thread
    // anywhere. Of a process that crashes in its handler, not much may have been written.
    let is_unknown = cell.kind == "smash" || cell.kind == "sent" || cell.faults.1 > 0 || cell.threads > 1;
    let expected = expected(cell);
    let has_all = found.windows(expected.len()).any(|frames| frames == expected);
    ensure!(is_unknown || has_all, "the frames {expected:?} are not in {found:?} of\n{}", crash.stack);
    ensure!(!found.is_empty(), "there is no stack");
    Ok(())
}
