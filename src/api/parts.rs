//! What a client is made of, and how what it shares with its worker is built from that.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::hook::{HookCounts, HookRewrite};
use super::host::Host;
use crate::engine::debug::DebugLog;
use crate::engine::directory::{death_of, route_hints};
use crate::engine::globals::GlobalContext;
use crate::engine::lifecycle::LifecycleCell;
use crate::engine::main_thread::Watched;
use crate::engine::observed::Observed;
use crate::engine::pauses::Pauses;
use crate::engine::recorder::Recorder;
use crate::engine::scopes::Scopes;
use crate::engine::worker::Shared;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::policy::redact::Redactor;
use crate::policy::schedule::Conditions;
use crate::policy::session::Persisted;
use crate::storage::dirlock;
use crate::storage::health::{Health, StorageState};
use crate::storage::installation::{Found, Installation};
use crate::storage::session_file;
use crate::storage::switches::Switches;
use crate::wire::transport::{Authority, Transport};

/// What a client is made of. All of it is there whether or not the client is on.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) host: Host,
    pub(super) hook_counts: Arc<HookCounts>,
    pub(super) globals: Arc<GlobalContext>,
    /// The device's conditions, as the host reported them last.
    pub(super) conditions: Arc<Mutex<Conditions>>,
    /// The app's main thread, if the host has shown it.
    pub(super) watched: Arc<Watched>,
    /// The destinations that the app has paused.
    pub(super) pauses: Arc<Pauses>,
}

impl Parts {
    pub(super) fn new(config: Config, host: Host) -> Self {
        let (hook_counts, globals, conditions, watched, pauses) = Default::default();
        Self { config, host, hook_counts, globals, conditions, watched, pauses }
    }

    /// Checks that the data directory exists or can be made, can be written, and holds nothing that
    /// the client could not use: four system calls.
    pub(super) fn check_dir(&self) -> Result<(), Error> {
        check_dir(&self.config.data_dir)
    }

    /// Journals what was set while the client was off: user, attributes, feature flags.
    pub(super) fn catch_up(&self, shared: &Shared) {
        self.globals.catch_up(shared.recorder(), &self.config);
    }

    /// Builds what the client and its worker share. Reads three small files, the installation's,
    /// the last session's and that of the switches, and what the last runs wrote down of their
    /// deaths. The very first start writes the installation.
    pub(super) fn build(&self, lifecycle: &Arc<LifecycleCell>) -> Result<Arc<Shared>, Error> {
        let wake = Arc::new(Notify::new());
        let recorder = self.recorder(&wake)?;
        // The end of the last session and the start of this one are sampled at once.
        let switches = Switches::load(&self.config.data_dir).unwrap_or_default();
        recorder.set_trace_rate(switches.trace_sample_rate.unwrap_or(self.config.trace_sample_rate));
        let tag = self.config.device_tag.as_deref();
        let found = self.config.installation_id.then(|| Installation::begin(&self.config.data_dir, tag)).flatten();
        // A directory that was restored from another device holds that device's session.
        let earlier = match found {
            Some(Found::Moved(_)) => {
                session_file::forget(&self.config.data_dir);
                None
            }
            // Before the first unlock the file cannot be read: the worker reads it when it can.
            _ => session_file::load(&self.config.data_dir).ok().flatten().map(|earlier| self.with_death(earlier)),
        };
        self.globals.begin(&recorder, &self.config, found);
        let is_alone = || !dirlock::anybody_lives(&self.config.data_dir);
        let rate = switches.session_sample_rate.unwrap_or(self.config.session_sample_rate);
        let scopes = Scopes::start(recorder, &self.config, rate, earlier.as_ref(), is_alone);
        let transport = (!self.config.destinations.is_empty()).then(|| self.transport()).flatten();
        Ok(Arc::new(Shared {
            config: self.config.clone(),
            clock: self.host.clock.clone(),
            on_thread_start: self.host.on_thread_start,
            scopes,
            globals: Arc::clone(&self.globals),
            wake,
            health: Mutex::new(Health { storage: StorageState::Starting, ..Health::default() }),
            panics: Default::default(),
            transport,
            authority: Authority::new(self.host.auth.clone()),
            debug: DebugLog::new(self.config.debug, self.host.debug_output.clone()),
            lifecycle: Arc::clone(lifecycle),
            conditions: Arc::clone(&self.conditions),
            watched: Arc::clone(&self.watched),
            pauses: Arc::clone(&self.pauses),
            observed: Observed::default(),
            route_hints: route_hints(&self.config.destinations),
            is_suspended: Default::default(),
            begins_anew: Default::default(),
            is_capture_disabled: Default::default(),
            settled: Mutex::default(),
            running: Mutex::new(()),
        }))
    }

    /// The last session, with the crash that has ended it.
    fn with_death(&self, earlier: Persisted) -> Persisted {
        let death = earlier.death.or_else(|| death_of(earlier.id, &self.config, &self.host.clock));
        Persisted { death, ..earlier }
    }

    fn recorder(&self, wake: &Arc<Notify>) -> Result<Recorder, Error> {
        let mut redactor = Redactor::new(self.config.redact.clone());
        if let Some(hook) = &self.host.hook {
            let (hook, counts) = (Arc::clone(hook), Arc::clone(&self.hook_counts));
            redactor = redactor.rewriting(Box::new(HookRewrite { hook, counts }));
        }
        let wake = Arc::clone(wake);
        let recorder = Recorder::new(self.host.clock.clone(), redactor, Box::new(move || wake.notify_one()))
            .map_err(|error| Error::Storage { reason: error.to_string() })?;
        Ok(recorder)
    }

    /// The host's transport, else the built-in client if this build has one.
    fn transport(&self) -> Option<Arc<dyn Transport>> {
        if let Some(transport) = &self.host.transport {
            return Some(Arc::clone(transport));
        }
        #[cfg(feature = "http")]
        return Some(Arc::new(crate::wire::transport::http::HttpTransport::new()));
        #[cfg(not(feature = "http"))]
        None
    }
}

fn check_dir(dir: &Path) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::config("data_dir", format!("{reason}: `{}`", dir.display())));
    if let Err(error) = std::fs::create_dir_all(dir) {
        return refuse(if dir.is_file() { "is a file".to_owned() } else { format!("cannot be made ({error})") });
    }
    match rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => match dirlock::wrong_kind(dir) {
            Some(reason) => refuse(format!("cannot be used, because {reason}")),
            None => Ok(()),
        },
        Err(error) => refuse(format!("cannot be written ({error})")),
    }
}
