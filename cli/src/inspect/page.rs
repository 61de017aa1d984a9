//! The pages: sessions, one session's timeline, one trace's waterfall.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use askama::Template;

use super::store::{Item, Moment, SessionRow, Stats};

/// A session as the list shows it.
pub(super) struct SessionLine {
    id: String,
    service: String,
    started: String,
    lasted: String,
    items: u64,
    errors: u64,
}

#[derive(Template)]
#[template(path = "sessions.html")]
pub(super) struct Sessions {
    stats: Stats,
    sessions: Vec<SessionLine>,
}

impl Sessions {
    pub(super) fn new(stats: Stats, rows: Vec<SessionRow>) -> Self {
        let line = |row: SessionRow| SessionLine {
            started: clock(row.first_ns),
            lasted: duration(row.last_ns - row.first_ns),
            id: row.id,
            service: row.service,
            items: row.items,
            errors: row.errors,
        };
        Self { stats, sessions: rows.into_iter().map(line).collect() }
    }
}

/// One line of a timeline or waterfall.
pub(super) struct Line {
    key: usize,
    at: String,
    class: &'static str,
    kind: String,
    name: String,
    service: String,
    screen: String,
    trace: String,
    span: String,
    detail: String,
    indent: f64,
    left: f64,
    width: f64,
    marks: Vec<Mark>,
    lasted: String,
}

/// An event of a span, in its waterfall.
struct Mark {
    left: f64,
    title: String,
}

fn line(key: usize, item: &Item, start_ns: i64) -> Line {
    let (class, kind) = kind(item);
    let attribute =
        |name: &str| item.attributes.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let name = match item.name.as_str() {
        "app.widget.click" => format!("tap {}", attribute("app.widget.name")),
        "app.screen.view" => format!("view {}", attribute("app.screen.name")),
        "exception" | "app.crash" => format!("{}: {}", attribute("exception.type"), attribute("exception.message")),
        "GET" | "POST" | "PUT" | "DELETE" => format!("{} {}", item.name, attribute("url.full")),
        name if !attribute("state.path").is_empty() => {
            let shown = |key: &str| item.attributes.get(key).map(|value| value.to_string());
            let change = match (shown("state.old"), shown("state.new")) {
                (Some(old), Some(new)) => format!(": {old} → {new}"),
                _ => String::new(),
            };
            let count = shown("mutation.count").filter(|count| count != "1");
            format!("{name}{change}{}", count.map(|count| format!(" ({count} mutations)")).unwrap_or_default())
        }
        "" => item.body.clone(),
        name => name.to_owned(),
    };
    Line {
        key,
        at: format!("+{}", duration(item.time_ns - start_ns)),
        class,
        kind: kind.to_owned(),
        name,
        service: item.service.clone(),
        screen: attribute("app.screen.name"),
        trace: item.trace.clone(),
        span: item.span.clone(),
        detail: serde_json::to_string_pretty(item).unwrap_or_default(),
        indent: 0.0,
        left: 0.0,
        width: 0.0,
        marks: Vec::new(),
        lasted: if item.end_ns > item.time_ns { duration(item.end_ns - item.time_ns) } else { String::new() },
    }
}

fn kind(item: &Item) -> (&'static str, &'static str) {
    let backend = !item.attributes.as_object().is_some_and(|map| map.contains_key("session.id"));
    match (item.signal, item.name.as_str()) {
        _ if item.severity >= 17 => ("error", if item.signal == "span" { "failed" } else { "error" }),
        ("span", _) if backend => ("server", "backend"),
        ("span", _) if item.attributes.get("http.request.method").is_some() => ("span", "request"),
        ("span", _) if item.attributes.get("operation.name").is_some() => ("operation", "operation"),
        ("span", _) if item.parent.is_empty() && item.attributes.get("rum.action.id").is_some() => ("action", "action"),
        ("span", _) => ("span", "span"),
        ("metric", _) => ("", "metric"),
        (_, "session.start" | "session.end") => ("", "session"),
        (_, "app.screen.view") => ("", "view"),
        (_, "app.vital") => ("", "vital"),
        _ => match item.attributes.get("rum.action.type").and_then(|value| value.as_str()) {
            Some("state_mutation") => ("action", "mutation"),
            Some("tap") => ("action", "tap"),
            Some(_) => ("action", "action"),
            None => ("log", "log"),
        },
    }
}

#[derive(Template)]
#[template(path = "session.html")]
pub(super) struct Session {
    stats: Stats,
    id: String,
    lines: Vec<Line>,
}

impl Session {
    pub(super) fn new(stats: Stats, id: String, items: &[Item]) -> Self {
        let start = items.first().map_or(0, |item| item.time_ns);
        Self { stats, id, lines: items.iter().enumerate().map(|(key, item)| line(key, item, start)).collect() }
    }
}

#[derive(Template)]
#[template(path = "trace.html")]
pub(super) struct Trace {
    stats: Stats,
    id: String,
    lines: Vec<Line>,
    sessions: Vec<String>,
}

impl Trace {
    pub(super) fn new(stats: Stats, id: String, items: &[Item]) -> Self {
        let start = items.iter().map(|item| item.time_ns).min().unwrap_or(0);
        let end = items.iter().map(|item| item.end_ns).max().unwrap_or(0);
        let whole = (end - start).max(1) as f64;
        let mut sessions: Vec<String> =
            items.iter().map(|item| item.session.clone()).filter(|s| !s.is_empty()).collect();
        sessions.sort();
        sessions.dedup();
        let share = |ns: i64| ns as f64 / whole * 99.0;
        let mark = |item: &Item, event: &Moment| Mark {
            left: share((item.time_ns - start).saturating_add(event.after_ns)).clamp(0.0, 99.0),
            title: format!("{} +{}", event.name, duration(event.after_ns)),
        };
        let lines = by_cause(items).into_iter().map(|(key, depth, item)| Line {
            indent: depth as f64 * 1.1,
            left: share(item.time_ns - start),
            width: share(item.end_ns - item.time_ns).max(0.3),
            marks: item.events.iter().map(|event| mark(item, event)).collect(),
            ..line(key, item, start)
        });
        Self { stats, id, lines: lines.collect(), sessions }
    }
}

/// The items of a trace under what caused them, those with one cause in the order of time: with their places in `items` and
/// their depths. A span is under its parent; a log, tap or mutation under its span. What nothing here caused comes first.
fn by_cause(items: &[Item]) -> Vec<(usize, usize, &Item)> {
    let spans: BTreeSet<&str> =
        items.iter().filter(|item| item.signal == "span").map(|item| item.span.as_str()).collect();
    let mut caused: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (key, item) in items.iter().enumerate() {
        let cause = if item.signal == "span" { item.parent.as_str() } else { item.span.as_str() };
        caused.entry(if spans.contains(cause) { cause } else { "" }).or_default().push(key);
    }
    let mut out = Vec::new();
    let mut open: Vec<(usize, usize)> =
        caused.remove("").unwrap_or_default().into_iter().rev().map(|key| (key, 0)).collect();
    while let Some((key, depth)) = open.pop() {
        let Some(item) = items.get(key) else { continue };
        out.push((key, depth, item));
        // Taken out: a circle of spans ends here.
        let below = if item.signal == "span" { caused.remove(item.span.as_str()) } else { None };
        open.extend(below.unwrap_or_default().into_iter().rev().map(|key| (key, depth + 1)));
    }
    // Members of a circle are under nothing.
    out.extend(caused.into_values().flatten().filter_map(|key| Some((key, 0, items.get(key)?))));
    out
}

/// UTC time of day of a wall time.
fn clock(ns: i64) -> String {
    let since = UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
    let seconds = since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn duration(ns: i64) -> String {
    match ns.max(0) {
        ns if ns < 1_000_000 => format!("{} µs", ns / 1_000),
        ns if ns < 1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        ns => format!("{:.2} s", ns as f64 / 1e9),
    }
}
