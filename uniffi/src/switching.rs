//! Changes that take long, one after the other, on a thread of their own: a consent that is
//! withdrawn erases files, switching off closes them, and the buttons for it are on the main
//! thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::guard::guard;

type Change = Box<dyn FnOnce() + Send>;

/// The changes that wait, and whether one is under way.
#[derive(Default)]
pub(crate) struct Switching(Mutex<Waiting>, Condvar);

#[derive(Default)]
struct Waiting {
    busy: bool,
    changes: VecDeque<Change>,
}

impl std::fmt::Debug for Switching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switching").field("busy", &self.is_busy()).finish()
    }
}

impl Switching {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a change is under way: another must not overtake it.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().busy
    }

    /// Makes a change after those that wait. Where no thread can be had, here and now.
    pub(crate) fn change(self: &Arc<Self>, change: impl FnOnce() + Send + 'static) {
        let mut waiting = self.lock();
        waiting.changes.push_back(Box::new(change));
        if std::mem::replace(&mut waiting.busy, true) {
            return;
        }
        drop(waiting);
        let switching = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("throughline-switch".to_owned()).spawn(move || switching.work());
        if spawned.is_err() {
            self.work();
        }
    }

    /// Waits until every change is made.
    pub(crate) fn wait(&self, timeout: Duration) {
        let waited = self.1.wait_timeout_while(self.lock(), timeout, |waiting| waiting.busy);
        drop(waited);
    }

    fn work(&self) {
        loop {
            let mut waiting = self.lock();
            let Some(change) = waiting.changes.pop_front() else {
                waiting.busy = false;
                self.1.notify_all();
                return;
            };
            drop(waiting);
            guard(|| (), change);
        }
    }
}
