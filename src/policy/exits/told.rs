//! What was reported of exits, so that each of them is reported once ever.
//!
//! The system keeps its records for weeks and shows them to every launch. A list of those that were
//! reported is kept, and not the time of the newest: when the clock of a device is set back, every
//! later exit would lie before that time.

use serde::{Deserialize, Serialize};

use super::facts::ExitRecord;
use super::join::{RunMark, is_of, join};
use super::metrickit::Stated;
use crate::model::limits::{MAX_OPEN_RUNS, MAX_TOLD_EXITS, MAX_TOLD_RUNS};
use crate::policy::sealed;

/// What was reported. The caller stores [`encode`](Self::encode) when the reports are safe in the
/// database, and not before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// Records, each by its time and its process id, in the order in which they were reported.
    exits: Vec<(u64, u32)>,
    /// Runs whose end was reported.
    runs: Vec<RunMark>,
    /// Runs that have ended without a report, for records that come long after the next launch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<RunMark>,
    /// Since when there are reports: wall time, milliseconds since the Unix epoch. 0: not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    since_ms: u64,
    /// Whether the list of an earlier launch was damaged, so that nobody knows what it held.
    #[serde(skip)]
    is_lost: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It is of another process of the app, which reports it.
    Foreign,
    /// It was reported before, or that is not certain.
    Told,
    /// It is of a run whose end was reported before the system had this record: it is not reported
    /// again.
    Late(&'a RunMark),
    /// It is of this run: both are one event, ours with what the record adds.
    Joined(&'a RunMark),
    /// It is of a run that left nothing: it is reported alone.
    Alone,
}

/// Decides what becomes of a record. `process` is the name of this process, and `runs` are the runs
/// that have ended and were not reported. A run with which a record was joined is noted before the
/// next record is weighed.
pub fn weigh<'a>(record: &ExitRecord, process: &str, runs: &'a [RunMark], told: &'a Told) -> Fate<'a> {
    if let ExitRecord::Android(exit) = record
        && !is_of(exit, process)
    {
        return Fate::Foreign;
    }
    if told.exits.contains(&key(record)) {
        return Fate::Told;
    }
    let all: Vec<RunMark> = runs.iter().chain(&told.runs).cloned().collect();
    let run = join(record, &all).map(|mark| mark.run);
    let of = |marks: &'a [RunMark]| marks.iter().find(|mark| Some(mark.run) == run);
    match (of(runs), of(&told.runs)) {
        (Some(run), _) => Fate::Joined(run),
        (None, Some(run)) => Fate::Late(run),
        // When the list is lost, only a run that was not reported proves that its record is new.
        (None, None) if told.is_lost => Fate::Told,
        (None, None) => Fate::Alone,
    }
}

/// By what a record is recognised. Android's are told apart by their time and process. What iOS
/// says has a period that other records have too, and often no process: its words tell it apart.
fn key(record: &ExitRecord) -> (u64, u32) {
    match record {
        ExitRecord::Android(exit) => (exit.at_ms, exit.pid),
        ExitRecord::Apple(_, stated) => key_of(stated),
        ExitRecord::AppleCrash(crash) => key_of(&crash.stated),
    }
}

fn key_of(stated: &Stated) -> (u64, u32) {
    (stated.hash, stated.number)
}

impl Told {
    /// Notes that nothing is to be made of a record any more: every record that was weighed, except
    /// a foreign one.
    pub fn note_exit(&mut self, record: &ExitRecord) {
        self.note_key(key(record));
    }

    /// Notes the same of a diagnostic that tells of no end.
    pub fn note_stated(&mut self, stated: &Stated) {
        self.note_key(key_of(stated));
    }

    /// Whether nothing is to be made of such a diagnostic any more.
    pub fn knows(&self, stated: &Stated) -> bool {
        self.exits.contains(&key_of(stated))
    }

    fn note_key(&mut self, key: (u64, u32)) {
        self.exits.retain(|known| *known != key);
        self.exits.push(key);
        let surplus = self.exits.len().saturating_sub(MAX_TOLD_EXITS);
        self.exits.drain(..surplus);
    }

    /// Notes that a run has ended without a report. It is forgotten when its end is reported.
    pub fn note_open(&mut self, run: RunMark) {
        if self.runs.iter().chain(&self.open).any(|known| known.run == run.run) {
            return;
        }
        self.open.push(run);
        let surplus = self.open.len().saturating_sub(MAX_OPEN_RUNS);
        self.open.drain(..surplus);
    }

    /// The runs that have ended without a report.
    pub fn open(&self) -> &[RunMark] {
        &self.open
    }

    /// Since when there are reports. `None`: not known.
    pub fn since_ms(&self) -> Option<u64> {
        (self.since_ms > 0).then_some(self.since_ms)
    }

    /// Notes since when there are reports.
    pub fn begin(&mut self, since_ms: u64) {
        self.since_ms = since_ms;
    }

    /// Takes over what another process of the app has told.
    pub fn absorb(&mut self, other: Self) {
        other.exits.into_iter().for_each(|key| self.note_key(key));
        other.runs.into_iter().for_each(|run| self.note_run(run));
        other.open.into_iter().for_each(|run| self.note_open(run));
        self.since_ms = [self.since_ms, other.since_ms].into_iter().filter(|since| *since > 0).min().unwrap_or(0);
        self.is_lost |= other.is_lost;
    }

    /// Notes that the end of a run was reported.
    pub fn note_run(&mut self, run: RunMark) {
        self.open.retain(|known| known.run != run.run);
        self.runs.retain(|known| known.run != run.run);
        self.runs.push(run);
        let surplus = self.runs.len().saturating_sub(MAX_TOLD_RUNS);
        self.runs.drain(..surplus);
    }

    /// The runs whose end was reported.
    pub fn runs(&self) -> &[RunMark] {
        &self.runs
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        sealed::seal(self)
    }

    /// What was stored; `None` when there is no file. If it is damaged, what the system shows now
    /// may have been reported: it is taken for reported, except of runs that were not.
    pub fn decode(bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => Self::default(),
            Some(bytes) => sealed::open(bytes).unwrap_or(Self { is_lost: true, ..Self::default() }),
        }
    }
}
