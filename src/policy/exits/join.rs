//! Which run a record of the system belongs to.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::android::AndroidExit;
use super::apple::AppleExits;
use super::facts::ExitRecord;
use super::metrickit::AppleCrash;
use crate::model::ids::RunKey;
use crate::model::limits::{DIAGNOSTIC_JOIN_TOLERANCE, DIAGNOSTIC_POINT, EXIT_JOIN_TOLERANCE};

/// How a run names itself to Android: these bytes, and then its key.
const SUMMARY: &[u8] = b"throughline\x01";

/// What a run gives to `ActivityManager.setProcessStateSummary`, so that Android's record names it:
/// 28 bytes, of 128 that Android takes.
pub fn summary(run: RunKey) -> Vec<u8> {
    [SUMMARY, &run.0].concat()
}

/// The run that a summary names. `None` for a summary of the app's own.
pub fn run_of_summary(summary: &[u8]) -> Option<RunKey> {
    summary.strip_prefix(SUMMARY)?.try_into().ok().map(RunKey)
}

/// By what a run is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMark {
    /// Its key.
    #[serde(with = "key")]
    pub run: RunKey,
    /// Its process id.
    pub pid: u32,
    /// The name of its process; empty when that is not known.
    pub process: String,
    /// When it started: wall time, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When it last wrote that it was alive.
    pub seen_ms: u64,
}

/// A run's key as a text.
mod key {
    use super::{RunKey, Uuid};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(run: &RunKey, to: S) -> Result<S::Ok, S::Error> {
        Uuid::from_bytes(run.0).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RunKey, D::Error> {
        Uuid::deserialize(from).map(|id| RunKey(id.into_bytes()))
    }
}

/// The run of which a record tells the end. `None` when it is of none of them, or when that is not
/// certain: a record that is joined to the wrong run would explain a crash by another's end.
///
/// `runs` are all that are known, of all processes, in any order.
pub fn join<'a>(record: &ExitRecord, runs: &'a [RunMark]) -> Option<&'a RunMark> {
    match record {
        ExitRecord::Android(exit) => match exit.run {
            // The run has said itself which one it is. If it is not among these, it is another.
            Some(key) => runs.iter().find(|run| run.run == key),
            None => by_process(exit, runs),
        },
        ExitRecord::Apple(exits, _) => by_period(exits, runs),
        ExitRecord::AppleCrash(crash) => by_diagnosis(crash, runs),
    }
}

/// Whether a record may be of a process with this name.
pub(super) fn is_of(exit: &AndroidExit, process: &str) -> bool {
    process.is_empty() || exit.process.as_deref().is_none_or(|name| name == process)
}

/// The run by its process id and the time in which it lived. Process ids are used again, so the run
/// must have started before the end that the record tells, must not have been seen alive after it,
/// and none of its process may have started between the two.
fn by_process<'a>(exit: &AndroidExit, runs: &'a [RunMark]) -> Option<&'a RunMark> {
    let tolerance = u64::try_from(EXIT_JOIN_TOLERANCE.as_millis()).unwrap_or(u64::MAX);
    let latest = exit.at_ms.saturating_add(tolerance);
    let fits = |run: &&RunMark| {
        let is_alive_then = run.started_ms <= latest && run.seen_ms <= latest;
        run.pid == exit.pid && is_of(exit, &run.process) && is_alive_then
    };
    let run = runs.iter().filter(fits).max_by_key(|run| run.started_ms)?;
    let comes_between = |other: &RunMark| {
        other.process == run.process
            && other.started_ms > run.started_ms
            && other.started_ms.saturating_add(tolerance) < exit.at_ms
    };
    (!runs.iter().any(comes_between)).then_some(run)
}

/// The run that a crash diagnostic is of. With a process id, the latest that had it: the time alone
/// would not do, because it is local and names no zone. Without one, the run that was started last
/// before a time, because an app has one process, or the only one that was seen last in a period.
fn by_diagnosis<'a>(crash: &AppleCrash, runs: &'a [RunMark]) -> Option<&'a RunMark> {
    let until = crash.stated.until_ms.unwrap_or(u64::MAX);
    let within = |tolerance: Duration| {
        let tolerance = tolerance.saturating_add(DIAGNOSTIC_POINT);
        let latest = until.saturating_add(u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX));
        move |run: &&RunMark| run.started_ms <= latest && run.seen_ms <= latest
    };
    let last = |run: &&RunMark| run.started_ms;
    if let Some(pid) = crash.pid {
        let fits = within(DIAGNOSTIC_JOIN_TOLERANCE);
        return runs.iter().filter(|run| run.pid == pid && fits(run)).max_by_key(last);
    }
    if crash.stated.is_point() {
        return runs.iter().filter(within(EXIT_JOIN_TOLERANCE)).max_by_key(last);
    }
    let from = crash.stated.from_ms?;
    let mut ended = runs.iter().filter(|run| (from..=until).contains(&run.seen_ms));
    let run = ended.next()?;
    ended.next().is_none().then_some(run)
}

/// The run by the period of a count: only if one single end was counted in it, and one single run
/// was seen alive last in it.
fn by_period<'a>(exits: &AppleExits, runs: &'a [RunMark]) -> Option<&'a RunMark> {
    let mut ended = runs.iter().filter(|run| (exits.from_ms..=exits.until_ms).contains(&run.seen_ms));
    let run = ended.next()?;
    (exits.total() == 1 && ended.next().is_none()).then_some(run)
}
