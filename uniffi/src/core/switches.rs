//! What is changed while the client runs: consent, switches, rates, conditions.

use std::sync::Arc;

use throughline::{Error, Telemetry};

use super::TelemetryCore;
use crate::client::Client;
use crate::records::{Consent, DeviceConditions, TailSampling};

#[uniffi::export]
impl TelemetryCore {
    /// Sets what the host knows about the app and the device.
    pub fn set_conditions(&self, conditions: DeviceConditions) {
        self.ask((), |telemetry| telemetry.set_conditions(conditions.into()));
    }

    /// Sets what the user has decided. With consent denied, nothing is recorded from now on, and a
    /// thread of its own erases everything that was recorded.
    pub fn set_consent(&self, consent: Consent) -> bool {
        if consent == Consent::Denied {
            self.ask((), Telemetry::pause);
            return self.change_behind(move |telemetry| telemetry.set_consent(consent.into()));
        }
        self.change_in_turn(move |telemetry| telemetry.set_consent(consent.into()))
    }

    /// Switches recording on or off, and keeps that for the next start. Off holds at once, and a
    /// thread of its own closes what is open. On holds when such a thread has ended.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        if !enabled {
            self.ask((), Telemetry::pause);
            return self.change_behind(|telemetry| telemetry.set_enabled(false));
        }
        self.change_in_turn(|telemetry| telemetry.set_enabled(true))
    }

    /// Sets the share of sessions that is recorded, and keeps it for the next start. False when it
    /// is not between 0 and 1.
    pub fn set_session_sample_rate(&self, rate: f64) -> bool {
        self.change(|telemetry| telemetry.set_session_sample_rate(rate))
    }

    /// Sets the share of traces that is recorded, and keeps it for the next start. False when it is
    /// not between 0 and 1.
    pub fn set_trace_sample_rate(&self, rate: f64) -> bool {
        self.change(|telemetry| telemetry.set_trace_sample_rate(rate))
    }

    /// Sends nothing to a destination until `resume_destination`: what is recorded for it is kept,
    /// as far as ages and quotas allow. It is not remembered for the next start. False when no
    /// destination has that name.
    pub fn pause_destination(&self, name: String) -> bool {
        self.known(&name, |telemetry| telemetry.pause_destination(&name))
    }

    /// Sends to a destination again. False when no destination has that name.
    pub fn resume_destination(&self, name: String) -> bool {
        self.known(&name, |telemetry| telemetry.resume_destination(&name))
    }

    /// Sets what is kept of sessions that are not sampled. None: nothing. False when the values
    /// cannot work.
    pub fn set_tail_sampling(&self, tail_sampling: Option<TailSampling>) -> bool {
        self.change(|telemetry| telemetry.set_tail_sampling(tail_sampling.as_ref().map(TailSampling::to_core)))
    }
}

impl TelemetryCore {
    /// Does something to a destination. False when no destination has that name; `health` then says
    /// so.
    fn known(&self, name: &str, change: impl FnOnce(&Telemetry) -> bool) -> bool {
        self.ask(false, |telemetry| {
            let is_known = change(telemetry);
            if !is_known {
                self.client.add_problem(format!("no destination has the name `{name}`"));
            }
            is_known
        })
    }

    /// Makes a change. False when it failed; `health` then says why.
    fn change(&self, change: impl FnOnce(&Telemetry) -> Result<(), Error>) -> bool {
        self.wait(|telemetry| changed(&self.client, telemetry, change))
    }

    /// Makes a change now, or after the changes that are under way.
    fn change_in_turn(&self, change: impl FnOnce(&Telemetry) -> Result<(), Error> + Send + 'static) -> bool {
        if self.switching.is_busy() { self.change_behind(change) } else { self.change(change) }
    }

    /// Makes a change that takes long, without waiting for it.
    fn change_behind(&self, change: impl FnOnce(&Telemetry) -> Result<(), Error> + Send + 'static) -> bool {
        self.wait(|telemetry| {
            // The change holds the client, so that a shutdown does not end an erasure.
            let (client, telemetry) = (Arc::clone(&self.client), telemetry.clone());
            self.switching.change(move || {
                changed(&client, &telemetry, change);
            });
            true
        })
    }
}

/// Makes a change. False when it failed; `health` then says why.
fn changed(client: &Client, telemetry: &Telemetry, change: impl FnOnce(&Telemetry) -> Result<(), Error>) -> bool {
    let changed = change(telemetry);
    client.redeclare(telemetry);
    match changed {
        Ok(()) => true,
        Err(error) => {
            client.add_problem(error.to_string());
            false
        }
    }
}
