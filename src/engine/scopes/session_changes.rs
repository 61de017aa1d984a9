//! A session's end, and the start of the next, until they are certain.
//!
//! Of an app's processes, one may have ended the session long ago while another was idle. Which of
//! them was first stands in the session's file, and a thread of the app's does not read files. So
//! both events are open at first, where a kill cannot take them, and the worker makes them final or
//! takes them back.
//!
//! Who goes past a session that another process has begun ends it: that process takes its own end
//! back when it reads the file.

use uuid::Uuid;

use super::{Locked, Scopes};
use crate::engine::recorder::{Moment, Open};
use crate::model::event::{Session, SessionChange};
use crate::model::names;
use crate::policy::sampling::keep_session;
use crate::policy::session::{EndReason, Persisted, Resumed, SessionState};

/// The event of a session's start or end.
#[derive(Debug, Clone, Copy)]
struct Change {
    change: SessionChange,
    session: SessionState,
    previous: Option<Uuid>,
    reason: &'static str,
    /// When the session began or ended, wall time in ns.
    wall: u64,
}

impl Change {
    fn end(session: &SessionState, reason: EndReason, wall: u64) -> Self {
        Self { change: SessionChange::End, session: *session, previous: None, reason: reason.name(), wall }
    }

    fn with<R>(&self, write: impl FnOnce(&Session<'_>) -> R) -> R {
        let Self { change, session, previous, reason, wall } = self;
        let attributes = [(names::SESSION_SEQUENCE, (session.sequence as i64).into())];
        let mut event = Session::new(*change, session.id, reason).at(*wall).attributes(&attributes);
        event.previous = *previous;
        write(&event)
    }
}

/// What has ended and begun here and waits for the worker.
#[derive(Debug, Default)]
pub(super) struct SessionChanges {
    /// The first session that has ended since the worker came.
    end: Option<(Open, Change)>,
    start: Option<(Open, Change)>,
    /// Sessions of other processes that have ended here since.
    ended: Vec<Uuid>,
    /// The session has begun here and is not written down.
    is_new: bool,
}

impl SessionChanges {
    /// Whether the worker has been here since something changed.
    pub(super) fn are_certain(&self) -> bool {
        self.end.is_none() && self.start.is_none()
    }

    /// Whether the session has begun here, and no other process can know it.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The session has been written down, or is another process's.
    pub(super) fn is_known(&mut self) {
        self.is_new = false;
    }

    /// Whether `other`, which another process has written down, came after the session that ended
    /// here.
    fn came_between(&self, other: &Persisted) -> bool {
        let is_own = |change: &Option<(Open, Change)>| change.is_some_and(|(_, of)| of.session.id == other.id);
        let after = self.end.is_some_and(|(_, end)| other.sequence > end.session.sequence);
        after && !is_own(&self.end) && !is_own(&self.start)
    }
}

impl Locked<'_> {
    /// Ends a session, whose scope is the recorder's current one.
    pub(super) fn end_session(&mut self, session: &SessionState, reason: EndReason, wall: u64) {
        let end = self.scopes.open_change(Change::end(session, reason, wall), None);
        self.note_end(session, end);
    }

    /// Ends a session of another process that this one goes past, until it is known who was first.
    pub(super) fn end_other(&mut self, other: &Persisted, reason: EndReason) {
        let session = other.session();
        let end = self.scopes.open_end_of(other, reason);
        self.note_end(&session, end);
    }

    fn note_end(&mut self, session: &SessionState, end: Option<(Open, Change)>) {
        let scopes = self.scopes;
        let changes = &mut self.open.changes;
        // What was begun just now is true if it is what ends.
        if let Some((open, start)) = changes.start.take() {
            let has_gone_on = start.session.id == session.id;
            scopes.settle_change(open, &start, has_gone_on);
            if !has_gone_on {
                changes.ended.push(session.id);
            }
        }
        if changes.end.is_none() {
            changes.end = end;
        } else if let Some((open, end)) = end {
            scopes.settle_change(open, &end, true);
        }
    }

    /// Begins a session that is the current one already.
    pub(super) fn start_session(&mut self, previous: Option<Uuid>, reason: &'static str) {
        let session = self.open.session;
        let change = SessionChange::Start;
        let start = Change { change, session, previous, reason, wall: session.started_wall };
        let opened = self.scopes.open_change(start, None);
        (self.open.changes.start, self.open.changes.is_new) = (opened, true);
    }

    /// Makes the events final, or takes them back. `other` is what the session's file holds, and
    /// this process has followed it.
    pub(super) fn settle_session(&mut self, other: Option<&Persisted>) {
        let (scopes, current) = (self.scopes, self.open.session);
        let between = other.filter(|other| self.open.changes.came_between(other));
        let SessionChanges { end, start, ended, is_new } = std::mem::take(&mut self.open.changes);
        self.open.changes.is_new = is_new;
        if let Some((open, mut end)) = end {
            if let Some(death) = other.filter(|other| other.id == end.session.id).and_then(|other| other.death) {
                (end.reason, end.wall) = (death.reason().name(), death.wall);
            }
            scopes.settle_change(open, &end, between.is_none());
        }
        let passed = between.filter(|other| other.id != current.id);
        if let Some((open, start)) = start {
            let previous = passed.map(|other| other.id).or(start.previous);
            let goes_on = start.session.id == current.id;
            let session = if goes_on { current } else { start.session };
            scopes.settle_change(open, &Change { session, previous, ..start }, goes_on);
        }
        if let Some(other) = passed.filter(|other| !ended.contains(&other.id)) {
            let now = scopes.recorder.boot();
            let reason = match other.resume(now, scopes.recorder.wall(now)) {
                // Whether that process lives is not known here.
                Resumed::Over(EndReason::ProcessDeath) => EndReason::InactivityTimeout,
                Resumed::Over(reason) => reason,
                Resumed::GoesOn(_) => EndReason::ExplicitStop,
            };
            if let Some((open, end)) = scopes.open_end_of(other, reason) {
                scopes.settle_change(open, &end, true);
            }
        }
    }

    /// What has begun and ended is erased.
    pub(super) fn forget_changes(&mut self) {
        let SessionChanges { end, start, .. } = std::mem::take(&mut self.open.changes);
        for (open, change) in [end, start].into_iter().flatten() {
            self.scopes.settle_change(open, &change, false);
        }
    }
}

impl Scopes {
    /// Opens the event, if sessions are events: in the current scope, or in that of a moment.
    fn open_change(&self, change: Change, moment: Option<&Moment>) -> Option<(Open, Change)> {
        if !self.events {
            return None;
        }
        let open = change.with(|event| match moment {
            Some(moment) => self.recorder.open_begun(event, moment).map(|(open, _)| open),
            None => self.recorder.open_own(event),
        })?;
        Some((open, change))
    }

    /// Opens the end of another process's session, if that is kept.
    fn open_end_of(&self, other: &Persisted, reason: EndReason) -> Option<(Open, Change)> {
        if !other.kept && !keep_session(other.id, self.session_rate()) {
            return None;
        }
        let wall = other.death.map_or(other.last_wall, |death| death.wall);
        self.open_change(Change::end(&other.session(), reason, wall), self.recorder.moment_of(other.id).as_ref())
    }

    fn settle_change(&self, open: Open, change: &Change, is_true: bool) {
        if is_true {
            change.with(|event| self.recorder.close(open, event));
        } else {
            self.recorder.discard(open);
        }
    }
}
