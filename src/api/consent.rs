//! What the user has decided about data being collected, and erasing what was.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::client::Telemetry;
use super::erasure::erase_behind;
use super::lifecycle::{Denied, is_ignored};
use crate::engine::worker::Command;
use crate::model::config::Consent;
use crate::model::error::Error;
use crate::model::limits::ERASE_TIMEOUT;

impl Telemetry {
    /// What the user has decided.
    pub fn consent(&self) -> Consent {
        self.client.lifecycle.consent()
    }

    /// The user has decided, or has changed their mind.
    ///
    /// [`Consent::Granted`]: what was kept apart is sent. [`Consent::Denied`]: nothing is recorded
    /// any more, and everything that was is erased, including the journal, the quarantine, and what
    /// other processes of the app have left. What cannot be erased now is erased before it could be
    /// sent. The call waits for the erasure for at most 5 s, and so does a call on another thread.
    ///
    /// A consent that follows a denial begins with a new session and a new installation id. A
    /// client that is off for another reason stays off.
    ///
    /// # Errors
    /// As [`Telemetry::start`], when the client cannot be started again. The consent is then not
    /// taken, and the call can be repeated. [`Error::Closed`] after [`Telemetry::shutdown`].
    pub fn set_consent(&self, consent: Consent) -> Result<(), Error> {
        let lifecycle = &self.client.lifecycle;
        if is_ignored() {
            return Ok(());
        }
        // A denial holds at once. It is carried out, like every decision, when those before it have
        // been: a consent must not begin anew while the worker still erases.
        if consent == Consent::Denied {
            lifecycle.deny();
            self.client.unlisted.clear();
        }
        let _turn = lifecycle.take_turn();
        if consent == Consent::Denied {
            // A consent that was being carried out may have come in between.
            lifecycle.deny();
        }
        // Those of other calls too: they have been decided before.
        lifecycle.take_denied().into_iter().for_each(|denied| self.erase_and_stop(denied));
        match (lifecycle.consent(), consent) {
            (_, Consent::Denied) => {}
            (before, consent) if before == consent => {}
            (Consent::Denied, consent) => {
                // When the client is switched off, nothing begins before it is on again.
                if let Some(shared) = lifecycle.shared() {
                    shared.begins_anew.store(true, Ordering::Release);
                }
                lifecycle.give_consent(consent, &self.client.parts)?;
                if let Some(shared) = lifecycle.shared() {
                    let now = shared.recorder().wall(shared.recorder().boot());
                    lifecycle.consented_at().store(now, Ordering::Relaxed);
                }
            }
            (_, consent) => lifecycle.change_consent(consent),
        }
        Ok(())
    }

    /// Erases what was recorded and ends the worker, because the user has denied consent.
    fn erase_and_stop(&self, denied: Denied) {
        self.client.parts.globals.forget();
        let until = Instant::now() + ERASE_TIMEOUT;
        if !denied.erase(ERASE_TIMEOUT)
            && let Some(done) = self.erase_behind()
        {
            // When it takes longer, it goes on without this call.
            let _ = done.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Records nothing from now on. For a host that must return before [`Telemetry::set_consent`]
    /// or [`Telemetry::set_enabled`], which it calls on another thread, has finished.
    #[doc(hidden)]
    pub fn pause(&self) {
        self.client.lifecycle.pause();
    }

    /// Erases everything that was recorded and not sent, including the session and its number, and
    /// what other processes of the app have left. Recording goes on, with a new session and a new
    /// installation id.
    ///
    /// False when this took longer than `timeout`, or when something could not be erased yet,
    /// because another process that lives has it. That is then written down, and erased before
    /// anything of it is sent.
    pub fn erase(&self, timeout: Duration) -> bool {
        if is_ignored() {
            return false;
        }
        self.client.unlisted.clear();
        if self.client.lifecycle.cell().is_on() {
            let answer = self.client.lifecycle.ask(timeout, |reply| Command::Erase { reply });
            if answer.is_some() || !self.client.lifecycle.has_died() {
                return answer == Some(true);
            }
        }
        // A denial that is being carried out erases, too.
        let _turn = self.client.lifecycle.take_turn();
        self.erase_behind().and_then(|done| done.recv_timeout(timeout).ok()) == Some(true)
    }

    fn erase_behind(&self) -> Option<Receiver<bool>> {
        erase_behind(self.client.parts.config.data_dir.clone(), self.client.lifecycle.shared_arc())
    }
}
