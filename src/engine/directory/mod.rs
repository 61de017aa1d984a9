//! One locked directory with its queue: the process's own, or one that it adopted because the
//! process that owned it is gone.
//!
//! ```text
//! lock             held with flock by the process that owns the directory
//! queue.db         the queue, and its WAL
//! ballast          space that is given up to get out of a full disk
//! runs/*.journal   one journal for each run of the process, which says whether that lives
//! runs/*.crash     beside it, what the run was doing and what it died of
//! quarantine/      files that could not be read
//! exits-*.json     which of the system's records about ended processes were reported
//! diagnostics-*.json which of MetricKit's diagnostics were reported
//! ended-*.json     which runs have reported their end themselves
//! restraint.json   when the capture of crashes has to restrain itself
//! switches.json    settings that were changed at run time
//! erase            says that the directory is to be erased before anything of it is sent
//! process-N/       the same for the N-th further process
//! ```
//!
//! - `recovery.rs`: the steps of recovering what earlier runs left;
//! - `dead_run.rs`: finding and reading the journals of those runs;
//! - `dead_crash.rs`: reading what such a run died of;
//! - `ends.rs`: how the runs ended, and what follows for this launch;
//! - `ended_session.rs`: whether such a run has ended the last session;
//! - `destinations.rs`: what the queue and the uploader know of the configured destinations;
//! - `erase.rs`: erasing everything.

mod dead_crash;
mod dead_run;
mod destinations;
mod ended_session;
mod ends;
mod erase;
mod recovery;

use std::path::{Path, PathBuf};

use uuid::Uuid;

pub(crate) use destinations::route_hints;
pub(crate) use ended_session::death_of;
pub(crate) use ends::{Ended, Ends, name_of, reported_runs};
pub(crate) use erase::{erase_dir, erase_left, erase_others, erase_shared, owe_erasure, owes_erasure};

use crate::engine::uploader::Uploader;
use crate::model::config::{Config, Destination};
use crate::model::ids::RunKey;
use crate::model::time::Clock;
use crate::policy::crash_loop::Launch;
use crate::policy::exits::Now;
use crate::policy::redact::Redactor;
use crate::policy::session::Death;
use crate::storage::dirlock::{DirLock, RUNS};
use crate::storage::journal::RunStart;
use crate::storage::journal::run_file::file_name;
use crate::storage::queue::{self, Opened, Queue, QueueError, QueueLimits, open_or_rebuild};
use dead_run::DeadRuns;
use destinations::{exporters, fingerprints, uploader};
use recovery::Recovery;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) queue: Queue,
    pub(crate) uploader: Uploader,
    pub(crate) opened: Opened,
    limits: QueueLimits,
    clock: Clock,
    destinations: Vec<Destination>,
    recovery: Recovery,
    ends: Ends,
    // Last, so that the lock is released after the database was closed.
    lock: DirLock,
}

impl Directory {
    /// Opens the queue in a locked directory and lists the runs that are over. `own` is the run of
    /// this process.
    ///
    /// # Errors
    /// Those of the queue. `Locked` when the directory is to be erased and that is not possible.
    /// The lock is released then.
    pub(crate) fn open(lock: DirLock, config: &Config, clock: &Clock, own: Option<RunKey>) -> Result<Self, QueueError> {
        if owes_erasure(lock.dir()) && !erase_dir(lock.dir()) {
            return Err(QueueError::Locked(format!("`{}` could not be erased", lock.dir().display())));
        }
        let limits =
            QueueLimits { queue_bytes: config.queue_bytes, crash_bytes: config.crash_bytes, max_age: config.max_age };
        let (mut queue, opened) = open_or_rebuild(lock.dir(), limits, clock)?;
        if !queue.is_salvaging() {
            queue.configure(&fingerprints(&config.destinations))?;
        }
        let recovery = Recovery::begin(&queue, DeadRuns::find(lock.dir(), &queue, own));
        Ok(Self {
            uploader: uploader(&queue, config, clock),
            queue,
            opened,
            limits,
            clock: clock.clone(),
            destinations: config.destinations.clone(),
            recovery,
            ends: Ends::load(lock.dir(), config, clock),
            lock,
        })
    }

    /// Decides what holds for this launch. `None` while runs that are over are left to read.
    pub(crate) fn launch(&mut self) -> Option<Launch> {
        (!self.is_recovering()).then(|| self.ends.launch())
    }

    /// The launch, as the rules see it that say how a run ended.
    pub(crate) fn now(&self) -> Now {
        self.ends.now()
    }

    /// The runs of this directory that are over and that this process has read.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        self.ends.ended()
    }

    /// The sessions that the runs that were read have ended by their deaths, each once.
    pub(crate) fn take_ended_sessions(&mut self) -> Vec<(Uuid, Death)> {
        self.ends.take_sessions()
    }

    /// The directory's path.
    pub(crate) fn dir(&self) -> &Path {
        self.lock.dir()
    }

    /// Where the journal of a run goes.
    ///
    /// # Errors
    /// `Locked` when the folder cannot be made.
    pub(crate) fn journal_path(&self, key: RunKey) -> Result<PathBuf, QueueError> {
        let runs = self.dir().join(RUNS);
        std::fs::create_dir_all(&runs).map_err(|error| QueueError::Locked(error.to_string()))?;
        Ok(runs.join(file_name(key)))
    }

    /// Whether the queue knows the destinations. It does not before a damaged database has been
    /// read out.
    pub(crate) fn is_configured(&self) -> bool {
        self.recovery.is_configured()
    }

    /// Whether a damaged database or the journal of an earlier run is left to read.
    pub(crate) fn is_recovering(&self) -> bool {
        !self.recovery.is_done()
    }

    /// Enters the process's own run. Returns its number in the queue.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) fn enter_run(&mut self, start: RunStart) -> Result<u32, QueueError> {
        let run = self.queue.enter_run(start)?;
        if self.recovery.has_unread() {
            self.queue.set_unread_behind(run);
        }
        Ok(run)
    }

    /// Takes one short step of recovery: at most one transaction's worth of records. What an
    /// earlier run died of is redacted before it is stored.
    ///
    /// # Errors
    /// Those of the queue. The step is taken again by the next call.
    pub(crate) fn recover(&mut self, redactor: &Redactor) -> Result<(), QueueError> {
        let Self { queue, uploader, destinations, recovery, ends, lock, .. } = self;
        recovery.step(queue, &lock.dir().join("quarantine"), redactor, ends, |queue| {
            queue.configure(&fingerprints(destinations))?;
            uploader.set_exporters(exporters(queue, destinations));
            Ok(())
        })
    }

    /// Sets the damaged database aside and goes on with a new one, into which
    /// [`Directory::recover`] then reads what can be saved.
    ///
    /// # Errors
    /// Those of the queue. The lock is released then.
    pub(crate) fn rebuild(self, config: &Config, reason: String) -> Result<Self, QueueError> {
        let Self { queue, limits, clock, destinations, recovery, ends, lock, .. } = self;
        drop(queue);
        let (queue, opened) = queue::rebuild(lock.dir(), limits, &clock, reason)?;
        // The destinations are always configured anew: the books of the new database may not know
        // them.
        let runs = recovery.into_runs();
        let recovery = if queue.is_salvaging() { Recovery::Salvage(runs) } else { Recovery::Configure(runs) };
        Ok(Self {
            uploader: uploader(&queue, config, &clock),
            queue,
            opened,
            limits,
            clock,
            destinations,
            recovery,
            ends,
            lock,
        })
    }

    /// Checkpoints the database and closes it. The lock is released.
    pub(crate) fn close(self) {
        self.queue.close();
        drop(self.lock);
    }

    /// Erases everything in the directory, the books included. False when something could not be
    /// removed; it is removed before the directory is opened again.
    pub(crate) fn erase(self) -> bool {
        let Self { queue, lock, .. } = self;
        // Should this process die between the two, nothing of it is sent.
        let _ = owe_erasure(lock.dir());
        queue.close();
        erase_dir(lock.dir())
    }

    /// Removes an adopted directory that has nothing left to deliver.
    pub(crate) fn remove(self) {
        let dir = self.dir().to_owned();
        self.queue.close();
        let _ = std::fs::remove_dir_all(dir);
        drop(self.lock);
    }
}
