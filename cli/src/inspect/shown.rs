//! Numbers, times and texts as people read them. Nothing is cut without a mark.

/// Stands for a time that a record does not have.
pub(super) const NO_TIME: &str = "no time";
/// Stands for a time that cannot be right: nobody's clock shows the year 2262.
pub(super) const ODD_TIME: &str = "time not plausible";

/// Longest name, service and screen in a page, in characters.
pub(super) const MAX_NAME: usize = 200;
/// Longest id in a URL, in bytes. Servers and browsers refuse URLs that are much longer.
const MAX_ID: usize = 2_000;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Date and time, in UTC, of a plausible wall time in nanoseconds since the Unix epoch.
pub(super) fn clock(ns: i64) -> String {
    let (days, ns) = (ns.div_euclid(DAY), ns.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (ns / HOUR, ns % HOUR / MINUTE, ns % MINUTE / SECOND);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next, month, day)
}

/// A duration in the unit that people read best.
pub(super) fn duration(ns: i64) -> String {
    match ns.max(0) {
        ns if ns < 1_000_000 => format!("{} µs", ns / 1_000),
        ns if ns < SECOND => format!("{:.1} ms", ns as f64 / 1e6),
        ns if ns < MINUTE => format!("{:.2} s", ns as f64 / 1e9),
        ns if ns < HOUR => format!("{} min {:02} s", ns / MINUTE, ns % MINUTE / SECOND),
        ns if ns < DAY => format!("{} h {:02} min", ns / HOUR, ns % HOUR / MINUTE),
        ns => format!("{} d {:02} h", grouped((ns / DAY).unsigned_abs()), ns % DAY / HOUR),
    }
}

/// A number with its thousands apart: `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, whose name has a plural in `s`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A text of at most so many characters. One that is cut says its length.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept}… ({} characters)", grouped(text.chars().count() as u64))
        }
    }
}

/// The first line of a text that is not empty, cut like [`cut`]. Further lines leave a mark.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let rest = if line.len() < text.len() { " …" } else { "" };
    format!("{}{rest}", cut(line, most))
}

/// The path of a session or a trace. A browser takes `.` and `..` for folders, and no server takes
/// an id of any length: such an id is given by one of its records.
pub(super) fn href(what: &str, id: &str, record: i64) -> String {
    if id.len() > MAX_ID || matches!(id, "." | "..") {
        return format!("/{what}-of/{record}");
    }
    let mut path = format!("/{what}/");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_date_whatever_the_year() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_795_730_738, "2026-11-26 22:05:38 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (9_223_372_036, "2262-04-11 23:47:16 UTC"),
        ] {
            assert_eq!(clock(seconds * SECOND), text);
        }
    }

    #[test]
    fn a_duration_is_read_at_a_glance() {
        for (ns, text) in [
            (-5, "0 µs"),
            (999_999, "999 µs"),
            (1_500_000, "1.5 ms"),
            (59 * SECOND, "59.00 s"),
            (61 * SECOND, "1 min 01 s"),
            (3 * HOUR + 5 * MINUTE, "3 h 05 min"),
            (i64::MAX, "106,751 d 23 h"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!((cut("äöü", 3), cut("äöüß", 3)), ("äöü".to_owned(), "äöü… (4 characters)".to_owned()));
        assert_eq!(one_line("\n first\nsecond", 80), "first …");
        assert_eq!(
            (grouped(7), grouped(1_000), grouped(12_345_678)),
            ("7".into(), "1,000".into(), "12,345,678".into())
        );
    }

    #[test]
    fn every_id_has_a_path_that_leads_to_it() {
        assert_eq!(href("session", "a/b?c#d e%f", 7), "/session/a%2Fb%3Fc%23d%20e%25f");
        assert_eq!(
            (href("session", "..", 7), href("session", "...", 7)),
            ("/session-of/7".into(), "/session/...".into())
        );
        assert_eq!(href("trace", &"x".repeat(3_000), 7), "/trace-of/7");
    }
}
