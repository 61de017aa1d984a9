//! Reads the answers of backends. Nothing in them can be trusted.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::model::event::decode::Reader;
use crate::model::http::Response;
use crate::model::limits::MAX_RESPONSE_BYTES;

/// Members of a JSON object that tells of an error, or with which a gateway answers whatever it is
/// asked. An answer to a request that was accepted has none of them.
pub(super) const NO_ANSWER: [&str; 9] =
    ["error", "errors", "code", "message", "detail", "fault", "status", "ok", "success"];

/// The body without compression; `None` when nobody can read it.
pub(super) fn plain(response: &Response) -> Option<Cow<'_, [u8]>> {
    match response.header("content-encoding").map(str::trim) {
        // It was asked not to, but some proxies compress every answer.
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(&response.body).map(Cow::Owned),
        Some(encoding) if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") => None,
        _ => Some(Cow::Borrowed(&response.body)),
    }
}

/// The body that was compressed; `None` when it cannot be read or is longer than an answer may be.
fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = MAX_RESPONSE_BYTES as u64 + 1;
    GzDecoder::new(body).take(limit).read_to_end(&mut plain).ok()?;
    (plain.len() <= MAX_RESPONSE_BYTES).then_some(plain)
}

/// The value of a protobuf field.
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes.
    Fixed,
}

/// Visits every field; `None` when the bytes are not a protobuf message.
pub(super) fn fields<'a>(body: &'a [u8], mut visit: impl FnMut(u64, Value<'a>) -> Option<()>) -> Option<()> {
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
