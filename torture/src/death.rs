//! Runs a child until it is dead, and says where it died.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use crate::acknowledged::{ids, read_to_end};
use crate::random::Random;

/// The highest stop at a system call that is tried: about as many as the worker has in a child's
/// life.
#[cfg(target_os = "linux")]
const MOST_STOPS: u64 = 1_600;

/// Where a child is to die.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// At a named place in the code.
    Point(&'static str),
    /// When its worker makes a system call.
    SystemCall,
    /// At a random time.
    RandomTime,
}

/// Runs a child until it is dead. Returns the ids that it acknowledged, and where it died.
pub(crate) fn run_until_dead(mut command: Command, aim: Aim, random: &mut Random) -> Result<(Vec<Uuid>, &'static str)> {
    let point = match aim {
        Aim::Point(name) => Some(name),
        Aim::SystemCall | Aim::RandomTime => None,
    };
    let count = 1 + random.below(most_passes(point));
    if let Some(name) = point {
        command.env("THROUGHLINE_KILL", format!("{name}:{count}"));
    }
    if point == Some("ring_wrap") {
        // A lap of the ring is 1 MiB.
        command.args(["--size", "large", "--millis", "2000"]);
    }
    let mut process = command.spawn().context("the child")?;
    let reader = read_to_end(&mut process)?;
    let died_at = match aim {
        Aim::Point(name) => wait_for_point(&mut process, name)?,
        Aim::SystemCall => at_system_call(&mut process, random)?,
        Aim::RandomTime => at_random_time(&mut process, random)?,
    };
    Ok((ids(&reader.join().unwrap_or_default()), died_at))
}

/// How often a child passes a named place, about. The kill happens at one of these passes.
fn most_passes(point: Option<&str>) -> u64 {
    match point {
        Some("journal_payload_written") => 400,
        Some("before_commit" | "after_commit") => 12,
        Some("crash_committed" | "batch_frozen" | "sent_unsettled" | "settled") => 4,
        Some("ring_wrap" | "recovery") => 1,
        _ => 2,
    }
}

fn at_random_time(process: &mut Child, random: &mut Random) -> Result<&'static str> {
    std::thread::sleep(Duration::from_micros(random.below(70_000)));
    process.kill()?;
    process.wait()?;
    Ok("a random time")
}

#[cfg(target_os = "linux")]
fn at_system_call(process: &mut Child, random: &mut Random) -> Result<&'static str> {
    use crate::system_call::{End, kill_at};
    // The first calls open and recover the store. Half of the kills happen there.
    let most = if random.below(2) == 0 { MOST_STOPS / 6 } else { MOST_STOPS };
    match kill_at(process, 1 + random.below(most))? {
        End::Killed => Ok("the n-th system call"),
        End::EndedBefore => Ok("(ended before its system call)"),
        End::NotPermitted => at_random_time(process, random),
    }
}

#[cfg(not(target_os = "linux"))]
fn at_system_call(process: &mut Child, random: &mut Random) -> Result<&'static str> {
    at_random_time(process, random)
}

/// Waits until the child has killed itself at the named place.
fn wait_for_point(process: &mut Child, name: &'static str) -> Result<&'static str> {
    for _ in 0..4_000 {
        if let Some(status) = process.try_wait()? {
            if status.signal() == Some(9) {
                return Ok(name);
            }
            ensure!(status.success(), "the child failed: {status}");
            return Ok("(ended before its point)");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill()?;
    process.wait()?;
    Ok("(killed before its point)")
}
