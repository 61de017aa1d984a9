//! Reads an `Export*ServiceResponse`, as protobuf or JSON.
//!
//! The OpenTelemetry Collector answers every good request with an *empty* `partial_success`, which
//! is a full success. A body that does not decode is not a success at all: a captive portal answers
//! every request with 200.

use crate::model::http::Response;
use crate::wire::export::answer::{NO_ANSWER, Value, fields, plain};

/// The number of records that the backend rejected; `None` when the body is not the answer to an
/// export.
pub(super) fn rejected(response: &Response) -> Option<u64> {
    let body = plain(response)?;
    let body = body.as_ref();
    // Some receivers write nothing as JSON writes it, or as a line.
    if [&b""[..], b"null", b"\"\""].contains(&body.trim_ascii()) {
        return Some(0);
    }
    let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    // Some receivers label one form as the other, so the second form is tried as well.
    if content_type.contains("json") {
        json(body).or_else(|| protobuf(body))
    } else if content_type.contains("html") {
        None
    } else {
        protobuf(body).or_else(|| json(body))
    }
}

fn protobuf(body: &[u8]) -> Option<u64> {
    let mut rejected = 0;
    fields(body, |field, value| match (field, value) {
        (1, Value::Bytes(partial)) => fields(partial, |field, value| {
            if let (1, Value::Varint(count)) = (field, value) {
                rejected = u64::try_from(count as i64).unwrap_or(0);
            }
            Some(())
        }),
        _ => Some(()),
    })?;
    Some(rejected)
}

fn json(body: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let answer = answer.as_object()?;
    let partial = ["partialSuccess", "partial_success"].iter().find_map(|name| answer.get(*name));
    // A gateway may answer 200 and say in the body what went wrong.
    if partial.is_none() && answer.keys().any(|key| NO_ANSWER.contains(&key.as_str())) {
        return None;
    }
    let Some(partial) = partial.and_then(|partial| partial.as_object()) else { return Some(0) };
    let counts = partial.iter().filter(|(name, _)| name.starts_with("rejected"));
    let read = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    Some(counts.filter_map(|(_, value)| read(value)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(content_type: &str, body: &[u8]) -> Option<u64> {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        rejected(&Response { status: 200, headers, body: body.to_vec(), truncated: false })
    }

    #[test]
    fn an_empty_partial_success_is_a_full_success() {
        assert_eq!(answer("application/x-protobuf", &[]), Some(0));
        assert_eq!(answer("application/x-protobuf", &[0x0a, 0]), Some(0));
        for body in ["{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#] {
            assert_eq!(answer("application/json", body.as_bytes()), Some(0), "{body}");
        }
    }

    #[test]
    fn rejected_records_are_counted_in_either_form() {
        assert_eq!(answer("application/x-protobuf", &[0x0a, 2, 0x08, 3]), Some(3));
        assert_eq!(answer("application/x-protobuf", &[0x0a, 5, 0x08, 3, 0x12, 1, b'x']), Some(3));
        assert_eq!(answer("application/json", br#"{"partialSuccess":{"rejectedLogRecords":"7"}}"#), Some(7));
        assert_eq!(answer("application/json", br#"{"partialSuccess":{"rejectedSpans":2}}"#), Some(2));
        assert_eq!(answer("application/x-protobuf", br#"{"partialSuccess":{"rejectedSpans":2}}"#), Some(2));
        assert_eq!(answer("application/json", &[0x0a, 2, 0x08, 4]), Some(4));
    }

    #[test]
    fn nothing_said_in_any_way_is_a_full_success() {
        for body in ["", "\n", " \r\n", "null", "null\n", "\"\""] {
            for content_type in ["application/json", "application/x-protobuf", "text/plain", ""] {
                assert_eq!(answer(content_type, body.as_bytes()), Some(0), "{body:?} as {content_type}");
            }
        }
    }

    #[test]
    fn an_error_in_a_200_is_no_delivery() {
        for body in [
            r#"{"error":{"code":500}}"#,
            r#"{"errors":["quota"]}"#,
            r#"{"code":13,"message":"internal"}"#,
            r#"{"status":"error"}"#,
        ] {
            assert_eq!(answer("application/json", body.as_bytes()), None, "{body}");
            assert_eq!(answer("application/x-protobuf", body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_gateway_that_says_ok_to_everything_is_no_backend() {
        for body in [r#"{"ok":true}"#, r#"{"success":true}"#, r#"{"success":false}"#, r#"{"status":"ok"}"#] {
            assert_eq!(answer("application/json", body.as_bytes()), None, "{body}");
            assert_eq!(answer("application/x-protobuf", body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_compressed_answer_is_read() {
        use std::io::Write;
        let zipped = |plain: &[u8], encoding: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).unwrap();
            let headers = vec![("content-encoding".to_owned(), encoding.to_owned())];
            rejected(&Response { status: 200, headers, body: encoder.finish().unwrap(), truncated: false })
        };
        assert_eq!(zipped(&[0x0a, 2, 0x08, 3], "gzip"), Some(3));
        assert_eq!(zipped(br#"{"partialSuccess":{"rejectedSpans":2}}"#, "GZIP"), Some(2));
        assert_eq!(zipped(br#"{"error":"no"}"#, "gzip"), None);
        assert_eq!(zipped(b"", "br"), None, "nobody can read it, so nobody knows what it says");
        assert_eq!(zipped(&vec![b' '; 1 << 20], "gzip"), None, "a bomb");
    }

    #[test]
    fn a_captive_portal_is_no_success() {
        for body in ["<html><body>Log in</body></html>", "OK", "success", "\"ok\"", "[1]", "Welcome!\n"] {
            assert_eq!(answer("text/plain", body.as_bytes()), None, "{body}");
            assert_eq!(answer("application/x-protobuf", body.as_bytes()), None, "{body}");
        }
        assert_eq!(answer("text/html", &[0x0a, 0]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_answers_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer("application/json", &body);
            let _ = answer("", &body);
        }
    }
}
