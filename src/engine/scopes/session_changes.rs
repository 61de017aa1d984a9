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
use crate::engine::recorder::Open;
use crate::model::event::{Session, SessionChange};
use crate::model::names;
use crate::policy::session::{Death, EndReason, Persisted, Resumed, SessionState};

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

/// A change, and its event. The latter is `None` when it was not recorded, because sessions are no
/// events or this one is not sampled: the change has happened all the same.
#[derive(Debug, Clone, Copy)]
struct Uncertain {
    open: Option<Open>,
    change: Change,
}

/// What has ended and begun here and waits for the worker.
#[derive(Debug, Default)]
pub(super) struct SessionChanges {
    /// The first session that has ended since the worker came.
    end: Option<Uncertain>,
    start: Option<Uncertain>,
    /// Sessions that have begun here since.
    begun: Vec<Uuid>,
    /// Sessions of other processes that have ended here since.
    ended: Vec<Uuid>,
    /// The first session that has begun here since knows of none before it.
    is_first: bool,
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

    /// The session is another process's.
    pub(super) fn is_known(&mut self) {
        self.is_new = false;
    }

    /// Whether `other`, which another process has written down, came after the session that ended
    /// here, or before the first one that has begun here.
    fn came_between(&self, other: &Persisted) -> bool {
        let ended = self.end.map(|end| end.change.session);
        let is_later = ended.is_some_and(|ended| other.sequence > ended.sequence);
        let is_ended = ended.is_some_and(|ended| ended.id == other.id);
        (is_later || self.is_first) && !is_ended && !self.begun.contains(&other.id)
    }
}

impl Locked<'_> {
    /// Ends a session, whose scope is the recorder's current one.
    pub(super) fn end_session(&mut self, session: &SessionState, reason: EndReason, wall: u64) {
        let end = self.scopes.open_change(Change::end(session, reason, wall));
        self.note_end(end);
    }

    /// Ends a session of another process that this one goes past, until it is known who was first.
    pub(super) fn end_other(&mut self, other: &Persisted, reason: EndReason) {
        let end = self.scopes.open_end_of(other, reason);
        self.note_end(end);
    }

    fn note_end(&mut self, end: Uncertain) {
        let (scopes, id) = (self.scopes, end.change.session.id);
        let changes = &mut self.open.changes;
        // What was begun just now is true if it is what ends.
        if let Some(start) = changes.start.take() {
            let has_gone_on = start.change.session.id == id;
            scopes.settle_change(start, has_gone_on);
            if !has_gone_on {
                changes.ended.push(id);
            }
        }
        if changes.end.is_none() {
            changes.end = Some(end);
        } else {
            scopes.settle_change(end, true);
        }
    }

    /// Begins a session that is the current one already.
    pub(super) fn start_session(&mut self, previous: Option<Uuid>, reason: &'static str) {
        let session = self.open.session;
        let change = SessionChange::Start;
        let start = Change { change, session, previous, reason, wall: session.started_wall };
        let start = self.scopes.open_change(start);
        let changes = &mut self.open.changes;
        changes.is_first |= changes.begun.is_empty() && previous.is_none();
        (changes.start, changes.is_new) = (Some(start), true);
        changes.begun.push(session.id);
    }

    /// Makes the events final, or takes them back. The session's file held `before` when this
    /// process wrote to it, and holds `after` now; this process has followed both.
    pub(super) fn settle_session(&mut self, before: Option<&Persisted>, after: Option<&Persisted>) {
        let (scopes, current) = (self.scopes, self.open.session);
        // What another process has written since says more than what was there.
        let other = after.filter(|after| !self.open.changes.begun.contains(&after.id)).or(before);
        let between = other.filter(|other| self.open.changes.came_between(other));
        let SessionChanges { end, start, begun, ended, is_first, is_new } = std::mem::take(&mut self.open.changes);
        self.open.changes.is_new = is_new && after.is_none_or(|after| after.id != current.id);
        if let Some(end) = end {
            // Another process has written down what it dies of. It dies before it records that.
            let is_news = |death: Death| death.reason().name() != end.change.reason;
            match other.filter(|other| other.id == end.change.session.id) {
                Some(died) if died.death.is_some_and(is_news) => {
                    scopes.settle_change(end, false);
                    scopes.end_of(died, EndReason::Crash);
                }
                // Nobody else can have ended a session that no file has ever named.
                _ => scopes.settle_change(end, between.is_none() || begun.contains(&end.change.session.id)),
            }
        }
        let passed = between.filter(|other| other.id != current.id);
        if let Some(Uncertain { open, change }) = start {
            let passed = passed.map(|other| other.id);
            let previous = if is_first { change.previous.or(passed) } else { passed.or(change.previous) };
            let goes_on = change.session.id == current.id;
            let session = if goes_on { current } else { change.session };
            scopes.settle_change(Uncertain { open, change: Change { session, previous, ..change } }, goes_on);
        }
        if let Some(other) = passed.filter(|other| !ended.contains(&other.id)) {
            let now = scopes.recorder.boot();
            scopes.end_of(
                other,
                match other.resume(now, scopes.recorder.wall(now)) {
                    // Whether that process lives is not known here.
                    Resumed::Over(EndReason::ProcessDeath) => EndReason::InactivityTimeout,
                    Resumed::Over(reason) => reason,
                    Resumed::GoesOn(_) => EndReason::ExplicitStop,
                },
            );
        }
    }

    /// What has begun and ended is erased.
    pub(super) fn forget_changes(&mut self) {
        let SessionChanges { end, start, .. } = std::mem::take(&mut self.open.changes);
        [end, start].into_iter().flatten().for_each(|change| self.scopes.settle_change(change, false));
    }
}

impl Scopes {
    /// Opens the event, in the current scope.
    fn open_change(&self, change: Change) -> Uncertain {
        let open = if self.events { change.with(|event| self.recorder.open_own(event)) } else { None };
        Uncertain { open, change }
    }

    /// Opens the end of another process's session in that session's scope, if it is kept.
    fn open_end_of(&self, other: &Persisted, reason: EndReason) -> Uncertain {
        let (reason, wall) = other.death.map_or((reason, other.last_wall), |death| (death.reason(), death.wall));
        let change = Change::end(&other.session(), reason, wall);
        let is_kept = other.kept || self.recorder.keeps(other.id, self.session_rate());
        let moment = if self.events && is_kept { self.recorder.moment_of(other.id) } else { None };
        let open = moment.and_then(|moment| change.with(|event| self.recorder.open_kept(event, &moment)));
        Uncertain { open, change }
    }

    /// Records the end of another process's session.
    fn end_of(&self, other: &Persisted, reason: EndReason) {
        self.settle_change(self.open_end_of(other, reason), true);
    }

    fn settle_change(&self, Uncertain { open, change }: Uncertain, is_true: bool) {
        let Some(open) = open else { return };
        if is_true {
            change.with(|event| self.recorder.close(open, event));
        } else {
            self.recorder.discard(open);
        }
    }
}
