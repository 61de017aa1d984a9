//! Values of attributes as JSON.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

use crate::model::value::AnyValue;

/// A JSON object. Its keys are unique and sorted, so the same event always gives the same bytes.
pub(super) type Object = Map<String, Value>;

/// Sets a text, unless it is empty.
pub(super) fn text(object: &mut Object, key: &str, value: &str) {
    if !value.is_empty() {
        object.insert(key.to_owned(), value.into());
    }
}

/// Sets a member.
pub(super) fn set(object: &mut Object, key: &str, value: impl Into<Value>) {
    object.insert(key.to_owned(), value.into());
}

/// Sets an object, unless it is empty.
pub(super) fn inner(object: &mut Object, key: &str, value: Object) {
    if !value.is_empty() {
        object.insert(key.to_owned(), Value::Object(value));
    }
}

/// A number that Datadog stores as a signed one.
pub(super) fn whole(number: u64) -> Value {
    number.min(i64::MAX as u64).into()
}

/// A double, as a whole number if it is one. JSON has no form for a NaN and the infinities.
pub(super) fn double(number: f64) -> Option<Value> {
    // Below it, doubles skip no whole number.
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some((number as i64).into());
    }
    Number::from_f64(number).map(Value::Number)
}

/// The value of an attribute; `None` when JSON has no form for it. `lost` counts what JSON has no
/// form for, also inside of lists and maps.
pub(super) fn any(value: &AnyValue, lost: &mut u64) -> Option<Value> {
    Some(match value {
        AnyValue::Bool(flag) => (*flag).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => {
                *lost += 1;
                return None;
            }
        },
        AnyValue::Text(text) => text.as_str().into(),
        AnyValue::Bytes(bytes) => hex(bytes).into(),
        // An element keeps its place.
        AnyValue::List(items) => items.iter().map(|item| any(item, lost).unwrap_or(Value::Null)).collect(),
        AnyValue::Map(entries) => {
            let mut object = Object::new();
            for (key, item) in entries {
                if key.is_empty() {
                    *lost += 1;
                } else if let Some(item) = any(item, lost) {
                    object.insert(key.clone(), item);
                }
            }
            Value::Object(object)
        }
    })
}

/// The value of an attribute as a text, for fields that hold nothing else.
pub(super) fn plain(value: &AnyValue) -> String {
    match value {
        AnyValue::Text(text) => text.clone(),
        AnyValue::Double(number) if !number.is_finite() => number.to_string(),
        other => any(other, &mut 0).map(|value| value.to_string()).unwrap_or_default(),
    }
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The id of a span, or the lower half of that of a trace, as RUM and logs write it.
pub(super) fn decimal(id: [u8; 8]) -> String {
    u64::from_be_bytes(id).to_string()
}
