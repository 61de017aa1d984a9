//! What the answers of Fluentd's `in_http` and of Fluent Bit's `http` input mean.

use crate::model::http::Response;
use crate::wire::export::outcome::{Condition, Meaning, Rule, rule, rule_when};

/// Fluentd answers nothing, and with `respond_with_empty_img` an image. Anything else may be a
/// captive portal's.
const RECEIPT: Condition = ("empty, `ok`, or an image", is_receipt);
/// Fluentd says what is wrong with a record, and nothing about a body that it cannot decompress.
const EMPTY: Condition = ("with an empty body", |response: &Response| response.body.trim_ascii().is_empty());

/// The first rule that fits counts.
pub(super) const RULES: [Rule; 20] = [
    rule_when(200, 204, RECEIPT, Meaning::Delivered, "the events are routed: 200, 201 and 204"),
    rule(200, 299, Meaning::Retry, "it is not Fluentd that answers so: a captive portal answers 200 to everything"),
    rule(300, 399, Meaning::Retry, "no redirect is followed"),
    rule_when(400, 400, EMPTY, Meaning::Decompress, "it cannot decompress the body"),
    rule(400, 400, Meaning::Refused, "it cannot read an event (Fluentd 1.16 and older)"),
    rule(401, 401, Meaning::Hold("check the headers"), "a proxy before Fluentd wants to know who asks"),
    rule(403, 403, Meaning::Hold("check the headers and `cors_allow_origins`"), "it takes nothing from this client"),
    rule(404, 405, Meaning::Hold("check the URL and the tag"), "nothing takes events there"),
    rule(407, 407, Meaning::Hold("a proxy wants to be told who asks"), "a proxy is in between"),
    rule(408, 408, Meaning::Retry, "the network was too slow"),
    rule(410, 410, Meaning::Hold("check the URL and the tag"), "nothing takes events there any more"),
    rule(413, 413, Meaning::Split, "the request is larger than `body_size_limit`"),
    rule(415, 415, Meaning::Decompress, "it does not know the compression"),
    rule(421, 421, Meaning::Retry, "the connection was another host's"),
    rule(425, 425, Meaning::Retry, "the request came too early"),
    rule(426, 426, Meaning::Hold("the URL may have to begin with https://"), "it wants another protocol"),
    rule(429, 429, Meaning::Retry, "there are too many requests"),
    rule(400, 499, Meaning::Refused, "the content is at fault"),
    rule(501, 501, Meaning::Decompress, "it does not know the compression"),
    rule(500, 599, Meaning::Retry, "its buffer is full, or it is at fault"),
];

fn is_receipt(response: &Response) -> bool {
    let body = response.body.trim_ascii();
    let is_image = response.header("content-type").is_some_and(|kind| kind.starts_with("image/"));
    let is_known = body.is_empty() || body.eq_ignore_ascii_case(b"ok") || body == b"{}";
    !response.truncated && (is_known || (is_image && body.starts_with(b"GIF")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::export::Verdict;
    use crate::wire::export::outcome::{assert_documented, assert_total, verdict};

    fn answer(status: u16, kind: &str, body: &[u8]) -> Verdict {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        verdict(&RULES, &Response { status, headers, body: body.to_vec(), ..Response::default() })
    }

    #[test]
    fn what_fluentd_and_fluent_bit_answer_is_a_delivery_and_a_portals_page_is_none() {
        let delivered = Verdict::Delivered { rejected: 0 };
        for (status, kind, body) in [
            (200, "text/plain", &b""[..]),
            (201, "text/plain", b""),
            (204, "", b""),
            (200, "image/gif; charset=utf-8", b"GIF89a\x01\x00"),
            (200, "text/plain", b"ok\n"),
            (200, "application/json", b"{}"),
        ] {
            assert_eq!(answer(status, kind, body), delivered, "{status} {kind}");
        }
        for (status, kind, body) in [
            (200, "text/html; charset=utf-8", &b"Sign in"[..]),
            (200, "", b" \n<!doctype html>"),
            (200, "", b"\xef\xbb\xbf<html>"),
            (200, "text/plain", b"Login required"),
            (200, "application/captive+json", br#"{"captive":true}"#),
            (200, "image/png", b"\x89PNG"),
            (206, "", b""),
        ] {
            assert_eq!(answer(status, kind, body), Verdict::Retry, "{status} {kind}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_decompressed_is_told_from_a_record_that_cannot_be_read() {
        assert_eq!(answer(400, "text/plain", b""), Verdict::Decompress);
        assert_eq!(answer(400, "text/plain", b"400 Bad Request\nunexpected token"), Verdict::Refused);
        assert_eq!([answer(415, "", b""), answer(501, "", b"{}")], [Verdict::Decompress, Verdict::Decompress]);
        // A full buffer, and an output that fails.
        assert_eq!(answer(500, "text/plain", b"buffer space has too many data"), Verdict::Retry);
    }

    #[test]
    fn every_status_has_a_verdict_whatever_the_body() {
        assert_total(|response| verdict(&RULES, response));
    }

    #[test]
    fn the_table_of_the_documents_is_that_of_the_code() {
        assert_documented(&RULES, "backends/fluentd.md");
    }
}
