//! Tail sampling: sessions that are sent only if something happens in them.

use std::time::Duration;

use crate::model::limits::{DEFAULT_TAIL_BYTES, DEFAULT_TAIL_WINDOW, TAIL_BYTES_RANGE, TAIL_WINDOW_RANGE};

/// Keeps on the device what would not be sampled, and sends it only if something happens.
///
/// The last minutes of a session wait on the device. A crash, an error, a slow operation or
/// [`Telemetry::report_problem`](crate::Telemetry::report_problem) sends them, and the rest of the
/// session is recorded as if it had been sampled. If nothing happens, they are dropped and counted
/// as [`SampledOut`](crate::ledger::DropReason::SampledOut).
///
/// ```
/// use std::time::Duration;
/// use throughline::{Config, TailSampling};
///
/// let tail = TailSampling {
///     window: Duration::from_secs(10 * 60),
///     slow_operation: Some(Duration::from_secs(3)),
///     ..TailSampling::default()
/// };
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .session_sample_rate(0.01)
///     .tail_sampling(tail)
///     .build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailSampling {
    /// How far back events are kept, 1 to 60 minutes. Default: 5 minutes.
    pub window: Duration,
    /// How many bytes of events are kept, 64 KiB to 8 MiB. The oldest give way. Default: 2 MiB.
    pub bytes: u64,
    /// Whether that applies to every session, also those that the sample rate selects. Default:
    /// false.
    pub all_sessions: bool,
    /// Whether a handled error sends the session. Crashes, hangs and ANRs always do. Default: true.
    pub on_error: bool,
    /// An operation that takes at least this long sends the session. Default: `None`, none does.
    pub slow_operation: Option<Duration>,
}

impl Default for TailSampling {
    fn default() -> Self {
        Self {
            window: DEFAULT_TAIL_WINDOW,
            bytes: DEFAULT_TAIL_BYTES,
            all_sessions: false,
            on_error: true,
            slow_operation: None,
        }
    }
}

impl TailSampling {
    /// Why the values cannot work; `None` when they can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !TAIL_WINDOW_RANGE.contains(&self.window) {
            Some("window must be between 1 and 60 minutes")
        } else if !TAIL_BYTES_RANGE.contains(&self.bytes) {
            Some("bytes must be between 64 KiB and 8 MiB")
        } else {
            None
        }
    }
}
