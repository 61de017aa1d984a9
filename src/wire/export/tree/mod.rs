//! One description of a message in two forms: protobuf and JSON.
//!
//! A message is described by calls to a [`Tree`], which [`Protobuf`] and [`Json`] implement. A
//! field is named by its protobuf number and its JSON name. Fields with their default value are
//! left out in both forms, except members of a `oneof`.
//!
//! OTLP/JSON and the JSON of protobuf itself differ in ids and enums. Each has methods of its own.

mod json;
mod protobuf;
mod text;

pub(crate) use json::Json;
pub(crate) use protobuf::Protobuf;

/// Writes the fields of a message. `field` is the protobuf number, `name` the JSON name.
pub(crate) trait Tree {
    /// A text, left out when empty.
    fn text(&mut self, field: u32, name: &str, value: &str);
    /// A text that is written even when it is empty, because it is the member of a `oneof`.
    fn text_always(&mut self, field: u32, name: &str, value: &str);
    /// An enum or a 32-bit number, left out when zero.
    fn small(&mut self, field: u32, name: &str, value: u32);
    /// A `fixed64`, left out when zero.
    fn fixed64(&mut self, field: u32, name: &str, value: u64);
    /// A `fixed32`, left out when zero.
    fn fixed32(&mut self, field: u32, name: &str, value: u32);
    /// An `int64` that is the member of a `oneof`.
    fn int(&mut self, field: u32, name: &str, value: i64);
    /// A `double` that is the member of a `oneof`. NaN and infinities stay what they are.
    fn double(&mut self, field: u32, name: &str, value: f64);
    /// A `bool` that is the member of a `oneof`.
    fn flag(&mut self, field: u32, name: &str, value: bool);
    /// A `bool`, left out when false.
    fn truth(&mut self, field: u32, name: &str, value: bool) {
        if value {
            self.flag(field, name, value);
        }
    }
    /// A `uint64`, left out when zero.
    fn uint(&mut self, field: u32, name: &str, value: u64) {
        if value != 0 {
            self.uint_always(field, name, value);
        }
    }
    /// An `optional uint64` that is there.
    fn uint_always(&mut self, field: u32, name: &str, value: u64);
    /// An enum with its number and its word, left out when the number is zero. JSON has the word.
    fn word(&mut self, field: u32, name: &str, number: u32, word: &str);
    /// A `google.protobuf.Timestamp`, in nanoseconds since the Unix epoch. JSON has a text.
    fn time(&mut self, field: u32, name: &str, unix_nano: u64);
    /// A `google.protobuf.Duration`, in nanoseconds. JSON has a text.
    fn duration(&mut self, field: u32, name: &str, nanos: i64);
    /// A map from texts to messages, left out when empty. Its keys are unique.
    fn map<'k, I>(
        &mut self,
        field: u32,
        name: &str,
        entries: impl Iterator<Item = (&'k str, I)>,
        write: impl FnMut(&mut Self, I),
    );
    /// A trace or span id, which OTLP/JSON has in hex. In the JSON of protobuf it is
    /// [`bytes`](Self::bytes).
    fn id(&mut self, field: u32, name: &str, value: &[u8]);
    /// Bytes, which are base64 in JSON.
    fn bytes(&mut self, field: u32, name: &str, value: &[u8]);
    /// A message, written by `write`.
    fn message(&mut self, field: u32, name: &str, write: impl FnOnce(&mut Self));
    /// A list of messages, left out when empty.
    fn list<I>(&mut self, field: u32, name: &str, items: impl Iterator<Item = I>, write: impl FnMut(&mut Self, I));
    /// Packed `fixed64` numbers.
    fn packed_u64(&mut self, field: u32, name: &str, values: &[u64]);
    /// Packed `double` numbers.
    fn packed_f64(&mut self, field: u32, name: &str, values: &[f64]);
}
