//! Erasing what was recorded, because the user or the app demands it.

use super::Worker;
use super::command::{Closing, Ending};
use super::storage::{Erased, Storage};
use crate::engine::directory::{Directory, erase_dir};
use crate::model::config::Consent;
use crate::storage::dirlock::DirLock;

impl Worker<'_> {
    /// Erases everything on the disk, and what is in the journal. The run goes on in new files,
    /// unless the user denied consent: then the worker ends.
    pub(super) fn erase(&mut self) {
        let (journal, scopes) = (self.shared.recorder().journal(), &self.shared.scopes);
        self.in_flight.clear();
        scopes.close();
        // The mapped file is erased with the directory. What is recorded meanwhile stays on the
        // heap.
        let counters = journal.counters();
        self.erased = Some(Erased { head: journal.skip(), counters });
        scopes.forget_totals();
        journal.stay_on_heap();
        match self.storage.take_open() {
            Some(open) => {
                open.adopted.into_iter().for_each(Directory::remove);
                open.own.erase();
            }
            None => match DirLock::acquire(&self.shared.config.data_dir) {
                Ok(lock) => erase_dir(lock.dir()),
                Err(error) => self.shared.debug.log(&format!("the directory could not be erased: {error}")),
            },
        }
        if self.shared.consent() == Consent::Denied {
            self.storage = Storage::Closed;
            self.closing = Some(Closing { ending: Ending::SwitchOff, reply: None });
            return;
        }
        if matches!(self.storage, Storage::Waiting { .. }) {
            self.storage = Storage::Opening;
        }
        self.shared.globals.renew_installation(self.shared.recorder(), &self.shared.config);
        scopes.begin_anew();
    }
}
