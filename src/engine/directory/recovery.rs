//! What is left to recover in a directory: a damaged database, and the journals of runs that are
//! over.
//!
//! ```text
//! Salvage ─► Configure ─┐
//!                       ├─► EndRun ─► Open ⇄ Read ─► Release ─► Done
//!        (undamaged) ───┘
//! ```
//!
//! Each step is at most one transaction's worth of records, so that the worker drains the process's
//! own journal in between. A step that fails is taken again: the state only changes when it has
//! succeeded.

use std::path::Path;

use super::dead_run::{DeadRun, DeadRuns, Opened};
use super::ends::Ends;
use crate::policy::redact::Redactor;
use crate::storage::journal::RunCounters;
use crate::storage::queue::{Queue, QueueError};

/// The next step of recovery.
#[derive(Debug)]
pub(super) enum Recovery {
    /// Read out a part of the damaged database.
    Salvage(DeadRuns),
    /// The damaged database has been read out: tell the queue the destinations.
    Configure(DeadRuns),
    /// End a run in the books that has no journal any more.
    EndRun(DeadRuns),
    /// Open the oldest journal.
    Open(DeadRuns),
    /// Read a part of this journal. The other runs wait.
    Read(DeadRun, DeadRuns),
    /// Every journal has been read: release the events that were kept aside in them, if a session
    /// is worth keeping.
    Release,
    /// Nothing.
    Done,
}

impl Recovery {
    /// The first step of a directory that has just been opened.
    pub(super) fn begin(queue: &Queue, runs: DeadRuns) -> Self {
        if queue.is_salvaging() { Self::Salvage(runs) } else { Self::of_runs(queue, runs) }
    }

    /// The next step when the destinations are configured and no journal is open.
    fn of_runs(queue: &Queue, runs: DeadRuns) -> Self {
        if !runs.without_file.is_empty() {
            Self::EndRun(runs)
        } else if !runs.files.is_empty() {
            Self::Open(runs)
        } else if queue.awaits_recovery() {
            Self::Release
        } else {
            Self::Done
        }
    }

    /// Whether the queue knows the destinations. It does not before a damaged database has been
    /// read out.
    pub(super) fn is_configured(&self) -> bool {
        !matches!(self, Self::Salvage(_) | Self::Configure(_))
    }

    /// Whether anything of earlier runs is left to read, in which events may be found that are kept
    /// aside.
    pub(super) fn has_unread(&self) -> bool {
        match self {
            Self::Salvage(_) => true,
            Self::Configure(runs) | Self::EndRun(runs) | Self::Open(runs) => !runs.is_empty(),
            Self::Read(..) => true,
            Self::Release | Self::Done => false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// The runs that are left to read, the one that is being read included.
    pub(super) fn into_runs(self) -> DeadRuns {
        match self {
            Self::Salvage(runs) | Self::Configure(runs) | Self::EndRun(runs) | Self::Open(runs) => runs,
            Self::Read(reading, mut runs) => {
                runs.files.push(reading.path);
                runs
            }
            Self::Release | Self::Done => DeadRuns::default(),
        }
    }

    /// Takes one step. `configure` tells the queue the destinations.
    pub(super) fn step(
        &mut self,
        queue: &mut Queue,
        quarantine: &Path,
        redactor: &Redactor,
        ends: &mut Ends,
        configure: impl FnOnce(&mut Queue) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        let next = match self {
            Self::Salvage(runs) => salvage(queue, runs)?,
            Self::Configure(runs) => {
                configure(queue)?;
                Some(Self::of_runs(queue, std::mem::take(runs)))
            }
            Self::EndRun(runs) => Some(end_run(queue, runs)?),
            Self::Open(runs) => Some(open(queue, quarantine, runs)?),
            Self::Read(reading, runs) => read(queue, reading, runs, quarantine, redactor, ends)?,
            Self::Release => {
                queue.end_recovery()?;
                Some(Self::Done)
            }
            Self::Done => None,
        };
        if let Some(next) = next {
            *self = next;
        }
        Ok(())
    }
}

fn salvage(queue: &mut Queue, runs: &mut DeadRuns) -> Result<Option<Recovery>, QueueError> {
    queue.salvage_step()?;
    Ok((!queue.is_salvaging()).then(|| Recovery::Configure(std::mem::take(runs))))
}

fn end_run(queue: &mut Queue, runs: &mut DeadRuns) -> Result<Recovery, QueueError> {
    if let Some(run) = runs.without_file.last() {
        queue.finish_run(*run, &RunCounters::default())?;
        runs.without_file.pop();
    }
    Ok(Recovery::of_runs(queue, std::mem::take(runs)))
}

fn open(queue: &mut Queue, quarantine: &Path, runs: &mut DeadRuns) -> Result<Recovery, QueueError> {
    let opened = match runs.files.last() {
        Some(path) => DeadRun::open(queue, path, quarantine)?,
        None => Opened::Over,
    };
    runs.files.pop();
    let runs = std::mem::take(runs);
    Ok(match opened {
        Opened::Run(run) => Recovery::Read(run, runs),
        Opened::Over => Recovery::of_runs(queue, runs),
    })
}

fn read(
    queue: &mut Queue,
    reading: &DeadRun,
    runs: &mut DeadRuns,
    quarantine: &Path,
    redactor: &Redactor,
    ends: &mut Ends,
) -> Result<Option<Recovery>, QueueError> {
    let has_more = reading.read(queue, quarantine, redactor, ends)?;
    Ok((!has_more).then(|| Recovery::of_runs(queue, std::mem::take(runs))))
}
