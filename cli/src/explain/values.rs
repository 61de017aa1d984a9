//! Values between JSON and the client's own form.

use serde_json::{Number, Value as Json};
use throughline::AnyValue;

/// A value as the client is given it. As in Swift and Kotlin, what has no value is left out of a
/// map and is the text `null` in a list. `None` for `null` itself.
pub(super) fn any_value(value: &Json) -> Option<AnyValue> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => AnyValue::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => AnyValue::Int(number),
            None => AnyValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => AnyValue::Text(text.clone()),
        Json::Array(items) => {
            let item = |item| any_value(item).unwrap_or_else(|| AnyValue::Text("null".to_owned()));
            AnyValue::List(items.iter().map(item).collect())
        }
        Json::Object(entries) => {
            AnyValue::Map(entries.iter().filter_map(|(key, item)| Some((key.clone(), any_value(item)?))).collect())
        }
    })
}

/// A value as the answer shows it.
pub(super) fn json(value: &AnyValue) -> Json {
    match value {
        AnyValue::Bool(flag) => (*flag).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        AnyValue::Text(text) => text.as_str().into(),
        AnyValue::List(items) => items.iter().map(json).collect(),
        AnyValue::Map(entries) => entries.iter().map(|(key, item)| (key.clone(), json(item))).collect(),
        _ => Json::Null,
    }
}
