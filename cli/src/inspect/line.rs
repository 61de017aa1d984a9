//! How one record is shown: a tag, a readable name, and its details.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use throughline::names::semconv::{
    EVENT_CRASH, EVENT_EXCEPTION, EVENT_SESSION_END, EVENT_SESSION_START, EVENT_TAP, EXCEPTION_MESSAGE, EXCEPTION_TYPE,
    HTTP_METHOD, SCREEN_NAME, SESSION_ID, URL_FULL, WIDGET_NAME,
};
use throughline::names::{
    ACTION_ID, ACTION_TYPE, EVENT_VIEW, EVENT_VITAL, MUTATION_COUNT, OPERATION_NAME, STATE_NEW, STATE_OLD, STATE_PATH,
};

use super::received::{Item, Signal};

/// A record as a page shows it. `tag` is the word that people read, `class` its style.
pub(super) struct Line {
    pub(super) index: usize,
    pub(super) at: String,
    pub(super) class: &'static str,
    pub(super) tag: &'static str,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) screen: String,
    pub(super) trace: String,
    pub(super) span: String,
    /// The record as JSON, with everything that has arrived.
    pub(super) detail: String,
    pub(super) duration: String,
}

impl Line {
    /// `start_ns` is the time that the page counts from.
    pub(super) fn new(index: usize, item: &Item, start_ns: i64) -> Self {
        let (class, tag) = tag(item);
        Self {
            index,
            at: format!("+{}", duration(item.time_ns.saturating_sub(start_ns))),
            class,
            tag,
            name: name(item),
            service: item.service.clone(),
            screen: text(item, SCREEN_NAME),
            trace: item.trace.clone(),
            span: item.span.clone(),
            detail: serde_json::to_string_pretty(item).unwrap_or_default(),
            duration: if item.end_ns > item.time_ns {
                duration(item.end_ns.saturating_sub(item.time_ns))
            } else {
                String::new()
            },
        }
    }
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
        "" => item.body.clone(),
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

/// The time of day, in UTC, of a wall time in nanoseconds since the Unix epoch.
pub(super) fn clock(ns: i64) -> String {
    let since = UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
    let seconds = since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A duration in the unit that people read best.
pub(super) fn duration(ns: i64) -> String {
    match ns.max(0) {
        ns if ns < 1_000_000 => format!("{} µs", ns / 1_000),
        ns if ns < 1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        ns => format!("{:.2} s", ns as f64 / 1e9),
    }
}
