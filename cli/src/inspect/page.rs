//! The pages: the list of sessions, the timeline of a session, the waterfall of a trace.

use std::collections::BTreeMap;

use askama::Template;

use super::causes;
use super::line::{Line, MAX_LABEL, Room};
use super::received::{Item, Part, Place, SessionRow, SpanEvent, Stats, plausible};
use super::shown::{NO_TIME, ODD_TIME, clock, counted, cut, duration, grouped, href, one_line};
use super::stacks::Stacks;

/// Deepest place in the tree that is indented further. A deeper one is said.
const MAX_INDENT: usize = 20;
/// Most events of a span that are drawn.
const MAX_MARKS: usize = 200;
/// Longest reason for a refusal, in characters.
const MAX_REFUSAL: usize = 1_000;
/// Most sessions that a trace names.
const MAX_SESSIONS: usize = 20;
/// Width of the waterfall's track that is used, in percent. The rest keeps a mark at the very end
/// inside of it.
const TRACK: f64 = 99.0;
/// Narrowest bar, in percent: a record without a duration must still be visible.
const MIN_BAR: f64 = 0.3;

/// What every page shows, and what its script needs.
pub(super) struct Frame {
    pub(super) counts: String,
    /// Why the last request was refused that was; empty if none was.
    refusal: String,
    pub(super) version: u64,
    /// Allows the page's own script and no other (`Content-Security-Policy`).
    pub(super) nonce: String,
}

impl Frame {
    pub(super) fn new(stats: &Stats, refusal: String, nonce: String) -> Self {
        let mut counts = vec![
            counted(stats.logs, "log"),
            counted(stats.spans, "span"),
            counted(stats.metrics, "data point"),
            format!("{} ignored", counted(stats.duplicates, "duplicate")),
        ];
        if stats.rejected > 0 {
            counts.push(format!("{} not kept", counted(stats.rejected, "record")));
        }
        if stats.refused > 0 {
            counts.push(format!("{} refused", counted(stats.refused, "request")));
        }
        Self { counts: counts.join(" · "), refusal: cut(&refusal, MAX_REFUSAL), version: stats.version, nonce }
    }
}

/// Which part of all is shown, and the way to the others.
struct Pager {
    said: String,
    /// How many entries have come since the pages were opened, which do not show them; empty if
    /// none. And the way to a page that does.
    since: String,
    current: String,
    links: Vec<(&'static str, String)>,
}

impl Pager {
    /// `words` are those of the links to the first, the previous, the next and the last page.
    fn new(place: &Place, what: &str, words: [&'static str; 4]) -> Self {
        let Place { page, pages, per_page, total, until, since } = *place;
        let shown = if pages > 1 {
            let last = (place.before() + place.per_page).min(total);
            format!("Showing {}–{} of {}", grouped(place.before() + 1), grouped(last), counted(total, what))
        } else {
            counted(total, what)
        };
        let [first, previous, next, last] = words;
        let to = |page: u64| format!("?page={page}&per_page={per_page}");
        // From page to page, what arrives meanwhile would move everything by one.
        let step = |page: u64| format!("{}&until={until}", to(page));
        let mut links = Vec::new();
        if page > 1 {
            links.extend([(first, to(1)), (previous, step(page - 1))]);
        }
        if page < pages {
            links.extend([(next, step(page + 1)), (last, to(pages))]);
        }
        let since =
            if since > 0 { format!("{} since", counted(since, &format!("more {what}"))) } else { String::new() };
        Self { said: shown, since, current: to(page), links }
    }

    fn of_records(place: &Place) -> Self {
        Self::new(place, "record", ["« first", "‹ earlier", "later ›", "last »"])
    }
}

/// A session in the list.
struct SessionLine {
    record: i64,
    href: String,
    id: String,
    service: String,
    started: String,
    duration: String,
    items: String,
    errors: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
pub(super) struct Sessions {
    frame: Frame,
    pager: Pager,
    sessions: Vec<SessionLine>,
    /// How many records have no session; empty if none.
    without: String,
}

impl Sessions {
    pub(super) fn new(frame: Frame, part: Part<SessionRow>, without: u64) -> Self {
        let line = |row: SessionRow| SessionLine {
            record: row.record,
            href: href("session", &row.id, row.record),
            started: match row.first_ns {
                Some(first) => clock(first),
                None if row.has_time => ODD_TIME.to_owned(),
                None => NO_TIME.to_owned(),
            },
            duration: match (row.first_ns, row.last_ns) {
                (Some(first), Some(last)) => duration(last.saturating_sub(first)),
                _ => String::new(),
            },
            id: name_of(&row.id, "(blank id)"),
            service: name_of(&row.service, "(no service)"),
            items: grouped(row.items),
            errors: grouped(row.errors),
        };
        let pager = Pager::new(&part.place, "session", ["« newest", "‹ newer", "older ›", "oldest »"]);
        let without = if without > 0 { counted(without, "record") } else { String::new() };
        Self { frame, pager, sessions: part.entries.into_iter().map(line).collect(), without }
    }
}

/// An id or a name on one line; `blank` stands for one of which nothing would be seen.
fn name_of(text: &str, blank: &str) -> String {
    if text.trim().is_empty() { blank.to_owned() } else { one_line(text, MAX_LABEL) }
}

#[derive(Template)]
#[template(path = "session.html")]
pub(super) struct Session {
    frame: Frame,
    pager: Pager,
    /// Empty for the records without a session.
    id: String,
    started: String,
    lines: Vec<Line>,
}

impl Session {
    /// `start_ns` is the first time of all its records.
    pub(super) fn new(frame: Frame, id: &str, start_ns: Option<i64>, part: &Part<Item>, stacks: &Stacks) -> Self {
        let mut room = Room::of_a_page();
        let lines = part.entries.iter().map(|item| Line::new(item, start_ns, &mut room, stacks)).collect();
        let id = if id.is_empty() { String::new() } else { name_of(id, "(blank id)") };
        let started = start_ns.map_or(NO_TIME.to_owned(), clock);
        Self { frame, pager: Pager::of_records(&part.place), id, started, lines }
    }
}

/// A record in the waterfall. Positions and widths are percent of the track.
pub(super) struct Bar {
    line: Line,
    indent: usize,
    /// What the drawing does not show: a depth beyond the indent, events beyond the marks.
    beyond: String,
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
    frame: Frame,
    pager: Pager,
    id: String,
    started: String,
    bars: Vec<Bar>,
    /// The sessions that take part: their paths, and their ids.
    sessions: Vec<(String, String)>,
    /// How many more there are.
    others: String,
}

impl Trace {
    pub(super) fn new(frame: Frame, id: &str, part: &Part<Item>, stacks: &Stacks) -> Self {
        let items = &part.entries;
        let start = items.iter().filter_map(|item| plausible(item.time_ns)).min();
        let end = items.iter().flat_map(|item| [item.time_ns, item.end_ns]).filter_map(plausible).max();
        let scale = Scale::new(start.unwrap_or(0), end.unwrap_or(0));
        let mut room = Room::of_a_page();
        let bars = causes::order(items).into_iter().map(|node| {
            let (left, width) = scale.bar(node.item);
            Bar {
                line: Line::new(node.item, start, &mut room, stacks),
                indent: node.depth.min(MAX_INDENT),
                beyond: beyond(node.depth, node.item.events.len()),
                left,
                width,
                marks: node.item.events.iter().take(MAX_MARKS).map(|event| scale.mark(node.item, event)).collect(),
            }
        });
        let bars = bars.collect();
        let sessions: BTreeMap<&str, i64> = items.iter().map(|item| (item.session.as_str(), item.id)).collect();
        let sessions: Vec<_> = sessions.into_iter().filter(|(session, _)| !session.is_empty()).collect();
        let others = sessions.len().saturating_sub(MAX_SESSIONS) as u64;
        let others = if others > 0 { format!("and {}", counted(others, "more session")) } else { String::new() };
        let sessions = sessions
            .into_iter()
            .take(MAX_SESSIONS)
            .map(|(id, record)| (href("session", id, record), name_of(id, "(blank id)")));
        let started = start.map_or(NO_TIME.to_owned(), clock);
        let pager = Pager::of_records(&part.place);
        Self { frame, pager, id: cut(id, MAX_LABEL), started, bars, sessions: sessions.collect(), others }
    }
}

fn beyond(depth: usize, events: usize) -> String {
    let mut words = Vec::new();
    if depth > MAX_INDENT {
        words.push(format!("depth {depth}"));
    }
    if events > MAX_MARKS {
        words.push(format!("{MAX_MARKS} of {} drawn", counted(events as u64, "event")));
    }
    words.join(", ")
}

/// From the first to the last plausible time of a trace.
struct Scale {
    start_ns: i64,
    whole_ns: f64,
}

impl Scale {
    fn new(start_ns: i64, end_ns: i64) -> Self {
        Self { start_ns, whole_ns: end_ns.saturating_sub(start_ns).max(1) as f64 }
    }

    fn percent(&self, ns: i64) -> f64 {
        (ns as f64 / self.whole_ns * TRACK).clamp(0.0, TRACK)
    }

    /// Where the bar begins, and how wide it is. A record without a plausible time has none.
    fn bar(&self, item: &Item) -> (f64, f64) {
        let Some(start) = plausible(item.time_ns) else { return (0.0, 0.0) };
        let end = plausible(item.end_ns).unwrap_or(start);
        let left = self.percent(start.saturating_sub(self.start_ns));
        (left, self.percent(end.saturating_sub(start)).max(MIN_BAR).min(100.0 - left))
    }

    fn mark(&self, item: &Item, event: &SpanEvent) -> Mark {
        let name = cut(&event.name, MAX_LABEL);
        if let Some(time) = event.odd_time {
            let why = if time == 0 { NO_TIME } else { ODD_TIME };
            return Mark { left: 0.0, title: format!("{name}: {why}") };
        }
        let after = item.time_ns.saturating_sub(self.start_ns).saturating_add(event.after_ns);
        let when = if event.after_ns < 0 {
            format!("{} before the span starts", duration(event.after_ns.saturating_neg()))
        } else {
            format!("+{}", duration(event.after_ns))
        };
        Mark { left: self.percent(after), title: format!("{name} {when}") }
    }
}

/// Something that cannot be shown.
#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct Error {
    frame: Frame,
    what: String,
    why: String,
}

impl Error {
    pub(super) fn new(frame: Frame, what: String, why: String) -> Self {
        Self { frame, what, why }
    }
}
