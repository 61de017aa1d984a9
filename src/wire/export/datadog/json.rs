//! JSON as Datadog wants it.

use serde_json::{Number, Value};

use crate::model::value::AnyValue;
pub(super) use crate::wire::export::json::{Object, any, hex, set, text};

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

/// The value of an attribute as a text, for fields that hold nothing else.
pub(super) fn plain(value: &AnyValue) -> String {
    match value {
        AnyValue::Text(text) => text.clone(),
        AnyValue::Double(number) if !number.is_finite() => number.to_string(),
        other => any(other, &mut 0).map(|value| value.to_string()).unwrap_or_default(),
    }
}

/// The id of a span, or the lower half of that of a trace, as RUM and logs write it.
pub(super) fn decimal(id: [u8; 8]) -> String {
    u64::from_be_bytes(id).to_string()
}
