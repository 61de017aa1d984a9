//! Runs commands as named steps, and remembers how long each took.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    outcome: Outcome,
}

/// The steps of this process, in the order in which they ended.
static STEPS: Mutex<Vec<Step>> = Mutex::new(Vec::new());

fn steps() -> MutexGuard<'static, Vec<Step>> {
    STEPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs Cargo with arguments as a step.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<()> {
    step(name, &mut cargo(arguments))
}

/// The Cargo that runs this program, with arguments; with `+toolchain` as the first, rustup's.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = match arguments.first() {
        Some(first) if first.starts_with('+') => Command::new("cargo"),
        _ => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
    };
    command.args(arguments);
    command
}

/// Runs a command as a step. Fails if the command does.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<()> {
    timed(name, || {
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    })
}

/// Runs a command as a step. Returns what it printed to standard output, which is also shown.
pub(crate) fn step_with_output(name: &str, command: &mut Command) -> Result<String> {
    timed(name, || {
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut printed = String::new();
        for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
            let line = line?;
            println!("{line}");
            printed.push_str(&line);
            printed.push('\n');
        }
        let status = child.wait()?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(printed)
    })
}

/// Runs a command that is no step of its own, and returns what it printed to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Notes a step that was left out, and says why.
pub(crate) fn skip(name: &str, reason: &str) {
    println!("── {name}: skipped: {reason}");
    steps().push(Step { name: name.to_owned(), took: Duration::ZERO, outcome: Outcome::Skipped });
}

fn timed<R>(name: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    println!("── {name}");
    let started = Instant::now();
    let result = work().with_context(|| format!("{name} failed"));
    let took = started.elapsed();
    let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
    println!("── {name}: {}, {:.0} s", outcome.name(), took.as_secs_f64());
    steps().push(Step { name: name.to_owned(), took, outcome });
    result
}

/// Prints how long each step took, and writes the same as JSON if a file is given.
pub(crate) fn report(json: Option<&Path>) -> Result<()> {
    let steps = steps();
    let total: Duration = steps.iter().map(|step| step.took).sum();
    println!("\n{:>8}  step", "seconds");
    for step in steps.iter() {
        let mark = if step.outcome == Outcome::Passed { "" } else { step.outcome.name() };
        println!("{:>8.1}  {}  {mark}", step.took.as_secs_f64(), step.name);
    }
    println!("{:>8.1}  all steps", total.as_secs_f64());
    let Some(path) = json else { return Ok(()) };
    let row = |step: &Step| serde_json::json!({ "step": step.name, "seconds": step.took.as_secs_f64(), "outcome": step.outcome.name() });
    let rows: Vec<serde_json::Value> = steps.iter().map(row).collect();
    let all = serde_json::json!({ "steps": rows, "seconds": total.as_secs_f64() });
    std::fs::write(path, format!("{all:#}\n")).with_context(|| format!("{}", path.display()))
}
