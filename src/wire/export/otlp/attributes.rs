//! Attributes of resources and records.

use crate::model::event::encode::field;
use crate::model::export::ExportRow;
use crate::model::names::{self, semconv};
use crate::model::value::AnyValue;
use crate::wire::export::tree::Tree;

/// The value of an attribute that Throughline sets, or of one that the app has set.
#[derive(Debug, Clone)]
pub(in crate::wire::export) enum Out<'a> {
    Text(std::borrow::Cow<'a, str>),
    /// A list of this one text.
    Texts(&'a str),
    Int(i64),
    Double(f64),
    Flag(bool),
    Any(&'a AnyValue),
}

/// The attributes of one record, each key once, because OTLP forbids duplicates. The first value
/// counts, so Throughline's own attributes are added before the app's.
#[derive(Debug, Default)]
pub(in crate::wire::export) struct Attributes<'a>(pub(in crate::wire::export) Vec<(&'a str, Out<'a>)>);

impl<'a> Attributes<'a> {
    /// The attributes that every span has.
    pub(super) fn of_span(row: &'a ExportRow<'_>) -> Self {
        Self::of(row, names::EVENT_ID, row.id.to_string())
    }

    /// The attributes that every log record has.
    pub(super) fn of_log(row: &'a ExportRow<'_>) -> Self {
        let id = row.id.to_string();
        // A backend may discard either of two records with one id, and the versions of a view that
        // is open differ. The last one, which is the event, has the event's id.
        let uid = if row.is_open { format!("{id}.{}", row.record.uint(field::DOC_VERSION).unwrap_or(0)) } else { id };
        Self::of(row, semconv::LOG_RECORD_UID, uid)
    }

    fn of(row: &'a ExportRow<'_>, key: &'static str, id: String) -> Self {
        let mut attributes = Self(Vec::with_capacity(8 + row.record.attributes.len()));
        attributes.owned(key, id);
        attributes.scope(row);
        if let Some(action) = row.record.id(field::ACTION_ID) {
            attributes.owned(names::ACTION_ID, action.to_string());
        }
        attributes.count(names::TRUNCATED, row.record.uint(field::TRUNCATED));
        attributes.text(names::ENDED, row.record.text(field::ENDED));
        attributes
    }

    /// The session and the view.
    fn scope(&mut self, row: &'a ExportRow<'_>) {
        if let Some(session) = row.scope.session {
            self.owned(semconv::SESSION_ID, session.to_string());
        }
        if let Some(view) = row.scope.view {
            self.owned(semconv::SCREEN_ID, view.to_string());
            self.text(semconv::SCREEN_NAME, Some(&row.scope.view_name));
        }
    }

    fn push(&mut self, key: &'a str, value: Out<'a>) {
        if !self.0.iter().any(|(known, _)| *known == key) {
            self.0.push((key, value));
        }
    }

    /// A text, left out when it is missing or empty.
    pub(super) fn text(&mut self, key: &'a str, value: Option<&'a str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(key, Out::Text(value.into()));
        }
    }

    pub(super) fn owned(&mut self, key: &'a str, value: String) {
        self.push(key, Out::Text(value.into()));
    }

    pub(super) fn count(&mut self, key: &'a str, value: Option<u64>) {
        if let Some(value) = value {
            self.push(key, Out::Int(i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    pub(super) fn flag(&mut self, key: &'a str, value: bool) {
        self.push(key, Out::Flag(value));
    }

    pub(super) fn double(&mut self, key: &'a str, value: Option<f64>) {
        if let Some(value) = value {
            self.push(key, Out::Double(value));
        }
    }

    pub(super) fn any(&mut self, key: &'a str, value: &'a AnyValue) {
        // OTLP allows no empty key.
        if key.is_empty() {
            return;
        }
        let out = match value {
            AnyValue::Text(text) if is_header(key) => Out::Texts(text),
            other => Out::Any(other),
        };
        self.push(key, out);
    }

    /// The attributes that the app has set on the event.
    pub(super) fn callers(&mut self, row: &'a ExportRow<'_>) {
        for (key, value) in last_of_each(&row.record.attributes) {
            self.any(key, value);
        }
    }

    /// What held for every event when this one was recorded: the user, feature flags, the app's
    /// global attributes. What the event itself says goes first.
    pub(super) fn globals(&mut self, row: &'a ExportRow<'_>) {
        for (key, value) in row.global_attributes() {
            self.any(key, value);
        }
    }

    /// Writes them as the field `number` of a message.
    pub(super) fn write<T: Tree>(&self, tree: &mut T, number: u32) {
        tree.list(number, "attributes", self.0.iter(), |tree, (key, value)| {
            tree.text_always(1, "key", key);
            tree.message(2, "value", |tree| match value {
                Out::Text(text) => tree.text_always(1, "stringValue", text),
                Out::Texts(text) => tree.message(5, "arrayValue", |tree| {
                    tree.list(1, "values", std::iter::once(text), |tree, text| {
                        tree.text_always(1, "stringValue", text);
                    });
                }),
                Out::Flag(flag) => tree.flag(2, "boolValue", *flag),
                Out::Int(number) => tree.int(3, "intValue", *number),
                Out::Double(number) => tree.double(4, "doubleValue", *number),
                Out::Any(value) => any_value(tree, value),
            });
        });
    }
}

/// Whether an attribute holds the values of a header, which are always a list.
fn is_header(key: &str) -> bool {
    semconv::HEADERS.iter().any(|prefix| key.starts_with(prefix))
}

/// The entries of which no later one has the same key, without empty keys: OTLP allows neither.
pub(super) fn last_of_each<K: AsRef<str>>(entries: &[(K, AnyValue)]) -> impl Iterator<Item = &(K, AnyValue)> {
    let is_last = |at: usize, key: &str| entries.iter().skip(at + 1).all(|(later, _)| later.as_ref() != key);
    let is_kept = move |at: usize, key: &str| !key.is_empty() && is_last(at, key);
    let kept = entries.iter().enumerate().filter(move |(at, (key, _))| is_kept(*at, key.as_ref()));
    kept.map(|(_, entry)| entry)
}

/// Writes the fields of an `AnyValue` (`opentelemetry/proto/common/v1/common.proto`).
fn any_value<T: Tree>(tree: &mut T, value: &AnyValue) {
    match value {
        AnyValue::Text(text) => tree.text_always(1, "stringValue", text),
        AnyValue::Bool(flag) => tree.flag(2, "boolValue", *flag),
        AnyValue::Int(number) => tree.int(3, "intValue", *number),
        AnyValue::Double(number) => tree.double(4, "doubleValue", *number),
        AnyValue::List(items) => tree.message(5, "arrayValue", |tree| {
            tree.list(1, "values", items.iter(), |tree, item| any_value(tree, item));
        }),
        AnyValue::Map(entries) => tree.message(6, "kvlistValue", |tree| {
            // A store of an earlier version may hold a key twice.
            let kept: Vec<_> = last_of_each(entries).collect();
            tree.list(1, "values", kept.into_iter(), |tree, (key, item)| {
                tree.text_always(1, "key", key);
                tree.message(2, "value", |tree| any_value(tree, item));
            });
        }),
        AnyValue::Bytes(bytes) => tree.bytes(7, "bytesValue", bytes),
    }
}

/// The number of attributes that the app gave and that were left out because of a limit.
pub(super) fn dropped_attributes(row: &ExportRow<'_>) -> u32 {
    row.record.uint(field::DROPPED_ATTRIBUTES).unwrap_or(0) as u32
}
