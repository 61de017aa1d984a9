//! Attribute values: what a caller lends ([`Value`]) and what a stored event gives back ([`AnyValue`]).
//!
//! A [`Value`] borrows everything, so building attributes for a disabled client costs nothing. The kinds are those of
//! OpenTelemetry's `AnyValue`.

/// One attribute: a key of at most 128 bytes and its value.
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
    /// A double. NaN and infinities are kept as such.
    Double(f64),
    /// Text, cut to 1,024 characters with a marker.
    Text(&'a str),
    /// Bytes, cut to 4,096 with a marker.
    Bytes(&'a [u8]),
    /// A list.
    List(&'a [Value<'a>]),
    /// A map with text keys.
    Map(&'a [Attribute<'a>]),
}

/// An owned attribute value, as decoded from a stored event.
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
