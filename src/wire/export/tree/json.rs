//! Messages as JSON.
//!
//! The rules are those of protobuf (<https://protobuf.dev/programming-guides/json/>) with the
//! exceptions of opentelemetry-proto ("JSON Protobuf Encoding"): 64-bit numbers as text, names in
//! lowerCamelCase; for OTLP ids in hex and enums as numbers.

use super::Tree;
use super::text::{duration, timestamp};

/// Writes JSON. The braces of the top-level message are written by [`Json::object`].
#[derive(Debug, Default)]
pub(crate) struct Json {
    /// The text so far.
    pub(crate) out: Vec<u8>,
    /// Whether a comma has to be written before the next field.
    needs_comma: bool,
}

impl Json {
    /// Writes an object with the fields that `write` writes.
    pub(crate) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.needs_comma = false;
        write(self);
        self.out.push(b'}');
        self.needs_comma = true;
    }

    fn name(&mut self, name: &str) {
        if self.needs_comma {
            self.out.push(b',');
        }
        self.needs_comma = true;
        self.quoted(name);
        self.out.push(b':');
    }

    fn quoted(&mut self, text: &str) {
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    fn number(&mut self, value: f64) {
        if value.is_finite() {
            let _ = serde_json::to_writer(&mut self.out, &value);
        } else {
            // Protobuf's JSON form writes these three as text.
            let text = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            self.quoted(text);
        }
    }

    fn array<I>(&mut self, name: &str, items: impl Iterator<Item = I>, mut write: impl FnMut(&mut Self, I)) {
        self.name(name);
        self.out.push(b'[');
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            write(self, item);
        }
        self.out.push(b']');
        self.needs_comma = true;
    }
}

impl Tree for Json {
    fn text(&mut self, field: u32, name: &str, value: &str) {
        if !value.is_empty() {
            self.text_always(field, name, value);
        }
    }

    fn text_always(&mut self, _field: u32, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    fn small(&mut self, _field: u32, name: &str, value: u32) {
        if value != 0 {
            self.name(name);
            self.out.extend_from_slice(value.to_string().as_bytes());
        }
    }

    fn fixed64(&mut self, _field: u32, name: &str, value: u64) {
        if value != 0 {
            self.name(name);
            self.quoted(&value.to_string());
        }
    }

    fn fixed32(&mut self, field: u32, name: &str, value: u32) {
        self.small(field, name, value);
    }

    fn int(&mut self, _field: u32, name: &str, value: i64) {
        self.name(name);
        self.quoted(&value.to_string());
    }

    fn double(&mut self, _field: u32, name: &str, value: f64) {
        self.name(name);
        self.number(value);
    }

    fn flag(&mut self, _field: u32, name: &str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn uint_always(&mut self, _field: u32, name: &str, value: u64) {
        self.name(name);
        self.quoted(&value.to_string());
    }

    fn word(&mut self, _field: u32, name: &str, number: u32, word: &str) {
        if number != 0 {
            self.name(name);
            self.quoted(word);
        }
    }

    fn time(&mut self, _field: u32, name: &str, unix_nano: u64) {
        self.name(name);
        self.quoted(&timestamp(unix_nano));
    }

    fn duration(&mut self, _field: u32, name: &str, nanos: i64) {
        self.name(name);
        self.quoted(&duration(nanos));
    }

    fn map<'k, I>(
        &mut self,
        _field: u32,
        name: &str,
        entries: impl Iterator<Item = (&'k str, I)>,
        mut write: impl FnMut(&mut Self, I),
    ) {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return;
        }
        self.name(name);
        self.object(|json| {
            for (key, value) in entries {
                json.name(key);
                json.object(|json| write(json, value));
            }
        });
    }

    fn id(&mut self, _field: u32, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        for byte in value {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            self.out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        self.out.push(b'"');
    }

    fn bytes(&mut self, _field: u32, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for group in value.chunks(3) {
            let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for at in 0..4 {
                let digit = ALPHABET.get((bits >> (18 - 6 * at)) as usize & 63).copied().unwrap_or(b'=');
                self.out.push(if at > group.len() { b'=' } else { digit });
            }
        }
        self.out.push(b'"');
    }

    fn message(&mut self, _field: u32, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.object(write);
    }

    fn list<I>(
        &mut self,
        _field: u32,
        name: &str,
        items: impl Iterator<Item = I>,
        mut write: impl FnMut(&mut Self, I),
    ) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.array(name, items, |json, item| json.object(|json| write(json, item)));
        }
    }

    fn packed_u64(&mut self, _field: u32, name: &str, values: &[u64]) {
        self.array(name, values.iter(), |json, value| json.quoted(&value.to_string()));
    }

    fn packed_f64(&mut self, _field: u32, name: &str, values: &[f64]) {
        self.array(name, values.iter(), |json, value| json.number(*value));
    }
}
