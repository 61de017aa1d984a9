//! Times as the JSON of protobuf writes them.

/// A moment as RFC 3339 writes it, from nanoseconds since the Unix epoch.
pub(super) fn timestamp(unix_nano: u64) -> String {
    let (seconds, nanos) = (unix_nano / 1_000_000_000, unix_nano % 1_000_000_000);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z", fraction(nanos))
}

/// A duration in seconds, from nanoseconds.
pub(super) fn duration(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    format!("{sign}{}{}s", nanos / 1_000_000_000, fraction(nanos % 1_000_000_000))
}

/// Nanoseconds as 0, 3, 6 or 9 digits behind a point.
fn fraction(nanos: u64) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// Year, month and day in the Gregorian calendar, from days since the Unix epoch.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    // A clock that says nanoseconds in 64 bits knows 584 years.
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_protobuf_writes_them() {
        for (unix_nano, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000_000_000, "2000-03-01T00:00:00Z"),
            (1_767_225_599_999_999_999, "2025-12-31T23:59:59.999999999Z"),
            (1_767_225_600_000_001_000, "2026-01-01T00:00:00.000001Z"),
            (4_107_542_400_500_000_000, "2100-03-01T00:00:00.500Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(timestamp(unix_nano), text);
        }
        for (nanos, text) in [
            (0, "0s"),
            (1, "0.000000001s"),
            (1_500_000_000, "1.500s"),
            (-250_000, "-0.000250s"),
            (-3_000_000_000, "-3s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
