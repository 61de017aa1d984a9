//! One description of a message, two forms: protobuf and OTLP/JSON.
//!
//! A message is written by calls to a [`Tree`]; [`Protobuf`] and [`Json`] are its two implementations. The rules of
//! OTLP/JSON are kept here: ids in hex, 64-bit numbers as text, enums as numbers, lowerCamelCase names (opentelemetry-proto
//! "JSON Protobuf Encoding"). Fields with their default value are left out in both forms.

use crate::model::event::encode::put_varint;

/// Receives a message's fields. `field` is the protobuf number, `name` the JSON name.
pub trait Tree {
    /// A text, left out when empty.
    fn text(&mut self, field: u32, name: &str, value: &str);
    /// A text that is written even when empty: the member of a oneof.
    fn text_always(&mut self, field: u32, name: &str, value: &str);
    /// An enum or 32-bit number, left out when zero.
    fn small(&mut self, field: u32, name: &str, value: u32);
    /// A `fixed64`, left out when zero.
    fn fixed64(&mut self, field: u32, name: &str, value: u64);
    /// A `fixed32`, left out when zero.
    fn fixed32(&mut self, field: u32, name: &str, value: u32);
    /// An `int64`, the member of a oneof.
    fn int(&mut self, field: u32, name: &str, value: i64);
    /// A `double`, the member of a oneof. NaN and infinities stay what they are.
    fn double(&mut self, field: u32, name: &str, value: f64);
    /// A `bool`, the member of a oneof.
    fn flag(&mut self, field: u32, name: &str, value: bool);
    /// A trace or span id.
    fn id(&mut self, field: u32, name: &str, value: &[u8]);
    /// Bytes, base64 in JSON.
    fn bytes(&mut self, field: u32, name: &str, value: &[u8]);
    /// A message.
    fn message(&mut self, field: u32, name: &str, write: impl FnOnce(&mut Self));
    /// A list of messages, left out when empty.
    fn list<I>(&mut self, field: u32, name: &str, items: impl Iterator<Item = I>, write: impl FnMut(&mut Self, I));
    /// Packed `fixed64` numbers.
    fn packed_u64(&mut self, field: u32, name: &str, values: &[u64]);
    /// Packed `double` numbers.
    fn packed_f64(&mut self, field: u32, name: &str, values: &[f64]);
}

/// Writes protobuf.
#[derive(Debug, Default)]
pub struct Protobuf {
    /// The message so far.
    pub out: Vec<u8>,
}

impl Protobuf {
    fn key(&mut self, field: u32, wire: u32) {
        put_varint(&mut self.out, u64::from(field << 3 | wire));
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        put_varint(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }
}

impl Tree for Protobuf {
    fn text(&mut self, field: u32, name: &str, value: &str) {
        if !value.is_empty() {
            self.text_always(field, name, value);
        }
    }

    fn text_always(&mut self, field: u32, _name: &str, value: &str) {
        self.delimited(field, value.as_bytes());
    }

    fn small(&mut self, field: u32, _name: &str, value: u32) {
        if value != 0 {
            self.key(field, 0);
            put_varint(&mut self.out, u64::from(value));
        }
    }

    fn fixed64(&mut self, field: u32, _name: &str, value: u64) {
        if value != 0 {
            self.key(field, 1);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn fixed32(&mut self, field: u32, _name: &str, value: u32) {
        if value != 0 {
            self.key(field, 5);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn int(&mut self, field: u32, _name: &str, value: i64) {
        self.key(field, 0);
        put_varint(&mut self.out, value as u64);
    }

    fn double(&mut self, field: u32, _name: &str, value: f64) {
        self.key(field, 1);
        self.out.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn flag(&mut self, field: u32, _name: &str, value: bool) {
        self.key(field, 0);
        self.out.push(u8::from(value));
    }

    fn id(&mut self, field: u32, _name: &str, value: &[u8]) {
        self.delimited(field, value);
    }

    fn bytes(&mut self, field: u32, _name: &str, value: &[u8]) {
        self.delimited(field, value);
    }

    /// The length is known only afterwards: one byte is set aside, longer content is moved by the few bytes missing.
    fn message(&mut self, field: u32, _name: &str, write: impl FnOnce(&mut Self)) {
        self.key(field, 2);
        let at = self.out.len();
        self.out.push(0);
        write(self);
        let mut prefix = Vec::with_capacity(5);
        put_varint(&mut prefix, (self.out.len() - at - 1) as u64);
        self.out.splice(at..=at, prefix);
    }

    fn list<I>(&mut self, field: u32, name: &str, items: impl Iterator<Item = I>, mut write: impl FnMut(&mut Self, I)) {
        for item in items {
            self.message(field, name, |tree| write(tree, item));
        }
    }

    fn packed_u64(&mut self, field: u32, _name: &str, values: &[u64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.delimited(field, &bytes);
    }

    fn packed_f64(&mut self, field: u32, _name: &str, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
        self.delimited(field, &bytes);
    }
}

/// Writes OTLP/JSON. The top-level message's braces are [`Json::object`]'s.
#[derive(Debug, Default)]
pub struct Json {
    /// The text so far.
    pub out: Vec<u8>,
    follows: bool,
}

impl Json {
    /// Writes an object.
    pub fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.follows = false;
        write(self);
        self.out.push(b'}');
        self.follows = true;
    }

    fn name(&mut self, name: &str) {
        if self.follows {
            self.out.push(b',');
        }
        self.follows = true;
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
            // The JSON form of protobuf: these three as text.
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
        self.follows = true;
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
