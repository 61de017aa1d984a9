//! From the journal to the database.

use std::time::{Duration, Instant};

use super::Worker;
use crate::model::limits::{
    BUSY_TICK, DRAIN_AGAIN_AFTER, JOURNAL_PREFAULT_BYTES, JOURNAL_WAKE_BYTES, MAX_DRAIN_BYTES, MAX_DRAIN_EVENTS, TICK,
};
use crate::storage::health::StorageState;

impl Worker<'_> {
    /// The recorder has woken the worker.
    pub(super) fn woken(&mut self) {
        let journal = self.shared.recorder().journal();
        if journal.waiting() == 0 {
            // Something has to be looked at later, and nothing has to be drained. The next append
            // must wake the worker, so the flag is taken before the journal is looked at again.
            journal.take_busy();
            if journal.waiting() == 0 && self.flushes.is_empty() {
                return;
            }
        }
        let is_urgent = journal.take_urgent() || journal.waiting() >= JOURNAL_WAKE_BYTES;
        if is_urgent || !self.flushes.is_empty() {
            self.drain_now();
        } else {
            self.next_drain.get_or_insert_with(|| Instant::now() + TICK);
        }
        self.dirty = true;
    }

    /// Makes a drain due.
    pub(super) fn drain_now(&mut self) {
        self.next_drain = Some(Instant::now());
    }

    /// Drains one step if it is due. True when more is to drain.
    pub(super) fn drain_if_due(&mut self) -> bool {
        let is_due = self.next_drain.is_some_and(|at| at <= Instant::now());
        let is_last = self.closing.is_some() && self.dirty;
        (is_due || is_last) && self.drain()
    }

    /// Drains everything that was recorded before this call.
    pub(super) fn drain_all(&mut self) {
        // Not what is appended meanwhile: an app that records without a pause must not keep the
        // worker here.
        let journal = self.shared.recorder().journal();
        let to = journal.appended_to();
        while self.drain() && journal.drained_to() < to {}
    }

    /// Drains one step: what fits into one short transaction. True when more is to drain.
    pub(super) fn drain(&mut self) -> bool {
        self.follow_clock();
        let journal = self.shared.recorder().journal();
        let Some(open) = self.storage.open() else {
            self.next_drain = None;
            self.dirty = journal.waiting() > 0;
            return false;
        };
        journal.take_busy();
        let waiting = journal.waiting();
        let absorbed = match open.own.queue.absorb(open.run, journal, MAX_DRAIN_EVENTS, MAX_DRAIN_BYTES) {
            Ok(absorbed) => absorbed,
            Err(error) => {
                self.next_drain = Some(Instant::now() + DRAIN_AGAIN_AFTER);
                self.storage_failed(error);
                return false;
            }
        };
        journal.advance(absorbed.to);
        self.dirty = absorbed.records > 0;
        if self.dirty {
            self.shared.recorder().refresh_clock();
            self.shared.recorder().crash().look_around();
            let mut health = self.shared.health();
            if health.storage == StorageState::Full {
                health.storage = StorageState::Open;
            }
        }
        let is_busy = waiting > (JOURNAL_PREFAULT_BYTES / 4) as u64;
        let pause = match (absorbed.more, self.dirty) {
            (true, _) => Some(Duration::ZERO),
            (false, true) => Some(if is_busy { BUSY_TICK } else { TICK }),
            (false, false) => None,
        };
        self.next_drain = pause.map(|pause| Instant::now() + pause);
        absorbed.more
    }
}
