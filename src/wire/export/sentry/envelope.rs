//! Envelopes (<https://develop.sentry.dev/sdk/foundations/transport/envelopes/>): a line with the
//! envelope's header, then for each item a line with its header, and its payload.
//!
//! The envelope's header is the first line and nothing else is on it, so that the time of sending
//! can be added to it when it is sent. Sentry takes that time as that of the device, by which it
//! corrects the clock. A queued envelope does not have it; one whose times are corrected already
//! never gets it.

use uuid::Uuid;

use super::event::sdk;
use super::json::{Object, Value};
use super::time::{Clock, rfc3339};

/// How a header begins that has the time of sending.
const SENT_AT: &[u8] = b"{\"sent_at\":";
/// The member by which a queued envelope says that its times are the server's, and how its header
/// begins then. It is not sent.
const CORRECTED: &str = "is_corrected";
const IS_CORRECTED: &[u8] = b"{\"is_corrected\":true,";

/// An envelope that is being written.
pub(super) struct Envelope(Vec<u8>);

impl Envelope {
    /// Begins an envelope. `event` is the id of the event in it, if there is one. The key of the
    /// DSN is in a header of the request and not here.
    pub(super) fn new(event: Option<Uuid>, clock: Clock) -> Self {
        let mut out = Vec::with_capacity(4_096);
        Value::at(&mut out).object(|header| {
            if clock == Clock::Server {
                header.value(CORRECTED).plain(true);
            }
            if let Some(id) = event {
                header.text("event_id", &id.simple().to_string());
            }
            sdk(header);
        });
        out.push(b'\n');
        Self(out)
    }

    /// Adds an item. `header` writes what its header has beside the type and the length.
    pub(super) fn item(&mut self, kind: &str, header: impl FnOnce(&mut Object<'_>), payload: impl FnOnce(Value<'_>)) {
        append(&mut self.0, kind, header, payload);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Adds an item to the bytes of an envelope.
pub(super) fn append(
    out: &mut Vec<u8>,
    kind: &str,
    header: impl FnOnce(&mut Object<'_>),
    payload: impl FnOnce(Value<'_>),
) {
    let mut body = Vec::with_capacity(4_096);
    payload(Value::at(&mut body));
    Value::at(out).object(|object| {
        object.text("type", kind);
        header(object);
        object.value("length").plain(body.len());
    });
    out.push(b'\n');
    out.append(&mut body);
    out.push(b'\n');
}

/// Adds the time of sending to the header of an envelope, in place of one that it may have, unless
/// its times are corrected.
pub(super) fn stamp(body: &mut Vec<u8>, unix_nano: u64) {
    if body.starts_with(IS_CORRECTED) {
        body.drain(1..IS_CORRECTED.len());
        return;
    }
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let header = body.get(..end).unwrap_or_default();
    // The rest of a header that has a time begins behind the text of it, which has no comma.
    let rest = match header.strip_prefix(SENT_AT) {
        Some(stamped) => stamped.iter().position(|byte| *byte == b',').map_or(end, |comma| SENT_AT.len() + comma + 1),
        None => end.min(1),
    };
    let time = rfc3339(unix_nano);
    let is_last = body.get(rest).is_none_or(|next| *next == b'}');
    let start = format!("{{\"sent_at\":\"{time}\"{}", if is_last { "" } else { "," });
    body.splice(..rest, start.into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_the_header_alone_and_counts_once() {
        let mut envelope = Envelope::new(Some(Uuid::from_bytes([7; 16])), Clock::Device);
        envelope.item("event", |_| {}, |value| value.text("a\n{\"sent_at\":\"x\"}"));
        let plain = envelope.finish();
        let mut body = plain.clone();
        stamp(&mut body, 1_767_225_600_000_000_000);
        let (header, rest) = (text(&body).split_once('\n').unwrap(), text(&plain).split_once('\n').unwrap());
        assert_eq!(header.1, rest.1);
        assert_eq!(header.0, rest.0.replacen('{', "{\"sent_at\":\"2026-01-01T00:00:00.000000Z\",", 1));
        let once = body.clone();
        stamp(&mut body, 1_767_225_600_000_000_000);
        assert_eq!(text(&body), text(&once));
    }

    #[test]
    fn relay_does_not_correct_what_is_corrected_already() {
        let [mut queued, device] = [Clock::Server, Clock::Device].map(|clock| {
            let mut envelope = Envelope::new(Some(Uuid::from_bytes([7; 16])), clock);
            envelope.item("event", |_| {}, |value| value.text("a"));
            envelope.finish()
        });
        stamp(&mut queued, 1_767_225_600_000_000_000);
        assert_eq!(text(&queued), text(&device), "no time of sending, and nothing else");
    }

    #[test]
    fn an_envelope_of_another_is_not_broken_by_a_stamp() {
        for body in ["{}\n{}", "{}", "", "\n", "x"] {
            let mut body = body.as_bytes().to_vec();
            stamp(&mut body, 0);
            assert!(body.starts_with(b"{\"sent_at\":\"1970-01-01T00:00:00.000000Z\""), "{}", text(&body));
        }
        let mut body = b"{}\nitem".to_vec();
        stamp(&mut body, 0);
        assert_eq!(text(&body), "{\"sent_at\":\"1970-01-01T00:00:00.000000Z\"}\nitem");
    }

    fn text(body: &[u8]) -> &str {
        std::str::from_utf8(body).unwrap()
    }
}
