//! Messages as protobuf.

use super::Tree;
use crate::model::event::encode::put_varint;

/// Writes protobuf.
#[derive(Debug, Default)]
pub(crate) struct Protobuf {
    /// The bytes so far.
    pub(crate) out: Vec<u8>,
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

    fn uint_always(&mut self, field: u32, _name: &str, value: u64) {
        self.key(field, 0);
        put_varint(&mut self.out, value);
    }

    fn word(&mut self, field: u32, name: &str, number: u32, _word: &str) {
        self.small(field, name, number);
    }

    fn time(&mut self, field: u32, name: &str, unix_nano: u64) {
        self.message(field, name, |tree| {
            tree.uint(1, "seconds", unix_nano / 1_000_000_000);
            tree.uint(2, "nanos", unix_nano % 1_000_000_000);
        });
    }

    fn duration(&mut self, field: u32, name: &str, nanos: i64) {
        self.message(field, name, |tree| {
            // Both have the sign of the whole.
            for (number, part) in [(1, nanos / 1_000_000_000), (2, nanos % 1_000_000_000)] {
                if part != 0 {
                    tree.int(number, "", part);
                }
            }
        });
    }

    fn map<'k, I>(
        &mut self,
        field: u32,
        name: &str,
        entries: impl Iterator<Item = (&'k str, I)>,
        mut write: impl FnMut(&mut Self, I),
    ) {
        for (key, value) in entries {
            self.message(field, name, |tree| {
                tree.text_always(1, "key", key);
                tree.message(2, "value", |tree| write(tree, value));
            });
        }
    }

    fn id(&mut self, field: u32, _name: &str, value: &[u8]) {
        self.delimited(field, value);
    }

    fn bytes(&mut self, field: u32, _name: &str, value: &[u8]) {
        self.delimited(field, value);
    }

    /// The length is known only afterwards. One byte is set aside for it; content of 128 bytes and
    /// more is moved by the few bytes that its length takes in addition.
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
