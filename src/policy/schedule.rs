//! When a lane is sent: a pure function of what waits, of what the host says, and of the policy.

use std::time::Duration;

use crate::model::config::{MeteredUploads, SendPolicy};
use crate::model::event::Lane;
use crate::model::limits::{ERROR_INTERVAL_DIVISOR, LOW_BATTERY_PERCENT};

/// What the host says about the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// The host has not said: requests are tried.
    #[default]
    Unknown,
    /// There is no network: no request is tried, unless the transport waits for one itself.
    Offline,
    /// Wi-Fi or Ethernet.
    Unmetered,
    /// A cellular connection or a hotspot: see [`MeteredUploads`].
    Metered,
}

/// What the host says about app and device. Throughline asks the operating system for none of it.
///
/// Give it to [`Telemetry::set_conditions`](crate::Telemetry::set_conditions) whenever it changes.
///
/// ```
/// use throughline::{Conditions, Config, Consent, Network, Telemetry};
///
/// let dir = tempfile::tempdir()?;
/// let config = Config::builder("shop", dir.path()).build()?;
/// let telemetry = Telemetry::start(config, Consent::Granted)?;
/// telemetry.set_conditions(Conditions {
///     foreground: false,
///     network: Network::Metered,
///     battery_percent: Some(12),
///     ..Conditions::default()
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// Whether the app is in the foreground. On the way to the background everything that waits is
    /// sent at once; what is recorded in the background is sent at the usual interval. Default:
    /// true.
    pub foreground: bool,
    /// The network. Default: unknown.
    pub network: Network,
    /// The battery's level in percent; `None` when unknown. Under 15 %, only crashes and errors are
    /// sent.
    pub battery_percent: Option<u8>,
    /// Whether the battery is charging: then its level does not matter.
    pub charging: bool,
    /// Whether the user has switched on low-power mode or data saving: then only crashes and errors
    /// are sent.
    pub low_power: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { foreground: true, network: Network::Unknown, battery_percent: None, charging: false, low_power: false }
    }
}

/// What waits in a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The number of rows.
    pub rows: u64,
    /// How long the oldest of them has been waiting.
    pub oldest: Duration,
    /// Whether it is not to wait for more: a flush was asked for, or the app has gone to the
    /// background.
    pub flush: bool,
}

/// Why nothing is sent now, although something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocked {
    /// There is no network.
    Offline,
    /// The network is metered, and the configuration forbids this lane on it.
    Metered,
    /// The device is in low-power mode, or its battery is under 15 %.
    LowPower,
    /// The daily cap of bytes is reached.
    DailyCap,
    /// The user has not consented yet.
    Consent,
    /// The app has paused the destination.
    Paused,
}

impl Blocked {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Offline, Self::Metered, Self::LowPower, Self::DailyCap, Self::Consent, Self::Paused];

    /// Which condition keeps events from being sent.
    pub fn explanation(self) -> &'static str {
        match self {
            Blocked::Offline => "the device is offline",
            Blocked::Metered => "the network is metered",
            Blocked::LowPower => "the device saves power",
            Blocked::DailyCap => "the daily limit of bytes is reached",
            Blocked::Consent => "the user has not consented yet",
            Blocked::Paused => "the app has paused the destination",
        }
    }
}

/// The decision about a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendDecision {
    /// Nothing waits.
    Idle,
    /// Send now.
    Send,
    /// Decide again after this time.
    Wait(Duration),
    /// Decide again when conditions change.
    Blocked(Blocked),
}

/// Decides about one lane. `sent_today` is in bytes of compressed bodies.
pub fn decide(
    lane: Lane,
    waiting: Waiting,
    conditions: Conditions,
    policy: SendPolicy,
    sent_today: u64,
) -> SendDecision {
    if waiting.rows == 0 {
        return SendDecision::Idle;
    }
    if conditions.network == Network::Offline {
        return SendDecision::Blocked(Blocked::Offline);
    }
    if lane == Lane::Crash {
        return SendDecision::Send;
    }
    if let Some(blocked) = blocked(lane, conditions, policy, sent_today) {
        return SendDecision::Blocked(blocked);
    }
    let patience = match lane {
        Lane::Error => policy.flush_interval / ERROR_INTERVAL_DIVISOR,
        _ => policy.flush_interval,
    };
    if waiting.flush || waiting.rows >= policy.flush_events || waiting.oldest >= patience {
        return SendDecision::Send;
    }
    SendDecision::Wait(patience - waiting.oldest)
}

fn blocked(lane: Lane, conditions: Conditions, policy: SendPolicy, sent_today: u64) -> Option<Blocked> {
    let weak = conditions.battery_percent.is_some_and(|percent| percent < LOW_BATTERY_PERCENT) && !conditions.charging;
    if lane >= Lane::Event && (conditions.low_power || weak) {
        return Some(Blocked::LowPower);
    }
    let metered_refuses = match policy.metered_uploads {
        MeteredUploads::All => false,
        MeteredUploads::NoBulk => lane == Lane::Bulk,
        MeteredUploads::CrashesOnly => true,
    };
    if conditions.network == Network::Metered && metered_refuses {
        return Some(Blocked::Metered);
    }
    policy.daily_bytes.filter(|cap| sent_today >= *cap).map(|_| Blocked::DailyCap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SendPolicy = SendPolicy {
        flush_interval: Duration::from_secs(40),
        flush_events: 100,
        metered_uploads: MeteredUploads::NoBulk,
        daily_bytes: Some(1_000),
    };
    const ONE: Waiting = Waiting { rows: 1, oldest: Duration::ZERO, flush: false };
    const FLUSH: Waiting = Waiting { rows: 1, oldest: Duration::ZERO, flush: true };

    fn with(change: impl FnOnce(&mut Conditions)) -> Conditions {
        let mut conditions = Conditions::default();
        change(&mut conditions);
        conditions
    }

    #[test]
    fn crashes_go_regardless_of_low_power_battery_metering_and_cap() {
        let worst = with(|c| {
            c.low_power = true;
            c.battery_percent = Some(1);
            c.network = Network::Metered;
        });
        assert_eq!(decide(Lane::Crash, ONE, worst, POLICY, u64::MAX), SendDecision::Send);
        let offline = with(|c| c.network = Network::Offline);
        assert_eq!(decide(Lane::Crash, ONE, offline, POLICY, 0), SendDecision::Blocked(Blocked::Offline));
    }

    #[test]
    fn a_flush_does_not_break_the_hosts_rules() {
        let low = with(|c| c.low_power = true);
        assert_eq!(decide(Lane::Event, FLUSH, low, POLICY, 0), SendDecision::Blocked(Blocked::LowPower));
        assert_eq!(decide(Lane::Error, FLUSH, low, POLICY, 0), SendDecision::Send);
        let metered = with(|c| c.network = Network::Metered);
        assert_eq!(decide(Lane::Bulk, FLUSH, metered, POLICY, 0), SendDecision::Blocked(Blocked::Metered));
        assert_eq!(decide(Lane::Event, FLUSH, metered, POLICY, 0), SendDecision::Send);
        let policy = SendPolicy { metered_uploads: MeteredUploads::CrashesOnly, ..POLICY };
        assert_eq!(decide(Lane::Error, FLUSH, metered, policy, 0), SendDecision::Blocked(Blocked::Metered));
        assert_eq!(decide(Lane::Bulk, FLUSH, with(|_| ()), POLICY, 1_000), SendDecision::Blocked(Blocked::DailyCap));
    }

    #[test]
    fn events_wait_for_others_and_errors_less_long() {
        let now = with(|_| ());
        assert_eq!(decide(Lane::Event, ONE, now, POLICY, 0), SendDecision::Wait(Duration::from_secs(40)));
        assert_eq!(decide(Lane::Error, ONE, now, POLICY, 0), SendDecision::Wait(Duration::from_secs(10)));
        let many = Waiting { rows: 100, ..ONE };
        assert_eq!(decide(Lane::Event, many, now, POLICY, 0), SendDecision::Send);
        let background = with(|c| c.foreground = false);
        assert_eq!(decide(Lane::Event, ONE, background, POLICY, 0), SendDecision::Wait(Duration::from_secs(40)));
        assert_eq!(decide(Lane::Event, FLUSH, background, POLICY, 0), SendDecision::Send);
        assert_eq!(decide(Lane::Event, Waiting::default(), now, POLICY, 0), SendDecision::Idle);
    }
}
