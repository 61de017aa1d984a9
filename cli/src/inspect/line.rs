//! How one record is shown: a tag, a readable name, and its details.

use serde_json::Value;
use throughline::names::semconv::{
    EVENT_CRASH, EVENT_EXCEPTION, EVENT_SESSION_END, EVENT_SESSION_START, EVENT_TAP, EXCEPTION_MESSAGE, EXCEPTION_TYPE,
    HTTP_METHOD, SCREEN_NAME, SESSION_ID, URL_FULL, WIDGET_NAME,
};
use throughline::names::{
    ACTION_ID, ACTION_TYPE, EVENT_VIEW, EVENT_VITAL, MUTATION_COUNT, OPERATION_NAME, STATE_NEW, STATE_OLD, STATE_PATH,
};

use super::received::{Item, Signal, is_fatal, plausible};
use super::shown::{MAX_NAME, NO_TIME, ODD_TIME, counted, cut, duration, grouped, href, one_line};
use super::stacks::{Stacks, long_texts};

/// Most text, and longest JSON, of a record in a page, in characters. The JSON API has all.
const MAX_DETAIL: usize = 32 * 1024;
pub(super) const MAX_LABEL: usize = 80;

/// Most text and JSON of all records of a page, in characters: a browser must be able to show it,
/// and loads it anew while records arrive.
const MAX_PAGE: usize = 4 * 1024 * 1024;

/// How many characters of texts and JSON a page has room for.
pub(super) struct Room(usize);

impl Room {
    pub(super) fn of_a_page() -> Self {
        Self(MAX_PAGE)
    }

    /// Takes the room for a record, if there is enough.
    fn take(&mut self, characters: usize) -> bool {
        let left = self.0.checked_sub(characters);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// A record as a page shows it. `tag` is the word that people read, `class` its style.
pub(super) struct Line {
    /// The number of the record.
    pub(super) id: i64,
    pub(super) at: String,
    pub(super) class: &'static str,
    pub(super) tag: &'static str,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) screen: String,
    /// Whether it is about the end of a process, and has a page of its own.
    pub(super) is_fatal: bool,
    /// Where the trace is shown. Empty if the record has none.
    pub(super) trace: String,
    /// Texts of several lines, such as stacks, with what they are.
    pub(super) texts: Vec<Text>,
    /// The record as JSON, with everything that has arrived.
    pub(super) detail: String,
    pub(super) duration: String,
}

/// A text of several lines.
pub(super) struct Text {
    /// The attribute, or `body`.
    pub(super) label: String,
    pub(super) text: String,
    /// Of a stack with functions and lines, the text as it was sent; else empty.
    pub(super) sent: String,
}

impl Line {
    /// `start_ns` is the time that the page counts from.
    pub(super) fn new(item: &Item, start_ns: Option<i64>, room: &mut Room, stacks: &Stacks) -> Self {
        let (class, tag) = tag(item);
        let (texts, detail) = details(item, room, stacks);
        Self {
            id: item.id,
            at: at(item, start_ns),
            class,
            tag,
            name: one_line(&name(item), MAX_NAME),
            service: one_line(&item.service, MAX_LABEL),
            screen: cut(&text(item, SCREEN_NAME), MAX_LABEL),
            is_fatal: is_fatal(item),
            trace: if item.trace.is_empty() { String::new() } else { href("trace", &item.trace, item.id) },
            texts,
            detail,
            duration: length(item),
        }
    }
}

/// The texts and the JSON, unless the page has no room for them.
fn details(item: &Item, room: &mut Room, stacks: &Stacks) -> (Vec<Text>, String) {
    let (texts, detail) =
        (texts(item, stacks), long(&serde_json::to_string_pretty(item).unwrap_or_default(), MAX_DETAIL));
    let length = |text: &Text| text.text.chars().count() + text.sent.chars().count();
    let characters = texts.iter().map(length).sum::<usize>() + detail.chars().count();
    if room.take(characters) {
        return (texts, detail);
    }
    let said = "This page has no room for the record. A page of fewer records, such as ?per_page=20, and the JSON API \
                show it.";
    (Vec::new(), said.to_owned())
}

/// When the record happened, after the start of what the page shows.
fn at(item: &Item, start_ns: Option<i64>) -> String {
    match (plausible(item.time_ns), start_ns) {
        (Some(time), Some(start)) => format!("+{}", duration(time.saturating_sub(start))),
        (None, _) if item.time_ns == 0 => NO_TIME.to_owned(),
        _ => ODD_TIME.to_owned(),
    }
}

/// How long the record took, if it is one that takes time.
fn length(item: &Item) -> String {
    match (plausible(item.time_ns), plausible(item.end_ns)) {
        _ if item.signal != Signal::Span => String::new(),
        (Some(start), Some(end)) if end >= start => duration(end - start),
        (Some(_), Some(_)) => "ends before it starts".to_owned(),
        _ if item.time_ns == 0 => "no start".to_owned(),
        _ if item.end_ns == 0 => "no end".to_owned(),
        _ => ODD_TIME.to_owned(),
    }
}

/// The texts of a record that have several lines, as a page shows them. Together they are no longer
/// than one long text; of a stack, the functions and lines come first and the text as it was sent
/// behind them.
fn texts(item: &Item, stacks: &Stacks) -> Vec<Text> {
    let (mut shown, mut room, mut left) = (Vec::new(), MAX_DETAIL, 0);
    for (label, text) in long_texts(item) {
        if room == 0 {
            left += 1;
            continue;
        }
        let named = stacks.of(item.id, label);
        let sent = named.map(|_| long(text, room)).unwrap_or_default();
        shown.push(Text { label: cut(label, MAX_LABEL), text: long(named.unwrap_or(text), room), sent });
        room = room.saturating_sub(text.chars().count());
    }
    if left > 0 {
        let label = format!("{} not shown here", counted(left, "more text"));
        shown.push(Text { label, text: "The JSON API has all.".to_owned(), sent: String::new() });
    }
    shown
}

/// A text as far as there is room. What is cut is said.
fn long(text: &str, room: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(room) else { return text.to_owned() };
    let (kept, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let left = grouped(rest.chars().count() as u64);
    format!("{kept}\n… {left} more characters are not shown here; the JSON API has them.")
}

fn text(item: &Item, key: &str) -> String {
    item.attributes.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn has(item: &Item, key: &str) -> bool {
    item.attributes.get(key).is_some()
}

fn name(item: &Item) -> String {
    match item.name.as_str() {
        EVENT_TAP => format!("tap {}", text(item, WIDGET_NAME)),
        EVENT_VIEW => format!("view {}", text(item, SCREEN_NAME)),
        EVENT_EXCEPTION | EVENT_CRASH => {
            format!("{}: {}", text(item, EXCEPTION_TYPE), text(item, EXCEPTION_MESSAGE))
        }
        name if item.signal == Signal::Span && has(item, HTTP_METHOD) && has(item, URL_FULL) => {
            format!("{name} {}", text(item, URL_FULL))
        }
        _ if !text(item, STATE_PATH).is_empty() => mutation_name(item),
        "" if item.body.trim().is_empty() => "(no name)".to_owned(),
        "" => item.body.clone(),
        // The value of a point says more than that there is one.
        name if item.signal == Signal::Metric && !item.body.is_empty() => format!("{name}: {}", item.body),
        name if name.trim().is_empty() => "(no name)".to_owned(),
        name => name.to_owned(),
    }
}

/// The name of a mutation's action, with the change of the value and the number of mutations.
fn mutation_name(item: &Item) -> String {
    let json = |key: &str| item.attributes.get(key).map(Value::to_string);
    let mut name = item.name.clone();
    if let (Some(old), Some(new)) = (json(STATE_OLD), json(STATE_NEW)) {
        name.push_str(&format!(": {old} → {new}"));
    }
    if let Some(count) = json(MUTATION_COUNT).filter(|count| count != "1") {
        name.push_str(&format!(" ({count} mutations)"));
    }
    name
}

/// The style and the word of a record's tag.
fn tag(item: &Item) -> (&'static str, &'static str) {
    // Every record of Throughline says its session; those of a backend do not.
    let from_backend = !has(item, SESSION_ID);
    match (item.signal, item.name.as_str()) {
        (Signal::Span, _) if item.is_error() => ("error", "failed"),
        _ if item.is_error() => ("error", "error"),
        (Signal::Span, _) if from_backend => ("server", "backend"),
        (Signal::Span, _) if has(item, HTTP_METHOD) => ("span", "request"),
        (Signal::Span, _) if has(item, OPERATION_NAME) => ("operation", "operation"),
        (Signal::Span, _) if item.parent.is_empty() && has(item, ACTION_ID) => ("action", "action"),
        (Signal::Span, _) => ("span", "span"),
        (Signal::Metric, _) => ("", "metric"),
        (Signal::Log, EVENT_SESSION_START | EVENT_SESSION_END) => ("", "session"),
        (Signal::Log, EVENT_VIEW) => ("", "view"),
        (Signal::Log, EVENT_VITAL) => ("", "vital"),
        (Signal::Log, _) => match item.attributes.get(ACTION_TYPE).and_then(Value::as_str) {
            Some("state_mutation") => ("action", "mutation"),
            Some("tap") => ("action", "tap"),
            Some(_) => ("action", "action"),
            None => ("log", "log"),
        },
    }
}
