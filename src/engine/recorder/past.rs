//! What events belonged to a short while ago.
//!
//! A call may come late and say when it happened: an engine tells of a rejected promise two seconds
//! afterwards. Its record belongs to the user, the session, the view and the action of then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::moments::Began;
use super::versions::Versions;
use super::{Recorder, Sampled, Watch, thread};
use crate::model::limits::{MAX_PAST, PAST_KEPT, PAST_STEP};
use crate::model::time::BootTime;
use crate::storage::crash::Capture;

/// What events have belonged to, and since when. The newest is the last.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<VecDeque<(BootTime, Began)>>);

impl Past {
    fn known(&self) -> MutexGuard<'_, VecDeque<(BootTime, Began)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events belong to this since a time. What was over long before `now` is forgotten.
    fn note(&self, since: BootTime, began: Began, now: BootTime) {
        let mut known = self.known();
        match known.back_mut() {
            Some((last, of_last)) if (*last..last.after(PAST_STEP)).contains(&since) => *of_last = began,
            Some((_, of_last)) if *of_last == began => {}
            _ => known.push_back((since, began)),
        }
        forget_old(&mut known, now);
    }

    /// What events belonged to at a time. `None` when that is not known: it was before the start,
    /// or too long ago.
    fn at(&self, time: BootTime) -> Option<Began> {
        self.known().iter().rev().find(|(since, _)| *since <= time).map(|(_, began)| *began)
    }

    /// The versions that a late call may still refer to.
    pub(super) fn in_use(&self, now: BootTime) -> Vec<Versions> {
        let mut known = self.known();
        forget_old(&mut known, now);
        known.iter().map(|(_, began)| began.versions).collect()
    }

    pub(super) fn forget(&self) {
        self.known().clear();
    }
}

fn forget_old(known: &mut VecDeque<(BootTime, Began)>, now: BootTime) {
    // Each one is over when the next one begins.
    while known.len() > MAX_PAST || known.get(1).is_some_and(|(over, _)| now.since(*over) > PAST_KEPT) {
        known.pop_front();
    }
}

/// What a call belongs to that is replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Then {
    /// Whether it belongs to the view that is shown now.
    pub(crate) is_of_shown_view: bool,
    /// The action that was collecting.
    pub(crate) action: Option<Uuid>,
}

struct EndOfReplay<'r>(&'r AtomicU32);

impl Drop for EndOfReplay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(Watch::Replay as u32, Ordering::Relaxed);
    }
}

impl Recorder {
    /// Runs `work` as if its calls had been made `ago` ns ago.
    pub(crate) fn replaying<R>(&self, ago: u64, work: impl FnOnce() -> R) -> R {
        // An event that is recorded now does not have to ask whether its thread replays.
        self.watch.fetch_add(Watch::Replay as u32, Ordering::Relaxed);
        let _end = EndOfReplay(&self.watch);
        thread::replaying(ago, work)
    }

    /// The action that events belong to from now on, unless they name another.
    pub fn set_action(&self, action: Option<Uuid>) {
        *self.action.lock().unwrap_or_else(PoisonError::into_inner) = action;
        self.set_watch(Watch::Action, action.is_some());
        self.note_change(self.boot());
    }

    fn current_action(&self) -> Option<Uuid> {
        *self.action.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Versions of the context and of the scope that events refer to now.
    pub fn versions(&self) -> Versions {
        self.versions.get()
    }

    /// What becomes of the events of the current session.
    pub(crate) fn sampled(&self) -> Sampled {
        self.keeping.sampled()
    }

    /// What writes down how this run dies.
    pub(crate) fn crash(&self) -> &Capture {
        &self.crash
    }

    /// Events belong to something else since a time.
    pub(super) fn note_change(&self, since: BootTime) {
        let began = Began { versions: self.versions.get(), action: self.current_action(), is_kept: false };
        self.past.note(since, began, self.clock.boot());
        self.crash.note(|state| {
            let Began { versions, action, .. } = began;
            (state.context, state.scope, state.action) = (versions.context, versions.scope, action);
        });
    }

    /// What an event belongs to that is recorded now: what the thread replays belongs to what was
    /// current then, as far as that is known.
    pub(super) fn surroundings(&self) -> Began {
        self.replayed().unwrap_or_else(|| Began {
            versions: self.versions.get(),
            action: self.current_action(),
            is_kept: false,
        })
    }

    /// What a call belongs to that this thread replays. `None`: it replays none, or that is not
    /// known.
    #[inline]
    pub(crate) fn then(&self) -> Option<Then> {
        let Began { versions, action, .. } = self.replayed()?;
        Some(Then { is_of_shown_view: versions.scope == self.versions.get().scope, action })
    }

    #[inline]
    fn replayed(&self) -> Option<Began> {
        if self.watch.load(Ordering::Relaxed) < Watch::Replay as u32 { None } else { self.look_back() }
    }

    #[cold]
    fn look_back(&self) -> Option<Began> {
        if thread::ago() == 0 {
            return None;
        }
        self.past.at(self.boot()).map(|began| self.existing(began))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_over_for_long_is_forgotten_and_little_is_kept() {
        let past = Past::default();
        let began = |scope| Began { versions: Versions { context: 1, scope }, action: None, is_kept: false };
        let at = |seconds| BootTime(0).after(Duration::from_secs(seconds));
        past.note(at(1), began(1), at(1));
        past.note(at(3), began(2), at(3));
        past.note(at(4), began(2), at(4));
        assert_eq!(past.at(at(0)), None, "nothing is known of the time before the start");
        assert_eq!(past.at(at(2)), Some(began(1)));
        assert_eq!((past.at(at(3)), past.at(at(60))), (Some(began(2)), Some(began(2))));
        assert_eq!(past.in_use(at(60)).len(), 1);
        for scope in 0..10_000 {
            past.note(at(70), began(scope), at(70));
        }
        assert_eq!((past.at(at(69)), past.at(at(70))), (Some(began(2)), Some(began(9_999))), "a burst is one step");
        for step in 0..10_000 {
            let then = at(71).after(Duration::from_micros(1_000 * step));
            past.note(then, began(step as u32), then);
        }
        assert_eq!(past.known().len(), MAX_PAST);
    }
}
