//! Steps of recovery and of promotion, taken while the journal is drained in between.

use std::time::Duration;

use super::Worker;
use super::storage::Place;
use crate::model::config::Consent;

impl Worker<'_> {
    /// Takes one step of recovery in one directory. True when more is to do.
    pub(super) fn recover(&mut self) -> bool {
        let shared = self.shared;
        let Some(open) = self.storage.open() else { return false };
        let Some((place, directory)) = open.directories().find(|(_, directory)| directory.is_recovering()) else {
            return false;
        };
        match directory.recover(shared.recorder().redactor()) {
            Ok(()) => {
                // The start has found these itself, unless another process has died since or the
                // device was locked.
                for (session, death) in directory.take_ended_sessions() {
                    shared.scopes.end_died(session, death);
                }
                true
            }
            Err(error) => {
                self.directory_failed(place, error);
                false
            }
        }
    }

    /// Reads a damaged database to its end. Before that the books are not whole.
    pub(super) fn finish_salvage(&mut self) {
        let shared = self.shared;
        while self.storage.open().is_some_and(|open| !open.own.is_configured()) {
            self.drain();
            let Some(open) = self.storage.open() else { return };
            if let Err(error) = open.own.recover(shared.recorder().redactor()) {
                self.storage_failed(error);
                return;
            }
        }
    }

    /// Moves some of the events that were kept apart into the lanes, once the user has consented
    /// and all journals have been read. What an ended process kept aside is given up: nothing can
    /// happen any more in its sessions that would make them worth sending. True when more is to do.
    pub(super) fn promote(&mut self) -> bool {
        if self.shared.consent() != Consent::Granted {
            return false;
        }
        let Some(open) = self.storage.open() else { return false };
        let mut has_more = false;
        let mut failed = Vec::new();
        for (place, directory) in open.directories().filter(|(_, directory)| directory.is_configured()) {
            let given_up = match place {
                Place::Own => Ok(()),
                Place::Adopted(_) => {
                    directory.queue.set_aside_limits(0, Duration::ZERO);
                    directory.queue.expire_aside()
                }
            };
            match given_up.and_then(|()| directory.queue.promote()) {
                Ok(is_more) => has_more |= is_more,
                Err(error) => failed.push((place, error)),
            }
        }
        // From the last to the first, so that the other indices stay right.
        for (place, error) in failed.into_iter().rev() {
            self.directory_failed(place, error);
        }
        has_more
    }
}
