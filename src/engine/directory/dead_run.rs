//! Reading the journal of a run that is over, one transaction's worth of records at a time.
//!
//! A damaged file may kill the process that reads it. The number of such deaths is written down
//! beside the file. After a few of them the file is read one record at a time, so that the records
//! before the fatal one are saved, and after more of them it is set aside.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::dead_crash::{DeadCrash, deaths};
use super::ends::Ends;
use crate::engine::crash::CrashRecord;
use crate::model::ids::RunKey;
use crate::model::kill_point::kill_point;
use crate::model::ledger::DropReason;
use crate::model::limits::{CAREFUL_AFTER_ATTEMPTS, MAX_DRAIN_BYTES, MAX_DRAIN_EVENTS, QUARANTINE_AFTER_ATTEMPTS};
use crate::model::time::nanos;
use crate::policy::redact::Redactor;
use crate::storage::crash::beside;
use crate::storage::dirlock::RUNS;
use crate::storage::journal::run_file::{RunFile, file_name, key_of};
use crate::storage::journal::{DrainEnd, Drained, RunCounters, RunStart};
use crate::storage::queue::{Queue, QueueError, Source};

/// A run whose journal is being read.
#[derive(Debug)]
pub(super) struct DeadRun {
    pub(super) path: PathBuf,
    journal: Journal,
    /// Its number in the queue.
    run: u32,
    /// Records that are read in one transaction.
    step: usize,
}

/// What came of opening a file.
pub(super) enum Opened {
    /// The run's journal is to be read.
    Run(DeadRun),
    /// Nothing is left to do with the file.
    Over,
}

impl DeadRun {
    /// Opens the journal at `path` and enters its run in the queue. A file that cannot be read is
    /// set aside in the folder `quarantine`, and what its counters report is booked as lost.
    pub(super) fn open(queue: &mut Queue, path: &Path, quarantine: &Path) -> Result<Opened, QueueError> {
        let Some(key) = run_of(path) else { return Ok(Opened::Over) };
        if DeadCrash::is_denied(path) {
            // As for the journal below.
            return Ok(Opened::Over);
        }
        let known = queue.find_run(key).map(|(id, run)| (id, run.done));
        if let Some((_, true)) = known {
            DeadCrash::erase_beside(path);
            let _ = std::fs::remove_file(path);
            return Ok(Opened::Over);
        }
        let file = match RunFile::open(path, key) {
            Ok(file) => Some(file),
            // The journal was on the heap, or it has been read, and the run file is left.
            Err(error) if error.kind() == ErrorKind::NotFound && beside(path).exists() => None,
            Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotFound) => {
                set_aside(path, quarantine);
                if known.is_none() && !beside(path).exists() {
                    return Ok(Opened::Over);
                }
                None
            }
            // The device is locked, or access is denied. The file stays and is opened again at the
            // next start.
            Err(_) => return Ok(Opened::Over),
        };
        let run = match known {
            Some((run, _)) => run,
            // The ids of the run's events depend on its base time, so it is entered once, with the
            // time that a file gives. When none can be read, the time of the file's last change
            // takes its place.
            None => {
                let start = file.as_ref().and_then(RunFile::start).or_else(|| DeadCrash::start(path));
                queue.enter_run(start.unwrap_or_else(|| RunStart { key, base_wall: modified(path) }))?
            }
        };
        let marker = path.with_extension("reading");
        let deaths = deaths(&marker);
        let journal = match file {
            Some(file) if deaths >= QUARANTINE_AFTER_ATTEMPTS => Journal::Deadly(file.counters()),
            Some(file) => Journal::File(WatchedFile { file, marker }),
            None => Journal::Missing,
        };
        let step = if deaths >= CAREFUL_AFTER_ATTEMPTS { 1 } else { MAX_DRAIN_EVENTS };
        Ok(Opened::Run(Self { path: path.to_owned(), journal, run, step }))
    }

    /// Reads the next records into the queue. At the end the run is over in the books, with what it
    /// died of, and its files are removed or set aside: then the answer is false.
    pub(super) fn read(
        &self,
        queue: &mut Queue,
        quarantine: &Path,
        redactor: &Redactor,
        ends: &mut Ends,
    ) -> Result<bool, QueueError> {
        let mut taken = None;
        if let Journal::File(file) = &self.journal {
            let absorbed = queue.absorb(self.run, file, self.step, MAX_DRAIN_BYTES)?;
            kill_point("recovery");
            if absorbed.more {
                return Ok(true);
            }
            taken = Some(absorbed.to);
        }
        let (counters, reason) = match &self.journal {
            Journal::File(file) => (file.counters(), DropReason::JournalLost),
            Journal::Missing => (RunCounters::default(), DropReason::JournalLost),
            Journal::Deadly(counters) => (*counters, DropReason::Quarantined),
        };
        let start = queue.run_start(self.run);
        let crash = DeadCrash::read(&self.path, start, quarantine, redactor, ends, || queue.breadcrumbs(self.run))?;
        if crash.is_crash {
            queue.withdraw_hang(self.run)?;
        }
        // Before the report is stored: should this process die in between, the run is read again.
        if let Some(start) = start
            && (crash.is_crash || queue.has_open_hang(self.run)?)
        {
            ends.note_reported(start);
        }
        match &crash.record {
            Some(CrashRecord { n, lane, record }) => {
                queue.finish_crashed_run(self.run, &counters, reason, (*n, *lane, record))?;
            }
            None if reason == DropReason::Quarantined => queue.quarantine_run(self.run, &counters)?,
            None => queue.finish_run(self.run, &counters)?,
        }
        let is_deadly = matches!(self.journal, Journal::Deadly(_));
        for _ in [is_deadly, crash.is_quarantined].into_iter().filter(|is_set_aside| *is_set_aside) {
            queue.note_quarantined()?;
        }
        kill_point("recovery");
        crash.erase();
        if is_deadly {
            set_aside(&self.path, quarantine);
            let _ = std::fs::remove_file(self.path.with_extension("reading"));
        }
        if let Some(to) = taken {
            // For a process that lives although it was taken for dead.
            let _ = RunFile::mark_taken(&self.path, to, &counters);
            let _ = std::fs::remove_file(&self.path);
        }
        Ok(false)
    }
}

/// The journal of a run that is over.
#[derive(Debug)]
enum Journal {
    /// It is read.
    File(WatchedFile),
    /// There is none, or something else lies in its place.
    Missing,
    /// It has killed its readers: it is set aside. These are its counters.
    Deadly(RunCounters),
}

/// A journal with a marker beside it that exists only while a record is being read. A marker that
/// is found at the next start therefore counts the processes that died while they read, and nothing
/// else.
#[derive(Debug)]
struct WatchedFile {
    file: RunFile,
    marker: PathBuf,
}

impl Source for WatchedFile {
    fn counters(&self) -> RunCounters {
        self.file.counters()
    }

    fn drain(&self, from: u64, max_records: usize, max_bytes: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
        let _ = std::fs::write(&self.marker, (deaths(&self.marker) + 1).to_string());
        let end = self.file.drain(from, max_records, max_bytes, visit);
        let _ = std::fs::remove_file(&self.marker);
        end
    }
}

/// The runs of a directory that are over and whose records are not all in the queue.
#[derive(Debug, Default)]
pub(super) struct DeadRuns {
    /// Their journals, the oldest last.
    pub(super) files: Vec<PathBuf>,
    /// Runs that are not over in the books and have no journal any more.
    pub(super) without_file: Vec<u32>,
}

impl DeadRuns {
    /// Finds them. `own` is the run of this process. The directory is locked, and no process that
    /// lives has a journal in it.
    pub(super) fn find(dir: &Path, queue: &Queue, own: Option<RunKey>) -> Self {
        let entries = std::fs::read_dir(dir.join(RUNS)).into_iter().flatten().flatten();
        let is_dead = |path: &PathBuf| run_of(path).is_some_and(|key| Some(key) != own);
        // A run file stands for the journal beside which it is.
        let journal = |path: PathBuf| if is_run_file(&path) { path.with_extension("journal") } else { path };
        let mut files: Vec<PathBuf> = entries.map(|entry| journal(entry.path())).filter(is_dead).collect();
        files.sort();
        files.dedup();
        files.sort_by_cached_key(|path| std::cmp::Reverse((modified(path), path.clone())));
        let has_file = |key: RunKey| files.iter().any(|path| path.ends_with(file_name(key)));
        let without_file =
            queue.open_runs().filter(|(_, key)| Some(*key) != own && !has_file(*key)).map(|(run, _)| run).collect();
        Self { files, without_file }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.without_file.is_empty()
    }
}

/// The run whose journal `path` is, from its name.
fn run_of(path: &Path) -> Option<RunKey> {
    path.file_name().and_then(|name| key_of(&name.to_string_lossy()))
}

fn is_run_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "crash")
}

/// Moves a file that cannot be read into the folder `quarantine`.
fn set_aside(path: &Path, quarantine: &Path) {
    let _ = std::fs::create_dir_all(quarantine);
    if let Some(name) = path.file_name() {
        let _ = std::fs::rename(path, quarantine.join(name));
    }
}

/// When a file was changed last, in ns since the Unix epoch.
fn modified(path: &Path) -> u64 {
    let time = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, nanos)
}
