//! One description of a message in two forms: protobuf and OTLP/JSON.
//!
//! A message is described by calls to a [`Tree`], which [`Protobuf`] and [`Json`] implement. A
//! field is named by its protobuf number and its JSON name. Fields with their default value are
//! left out in both forms, except members of a `oneof`.

mod json;
mod protobuf;

pub use json::Json;
pub use protobuf::Protobuf;

/// Writes the fields of a message. `field` is the protobuf number, `name` the JSON name.
pub trait Tree {
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
    /// A trace or span id.
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
