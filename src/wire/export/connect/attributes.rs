//! Attributes, as maps from their names to a `Value`.

use crate::model::value::AnyValue;
use crate::wire::export::tree::Tree;

/// Writes a map of attributes. Of several with one key the last counts.
pub(super) fn write<'a, T: Tree>(
    tree: &mut T,
    number: u32,
    name: &str,
    attributes: impl IntoIterator<Item = (&'a str, &'a AnyValue)>,
) {
    let mut unique: Vec<(&str, &AnyValue)> = Vec::new();
    for (key, value) in attributes {
        match unique.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => unique.push((key, value)),
        }
    }
    tree.map(number, name, unique.into_iter(), any);
}

/// Writes the field of a `Value`.
pub(super) fn any<T: Tree>(tree: &mut T, value: &AnyValue) {
    match value {
        AnyValue::Text(text) => tree.text_always(1, "stringValue", text),
        AnyValue::Bool(flag) => tree.flag(2, "boolValue", *flag),
        AnyValue::Int(number) => tree.int(3, "intValue", *number),
        AnyValue::Double(number) => tree.double(4, "doubleValue", *number),
        AnyValue::Bytes(bytes) => tree.bytes(5, "bytesValue", bytes),
        AnyValue::List(items) => tree.message(6, "listValue", |tree| {
            tree.list(1, "values", items.iter(), any);
        }),
        AnyValue::Map(entries) => tree.message(7, "mapValue", |tree| {
            write(tree, 1, "entries", entries.iter().map(|(key, value)| (key.as_str(), value)));
        }),
    }
}

/// Attributes of which some have fields of their own. What is taken is gone from the rest.
#[derive(Debug)]
pub(super) struct Pool<'a>(Vec<(&'a str, &'a AnyValue)>);

impl<'a> Pool<'a> {
    pub(super) fn new<K: AsRef<str>>(attributes: &'a [(K, AnyValue)]) -> Self {
        Self(attributes.iter().map(|(key, value)| (key.as_ref(), value)).collect())
    }

    /// Takes the last attribute with this key, if it has the form that is wanted. Others with the
    /// key go with it, because they would not count.
    pub(super) fn take<R>(&mut self, key: &str, form: impl Fn(&'a AnyValue) -> Option<R>) -> Option<R> {
        let last = self.0.iter().rev().find(|(known, _)| *known == key)?;
        let found = form(last.1)?;
        self.0.retain(|(known, _)| *known != key);
        Some(found)
    }

    /// Takes a text; empty when there is none.
    pub(super) fn text(&mut self, key: &str) -> &'a str {
        let text = |value: &'a AnyValue| match value {
            AnyValue::Text(text) => Some(text.as_str()),
            _ => None,
        };
        self.take(key, text).unwrap_or_default()
    }

    /// Takes a count.
    pub(super) fn count(&mut self, key: &str) -> Option<u64> {
        let count = |value: &AnyValue| match value {
            AnyValue::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        self.take(key, count)
    }

    /// Takes every attribute whose key begins so, without that.
    pub(super) fn behind(&mut self, prefix: &str) -> Vec<(&'a str, &'a AnyValue)> {
        let (taken, rest) = self.0.iter().partition(|(key, _)| key.starts_with(prefix));
        self.0 = rest;
        let taken: Vec<(&'a str, &'a AnyValue)> = taken;
        taken.into_iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value))).collect()
    }

    /// What is left.
    pub(super) fn rest(self) -> Vec<(&'a str, &'a AnyValue)> {
        self.0
    }

    /// Writes what is left.
    pub(super) fn write<T: Tree>(self, tree: &mut T, number: u32, name: &str) {
        write(tree, number, name, self.0);
    }
}

impl<'a> From<Vec<(&'a str, &'a AnyValue)>> for Pool<'a> {
    fn from(attributes: Vec<(&'a str, &'a AnyValue)>) -> Self {
        Self(attributes)
    }
}
