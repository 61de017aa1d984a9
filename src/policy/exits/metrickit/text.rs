//! Times and durations as MetricKit writes them.

use std::time::Duration;

use crate::model::time::nanos;

/// A time: `2026-08-26 00:44:00`, which is local and cut to minutes, or the same with a zone.
/// `zone_s` is how far the device's local time is ahead of UTC, in seconds. Milliseconds since the
/// Unix epoch.
pub(super) fn time_ms(text: &str, zone_s: i32) -> Option<u64> {
    let (date, rest) = text.trim().split_at_checked(10)?;
    let (clock, rest) = rest.strip_prefix([' ', 'T'])?.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let is_possible = (1970..2262).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60;
    if !is_possible {
        return None;
    }
    let digits = rest.strip_prefix('.').map(|fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    let ahead = match digits.unwrap_or(rest).trim() {
        "" => i64::from(zone_s),
        zone => zone_seconds(zone)?,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - ahead;
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?;
    let parts: Vec<i64> = text.split(between).map(number).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// `Z`, `+0200`, `-03:30`.
fn zone_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "UTC" | "GMT") {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let digits = rest.replace(':', "");
    let number = digits.parse::<i64>().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 3_600 + number % 100 * 60))
}

/// Days from the Unix epoch to a date of the Gregorian calendar. Years begin in March, so that the
/// day that may be missing is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// A duration: `20 sec`, `1,250 ms`. `None` for a unit that is not known.
pub(super) fn duration_ns(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number = match number.rsplit_once(',') {
        // Some regions write a comma before the fraction.
        Some((whole, part)) if part.len() != 3 && !number.contains('.') => format!("{whole}.{part}"),
        _ => number.replace(',', ""),
    };
    let seconds = match unit.trim() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" | "msec" => 0.001,
        "min" | "mins" => 60.0,
        "h" | "hr" | "hrs" => 3_600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * seconds;
    Duration::try_from_secs_f64(seconds).ok().map(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_local_unless_it_names_its_zone() {
        let at = 1_787_697_840_000; // 2026-08-25 22:44:00 UTC
        assert_eq!(time_ms("2026-08-26 00:44:00", 7_200), Some(at));
        for text in ["2026-08-25 22:44:00 +0000", "2026-08-25T22:44:00Z", "2026-08-25 20:44:00.25 -02:00"] {
            assert_eq!(time_ms(text, 7_200), Some(at), "{text}");
        }
        assert_eq!(time_ms("1970-01-01 00:00:00", 0), Some(0));
        assert_eq!(time_ms("2000-02-29 00:00:00", 0), Some(951_782_400_000));
        for text in [
            "",
            "2026-08-26",
            "2026-13-01 00:00:00",
            "2026-08-26 24:00:00",
            "1969-01-01 00:00:00",
            "2026-08-26 00:44:00 CEST",
            "é026-08-26 00:44:00",
            "+026-08-26 00:44:00",
            "9999-01-01 00:00:00",
        ] {
            assert_eq!(time_ms(text, 0), None, "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_unit_and_maybe_commas() {
        for (text, ms) in [
            ("20 sec", 20_000),
            ("2.5 sec", 2_500),
            ("2,5 sec", 2_500),
            ("1,250 ms", 1_250),
            ("2", 2_000),
            ("1 min", 60_000),
        ] {
            assert_eq!(duration_ns(text), Some(ms * 1_000_000), "{text}");
        }
        for text in ["", "sec", "-1 sec", "1 fortnight", "nan sec", "1.2.3 sec"] {
            assert_eq!(duration_ns(text), None, "{text}");
        }
    }
}
