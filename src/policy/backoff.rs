//! Delays between attempts: exponential with full jitter, or what the server asks for.

use std::time::{Duration, SystemTime};

use crate::model::limits::{
    BACKOFF_BASE, BACKOFF_CAP, BACKOFF_MIN, PAUSE_BASE, PAUSE_CAP, RETRY_AFTER_MAX, RETRY_AFTER_MIN,
    RETRY_DATE_SPREAD_DIVISOR,
};

/// The delay before the next attempt, after `failures` failures in a row: uniform between 100 ms
/// and a bound that doubles with each failure. `random` is any 64 random bits.
pub fn delay(failures: u32, random: u64) -> Duration {
    let bound = BACKOFF_BASE.saturating_mul(1 << failures.min(16)).min(BACKOFF_CAP);
    bound.mul_f64(share(random)).max(BACKOFF_MIN)
}

/// A number between 0 and 1 from 64 random bits.
fn share(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// How long a destination is paused that has refused the client (401, 403, 404) after `pauses`
/// earlier pauses in a row.
pub fn pause(pauses: u32) -> Duration {
    PAUSE_BASE.saturating_mul(1 << pauses.min(8)).min(PAUSE_CAP)
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. A date counts from the response's
/// own `Date`, because the device's clock may be wrong; without one, from `wall_ns`. Because many
/// clients are given the same date, each adds up to a tenth of the wait, by 64 random bits. The
/// result is between 1 s and 24 h; `None` when the value is neither.
pub fn retry_after(value: &str, date: Option<&str>, wall_ns: u64, random: u64) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.starts_with(|c: char| c.is_ascii_digit()) && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let now = date
            .and_then(|date| httpdate::parse_http_date(date.trim()).ok())
            .unwrap_or(SystemTime::UNIX_EPOCH + Duration::from_nanos(wall_ns));
        let left = until.duration_since(now).unwrap_or_default().max(RETRY_AFTER_MIN);
        left + left.mul_f64(share(random)) / RETRY_DATE_SPREAD_DIVISOR
    };
    Some(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

/// Server time minus device time in milliseconds, by the `Date` of a response.
pub fn server_offset_ms(date: &str, wall_ns: u64) -> Option<i64> {
    let server = httpdate::parse_http_date(date.trim()).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(server.as_millis() as i64 - (wall_ns / 1_000_000) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_between_their_bounds() {
        for failures in 0..40 {
            assert!(delay(failures, u64::MAX) <= BACKOFF_CAP);
            assert!(delay(failures, 0) >= Duration::from_millis(100));
        }
        assert!(delay(0, u64::MAX) <= Duration::from_secs(1));
        assert!(delay(30, u64::MAX) > Duration::from_secs(890));
    }

    #[test]
    fn retry_after_takes_seconds_and_dates_and_refuses_junk() {
        assert_eq!(retry_after("120", None, 0, 0), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("0", None, 0, 0), Some(Duration::from_secs(1)));
        assert_eq!(retry_after("1000000000000", None, 0, 0), Some(Duration::from_secs(86_400)));
        assert_eq!(retry_after("99999999999999999999999999", None, 0, 0), Some(Duration::from_secs(86_400)));
        for junk in ["-1", "soon", "", "1.5", "12 parsecs"] {
            assert_eq!(retry_after(junk, None, 0, 0), None, "{junk}");
        }
    }

    #[test]
    fn a_date_counts_from_the_responses_own_date_whatever_the_device_believes() {
        let (date, until) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT");
        let device_in_2040 = 2_208_988_800_000_000_000;
        assert_eq!(retry_after(until, Some(date), device_in_2040, 0), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(date, Some(until), 0, 0), Some(Duration::from_secs(1)));
    }
}
