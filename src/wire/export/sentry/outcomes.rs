//! What an answer of Sentry's means, as a table that decides and that the documentation shows.
//!
//! Sentry has an SDK discard what is answered with 4xx or 5xx, 429 included. Throughline departs
//! from that: it has the events on disk, so an outage, a proxy or a limit of the rate need not cost
//! any. The client looks for the event at fault if there is one, and no status drops a crash.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{EVENTS, LOGS, SESSIONS};
use crate::model::export::{Signal, Verdict};
use crate::model::http::Response;
use crate::model::limits::RETRY_AFTER_MAX;
use crate::model::names::sentry::RATE_LIMITS;
use crate::wire::transport::cause::{IS_TLS, wrong_port};

/// Which answers of a status a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Any,
    /// Those that Sentry promises: nothing, or an object of JSON that tells of no error.
    Promised,
    /// Those that ask for TLS.
    AsksForTls,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Retry,
    Split,
    Refused,
    /// With what may be done about it.
    Hold(&'static str),
}

/// A row of the table.
struct Row {
    statuses: &'static [RangeInclusive<u16>],
    when: When,
    outcome: Outcome,
    /// Why, in words for the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "the documentation is written from it"))]
    reason: &'static str,
}

const fn row(statuses: &'static [RangeInclusive<u16>], when: When, outcome: Outcome, reason: &'static str) -> Row {
    Row { statuses, when, outcome, reason }
}

/// The first row that fits counts.
const TABLE: [Row; 15] = [
    row(&[200..=299], When::Promised, Outcome::Delivered, "Sentry has the envelope"),
    row(&[200..=299], When::Any, Outcome::Retry, "A captive portal or a proxy has answered, not Sentry"),
    row(&[300..=399], When::Any, Outcome::Retry, "Redirects are not followed: the key must not go to another host"),
    row(&[400..=400], When::AsksForTls, Outcome::Hold(IS_TLS), "The DSN names the wrong scheme"),
    row(
        &[401..=401, 403..=403],
        When::Any,
        Outcome::Hold(
            "check the key and the project of the DSN; Sentry may have \
        disabled them",
        ),
        "The DSN is wrong or disabled, whatever is sent",
    ),
    row(&[402..=402], When::Any, Outcome::Hold("the account may have to be paid for"), "No event would be taken"),
    row(
        &[404..=404, 405..=405, 410..=410],
        When::Any,
        Outcome::Hold(
            "nothing takes envelopes there; check the host, \
        the path and the project of the DSN",
        ),
        "The DSN leads to something else",
    ),
    row(&[407..=407], When::Any, Outcome::Hold("a proxy wants to be told who asks"), "The network is at fault"),
    row(&[408..=408, 421..=421, 425..=425], When::Any, Outcome::Retry, "The request came at the wrong time or place"),
    row(
        &[413..=413],
        When::Any,
        Outcome::Split,
        "Several sessions or logs go in two requests. A single event that is \
        too large is dropped as `too_large`",
    ),
    row(
        &[415..=415, 426..=426, 451..=451],
        When::Any,
        Outcome::Hold("it does not take envelopes in this form"),
        "Something in between is at fault, whatever is sent",
    ),
    row(
        &[429..=429],
        When::Any,
        Outcome::Retry,
        "A limit of the rate. Sentry has SDKs discard the envelope; it is \
        kept here, and the category pauses for as long as the answer says",
    ),
    row(
        &[400..=499],
        When::Any,
        Outcome::Refused,
        "Sentry refuses the content. Sessions and logs are halved until the \
        one at fault is found, which is dropped as `rejected`",
    ),
    row(&[500..=599], When::Any, Outcome::Retry, "An outage. Sentry has SDKs discard the envelope; it is kept here"),
    row(&[0..=u16::MAX], When::Any, Outcome::Retry, "No status of HTTP that ends a request"),
];

/// Members of a JSON object that tells of an error. An answer to an envelope has none of them.
const OF_AN_ERROR: [&str; 7] = ["detail", "causes", "error", "errors", "code", "message", "fault"];

/// What a response means.
pub(super) fn classify(response: &Response) -> Verdict {
    let fits = |row: &&Row| {
        row.statuses.iter().any(|statuses| statuses.contains(&response.status)) && row.when.holds(response)
    };
    match TABLE.iter().find(fits).map(|row| row.outcome) {
        Some(Outcome::Delivered) => Verdict::Delivered { rejected: 0 },
        Some(Outcome::Split) => Verdict::Split,
        Some(Outcome::Refused) => Verdict::Refused,
        Some(Outcome::Hold(advice)) => Verdict::Hold(advice.to_owned()),
        Some(Outcome::Retry) | None => Verdict::Retry,
    }
}

impl When {
    fn holds(self, response: &Response) -> bool {
        match self {
            Self::Any => true,
            Self::Promised => is_promised(response),
            Self::AsksForTls => wrong_port(response) == Some(IS_TLS),
        }
    }
}

/// Whether the answer is one that Sentry gives: `{"id":"…"}`, `{}` or nothing.
fn is_promised(response: &Response) -> bool {
    let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if response.truncated || content_type.contains("html") {
        return false;
    }
    let body = response.body.trim_ascii();
    if body.is_empty() {
        return true;
    }
    let answer: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(body);
    answer.is_ok_and(|answer| !OF_AN_ERROR.iter().any(|name| answer.contains_key(*name)))
}

/// For how long Sentry wants nothing of which signals: `X-Sentry-Rate-Limits`, which any answer may
/// have (<https://develop.sentry.dev/sdk/expected-features/rate-limiting/>).
///
/// It is a list of `seconds:categories:scope:…`, with `;` between the categories. No category means
/// all; unknown ones are for others, and a limit that cannot be read is none.
pub(super) fn waits(response: &Response) -> Vec<(Signal, Duration)> {
    let mut waits: Vec<(Signal, Duration)> = Vec::new();
    let lines = response.headers.iter().filter(|(name, _)| name == RATE_LIMITS);
    for limit in lines.flat_map(|(_, value)| value.split(',')) {
        let mut parts = limit.split(':').map(str::trim);
        let seconds = parts.next().and_then(|seconds| seconds.parse::<f64>().ok());
        let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) else { continue };
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX);
        let categories = parts.next().unwrap_or_default();
        let signals = if categories.is_empty() {
            vec![EVENTS, SESSIONS, LOGS]
        } else {
            categories.split(';').filter_map(|category| signal(category.trim())).collect()
        };
        for signal in signals {
            match waits.iter_mut().find(|(known, _)| *known == signal) {
                Some((_, longest)) => *longest = wait.max(*longest),
                None => waits.push((signal, wait)),
            }
        }
    }
    waits
}

/// The signal of one of Sentry's categories, if Throughline sends it.
fn signal(category: &str) -> Option<Signal> {
    match category.to_ascii_lowercase().as_str() {
        "default" | "error" => Some(EVENTS),
        "session" => Some(SESSIONS),
        "log_item" | "log_byte" => Some(LOGS),
        _ => None,
    }
}

/// The table as the documentation shows it.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let mut text = "| answer | what happens | why |\n|---|---|---|\n".to_owned();
    for row in &TABLE {
        let statuses = row.statuses.iter().map(|range| match (*range.start(), *range.end()) {
            (0, u16::MAX) => "anything else".to_owned(),
            (from, to) if from == to => from.to_string(),
            (from, to) if (from, to) == (400, 499) => "any other 4xx".to_owned(),
            (from, _) => format!("{}xx", from / 100),
        });
        let statuses = statuses.collect::<Vec<_>>().join(", ");
        let when = match row.when {
            When::Promised => " with no body, or a JSON object that tells of no error",
            When::AsksForTls => " with a page that asks for TLS",
            When::Any if row.outcome == Outcome::Retry && statuses == "2xx" => " with anything else",
            When::Any => "",
        };
        let outcome = match row.outcome {
            Outcome::Delivered => "delivered".to_owned(),
            Outcome::Retry => "retried".to_owned(),
            Outcome::Split => "halved".to_owned(),
            Outcome::Refused => "halved, or dropped".to_owned(),
            Outcome::Hold(advice) => format!("kept; the signal pauses: \"{advice}\""),
        };
        text += &format!("| {statuses}{when} | {outcome} | {} |\n", row.reason);
    }
    text
}
