//! A session's end, and the start of the next, until they are certain.
//!
//! Of an app's processes, one may have ended the session long ago while another was idle. Which of
//! them was first stands in the session's file, and a thread of the app's does not read files. So
//! both events are open at first, where a kill cannot take them, and the worker makes them final or
//! takes them back.

use uuid::Uuid;

use super::Scopes;
use crate::engine::recorder::Open;
use crate::model::event::{Session, SessionChange};
use crate::model::names;
use crate::policy::session::{Persisted, SessionState};

/// One of the two events, as it was opened.
#[derive(Debug)]
struct Uncertain {
    open: Open,
    change: SessionChange,
    session: SessionState,
    previous: Option<Uuid>,
    reason: &'static str,
    /// When the session began or ended, wall time in ns.
    wall: u64,
}

/// The events that wait for the worker. Two at most: those that waited before are final when others
/// come.
#[derive(Debug, Default)]
pub(super) struct SessionChanges {
    end: Option<Uncertain>,
    start: Option<Uncertain>,
}

impl SessionChanges {
    pub(super) fn are_certain(&self) -> bool {
        self.end.is_none() && self.start.is_none()
    }
}

impl Scopes {
    /// Opens the event of a session's end, if sessions are events. Its scope is the recorder's
    /// current one.
    pub(super) fn open_session_end(
        &self,
        changes: &mut SessionChanges,
        session: &SessionState,
        reason: &'static str,
        wall: u64,
    ) {
        changes.end = self.open_change(SessionChange::End, session, None, reason, wall);
    }

    /// Opens the event of a session's start, if sessions are events.
    pub(super) fn open_session_start(
        &self,
        changes: &mut SessionChanges,
        session: &SessionState,
        previous: Option<Uuid>,
        reason: &'static str,
    ) {
        changes.start = self.open_change(SessionChange::Start, session, previous, reason, session.started_wall);
    }

    fn open_change(
        &self,
        change: SessionChange,
        session: &SessionState,
        previous: Option<Uuid>,
        reason: &'static str,
        wall: u64,
    ) -> Option<Uncertain> {
        let write = |event: &Session<'_>| self.recorder.open_own(event);
        let open = self.events.then(|| with_event(change, session, previous, reason, wall, write))??;
        Some(Uncertain { open, change, session: *session, previous, reason, wall })
    }

    /// Makes the events final, or takes them back if `other`, which a process of the app has
    /// written down, is of a session after the one that has ended. `current` is the session that
    /// goes on.
    pub(super) fn make_certain(&self, changes: &mut SessionChanges, other: Option<&Persisted>, current: &SessionState) {
        if let Some(mut end) = changes.end.take() {
            let is_over = other.is_some_and(|other| other.sequence > end.session.sequence);
            if let Some(death) = other.filter(|other| other.id == end.session.id).and_then(|other| other.death) {
                (end.reason, end.wall) = (death.reason().name(), death.wall);
            }
            self.settle_change(&end, !is_over);
        }
        if let Some(start) = changes.start.take() {
            let goes_on = start.session.id == current.id;
            let session = if goes_on { *current } else { start.session };
            self.settle_change(&Uncertain { session, ..start }, goes_on);
        }
    }

    fn settle_change(&self, uncertain: &Uncertain, is_true: bool) {
        let Uncertain { open, change, session, previous, reason, wall } = uncertain;
        if is_true {
            with_event(*change, session, *previous, reason, *wall, |event| self.recorder.close(*open, event));
        } else {
            self.recorder.discard(*open);
        }
    }
}

fn with_event<R>(
    change: SessionChange,
    session: &SessionState,
    previous: Option<Uuid>,
    reason: &str,
    wall: u64,
    write: impl FnOnce(&Session<'_>) -> R,
) -> R {
    let attributes = [(names::SESSION_SEQUENCE, (session.sequence as i64).into())];
    let mut event = Session::new(change, session.id, reason).at(wall).attributes(&attributes);
    event.previous = previous;
    write(&event)
}
