//! What the worker holds of the disk, and what follows from a storage error.

use std::time::{Duration, Instant};

use super::Worker;
use crate::engine::directory::Directory;
use crate::model::limits::{REOPEN_AFTER, REOPEN_AT_MOST_AFTER, TICK};
use crate::storage::dirlock::{self, DirLock};
use crate::storage::health::StorageState;
use crate::storage::journal::run_file::file_name;
use crate::storage::journal::{JournalMode, RunCounters};
use crate::storage::queue::QueueError;

/// What the worker holds of the disk.
pub(super) enum Storage {
    /// Nothing yet. The directory is opened at the next turn of the loop.
    Opening,
    /// The directory is locked and its database open.
    Open(Box<Open>),
    /// Nothing: the app is suspended, and a lock or an open file would cost it its life.
    Suspended,
    /// Nothing, because of an error. The directory is opened again at `at`.
    Waiting {
        at: Instant,
        /// How long this wait is. The next one is twice as long.
        delay: Duration,
    },
    /// Nothing, and nothing is opened any more: the user denied consent, and the worker ends.
    Closed,
}

/// Open directories.
pub(super) struct Open {
    /// The process's own.
    pub(super) own: Directory,
    /// The number of the process's run in the own directory's queue.
    pub(super) run: u32,
    /// Directories of processes that are gone: what they left is delivered from here.
    pub(super) adopted: Vec<Directory>,
}

/// One of the open directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Own,
    /// By its index.
    Adopted(usize),
}

impl Open {
    /// Every directory, the process's own first.
    pub(super) fn directories(&mut self) -> impl Iterator<Item = (Place, &mut Directory)> {
        let adopted = self.adopted.iter_mut().enumerate().map(|(at, directory)| (Place::Adopted(at), directory));
        std::iter::once((Place::Own, &mut self.own)).chain(adopted)
    }

    fn close(self) {
        self.own.close();
        self.adopted.into_iter().for_each(Directory::close);
    }
}

impl Storage {
    /// The open directories.
    pub(super) fn open(&mut self) -> Option<&mut Open> {
        match self {
            Storage::Open(open) => Some(open),
            _ => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Storage::Open(_))
    }

    /// When the directory is to be opened; `None` when that is not for a time to decide.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Storage::Opening => Some(Instant::now()),
            Storage::Waiting { at, .. } => Some(*at),
            Storage::Open(_) | Storage::Suspended | Storage::Closed => None,
        }
    }

    /// Takes the open directories out: they are to be opened anew.
    pub(super) fn take_open(&mut self) -> Option<Open> {
        match std::mem::replace(self, Storage::Opening) {
            Storage::Open(open) => Some(*open),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Closes what is open. `next` takes its place.
    pub(super) fn close(&mut self, next: Storage) {
        if let Storage::Open(open) = std::mem::replace(self, next) {
            open.close();
        }
    }

    /// After an error: waits, twice as long as before.
    fn wait(&mut self) {
        let delay = match self {
            Storage::Waiting { delay, .. } => (*delay * 2).min(REOPEN_AT_MOST_AFTER),
            _ => REOPEN_AFTER,
        };
        *self = Storage::Waiting { at: Instant::now() + delay, delay };
    }
}

/// Everything that the run had recorded was erased. Until the next opening has written that down,
/// this says where its records begin now.
pub(super) struct Erased {
    /// The journal's offset.
    pub(super) head: u64,
    /// What the run had counted.
    pub(super) counters: RunCounters,
}

impl Worker<'_> {
    /// Opens the directory if it is time to.
    pub(super) fn open_if_due(&mut self) {
        if self.storage.due().is_none_or(|at| at > Instant::now()) {
            return;
        }
        match self.open() {
            Ok(open) => {
                self.storage = Storage::Open(Box::new(open));
                self.apply_tail_sampling();
                self.dirty = true;
                self.drain_now();
                self.shared.health().storage = StorageState::Open;
            }
            Err(error) => self.storage_failed(error),
        }
    }

    /// Locks the directory, maps the journal, opens the queue, and adopts what processes that are
    /// gone have left.
    fn open(&mut self) -> Result<Open, QueueError> {
        let shared = self.shared;
        let locked = |error: std::io::Error| QueueError::Locked(error.to_string());
        let lock = DirLock::acquire(&shared.config.data_dir).map_err(locked)?;
        let journal = shared.recorder().journal();
        // The journal first: until it is mapped, a kill loses what was recorded.
        if matches!(journal.mode(), JournalMode::Starting | JournalMode::Heap) {
            let runs = lock.dir().join("runs");
            std::fs::create_dir_all(&runs).map_err(locked)?;
            let path = runs.join(file_name(journal.start().key));
            let _ = std::fs::remove_file(&path);
            if let Err(error) = journal.map(&path) {
                shared.debug.log(&format!("the journal stays on the heap: {error}"));
            }
        }
        let is_main = lock.is_main(&shared.config.data_dir);
        let own = Directory::open(lock, &shared.config, &shared.clock, Some(journal.start().key))?;
        let mut open = self.enter(own)?;
        let _ = open.own.queue.expire();
        let _ = open.own.queue.expire_pending();
        if is_main && !shared.config.destinations.is_empty() {
            for lock in dirlock::orphans(&shared.config.data_dir) {
                match Directory::open(lock, &shared.config, &shared.clock, None) {
                    Ok(mut directory) => {
                        self.instruct(&mut directory);
                        open.adopted.push(directory);
                    }
                    Err(error) => {
                        shared.debug.log(&format!("the directory of an ended process could not be adopted: {error}"));
                    }
                }
            }
        }
        Ok(open)
    }

    /// Enters the process's run in its directory, and tells the directory what it has to know.
    fn enter(&mut self, mut own: Directory) -> Result<Open, QueueError> {
        if let Some(reason) = &own.opened.set_aside {
            self.shared.debug.log(&format!("the database was set aside: {reason}"));
            self.shared.health().set_aside = Some(reason.clone());
        }
        let run = own.enter_run(self.shared.recorder().journal().start())?;
        own.queue.set_consent(self.shared.consent());
        if let Some(Erased { head, counters }) = &self.erased {
            own.queue.begin_run_at(run, *head, counters)?;
            self.erased = None;
        }
        self.instruct(&mut own);
        Ok(Open { own, run, adopted: Vec::new() })
    }

    /// Tells a directory that was just opened what the others have been told.
    fn instruct(&self, directory: &mut Directory) {
        directory.uploader.set_conditions(self.conditions);
        directory.uploader.set_flush(!self.flushes.is_empty());
    }

    /// Tells the queue how much it keeps of sessions that are not sampled, and for how long.
    /// Without tail sampling it keeps nothing of them.
    pub(super) fn apply_tail_sampling(&mut self) {
        let rule = self.shared.scopes.tail_sampling();
        let (bytes, window) = rule.map_or((0, Duration::ZERO), |rule| (rule.bytes, rule.window));
        if let Some(open) = self.storage.open() {
            open.own.queue.set_aside_limits(bytes, window);
            let _ = open.own.queue.expire_aside();
        }
    }

    /// Closes the database and releases every lock.
    pub(super) fn suspend(&mut self) {
        self.collect_metrics();
        self.drain_all();
        self.cancel_requests("the app was suspended");
        if !matches!(self.storage, Storage::Closed) {
            self.storage.close(Storage::Suspended);
        }
        if let Some(transport) = &self.shared.transport {
            self.shared.guarded(|| transport.idle());
        }
        self.shared.health().storage = StorageState::Suspended;
    }

    /// Opens the database again after a suspension, or at once after an error.
    pub(super) fn resume(&mut self) {
        if matches!(self.storage, Storage::Suspended | Storage::Waiting { .. }) {
            self.storage = Storage::Opening;
        }
        self.open_if_due();
    }

    /// Does what an error in one of the directories asks for.
    pub(super) fn directory_failed(&mut self, place: Place, error: QueueError) {
        match place {
            Place::Own => self.storage_failed(error),
            // The process's own database is whole. The other directory is adopted again at the next
            // start.
            Place::Adopted(at) => {
                self.shared.debug.log(&format!("the directory of an ended process: {error}"));
                if let Some(open) = self.storage.open()
                    && at < open.adopted.len()
                {
                    open.adopted.remove(at).close();
                }
            }
        }
    }

    /// Does what a storage error asks for. A damaged database is rebuilt and a full disk is given
    /// room. After any other error the directory is closed, and opened again after a while.
    pub(super) fn storage_failed(&mut self, error: QueueError) {
        self.shared.debug.log(&format!("storage: {error}"));
        let state = match error {
            QueueError::Corrupt(reason) => {
                let Some(error) = self.rebuild(reason) else { return };
                StorageState::Locked(error)
            }
            QueueError::Full => {
                match self.storage.open().map(|open| open.own.queue.make_room()) {
                    Some(Ok(())) => self.next_drain = Some(Instant::now() + TICK),
                    Some(Err(damage @ QueueError::Corrupt(_))) => return self.storage_failed(damage),
                    _ => {}
                }
                StorageState::Full
            }
            other => {
                self.drop_own();
                StorageState::Locked(other.to_string())
            }
        };
        self.shared.health().storage = state;
        if self.storage.is_open() {
            return;
        }
        self.in_flight.clear();
        self.storage.wait();
        let journal = self.shared.recorder().journal();
        if journal.mode() == JournalMode::Starting {
            journal.stay_on_heap();
        }
    }

    /// Sets the damaged database aside and goes on with a new one. Returns why that is not
    /// possible.
    fn rebuild(&mut self, reason: String) -> Option<String> {
        let Some(Open { own, adopted, .. }) = self.storage.take_open() else {
            return Some("the database is damaged, and a new one could not be made".to_owned());
        };
        // The new database gives the numbers of parts anew: an answer that is still to come would
        // settle other events than it is about.
        self.in_flight.retain(|request| !request.is_from(own.dir()));
        let rebuilt = own.rebuild(&self.shared.config, reason).and_then(|own| self.enter(own));
        match rebuilt {
            Ok(open) => {
                self.storage = Storage::Open(Box::new(Open { adopted, ..open }));
                self.apply_tail_sampling();
                self.drain_now();
                None
            }
            Err(error) => {
                adopted.into_iter().for_each(Directory::close);
                Some(error.to_string())
            }
        }
    }

    /// Gives the own directory up as it is: after an I/O error a checkpoint would fail too.
    fn drop_own(&mut self) {
        if let Some(Open { own, adopted, .. }) = self.storage.take_open() {
            drop(own);
            adopted.into_iter().for_each(Directory::close);
        }
    }
}
