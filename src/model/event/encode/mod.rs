//! The canonical form: what the journal, the queue and a later version of the core read.
//!
//! ```text
//! byte 0   version, 1
//! byte 1   kind (EventKind, or KIND_CONTEXT / KIND_SCOPE)
//! then     fields: varint(number << 2 | wire), value
//!          wire 0: varint
//!          wire 1: eight bytes, little endian
//!          wire 2: varint length, and as many bytes
//! ```
//!
//! A reader skips fields that it does not know; a later version adds fields and never changes the
//! meaning of a number. Zero counts and empty texts are left out. The version byte changes only if
//! an old reader could misread the bytes. Golden files under `tests/golden` pin the form.

mod encoder;
pub mod field;

use uuid::Uuid;

pub use super::put::{put_varint, zigzag};
pub use super::scratch::Scratch;
use super::scrub::Scrubbing;
use super::{Event, TraceContext};
use crate::model::limits::{MAX_EVENT_BYTES, MAX_NAME_CHARS};
use crate::model::value::{Attribute, Value};
pub use encoder::Encoder;

/// The version byte.
pub const VERSION: u8 = 1;
/// Kind byte of a context record.
pub const KIND_CONTEXT: u8 = 200;
/// Kind byte of a scope record.
pub const KIND_SCOPE: u8 = 201;

/// What the recorder knows about an event besides the caller's draft.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamp {
    /// Wall time less the run's base, ns.
    pub time_delta: i64,
    /// Version of the context record; 0 for none.
    pub context: u32,
    /// Version of the scope record (session and view); 0 for none.
    pub scope: u32,
    /// The action that is open, for events that name none themselves.
    pub action: Option<Uuid>,
    /// The context that is current, for events that have none themselves.
    pub trace: Option<TraceContext>,
}

/// Writes the canonical form of an event to `out`. False when it is larger than
/// [`MAX_EVENT_BYTES`].
#[inline]
pub fn encode<E: Event + ?Sized>(event: &E, stamp: Stamp, out: &mut Vec<u8>) -> bool {
    encode_scrubbed(event, stamp, Scrubbing::default(), out)
}

/// As [`encode`], with rules about what must not be recorded.
pub fn encode_scrubbed<E: Event + ?Sized>(event: &E, stamp: Stamp, rules: Scrubbing<'_>, out: &mut Vec<u8>) -> bool {
    with_scratch(out, |scratch| encode_into(event, stamp, rules, scratch))
}

/// As [`encode_scrubbed`], into a buffer that is used again and again.
#[inline]
pub fn encode_into<E: Event + ?Sized>(event: &E, stamp: Stamp, rules: Scrubbing<'_>, out: &mut Scratch) -> bool {
    const TIME: u64 = (field::TIME << 2 | field::wire::VARINT) as u64;
    let start = out.len();
    out.word(u64::from(VERSION) | u64::from(event.kind().code()) << 8 | TIME << 16, 3);
    out.varint(zigzag(stamp.time_delta));
    let mut encoder = Encoder::new(out, rules);
    encoder.count(field::CONTEXT, u64::from(stamp.context));
    encoder.count(field::SCOPE, u64::from(stamp.scope));
    let common = event.common();
    if let Some(trace) = common.trace.as_ref().or(stamp.trace.as_ref()) {
        encoder.trace(field::TRACE, trace);
    }
    if let Some(action) = common.action_id.or(stamp.action) {
        encoder.id(field::ACTION_ID, action);
    }
    event.write(&mut encoder);
    encoder.attributes(common.attributes);
    encoder.finish();
    out.len() - start <= MAX_EVENT_BYTES
}

/// Writes fields that come behind those of an event that has been written before.
pub fn encode_fields(rules: Scrubbing<'_>, out: &mut Scratch, write: impl FnOnce(&mut Encoder<'_>)) {
    let mut encoder = Encoder::new(out, rules);
    write(&mut encoder);
    encoder.finish();
}

/// The slowly changing attributes that events refer to by version.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContextAttributes<'a> {
    /// Those of the resource, which do not change while the process runs: service, app, device, OS.
    pub resource: &'a [Attribute<'a>],
    /// Those of the records: user, feature flags, what the app sets for all events.
    pub records: &'a [Attribute<'a>],
}

/// Writes a record of slowly changing attributes. Those that would make it larger than
/// [`MAX_EVENT_BYTES`] are left out, those of the records first: without the record, no event would
/// have a service.
pub fn encode_context(attributes: ContextAttributes<'_>, rules: Scrubbing<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, KIND_CONTEXT]);
    with_scratch(out, |scratch| {
        let mut encoder = Encoder::new(scratch, rules);
        encoder.context_attributes(attributes.resource);
        if !attributes.records.is_empty() {
            encoder.nested(field::RECORD_ATTRIBUTES, |encoder| encoder.context_attributes(attributes.records));
        }
        encoder.finish();
    });
}

/// Writes a scope record: the session, and the view when one is open.
pub fn encode_scope(session: Uuid, view: Option<(Uuid, &str)>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, KIND_SCOPE]);
    with_scratch(out, |scratch| {
        let mut encoder = Encoder::new(scratch, Scrubbing::default());
        encoder.id(field::SESSION_ID, session);
        if let Some((id, name)) = view {
            encoder.id(field::VIEW_ID, id);
            encoder.text(field::NAME, name, MAX_NAME_CHARS);
        }
        encoder.finish();
    });
}

/// Appends to an encoded event why it ended: recovery closes what a dead process left open.
pub fn append_ended(out: &mut Vec<u8>, reason: &str) {
    with_scratch(out, |scratch| {
        Encoder::new(scratch, Scrubbing::default()).text(field::ENDED, reason, MAX_NAME_CHARS);
    });
}

/// Appends a number to an encoded event.
pub(super) fn append_uint(out: &mut Vec<u8>, number: u32, value: u64) {
    with_scratch(out, |scratch| Encoder::new(scratch, Scrubbing::default()).uint(number, value));
}

/// Appends an attribute of ours to an encoded event. Its value holds nothing that must not leave
/// the device.
pub(super) fn append_attribute(out: &mut Vec<u8>, key: &str, value: Value<'_>) {
    with_scratch(out, |scratch| Encoder::new(scratch, Scrubbing::default()).attributes(&[(key, value)]));
}

/// Writes behind what a vector holds.
fn with_scratch<R>(out: &mut Vec<u8>, write: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = Scratch::behind(std::mem::take(out));
    let answer = write(&mut scratch);
    *out = scratch.into_vec();
    answer
}

#[cfg(test)]
mod tests;
