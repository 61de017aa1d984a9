//! What is recorded of a mutated value, and digests by which values are compared.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::store_policy::Capture;
use crate::model::event::scrub::REDACTED;
use crate::model::limits::{
    COPIED_TEXT_CHARS, DIFF_NODES, MAX_CAPTURED_JSON_BYTES, MAX_DEPTH, MAX_TEXT_CHARS, SECRET_AHEAD_BYTES,
};
use crate::model::value::{Value, unique};
use crate::policy::redact::SecretKeys;

/// A value as far as the policy lets it be recorded. A text has a little more than the 1,024
/// characters that an attribute keeps, because redaction looks behind the cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// `bool`, `int`, `double`, `text`, `bytes`, `list`, `map`.
    pub kind: &'static str,
    /// The value itself, if it is recorded.
    pub value: Option<Kept>,
    /// The number of its characters, bytes or elements.
    pub length: Option<u64>,
}

/// A value that is recorded itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// True or false.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A double.
    Double(f64),
    /// A text, or a list or map as JSON.
    Text(String),
}

impl Kept {
    /// The value as an attribute.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Kept::Bool(flag) => Value::Bool(*flag),
            Kept::Int(number) => Value::Int(*number),
            Kept::Double(number) => Value::Double(*number),
            Kept::Text(text) => Value::Text(text),
        }
    }
}

/// Captures a value as far as `how` allows; `None` when nothing of it is recorded. In a map, the
/// values of secret keys are replaced.
pub fn capture(value: &Value<'_>, how: Capture, secrets: &SecretKeys) -> Option<Captured> {
    if let Value::Any(any) = value {
        return any.opened(|value| capture(value, how, secrets));
    }
    let capture = how;
    let is_full = capture == Capture::Full;
    let text = |text: &str| is_full.then(|| Kept::Text(text.chars().take(COPIED_TEXT_CHARS).collect()));
    let (kind, kept, length) = match value {
        Value::Bool(flag) => ("bool", Some(Kept::Bool(*flag)), None),
        Value::Int(number) => ("int", Some(Kept::Int(*number)), None),
        Value::Double(number) => ("double", Some(Kept::Double(*number)), None),
        Value::Text(whole) => ("text", text(whole), Some(whole.chars().count())),
        Value::Bytes(bytes) => ("bytes", None, Some(bytes.len())),
        Value::List(items) => ("list", is_full.then(|| json(value, secrets)), Some(items.len())),
        Value::Map(entries) => ("map", is_full.then(|| json(value, secrets)), Some(entries.len())),
        Value::Any(_) => return None,
    };
    let is_container = matches!(value, Value::List(_) | Value::Map(_));
    match capture {
        Capture::None => None,
        Capture::Primitive if is_container => Some(Captured { kind, value: None, length: None }),
        _ => Some(Captured { kind, value: kept, length: length.map(|length| length as u64) }),
    }
}

fn json(value: &Value<'_>, secrets: &SecretKeys) -> Kept {
    let mut out = String::new();
    let mut nodes = 0;
    write(value, 1, secrets, &mut nodes, &mut out);
    if let Some((end, _)) = out.char_indices().nth(MAX_TEXT_CHARS - 1) {
        out.truncate(end);
        // A word that was cut may be the first half of a secret.
        let word = out.bytes().rev().take(SECRET_AHEAD_BYTES).position(|byte| b" ,:\"[{".contains(&byte));
        out.truncate(word.map_or(end, |length| end - length));
        out.push('…');
    }
    Kept::Text(out)
}

/// Writes a value as JSON. What is too deep or too much becomes `…`.
fn write(value: &Value<'_>, depth: usize, secrets: &SecretKeys, nodes: &mut usize, out: &mut String) {
    *nodes += 1;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::List(_) | Value::Map(_) | Value::Any(_) if depth >= MAX_DEPTH || out.len() > MAX_CAPTURED_JSON_BYTES => {
            out.push_str("\"…\"");
        }
        Value::Any(any) => any.opened(|value| write(value, depth, secrets, nodes, out)),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Double(number) => out.push_str(&serde_json::Value::from(*number).to_string()),
        Value::Text(text) => {
            let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |cut| cut.0);
            out.push_str(&quoted(text.get(..end).unwrap_or_default()));
        }
        Value::Bytes(bytes) => out.push_str(&quoted(&format!("{} bytes", bytes.len()))),
        Value::List(items) => list(out, "[", "]", items.iter(), nodes, |item, nodes, out| {
            write(item, depth + 1, secrets, nodes, out);
        }),
        Value::Map(entries) => {
            // Of two entries with one key the later counts, as in every reader of JSON.
            let entries = unique(entries, usize::MAX);
            list(out, "{", "}", entries.into_iter(), nodes, |(key, item), nodes, out| {
                out.push_str(&quoted(key));
                out.push(':');
                let redacted = Value::Text(REDACTED);
                write(if secrets.is_secret(key) { &redacted } else { item }, depth + 1, secrets, nodes, out);
            });
        }
    }
}

fn list<T>(
    out: &mut String,
    open: &str,
    close: &str,
    items: impl Iterator<Item = T>,
    nodes: &mut usize,
    mut each: impl FnMut(T, &mut usize, &mut String),
) {
    out.push_str(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        if *nodes >= DIFF_NODES || out.len() > MAX_CAPTURED_JSON_BYTES {
            out.push_str("\"…\"");
            break;
        }
        each(item, nodes, out);
    }
    out.push_str(close);
}

/// A digest by which two values can be compared without keeping either. `None` for a value of more
/// than 1,000 nodes or 8 levels.
pub fn digest(value: &Value<'_>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut nodes = 0;
    feed(value, 1, &mut nodes, &mut hasher)?;
    Some(hasher.finish())
}

fn feed(value: &Value<'_>, depth: usize, nodes: &mut usize, hasher: &mut DefaultHasher) -> Option<()> {
    *nodes += 1;
    if *nodes > DIFF_NODES || depth > MAX_DEPTH {
        return None;
    }
    if let Value::Any(any) = value {
        return any.opened(|value| feed(value, depth, nodes, hasher));
    }
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Any(_) => {}
        Value::Bool(flag) => flag.hash(hasher),
        Value::Int(number) => number.hash(hasher),
        Value::Double(number) => number.to_bits().hash(hasher),
        Value::Text(text) => text.hash(hasher),
        Value::Bytes(bytes) => bytes.hash(hasher),
        Value::List(items) => {
            items.len().hash(hasher);
            items.iter().try_for_each(|item| feed(item, depth + 1, nodes, hasher))?;
        }
        Value::Map(entries) => {
            entries.len().hash(hasher);
            for (key, item) in *entries {
                key.hash(hasher);
                feed(item, depth + 1, nodes, hasher)?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_keeps_numbers_and_no_text() {
        let captured = |value: Value<'_>, how| capture(&value, how, &SecretKeys::default()).unwrap();
        assert_eq!(captured(true.into(), Capture::Primitive).value, Some(Kept::Bool(true)));
        let text = captured("secret".into(), Capture::Primitive);
        assert_eq!((text.value, text.length), (None, Some(6)));
        assert_eq!(captured("ü€".into(), Capture::Full).value, Some(Kept::Text("ü€".into())));
        let list = [1.into(), 2.into()];
        assert_eq!(captured(Value::List(&list), Capture::Primitive).length, None);
        assert_eq!(captured(Value::List(&list), Capture::Summary).length, Some(2));
        assert_eq!(captured(Value::List(&list), Capture::Summary).value, None);
        assert_eq!(captured(Value::List(&list), Capture::Full).value, Some(Kept::Text("[1,2]".into())));
        assert_eq!(capture(&1.into(), Capture::None, &SecretKeys::default()), None);
    }

    #[test]
    fn a_secret_in_a_map_is_not_captured_and_of_two_equal_keys_the_later_counts() {
        let inner = [("accesstoken", "LEAK".into()), ("n", 1.into()), ("n", 2.into())];
        let map = [("password", Value::from("LEAK")), ("card", Value::Map(&inner)), ("more", Value::Map(&inner))];
        let Some(Kept::Text(text)) = capture(&Value::Map(&map), Capture::Full, &SecretKeys::default()).unwrap().value
        else {
            panic!()
        };
        let want = r#"{"password":"[redacted]","card":"[redacted]","more":{"accesstoken":"[redacted]","n":2}}"#;
        assert_eq!(text, want);
    }

    #[test]
    fn a_huge_value_is_cut_with_a_marker() {
        let many: Vec<Value<'_>> = (0..100_000i64).map(Value::Int).collect();
        let Some(Kept::Text(text)) = capture(&Value::List(&many), Capture::Full, &SecretKeys::default()).unwrap().value
        else {
            panic!()
        };
        assert!((1_000..=MAX_TEXT_CHARS).contains(&text.chars().count()) && text.ends_with('…'));
        assert_eq!(digest(&Value::List(&many)), None);
        let mut deep = Value::Int(1);
        for _ in 0..100 {
            deep = Value::List(Vec::leak(vec![deep]));
        }
        let Some(Kept::Text(text)) = capture(&deep, Capture::Full, &SecretKeys::default()).unwrap().value else {
            panic!()
        };
        assert_eq!(text, "[[[[[[[\"…\"]]]]]]]");
    }
}
