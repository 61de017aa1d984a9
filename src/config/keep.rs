//! Sessions that are kept only if something happens in them.

use serde::{Deserialize, Serialize};

/// Keeps what would be sampled out on the device for a while, and sends it only if something happens: a crash, an error, a
/// slow operation, `report_problem`. From then on the session is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepRule {
    /// How far back, minutes, 1 to 60. Default: 5.
    pub minutes: u32,
    /// Bytes that are kept, 64 KiB to 8 MiB; the oldest go first. Default: 2 MiB.
    pub bytes: u64,
    /// True: every session, also those that the sample rate keeps. Default: those that it does not.
    pub all_sessions: bool,
    /// A handled error is reason enough. Crashes, hangs and ANRs always are. Default: true.
    pub on_error: bool,
    /// An operation that takes this long is reason enough, ms. 0 (the default): none is.
    pub slow_operation_ms: u64,
}

impl Default for KeepRule {
    fn default() -> Self {
        Self { minutes: 5, bytes: 2 * 1024 * 1024, all_sessions: false, on_error: true, slow_operation_ms: 0 }
    }
}

impl KeepRule {
    /// Why the rule cannot work; `None` when it can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !(1..=60).contains(&self.minutes) {
            Some("minutes must be between 1 and 60")
        } else if !(64 * 1024..=8 * 1024 * 1024).contains(&self.bytes) {
            Some("bytes must be between 64 KiB and 8 MiB")
        } else {
            None
        }
    }
}
