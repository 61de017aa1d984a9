//! Erasing what was recorded, because the user or the app demands it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::command::{Closing, Ending};
use super::settled::Settled;
use super::storage::{Storage, home};
use super::{Shared, Worker};
use crate::engine::directory::{Directory, erase_dir, erase_others, erase_shared, owe_erasure, owes_erasure};
use crate::model::config::Consent;
use crate::storage::dirlock::DirLock;

/// Erases everything while no worker runs. It waits for one that is about to end, and no other
/// begins meanwhile.
pub(crate) fn erase_without_worker(shared: &Arc<Shared>) -> bool {
    // Should the worker never end, whoever opens the directory next erases it.
    if let Some(home) = home(shared) {
        let _ = owe_erasure(&home);
    }
    let _alone = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
    Worker::new(shared).erase()
}

impl Worker<'_> {
    /// Erases everything on the disk, and what is in the journal. The run goes on in new files,
    /// unless the user denied consent: then the worker ends. False when something could not be
    /// erased now, which is then erased before anything of it is sent.
    pub(super) fn erase(&mut self) -> bool {
        let home = home(self.shared);
        self.forget_recorded();
        erase_shared(&self.shared.config.data_dir);
        let own = self.storage.take_open().map(|open| {
            // They are erased with the others that belong to nobody.
            open.adopted.into_iter().for_each(Directory::close);
            open.own
        });
        // The others first: until they are told, they may send.
        let dir = own.as_ref().map_or(home.clone(), |own| Some(own.dir().to_owned()));
        let mut is_erased = erase_others(&self.shared.config.data_dir, dir.as_deref());
        // One of them may have written its session down before it was told.
        erase_shared(&self.shared.config.data_dir);
        is_erased &= match own {
            Some(own) => own.erase(),
            None => home.is_none_or(|home| self.erase_closed(&home)),
        };
        if !is_erased {
            self.shared.debug.log("not everything could be erased; the rest is erased before it is sent");
        }
        if self.shared.consent() == Consent::Denied {
            self.storage = Storage::Closed;
            self.closing = Some(Closing { ending: Ending::SwitchOff, reply: None });
            return is_erased;
        }
        if matches!(self.storage, Storage::Waiting { .. }) {
            self.storage = Storage::Opening;
        }
        if self.shared.lifecycle.is_on() {
            self.shared.begin_anew();
        } else {
            // Nothing is recorded while the client is off, not even the start of a session.
            self.shared.begins_anew.store(true, Ordering::Release);
        }
        is_erased
    }

    /// Erases the own directory while it is not open.
    fn erase_closed(&self, dir: &Path) -> bool {
        match DirLock::try_lock(dir) {
            Ok(Some(lock)) => erase_dir(lock.dir()),
            _ => {
                let _ = owe_erasure(dir);
                false
            }
        }
    }

    /// Does what another process was told: to erase everything, this process's directory included,
    /// and those that it has adopted. That process may have found them one after the other.
    pub(super) fn obey_erasure(&mut self) {
        if let Some(open) = self.storage.open() {
            for owed in open.adopted.extract_if(.., |adopted| owes_erasure(adopted.dir())) {
                self.in_flight.retain(|request| !request.is_from(owed.dir()));
                owed.erase();
            }
        }
        let is_owed = self.storage.open().is_some_and(|open| owes_erasure(open.own.dir()));
        if is_owed {
            self.shared.debug.log("another process has been told to erase everything");
            self.forget_recorded();
            if let Some(open) = self.storage.take_open() {
                open.adopted.into_iter().for_each(Directory::close);
                open.own.erase();
            }
            self.begin_anew_with_others();
            self.open_if_due();
        }
    }

    /// Forgets what is in memory, and what the journal holds. What is recorded meanwhile stays on
    /// the heap, because the mapped file is erased with its directory.
    pub(super) fn forget_recorded(&mut self) {
        let (journal, scopes) = (self.shared.recorder().journal(), &self.shared.scopes);
        self.in_flight.clear();
        self.shared.recorder().crash().end();
        scopes.close();
        scopes.forget_session_changes();
        let counters = journal.counters();
        *self.shared.settled() = Some(Settled { dir: None, head: journal.skip(), counters, contexts: Vec::new() });
        scopes.forget_totals();
        journal.stay_on_heap();
    }

    /// Begins anew after another process has erased everything: with the installation that it has
    /// begun.
    pub(super) fn begin_anew_with_others(&mut self) {
        let (recorder, config) = (self.shared.recorder(), &self.shared.config);
        self.shared.globals.forget_installation(recorder, config);
        self.shared.globals.find_installation(recorder, config);
        self.shared.scopes.begin_anew();
    }
}
