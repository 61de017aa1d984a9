//! What the answers of Datadog's intakes mean.
//!
//! The rules are data, so that the table of the documents can be compared with them.

use crate::model::http::Response;
use crate::wire::export::outcome::{Condition, Meaning, Rule, rule, rule_when};

/// Members of a JSON object that tells of an error. The answer to events that were taken has none
/// of them.
const NO_RECEIPT: [&str; 6] = ["error", "errors", "code", "message", "detail", "fault"];

/// What an intake answers when it has taken events.
const RECEIPT: Condition = ("empty or a JSON object without an error", is_receipt);

/// The first rule that fits counts.
pub(super) const RULES: [Rule; 20] = [
    rule_when(200, 299, RECEIPT, Meaning::Delivered, "the intake has the events (it answers 202)"),
    rule(200, 299, Meaning::Retry, "another body is not the intake's: a captive portal answers 200 to everything"),
    rule(300, 399, Meaning::Retry, "no redirect is followed"),
    rule(400, 400, Meaning::Refused, "the intake cannot read an event"),
    rule(401, 401, Meaning::Hold("check the client token"), "the token is missing or wrong"),
    rule(402, 402, Meaning::Hold("the account may have to be paid for"), "the account is at fault"),
    rule(403, 403, Meaning::Hold("check the client token and the site"), "the token is not one of this site"),
    rule(404, 405, Meaning::Hold("check the site or the base URL"), "there is no intake"),
    rule(407, 407, Meaning::Hold("a proxy wants to be told who asks"), "a proxy is in between"),
    rule(408, 408, Meaning::Retry, "the network was too slow"),
    rule(410, 410, Meaning::Hold("check the site or the base URL"), "the intake is gone"),
    rule(413, 413, Meaning::Split, "the request is too large"),
    rule(415, 415, Meaning::Hold("check the base URL: an intake takes this content"), "this is no intake"),
    rule(421, 421, Meaning::Retry, "the connection was another host's"),
    rule(425, 425, Meaning::Retry, "the request came too early"),
    rule(426, 426, Meaning::Hold("the base URL may have to begin with https://"), "it wants another protocol"),
    rule(429, 429, Meaning::Retry, "there are too many requests"),
    rule(451, 451, Meaning::Hold("it must not take what is sent"), "the law forbids it"),
    rule(400, 499, Meaning::Refused, "the content is at fault"),
    rule(500, 599, Meaning::Retry, "the intake is at fault"),
];

/// Whether the body is what an intake answers when it has taken events.
fn is_receipt(response: &Response) -> bool {
    if response.truncated {
        return false;
    }
    let body = response.body.trim_ascii();
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(answer)) => !answer.keys().any(|key| NO_RECEIPT.contains(&key.as_str())),
        _ => body.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::export::Verdict;
    use crate::wire::export::outcome::{assert_documented, verdict};

    fn answer(status: u16, body: &[u8]) -> Verdict {
        verdict(&RULES, &Response { status, body: body.to_vec(), ..Response::default() })
    }

    #[test]
    fn a_page_of_a_captive_portal_is_no_delivery() {
        for body in ["", " \n", "{}", r#"{"request_id":"a"}"#, r#"{"status":"ok"}"#] {
            assert_eq!(answer(202, body.as_bytes()), Verdict::Delivered { rejected: 0 }, "{body}");
        }
        for body in ["<html>", "ok", "[]", "null", "7", "{", r#"{"errors":[]}"#, r#"{"error":"no"}"#] {
            assert_eq!(answer(202, body.as_bytes()), Verdict::Retry, "{body}");
        }
        let long = Response { status: 202, truncated: true, ..Response::default() };
        assert_eq!(verdict(&RULES, &long), Verdict::Retry);
    }

    #[test]
    fn every_status_has_a_verdict_whatever_the_body() {
        let page = vec![b'<'; 64 * 1024];
        for status in 100..=599 {
            let bodies = [&b""[..], b"\xff\x00garbage", &page];
            let verdicts = bodies.map(|body| answer(status, body));
            for (verdict, body) in verdicts.iter().zip(bodies) {
                let wanted = match status {
                    200..=299 => body.is_empty(),
                    _ => false,
                };
                assert_eq!(matches!(verdict, Verdict::Delivered { .. }), wanted, "{status}");
            }
            let wanted = match status {
                413 => Verdict::Split,
                408 | 421 | 425 | 429 | 500..=599 | 300..=399 | 100..=199 => Verdict::Retry,
                200..=299 | 401..=405 | 407 | 410 | 415 | 426 | 451 => continue,
                _ => Verdict::Refused,
            };
            assert!(verdicts.iter().all(|verdict| *verdict == wanted), "{status}: {verdicts:?}");
        }
        for status in [401, 402, 403, 404, 405, 407, 410, 415, 426, 451] {
            assert!(matches!(answer(status, b""), Verdict::Hold(advice) if !advice.is_empty()), "{status}");
        }
    }

    #[test]
    fn the_table_of_the_documents_is_that_of_the_code() {
        assert_documented(&RULES, "backends/datadog.md");
    }
}
