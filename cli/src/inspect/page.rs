//! The pages: sessions, one session's timeline, one trace's waterfall.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use askama::Template;

use super::store::{Item, SessionRow, Stats};

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
    lasted: String,
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
        lasted: if item.end_ns > item.time_ns { duration(item.end_ns - item.time_ns) } else { String::new() },
    }
}

fn kind(item: &Item) -> (&'static str, &'static str) {
    let backend = !item.attributes.as_object().is_some_and(|map| map.contains_key("session.id"));
    match (item.signal, item.name.as_str()) {
        _ if item.severity >= 17 => ("error", if item.signal == "span" { "failed" } else { "error" }),
        ("span", _) if backend => ("server", "backend"),
        ("span", _) if item.attributes.get("http.request.method").is_some() => ("span", "request"),
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
        let parents: BTreeMap<&str, &str> = items
            .iter()
            .filter(|item| item.signal == "span")
            .map(|item| (item.span.as_str(), item.parent.as_str()))
            .collect();
        let depth = |item: &Item| {
            let mut depth = usize::from(item.signal != "span" && parents.contains_key(item.span.as_str()));
            let mut at = item.span.as_str();
            while let Some(parent) = parents.get(at).filter(|_| depth < 12) {
                if !parents.contains_key(parent) {
                    break;
                }
                depth += 1;
                at = parent;
            }
            depth
        };
        let mut sessions: Vec<String> =
            items.iter().map(|item| item.session.clone()).filter(|s| !s.is_empty()).collect();
        sessions.sort();
        sessions.dedup();
        let lines = items.iter().enumerate().map(|(key, item)| Line {
            indent: depth(item) as f64 * 1.1,
            left: (item.time_ns - start) as f64 / whole * 99.0,
            width: ((item.end_ns - item.time_ns) as f64 / whole * 99.0).max(0.3),
            ..line(key, item, start)
        });
        Self { stats, id, lines: lines.collect(), sessions }
    }
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
