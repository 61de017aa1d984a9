//! What the client and the worker share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::settled::Settled;
use crate::engine::debug::DebugLog;
use crate::engine::globals::GlobalContext;
use crate::engine::lifecycle::LifecycleCell;
use crate::engine::main_thread::Watched;
use crate::engine::observed::Observed;
use crate::engine::pauses::Pauses;
use crate::engine::recorder::Recorder;
use crate::engine::scopes::Scopes;
use crate::model::config::{Config, Consent};
use crate::model::time::Clock;
use crate::policy::schedule::Conditions;
use crate::storage::health::{Health, StorageState};
use crate::storage::switches::Switches;
use crate::wire::transport::{Authority, Transport};

/// What the client and the worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) on_thread_start: Option<fn()>,
    pub(crate) scopes: Scopes,
    pub(crate) globals: Arc<GlobalContext>,
    /// Wakes the worker when it has to look at the journal.
    pub(crate) wake: Arc<Notify>,
    pub(crate) health: Mutex<Health>,
    /// Panics on the worker's thread that were caught: its own, and those of the host's code.
    pub(crate) panics: AtomicU64,
    /// `None` without a destination, and when neither the host nor this build has a transport.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// The host's authorization of requests.
    pub(crate) authority: Authority,
    pub(crate) debug: DebugLog,
    /// What was decided about the client. The worker reads the user's consent here, and switches
    /// the client off when an earlier process was switched off.
    pub(crate) lifecycle: Arc<LifecycleCell>,
    /// The app's main thread, if the host has shown it, also while the client was off.
    pub(crate) watched: Arc<Watched>,
    /// The device's conditions, as the host reported them last, also while the client was off.
    pub(crate) conditions: Arc<Mutex<Conditions>>,
    /// The destinations that the app has paused, also while the client was off.
    pub(crate) pauses: Arc<Pauses>,
    /// What explains why data does not arrive.
    pub(crate) observed: Observed,
    /// What a developer should know about where events go.
    pub(crate) route_hints: Vec<String>,
    /// The app is suspended, and no worker may hold a lock or open a file: not the one that was
    /// told so, and none that takes its place.
    pub(crate) is_suspended: AtomicBool,
    /// Everything was erased while the client was off: it begins anew when it is on again.
    pub(crate) begins_anew: AtomicBool,
    /// Crashes are not captured for a day, because our own code has crashed the app several times
    /// in a row.
    pub(crate) is_capture_disabled: AtomicBool,
    /// What became of the first records of the run, while the books of the directory do not say it.
    pub(crate) settled: Mutex<Option<Settled>>,
    /// Held by the worker that runs. A worker that was told to end may take long, and the one that
    /// was started meanwhile must not touch the journal beside it.
    pub(crate) running: Mutex<()>,
}

impl Shared {
    /// The recorder, which the scopes own.
    #[inline]
    pub(crate) fn recorder(&self) -> &Recorder {
        self.scopes.recorder()
    }

    /// Whether the last worker has died instead of ending.
    pub(crate) fn has_died(&self) -> bool {
        matches!(self.health().storage, StorageState::Failed(_))
    }

    /// Begins a new installation and a new session: what was recorded before has been erased.
    pub(crate) fn begin_anew(&self) {
        self.globals.renew_installation(self.recorder(), &self.config);
        self.scopes.begin_anew();
    }

    /// Why nothing can be sent at all, if that is so.
    pub(crate) fn nowhere(&self) -> Option<&'static str> {
        if self.config.destinations.is_empty() {
            return Some("no endpoint is configured: events are kept on the device up to the quotas");
        }
        self.transport.is_none().then_some(
            "this build has no HTTP client and the host gave no transport: \
             events are kept on the device up to the quotas",
        )
    }

    /// What has to happen before anything is sent, if that is the user's consent.
    pub(crate) fn unconsented(&self) -> Option<&'static str> {
        (self.consent() == Consent::Pending).then_some(
            "consent is pending: events stay on the device, and nothing is sent until the user has consented",
        )
    }

    pub(crate) fn consent(&self) -> Consent {
        self.lifecycle.consent()
    }

    /// Runs code of the host. `None` when it panicked; that has been counted.
    pub(crate) fn guarded<R>(&self, code: impl FnOnce() -> R) -> Option<R> {
        let answer = catch_unwind(AssertUnwindSafe(code)).ok();
        self.note_panics(u64::from(answer.is_none()));
        answer
    }

    /// Counts panics that were caught.
    pub(crate) fn note_panics(&self, count: u64) {
        self.panics.fetch_add(count, Ordering::Relaxed);
    }

    /// Writes settings down for the next process.
    pub(crate) fn save(&self, switches: Switches) {
        if let Err(error) = self.lifecycle.save(switches, &self.config.data_dir) {
            self.debug.log(&format!("settings could not be saved: {error}"));
        }
    }

    pub(crate) fn conditions(&self) -> Conditions {
        *self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settled(&self) -> MutexGuard<'_, Option<Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
