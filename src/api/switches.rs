//! What can be changed while the client runs, and is remembered for the next start.

use std::time::Duration;

use super::client::Telemetry;
use crate::engine::worker::{Command, Ending, Switched};
use crate::model::config::TailSampling;
use crate::model::error::Error;
use crate::storage::switches::Switches;

impl Telemetry {
    /// Switches recording on or off, and remembers it: the next start obeys. Off ends the thread and closes every file;
    /// what had been recorded stays on the disk. A configuration with `enabled(false)` stays off at the next start
    /// whatever was said here.
    ///
    /// # Errors
    /// When switching on fails, as [`Telemetry::start`].
    pub fn set_enabled(&self, enabled: bool) -> Result<(), Error> {
        let switches = Switches { enabled: Some(enabled), ..Switches::default() };
        if enabled {
            self.0.switch_on(Switched::OnByCall)?;
            self.0.send(Command::Switches(switches));
        } else {
            self.0.send(Command::Switches(switches));
            self.0.stop(Ending::SwitchOff, Duration::from_secs(1));
        }
        Ok(())
    }

    /// Changes the share of sessions that is recorded, for this session too, and remembers it.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rate is not between 0.0 and 1.0.
    pub fn set_session_sample_rate(&self, rate: f64) -> Result<(), Error> {
        check_rate("session_sample_rate", rate)?;
        if let Some(shared) = self.0.shared.get() {
            shared.scopes.set_session_rate(rate);
        }
        self.0.send(Command::Switches(Switches { session_sample_rate: Some(rate), ..Switches::default() }));
        Ok(())
    }

    /// Changes what is kept of sessions that are not sampled, for this session too. `None`: nothing.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rule cannot work.
    pub fn set_tail_sampling(&self, rule: Option<TailSampling>) -> Result<(), Error> {
        if let Some(fault) = rule.as_ref().and_then(TailSampling::fault) {
            return Err(Error::config("tail_sampling", fault));
        }
        if let Some(shared) = self.on() {
            shared.scopes.set_tail_sampling(rule);
            self.0.send(Command::TailSampling);
        }
        Ok(())
    }

    /// Changes the share of traces that is recorded, and remembers it.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the rate is not between 0.0 and 1.0.
    pub fn set_trace_sample_rate(&self, rate: f64) -> Result<(), Error> {
        check_rate("trace_sample_rate", rate)?;
        if let Some(shared) = self.on() {
            shared.recorder().set_trace_rate(rate);
        }
        self.0.send(Command::Switches(Switches { trace_sample_rate: Some(rate), ..Switches::default() }));
        Ok(())
    }
}

fn check_rate(field: &'static str, rate: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&rate) { Ok(()) } else { Err(Error::config(field, "must be between 0.0 and 1.0")) }
}
