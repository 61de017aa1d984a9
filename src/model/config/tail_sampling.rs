//! Sessions that are kept only if something happens in them.

use std::time::Duration;

/// Keeps what would be sampled out on the device for a while, and sends it only if something happens: a crash, an error, a
/// slow operation, `report_problem`. From then on the session is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailSampling {
    /// How far back events are kept: 1 to 60 minutes. Default: 5 minutes.
    pub window: Duration,
    /// Bytes that are kept, 64 KiB to 8 MiB; the oldest go first. Default: 2 MiB.
    pub bytes: u64,
    /// True: every session, also those that the sample rate keeps. Default: those that it does not.
    pub all_sessions: bool,
    /// A handled error is reason enough. Crashes, hangs and ANRs always are. Default: true.
    pub on_error: bool,
    /// An operation that takes at least this long is reason enough. Default: `None`, no duration is.
    pub slow_operation: Option<Duration>,
}

impl Default for TailSampling {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            bytes: 2 * 1024 * 1024,
            all_sessions: false,
            on_error: true,
            slow_operation: None,
        }
    }
}

impl TailSampling {
    /// Why the rule cannot work; `None` when it can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !(Duration::from_secs(60)..=Duration::from_secs(3_600)).contains(&self.window) {
            Some("window must be between 1 and 60 minutes")
        } else if !(64 * 1024..=8 * 1024 * 1024).contains(&self.bytes) {
            Some("bytes must be between 64 KiB and 8 MiB")
        } else {
            None
        }
    }
}
