//! What events refer to that have begun and not ended: the context and the scope of their
//! beginning, which must not be forgotten meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use uuid::Uuid;

use super::versions::Versions;
use super::{Open, Recorder};
use crate::model::event::Event;

/// The user, session and view at the moment at which something began. What is recorded of it later
/// belongs to them. They are kept as long as the moment exists.
#[derive(Debug, Clone)]
pub struct Moment(Arc<Versions>);

impl Moment {
    pub(super) fn began(&self) -> Began {
        Began { versions: *self.0, action: None, is_kept: false }
    }
}

/// What an event belongs to that has begun: the versions, and the action that was collecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Began {
    pub(super) versions: Versions,
    pub(super) action: Option<Uuid>,
    /// Whether it is kept, whatever becomes of the current session's events.
    pub(super) is_kept: bool,
}

/// The moments that are in use.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// The newest is the last.
    known: Mutex<Vec<Weak<Versions>>>,
    /// Versions before this one were erased.
    oldest: AtomicU32,
}

impl Moments {
    fn known(&self) -> MutexGuard<'_, Vec<Weak<Versions>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment with these versions, which exist.
    pub(super) fn now(&self, versions: Versions) -> Moment {
        let mut known = self.known();
        if let Some(last) = known.last().and_then(Weak::upgrade).filter(|last| **last == versions) {
            return Moment(last);
        }
        known.retain(|moment| moment.strong_count() > 0);
        let moment = Arc::new(versions);
        known.push(Arc::downgrade(&moment));
        Moment(moment)
    }

    /// The versions of every moment that exists.
    pub(super) fn in_use(&self) -> Vec<Versions> {
        self.known().iter().filter_map(Weak::upgrade).map(|versions| *versions).collect()
    }

    /// Everything was erased: versions before `next` do not exist any more.
    pub(super) fn forget(&self, next: u32) {
        self.oldest.store(next, Ordering::Relaxed);
    }

    /// Whether these versions still exist.
    pub(super) fn exist(&self, versions: Versions) -> bool {
        versions.context.min(versions.scope) >= self.oldest.load(Ordering::Relaxed)
    }
}

impl Recorder {
    /// What an event belongs to that has begun: to what is current, if everything before was
    /// erased.
    pub(super) fn existing(&self, began: Began) -> Began {
        if self.moments.exist(began.versions) {
            began
        } else {
            Began { versions: self.versions.get(), action: None, ..began }
        }
    }

    /// As [`Recorder::open`], also on a thread of ours.
    pub(crate) fn open_own<E: Event>(&self, event: &E) -> Option<Open> {
        let began = self.look_around(event.kind(), event.lane())?;
        self.open_as(event, began).map(|(open, _)| open)
    }

    /// The moment that something belongs to that begins now.
    pub fn moment(&self) -> Moment {
        self.pay();
        self.moments.now(self.surroundings().versions)
    }

    /// As [`Recorder::open`], for an event that began at this moment.
    pub(crate) fn open_begun<E: Event>(&self, event: &E, moment: &Moment) -> Option<(Open, Uuid)> {
        self.open_as(event, self.existing(moment.began()))
    }

    /// The same, of a session that is not the current one and is kept.
    pub(crate) fn open_kept<E: Event>(&self, event: &E, moment: &Moment) -> Option<Open> {
        self.open_as(event, Began { is_kept: true, ..moment.began() }).map(|(open, _)| open)
    }

    /// Everything that was recorded is erased, contexts and scopes too: what has begun before
    /// belongs to what comes next.
    pub fn forget_moments(&self) {
        self.moments.forget(self.next_version.load(Ordering::Relaxed));
        self.past.forget();
    }

    /// Versions of the contexts and scopes that something belongs to that has begun and not ended,
    /// or that a late call may still name.
    pub fn versions_in_use(&self) -> Vec<u32> {
        let mut in_use = self.moments.in_use();
        in_use.extend(self.past.in_use(self.clock.boot()));
        in_use.iter().flat_map(|versions| [versions.context, versions.scope]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_in_use_as_long_as_something_has_begun_with_it_and_not_ended() {
        let moments = Moments::default();
        let versions = |context| Versions { context, scope: 1 };
        let (first, again) = (moments.now(versions(1)), moments.now(versions(1)));
        let second = moments.now(versions(2));
        assert_eq!(moments.in_use(), [versions(1), versions(2)]);
        drop(first);
        assert_eq!(moments.in_use(), [versions(1), versions(2)]);
        drop((again, second));
        assert_eq!(moments.in_use(), []);
        let _third = moments.now(versions(3));
        assert_eq!(moments.known().len(), 1, "what is over takes no memory");
    }
}
