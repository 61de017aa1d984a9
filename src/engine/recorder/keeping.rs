//! What becomes of the events of the current session: whether they are kept, kept aside, or
//! refused.
//!
//! A session is kept when it is of the sampled share. With tail sampling, the events of one that is
//! not are kept aside, and the session is kept from the moment on at which something happens in it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::model::config::TailSampling;
use crate::model::event::{Event, EventKind, Lane};
use crate::policy::sampling;

/// The current session is kept.
const KEPT: u8 = 1;
/// The events of a session that is not kept are kept aside.
const ASIDE: u8 = 2;
/// No session is kept before something happens in it.
const ALL: u8 = 4;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is sent.
    Keep,
    /// It is sent if something happens later.
    Aside,
    /// It is counted and forgotten.
    Refuse,
}

/// Which sessions are kept aside until something happens in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// None: what is not sampled is refused.
    Nothing,
    /// Those that are not sampled.
    Unsampled,
    /// All of them.
    Everything,
}

impl From<Option<TailSampling>> for Aside {
    fn from(rule: Option<TailSampling>) -> Self {
        match rule {
            None => Aside::Nothing,
            Some(rule) if rule.all_sessions => Aside::Everything,
            Some(_) => Aside::Unsampled,
        }
    }
}

#[derive(Debug, Default)]
struct SessionInUse {
    id: Uuid,
    /// Something happened in it that makes it worth keeping.
    has_happened: bool,
}

/// What becomes of the events of the current session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// They are kept.
    In,
    /// They are kept apart, and released if something happens.
    Aside,
    /// They are not recorded, except for errors and crashes.
    Out,
}

/// The state. Its flags are one byte, which every event reads once.
#[derive(Debug)]
pub(super) struct Keeping {
    flags: AtomicU8,
    session: Mutex<SessionInUse>,
}

impl Keeping {
    pub(super) fn new() -> Self {
        Self { flags: AtomicU8::new(KEPT), session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, SessionInUse> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn set(&self, flag: u8, is_on: bool) {
        if is_on {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    /// Decides about an event. Errors and crashes are always kept.
    #[inline]
    pub(super) fn admit<E: Event + ?Sized>(&self, event: &E) -> Admission {
        if event.lane() < Lane::Event {
            return Admission::Keep;
        }
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & KEPT != 0 {
            let is_unsampled_span =
                event.kind() == EventKind::Span && event.common().trace.is_some_and(|trace| !trace.sampled);
            return if is_unsampled_span { Admission::Refuse } else { Admission::Keep };
        }
        if flags & ASIDE != 0 { Admission::Aside } else { Admission::Refuse }
    }

    /// What becomes of the events of the current session.
    pub(super) fn sampled(&self) -> Sampled {
        match (self.has(KEPT), self.has(ASIDE)) {
            (true, _) => Sampled::In,
            (_, true) => Sampled::Aside,
            _ => Sampled::Out,
        }
    }

    /// Whether the current session is kept.
    #[inline]
    pub(super) fn is_session_kept(&self) -> bool {
        self.has(KEPT)
    }

    /// A session is the current one from now on.
    pub(super) fn begin(&self, id: Uuid) {
        let mut session = self.session();
        if session.id != id {
            *session = SessionInUse { id, has_happened: false };
        }
    }

    /// Whether a session in which nothing has happened is kept.
    pub(super) fn keeps(&self, id: Uuid, rate: f64) -> bool {
        sampling::keep_session(id, rate) && !self.has(ALL)
    }

    /// Decides anew whether the current session is kept. One in which something happened stays so.
    pub(super) fn decide(&self, rate: f64) {
        // The lock is held to the end: what happens on another thread must not be overruled by what
        // was decided just before.
        let session = self.session();
        let SessionInUse { id, has_happened } = *session;
        let is_sampled = self.keeps(id, rate);
        self.set(KEPT, is_sampled || (has_happened && self.has(ASIDE)));
    }

    /// Sets which sessions are kept aside. What happened before no longer counts.
    pub(super) fn set_aside(&self, aside: Aside) {
        self.set(ASIDE, aside != Aside::Nothing);
        self.set(ALL, aside == Aside::Everything);
        self.session().has_happened = false;
    }

    /// Something happened: the current session is kept from now on. False where nothing is kept
    /// aside.
    pub(super) fn note_happening(&self) -> bool {
        let keeps_aside = self.has(ASIDE);
        if keeps_aside {
            let mut session = self.session();
            session.has_happened = true;
            self.set(KEPT, true);
        }
        keeps_aside
    }

    /// Whether something happened in the current session that makes it worth keeping.
    pub(super) fn has_happened(&self) -> bool {
        self.session().has_happened
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_crash_is_not_forgotten_because_a_view_begins_at_the_same_moment() {
        let keeping = Keeping::new();
        let is_over = AtomicBool::new(false);
        let mut forgotten = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    keeping.decide(0.0);
                }
            });
            for _ in 0..500_000 {
                keeping.set_aside(Aside::Unsampled);
                keeping.note_happening();
                forgotten += (0..20).filter(|_| !keeping.is_session_kept()).count();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(forgotten, 0);
    }
}
