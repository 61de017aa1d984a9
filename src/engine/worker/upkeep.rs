//! What the worker does beside draining and uploading: closing what has settled in the scopes,
//! writing session and installation down, and housekeeping in the database.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::storage::{Place, home};
use super::{Shared, Worker};
use crate::engine::directory::owes_erasure;
use crate::engine::recorder::Recorder;
use crate::engine::recorder::Versions;
use crate::model::config::Consent;
use crate::model::limits::{CLEAN_UP_EVERY, KEPT_CONTEXTS, MANUAL_TICK, SESSION_SAVE_EVERY};
use crate::model::time::Clock;
use crate::storage::queue::{Live, QueueError};
use crate::storage::session_file;

impl Worker<'_> {
    /// Closes what has settled in the scopes, and writes session and installation down. Returns
    /// when to do it again.
    pub(super) fn tick_scopes(&mut self) -> Option<Instant> {
        let scopes = &self.shared.scopes;
        let now = self.shared.recorder().boot();
        let next = scopes.tick(now);
        self.keep_session();
        if self.shared.consent() != Consent::Denied {
            self.keep_installation();
        }
        let manual = matches!(self.shared.clock, Clock::Manual(_));
        next.map(|at| Instant::now() + if manual { MANUAL_TICK } else { at.since(now) })
    }

    /// Writes the session down if that is due, and goes over to that of another process. What has
    /// ended and begun here becomes final.
    pub(super) fn keep_session(&mut self) {
        let shared = self.shared;
        let scopes = &shared.scopes;
        // Once the user has denied consent, nothing is written any more.
        if self.shared.consent() == Consent::Denied {
            return;
        }
        let is_suspended = self.shared.is_suspended.load(Ordering::Relaxed);
        let may_end = self.closing.is_some() || is_suspended || !self.conditions.foreground;
        // A disk that is full is not tried at every turn.
        if self.session_failed.is_some_and(|at| may_end || at.elapsed() >= SESSION_SAVE_EVERY) {
            self.session_failed = None;
            scopes.note_unsaved();
        }
        if !scopes.is_save_due(self.shared.recorder().boot(), may_end) {
            return;
        }
        let data_dir = &shared.config.data_dir;
        // Another process has been told to erase everything: nothing of before may come back.
        if home(self.shared).is_some_and(|home| owes_erasure(&home)) {
            return;
        }
        let before = match session_file::load(data_dir) {
            Ok(before) => before,
            // The device is locked: what is in the file is seen later.
            Err(_) if !self.storage.is_open() && !is_suspended => return,
            Err(_) => None,
        };
        before.iter().for_each(|other| scopes.follow(other));
        let wall = shared.recorder().wall(shared.recorder().boot());
        let save = |session| session_file::save(data_dir, &session, before.as_ref(), wall);
        if let Some(Err(error)) = scopes.to_save().map(save) {
            self.session_failed = Some(Instant::now());
            shared.debug.log(&format!("the session could not be saved: {error}"));
        }
        // The file says who was first, unless another process replaces it in this very moment.
        scopes.settle_session(before.as_ref(), session_file::load(data_dir).ok().flatten().as_ref());
    }

    /// Writes the installation down if it is new. Looks for it if it could not be read before.
    fn keep_installation(&self) {
        let (config, globals) = (&self.shared.config, &self.shared.globals);
        if self.storage.is_open() {
            // The device is unlocked if the database could be read, so the installation can be too.
            globals.find_installation(self.shared.recorder(), config);
        }
        if let Err(error) = globals.save_installation(self.shared.recorder(), config) {
            self.shared.debug.log(&format!("the installation could not be saved: {error}"));
        }
    }

    /// Looks at what other processes of the app have written down: they may have gone on to another
    /// session, or begun another installation.
    pub(super) fn follow_others(&self) {
        let Shared { config, globals, scopes, .. } = &**self.shared;
        if self.shared.consent() == Consent::Denied {
            return;
        }
        if let Ok(Some(other)) = session_file::load(&config.data_dir) {
            scopes.follow(&other);
        }
        globals.follow_installation(self.shared.recorder(), config);
    }

    /// Records the metrics' points, so that they go with what is sent now.
    pub(super) fn collect_metrics(&self) {
        self.shared.scopes.collect_metrics();
    }

    /// Forgets contexts of this run that no event refers to any more, when there are many of them
    /// and nothing is queued, so that this costs little.
    pub(super) fn prune_contexts(&mut self) {
        let Versions { context, scope } = self.shared.recorder().versions();
        let newest = context.max(scope);
        if newest < self.pruned_to + 2 * KEPT_CONTEXTS || self.shared.recorder().journal().waiting() > 0 {
            return;
        }
        let Some(open) = self.storage.open() else { return };
        if open.own.queue.depth().iter().all(|lane| lane.rows < u64::from(KEPT_CONTEXTS)) {
            self.pruned_to = newest;
            self.sweep_contexts(Place::Own);
        }
    }

    /// Forgets contexts that no event refers to any more where many have come.
    pub(super) fn sweep_if_due(&mut self) {
        let Some(open) = self.storage.open() else { return };
        let due = open.directories().find(|(_, directory)| directory.queue.is_sweep_due());
        if let Some((place, _)) = due {
            self.sweep_contexts(place);
        }
    }

    fn sweep_contexts(&mut self, place: Place) {
        let recorder: &Recorder = self.shared.recorder();
        // What has begun is read before the journal: what ends in between has its record there.
        let Versions { context, scope } = recorder.versions();
        let begun = recorder.versions_in_use();
        let Some(open) = self.storage.open() else { return };
        let run = open.run;
        let live = Live { run, journal: recorder.journal(), newest: context.max(scope), begun: &begun };
        let live = Some(live).filter(|_| place == Place::Own);
        let found = open.directories().find(|(at, _)| *at == place);
        let swept = found.map_or(Ok(()), |(_, directory)| directory.queue.sweep_contexts(live.as_ref()));
        match swept {
            // No event waits for this, so none is evicted for it. A drain that finds the disk full
            // makes room.
            Ok(()) | Err(QueueError::Full) => {}
            Err(error) => self.directory_failed(place, error),
        }
    }

    /// Keeps the database small. At most once in [`CLEAN_UP_EVERY`], when nothing else is to do.
    pub(super) fn clean_up(&mut self) {
        let now = Instant::now();
        if self.cleaned_up.is_some_and(|last| now - last < CLEAN_UP_EVERY) {
            return;
        }
        self.cleaned_up = Some(now);
        self.keep_journal();
        self.adopt();
        self.shared.globals.follow_installation(self.shared.recorder(), &self.shared.config);
        if let Some(open) = self.storage.open() {
            let queue = &mut open.own.queue;
            // What fails now is done the next time.
            let _ = queue.expire_aside();
            let _ = queue.expire();
            let _ = queue.expire_pending();
            let _ = queue.forget_old_runs(open.run);
            let _ = queue.vacuum();
            let _ = queue.checkpoint();
            queue.arm_ballast();
        }
    }
}
