//! What the worker holds of the disk, and what follows from a storage error.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::settled::{Settled, contexts_from};
use super::{Shared, Worker};
use crate::engine::directory::{Directory, Ends, erase_dir, owes_erasure};
use crate::model::limits::{HOME_LOCK_PAUSE, HOME_LOCK_TRIES, REOPEN_AFTER, REOPEN_AT_MOST_AFTER, TICK};
use crate::policy::crash_loop::Capture as Restraint;
use crate::storage::crash::{Facts, beside};
use crate::storage::dirlock::{self, DirLock, RUNS};
use crate::storage::health::StorageState;
use crate::storage::journal::JournalMode;
use crate::storage::journal::run_file::file_name;
use crate::storage::queue::QueueError;
use crate::storage::replace::remove_left;

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
    fn close(&mut self, next: Storage) {
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

/// The directory in which the journal's file is.
pub(super) fn home(shared: &Shared) -> Option<PathBuf> {
    let file = shared.recorder().journal().file()?;
    Some(file.parent()?.parent()?.to_owned())
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
                self.adopt();
                self.follow_others();
                self.apply_tail_sampling();
                self.dirty = true;
                self.drain_now();
                self.shared.health().storage = StorageState::Open;
            }
            Err(error) => self.storage_failed(error),
        }
    }

    /// Locks the directory, maps the journal, and opens the queue.
    fn open(&mut self) -> Result<Open, QueueError> {
        let shared = self.shared;
        let lock = self.lock()?;
        if let Some(reason) = dirlock::wrong_kind_of_any(lock.dir()) {
            return Err(QueueError::Locked(reason));
        }
        let is_owed = owes_erasure(lock.dir());
        if is_owed || shared.recorder().journal().was_erased() {
            // Another process has been told to erase everything.
            self.forget_recorded();
            if is_owed && !erase_dir(lock.dir()) {
                return Err(QueueError::Locked(format!("`{}` could not be erased", lock.dir().display())));
            }
            self.begin_anew_with_others();
        }
        self.map_journal(lock.dir())?;
        self.capture_crashes(lock.dir());
        // Before the first run file is read and removed: should this process die meanwhile, the
        // next one must not go on with the session that this one has ended.
        self.keep_session();
        let journal = shared.recorder().journal();
        journal.confirm_owner();
        let is_main = lock.is_main(&shared.config.data_dir);
        let own = Directory::open(lock, &shared.config, &shared.clock, Some(journal.start().key))?;
        let mut open = self.enter(own)?;
        let _ = open.own.queue.expire();
        let _ = open.own.queue.expire_pending();
        if is_main {
            remove_left(&shared.config.data_dir);
        }
        Ok(open)
    }

    /// Adopts the directories of processes that have ended, if this process owns the main directory
    /// and could deliver what they left.
    pub(super) fn adopt(&mut self) {
        let shared = self.shared;
        let data_dir = &shared.config.data_dir;
        let owns_main = self.storage.open().is_some_and(|open| open.own.dir() == data_dir);
        if !owns_main || shared.config.destinations.is_empty() {
            return;
        }
        for lock in dirlock::orphans(data_dir) {
            match Directory::open(lock, &shared.config, &shared.clock, None) {
                Ok(mut directory) => {
                    self.instruct(&mut directory);
                    if let Some(open) = self.storage.open() {
                        open.adopted.push(directory);
                    }
                }
                Err(error) => {
                    shared.debug.log(&format!("the directory of an ended process could not be adopted: {error}"));
                }
            }
        }
    }

    /// Locks the directory in which the journal lies: its database knows the run. A new run takes
    /// the first that is free.
    fn lock(&self) -> Result<DirLock, QueueError> {
        let data_dir = &self.shared.config.data_dir;
        let locked = |error: std::io::Error| QueueError::Locked(error.to_string());
        for _ in 0..HOME_LOCK_TRIES {
            let Some(home) = home(self.shared) else { return DirLock::acquire(data_dir).map_err(locked) };
            if let Some(lock) = DirLock::try_lock(&home).map_err(locked)? {
                return Ok(lock);
            }
            // Another process looks whether this one lives: a matter of a moment. Or it has taken
            // this one for dead, and is about to remove the journal.
            std::thread::sleep(HOME_LOCK_PAUSE);
        }
        Err(QueueError::Locked("another process has locked the directory".to_owned()))
    }

    /// Maps the journal if it has no file yet, or none any more: until it is mapped, a kill loses
    /// what was recorded.
    fn map_journal(&self, dir: &Path) -> Result<(), QueueError> {
        let journal = self.shared.recorder().journal();
        let is_mapped = matches!(journal.mode(), JournalMode::Mapped | JournalMode::Lost);
        if is_mapped && journal.file().is_some() {
            return Ok(());
        }
        // Whoever has read the journal has the contexts in it. Later events need them here.
        let journaled = if is_mapped { contexts_from(journal, 0) } else { Vec::new() };
        if is_mapped && let Some((head, counters)) = journal.pass_taken() {
            self.shared.debug.log("another process has taken this one for dead and has read its journal");
            let mut settled = self.shared.settled();
            let mut contexts = settled.take().map(|before| before.contexts).unwrap_or_default();
            contexts.extend(journaled);
            *settled = Some(Settled { dir: None, head, counters, contexts });
        }
        let runs = dir.join(RUNS);
        std::fs::create_dir_all(&runs).map_err(|error| QueueError::Locked(error.to_string()))?;
        let path = runs.join(file_name(journal.start().key));
        let _ = std::fs::remove_file(&path);
        let mapped = journal.map(&path);
        let hint = mapped.err().map(|error| format!("the journal has no file, so a kill loses what it holds: {error}"));
        if let Some(hint) = &hint {
            self.shared.debug.log(hint);
        }
        self.shared.health().hints = hint.into_iter().collect();
        Ok(())
    }

    /// Begins to capture crashes, if that is wanted and has not begun. Without it the client does
    /// everything else.
    fn capture_crashes(&self, dir: &Path) {
        let (config, recorder) = (&self.shared.config, self.shared.recorder());
        if !config.capture_crashes || recorder.crash().has_file() {
            return;
        }
        recorder.crash().end();
        if let Restraint::Disabled { left, is_new } = Ends::load(dir, config, &self.shared.clock).launch().capture {
            self.disable_capture(left, is_new);
            return;
        }
        self.shared.is_capture_disabled.store(false, Ordering::Relaxed);
        let start = recorder.journal().start();
        let path = beside(&dir.join(RUNS).join(file_name(start.key)));
        let facts = Facts {
            base_wall: start.base_wall,
            boot: self.shared.clock.boot_id().0,
            started: self.shared.clock.boot().0,
            process: std::process::id().into(),
            app_version: config.service_version.clone(),
        };
        if let Err(error) = recorder.crash().begin(&path, start.key, &facts) {
            self.shared.debug.log(&format!("crashes are not captured: {error}"));
        }
    }

    /// Maps the journal again if somebody has removed its file meanwhile.
    pub(super) fn keep_journal(&mut self) {
        if let Some(dir) = self.storage.open().map(|open| open.own.dir().to_owned()) {
            // On the heap it is not moved, because the reason may still be there.
            let is_mapped = self.shared.recorder().journal().mode() == JournalMode::Mapped;
            if is_mapped && let Err(error) = self.map_journal(&dir) {
                self.shared.debug.log(&format!("the journal could not be mapped again: {error}"));
            }
            self.capture_crashes(&dir);
        }
    }

    /// Enters the process's run in its directory, and tells the directory what it has to know.
    fn enter(&mut self, mut own: Directory) -> Result<Open, QueueError> {
        if let Some(reason) = &own.opened.set_aside {
            self.shared.debug.log(&format!("the database was set aside: {reason}"));
            self.shared.health().set_aside = Some(reason.clone());
        }
        let start = self.shared.recorder().journal().start();
        let known = own.queue.find_run(start.key).map(|(_, run)| run.done);
        let run = own.enter_run(start)?;
        own.queue.set_consent(self.shared.consent());
        let mut settled = self.shared.settled();
        if let Some(Settled { dir, head, counters, contexts }) = &*settled {
            // Another process may have ended the run here meanwhile, and forgotten it; or the
            // database was damaged.
            match known {
                Some(is_ended) if dir.as_deref() == Some(own.dir()) => {
                    if is_ended || own.opened.set_aside.is_some() {
                        own.queue.resume_run(run, contexts)?;
                    }
                }
                _ => {
                    own.queue.begin_run_at(run, *head, counters, contexts)?;
                    *settled = None;
                }
            }
        }
        drop(settled);
        if own.opened.set_aside.is_some() {
            let Shared { globals, scopes, config, .. } = &**self.shared;
            globals.repeat(self.shared.recorder(), config);
            scopes.repeat_scope();
        }
        self.instruct(&mut own);
        Ok(Open { own, run, adopted: Vec::new() })
    }

    /// Tells a directory that was just opened what the others have been told.
    fn instruct(&self, directory: &mut Directory) {
        directory.uploader.set_conditions(self.conditions, self.shared.clock.boot());
        directory.uploader.set_flush(!self.flushes.is_empty());
        directory.uploader.set_paused(self.shared.pauses.names());
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
        self.keep_session();
        self.drain_all();
        self.cancel_requests("the app was suspended");
        if !matches!(self.storage, Storage::Closed) {
            self.close_storage(Storage::Suspended);
        }
        if let Some(transport) = &self.shared.transport {
            self.shared.guarded(|| transport.idle());
        }
        self.shared.health().storage = StorageState::Suspended;
    }

    /// Closes what is open. `next` takes its place.
    pub(super) fn close_storage(&mut self, next: Storage) {
        self.note_settled();
        // Before the lock is released, by which others know that this process lives.
        self.shared.recorder().journal().confirm_owner();
        self.storage.close(next);
    }

    /// Notes what the own directory's books know of the run.
    fn note_settled(&mut self) {
        if let Some(open) = self.storage.open()
            && let Some(settled) = Settled::in_books_of(&open.own, open.run, self.shared.recorder())
        {
            *self.shared.settled() = Some(settled);
        }
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
        self.note_settled();
        if let Some(Open { own, adopted, .. }) = self.storage.take_open() {
            drop(own);
            adopted.into_iter().for_each(Directory::close);
        }
    }
}
