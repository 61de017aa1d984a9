//! The part of the configuration that decides when something is sent.

use std::time::Duration;

/// What goes over a metered network: a cellular connection, a hotspot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MeteredUploads {
    /// Every lane.
    #[default]
    All,
    /// Crashes, errors and events. Logs, metrics and spans wait for an unmetered network.
    NoBulk,
    /// Crashes only.
    CrashesOnly,
}

/// What the scheduler reads of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// How long an event may wait for others that are sent with it.
    pub flush_interval: Duration,
    /// As many events are sent without waiting for the interval.
    pub flush_events: u64,
    /// What goes over a metered network.
    pub metered_uploads: MeteredUploads,
    /// Bytes of compressed bodies a day, crashes not counted; `None` for no cap.
    pub daily_bytes: Option<u64>,
}
