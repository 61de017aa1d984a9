//! What the inspector has received, in SQLite: a file that outlives it, or memory.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use throughline::event::Severity;
use throughline::names::VIEW_VERSION;

/// OTLP's severity number from which a record is an error. A failed span, which has no severity of
/// its own, is stored with it.
pub(super) const SEVERITY_ERROR: i32 = Severity::Error as i32;
/// Sessions that the list shows, the newest first.
const MAX_SESSIONS: u32 = 500;
/// Records that a page of one session or trace shows.
const MAX_ITEMS: u32 = 5_000;

/// What a record is in OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signal {
    #[default]
    Log,
    Span,
    Metric,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Span => "span",
            Self::Metric => "metric",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "log" => Self::Log,
            "span" => Self::Span,
            _ => Self::Metric,
        }
    }
}

/// One received log record, span or data point. A text that a record does not have is empty.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Item {
    pub(crate) signal: Signal,
    /// Nanoseconds since the Unix epoch; of a span, its start.
    pub(crate) time_ns: i64,
    /// End of a span; for everything else the same as `time_ns`.
    pub(crate) end_ns: i64,
    pub(crate) service: String,
    /// The attributes of the resource that the record came with: service, app, device.
    pub(crate) resource: Value,
    /// The instrumentation scope: of a log line, its logger.
    pub(crate) scope: String,
    pub(crate) session: String,
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    /// OTLP's severity number.
    pub(crate) severity: i32,
    pub(crate) body: String,
    pub(crate) event_id: String,
    pub(crate) attributes: Value,
    /// The events of a span.
    pub(crate) events: Vec<SpanEvent>,
}

impl Item {
    /// The number of the snapshot, of a view; else 0.
    pub(super) fn version(&self) -> u64 {
        version(&self.attributes)
    }

    pub(super) fn is_error(&self) -> bool {
        self.severity >= SEVERITY_ERROR
    }
}

fn version(attributes: &Value) -> u64 {
    attributes.get(VIEW_VERSION).and_then(Value::as_u64).unwrap_or(0)
}

/// Something that happened during a span.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SpanEvent {
    pub(crate) name: String,
    /// Nanoseconds after the start of the span.
    pub(crate) after_ns: i64,
    pub(crate) attributes: Value,
}

/// A session in the list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) items: u64,
    pub(crate) errors: u64,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
}

/// Counts for `/metrics` and the page.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Stats {
    pub(crate) logs: u64,
    pub(crate) spans: u64,
    pub(crate) metrics: u64,
    pub(crate) duplicates: u64,
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    /// Grows with every change. The page polls it and reloads itself when it differs.
    pub(crate) version: u64,
}

/// All records, and the counts of this run.
#[derive(Debug)]
pub(crate) struct Received {
    db: Mutex<Connection>,
    stats: Mutex<Stats>,
}

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS items(
    id INTEGER PRIMARY KEY, signal TEXT NOT NULL, time_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, service TEXT NOT NULL,
    session TEXT NOT NULL, trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
    severity INTEGER NOT NULL, body TEXT NOT NULL, event_id TEXT, attributes TEXT NOT NULL, events TEXT NOT NULL DEFAULT '[]',
    resource INTEGER NOT NULL DEFAULT 0, scope TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS resources(id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE);
CREATE UNIQUE INDEX IF NOT EXISTS by_event ON items(event_id) WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_session ON items(session, time_ns);
CREATE INDEX IF NOT EXISTS by_trace ON items(trace, time_ns);
";

/// Columns that files of earlier versions lack.
const LATER_COLUMNS: [(&str, &str); 3] = [
    ("events", "TEXT NOT NULL DEFAULT '[]'"),
    ("resource", "INTEGER NOT NULL DEFAULT 0"),
    ("scope", "TEXT NOT NULL DEFAULT ''"),
];

impl Received {
    /// Opens a file, creating it if needed; without a path, a database in memory.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let db = match path {
            Some(path) => Connection::open(path).with_context(|| format!("opening {}", path.display()))?,
            None => Connection::open_in_memory()?,
        };
        db.execute_batch(SCHEMA)?;
        for (name, definition) in LATER_COLUMNS {
            if db.prepare(&format!("SELECT {name} FROM items")).is_err() {
                db.execute_batch(&format!("ALTER TABLE items ADD COLUMN {name} {definition}"))?;
            }
        }
        let count = |signal: Signal| {
            db.query_row("SELECT count(*) FROM items WHERE signal = ?1", [signal.name()], |row| row.get(0))
        };
        let stats = Stats {
            logs: count(Signal::Log)?,
            spans: count(Signal::Span)?,
            metrics: count(Signal::Metric)?,
            ..Stats::default()
        };
        Ok(Self { db: Mutex::new(db), stats: Mutex::new(stats) })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats_mut(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> Stats {
        *self.stats_mut()
    }

    /// Counts a request that could not be read.
    pub(crate) fn count_refused(&self) {
        let mut stats = self.stats_mut();
        stats.requests += 1;
        stats.refused += 1;
    }

    /// Stores the items of one request in one transaction. An item whose event id has been stored
    /// before is counted as a duplicate and left out, unless it is a newer snapshot of a view that
    /// was open: that takes the place of the older one.
    pub(crate) fn insert(&self, items: &[Item]) -> Result<()> {
        let mut inserted = Vec::with_capacity(items.len());
        {
            let mut db = self.db();
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO items(signal, time_ns, end_ns, service, session, trace, span, parent, name,
                     severity, body, event_id, attributes, events, resource, scope)
                     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                            (SELECT id FROM resources WHERE attributes = ?15), ?16)",
                )?;
                let mut insert_resource =
                    transaction.prepare_cached("INSERT OR IGNORE INTO resources(attributes) VALUES(?1)")?;
                let mut older = transaction.prepare_cached("SELECT attributes FROM items WHERE event_id = ?1")?;
                let mut replace = transaction.prepare_cached("DELETE FROM items WHERE event_id = ?1")?;
                for item in items {
                    let known: Option<String> = match item.version() {
                        0 => None,
                        _ => older.query_row([&item.event_id], |row| row.get(0)).optional()?,
                    };
                    let known = known.map(|text| serde_json::from_str(&text).unwrap_or_default());
                    let is_newer = known.is_some_and(|known| version(&known) < item.version());
                    if is_newer {
                        replace.execute([&item.event_id])?;
                    }
                    let event_id = (!item.event_id.is_empty()).then_some(&item.event_id);
                    let resource = item.resource.to_string();
                    insert_resource.execute([&resource])?;
                    let rows = insert.execute(params![
                        item.signal.name(),
                        item.time_ns,
                        item.end_ns,
                        item.service,
                        item.session,
                        item.trace,
                        item.span,
                        item.parent,
                        item.name,
                        item.severity,
                        item.body,
                        event_id,
                        item.attributes.to_string(),
                        serde_json::to_string(&item.events)?,
                        resource,
                        item.scope
                    ])?;
                    if !is_newer {
                        inserted.push((rows > 0).then_some(item.signal));
                    }
                }
            }
            transaction.commit()?;
        }
        let mut stats = self.stats_mut();
        stats.requests += 1;
        stats.version += 1;
        for signal in inserted {
            match signal {
                None => stats.duplicates += 1,
                Some(Signal::Log) => stats.logs += 1,
                Some(Signal::Span) => stats.spans += 1,
                Some(Signal::Metric) => stats.metrics += 1,
            }
        }
        Ok(())
    }

    /// The sessions, the newest first.
    pub(crate) fn sessions(&self) -> Result<Vec<SessionRow>> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT session, min(service), count(*), sum(severity >= ?1), min(time_ns), max(end_ns) FROM items
             WHERE session != '' GROUP BY session ORDER BY min(time_ns) DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![SEVERITY_ERROR, MAX_SESSIONS], |row| {
            Ok(SessionRow {
                id: row.get(0)?,
                service: row.get(1)?,
                items: row.get(2)?,
                errors: row.get(3)?,
                first_ns: row.get(4)?,
                last_ns: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The items of a session, ordered by time.
    pub(crate) fn session(&self, id: &str) -> Result<Vec<Item>> {
        self.select("session", id)
    }

    /// The items of a trace, ordered by time.
    pub(crate) fn trace(&self, id: &str) -> Result<Vec<Item>> {
        self.select("trace", id)
    }

    fn select(&self, column: &str, id: &str) -> Result<Vec<Item>> {
        let sql = format!(
            "SELECT items.*, resources.attributes AS resource_attributes
             FROM items LEFT JOIN resources ON resources.id = items.resource
             WHERE {column} = ?1 ORDER BY time_ns, items.id LIMIT ?2"
        );
        let db = self.db();
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![id, MAX_ITEMS], item)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether an event has arrived.
    pub(crate) fn has_event(&self, id: &str) -> Result<bool> {
        let db = self.db();
        let mut statement = db.prepare_cached("SELECT 1 FROM items WHERE event_id = ?1")?;
        Ok(statement.query_row([id], |_| Ok(())).optional()?.is_some())
    }

    /// How many records one service has sent.
    pub(crate) fn count_service(&self, service: &str) -> Result<u64> {
        let db = self.db();
        Ok(db.query_row("SELECT count(*) FROM items WHERE service = ?1", [service], |row| row.get(0))?)
    }

    /// Whether the database answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.db().query_row("SELECT 1", [], |_| Ok(())).is_ok()
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let signal: String = row.get("signal")?;
    let attributes: String = row.get("attributes")?;
    let events: String = row.get("events")?;
    let resource: Option<String> = row.get("resource_attributes")?;
    Ok(Item {
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
    })
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;
    use crate::inspect::page;

    #[test]
    fn of_a_view_that_is_open_the_last_version_is_shown_whatever_comes_last() {
        let received = Received::open(None).unwrap();
        let snapshot = |version: u64| Item {
            session: "s".into(),
            event_id: "e1".into(),
            attributes: serde_json::json!({ VIEW_VERSION: version }),
            ..Item::default()
        };
        for version in [1, 3, 2, 3] {
            received.insert(&[snapshot(version)]).unwrap();
        }
        let items = received.session("s").unwrap();
        assert_eq!(items.iter().map(Item::version).collect::<Vec<_>>(), [3]);
        assert_eq!((received.stats().logs, received.stats().duplicates), (1, 2));
    }

    #[test]
    fn a_time_that_an_earlier_version_has_stored_wrongly_makes_no_page_fail() {
        let received = Received::open(None).unwrap();
        let at = |time_ns: i64, end_ns: i64| Item {
            session: "s".into(),
            trace: "t".into(),
            time_ns,
            end_ns,
            ..Item::default()
        };
        received.insert(&[at(i64::MIN, i64::MAX), at(i64::MAX, i64::MIN), at(-1, 1)]).unwrap();
        let (stats, items) = (received.stats(), received.session("s").unwrap());
        page::Sessions::new(stats, received.sessions().unwrap()).render().unwrap();
        page::Session::new(stats, "s".into(), &items).render().unwrap();
        page::Trace::new(stats, "t".into(), &received.trace("t").unwrap()).render().unwrap();
    }

    #[test]
    fn a_file_of_an_earlier_version_is_continued() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("items.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch(
            "CREATE TABLE items(
                id INTEGER PRIMARY KEY, signal TEXT NOT NULL, time_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, service TEXT NOT NULL,
                session TEXT NOT NULL, trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
                severity INTEGER NOT NULL, body TEXT NOT NULL, event_id TEXT, attributes TEXT NOT NULL);
             INSERT INTO items VALUES(1, 'log', 1, 1, 'shop', 's', '', '', '', 'old', 0, '', 'e1', '{\"k\":1}');",
        )
        .unwrap();
        drop(db);
        for _ in 0..2 {
            let received = Received::open(Some(&file)).unwrap();
            let event = SpanEvent { name: "connectEnd".into(), after_ns: 7, attributes: Value::Null };
            let new = Item {
                signal: Signal::Span,
                time_ns: 2,
                session: "s".into(),
                event_id: "e2".into(),
                resource: serde_json::json!({"service.name": "shop"}),
                events: vec![event],
                ..Item::default()
            };
            received.insert(&[new]).unwrap();
            let items = received.session("s").unwrap();
            assert_eq!(items.len(), 2);
            assert_eq!(
                (items[0].attributes["k"].as_i64(), &items[0].resource, items[0].events.len()),
                (Some(1), &Value::Null, 0)
            );
            assert_eq!((items[1].resource["service.name"].as_str(), items[1].events[0].after_ns), (Some("shop"), 7));
        }
    }
}
