//! What can be changed while the client runs, and is remembered for the next start.

use super::client::Telemetry;
use super::lifecycle::is_ignored;
use crate::engine::worker::Command;
use crate::model::config::TailSampling;
use crate::model::error::Error;
use crate::model::limits::STOP_TIMEOUT;
use crate::storage::switches::Switches;

impl Telemetry {
    /// Switches recording on or off, and remembers it: the next start obeys.
    ///
    /// Off ends the thread and closes every file; what was recorded stays on the disk. On overrules
    /// `enabled(false)` of the configuration for this process; the next process reads its own
    /// configuration again and stays off. While the user denies consent, on has no effect until the
    /// user consents; both are remembered all the same.
    ///
    /// # Errors
    /// As [`Telemetry::start`], when the client cannot be switched on. [`Error::Closed`] after
    /// [`Telemetry::shutdown`].
    pub fn set_enabled(&self, enabled: bool) -> Result<(), Error> {
        let lifecycle = &self.client.lifecycle;
        if is_ignored() {
            return Ok(());
        }
        if enabled {
            lifecycle.switch_on(&self.client.parts)
        } else {
            lifecycle.switch_off(&self.client.parts, STOP_TIMEOUT);
            Ok(())
        }
    }

    /// Changes the share of sessions that is recorded, from 0.0 to 1.0, for this session too, and
    /// remembers it.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rate is not between 0.0 and 1.0.
    pub fn set_session_sample_rate(&self, rate: f64) -> Result<(), Error> {
        check_rate("session_sample_rate", rate)?;
        if let Some(shared) = self.client.lifecycle.shared() {
            shared.scopes.set_session_rate(rate);
        }
        self.remember(Switches { session_sample_rate: Some(rate), ..Switches::default() });
        Ok(())
    }

    /// Changes the share of traces that is recorded, from 0.0 to 1.0, and remembers it. Traces that
    /// have begun keep what was decided about them.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rate is not between 0.0 and 1.0.
    pub fn set_trace_sample_rate(&self, rate: f64) -> Result<(), Error> {
        check_rate("trace_sample_rate", rate)?;
        if let Some(shared) = self.client.lifecycle.shared() {
            shared.recorder().set_trace_rate(rate);
        }
        self.remember(Switches { trace_sample_rate: Some(rate), ..Switches::default() });
        Ok(())
    }

    /// Changes which sessions that are not sampled are kept on the device and sent when something
    /// happens in them, for this session too. `None`: such sessions are not kept. The next start
    /// uses its own configuration.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rule cannot work.
    pub fn set_tail_sampling(&self, rule: Option<TailSampling>) -> Result<(), Error> {
        if let Some(fault) = rule.as_ref().and_then(TailSampling::fault) {
            return Err(Error::config("tail_sampling", fault));
        }
        if let Some(shared) = self.client.lifecycle.shared() {
            shared.scopes.set_tail_sampling(rule);
            self.client.lifecycle.send(Command::TailSampling);
        }
        Ok(())
    }

    fn remember(&self, switches: Switches) {
        self.client.lifecycle.remember(None, switches, &self.client.parts, STOP_TIMEOUT);
    }
}

fn check_rate(field: &'static str, rate: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&rate) { Ok(()) } else { Err(Error::config(field, "must be between 0.0 and 1.0")) }
}
