//! The session: when it begins and ends, whether it is kept, and what the next process must know.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::{Locked, Scopes};
use crate::engine::recorder::Recorder;
use crate::model::config::{Config, TailSampling};
use crate::model::limits::{ACTIVITY_GRAIN, DYING_TIME, SESSION_SAVE_EVERY};
use crate::model::names::words;
use crate::model::time::BootTime;
use crate::policy::session::{Death, EndReason, Persisted, Resumed, SessionState};
use crate::policy::trace::ContextStore;

/// What has been written down for the next process.
#[derive(Debug)]
pub(super) struct Saved {
    /// When the user was last active, boot time in ns.
    last_active: u64,
    /// Whether the session was known to be worth keeping.
    kept: bool,
    /// The session was known to have crashed.
    crashed: bool,
    /// The session has changed since.
    is_stale: bool,
    /// The client was shut down.
    closed: bool,
    /// The newest session of another process, if that is over and came after this one.
    passed: Option<Persisted>,
}

impl Saved {
    /// Nothing has been written down yet.
    pub(super) fn nothing() -> Self {
        Self { last_active: 0, kept: false, crashed: false, is_stale: true, closed: false, passed: None }
    }

    pub(super) fn note_shutdown(&mut self) {
        (self.is_stale, self.closed) = (true, true);
    }
}

impl Scopes {
    /// Begins a session, or goes on with the one that an earlier process wrote down. `rate` is the
    /// share of sessions that are kept. `is_alone` says whether no other process of the app lives.
    pub(crate) fn start(
        recorder: Recorder,
        config: &Config,
        rate: f64,
        earlier: Option<&Persisted>,
        is_alone: impl FnOnce() -> bool,
    ) -> Self {
        recorder.set_aside(config.tail_sampling.into());
        let (now, id) = (recorder.boot(), recorder.new_id());
        let wall = recorder.wall(now);
        let sequence = earlier.map_or(1, |earlier| earlier.sequence.saturating_add(1));
        let fresh = SessionState { id, sequence, started: now, started_wall: wall };
        let resumed = earlier.map(|earlier| earlier.resume(now, wall));
        let session = match resumed {
            Some(Resumed::GoesOn(session)) => session,
            _ => fresh,
        };
        let scopes = Self::new(recorder, config, rate, session, now);
        let mut locked = scopes.lock();
        if let (Some(earlier), Some(Resumed::Over(reason)), true) = (earlier, resumed, scopes.events) {
            // The session of an app that is suspended ended because the user had left.
            let has_died = reason != EndReason::ProcessDeath || is_alone();
            locked.end_earlier(earlier, if has_died { reason } else { EndReason::InactivityTimeout });
        }
        locked.write_scope();
        if earlier.is_some_and(|earlier| earlier.kept && earlier.id == session.id) {
            scopes.recorder.go_on_keeping();
        }
        if session.id == fresh.id {
            let previous = earlier.map(|earlier| earlier.id);
            locked.start_session(previous, words::SESSION_APP_LAUNCH);
        }
        locked.synthesize_view(words::VIEW_LAUNCH);
        drop(locked);
        scopes
    }

    /// The session's id.
    pub(crate) fn session_id(&self) -> Uuid {
        self.lock().open.session.id
    }

    /// Share of sessions that are kept, 0.0 to 1.0.
    pub(crate) fn session_rate(&self) -> f64 {
        f64::from_bits(self.session_rate.load(Ordering::Relaxed))
    }

    /// Changes the share, for this session too.
    pub(crate) fn set_session_rate(&self, rate: f64) {
        self.session_rate.store(rate.to_bits(), Ordering::Relaxed);
        self.recorder.set_session_rate(rate);
    }

    /// The rule about sessions that are kept aside.
    pub(crate) fn tail_sampling(&self) -> Option<TailSampling> {
        *self.tail_sampling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the rule, for this session too.
    pub(crate) fn set_tail_sampling(&self, rule: Option<TailSampling>) {
        *self.tail_sampling.lock().unwrap_or_else(PoisonError::into_inner) = rule;
        self.recorder.set_aside(rule.into());
        self.recorder.set_session_rate(self.session_rate());
    }

    /// Keeps the session, and sends what of it was kept aside, if the rule calls what has happened
    /// enough.
    pub(super) fn keep_session_if(&self, is_enough: impl FnOnce(&TailSampling) -> bool) {
        if self.tail_sampling().is_some_and(|rule| is_enough(&rule)) {
            self.recorder.keep_session();
        }
    }

    /// The user or the app reports a problem: the session is kept, whatever the rule asks for.
    pub(crate) fn report_problem(&self) {
        // The report itself would begin another session if this one is over, and that one is to be
        // kept.
        self.prepare(self.recorder.boot());
        self.keep_session_if(|_| true);
    }

    /// Notes that the user was active. Exact to a second, so that a burst of taps takes no lock.
    pub(super) fn touch(&self, now: BootTime) {
        let last = BootTime(self.last_active.load(Ordering::Relaxed));
        if now.since(last) > ACTIVITY_GRAIN {
            self.last_active.fetch_max(now.0, Ordering::Relaxed);
            let session = self.lock().open.session;
            self.set_deadline(&session, now);
        }
    }

    /// Notes when the session may be over, if the user was last active at `last`.
    fn set_deadline(&self, session: &SessionState, last: BootTime) {
        let deadline = session.deadline(last);
        let deadline = self.survived_from().map_or(deadline, |survived| survived.min(deadline));
        self.deadline.store(deadline.0, Ordering::Relaxed);
    }

    /// A language says that the process dies, so the session is over. Takes no lock: the thread
    /// that dies may hold it.
    pub(super) fn note_crash(&self, now: BootTime) {
        self.crashed.store(now.0.max(1), Ordering::Relaxed);
        self.deadline.fetch_min(now.after(DYING_TIME).0, Ordering::Relaxed);
    }

    /// When a language said that the process dies in this session.
    fn crashed(&self) -> Option<BootTime> {
        Some(BootTime(self.crashed.load(Ordering::Relaxed))).filter(|at| at.0 > 0)
    }

    /// From when on the process has survived that. Until then the session goes on, because one that
    /// has nothing but the last events of a death would be counted as one without a crash.
    fn survived_from(&self) -> Option<BootTime> {
        self.crashed().map(|at| at.after(DYING_TIME))
    }

    /// An earlier run is found to have ended this session by its death.
    pub(crate) fn end_died(&self, session: Uuid, death: Death) {
        let mut locked = self.lock();
        if locked.open.session.id == session {
            // A session with a crash is kept, under whichever rule.
            self.keep_session_if(|_| true);
            locked.renew_from(self.recorder.boot(), death.reason(), Some(death.wall));
        }
    }

    /// Ends the session if it is over, and begins the next.
    #[cold]
    pub(super) fn look_at_session(&self, now: BootTime) {
        self.lock().renew_if_over(now);
    }

    /// Ends the session and begins the next, because the app says so.
    pub(crate) fn renew_session(&self) {
        self.lock().renew(self.recorder.boot(), EndReason::ExplicitStop);
    }

    /// Goes on as another process of the app does, which has written this down: in its session, if
    /// that is newer than this one. Neither its start nor the end of this one is recorded, because
    /// the other process has done that.
    pub(crate) fn follow(&self, other: &Persisted) {
        let now = self.recorder.boot();
        let wall = self.recorder.wall(now);
        let last = BootTime(now.0.saturating_sub(wall.saturating_sub(other.last_wall)));
        let mut locked = self.lock();
        let own = locked.open.session;
        if own.id == other.id {
            // The user was active there, unless the clock was set back since.
            if other.last_wall <= wall {
                self.last_active.fetch_max(last.0, Ordering::Relaxed);
            }
            self.set_deadline(&own, BootTime(self.last_active.load(Ordering::Relaxed)));
            return;
        }
        if other.sequence < own.sequence {
            return;
        }
        match other.resume(now, wall) {
            Resumed::GoesOn(session) => {
                locked.go_over_to(session, now);
                self.last_active.store(last.0, Ordering::Relaxed);
                self.set_deadline(&session, last);
                if other.kept {
                    self.recorder.go_on_keeping();
                }
            }
            // What has begun here since is newer, whatever its number.
            Resumed::Over(_) if locked.open.changes.is_new() => locked.renumber(other.sequence.saturating_add(1)),
            Resumed::Over(_) => locked.open.saved.passed = Some(other.clone()),
        }
    }

    /// Begins a first session, as on a fresh installation: everything was erased.
    pub(crate) fn begin_anew(&self) {
        let now = self.recorder.boot();
        let wall = self.recorder.wall(now);
        let mut locked = self.lock();
        let session = SessionState { id: self.recorder.new_id(), sequence: 1, started: now, started_wall: wall };
        locked.forget_changes();
        locked.begin(session, now);
        (locked.open.saved.closed, locked.open.contexts) = (false, ContextStore::default());
        locked.open.saved.passed = None;
        locked.start_session(None, words::SESSION_APP_LAUNCH);
        locked.synthesize_view(words::VIEW_LAUNCH);
    }

    /// What has begun and ended is erased, before the journal begins anew.
    pub(crate) fn forget_session_changes(&self) {
        self.lock().forget_changes();
    }

    /// Whether the session's file has to be looked at: the session has changed, or the user was
    /// active since that was last written down. While the process is not about to end (`may_end`),
    /// activity is written down every 15 s.
    pub(crate) fn is_save_due(&self, now: BootTime, may_end: bool) -> bool {
        let locked = self.lock();
        let last = BootTime(locked.open.saved.last_active);
        !locked.open.changes.are_certain()
            || locked.has_changed()
            || (locked.is_behind() && (may_end || now.since(last) >= SESSION_SAVE_EVERY))
    }

    /// What the next process must know, if that has changed.
    pub(crate) fn to_save(&self) -> Option<Persisted> {
        let mut locked = self.lock();
        (locked.has_changed() || locked.is_behind()).then(|| locked.take_unsaved())
    }

    /// What the next process must know could not be written down.
    pub(crate) fn note_unsaved(&self) {
        self.lock().open.saved.is_stale = true;
    }

    /// Makes what has ended and begun here final, or takes back what another process was before
    /// in: the session's file held `before` when this process wrote to it, and holds `after` now.
    pub(crate) fn settle_session(&self, before: Option<&Persisted>, after: Option<&Persisted>) {
        after.iter().for_each(|after| self.follow(after));
        self.lock().settle_session(before, after);
    }
}

impl Locked<'_> {
    /// Ends an earlier process's session, under that session's own id.
    fn end_earlier(&mut self, earlier: &Persisted, reason: EndReason) {
        let scopes = self.scopes;
        scopes.recorder.set_scope(earlier.id, None, scopes.session_rate());
        // What a process died of releases the events that it kept aside.
        if earlier.kept || (earlier.death.is_some() && scopes.tail_sampling().is_some()) {
            scopes.recorder.go_on_keeping();
        }
        let ended = earlier.death.map_or(earlier.last_wall, |death| death.wall);
        self.end_session(&earlier.session(), reason, ended);
    }

    /// Gives the session a number above those of other processes.
    fn renumber(&mut self, sequence: u64) {
        self.open.session.sequence = sequence;
        self.open.saved.is_stale = true;
    }

    fn renew_if_over(&mut self, now: BootTime) {
        let last = BootTime(self.scopes.last_active.load(Ordering::Relaxed));
        let has_survived = self.scopes.survived_from().is_some_and(|from| now >= from);
        let survived = has_survived.then_some(EndReason::Crash);
        match survived.or_else(|| self.open.session.over(last, now)) {
            Some(reason) => self.renew(now, reason),
            None => self.scopes.set_deadline(&self.open.session, last),
        }
    }

    fn renew(&mut self, now: BootTime, reason: EndReason) {
        self.renew_from(now, reason, None);
    }

    /// The same, for a session that was over at the wall time `died`.
    fn renew_from(&mut self, now: BootTime, reason: EndReason, died: Option<u64>) {
        let (scopes, recorder) = (self.scopes, &self.scopes.recorder);
        let last = BootTime(scopes.last_active.load(Ordering::Relaxed));
        let old = self.open.session;
        // Whatever ends it now: it was over before.
        let reason = if scopes.crashed().is_some() { EndReason::Crash } else { reason };
        let started_wall = recorder.wall(now);
        // The end of this one was recorded by the process that began the other.
        let passed = self.open.saved.passed.take().filter(|other| other.sequence > old.sequence);
        let newest = passed.as_ref().map_or(old.sequence, |other| other.sequence);
        let next =
            SessionState { id: recorder.new_id(), sequence: newest.saturating_add(1), started: now, started_wall };
        let views = self.leave(now);
        if let Some(other) = &passed {
            self.end_other(other, other.death.map_or(EndReason::InactivityTimeout, Death::reason));
        } else {
            // Both may be long before this event: the end of the time of inactivity, and the crash.
            let ended = match reason {
                EndReason::InactivityTimeout => old.deadline(last),
                EndReason::Crash => scopes.crashed().unwrap_or(now),
                _ => now,
            };
            let ended = died.unwrap_or_else(|| recorder.wall(ended));
            self.end_session(&old, reason, ended);
        }
        self.begin(next, now);
        self.start_session(Some(passed.map_or(old.id, |other| other.id)), reason.name());
        self.show(views, now);
    }

    /// Goes over to a session that another process has begun.
    fn go_over_to(&mut self, session: SessionState, now: BootTime) {
        let views = self.leave(now);
        self.begin(session, now);
        self.open.changes.is_known();
        self.open.saved.is_stale = false;
        self.show(views, now);
    }

    /// Closes what is open in the session. Returns the names of the views.
    fn leave(&mut self, now: BootTime) -> Vec<String> {
        self.close_action(now);
        self.close_views(now)
    }

    /// What is on the screen is shown in the new session.
    fn show(&mut self, views: Vec<String>, now: BootTime) {
        for name in views {
            self.open_view(&name, now);
        }
    }

    /// Makes `session` the current one.
    fn begin(&mut self, session: SessionState, now: BootTime) {
        (self.open.session, self.open.saved.is_stale) = (session, true);
        self.scopes.last_active.store(now.0, Ordering::Relaxed);
        self.scopes.crashed.store(0, Ordering::Relaxed);
        self.scopes.set_deadline(&session, now);
        self.write_scope();
    }

    /// Whether something else has changed than when the user was last active.
    fn has_changed(&self) -> bool {
        let saved = &self.open.saved;
        saved.is_stale
            || self.scopes.recorder.has_happened() != saved.kept
            || self.scopes.crashed().is_some() != saved.crashed
    }

    /// Whether the user was active since.
    fn is_behind(&self) -> bool {
        self.scopes.last_active.load(Ordering::Relaxed) > self.open.saved.last_active
    }

    fn take_unsaved(&mut self) -> Persisted {
        let recorder = &self.scopes.recorder;
        let last_active = self.scopes.last_active.load(Ordering::Relaxed);
        let kept = recorder.has_happened();
        let death = self.scopes.crashed().map(|at| Death { is_hang: false, wall: recorder.wall(at) });
        let saved = &mut self.open.saved;
        (saved.last_active, saved.kept, saved.crashed, saved.is_stale) = (last_active, kept, death.is_some(), false);
        let closed = saved.closed;
        let SessionState { id, sequence, started_wall, .. } = self.open.session;
        let last_wall = recorder.wall(BootTime(last_active));
        Persisted { id, sequence, started_wall, last_wall, closed, kept, death }
    }
}
