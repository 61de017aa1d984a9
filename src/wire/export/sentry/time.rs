//! Times as Sentry reads them.

use std::fmt::Write;

use crate::model::export::ExportRow;

/// By whose clock the times of an envelope are.
///
/// Relay moves the times of an envelope by the difference between the time of sending and that of
/// receipt, if it is 55 minutes or more. Times that are the server's already must not be moved once
/// more, so such an envelope does not say when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// That of the device.
    Device,
    /// That of the server: the offset to it was known to every event.
    Server,
}

impl Clock {
    /// The clock of an envelope with these events.
    pub(super) fn of(rows: &[ExportRow<'_>]) -> Self {
        if rows.iter().all(|row| row.server_offset_ms().is_some()) { Self::Server } else { Self::Device }
    }

    /// A time of an event's, ns since the Unix epoch.
    pub(super) fn time(self, row: &ExportRow<'_>, unix_nano: u64) -> u64 {
        match self {
            Self::Device => unix_nano,
            Self::Server => row.by_server_clock(unix_nano),
        }
    }
}

const DAY_SECONDS: u64 = 86_400;

/// Wall time in ns since the Unix epoch as a date and time of RFC 3339, exact to a microsecond.
pub(super) fn rfc3339(unix_nano: u64) -> String {
    let (seconds, micros) = (unix_nano / 1_000_000_000, unix_nano % 1_000_000_000 / 1_000);
    let (days, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (year, month, day) = date(days);
    let mut text = String::with_capacity(27);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
    text
}

/// Wall time in ns since the Unix epoch as seconds with six digits behind the point.
pub(super) fn seconds(unix_nano: u64) -> String {
    format!("{}.{:06}", unix_nano / 1_000_000_000, unix_nano % 1_000_000_000 / 1_000)
}

/// The date that is so many days after 1970-01-01. The years are counted from 1 March, so that a
/// leap day is the last of its year, in eras of 400 years, which all have the same days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, after) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + after, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_have_their_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_799, "2000-02-29T23:59:59.000000Z"),
            (1_767_225_600, "2026-01-01T00:00:00.000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000_000), text);
        }
        assert_eq!(rfc3339(1_767_225_600_123_456_789), "2026-01-01T00:00:00.123456Z");
        assert_eq!(seconds(1_767_225_600_023_456_789), "1767225600.023456");
    }

    proptest! {
        #[test]
        fn a_date_is_that_of_another_implementation(days in 0..213_503_u64) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(days * DAY_SECONDS);
            let other = httpdate::fmt_http_date(time);
            let (year, month, day) = date(days);
            let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                [month as usize - 1];
            prop_assert!(other.contains(&format!(", {day:02} {name} {year:04} ")), "{} {}", other, days);
        }
    }
}
