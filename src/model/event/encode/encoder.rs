//! Writes the fields of one record: cuts what is too long, counts what it cut, and asks the
//! redaction rules.

use uuid::Uuid;

use super::field::{self, tag, wire};
use crate::model::event::TraceContext;
use crate::model::event::plain::is_plain;
use crate::model::event::put::{ONE_BYTE, cut_bytes, cut_text, zigzag};
use crate::model::event::scratch::{SHORT_KEY, SHORT_TEXT, Scratch, WIDEST_VARINT_WORD, Window, varint_word};
use crate::model::event::scrub::{Author, Fingerprint, KeyVerdict, REDACTED, Scrubbing, TextKind};
use crate::model::limits::{
    MAX_ATTRIBUTES, MAX_BLOB_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_EVENT_BYTES, MAX_KEY_BYTES, MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
};
use crate::model::names::{app_key, semconv};
use crate::model::value::{Attribute, Value, unique};

/// Field numbers below this one share a byte with their wire type.
const ONE_BYTE_FIELDS: u32 = 32;

/// Writes the fields of a record. Counts what it had to shorten or leave out, and says so in the
/// record's last fields.
pub struct Encoder<'b> {
    out: &'b mut Scratch,
    /// Values that were shortened.
    truncated: u32,
    /// Attributes, span events and links that were left out.
    dropped: u32,
    rules: Scrubbing<'b>,
    /// Where the record's fields begin.
    start: usize,
}

impl std::fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("bytes", &self.out.len()).finish_non_exhaustive()
    }
}

impl<'b> Encoder<'b> {
    #[inline]
    pub(super) fn new(out: &'b mut Scratch, rules: Scrubbing<'b>) -> Self {
        Self { start: out.len(), out, truncated: 0, dropped: 0, rules }
    }

    /// Whether the record is too large to be kept. Nothing more need be written then: a list of
    /// lists of lists could take all memory and minutes.
    fn is_too_large(&self) -> bool {
        self.out.len() - self.start > MAX_EVENT_BYTES
    }

    /// Writes what was shortened and left out, if anything was.
    #[inline]
    pub(super) fn finish(mut self) {
        if self.truncated | self.dropped != 0 {
            let (truncated, dropped) = (self.truncated, self.dropped);
            self.count(field::TRUNCATED, u64::from(truncated));
            self.count(field::DROPPED_ATTRIBUTES, u64::from(dropped));
        }
    }

    #[inline]
    fn key(&mut self, number: u32, wire: u32) {
        self.out.varint(u64::from(number << 2 | wire));
    }

    /// Writes a number.
    #[inline]
    pub fn uint(&mut self, number: u32, value: u64) {
        if number < ONE_BYTE_FIELDS && value < ONE_BYTE as u64 {
            self.out.word(u64::from(number << 2 | wire::VARINT) | value << 8, 2);
        } else {
            self.key(number, wire::VARINT);
            self.out.varint(value);
        }
    }

    /// Writes a number, or nothing when it is zero.
    #[inline]
    pub fn count(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.uint(number, value);
        }
    }

    /// Writes a number if there is one.
    #[inline]
    pub fn optional(&mut self, number: u32, value: Option<u64>) {
        if let Some(value) = value {
            self.uint(number, value);
        }
    }

    /// Writes a double bit by bit, so that a NaN stays the NaN that it was.
    pub fn double(&mut self, number: u32, value: f64) {
        self.key(number, wire::FIXED);
        self.out.word(value.to_bits(), 8);
    }

    /// Writes bytes.
    pub fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.key(number, wire::BYTES);
        self.prefixed(bytes);
    }

    /// Writes the sixteen bytes of a UUID.
    pub fn id(&mut self, number: u32, id: Uuid) {
        self.bytes(number, id.as_bytes());
    }

    /// Writes a trace context: trace id, span id, flags.
    pub fn trace(&mut self, number: u32, trace: &TraceContext) {
        self.key(number, wire::BYTES);
        self.out.byte(25);
        self.out.bytes(&trace.trace_id);
        self.out.bytes(&trace.span_id);
        self.out.byte(u8::from(trace.sampled));
    }

    /// Writes at most `max_chars` characters of a text; nothing when it is empty.
    #[inline]
    pub fn text(&mut self, number: u32, text: &str, max_chars: usize) {
        let length = text.len();
        if number < ONE_BYTE_FIELDS && length < ONE_BYTE && length <= max_chars {
            if length != 0 {
                self.out.word(u64::from(number << 2 | wire::BYTES) | (length as u64) << 8, 2);
                self.out.bytes(text.as_bytes());
            }
        } else {
            self.long_text(number, text, max_chars);
        }
    }

    fn long_text(&mut self, number: u32, text: &str, max_chars: usize) {
        if !text.is_empty() {
            let (kept, cut) = cut_text(text, max_chars);
            self.truncated += u32::from(cut);
            self.bytes(number, kept.as_bytes());
        }
    }

    /// Writes free text: a message, the body of a log, a stack.
    pub fn message(&mut self, number: u32, text: &str, max_chars: usize) {
        self.cleaned(number, TextKind::Free, text, max_chars);
    }

    /// Writes a URL.
    pub fn url(&mut self, number: u32, url: &str) {
        self.cleaned(number, TextKind::Url, url, MAX_TEXT_CHARS);
    }

    /// Writes the name of something: it groups events, but may hold what a user has typed.
    #[inline]
    pub fn name(&mut self, number: u32, name: &str) {
        if name.len() <= MAX_NAME_CHARS && is_plain(name) {
            self.text(number, name, MAX_NAME_CHARS);
        } else {
            self.cleaned(number, TextKind::Label, name, MAX_NAME_CHARS);
        }
    }

    #[inline(never)]
    fn cleaned(&mut self, number: u32, kind: TextKind, text: &str, max_chars: usize) {
        match self.rules.scrub {
            // Cut first: what is not recorded need not be searched.
            Some((scrub, _)) => {
                let (kept, cut) = cut_text(text, max_chars);
                // The content of a `data:` URL is taken out, not shortened.
                self.truncated += u32::from(cut && !(kind == TextKind::Url && is_data_url(text)));
                self.text(number, &scrub.text(kind, text, kept.len()), max_chars);
            }
            None => self.text(number, text, max_chars),
        }
    }

    /// Writes doubles, eight bytes each.
    pub fn doubles(&mut self, number: u32, values: &[f64]) {
        self.words(number, values.iter().map(|value| value.to_bits()));
    }

    /// Writes numbers, eight bytes each.
    pub fn uints(&mut self, number: u32, values: &[u64]) {
        self.words(number, values.iter().copied());
    }

    fn words(&mut self, number: u32, words: impl ExactSizeIterator<Item = u64>) {
        self.key(number, wire::BYTES);
        self.out.varint(words.len() as u64 * 8);
        words.for_each(|word| self.out.word(word, 8));
    }

    /// Writes fields within a field.
    pub fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.key(number, wire::BYTES);
        let length_at = self.out.len();
        self.out.reserve(1);
        write(self);
        self.out.fill_in(length_at, self.out.len() - length_at - 1);
    }

    /// Writes attributes, the first [`MAX_ATTRIBUTES`] of them.
    #[inline]
    pub fn attributes(&mut self, attributes: &[Attribute<'_>]) {
        let kept = attributes.get(..MAX_ATTRIBUTES).unwrap_or(attributes);
        for (key, value) in kept {
            self.attribute_field(key, value);
        }
        self.dropped += (attributes.len() - kept.len()) as u32;
    }

    /// Writes the attributes of a context: as many as one record holds, the first ones before the
    /// others. What the app says of the user there is what it wants to be known, so those texts are
    /// not searched.
    pub(super) fn context_attributes(&mut self, attributes: &[Attribute<'_>]) {
        let is_searched = self.rules.attribute_texts;
        let kept = attributes.get(..MAX_ATTRIBUTES).unwrap_or(attributes);
        for attribute in kept {
            let before = self.out.len();
            self.rules.attribute_texts = is_searched && !attribute.0.starts_with(semconv::USER);
            self.attributes(std::slice::from_ref(attribute));
            if self.is_too_large() {
                self.out.truncate(before);
                self.dropped += 1;
            }
        }
        self.rules.attribute_texts = is_searched;
        self.dropped += (attributes.len() - kept.len()) as u32;
    }

    /// Counts a value that was shortened before it came here.
    pub(crate) fn note_shortened(&mut self) {
        self.truncated += 1;
    }

    /// Counts items that were left out.
    pub fn cut_items(&mut self, count: usize) {
        self.dropped += count as u32;
    }

    /// One attribute of the record.
    #[inline]
    fn attribute_field(&mut self, key: &str, value: &Value<'_>) {
        if !self.short_attribute(key, value) && !self.is_too_large() {
            self.nested(field::ATTRIBUTE, |out| out.attribute(key, value, 1));
        }
    }

    /// Writes an attribute into one window, if its key is short and known to be harmless and its
    /// value is short, as with most attributes. False when it is not; then nothing was written.
    #[inline]
    fn short_attribute(&mut self, key: &str, value: &Value<'_>) -> bool {
        const FIELD: u64 = (field::ATTRIBUTE << 2 | wire::BYTES) as u64;
        let print = Fingerprint::of(key);
        if key.len() > SHORT_KEY || !self.rules.scrub.is_none_or(|(_, known)| known.is_clean(print)) {
            return false;
        }
        let Some(mut window) = self.out.window() else { return false };
        window.word(0, FIELD | (key.len() as u64) << 16);
        if key.len() <= Fingerprint::WHOLE {
            window.word(3, print.0)
        } else {
            window.bytes(3, key.as_bytes())
        }
        let Some(value_length) = short_value(&mut window, 3 + key.len(), value, self.rules.attribute_texts) else {
            return false;
        };
        let length = 1 + key.len() + value_length;
        window.byte(1, length as u8);
        self.out.keep(2 + length);
        true
    }

    /// An attribute at any depth, whatever its key.
    fn attribute(&mut self, key: &str, value: &Value<'_>, depth: usize) {
        let verdict = self.rules.scrub.map_or(KeyVerdict::Clean, |(scrub, known)| known.judge(key, scrub));
        match verdict {
            KeyVerdict::Secret => self.judged_attribute(key, &Value::Text(REDACTED), MAX_DEPTH),
            KeyVerdict::Reserved if self.rules.author == Author::App && depth == 1 => {
                self.judged_attribute(&app_key(key), value, depth);
            }
            KeyVerdict::Reserved | KeyVerdict::Clean => self.judged_attribute(key, value, depth),
        }
    }

    fn judged_attribute(&mut self, key: &str, value: &Value<'_>, depth: usize) {
        let (key, cut) = cut_bytes(key, MAX_KEY_BYTES);
        self.truncated += u32::from(cut);
        self.prefixed(key.as_bytes());
        self.value(value, depth);
    }

    fn value(&mut self, value: &Value<'_>, depth: usize) {
        match *value {
            Value::Bool(flag) => self.out.byte(if flag { tag::TRUE } else { tag::FALSE }),
            Value::Int(number) => {
                self.out.byte(tag::INT);
                self.out.varint(zigzag(number));
            }
            Value::Double(number) => {
                self.out.byte(tag::DOUBLE);
                self.out.word(number.to_bits(), 8);
            }
            Value::Text(text) => {
                let (kept, cut) = cut_text(text, MAX_TEXT_CHARS);
                self.truncated += u32::from(cut);
                match self.rules.scrub {
                    Some((scrub, _)) if self.rules.attribute_texts && (cut || !is_plain(text)) => {
                        // A mark may be longer than what it stands for.
                        let cleaned = scrub.text(TextKind::Label, text, kept.len());
                        let (kept, cut) = cut_text(&cleaned, MAX_TEXT_CHARS);
                        self.truncated += u32::from(cut);
                        self.tagged(tag::TEXT, kept.as_bytes());
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
                    if self.is_too_large() {
                        break;
                    }
                    self.value(item, depth + 1);
                }
            }
            Value::Map(entries) => {
                let kept = unique(entries, MAX_KEY_BYTES);
                // What has no key cannot be found again.
                self.truncated += entries.iter().filter(|(key, _)| key.is_empty()).count() as u32;
                self.container(tag::MAP, kept.len());
                for (key, item) in kept.into_iter().take(MAX_ELEMENTS) {
                    if self.is_too_large() {
                        break;
                    }
                    self.attribute(key, item, depth + 1);
                }
            }
            Value::Any(any) => any.opened(|value| self.value(value, depth)),
        }
    }

    #[inline]
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.byte(tag);
        self.prefixed(bytes);
    }

    /// Bytes behind their length.
    #[inline]
    fn prefixed(&mut self, bytes: &[u8]) {
        self.out.varint(bytes.len() as u64);
        self.out.bytes(bytes);
    }

    fn container(&mut self, tag: u8, length: usize) {
        self.truncated += u32::from(length > MAX_ELEMENTS);
        self.out.byte(tag);
        self.out.varint(length.min(MAX_ELEMENTS) as u64);
    }
}

fn is_data_url(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Writes the tag and the value of an attribute if both are short. The length of both, if they were
/// written.
#[inline(always)]
fn short_value(window: &mut Window<'_>, at: usize, value: &Value<'_>, is_cleaned: bool) -> Option<usize> {
    match *value {
        Value::Text(text) if text.len() <= SHORT_TEXT && (!is_cleaned || is_plain(text)) => {
            window.word(at, u64::from(tag::TEXT) | (text.len() as u64) << 8);
            window.bytes(at + 2, text.as_bytes());
            Some(2 + text.len())
        }
        Value::Int(number) if zigzag(number) <= WIDEST_VARINT_WORD => {
            let (word, count) = varint_word(zigzag(number));
            window.word(at, u64::from(tag::INT));
            window.word(at + 1, word);
            Some(1 + count)
        }
        Value::Double(number) => {
            window.word(at, u64::from(tag::DOUBLE));
            window.word(at + 1, number.to_bits());
            Some(9)
        }
        Value::Bool(flag) => {
            window.word(at, u64::from(if flag { tag::TRUE } else { tag::FALSE }));
            Some(1)
        }
        _ => None,
    }
}
