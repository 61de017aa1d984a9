//! Reads the answers of a `TelemetryService` and of the Connect protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;

use super::Codec;
use crate::model::http::Response;
use crate::wire::export::answer::{Value, fields, plain};

/// The codes of the Connect protocol.
const CODES: [&str; 16] = [
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
/// The type of the detail that says when to try again.
const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// How many events a service has rejected; `None` when this is no answer of a service. The protocol
/// has a service answer in the codec of the request. A gateway answers everybody in JSON.
pub(super) fn rejected(codec: Codec, response: &Response) -> Option<u64> {
    if response.status != 200 || response.truncated || media_type(response) != codec.media_type() {
        return None;
    }
    let body = plain(response)?;
    let ids = match codec {
        Codec::Proto => protobuf(&body)?,
        Codec::Json => json(&body)?,
    };
    // An event that is named twice is one event.
    Some(ids.len() as u64)
}

/// The content type without its parameters, in small letters.
fn media_type(response: &Response) -> String {
    let value = response.header("content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The ids of rejected events in a `Report…Response`.
fn protobuf(body: &[u8]) -> Option<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    fields(body, |field, value| match (field, value) {
        (1, Value::Varint(_)) => Some(()),
        (2, Value::Bytes(event)) => {
            let mut id = "";
            fields(event, |field, value| {
                if let (1, Value::Bytes(text)) = (field, value) {
                    id = std::str::from_utf8(text).ok()?;
                }
                Some(())
            })?;
            ids.insert(id.to_owned());
            Some(())
        }
        // Of another type, so it is another message.
        (1 | 2, _) => None,
        _ => Some(()),
    })?;
    Some(ids)
}

/// The same in JSON. An object of another make is somebody else's, such as `{"success": false}`.
fn json(body: &[u8]) -> Option<BTreeSet<String>> {
    let answer: Json = serde_json::from_slice(body).ok()?;
    let answer = answer.as_object()?;
    let accepted = answer.get("accepted");
    let is_known = answer.is_empty() || accepted.is_some() || answer.contains_key("rejected");
    if !is_known || !accepted.is_none_or(is_number) {
        return None;
    }
    let events = match answer.get("rejected") {
        None | Some(Json::Null) => return Some(BTreeSet::new()),
        Some(events) => events.as_array()?,
    };
    let id = |event: &Json| {
        let event = event.as_object()?;
        let id = event.get("eventId").or_else(|| event.get("event_id"));
        Some(id.and_then(Json::as_str).unwrap_or_default().to_owned())
    };
    events.iter().map(id).collect()
}

/// Whether this is a `uint32` as protobuf's JSON has it; `null` is the default.
fn is_number(value: &Json) -> bool {
    value.is_null() || value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok())
}

/// The body of an answer that is an error of the protocol.
fn error(response: &Response) -> Option<Json> {
    let is_error = response.status >= 400 && !response.truncated && media_type(response) == "application/json";
    let body = if is_error { plain(response)? } else { return None };
    let error: Json = serde_json::from_slice(&body).ok()?;
    let code = error.get("code")?.as_str()?;
    CODES.contains(&code).then_some(error)
}

/// Whether the answer is an error with one of these codes.
pub(super) fn has_code(response: &Response, codes: &[&str]) -> bool {
    says(response, codes, &[""])
}

/// Whether the answer is an error with one of these codes and one of these texts in its message.
pub(super) fn says(response: &Response, codes: &[&str], texts: &[&str]) -> bool {
    let Some(error) = error(response) else { return false };
    let text = |name| error.get(name).and_then(Json::as_str).unwrap_or_default();
    let message = text("message").to_ascii_lowercase();
    codes.contains(&text("code")) && texts.iter().any(|part| message.contains(part))
}

/// How long the service wants to be left alone: the longest `RetryInfo` among the details.
pub(super) fn retry_info(response: &Response) -> Option<Duration> {
    let error = error(response)?;
    let details = error.get("details")?.as_array()?;
    let delay = |detail: &Json| {
        let kind = detail.get("type")?.as_str()?;
        // `debug` says it in words, and need not.
        let value = detail.get("value")?.as_str().filter(|_| kind.rsplit('/').next() == Some(RETRY_INFO))?;
        retry_delay(&base64(value)?)
    };
    details.iter().filter_map(delay).max().filter(|delay| !delay.is_zero())
}

/// `retry_delay` of a `google.rpc.RetryInfo`.
fn retry_delay(message: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (0, 0);
    fields(message, |field, value| match (field, value) {
        (1, Value::Bytes(delay)) => fields(delay, |field, value| {
            match (field, value) {
                (1, Value::Varint(number)) => seconds = number as i64,
                (2, Value::Varint(number)) => nanos = number as i64,
                _ => {}
            }
            Some(())
        }),
        _ => Some(()),
    })?;
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// Reads base64 with either alphabet, with padding or without.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16, kind: &str, body: &[u8]) -> Response {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Response { status, headers, body: body.to_vec(), truncated: false }
    }

    #[test]
    fn what_a_service_rejects_is_counted_in_either_form() {
        let proto = |body: &[u8]| rejected(Codec::Proto, &answer(200, "Application/Proto; charset=utf-8", body));
        assert_eq!(proto(b""), Some(0), "an empty message is a message");
        assert_eq!(proto(&[0x08, 5]), Some(0));
        assert_eq!(proto(&[0x08, 1, 0x12, 3, 0x0a, 1, b'a', 0x12, 5, 0x0a, 1, b'b', 0x10, 2]), Some(2));
        assert_eq!(proto(&[0x12, 3, 0x0a, 1, b'a', 0x12, 3, 0x0a, 1, b'a']), Some(1), "one event, named twice");
        assert_eq!(proto(&[0x18, 1]), Some(0), "a field of a later version");
        for other in
            [&b"{}"[..], b"ok", b"<html>", &[0x0a, 1, b'a'], &[0x12, 200], &[0x12, 1, 0xff], &[0x12, 3, 0x0a, 1, 0xff]]
        {
            assert_eq!(proto(other), None, "{other:?}");
        }
        let json = |body: &str| rejected(Codec::Json, &answer(200, "application/json", body.as_bytes()));
        for none in ["{}", r#"{"accepted":2,"rejected":[],"later":1}"#, r#"{"accepted":"2"}"#, r#"{"accepted":null}"#] {
            assert_eq!(json(none), Some(0), "{none}");
        }
        assert_eq!(json(r#"{"rejected":[{"eventId":"a"},{"event_id":"b","reason":2},{"eventId":"a"}]}"#), Some(2));
        for other in [
            "",
            "null",
            "[]",
            "\"ok\"",
            r#"{"code":"internal"}"#,
            r#"{"error":1}"#,
            r#"{"rejected":[7]}"#,
            r#"{"rejected":{}}"#,
        ] {
            assert_eq!(json(other), None, "{other}");
        }
        let proto = |response: &Response| rejected(Codec::Proto, response);
        assert_eq!(proto(&answer(200, "text/html", b"")), None);
        assert_eq!(proto(&answer(200, "", b"")), None, "every answer of the protocol has a type");
        assert_eq!(proto(&answer(204, "application/proto", b"")), None);
        assert_eq!(proto(&Response { truncated: true, ..answer(200, "application/proto", b"") }), None);
    }

    #[test]
    fn a_gateway_that_says_ok_to_everything_costs_no_event() {
        let bodies =
            ["{}", r#"{"ok":true}"#, r#"{"success":false}"#, r#"{"accepted":true}"#, r#"{"status":"ok"}"#, "", "null"];
        for body in bodies {
            let said = answer(200, "application/json", body.as_bytes());
            assert_eq!(rejected(Codec::Proto, &said), None, "a service answers in the codec of the request: {body}");
            // `{}` is how a service says in JSON that it has stored everything.
            let expected = (body == "{}").then_some(0);
            assert_eq!(rejected(Codec::Json, &said), expected, "{body}");
        }
        assert_eq!(rejected(Codec::Json, &answer(200, "application/proto", b"")), None);
        assert_eq!(rejected(Codec::Json, &answer(200, "application/proto", b"{}")), None);
    }

    fn with_detail(detail: &str) -> Option<Duration> {
        let body = format!(r#"{{"code":"unavailable","details":[{detail}]}}"#);
        retry_info(&answer(503, "application/json", body.as_bytes()))
    }

    #[test]
    fn a_service_says_how_long_it_wants_to_be_left_alone() {
        let detail = |value: &str| {
            format!(r#"{{"type":"google.rpc.RetryInfo","value":"{value}","debug":{{"retryDelay":"99s"}}}}"#)
        };
        assert_eq!(with_detail(&detail("CgIIAw")), Some(Duration::from_secs(3)));
        assert_eq!(with_detail(&detail("CgIIAw==")), Some(Duration::from_secs(3)), "padded all the same");
        assert_eq!(with_detail(&detail("CggIAhCAyrXuAQ")), Some(Duration::from_millis(2_500)));
        let two = format!("{},{}", detail("CgIIAw"), detail("CgIIBw"));
        assert_eq!(with_detail(&two), Some(Duration::from_secs(7)), "the longest");
        // Nothing twice, a negative time, more nanoseconds than a second has, a message that is cut
        // off, no base64.
        for value in ["", "CgA", "CgsI////////////AQ", "CgYQ/////wc", "CgII", "%%%"] {
            assert_eq!(with_detail(&detail(value)), None, "{value}");
        }
        assert_eq!(with_detail(r#"{"type":"google.rpc.Help","value":"CgIIAw"}"#), None);
        assert_eq!(with_detail(r#"{"debug":{"retryDelay":"99s"}},7,null"#), None);
        let of = |status, kind, body: &str| retry_info(&answer(status, kind, body.as_bytes()));
        let body = r#"{"code":"unavailable","details":[{"type":"google.rpc.RetryInfo","value":"CgIIAw"}]}"#;
        assert_eq!(of(200, "application/json", body), None, "no error");
        assert_eq!(of(503, "text/plain", body), None, "not of the protocol");
        assert_eq!(of(503, "application/json", &body.replace("unavailable", "busy")), None, "not of the protocol");
    }

    proptest! {
        #[test]
        fn arbitrary_answers_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}", status in 100u16..600) {
            for kind in ["application/json", "application/proto"] {
                let answer = answer(status, kind, &body);
                let _ = (rejected(Codec::Json, &answer), rejected(Codec::Proto, &answer), retry_info(&answer));
            }
            let _ = (retry_delay(&body), base64(&text));
        }

        #[test]
        fn base64_is_read_as_it_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            use crate::wire::export::tree::{Json, Tree};
            let mut tree = Json::default();
            tree.bytes(1, "b", &bytes);
            let written = String::from_utf8(tree.out).unwrap();
            let text = written.trim_start_matches("\"b\":\"").trim_end_matches('"');
            prop_assert_eq!(base64(text), Some(bytes));
        }
    }
}
