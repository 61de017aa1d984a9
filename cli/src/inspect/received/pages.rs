//! What a page shows of all records: a part of them, and how many there are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;
use throughline::names::STATE_PATH;

use super::{Item, Received, SEVERITY_ERROR, SPAN_KEY, Signal};

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
    /// The number of the last record that the page may show. Who goes from page to page sees what
    /// had arrived at the first one, each entry once.
    until: Option<i64>,
    /// A record that the page has to show, if no page is asked for.
    record: Option<i64>,
}

impl Asked {
    /// Reads `page` (a number from 1, or `last`), `per_page`, `until` and `record`. What makes
    /// no sense is the first page, and everything; a page behind the last is the last.
    pub(crate) fn of(query: &HashMap<String, String>, per_page: u64) -> Self {
        let number = |key: &str| query.get(key).map(|text| number(text));
        let page = if query.get("page").is_some_and(|page| page == "last") { Some(u64::MAX) } else { number("page") };
        let per_page = number("per_page").filter(|number| *number > 0).unwrap_or(per_page);
        let id = |key: &str| number(key).filter(|number| *number > 0).and_then(|number| i64::try_from(number).ok());
        let (until, record) = (id("until"), id("record").filter(|_| page.is_none()));
        Self { page: page.unwrap_or(1).max(1), per_page: per_page.clamp(1, MAX_PER_PAGE), until, record }
    }

    /// The part that this is of the entries that `count` finds in records up to a number.
    fn place(self, db: &Connection, count: impl Fn(i64) -> rusqlite::Result<u64>) -> rusqlite::Result<Place> {
        let last = db.prepare_cached("SELECT coalesce(max(id), 0) FROM items")?.query_row([], |row| row.get(0))?;
        let until = self.until.map_or(last, |until| until.min(last));
        let total = count(until)?;
        let since = if until < last { count(last)?.saturating_sub(total) } else { 0 };
        let pages = total.div_ceil(self.per_page).max(1);
        Ok(Place { page: self.page.min(pages), pages, per_page: self.per_page, total, until, since })
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
    /// The number of the last record that these pages show.
    pub(crate) until: i64,
    /// Entries that have come since.
    pub(crate) since: u64,
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
        let total = "SELECT count(*) FROM (SELECT 1 FROM items WHERE session != '' AND id <= ?1 GROUP BY session)";
        let place = asked.place(&db, |until| db.prepare_cached(total)?.query_row([until], |row| row.get(0)))?;
        let mut statement = db.prepare_cached(
            "SELECT session, coalesce(min(nullif(service, '')), ''), count(*), sum(severity >= ?1),
                 min(CASE WHEN time_ns BETWEEN ?2 AND ?3 THEN time_ns END) AS first,
                 max(CASE WHEN time_ns BETWEEN ?2 AND ?3 THEN time_ns END),
                 max(CASE WHEN end_ns BETWEEN ?2 AND ?3 THEN end_ns END), min(id), max(time_ns != 0)
             FROM items INDEXED BY of_sessions WHERE session != '' AND id <= ?6 GROUP BY session
             ORDER BY first DESC NULLS LAST, session LIMIT ?4 OFFSET ?5",
        )?;
        let bounds =
            params![SEVERITY_ERROR, PLAUSIBLE.start, PLAUSIBLE.end - 1, place.per_page, place.before(), place.until];
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
        let total = format!("SELECT count(*) FROM items WHERE {column} = ?1 AND id <= ?2");
        let mut place =
            asked.place(&db, |until| db.prepare_cached(&total)?.query_row(params![id, until], |row| row.get(0)))?;
        if let Some(record) = asked.record {
            let before = format!(
                "SELECT count(*) FROM items WHERE {column} = ?1 AND id <= ?2
                 AND (time_ns, id) < (SELECT time_ns, id FROM items WHERE id = ?3 AND {column} = ?1)"
            );
            let before: u64 =
                db.prepare_cached(&before)?.query_row(params![id, place.until, record], |row| row.get(0))?;
            place.page = (before / place.per_page + 1).min(place.pages);
        }
        // What lies before the page is skipped within the index.
        let mut statement = db.prepare_cached(&format!(
            "SELECT items.*
             FROM (SELECT id FROM items WHERE {column} = ?1 AND id <= ?4 ORDER BY time_ns, id LIMIT ?2 OFFSET ?3)
                 AS shown
             JOIN items ON items.id = shown.id ORDER BY time_ns, items.id"
        ))?;
        let mut resources = Resources::default();
        let mut rows = statement.query(params![id, place.per_page, place.before(), place.until])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(item(row, resources.get(&db, row.get("resource")?)?)?);
        }
        Ok(Part { entries, place })
    }

    /// The records of a trace, as many as one page may have.
    pub(crate) fn whole_trace(&self, id: &str) -> Result<Vec<Item>> {
        Ok(self.items(Of::Trace(id), Asked::of(&HashMap::new(), MAX_PER_PAGE))?.entries)
    }

    /// A record. `None` if there is none of this number.
    pub(crate) fn record(&self, number: i64) -> Result<Option<Item>> {
        let found = self.items_where("id = ?1", [number])?;
        Ok(found.into_iter().next())
    }

    /// The records of a name, in the order in which they arrived.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<Item>> {
        self.items_where("name = ?1 ORDER BY id", [name])
    }

    /// The last mutations of traced state in a session until a time, the latest first.
    pub(crate) fn mutations(&self, session: &str, until_ns: i64) -> Result<Vec<Item>> {
        let sql = "session = ?1 AND time_ns BETWEEN 1 AND ?2 AND signal = 'log'
                   AND instr(attributes, ?3) ORDER BY time_ns DESC, id DESC LIMIT ?4";
        self.items_where(sql, params![session, until_ns, format!("\"{STATE_PATH}\":"), MAX_PER_PAGE])
    }

    fn items_where(&self, condition: &str, params: impl rusqlite::Params) -> Result<Vec<Item>> {
        let db = self.db();
        let mut statement = db.prepare_cached(&format!("SELECT * FROM items WHERE {condition}"))?;
        let mut resources = Resources::default();
        let mut rows = statement.query(params)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(item(row, resources.get(&db, row.get("resource")?)?)?);
        }
        Ok(entries)
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

/// The resources of a page, each read once.
#[derive(Default)]
struct Resources(HashMap<i64, Arc<Value>>);

impl Resources {
    fn get(&mut self, db: &Connection, id: i64) -> rusqlite::Result<Arc<Value>> {
        let entry = match self.0.entry(id) {
            Entry::Occupied(entry) => return Ok(Arc::clone(entry.get())),
            Entry::Vacant(entry) => entry,
        };
        let mut statement = db.prepare_cached("SELECT attributes FROM resources WHERE id = ?1")?;
        let text: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
        let resource = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(Arc::clone(entry.insert(Arc::new(resource))))
    }
}

fn item(row: &Row<'_>, resource: Arc<Value>) -> rusqlite::Result<Item> {
    let json = |column: &str| -> rusqlite::Result<String> { row.get(column) };
    let (attributes, events, more) = (json("attributes")?, json("events")?, json("more")?);
    let event_id = row.get::<_, Option<String>>("event_id")?.filter(|key| !key.starts_with(SPAN_KEY));
    let signal: String = row.get("signal")?;
    Ok(Item {
        id: row.get("id")?,
        signal: Signal::from_name(&signal),
        time_ns: row.get("time_ns")?,
        end_ns: row.get("end_ns")?,
        service: row.get("service")?,
        resource,
        scope: row.get("scope")?,
        session: row.get("session")?,
        trace: row.get("trace")?,
        span: row.get("span")?,
        parent: row.get("parent")?,
        name: row.get("name")?,
        severity: row.get("severity")?,
        body: row.get("body")?,
        event_id: event_id.unwrap_or_default(),
        attributes: serde_json::from_str(&attributes).unwrap_or_default(),
        events: serde_json::from_str(&events).unwrap_or_default(),
        more: serde_json::from_str(&more).unwrap_or_default(),
    })
}
