//! One locked directory with its queue: the process's own, or an orphan that it adopted.
//!
//! ```text
//! lock             flock of the owning process
//! queue.db         the queue, and its WAL
//! ballast          given up to get out of a full disk
//! runs/*.journal   one journal per run of the process
//! quarantine/      what could not be read
//! switches.json    what was changed at run time
//! process-N/       the same for the N-th further process
//! ```

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::engine::uploader::Uploader;
use crate::model::config::{Config, Destination};
use crate::model::export::Exporter;
use crate::model::ids::RunKey;
use crate::model::kill_point::kill_point;
use crate::model::limits::{CAREFUL_AFTER_ATTEMPTS, MAX_DRAIN_BYTES, MAX_DRAIN_EVENTS, QUARANTINE_AFTER_ATTEMPTS};
use crate::model::time::{Clock, nanos};
use crate::storage::dirlock::DirLock;
use crate::storage::journal::run_file::{RunFile, file_name, key_of};
use crate::storage::journal::{DrainEnd, Drained, RunCounters, RunStart};
use crate::storage::queue::{Opened, Queue, QueueError, QueueLimits, Source, open_or_rebuild};
use crate::wire::export::otlp::Otlp;

/// A dead run whose journal is being read.
#[derive(Debug)]
struct Reading {
    path: PathBuf,
    file: Watched,
    run: u32,
    step: usize,
}

/// A run file whose reading is written down before it begins and struck out when it has ended: a marker that is found at the
/// next start counts the deaths of processes while they read, and nothing else.
#[derive(Debug)]
struct Watched {
    file: RunFile,
    marker: PathBuf,
}

fn deaths(marker: &Path) -> u32 {
    std::fs::read_to_string(marker).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

impl Source for Watched {
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

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) queue: Queue,
    pub(crate) uploader: Uploader,
    pub(crate) opened: Opened,
    limits: QueueLimits,
    clock: Clock,
    wanted: Vec<(String, u64)>,
    destinations: Vec<Destination>,
    /// Whether the queue knows the configured destinations.
    configured: bool,
    dead: VecDeque<PathBuf>,
    /// Runs that are not over in the books, and have no journal any more.
    fileless: Vec<u32>,
    reading: Option<Reading>,
    // Last, so that the lock outlives the database.
    lock: DirLock,
}

impl Directory {
    /// Opens the queue in a locked directory and lists the runs that are over. `own` is the run that is not.
    pub(crate) fn open(lock: DirLock, config: &Config, clock: &Clock, own: Option<RunKey>) -> Result<Self, QueueError> {
        let limits =
            QueueLimits { queue_bytes: config.queue_bytes, crash_bytes: config.crash_bytes, max_age: config.max_age };
        let wanted: Vec<_> = config.destinations.iter().map(|d| (d.name.clone(), d.fingerprint())).collect();
        let (mut queue, opened) = open_or_rebuild(lock.dir(), limits, clock)?;
        let configured = !queue.is_salvaging();
        if configured {
            queue.configure(&wanted)?;
        }
        let uploader = uploader(&queue, config, clock);
        let mut dead = dead_runs(lock.dir(), own);
        dead.sort();
        let dead: VecDeque<_> = dead.into_iter().map(|(_, path)| path).collect();
        let has_file = |key: RunKey| dead.iter().any(|path| path.ends_with(file_name(key)));
        let fileless =
            queue.open_runs().filter(|(_, key)| Some(*key) != own && !has_file(*key)).map(|(run, _)| run).collect();
        let clock = clock.clone();
        let destinations = config.destinations.clone();
        Ok(Self {
            queue,
            uploader,
            opened,
            limits,
            clock,
            wanted,
            destinations,
            configured,
            dead,
            fileless,
            reading: None,
            lock,
        })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        self.lock.dir()
    }

    /// Where the journal of a run goes.
    pub(crate) fn journal_path(&self, key: RunKey) -> Result<PathBuf, QueueError> {
        let runs = self.dir().join("runs");
        std::fs::create_dir_all(&runs).map_err(|error| QueueError::Locked(error.to_string()))?;
        Ok(runs.join(file_name(key)))
    }

    /// Whether the destinations stand: not before a damaged database has been read to its end.
    pub(crate) fn is_configured(&self) -> bool {
        self.configured
    }

    /// Whether dead runs or a damaged database are left to read.
    pub(crate) fn is_recovering(&self) -> bool {
        !self.configured || self.has_unread() || self.queue.awaits_recovery()
    }

    fn has_unread(&self) -> bool {
        self.reading.is_some() || !self.dead.is_empty() || !self.fileless.is_empty()
    }

    /// Enters the process's own run.
    pub(crate) fn enter_run(&mut self, start: RunStart) -> Result<u32, QueueError> {
        let run = self.queue.enter_run(start)?;
        if self.has_unread() {
            self.queue.set_unread_behind(run);
        }
        Ok(run)
    }

    /// One short step of recovery: at most one transaction's worth of records of a dead run.
    pub(crate) fn recover(&mut self) -> Result<(), QueueError> {
        if self.queue.is_salvaging() {
            return self.queue.salvage_step().map(|_| ());
        }
        if !self.configured {
            self.queue.configure(&self.wanted)?;
            self.uploader.set_exporters(exporters(&self.queue, &self.destinations));
            self.configured = true;
            return Ok(());
        }
        if let Some(reading) = &mut self.reading {
            let absorbed = self.queue.absorb(reading.run, &reading.file, reading.step, MAX_DRAIN_BYTES)?;
            kill_point("recovery");
            if absorbed.more {
                return Ok(());
            }
            self.queue.finish_run(reading.run, &reading.file.counters())?;
            kill_point("recovery");
            let _ = std::fs::remove_file(&reading.path);
            self.reading = None;
            return Ok(());
        }
        if let Some(run) = self.fileless.pop() {
            return self.queue.finish_run(run, &RunCounters::default());
        }
        let Some(path) = self.dead.pop_front() else { return self.queue.end_recovery() };
        let Some(key) = path.file_name().and_then(|name| key_of(&name.to_string_lossy())) else { return Ok(()) };
        let known = self.queue.find_run(key).map(|(id, run)| (id, run.done, run.base_wall));
        if let Some((_, true, _)) = known {
            let _ = std::fs::remove_file(&path);
            return Ok(());
        }
        let file = match RunFile::open(&path, key) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotFound) => {
                if let Some((run, ..)) = known {
                    self.queue.finish_run(run, &RunCounters::default())?;
                }
                self.set_aside(&path);
                return Ok(());
            }
            // A locked device, or no permission: it stays, and is tried again at the next start.
            Err(_) => return Ok(()),
        };
        // The ids of the run's events depend on its base time: it is entered once and for all with the file's own. Without
        // a readable preamble its events are dated by the file.
        let start = file.start().unwrap_or_else(|| RunStart { key, base_wall: modified(&path) });
        let run = match known {
            Some((run, ..)) => run,
            None => self.queue.enter_run(start)?,
        };
        let marker = path.with_extension("reading");
        let deaths = deaths(&marker);
        if deaths >= QUARANTINE_AFTER_ATTEMPTS {
            self.queue.quarantine_run(run, &file.counters())?;
            self.set_aside(&path);
            let _ = std::fs::remove_file(marker);
            return Ok(());
        }
        let step = if deaths >= CAREFUL_AFTER_ATTEMPTS { 1 } else { MAX_DRAIN_EVENTS };
        self.reading = Some(Reading { path, file: Watched { file, marker }, run, step });
        Ok(())
    }

    fn set_aside(&self, path: &Path) {
        let folder = self.dir().join("quarantine");
        let _ = std::fs::create_dir_all(&folder);
        if let Some(name) = path.file_name() {
            let _ = std::fs::rename(path, folder.join(name));
        }
    }

    /// Sets the damaged database aside and goes on with a new one.
    pub(crate) fn rebuild(mut self, config: &Config, reason: String) -> Result<Self, QueueError> {
        if let Some(reading) = self.reading.take() {
            self.dead.push_front(reading.path);
        }
        let Self { queue, limits, clock, wanted, destinations, dead, fileless, lock, .. } = self;
        let dir = lock.dir().to_owned();
        drop(queue);
        let (queue, opened) = crate::storage::queue::rebuild(&dir, limits, &clock, reason)?;
        let uploader = uploader(&queue, config, &clock);
        Ok(Self {
            queue,
            uploader,
            opened,
            limits,
            clock,
            wanted,
            destinations,
            configured: false,
            dead,
            fileless,
            reading: None,
            lock,
        })
    }

    /// Checkpoints and closes. The lock is released.
    pub(crate) fn close(self) {
        self.queue.close();
        drop(self.lock);
    }

    /// Erases everything in the directory, books included.
    pub(crate) fn erase(self) {
        let Self { queue, lock, .. } = self;
        queue.close();
        erase_dir(lock.dir());
    }

    /// Removes an adopted directory that has nothing left to deliver.
    pub(crate) fn remove(self) {
        let dir = self.dir().to_owned();
        self.queue.close();
        let _ = std::fs::remove_dir_all(dir);
        drop(self.lock);
    }
}

/// Removes everything from a locked directory but the lock itself, the switches, and other processes' directories.
pub(crate) fn erase_dir(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if name == "lock" || name == "switches.json" || name.starts_with("process-") {
            continue;
        }
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

fn uploader(queue: &Queue, config: &Config, clock: &Clock) -> Uploader {
    let seed = RunKey::random().halves().0;
    let exporters = exporters(queue, &config.destinations);
    Uploader::new(clock.clone(), config.send, exporters, seed, config.start_jitter)
}

fn exporters(queue: &Queue, destinations: &[Destination]) -> Vec<(u32, Arc<dyn Exporter>)> {
    let exporter = |(id, name): (u32, String)| {
        let destination = destinations.iter().find(|destination| destination.name == name)?;
        let own = destination.exporter.clone();
        let exporter: Arc<dyn Exporter> = own.unwrap_or_else(|| Arc::new(Otlp::new(destination)));
        Some((id, exporter))
    };
    queue.destinations().into_iter().filter_map(exporter).collect()
}

/// Journals of other runs, with the time of their last change, so that the oldest comes first.
fn dead_runs(dir: &Path, own: Option<RunKey>) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(dir.join("runs")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let key = path.file_name().and_then(|name| key_of(&name.to_string_lossy()));
            key.is_some() && key != own
        })
        .map(|path| (modified(&path), path))
        .collect()
}

fn modified(path: &Path) -> u64 {
    let time = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, nanos)
}
