//! What the answers of a `TelemetryService` mean, and those of what stands before it.
//!
//! An error of the Connect protocol has a code in its body. An answer without one was written by a
//! proxy, a portal or a firewall, and says nothing of the events.

use super::Codec;
use super::response::{has_code, rejected, says};
use crate::model::limits::REQUEST_TIMEOUT;
use crate::wire::export::outcome::{Condition, Meaning, Rule, rule, rule_when};

const ANSWER: &str = "an answer of the service in the client's codec";
const PROTO: Condition = (ANSWER, |response| rejected(Codec::Proto, response).is_some());
const JSON: Condition = (ANSWER, |response| rejected(Codec::Json, response).is_some());
const UNKNOWN_CLIENT: Condition = ("`unauthenticated` or `permission_denied`", |response| {
    has_code(response, &["unauthenticated", "permission_denied"])
});
const BROKEN: Condition =
    ("`invalid_argument` about the compression", |response| says(response, &["invalid_argument"], &["compress"]));
const UNKNOWN_FORM: Condition =
    ("`unimplemented` about the compression", |response| says(response, &["unimplemented"], &["compress"]));
/// connect-node has a setting for the longest timeout. A rule for a field may also say "must be
/// <=".
const TIMEOUT: Condition = ("`invalid_argument` about the timeout", |response| {
    says(response, &["invalid_argument"], &[&format!("timeout {}ms", REQUEST_TIMEOUT.as_millis())])
});
const INVALID: Condition =
    ("`invalid_argument` or `out_of_range`", |response| has_code(response, &["invalid_argument", "out_of_range"]));
const NOT_READY: Condition = ("`failed_precondition`", |response| has_code(response, &["failed_precondition"]));
const EXISTS: Condition = ("`already_exists`", |response| has_code(response, &["already_exists"]));
/// Servers say so with 429, which is for a client that asks too often. Nothing but the message
/// tells them apart.
const TOO_LARGE: Condition = ("`resource_exhausted` about the size", |response| {
    says(response, &["resource_exhausted"], &["larger than", "readmaxbytes", "too large"])
});

/// The rules for a client of this codec. The first that fits counts.
pub(super) const fn rules(codec: Codec) -> [Rule; 28] {
    let answer = match codec {
        Codec::Proto => PROTO,
        Codec::Json => JSON,
    };
    [
        rule_when(
            200,
            200,
            answer,
            Meaning::Delivered,
            "the batch is settled; what it names as rejected is counted so",
        ),
        rule(
            200,
            299,
            Meaning::Retry,
            "it is not the service that answers so: a captive portal answers 200 to everything",
        ),
        rule(300, 399, Meaning::Retry, "no redirect is followed"),
        rule(401, 401, Meaning::Hold("check the headers"), "it wants to know who asks"),
        rule(403, 403, Meaning::Hold("check the headers"), "it takes nothing from this client"),
        rule_when(400, 599, UNKNOWN_CLIENT, Meaning::Hold("check the headers"), "it takes nothing from this client"),
        rule_when(400, 400, BROKEN, Meaning::Decompress, "it cannot decompress the body"),
        rule_when(
            400,
            400,
            TIMEOUT,
            Meaning::Hold("let the server's longest timeout be at least 30 s"),
            "it allows a request less time than the client",
        ),
        rule_when(400, 400, INVALID, Meaning::Refused, "an event is at fault"),
        rule_when(400, 599, NOT_READY, Meaning::Hold("check the server"), "the server is not ready for events"),
        rule(404, 405, Meaning::Hold("check the base URL"), "no `TelemetryService` is there"),
        rule(407, 407, Meaning::Hold("a proxy wants to be told who asks"), "a proxy is in between"),
        rule(408, 408, Meaning::Retry, "the network was too slow"),
        rule_when(
            409,
            409,
            EXISTS,
            Meaning::Refused,
            "it has an event already, and nothing says which: it should count as `accepted`",
        ),
        rule(409, 409, Meaning::Retry, "`aborted`: another request was in the way"),
        rule(410, 410, Meaning::Hold("check the base URL"), "no `TelemetryService` is there any more"),
        rule(413, 413, Meaning::Split, "the request is larger than a proxy allows"),
        rule(415, 415, Meaning::Hold("check the base URL, and try the other codec"), "it does not take this form"),
        rule(421, 421, Meaning::Retry, "the connection was another host's"),
        rule(425, 425, Meaning::Retry, "the request came too early"),
        rule(426, 426, Meaning::Hold("the URL may have to begin with https://"), "it wants another protocol"),
        rule_when(429, 429, TOO_LARGE, Meaning::Split, "the request is larger than `readMaxBytes`"),
        rule(429, 429, Meaning::Retry, "there are too many requests"),
        rule(499, 499, Meaning::Retry, "`canceled`: the server has given up on the request"),
        rule(400, 499, Meaning::Retry, "no service answers so without a code: something in between does"),
        rule_when(501, 501, UNKNOWN_FORM, Meaning::Decompress, "it does not know the compression"),
        rule(501, 501, Meaning::Hold("check the version of the server"), "it does not know the method"),
        rule(500, 599, Meaning::Retry, "it is at fault or too busy, or cannot read an event (`internal`)"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::export::Verdict;
    use crate::model::http::Response;
    use crate::wire::export::outcome::{assert_documented, assert_total, verdict};

    fn answer(status: u16, kind: &str, body: &str) -> Verdict {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let response = Response { status, headers, body: body.as_bytes().to_vec(), ..Response::default() };
        let [of_json, of_proto] = [Codec::Json, Codec::Proto].map(|codec| verdict(&rules(codec), &response));
        assert_eq!(of_json, of_proto, "{status} {body}");
        of_proto
    }

    fn error(status: u16, code: &str, message: &str) -> Verdict {
        answer(status, "application/json", &format!(r#"{{"code":"{code}","message":"{message}"}}"#))
    }

    /// The statuses are those with which connect-node answers.
    #[test]
    fn a_code_says_what_to_do() {
        for (status, code) in [
            (499, "canceled"),
            (500, "unknown"),
            (504, "deadline_exceeded"),
            (429, "resource_exhausted"),
            (409, "aborted"),
            (500, "internal"),
            (503, "unavailable"),
            (500, "data_loss"),
        ] {
            assert_eq!(error(status, code, "no"), Verdict::Retry, "{code}");
        }
        for (status, code) in [(400, "invalid_argument"), (400, "out_of_range")] {
            assert_eq!(error(status, code, "no"), Verdict::Refused, "{code}");
        }
        for (status, code) in [
            (401, "unauthenticated"),
            (403, "permission_denied"),
            (404, "not_found"),
            (400, "failed_precondition"),
            (501, "unimplemented"),
        ] {
            assert!(matches!(error(status, code, "no"), Verdict::Hold(_)), "{code}");
        }
    }

    /// A service that stores one event after the other says so of the first that it has.
    #[test]
    fn an_event_that_is_stored_already_does_not_deliver_the_rest_of_its_batch() {
        assert_eq!(error(409, "already_exists", "duplicate key"), Verdict::Refused);
    }

    /// The messages are those of connect-node 2.2.
    #[test]
    fn a_message_says_what_a_code_leaves_open() {
        assert_eq!(
            error(429, "resource_exhausted", "message is larger than configured readMaxBytes 1048576"),
            Verdict::Split
        );
        assert_eq!(error(400, "invalid_argument", "decompression failed"), Verdict::Decompress);
        let unknown = r#"unknown compression \"gzip\": supported encodings are br"#;
        assert_eq!(error(501, "unimplemented", unknown), Verdict::Decompress);
        assert!(matches!(error(400, "invalid_argument", "timeout 30000ms must be <= 5000"), Verdict::Hold(_)));
        assert_eq!(error(400, "invalid_argument", "events[0].log.severity_number must be <= 24"), Verdict::Refused);
        assert_eq!(error(500, "internal", "parse binary: premature EOF"), Verdict::Retry);
    }

    #[test]
    fn an_answer_that_no_service_wrote_costs_no_event() {
        for (status, kind, body) in [
            (200, "text/html", "<html>Sign in</html>"),
            (200, "application/json", r#"{"code":"internal"}"#),
            (200, "application/json", r#"{"ok":true}"#),
            (204, "", ""),
            (302, "", ""),
            (400, "text/html", "<h1>Bad Request</h1>"),
            (400, "application/json", r#"{"code":400,"message":"bad"}"#),
            (400, "application/json", r#"{"code":"E_BAD","message":"bad"}"#),
            (400, "text/plain", r#"{"code":"invalid_argument"}"#),
            (422, "", ""),
            (451, "", ""),
            (503, "", ""),
        ] {
            assert_eq!(answer(status, kind, body), Verdict::Retry, "{status} {body}");
        }
        for status in [401, 403, 404, 405, 407, 410, 415, 426, 501] {
            assert!(matches!(answer(status, "", ""), Verdict::Hold(_)), "{status}");
        }
        assert_eq!(answer(413, "", ""), Verdict::Split);
    }

    #[test]
    fn every_answer_has_a_verdict_and_the_page_says_it() {
        for codec in [Codec::Json, Codec::Proto] {
            assert_total(|response| verdict(&rules(codec), response));
            assert_documented(&rules(codec), "backends/connect.md");
        }
    }
}
