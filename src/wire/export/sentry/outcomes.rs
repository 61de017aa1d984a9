//! What an answer of Sentry's means.
//!
//! Sentry has an SDK discard what is answered with 4xx or 5xx, 429 included. Throughline departs
//! from that: it has the events on disk, so an outage, a proxy or a limit of the rate need not cost
//! any. The client looks for the event at fault if there is one, and no status drops a crash.

use std::time::Duration;

use super::{EVENTS, LOGS, SESSIONS};
use crate::model::export::{Signal, Verdict};
use crate::model::http::Response;
use crate::model::limits::RETRY_AFTER_MAX;
use crate::model::names::sentry::RATE_LIMITS;
use crate::wire::export::outcome::{Condition, Meaning, Rule, rule, rule_when, verdict};
use crate::wire::transport::cause::{IS_TLS, wrong_port};

/// Relay answers with an object, of an event with its id in it. Bugsink answers nothing, and so
/// does many a captive portal, which cannot answer in the place of a server with TLS.
const EMPTY: Condition = ("empty, over TLS", is_empty);
/// Whoever it was, the next attempt would have the same answer: a server of this kind would be sent
/// everything again until it is too old.
const EMPTY_IN_PLAIN: Condition = ("empty, over http://", is_empty);
const OBJECT: Condition = ("a JSON object that tells of no error", is_receipt);
const ASKS_FOR_TLS: Condition = ("a page that asks for TLS", |response| wrong_port(response) == Some(IS_TLS));

/// The first rule that fits counts. The very first is for endpoints with TLS alone.
pub(super) const RULES: [Rule; 22] = [
    rule_when(200, 299, EMPTY, Meaning::Delivered, "the server has the envelope"),
    rule_when(200, 299, OBJECT, Meaning::Delivered, "Sentry has the envelope"),
    rule_when(200, 299, EMPTY_IN_PLAIN, Meaning::Hold(USE_TLS), "it answered without content"),
    rule(200, 299, Meaning::Retry, "a captive portal or a proxy has answered, not Sentry"),
    rule(300, 399, Meaning::Retry, "no redirect is followed: the key must not go to another host"),
    rule_when(400, 400, ASKS_FOR_TLS, Meaning::Hold(IS_TLS), "the DSN names the wrong scheme"),
    rule(401, 401, Meaning::Hold(CHECK_KEY), "the DSN is wrong or disabled, whatever is sent"),
    rule(402, 402, Meaning::Hold("the account may have to be paid for"), "no event would be taken"),
    rule(403, 403, Meaning::Hold(CHECK_KEY), "the DSN is wrong or disabled, whatever is sent"),
    rule(404, 405, Meaning::Hold(CHECK_PLACE), "nothing takes envelopes there"),
    rule(407, 407, Meaning::Hold("a proxy wants to be told who asks"), "a proxy is in between"),
    rule(408, 408, Meaning::Retry, "the network was too slow"),
    rule(410, 410, Meaning::Hold(CHECK_PLACE), "nothing takes envelopes there any more"),
    rule(413, 413, Meaning::Split, "the envelope is too large"),
    rule(415, 415, Meaning::Hold(CHECK_PLACE), "it does not take envelopes"),
    rule(421, 421, Meaning::Retry, "the connection was another host's"),
    rule(425, 425, Meaning::Retry, "the request came too early"),
    rule(426, 426, Meaning::Hold("the DSN may have to begin with https://"), "it wants another protocol"),
    rule(429, 429, Meaning::Retry, "a limit of the rate: Sentry has SDKs discard the envelope, which is kept here"),
    rule(451, 451, Meaning::Hold("it must not take what is sent"), "the law forbids it"),
    rule(400, 499, Meaning::Refused, "Sentry refuses the content"),
    rule(500, 599, Meaning::Retry, "an outage: Sentry has SDKs discard the envelope, which is kept here"),
];

const CHECK_KEY: &str = "check the key and the project of the DSN; Sentry may have disabled them";
const CHECK_PLACE: &str = "check the host, the path and the project of the DSN";

const USE_TLS: &str = "over http:// nobody knows who did; use a DSN that begins with https://";

/// Members of a JSON object that tells of an error. An answer to an envelope has none of them.
const OF_AN_ERROR: [&str; 7] = ["detail", "causes", "error", "errors", "code", "message", "fault"];

/// What a response means. `is_encrypted` says whether nobody but the server can have answered.
pub(super) fn classify(response: &Response, is_encrypted: bool) -> Verdict {
    let [_, others @ ..] = &RULES;
    verdict(if is_encrypted { &RULES } else { others }, response)
}

/// Whether it is a web page, or cut.
fn is_page(response: &Response) -> bool {
    let content_type = response.header("content-type").unwrap_or_default();
    response.truncated || content_type.to_ascii_lowercase().contains("html")
}

fn is_empty(response: &Response) -> bool {
    !is_page(response) && response.body.trim_ascii().is_empty()
}

/// Whether the answer is one that Relay gives: `{"id":"…"}`, or `{}` to sessions and logs.
fn is_receipt(response: &Response) -> bool {
    let answer: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(&response.body);
    !is_page(response) && answer.is_ok_and(|answer| !OF_AN_ERROR.iter().any(|name| answer.contains_key(*name)))
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
