//! What the user has said about data being collected, and erasing it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::{Client, Telemetry};
use crate::engine::directory::erase_dir;
use crate::engine::worker::{Command, Ending, Switched};
use crate::model::config::Consent;
use crate::model::error::Error;
use crate::storage::dirlock::{self, DirLock};

impl Telemetry {
    /// What the user has said.
    pub fn consent(&self) -> Consent {
        Consent::from_code(self.0.consent.load(Ordering::Acquire))
    }

    /// The user has decided, or has changed their mind. Granted: what was kept apart is sent. Denied: nothing is recorded
    /// any more, and everything that was is erased, journal and quarantine included. Waits at most 5 s for the erasure.
    ///
    /// # Errors
    /// When switching on fails, as [`Telemetry::start`].
    pub fn set_consent(&self, consent: Consent) -> Result<(), Error> {
        let before = Consent::from_code(self.0.consent.swap(consent as u8, Ordering::AcqRel));
        match (before, consent) {
            (before, consent) if before == consent => {}
            (_, Consent::Denied) => {
                self.0.enabled.store(false, Ordering::Release);
                self.0.globals.forget();
                if self.0.ask(Duration::from_secs(5), |reply| Command::Erase { reply }).is_some() {
                    self.0.stop(Ending::SwitchOff, Duration::from_secs(1));
                } else {
                    self.0.erase_alone();
                }
            }
            (Consent::Denied, _) => {
                if let Some(shared) = self.0.shared.get() {
                    self.0.globals.renew_installation(shared.recorder(), &self.0.config);
                    shared.scopes.begin_anew();
                }
                self.0.switch_on(Switched::AsPersisted)?;
            }
            (_, consent) => {
                self.0.send(Command::Consent(consent));
            }
        }
        Ok(())
    }

    /// From now on nothing is recorded. For a host that has to return before [`Telemetry::set_consent`] has erased what is there.
    #[doc(hidden)]
    pub fn pause(&self) {
        self.0.enabled.store(false, Ordering::Release);
    }

    /// Erases everything that was recorded and not sent, the session and its number included; recording goes on. False
    /// when it took longer than `timeout`.
    pub fn erase(&self, timeout: Duration) -> bool {
        if self.on().is_none() {
            self.0.erase_alone();
            return true;
        }
        self.0.ask(timeout, |reply| Command::Erase { reply }).is_some()
    }
}

impl Client {
    /// Erases the directory from a thread of its own: the client is off.
    pub(super) fn erase_alone(&self) {
        let dir = self.config.data_dir.clone();
        let erase = move || {
            if !dir.is_dir() {
                return;
            }
            if let Ok(lock) = DirLock::acquire(&dir) {
                erase_dir(lock.dir());
            }
            for orphan in dirlock::orphans(&dir) {
                let _ = std::fs::remove_dir_all(orphan.dir());
            }
        };
        let _ = std::thread::Builder::new().name("throughline".to_owned()).spawn(erase);
    }
}
