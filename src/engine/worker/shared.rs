//! What the client and the worker share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::engine::debug::DebugLog;
use crate::engine::globals::GlobalContext;
use crate::engine::lifecycle::LifecycleCell;
use crate::engine::recorder::Recorder;
use crate::engine::scopes::Scopes;
use crate::model::config::{Config, Consent};
use crate::model::time::Clock;
use crate::storage::health::Health;
use crate::wire::transport::Transport;

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
    /// Panics of the worker that were caught.
    pub(crate) panics: AtomicU64,
    /// `None` without a destination, and when neither the host nor this build has a transport.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) debug: DebugLog,
    /// What was decided about the client. The worker reads the user's consent here, and switches
    /// the client off when an earlier process was switched off.
    pub(crate) lifecycle: Arc<LifecycleCell>,
}

impl Shared {
    /// The recorder, which the scopes own.
    #[inline]
    pub(crate) fn recorder(&self) -> &Recorder {
        self.scopes.recorder()
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

    pub(crate) fn consent(&self) -> Consent {
        self.lifecycle.consent()
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
