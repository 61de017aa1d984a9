//! What an app decides about its destinations while the client runs.

use super::client::Telemetry;
use super::lifecycle::is_ignored;
use crate::engine::worker::Command;

impl Telemetry {
    /// Sends nothing to a destination until [`Telemetry::resume_destination`]. False when no
    /// destination has that name; nothing has changed then.
    ///
    /// What is recorded for it is kept, crashes too, as far as ages and quotas allow; a request
    /// that is under way is still answered. Other destinations go on. A flush says that the
    /// destination is paused, and so does
    /// [`paused_by_app`](crate::health::DestinationHealth::paused_by_app).
    ///
    /// It is a decision of this process: it holds while the client is switched off and on, and the
    /// next process begins without it. The call never waits.
    ///
    /// ```
    /// use throughline::{Config, Consent, Telemetry};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let config = Config::builder("shop", dir.path()).endpoint("http://localhost:4318").build()?;
    /// let telemetry = Telemetry::start(config, Consent::Granted)?;
    /// assert!(telemetry.pause_destination("default"));
    /// assert!(telemetry.resume_destination("default"));
    /// assert!(!telemetry.pause_destination("another"), "no destination has that name");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it is false when no destination has that name"]
    pub fn pause_destination(&self, name: &str) -> bool {
        self.set_paused(name, true)
    }

    /// Sends to a destination again that [`Telemetry::pause_destination`] has paused. What waits is
    /// sent as if it had waited for its time. False when no destination has that name.
    #[must_use = "it is false when no destination has that name"]
    pub fn resume_destination(&self, name: &str) -> bool {
        self.set_paused(name, false)
    }

    fn set_paused(&self, name: &str, is_paused: bool) -> bool {
        let parts = &self.client.parts;
        if is_ignored() || !parts.config.destinations.iter().any(|destination| destination.name == name) {
            return false;
        }
        parts.pauses.set(name, is_paused);
        self.client.lifecycle.send(Command::Pauses);
        true
    }
}
