//! Sessions that are sent only when something happens in them.

use throughline::config;

use super::HostDuration;

/// Keeps sessions that are not sampled on the device, and sends one when something happens in it: a
/// crash, an error, a slow operation, or `reportProblem`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct TailSampling {
    /// How far back events are kept, 1 to 60 minutes.
    pub window: HostDuration,
    /// How many bytes of events are kept, 64 KiB to 8 MiB. The oldest are dropped first.
    #[uniffi(default = 2_097_152)]
    pub bytes: u64,
    /// True: every session waits for its reason, also those that the sample rate would keep.
    #[uniffi(default = false)]
    pub all_sessions: bool,
    /// Whether a handled error is a reason to send. Crashes, hangs and ANRs always are.
    #[uniffi(default = true)]
    pub on_error: bool,
    /// An operation that takes at least this long is a reason to send. Absent: no duration is.
    #[uniffi(default = None)]
    pub slow_operation: Option<HostDuration>,
}

impl TailSampling {
    pub(crate) fn to_core(&self) -> config::TailSampling {
        config::TailSampling {
            window: self.window.0,
            bytes: self.bytes,
            all_sessions: self.all_sessions,
            on_error: self.on_error,
            slow_operation: self.slow_operation.map(|slow| slow.0),
        }
    }
}
