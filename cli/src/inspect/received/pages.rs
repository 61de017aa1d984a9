//! What a page shows of all records: a part of them, and how many there are.

use std::collections::HashMap;

use anyhow::Result;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::{Item, Received, SEVERITY_ERROR, Signal};

/// Most entries that a page may have.
const MAX_PER_PAGE: u64 = 5_000;
/// The times that are plausible: 0 means that a record has none, and what no `i64` holds (from the
/// year 2262 on) is stored as the largest. Earlier versions stored some of those below 0.
const PLAUSIBLE: std::ops::Range<i64> = 1..i64::MAX;

/// The time, if it is plausible.
pub(crate) fn plausible(time_ns: i64) -> Option<i64> {
    PLAUSIBLE.contains(&time_ns).then_some(time_ns)
}

/// A session in the list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) items: u64,
    pub(crate) errors: u64,
    /// The first and the last plausible time.
    pub(crate) first_ns: Option<i64>,
    pub(crate) last_ns: Option<i64>,
    /// Whether any record has a time, be it plausible or not.
    #[serde(skip)]
    pub(crate) has_time: bool,
    /// A record of the session, which leads to it if its id is too long for a URL.
    pub(crate) record: i64,
}

/// Which page was asked for, and how long it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    page: u64,
    per_page: u64,
}

impl Asked {
    /// Reads `page` (a number from 1, or `last`) and `per_page`. What makes no sense is the first
    /// page; one behind the last is the last.
    pub(crate) fn of(query: &HashMap<String, String>, per_page: u64) -> Self {
        let number = |key: &str| query.get(key).map(|text| number(text));
        let page = if query.get("page").is_some_and(|page| page == "last") { Some(u64::MAX) } else { number("page") };
        let per_page = number("per_page").filter(|number| *number > 0).unwrap_or(per_page);
        Self { page: page.unwrap_or(1).max(1), per_page: per_page.clamp(1, MAX_PER_PAGE) }
    }

    /// The part of so many entries that this is.
    fn place(self, total: u64) -> Place {
        let pages = total.div_ceil(self.per_page).max(1);
        Place { page: self.page.min(pages), pages, per_page: self.per_page, total }
    }
}

/// A number in a query: 0 if it is none, the largest if it is too large.
fn number(text: &str) -> u64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().unwrap_or(if is_number { u64::MAX } else { 0 })
}

/// Where a page lies among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 1 to `pages`.
    pub(crate) page: u64,
    pub(crate) pages: u64,
    pub(crate) per_page: u64,
    /// Entries of all pages.
    pub(crate) total: u64,
}

impl Place {
    /// Entries before this page.
    pub(crate) fn before(&self) -> u64 {
        (self.page - 1) * self.per_page
    }
}

/// A page, and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Part<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) place: Place,
}

/// Whose records a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of<'a> {
    /// An empty id: those without a session.
    Session(&'a str),
    Trace(&'a str),
}

impl<'a> Of<'a> {
    fn column_and_id(self) -> (&'static str, &'a str) {
        match self {
            Self::Session(id) => ("session", id),
            Self::Trace(id) => ("trace", id),
        }
    }
}

impl Received {
    /// The sessions, the newest first. Those without a plausible time are the last.
    pub(crate) fn sessions(&self, asked: Asked) -> Result<Part<SessionRow>> {
        let db = self.db();
        let total = "SELECT count(*) FROM (SELECT 1 FROM items WHERE session != '' GROUP BY session)";
        let place = asked.place(db.prepare_cached(total)?.query_row([], |row| row.get(0))?);
        let mut statement = db.prepare_cached(
            "SELECT session, coalesce(min(nullif(service, '')), ''), count(*), sum(severity >= ?1),
                 min(CASE WHEN time_ns BETWEEN ?2 AND ?3 THEN time_ns END) AS first,
                 max(CASE WHEN time_ns BETWEEN ?2 AND ?3 THEN time_ns END),
                 max(CASE WHEN end_ns BETWEEN ?2 AND ?3 THEN end_ns END), min(id), max(time_ns != 0)
             FROM items INDEXED BY of_sessions WHERE session != '' GROUP BY session
             ORDER BY first DESC NULLS LAST, session LIMIT ?4 OFFSET ?5",
        )?;
        let bounds = params![SEVERITY_ERROR, PLAUSIBLE.start, PLAUSIBLE.end - 1, place.per_page, place.before()];
        let rows = statement.query_map(bounds, |row| {
            let (last, end): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
            Ok(SessionRow {
                id: row.get(0)?,
                service: row.get(1)?,
                items: row.get(2)?,
                errors: row.get(3)?,
                first_ns: row.get(4)?,
                last_ns: last.max(end),
                record: row.get(7)?,
                has_time: row.get(8)?,
            })
        })?;
        Ok(Part { entries: rows.collect::<Result<_, _>>()?, place })
    }

    /// Records in the order of their times.
    pub(crate) fn items(&self, of: Of<'_>, asked: Asked) -> Result<Part<Item>> {
        let (column, id) = of.column_and_id();
        let db = self.db();
        let total = format!("SELECT count(*) FROM items WHERE {column} = ?1");
        let place = asked.place(db.prepare_cached(&total)?.query_row([id], |row| row.get(0))?);
        // What lies before the page is skipped within the index.
        let mut statement = db.prepare_cached(&format!(
            "SELECT items.*, resources.attributes AS resource_attributes
             FROM (SELECT id FROM items WHERE {column} = ?1 ORDER BY time_ns, id LIMIT ?2 OFFSET ?3) AS shown
             JOIN items ON items.id = shown.id LEFT JOIN resources ON resources.id = items.resource
             ORDER BY time_ns, items.id"
        ))?;
        let rows = statement.query_map(params![id, place.per_page, place.before()], item)?;
        Ok(Part { entries: rows.collect::<Result<_, _>>()?, place })
    }

    /// The records of a trace, as many as one page may have.
    pub(crate) fn whole_trace(&self, id: &str) -> Result<Vec<Item>> {
        Ok(self.items(Of::Trace(id), Asked::of(&HashMap::new(), MAX_PER_PAGE))?.entries)
    }

    /// The first plausible time of the records of a session, or of those without one.
    pub(crate) fn start(&self, session: &str) -> Result<Option<i64>> {
        let db = self.db();
        let mut statement =
            db.prepare_cached("SELECT min(time_ns) FROM items WHERE session = ?1 AND time_ns BETWEEN ?2 AND ?3")?;
        let bounds = params![session, PLAUSIBLE.start, PLAUSIBLE.end - 1];
        Ok(statement.query_row(bounds, |row| row.get(0))?)
    }

    /// How many records belong to no session.
    pub(crate) fn without_session(&self) -> Result<u64> {
        let db = self.db();
        let mut statement = db.prepare_cached("SELECT count(*) FROM items WHERE session = ''")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The session of a record. `None` if there is no such record.
    pub(crate) fn session_of(&self, record: i64) -> Result<Option<String>> {
        self.id_of(record, "SELECT session FROM items WHERE id = ?1")
    }

    /// The trace of a record. `None` if there is no such record.
    pub(crate) fn trace_of(&self, record: i64) -> Result<Option<String>> {
        self.id_of(record, "SELECT trace FROM items WHERE id = ?1")
    }

    fn id_of(&self, record: i64, sql: &str) -> Result<Option<String>> {
        Ok(self.db().prepare_cached(sql)?.query_row([record], |row| row.get(0)).optional()?)
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let json = |column: &str| -> rusqlite::Result<String> { row.get(column) };
    let (attributes, events, more) = (json("attributes")?, json("events")?, json("more")?);
    let resource: Option<String> = row.get("resource_attributes")?;
    let signal: String = row.get("signal")?;
    Ok(Item {
        id: row.get("id")?,
        signal: Signal::from_name(&signal),
        time_ns: row.get("time_ns")?,
        end_ns: row.get("end_ns")?,
        service: row.get("service")?,
        resource: resource.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        scope: row.get("scope")?,
        session: row.get("session")?,
        trace: row.get("trace")?,
        span: row.get("span")?,
        parent: row.get("parent")?,
        name: row.get("name")?,
        severity: row.get("severity")?,
        body: row.get("body")?,
        event_id: row.get::<_, Option<String>>("event_id")?.unwrap_or_default(),
        attributes: serde_json::from_str(&attributes).unwrap_or_default(),
        events: serde_json::from_str(&events).unwrap_or_default(),
        more: serde_json::from_str(&more).unwrap_or_default(),
    })
}
