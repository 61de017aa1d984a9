//! What `symbolicate` is given: a text, or JSON with stack traces anywhere in it.

use serde_json::{Deserializer, Map, Value};
use throughline::names::semconv::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE};

use super::line::{Place, place};
use super::symbols::Stack;

/// Attributes that name the JavaScript bundle.
const BUNDLE_IDS: [&str; 4] = ["throughline.bundle.id", "debugId", "debug_id", "app.debug.source_map_uuid"];
/// Attributes that name R8's mapping.
const MAPPING_IDS: [&str; 3] = ["throughline.mapping.id", "pg_map_id", "app.debug.proguard_uuid"];
/// Members and attributes that hold a stack trace, whatever it looks like.
const STACKS: [&str; 2] = [EXCEPTION_STACKTRACE, "stack"];

/// One stack trace of a report.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Report {
    /// What died and why, if the report says so.
    pub(super) title: String,
    pub(super) text: String,
    pub(super) bundle: Option<String>,
    pub(super) mapping: Option<String>,
}

impl Report {
    pub(super) fn stack(&self) -> Stack<'_> {
        Stack { text: &self.text, bundle: self.bundle.as_deref(), mapping: self.mapping.as_deref() }
    }
}

/// All reports of a document, in its order. A document that is no JSON is one report.
pub(super) fn reports(document: &str) -> Vec<Report> {
    // What some editors write at the beginning of a file.
    let document = document.trim_start_matches('\u{feff}');
    if document.trim_start().starts_with(['{', '[']) {
        // A collector writes one document a line.
        let documents: Result<Vec<Value>, _> = Deserializer::from_str(document).into_iter().collect();
        if let Ok(documents) = documents {
            let mut found = Vec::new();
            for document in &documents {
                walk(document, &Report::default(), &mut found);
            }
            return found;
        }
    }
    vec![Report { text: document.to_owned(), ..Report::default() }]
}

/// A text of a record of the inspector's.
pub(super) fn of_record(text: &str, attributes: &Value, resource: &Value) -> Report {
    let members = [("attributes", attributes), ("resource", resource)];
    let record = members.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    Report { text: text.to_owned(), ..with_names(&record, &Report::default()) }
}

/// Collects the stacks in a value. `around` holds what is known from the objects around it.
fn walk(value: &Value, around: &Report, found: &mut Vec<Report>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, around, found)),
        Value::Object(object) => {
            // OTLP writes an attribute as an object of its own.
            if let (Some(Value::String(key)), Some(text)) = (object.get("key"), object.get("value").and_then(text_of)) {
                return take(key, text, around, found);
            }
            let around = with_names(object, around);
            for (key, value) in object {
                match value {
                    Value::String(text) => take(key, text, &around, found),
                    value => walk(value, &around, found),
                }
            }
        }
        _ => {}
    }
}

fn take(key: &str, text: &str, around: &Report, found: &mut Vec<Report>) {
    if STACKS.contains(&key) || looks_like_a_stack(text) {
        found.push(Report {
            title: around.title.clone(),
            text: text.to_owned(),
            bundle: around.bundle.clone(),
            mapping: around.mapping.clone(),
        });
    }
}

/// Whether a text that nobody calls a stack is one. A single line that looks like a call may stand
/// in any message; a native frame does not.
fn looks_like_a_stack(text: &str) -> bool {
    let mut calls = 0;
    text.lines().any(|line| {
        match place(line) {
            Place::Native(_) => calls += 2,
            Place::Java(_) | Place::Script(_) => calls += 1,
            Place::Thrown(_) | Place::Text => {}
        }
        calls > 1
    })
}

/// What the attributes of an object say about the stacks in it.
fn with_names(object: &Map<String, Value>, around: &Report) -> Report {
    let get = |keys: &[&str]| keys.iter().find_map(|key| attribute(object, key)).filter(|text| !text.is_empty());
    let title: Vec<_> = [EXCEPTION_TYPE, EXCEPTION_MESSAGE].iter().filter_map(|key| attribute(object, key)).collect();
    let or = |found: Option<String>, before: &Option<String>| found.or_else(|| before.clone());
    Report {
        title: if title.is_empty() { around.title.clone() } else { title.join(": ") },
        text: String::new(),
        bundle: or(get(&BUNDLE_IDS), &around.bundle),
        mapping: or(get(&MAPPING_IDS), &around.mapping),
    }
}

/// A text among an object's members, its attributes or those of its resource.
fn attribute(object: &Map<String, Value>, key: &str) -> Option<String> {
    let of = |attributes: &Value| match attributes {
        Value::Object(map) => map.get(key).and_then(text_of).map(str::to_owned),
        Value::Array(list) => list
            .iter()
            .find(|entry| entry.get("key").and_then(Value::as_str) == Some(key))
            .and_then(|entry| entry.get("value").and_then(text_of))
            .map(str::to_owned),
        _ => None,
    };
    let resource = object.get("resource");
    let places = [object.get("attributes"), resource.and_then(|resource| resource.get("attributes")), resource];
    object.get(key).and_then(text_of).map(str::to_owned).or_else(|| places.into_iter().flatten().find_map(of))
}

/// The text of a value, plain or as OTLP writes it.
fn text_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("stringValue").and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str = "#00 pc 0000000000000010  libshop.so (BuildId: aa) [context]";

    #[test]
    fn stacks_are_found_in_every_form_of_json_with_the_ids_around_them() {
        let otlp = serde_json::json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": "throughline.bundle.id", "value": {"stringValue": "b1"}}]},
            "scopeLogs": [{"logRecords": [
                {"attributes": [
                    {"key": "exception.type", "value": {"stringValue": "SIGSEGV"}},
                    {"key": "exception.message", "value": {"stringValue": "null pointer"}},
                    {"key": "exception.stacktrace", "value": {"stringValue": STACK}}]},
                {"body": {"stringValue": STACK}},
                {"body": {"stringValue": "at noon (12:30:15)"}}]}]}]});
        let found = reports(&otlp.to_string());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].title.as_str(), found[0].bundle.as_deref()), ("SIGSEGV: null pointer", Some("b1")));
        assert_eq!((found[1].text.as_str(), found[1].title.as_str()), (STACK, ""));
        let inspector = serde_json::json!([{"name": "crash", "resource": {"pg_map_id": "0123abc"},
            "attributes": {"exception.type": "E", "exception.stacktrace": STACK}}, {"stack": "odd"}]);
        let found = reports(&format!("\u{feff}{inspector}"));
        assert_eq!((found.len(), found[0].mapping.as_deref()), (2, Some("0123abc")));
        assert_eq!((found[1].text.as_str(), found[1].mapping.as_deref()), ("odd", None));
        let lines = format!("{inspector}\n{inspector}\n");
        assert_eq!(reports(&lines).len(), 4);
    }

    #[test]
    fn what_is_no_json_is_read_as_a_text() {
        for text in ["{ not JSON", "", STACK, "[1] 1234 segmentation fault"] {
            assert_eq!(reports(text), [Report { text: text.to_owned(), ..Report::default() }]);
        }
        assert_eq!(reports("{\"a\": [1, null]}"), []);
    }
}
