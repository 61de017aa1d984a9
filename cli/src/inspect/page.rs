//! The pages: the list of sessions, the timeline of a session, the waterfall of a trace.

use std::collections::BTreeSet;

use askama::Template;

use super::causes;
use super::line::{Line, clock, duration};
use super::received::{Item, SessionRow, SpanEvent, Stats};

/// Indent of a record under its cause, in rem.
const INDENT: f64 = 1.1;
/// Width of the waterfall's track that is used, in percent. The rest keeps a mark at the very end
/// inside of it.
const TRACK: f64 = 99.0;
/// Narrowest bar, in percent: a record without a duration must still be visible.
const MIN_BAR: f64 = 0.3;

/// A session in the list.
pub(super) struct SessionLine {
    id: String,
    service: String,
    started: String,
    duration: String,
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
            duration: duration(row.last_ns.saturating_sub(row.first_ns)),
            id: row.id,
            service: row.service,
            items: row.items,
            errors: row.errors,
        };
        Self { stats, sessions: rows.into_iter().map(line).collect() }
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
        let lines = items.iter().enumerate().map(|(index, item)| Line::new(index, item, start));
        Self { stats, id, lines: lines.collect() }
    }
}

/// A record in the waterfall. Positions and widths are percent of the track.
pub(super) struct Bar {
    line: Line,
    indent: f64,
    left: f64,
    width: f64,
    marks: Vec<Mark>,
}

/// An event of a span, drawn over its bar.
struct Mark {
    left: f64,
    title: String,
}

#[derive(Template)]
#[template(path = "trace.html")]
pub(super) struct Trace {
    stats: Stats,
    id: String,
    bars: Vec<Bar>,
    sessions: BTreeSet<String>,
}

impl Trace {
    pub(super) fn new(stats: Stats, id: String, items: &[Item]) -> Self {
        let start = items.iter().map(|item| item.time_ns).min().unwrap_or(0);
        let end = items.iter().map(|item| item.end_ns).max().unwrap_or(0);
        let whole = end.saturating_sub(start).max(1) as f64;
        let percent = |ns: i64| ns as f64 / whole * TRACK;
        let mark = |item: &Item, event: &SpanEvent| Mark {
            left: percent(item.time_ns.saturating_sub(start).saturating_add(event.after_ns)).clamp(0.0, TRACK),
            title: format!("{} +{}", event.name, duration(event.after_ns)),
        };
        let bars = causes::order(items).into_iter().map(|node| Bar {
            line: Line::new(node.index, node.item, start),
            indent: node.depth as f64 * INDENT,
            left: percent(node.item.time_ns.saturating_sub(start)),
            width: percent(node.item.end_ns.saturating_sub(node.item.time_ns)).max(MIN_BAR),
            marks: node.item.events.iter().map(|event| mark(node.item, event)).collect(),
        });
        let sessions = items.iter().map(|item| item.session.clone()).filter(|session| !session.is_empty());
        Self { stats, id, bars: bars.collect(), sessions: sessions.collect() }
    }
}
