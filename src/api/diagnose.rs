//! What keeps data from arriving, in words for a person.

use std::sync::PoisonError;
use std::time::Duration;

use super::client::Telemetry;
use super::lifecycle::is_ignored;
use crate::engine::lifecycle::LifecycleState;
use crate::engine::recorder::Sampled;
use crate::engine::worker::Shared;
use crate::model::config::{Consent, MeteredUploads};
use crate::model::diagnosis::{Cause, Diagnosis, Finding};
use crate::model::limits::{CLOCK_WRONG_AFTER, LOW_BATTERY_PERCENT};
use crate::policy::schedule::{Blocked, Conditions, Network};
use crate::storage::health::{Health, StorageState};
use crate::wire::transport::classify::cause_of;

impl Telemetry {
    /// Says in plain words what keeps data from arriving, or explains what is missing.
    ///
    /// First it sends what waits, for at most `timeout`, so that there is something to be said
    /// about the backends; with a timeout of zero it only looks. It may be called in any state,
    /// also when the client is off. It is meant for developers: print it while the app is built,
    /// and off the main thread, because it waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use throughline::{Config, Consent, Telemetry};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let config = Config::builder("shop", dir.path()).endpoint("http://127.0.0.1:9").build()?;
    /// let telemetry = Telemetry::start(config, Consent::Pending)?;
    /// let diagnosis = telemetry.diagnose(Duration::ZERO);
    /// assert_eq!(diagnosis.findings[0].cause.name(), "consent_pending");
    /// println!("{diagnosis}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diagnose(&self, timeout: Duration) -> Diagnosis {
        let reason = if timeout.is_zero() { None } else { self.flush(timeout).reason };
        self.diagnose_after(reason.as_deref())
    }

    /// The same without a flush, for a caller who has made one: `reason` is what it has returned.
    #[doc(hidden)]
    pub fn diagnose_after(&self, reason: Option<&str>) -> Diagnosis {
        let health = self.health();
        let mut findings = Vec::new();
        findings.extend(self.why_off());
        if let Some(shared) = self.client.lifecycle.shared().filter(|_| !is_ignored()) {
            findings.extend(why_not_stored(&health));
            findings.extend(why_not_sent(shared, &health));
            findings.extend(withheld(shared, reason));
            findings.extend(unexpected(shared));
        }
        findings.extend(self.client.unlisted.finding());
        let delivered = health.destinations.iter().map(|destination| destination.delivered).max().unwrap_or(0);
        let waiting = health.queued();
        let is_blocked = findings.iter().any(|finding| finding.cause.blocks());
        if health.enabled && health.accepted == 0 && health.journal_bytes == 0 {
            findings.push(Finding::new(Cause::NothingRecorded, "nothing has been recorded on this device"));
        } else if health.enabled && !is_blocked && waiting > 0 {
            findings.push(Finding::new(Cause::Waiting, format!("{waiting} events wait for the next upload")));
        }
        Diagnosis::of(findings, delivered, waiting)
    }

    fn why_off(&self) -> Option<Finding> {
        let lifecycle = &self.client.lifecycle;
        if lifecycle.cell().is_on() && !is_ignored() {
            return None;
        }
        let cause = match lifecycle.cell().state() {
            LifecycleState::ShutDown => Cause::NotStarted,
            _ if lifecycle.cell().consent() == Consent::Denied => Cause::ConsentDenied,
            _ => Cause::SwitchedOff,
        };
        Some(Finding::new(cause, lifecycle.absence()))
    }
}

fn why_not_stored(health: &Health) -> Option<Finding> {
    let (cause, seen) = match &health.storage {
        StorageState::Locked(reason) => (Cause::StorageLocked, format!("the database cannot be used: {reason}")),
        StorageState::Full => (Cause::StorageFull, "the disk is full".to_owned()),
        StorageState::Failed(reason) => (Cause::StorageFailed, format!("the client's own thread has died: {reason}")),
        StorageState::Suspended => (Cause::Suspended, "the app has suspended the client".to_owned()),
        _ => return None,
    };
    Some(Finding::new(cause, seen))
}

/// What keeps the destinations from getting anything: the user's consent, the configuration, what
/// the app has decided, and how the last requests ended.
fn why_not_sent(shared: &Shared, health: &Health) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = shared.unconsented() {
        findings.push(Finding::new(Cause::ConsentPending, reason));
    }
    if let Some(reason) = shared.nowhere() {
        let cause = if shared.config.destinations.is_empty() { Cause::NoEndpoint } else { Cause::NoTransport };
        findings.push(Finding::new(cause, reason));
    }
    let paused = shared.pauses.names();
    for destination in &shared.config.destinations {
        let name = &destination.name;
        if paused.contains(name) {
            findings.push(Finding::new(Cause::PausedByApp, "the app has paused it").of(name));
        }
        // What an earlier process was answered still holds while the pause lasts.
        let known = health.destinations.iter().find(|known| known.name == *name);
        let failure = shared.observed.failure(name).or_else(|| known.and_then(|known| known.paused.clone()));
        if let Some(failure) = failure {
            findings.push(Finding::new(cause_of(&failure), failure).of(name));
        }
    }
    findings
}

/// What the device's conditions hold back. `reason` is why a flush left something.
fn withheld(shared: &Shared, reason: Option<&str>) -> Option<Finding> {
    let Conditions { network, low_power, battery_percent, charging, .. } =
        *shared.conditions.lock().unwrap_or_else(PoisonError::into_inner);
    let is_weak = |percent| percent < LOW_BATTERY_PERCENT;
    let said = reason.and_then(|reason| Blocked::ALL.into_iter().find(|blocked| blocked.explanation() == reason));
    let blocked = match said {
        Some(said) => said,
        None if network == Network::Offline => Blocked::Offline,
        None if network == Network::Metered && shared.config.send.metered_uploads != MeteredUploads::All => {
            Blocked::Metered
        }
        None if low_power || (battery_percent.is_some_and(is_weak) && !charging) => Blocked::LowPower,
        None => return None,
    };
    let cause = match blocked {
        Blocked::Offline => Cause::Offline,
        Blocked::Metered | Blocked::LowPower | Blocked::DailyCap => Cause::SavesData,
        // These are told from what was decided.
        Blocked::Consent | Blocked::Paused => return None,
    };
    Some(Finding::new(cause, blocked.explanation()))
}

/// What explains that something is missing, or arrives otherwise than one might expect.
fn unexpected(shared: &Shared) -> Vec<Finding> {
    let routes = shared.route_hints.iter().map(|hint| Finding::new(Cause::NotRouted, hint.as_str()));
    let mut findings: Vec<Finding> = routes.collect();
    let seen = match shared.recorder().sampled() {
        Sampled::In => None,
        Sampled::Aside => Some("this session is kept aside: it is sent if an error or something slow happens in it"),
        Sampled::Out => {
            Some("this session is not in the sample of `sessionSampleRate`, so only errors and crashes are recorded")
        }
    };
    findings.extend(seen.map(|seen| Finding::new(Cause::SampledOut, seen)));
    let offset = shared.observed.server_offset_ms();
    if offset.unsigned_abs() > CLOCK_WRONG_AFTER.as_millis() as u64 {
        let (seconds, is) = (offset.unsigned_abs() / 1_000, if offset > 0 { "behind" } else { "ahead of" });
        let seen = format!("the device's clock is {seconds} s {is} the backend's");
        findings.push(Finding::new(Cause::ClockWrong, seen));
    }
    findings
}
