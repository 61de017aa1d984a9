//! What answers mean: every status, and the limits of the rate.

use super::*;
use crate::wire::export::outcome::{assert_documented, assert_total};

fn answer(status: u16, content_type: &str, body: &[u8]) -> Verdict {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    sentry().classify(&Response { status, headers, body: body.to_vec(), truncated: false })
}

fn limits(value: &str) -> Vec<(Signal, u64)> {
    let headers = vec![("x-sentry-rate-limits".to_owned(), value.to_owned())];
    let response = Response { status: 200, headers, ..Response::default() };
    let mut waits: Vec<_> =
        sentry().waits(&response).into_iter().map(|(signal, wait)| (signal, wait.as_secs())).collect();
    waits.sort_unstable();
    waits
}

#[test]
fn every_status_has_a_verdict_that_loses_as_little_as_possible() {
    let html = b"<html><body>Log in</body></html>".repeat(2_048);
    for status in 100..=599_u16 {
        for (content_type, body) in
            [("", &b""[..]), ("application/json", b"{\"detail\":\"no\"}"), ("text/html", &html), ("", b"\xff\0")]
        {
            let verdict = answer(status, content_type, body);
            let expected = match status {
                // The DSN begins with https://.
                200..=299 if body.is_empty() => matches!(verdict, Verdict::Delivered { rejected: 0 }),
                401..=405 | 407 | 410 | 415 | 426 | 451 => {
                    matches!(&verdict, Verdict::Hold(advice) if !advice.is_empty())
                }
                413 => verdict == Verdict::Split,
                408 | 421 | 425 | 429 => verdict == Verdict::Retry,
                400..=499 => verdict == Verdict::Refused,
                _ => verdict == Verdict::Retry,
            };
            assert!(expected, "{status} with {} bytes of {content_type}: {verdict:?}", body.len());
        }
    }
}

#[test]
fn only_an_answer_of_sentrys_is_a_success() {
    for body in ["", "{}", "{\"id\":\"fc6d8c0c43fc4630ad850ee518f1b9d0\"}", " {}\n"] {
        assert_eq!(answer(200, "application/json", body.as_bytes()), Verdict::Delivered { rejected: 0 }, "{body}");
    }
    for body in ["<html>", "OK", "[1]", "\"ok\"", "null", "{\"detail\":\"no\"}", "{\"id\":", "{\"error\":1}"] {
        assert_eq!(answer(200, "application/json", body.as_bytes()), Verdict::Retry, "{body}");
    }
    assert_eq!(answer(200, "text/html", b""), Verdict::Retry);
    let cut = Response { status: 200, truncated: true, ..Response::default() };
    assert_eq!(sentry().classify(&cut), Verdict::Retry);
    // A portal answers nothing as well; it cannot in the place of a server with TLS.
    let plain = Sentry::new("http://0123456789abcdef@sentry.example.com/42").unwrap();
    for (body, is_delivered) in [("", false), (" ", false), ("{}", true)] {
        let response = Response { status: 200, body: body.as_bytes().to_vec(), ..Response::default() };
        let is_taken = plain.classify(&response) == Verdict::Delivered { rejected: 0 };
        assert_eq!(is_taken, is_delivered, "a portal's empty 200 costs the crash: {body:?}");
    }
    let tls = answer(400, "text/html", b"<h1>The plain HTTP request was sent to HTTPS port</h1>");
    assert!(matches!(tls, Verdict::Hold(advice) if advice.contains("https://")));
}

#[test]
fn a_server_that_answers_nothing_over_http_is_not_sent_everything_for_a_week() {
    let plain = Sentry::new("http://0123456789abcdef@sentry.example.com/42").unwrap();
    for body in ["", " \n"] {
        let response = Response { status: 200, body: body.as_bytes().to_vec(), ..Response::default() };
        let Verdict::Hold(advice) = plain.classify(&response) else { panic!("sent again and again: {body:?}") };
        assert!(advice.contains("without content") && advice.contains("https://"), "{advice}");
    }
    // A page without content is a portal's.
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    assert_eq!(plain.classify(&Response { status: 200, headers, ..Response::default() }), Verdict::Retry);
}

#[test]
fn a_limit_of_the_rate_pauses_its_categories_on_any_answer() {
    let (events, sessions, logs) = (EVENTS, SESSIONS, LOGS);
    assert_eq!(limits("60:error:key"), [(events, 60)]);
    assert_eq!(limits("60:transaction:key, 2700:default;error;security:organization"), [(events, 2700)]);
    assert_eq!(limits("10:session:org:reason:ns"), [(sessions, 10)]);
    assert_eq!(limits("10::key"), [(events, 10), (sessions, 10), (logs, 10)]);
    assert_eq!(limits("10"), [(events, 10), (sessions, 10), (logs, 10)]);
    assert_eq!(limits(" 5 : log_item ; LOG_BYTE : x ,7:log_item"), [(logs, 7)]);
    assert_eq!(limits("7:session,5:session"), [(sessions, 7)], "the longest counts");
    assert_eq!(limits("1.5:error"), [(events, 1)]);
    assert_eq!(limits("99999999999999999999:error"), [(events, 86_400)]);
    for nothing in ["", ",", "x:error", "-5:error", "0:error", "NaN:error", "60:profile;monitor:key", ":", "::"] {
        assert_eq!(limits(nothing), [], "{nothing}");
    }
    let both = ["3:error:key", "4:session:key"].map(|limit| ("x-sentry-rate-limits".to_owned(), limit.to_owned()));
    let response = Response { status: 429, headers: both.to_vec(), ..Response::default() };
    assert_eq!(sentry().waits(&response).len(), 2, "a header may come twice");
    assert_eq!(sentry().waits(&Response { status: 429, ..Response::default() }), []);
}

#[test]
fn the_table_of_the_documents_is_that_of_the_code() {
    for is_encrypted in [false, true] {
        assert_total(|response| outcomes::classify(response, is_encrypted));
    }
    assert_documented(&outcomes::RULES, "backends/sentry.md");
}
