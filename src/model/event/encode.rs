//! The canonical form: what the journal, the queue and a later version of the core read.
//!
//! ```text
//! byte 0   version, 1
//! byte 1   kind (EventKind, or KIND_CONTEXT / KIND_SCOPE)
//! then     fields: varint(number << 2 | wire), value
//!          wire 0 varint · wire 1 eight bytes, little endian · wire 2 varint length and as many bytes
//! ```
//!
//! A reader skips fields that it does not know; a later version adds fields and never changes the meaning of a number.
//! Zero counts and empty texts are left out. The version byte changes only if an old reader could misread the bytes.
//! Golden files under `tests/golden` pin the form.

use uuid::Uuid;

use super::scrub::{KeyCache, KeyVerdict, Scrub};
use super::{Event, TraceContext};
use crate::model::limits::{
    MAX_ATTRIBUTES, MAX_BLOB_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_EVENT_BYTES, MAX_KEY_BYTES, MAX_TEXT_CHARS,
};
use crate::model::value::{Attribute, Value};

/// The version byte.
pub const VERSION: u8 = 1;
/// Kind byte of a context record.
pub const KIND_CONTEXT: u8 = 200;
/// Kind byte of a scope record.
pub const KIND_SCOPE: u8 = 201;

/// Field numbers. Stored: never reuse one. Numbers below 32 take one byte.
#[allow(missing_docs, reason = "the names say it")]
pub mod field {
    pub const TIME: u32 = 1;
    pub const CONTEXT: u32 = 2;
    pub const SCOPE: u32 = 3;
    pub const ATTRIBUTE: u32 = 4;
    pub const NAME: u32 = 5;
    pub const TYPE: u32 = 6;
    pub const TRACE: u32 = 7;
    pub const ACTION_ID: u32 = 8;
    pub const DURATION: u32 = 9;
    pub const OBJECT_ID: u32 = 10;
    pub const MESSAGE: u32 = 11;
    pub const LEVEL: u32 = 12;
    pub const VALUE: u32 = 13;
    pub const STATUS: u32 = 15;
    pub const URL: u32 = 16;
    pub const METHOD: u32 = 17;
    pub const SIZE: u32 = 18;
    pub const ERROR_TYPE: u32 = 19;
    pub const STACK: u32 = 20;
    pub const SOURCE: u32 = 22;
    pub const UNIT: u32 = 23;
    pub const PARENT_SPAN: u32 = 24;
    pub const DOC_VERSION: u32 = 25;
    pub const ACTIVE: u32 = 26;
    pub const TRUNCATED: u32 = 27;
    pub const DROPPED_ATTRIBUTES: u32 = 28;
    pub const ENDED: u32 = 29;
    pub const MONOTONIC: u32 = 30;
    pub const TEMPORALITY: u32 = 31;
    pub const BOUNDS: u32 = 32;
    pub const BUCKETS: u32 = 33;
    pub const START_TIME: u32 = 34;
    pub const SPAN_EVENT: u32 = 35;
    pub const LINK: u32 = 36;
    pub const ACTION_COUNT: u32 = 37;
    pub const RESOURCE_COUNT: u32 = 38;
    pub const ERROR_COUNT: u32 = 39;
    pub const LONG_TASK_COUNT: u32 = 40;
    pub const CRASH_COUNT: u32 = 41;
    pub const LOADING_TIME: u32 = 42;
    pub const SESSION_ID: u32 = 43;
    pub const VIEW_ID: u32 = 44;
    pub const PREVIOUS: u32 = 45;
    pub const REASON: u32 = 46;
    pub const PROTOCOL: u32 = 47;
    pub const INTERVAL_START: u32 = 48;
    pub const INTERVAL_VALUE: u32 = 49;
    pub const INTERVAL_BUCKETS: u32 = 50;
    pub const PHASE: u32 = 51;
}

pub(crate) const WIRE_VARINT: u32 = 0;
pub(crate) const WIRE_FIXED: u32 = 1;
pub(crate) const WIRE_BYTES: u32 = 2;

pub(crate) mod tag {
    pub(crate) const FALSE: u8 = 0;
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const INT: u8 = 2;
    pub(crate) const DOUBLE: u8 = 3;
    pub(crate) const TEXT: u8 = 4;
    pub(crate) const BYTES: u8 = 5;
    pub(crate) const LIST: u8 = 6;
    pub(crate) const MAP: u8 = 7;
}

/// Appends a base-128 varint, least significant group first.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps signed to unsigned so that small magnitudes stay short.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The rules of one event.
#[derive(Clone, Copy, Default)]
pub struct Scrubbing<'s> {
    /// The rules, and the keys that they let pass; `None` for none.
    pub scrub: Option<(&'s dyn Scrub, &'s KeyCache)>,
    /// Whether keys of ours may be in the attributes: then they were put there by us.
    pub is_own: bool,
    /// Whether the texts of attributes are cleaned, too.
    pub attribute_texts: bool,
}

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

/// Writes the canonical form of an event to `out`. False when it is larger than [`MAX_EVENT_BYTES`].
#[inline]
pub fn encode<E: Event + ?Sized>(event: &E, stamp: Stamp, out: &mut Vec<u8>) -> bool {
    encode_scrubbed(event, stamp, Scrubbing::default(), out)
}

/// As [`encode`], with rules about what must not be recorded.
#[inline]
pub fn encode_scrubbed<E: Event + ?Sized>(event: &E, stamp: Stamp, rules: Scrubbing<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[VERSION, event.kind().code()]);
    let mut encoder = Encoder::new(out, rules);
    encoder.uint(field::TIME, zigzag(stamp.time_delta));
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

/// Writes a record of slowly changing attributes (app, device, OS, user, network).
pub fn encode_context(attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    encode_context_scrubbed(attributes, Scrubbing::default(), out);
}

/// As [`encode_context`], with rules about what must not be recorded.
pub fn encode_context_scrubbed(attributes: &[Attribute<'_>], rules: Scrubbing<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, KIND_CONTEXT]);
    let mut encoder = Encoder::new(out, rules);
    encoder.attributes(attributes);
    encoder.finish();
}

/// Writes a scope record: the session, and the view when one is open.
pub fn encode_scope(session: Uuid, view: Option<(Uuid, &str)>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, KIND_SCOPE]);
    let mut encoder = Encoder::new(out, Scrubbing::default());
    encoder.id(field::SESSION_ID, session);
    if let Some((id, name)) = view {
        encoder.id(field::VIEW_ID, id);
        encoder.text(field::NAME, name, crate::model::limits::MAX_NAME_CHARS);
    }
    encoder.finish();
}

/// Appends to an encoded event why it ended: recovery closes what a dead process left open.
pub fn append_ended(out: &mut Vec<u8>, reason: &str) {
    let mut encoder = Encoder::new(out, Scrubbing::default());
    encoder.text(field::ENDED, reason, crate::model::limits::MAX_NAME_CHARS);
}

/// Writes fields. Counts what it had to shorten or leave out.
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
    truncated: u32,
    dropped: u32,
    rules: Scrubbing<'b>,
}

impl std::fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("bytes", &self.out.len()).finish_non_exhaustive()
    }
}

impl<'b> Encoder<'b> {
    fn new(out: &'b mut Vec<u8>, rules: Scrubbing<'b>) -> Self {
        Self { out, truncated: 0, dropped: 0, rules }
    }

    #[inline]
    fn key(&mut self, number: u32, wire: u32) {
        let key = number << 2 | wire;
        if key < 0x80 { self.out.push(key as u8) } else { put_varint(self.out, u64::from(key)) }
    }

    /// A number.
    #[inline]
    pub fn uint(&mut self, number: u32, value: u64) {
        self.key(number, WIRE_VARINT);
        put_varint(self.out, value);
    }

    /// A number that is left out when it is zero.
    #[inline]
    pub fn count(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.uint(number, value);
        }
    }

    /// A number that may be missing.
    #[inline]
    pub fn optional(&mut self, number: u32, value: Option<u64>) {
        if let Some(value) = value {
            self.uint(number, value);
        }
    }

    /// A double, bit by bit: NaN stays the NaN that it was.
    pub fn double(&mut self, number: u32, value: f64) {
        self.key(number, WIRE_FIXED);
        self.out.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// Bytes.
    pub fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.key(number, WIRE_BYTES);
        put_varint(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A UUID's sixteen bytes.
    pub fn id(&mut self, number: u32, id: Uuid) {
        self.bytes(number, id.as_bytes());
    }

    /// A trace context: trace id, span id, flags.
    pub fn trace(&mut self, number: u32, trace: &TraceContext) {
        self.key(number, WIRE_BYTES);
        self.out.push(25);
        self.out.extend_from_slice(&trace.trace_id);
        self.out.extend_from_slice(&trace.span_id);
        self.out.push(u8::from(trace.sampled));
    }

    /// Text of at most `max_chars` characters; left out when empty.
    #[inline]
    pub fn text(&mut self, number: u32, text: &str, max_chars: usize) {
        if text.is_empty() {
            return;
        }
        let (kept, cut) = cut_text(text, max_chars);
        self.truncated += u32::from(cut);
        self.key(number, WIRE_BYTES);
        put_varint(self.out, kept.len() as u64);
        self.out.extend_from_slice(kept.as_bytes());
    }

    /// Free text: a message, a log's body, a stack.
    pub fn message(&mut self, number: u32, text: &str, max_chars: usize) {
        match self.rules.scrub {
            // Cut first: what is not recorded need not be searched.
            Some((scrub, _)) => {
                let (kept, cut) = cut_text(text, max_chars);
                self.truncated += u32::from(cut);
                self.text(number, &scrub.free_text(kept), max_chars);
            }
            None => self.text(number, text, max_chars),
        }
    }

    /// A URL.
    pub fn url(&mut self, number: u32, url: &str) {
        match self.rules.scrub {
            Some((scrub, _)) => self.text(number, &scrub.url(url), MAX_TEXT_CHARS),
            None => self.text(number, url, MAX_TEXT_CHARS),
        }
    }

    /// Doubles, eight bytes each.
    pub fn doubles(&mut self, number: u32, values: &[f64]) {
        self.key(number, WIRE_BYTES);
        put_varint(self.out, values.len() as u64 * 8);
        for value in values {
            self.out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }

    /// Numbers, eight bytes each.
    pub fn uints(&mut self, number: u32, values: &[u64]) {
        self.key(number, WIRE_BYTES);
        put_varint(self.out, values.len() as u64 * 8);
        for value in values {
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Fields within a field.
    pub fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.key(number, WIRE_BYTES);
        self.with_length(write);
    }

    /// Attributes, the first 128 of them.
    #[inline]
    pub fn attributes(&mut self, attributes: &[Attribute<'_>]) {
        for (key, value) in attributes.iter().take(MAX_ATTRIBUTES) {
            self.key(field::ATTRIBUTE, WIRE_BYTES);
            self.with_length(|out| out.attribute(key, value, 1));
        }
        self.dropped += attributes.len().saturating_sub(MAX_ATTRIBUTES) as u32;
    }

    /// Says that `count` items were left out.
    pub fn cut_items(&mut self, count: usize) {
        self.dropped += count as u32;
    }

    /// Writes a length before what `write` writes. One byte is set aside; longer content is moved.
    #[inline]
    fn with_length(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.out.push(0);
        write(self);
        let length = self.out.len() - at - 1;
        if length < 0x80 {
            if let Some(slot) = self.out.get_mut(at) {
                *slot = length as u8;
            }
        } else {
            let mut prefix = Vec::with_capacity(4);
            put_varint(&mut prefix, length as u64);
            self.out.splice(at..=at, prefix);
        }
    }

    #[inline]
    fn attribute(&mut self, key: &str, value: &Value<'_>, depth: usize) {
        if let Some((scrub, clean)) = self.rules.scrub {
            match clean.judge(key, scrub) {
                KeyVerdict::Clean => {}
                KeyVerdict::Secret => return self.plain_attribute(key, &Value::Text("[redacted]"), MAX_DEPTH),
                KeyVerdict::Reserved if !self.rules.is_own && depth == 1 => {
                    return self.plain_attribute(&format!("app.{key}"), value, depth);
                }
                KeyVerdict::Reserved => {}
            }
        }
        self.plain_attribute(key, value, depth);
    }

    #[inline]
    fn plain_attribute(&mut self, key: &str, value: &Value<'_>, depth: usize) {
        let (key, cut) = cut_bytes(key, MAX_KEY_BYTES);
        self.truncated += u32::from(cut);
        put_varint(self.out, key.len() as u64);
        self.out.extend_from_slice(key.as_bytes());
        self.value(value, depth);
    }

    fn value(&mut self, value: &Value<'_>, depth: usize) {
        match *value {
            Value::Bool(flag) => self.out.push(if flag { tag::TRUE } else { tag::FALSE }),
            Value::Int(number) => {
                self.out.push(tag::INT);
                put_varint(self.out, zigzag(number));
            }
            Value::Double(number) => {
                self.out.push(tag::DOUBLE);
                self.out.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            Value::Text(text) => {
                let (kept, cut) = cut_text(text, MAX_TEXT_CHARS);
                self.truncated += u32::from(cut);
                match self.rules.scrub {
                    Some((scrub, _)) if self.rules.attribute_texts => {
                        self.tagged(tag::TEXT, scrub.free_text(kept).as_bytes());
                    }
                    _ => self.tagged(tag::TEXT, kept.as_bytes()),
                }
            }
            Value::Bytes(bytes) => {
                let kept = bytes.get(..MAX_BLOB_BYTES).unwrap_or(bytes);
                self.truncated += u32::from(kept.len() < bytes.len());
                self.tagged(tag::BYTES, kept);
            }
            Value::List(_) | Value::Map(_) | Value::Any(_) if depth >= MAX_DEPTH => {
                self.truncated += 1;
                self.tagged(tag::TEXT, "…".as_bytes());
            }
            Value::List(items) => {
                self.container(tag::LIST, items.len());
                for item in items.iter().take(MAX_ELEMENTS) {
                    self.value(item, depth + 1);
                }
            }
            Value::Map(entries) => {
                self.container(tag::MAP, entries.len());
                for (key, item) in entries.iter().take(MAX_ELEMENTS) {
                    self.attribute(key, item, depth + 1);
                }
            }
            Value::Any(any) => any.opened(|value| self.value(value, depth)),
        }
    }

    #[inline]
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        put_varint(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn container(&mut self, tag: u8, length: usize) {
        self.truncated += u32::from(length > MAX_ELEMENTS);
        self.out.push(tag);
        put_varint(self.out, length.min(MAX_ELEMENTS) as u64);
    }

    fn finish(mut self) {
        let (truncated, dropped) = (self.truncated, self.dropped);
        self.count(field::TRUNCATED, u64::from(truncated));
        self.count(field::DROPPED_ATTRIBUTES, u64::from(dropped));
    }
}

/// The first `max` characters, and whether something was cut.
#[inline]
fn cut_text(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    match text.char_indices().nth(max) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), true),
        None => (text, false),
    }
}

/// At most `max` bytes, cut between characters.
#[inline]
fn cut_bytes(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    (text.get(..text.floor_char_boundary(max)).unwrap_or(text), true)
}
