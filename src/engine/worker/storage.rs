//! Opening, draining, recovering, and what follows from a storage error.

use std::time::{Duration, Instant};

use super::{Closing, Ending, REOPEN_AFTER, Worker};
use crate::engine::directory::{Directory, erase_dir};
use crate::model::config::Consent;
use crate::model::limits::{
    BUSY_TICK, JOURNAL_PREFAULT_BYTES, JOURNAL_WAKE_BYTES, MAX_DRAIN_BYTES, MAX_DRAIN_EVENTS, TICK,
};
use crate::storage::dirlock::{self, DirLock};
use crate::storage::health::StorageState;
use crate::storage::journal::JournalMode;
use crate::storage::queue::QueueError;

impl Worker<'_> {
    /// Locks the directory, opens the queue, maps the journal.
    pub(super) fn open_if_due(&mut self) {
        if self.main.is_some() || self.suspended || self.reopen_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        match self.open() {
            Ok(()) => {
                self.reopen_at = None;
                self.reopen_after = REOPEN_AFTER;
                self.shared.health().storage = StorageState::Open;
            }
            Err(error) => self.storage_failed(error),
        }
    }

    fn open(&mut self) -> Result<(), QueueError> {
        let shared = self.shared;
        let locked = |error: std::io::Error| QueueError::Locked(error.to_string());
        let lock = DirLock::acquire(&shared.config.data_dir).map_err(locked)?;
        let journal = shared.recorder().journal();
        // The journal first: until it is mapped, a kill loses what was recorded.
        if matches!(journal.mode(), JournalMode::Starting | JournalMode::Heap) {
            let runs = lock.dir().join("runs");
            std::fs::create_dir_all(&runs).map_err(locked)?;
            let path = runs.join(crate::storage::journal::run_file::file_name(journal.start().key));
            let _ = std::fs::remove_file(&path);
            if let Err(error) = journal.map(&path) {
                shared.debug.log(&format!("the journal stays on the heap: {error}"));
            }
        }
        let is_main = lock.is_main(&shared.config.data_dir);
        let mut store = Directory::open(lock, &shared.config, &shared.clock, Some(journal.start().key))?;
        if let Some(reason) = &store.opened.set_aside {
            shared.debug.log(&format!("the database was set aside ({reason})"));
            shared.health().set_aside = Some(reason.clone());
        }
        self.run = store.enter_run(journal.start())?;
        self.begin_run(&mut store)?;
        store.uploader.set_conditions(self.conditions);
        store.uploader.set_flush(!self.flushes.is_empty());
        let _ = store.queue.expire();
        self.main = Some(store);
        self.apply_keep_rule();
        self.dirty = true;
        self.next_drain = Some(Instant::now());
        if is_main && !shared.config.destinations.is_empty() {
            for lock in dirlock::orphans(&shared.config.data_dir) {
                match Directory::open(lock, &shared.config, &shared.clock, None) {
                    Ok(store) => self.adopted.push(store),
                    Err(error) => shared.debug.log(&format!("an orphaned directory could not be adopted: {error}")),
                }
            }
        }
        Ok(())
    }

    /// After an erasure the run's records begin in the middle of its journal.
    fn begin_run(&mut self, store: &mut Directory) -> Result<(), QueueError> {
        store.queue.set_consent(self.shared.consent());
        match self.erased_to.take() {
            Some(head) => store.queue.begin_run_at(self.run, head, &self.erased_counters),
            None => Ok(()),
        }
    }

    /// The rule's limits, for the queue. Without a rule nothing is kept aside.
    pub(super) fn apply_keep_rule(&mut self) {
        let rule = self.shared.scopes.tail_sampling();
        let (bytes, window) = rule.map_or((0, Duration::ZERO), |rule| (rule.bytes, rule.window));
        if let Some(store) = &mut self.main {
            store.queue.set_aside_limits(bytes, window);
            let _ = store.queue.expire_aside();
        }
    }

    /// Moves a step of what was kept apart into the lanes, once the user has consented and all journals have been read. What dead
    /// siblings kept aside is given up: nobody is left to whom something could happen. True when more is to do.
    pub(super) fn promote(&mut self) -> bool {
        if self.shared.consent() != Consent::Granted {
            return false;
        }
        let main = usize::from(self.main.is_some());
        let mut more = false;
        let mut failed = Vec::new();
        for (at, store) in self.main.iter_mut().chain(&mut self.adopted).enumerate() {
            if !store.is_configured() {
                continue;
            }
            let given_up = if at < main {
                Ok(())
            } else {
                store.queue.set_aside_limits(0, Duration::ZERO);
                store.queue.expire_aside()
            };
            match given_up.and_then(|()| store.queue.promote()) {
                Ok(is_more) => more |= is_more,
                Err(error) => failed.push((at, error)),
            }
        }
        for (at, error) in failed.into_iter().rev() {
            self.recovery_failed(at, error);
        }
        more
    }

    /// Erases everything on the disk, and what waits in the journal. The run goes on in new files.
    pub(super) fn erase(&mut self) {
        let (journal, scopes) = (self.shared.recorder().journal(), &self.shared.scopes);
        self.in_flight = None;
        scopes.close();
        for store in self.adopted.drain(..) {
            store.remove();
        }
        // The mapped file goes with the directory; what is recorded meanwhile stays on the heap.
        self.erased_counters = journal.counters();
        self.erased_to = Some(journal.skip());
        journal.stay_on_heap();
        match self.main.take() {
            Some(store) => store.erase(),
            None => match DirLock::acquire(&self.shared.config.data_dir) {
                Ok(lock) => erase_dir(lock.dir()),
                Err(error) => self.shared.debug.log(&format!("nothing could be erased: {error}")),
            },
        }
        if self.shared.consent() == Consent::Denied {
            // Nothing more is to be done: the thread ends.
            self.reopen_at = None;
            self.closing = Some(Closing { ending: Ending::SwitchOff, reply: None });
            return;
        }
        self.shared.globals.renew_installation(self.shared.recorder(), &self.shared.config);
        scopes.begin_anew();
        self.reopen_at = Some(Instant::now());
    }

    /// A storage error: damage climbs the ladder, a full disk makes room, everything else waits.
    pub(super) fn storage_failed(&mut self, error: QueueError) {
        self.shared.debug.log(&format!("storage: {error}"));
        let again = match error {
            QueueError::Corrupt(reason) => {
                match self.main.take().map(|store| store.rebuild(&self.shared.config, reason)) {
                    Some(Ok(mut store)) => {
                        store.queue.set_consent(self.shared.consent());
                        let entered = store.enter_run(self.shared.recorder().journal().start());
                        self.shared.health().set_aside = store.opened.set_aside.clone();
                        store.uploader.set_conditions(self.conditions);
                        self.main = Some(store);
                        self.apply_keep_rule();
                        match entered {
                            Ok(run) => {
                                self.run = run;
                                self.next_drain = Some(Instant::now());
                                return;
                            }
                            Err(error) => StorageState::Locked(error.to_string()),
                        }
                    }
                    Some(Err(error)) => StorageState::Locked(error.to_string()),
                    None => StorageState::Locked("damaged".to_owned()),
                }
            }
            QueueError::Full => {
                match self.main.as_mut().map(|store| store.queue.make_room()) {
                    Some(Ok(())) => self.next_drain = Some(Instant::now() + TICK),
                    Some(Err(damage @ QueueError::Corrupt(_))) => return self.storage_failed(damage),
                    _ => {}
                }
                StorageState::Full
            }
            other => {
                self.main = None;
                StorageState::Locked(other.to_string())
            }
        };
        if self.main.is_none() {
            self.in_flight = None;
            let journal = self.shared.recorder().journal();
            if journal.mode() == JournalMode::Starting {
                journal.stay_on_heap();
            }
        }
        self.shared.health().storage = again;
        self.reopen_at = Some(Instant::now() + self.reopen_after);
        self.reopen_after = (self.reopen_after * 2).min(Duration::from_secs(60));
    }

    pub(super) fn woken(&mut self) {
        let now = Instant::now();
        let journal = self.shared.recorder().journal();
        let urgent = journal.take_urgent() || journal.waiting() >= JOURNAL_WAKE_BYTES;
        if urgent || !self.flushes.is_empty() {
            self.next_drain = Some(now);
        } else if self.next_drain.is_none() {
            self.next_drain = Some(now + TICK);
        }
        self.dirty = true;
    }

    /// Drains one step if the tick is due. True when more waits.
    pub(super) fn drain_if_due(&mut self) -> bool {
        if self.next_drain.is_none_or(|at| at > Instant::now()) && !(self.closing.is_some() && self.dirty) {
            return false;
        }
        self.drain()
    }

    pub(super) fn drain(&mut self) -> bool {
        let journal = self.shared.recorder().journal();
        let Some(store) = &mut self.main else {
            self.next_drain = None;
            self.dirty = journal.waiting() > 0;
            return false;
        };
        journal.take_busy();
        let waiting = journal.waiting();
        match store.queue.absorb(self.run, journal, MAX_DRAIN_EVENTS, MAX_DRAIN_BYTES) {
            Ok(absorbed) => {
                journal.advance(absorbed.to);
                self.dirty = absorbed.records > 0;
                if self.dirty {
                    self.shared.recorder().refresh_clock();
                    let busy = waiting > (JOURNAL_PREFAULT_BYTES / 4) as u64;
                    self.next_drain = Some(Instant::now() + if busy { BUSY_TICK } else { TICK });
                    if self.shared.health().storage == StorageState::Full {
                        self.shared.health().storage = StorageState::Open;
                    }
                } else {
                    self.next_drain = None;
                }
                if absorbed.more {
                    self.next_drain = Some(Instant::now());
                }
                absorbed.more
            }
            Err(error) => {
                self.next_drain = Some(Instant::now() + Duration::from_secs(1));
                self.storage_failed(error);
                false
            }
        }
    }

    /// Books are only whole when a damaged database has been read to its end.
    pub(super) fn finish_salvage(&mut self) {
        while self.main.as_ref().is_some_and(|store| !store.is_configured()) {
            self.drain();
            let Some(store) = &mut self.main else { return };
            if let Err(error) = store.recover() {
                self.storage_failed(error);
                return;
            }
        }
    }

    /// One step of recovery of one store. True when more is to do.
    pub(super) fn recover(&mut self) -> bool {
        let mut stores = self.main.iter_mut().chain(&mut self.adopted).enumerate();
        let Some((at, store)) = stores.find(|(_, store)| store.is_recovering()) else { return false };
        match store.recover() {
            Ok(()) => return true,
            Err(error) => self.recovery_failed(at, error),
        }
        false
    }

    /// The store at this place, the process's own first, could not be worked on.
    fn recovery_failed(&mut self, at: usize, error: QueueError) {
        match at.checked_sub(usize::from(self.main.is_some())) {
            None => self.storage_failed(error),
            // The process's own database is whole: an adopted one is tried again at the next start.
            Some(at) => {
                self.shared.debug.log(&format!("recovering an orphaned directory: {error}"));
                self.adopted.remove(at).close();
            }
        }
    }
}
