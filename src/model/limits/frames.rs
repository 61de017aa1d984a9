//! Limits of frames.

use std::time::Duration;

/// A frame that takes longer is frozen: the length that Datadog's and Android's tools use.
pub const FROZEN_FRAME: Duration = Duration::from_millis(700);
/// A frame that a host calls slow took longer than this: the hosts' own measure, an interval of
/// their display and 16 ms more, is stricter. OpenTelemetry's instrumentation of Android has it.
pub const SLOW_FRAME: Duration = Duration::from_millis(16);
