//! Stack traces on a page, with functions and lines if the inspector was given symbols.

use std::collections::HashMap;

use throughline::names::semconv::EXCEPTION_STACKTRACE;

use super::received::Item;
use super::shown::MAX_NAME;
use crate::symbolicate::{Symbols, named};

/// The stacks of a page that symbols say something about, by the record and the name of the text.
#[derive(Default)]
pub(super) struct Stacks(HashMap<(i64, String), String>);

impl Stacks {
    /// Looks up the stacks of all records at once, so that each symbol file is opened once.
    pub(super) fn of_page(symbols: &Symbols, items: &[Item]) -> Self {
        if symbols.count() == 0 {
            return Self::default();
        }
        let texts = items.iter().flat_map(|item| long_texts(item).map(move |text| (item, text)));
        let texts: Vec<_> = texts.map(|(item, (label, text))| ((item.id, label.to_owned()), text, item)).collect();
        let reports = texts.iter().map(|(_, text, item)| (*text, &item.attributes, &*item.resource));
        let named = named(symbols, reports);
        Self(texts.into_iter().zip(named).filter_map(|((key, ..), named)| Some((key, named?))).collect())
    }

    pub(super) fn of(&self, record: i64, label: &str) -> Option<&str> {
        self.0.get(&(record, label.to_owned())).map(String::as_str)
    }
}

/// The texts of a record that have several lines: the body, if it has more than the name says, and
/// attributes. A stack is one of them, however long it is.
pub(super) fn long_texts(item: &Item) -> impl Iterator<Item = (&str, &str)> {
    let has_more = item.body != item.name || item.body.contains('\n') || item.body.chars().count() > MAX_NAME;
    let body = (!item.body.is_empty() && has_more).then_some(("body", item.body.as_str()));
    let attributes = item.attributes.as_object().into_iter().flatten();
    let lines = attributes.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    // A stack may be a single frame.
    let is_stack = |key: &str, text: &str| key == EXCEPTION_STACKTRACE && !text.trim().is_empty();
    body.into_iter().chain(lines.filter(move |(key, text)| text.trim().contains('\n') || is_stack(key, text)))
}
