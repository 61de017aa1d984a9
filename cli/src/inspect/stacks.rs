//! Stack traces on a page, with functions and lines if the inspector was given symbols.

use std::collections::HashMap;

use super::line::long_texts;
use super::received::Item;
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
