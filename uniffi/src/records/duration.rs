//! Lengths of time across the boundary.

use std::time::Duration;

/// A length of time: `TimeInterval` in Swift and `kotlin.time.Duration` in Kotlin.
///
/// It crosses as whole nanoseconds. UniFFI's own type for durations is not used: in Kotlin it is
/// `java.time.Duration`, which Android has only from version 8 on, and in Swift it ends the app
/// when a value is negative or not a number. `uniffi.toml` has the conversions, which turn such
/// values into 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostDuration(pub Duration);

uniffi::custom_type!(HostDuration, u64, {
    lower: |duration| u64::try_from(duration.0.as_nanos()).unwrap_or(u64::MAX),
    try_lift: |nanoseconds| Ok(HostDuration(Duration::from_nanos(nanoseconds))),
});

impl From<Duration> for HostDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}
