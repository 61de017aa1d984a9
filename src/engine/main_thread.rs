//! The app's main thread, of which a watchdog wants to know whether it lives.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::limits::{ASK_AGAIN_AFTER, LEAST_HANG_THRESHOLD};
use crate::model::time::BootTime;

/// The app's main thread, as the host shows it to a watchdog.
///
/// Both methods are called on the watchdog's thread. A panic in them is caught.
pub trait MainThread: fmt::Debug + Send + Sync {
    /// Gives the main thread a task that calls [`Telemetry::beat`](crate::Telemetry::beat). It must
    /// not wait for it. It is called ten times a second while the app is in the foreground, and not
    /// before the last task has been done, or five seconds have passed.
    fn ask(&self);

    /// The stack of the main thread, one frame a line, while that does not respond. Empty when the
    /// host cannot tell.
    fn stack(&self) -> String {
        String::new()
    }
}

/// The main thread of an app, and what is known of it. Kept while the client is off.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// The main thread, and for how long it may be silent.
    main: Mutex<Option<(Arc<dyn MainThread>, Duration)>>,
    /// Boot time of its last beat. 0: none yet.
    beat: AtomicU64,
    /// Boot time at which it was asked what it has not answered. 0: it has answered.
    asked: AtomicU64,
}

impl Watched {
    /// From now on, this main thread is watched.
    pub(crate) fn set(&self, main: Arc<dyn MainThread>, threshold: Duration) {
        *self.main.lock().unwrap_or_else(PoisonError::into_inner) = Some((main, threshold.max(LEAST_HANG_THRESHOLD)));
        self.was_not_asked();
    }

    /// The main thread that is watched, and for how long it may be silent.
    pub(crate) fn main(&self) -> Option<(Arc<dyn MainThread>, Duration)> {
        self.main.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the main thread can be asked: it has done what it was asked before. After a while it
    /// is asked once more, because a host may lose a task.
    pub(crate) fn may_ask(&self, now: BootTime) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        let may = asked == 0 || now.since(BootTime(asked)) >= ASK_AGAIN_AFTER;
        if may {
            self.asked.store(now.0.max(1), Ordering::Release);
        }
        may
    }

    /// What was asked last is not going to be answered.
    pub(crate) fn was_not_asked(&self) {
        self.asked.store(0, Ordering::Release);
    }

    /// Boot time of its last beat.
    pub(crate) fn last_beat(&self) -> BootTime {
        BootTime(self.beat.load(Ordering::Acquire))
    }

    /// The main thread lives.
    pub(crate) fn beat(&self, now: BootTime) {
        self.beat.store(now.0, Ordering::Release);
        self.was_not_asked();
    }
}
