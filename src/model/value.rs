//! Attribute values: what a caller lends ([`Value`]) and what a stored event gives back
//! ([`AnyValue`]).
//!
//! A [`Value`] borrows everything, so building attributes for a client that is switched off
//! allocates nothing. The kinds are those of OpenTelemetry's `AnyValue`.

use std::collections::HashSet;

use crate::model::limits::{COPIED_TEXT_CHARS, MAX_ATTRIBUTES, MAX_BLOB_BYTES, MAX_DEPTH, MAX_ELEMENTS};

/// One attribute: a key of at most 128 bytes and its value.
///
/// ```
/// use throughline::{Attribute, Value};
///
/// fn screen(name: &str) -> Attribute<'_> {
///     ("screen", name.into())
/// }
/// assert_eq!(screen("cart").1, Value::Text("cart"));
/// ```
pub type Attribute<'a> = (&'a str, Value<'a>);

/// A borrowed attribute value.
///
/// ```
/// use throughline::Value;
/// let attributes = [("sku", Value::from("A-17")), ("count", 3.into()), ("gift", true.into())];
/// assert_eq!(attributes[1].1, Value::Int(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A signed 64-bit number.
    Int(i64),
    /// A double. NaN and infinities stay what they are.
    Double(f64),
    /// Text. Beyond 1,024 characters it is cut, and the event is marked.
    Text(&'a str),
    /// Bytes. Beyond 4,096 they are cut, and the event is marked.
    Bytes(&'a [u8]),
    /// A list.
    List(&'a [Value<'a>]),
    /// A map with text keys.
    Map(&'a [Attribute<'a>]),
    /// An owned value, lent.
    Any(&'a AnyValue),
}

/// An owned attribute value: as it is read from a stored event, or for a caller that has nothing to
/// borrow from.
///
/// ```
/// use throughline::{AnyValue, Value};
///
/// let stored = AnyValue::Map(vec![("retries".to_owned(), AnyValue::Int(2))]);
/// let attributes = [("sync", Value::from(&stored))]; // lent again
/// assert_eq!(attributes[0].1.to_any(), stored);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AnyValue {
    /// True or false.
    Bool(bool),
    /// A signed 64-bit number.
    Int(i64),
    /// A double.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<AnyValue>),
    /// A map with text keys.
    Map(Vec<(String, AnyValue)>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Int(i64::from(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Int(i64::from(number))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Double(number)
    }
}

impl<'a> From<&'a AnyValue> for Value<'a> {
    fn from(value: &'a AnyValue) -> Self {
        match value {
            AnyValue::Bool(flag) => Value::Bool(*flag),
            AnyValue::Int(number) => Value::Int(*number),
            AnyValue::Double(number) => Value::Double(*number),
            AnyValue::Text(text) => Value::Text(text),
            AnyValue::Bytes(bytes) => Value::Bytes(bytes),
            AnyValue::List(_) | AnyValue::Map(_) => Value::Any(value),
        }
    }
}

impl AnyValue {
    /// Lends the value with its list or map opened by one level.
    pub(crate) fn opened<R>(&self, visit: impl FnOnce(&Value<'_>) -> R) -> R {
        match self {
            AnyValue::List(items) => {
                let items: Vec<Value<'_>> = items.iter().map(Value::from).collect();
                visit(&Value::List(&items))
            }
            AnyValue::Map(entries) => visit(&Value::Map(&lend(entries))),
            other => visit(&other.into()),
        }
    }
}

impl Value<'_> {
    /// A copy that owns what it holds, cut to a little more than an attribute may hold, so that the
    /// encoder still notices what is too long.
    pub fn to_any(&self) -> AnyValue {
        self.own(1)
    }

    fn own(&self, depth: usize) -> AnyValue {
        match self {
            Value::Bool(flag) => AnyValue::Bool(*flag),
            Value::Int(number) => AnyValue::Int(*number),
            Value::Double(number) => AnyValue::Double(*number),
            // Redaction looks behind the cut.
            Value::Text(text) => AnyValue::Text(text.chars().take(COPIED_TEXT_CHARS).collect()),
            Value::Bytes(bytes) => AnyValue::Bytes(bytes.iter().copied().take(MAX_BLOB_BYTES + 1).collect()),
            Value::List(_) | Value::Map(_) if depth > MAX_DEPTH => AnyValue::Text("…".to_owned()),
            Value::List(items) => {
                AnyValue::List(items.iter().take(MAX_ELEMENTS + 1).map(|item| item.own(depth + 1)).collect())
            }
            Value::Map(entries) => {
                let entry = |(key, item): &Attribute<'_>| ((*key).to_owned(), item.own(depth + 1));
                AnyValue::Map(entries.iter().take(MAX_ELEMENTS + 1).map(entry).collect())
            }
            Value::Any(value) => (*value).clone(),
        }
    }
}

/// The entries of a map as they are recorded: of those whose keys are equal when they are cut to
/// `key_bytes`, the last one, and none with an empty key.
pub(crate) fn unique<'m, 'a>(entries: &'m [Attribute<'a>], key_bytes: usize) -> Vec<&'m Attribute<'a>> {
    let cut = |key: &'a str| key.get(..key.floor_char_boundary(key_bytes)).unwrap_or(key);
    let mut seen = HashSet::with_capacity(entries.len());
    let later = entries.iter().rev().filter(|(key, _)| !key.is_empty() && seen.insert(cut(key)));
    let mut kept: Vec<_> = later.collect();
    kept.reverse();
    kept
}

/// Attributes that own what they hold.
pub(crate) type OwnedAttributes = Vec<(String, AnyValue)>;

/// Lends owned attributes.
pub fn lend(attributes: &[(String, AnyValue)]) -> Vec<Attribute<'_>> {
    attributes.iter().map(|(key, value)| (key.as_str(), value.into())).collect()
}

/// Copies attributes: at most 129, one more than are recorded, so that the encoder counts an
/// excess.
pub(crate) fn to_owned(attributes: &[Attribute<'_>]) -> OwnedAttributes {
    attributes.iter().take(MAX_ATTRIBUTES + 1).map(|(key, value)| ((*key).to_owned(), value.to_any())).collect()
}
