//! Reads an `Export*ServiceResponse`, as protobuf or JSON.
//!
//! The OpenTelemetry Collector answers every good request with an *empty* `partial_success`, which
//! is a full success. A body that does not decode is not a success at all: a captive portal answers
//! every request with 200.

use crate::model::event::decode::Reader;
use crate::model::http::Response;

/// The number of records that the backend rejected; `None` when the body is not the answer to an
/// export.
pub(super) fn rejected(response: &Response) -> Option<u64> {
    if response.body.is_empty() {
        return Some(0);
    }
    let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    // Some receivers label one form as the other, so the second form is tried as well.
    if content_type.contains("json") {
        json(&response.body).or_else(|| protobuf(&response.body))
    } else if content_type.contains("html") {
        None
    } else {
        protobuf(&response.body).or_else(|| json(&response.body))
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

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// Visits every field; `None` when the bytes are not a protobuf message.
fn fields<'a>(body: &'a [u8], mut visit: impl FnMut(u64, Value<'a>) -> Option<()>) -> Option<()> {
    let mut reader = Reader::new(body);
    while !reader.is_empty() {
        let key = reader.varint().ok()?;
        if key >> 3 == 0 {
            return None;
        }
        let value = match key & 7 {
            0 => Value::Varint(reader.varint().ok()?),
            1 => reader.fixed().ok().map(|_| Value::Fixed)?,
            2 => Value::Bytes(reader.prefixed().ok()?),
            5 => reader.take(4).ok().map(|_| Value::Fixed)?,
            _ => return None,
        };
        visit(key >> 3, value)?;
    }
    Some(())
}

fn json(body: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let answer = answer.as_object()?;
    let partial = ["partialSuccess", "partial_success"].iter().find_map(|name| answer.get(*name));
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
