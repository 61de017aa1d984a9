//! Makes changes that take long on a thread of their own, one after the other.
//!
//! Withdrawing the consent erases files, and switching off closes them. The app calls both from its
//! main thread, which must not wait for that.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::guard::guard;

type Change = Box<dyn FnOnce() + Send>;

/// The changes of one client.
#[derive(Default)]
pub(crate) struct Switching {
    queue: Mutex<Queue>,
    idle: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Whether a thread makes the changes.
    is_worked: bool,
    changes: VecDeque<Change>,
}

impl std::fmt::Debug for Switching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switching").field("busy", &self.is_busy()).finish()
    }
}

impl Switching {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a change is under way, which another one must not overtake.
    pub(crate) fn is_busy(&self) -> bool {
        self.queue().is_worked
    }

    /// Makes a change after those that wait. If no thread can be started, it is made on this one.
    pub(crate) fn change(self: &Arc<Self>, change: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue();
        queue.changes.push_back(Box::new(change));
        if std::mem::replace(&mut queue.is_worked, true) {
            return;
        }
        drop(queue);
        let switching = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("throughline-switch".to_owned()).spawn(move || switching.work());
        if spawned.is_err() {
            self.work();
        }
    }

    /// Waits until every change is made, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        let waited = self.idle.wait_timeout_while(self.queue(), timeout, |queue| queue.is_worked);
        drop(waited);
    }

    fn work(&self) {
        loop {
            let mut queue = self.queue();
            let Some(change) = queue.changes.pop_front() else {
                queue.is_worked = false;
                self.idle.notify_all();
                return;
            };
            drop(queue);
            guard(|| (), change);
        }
    }
}
