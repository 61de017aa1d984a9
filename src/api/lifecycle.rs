//! Switching on and off, and the end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::client::Client;
use super::hook;
use crate::engine::debug::DebugLog;
use crate::engine::recorder::Recorder;
use crate::engine::scopes::Scopes;
use crate::engine::worker::{Command, Ending, Shared, Switched, spawn};
use crate::model::config::Consent;
use crate::model::error::Error;
use crate::policy::redact::Redactor;
use crate::storage::health::{Health, StorageState};
use crate::storage::installation::{Found, Installation};
use crate::storage::journal::forked;
use crate::storage::session_file;
use crate::wire::transport::Transport;

impl Client {
    /// Starts the worker, and the first time everything that it needs.
    pub(super) fn switch_on(&self, switched: Switched) -> Result<(), Error> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.as_ref().is_some_and(|sender| !sender.is_closed()) {
            return Ok(());
        }
        if Consent::from_code(self.consent.load(Ordering::Acquire)) == Consent::Denied {
            return Ok(());
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed { reason: "shut down: start a new client".to_owned() });
        }
        check_dir(&self.config.data_dir)?;
        let shared = match self.shared.get() {
            Some(shared) => shared,
            None => {
                let shared = self.build()?;
                self.shared.get_or_init(|| shared)
            }
        };
        shared.switched_off.store(false, Ordering::Release);
        let (sender, receiver) = mpsc::unbounded_channel();
        spawn(Arc::clone(shared), receiver, switched).map_err(|error| Error::Storage { reason: error.to_string() })?;
        *commands = Some(sender);
        // Before the first event, and once more for what was said between.
        self.globals.catch_up(shared.recorder(), &self.config);
        self.enabled.store(true, Ordering::Release);
        self.globals.catch_up(shared.recorder(), &self.config);
        Ok(())
    }

    fn build(&self) -> Result<Arc<Shared>, Error> {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let mut redactor = Redactor::new(self.config.redact.clone());
        if let Some(hook) = &self.host.hook {
            let (hook, counts) = (Arc::clone(hook), Arc::clone(&self.hook_counts));
            redactor = redactor.rewriting(Box::new(hook::HookRewrite { hook, counts }));
        }
        let recorder = Recorder::new(self.host.clock.clone(), redactor, Box::new(move || waker.notify_one()))
            .map_err(|error| Error::Storage { reason: error.to_string() })?;
        recorder.set_trace_rate(self.config.trace_sample_rate);
        let tag = self.config.device_tag.as_deref();
        let found = self.config.installation_id.then(|| Installation::find(&self.config.data_dir, tag)).flatten();
        // The session of a directory that was another device's is that device's.
        let earlier = match found {
            Some(Found::Moved(_)) => None,
            _ => session_file::load(&self.config.data_dir),
        };
        self.globals.begin(&recorder, &self.config, found);
        let scopes = Scopes::start(recorder, &self.config, earlier.as_ref());
        let transport = (!self.config.destinations.is_empty()).then(|| self.transport()).flatten();
        Ok(Arc::new(Shared {
            config: self.config.clone(),
            clock: self.host.clock.clone(),
            on_thread_start: self.host.on_thread_start,
            scopes,
            globals: Arc::clone(&self.globals),
            wake,
            health: Mutex::new(Health { storage: StorageState::Starting, ..Health::default() }),
            panics: AtomicU64::new(0),
            transport,
            debug: DebugLog::new(self.config.debug),
            consent: Arc::clone(&self.consent),
            switched_off: AtomicBool::new(false),
        }))
    }

    fn transport(&self) -> Option<Arc<dyn Transport>> {
        if let Some(transport) = &self.host.transport {
            return Some(Arc::clone(transport));
        }
        #[cfg(feature = "http")]
        return Some(Arc::new(crate::wire::transport::http::HttpTransport::new()));
        #[cfg(not(feature = "http"))]
        None
    }

    pub(super) fn send(&self, command: Command) -> bool {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        !forked() && commands.as_ref().is_some_and(|sender| sender.send(command).is_ok())
    }

    pub(super) fn ask<T>(&self, timeout: Duration, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        self.send(command(reply)).then(|| answer.recv_timeout(timeout).ok()).flatten()
    }

    pub(super) fn stop(&self, ending: Ending, timeout: Duration) -> bool {
        self.enabled.store(false, Ordering::Release);
        self.closed.fetch_or(ending == Ending::Shutdown, Ordering::AcqRel);
        let runs = |sender: &mpsc::UnboundedSender<Command>| !sender.is_closed();
        let runs = self.commands.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(runs);
        let ended = !runs || self.ask(timeout, |reply| Command::Shutdown { ending, reply }).is_some();
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner) = None;
        ended
    }

    pub(super) fn shut_down(&self, timeout: Duration) -> bool {
        if let Some(shared) = self.shared.get().filter(|_| self.enabled.load(Ordering::Acquire)) {
            shared.scopes.close();
        }
        self.stop(Ending::Shutdown, timeout)
    }

    pub(super) fn absence(&self) -> String {
        let text =
            if self.enabled.load(Ordering::Relaxed) { "the worker did not answer in time" } else { "switched off" };
        text.to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !forked() {
            self.shut_down(Duration::from_secs(1));
        }
    }
}

/// The directory must exist or be makeable, and be writable: two system calls.
fn check_dir(dir: &Path) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::config("data_dir", format!("{reason}: `{}`", dir.display())));
    if let Err(error) = std::fs::create_dir_all(dir) {
        return refuse(if dir.is_file() { "is a file".to_owned() } else { format!("cannot be made ({error})") });
    }
    match rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(error) => refuse(format!("cannot be written ({error})")),
    }
}
