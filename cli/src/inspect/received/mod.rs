//! What the inspector has received, in SQLite: a file that outlives it, or memory.

mod file;
mod pages;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use throughline::event::Severity;
use throughline::names::VIEW_VERSION;

pub(crate) use pages::{Asked, Of, Part, Place, SessionRow, plausible};

/// OTLP's severity number from which a record is an error. A failed span, which has no severity of
/// its own, is stored with it.
pub(super) const SEVERITY_ERROR: i32 = Severity::Error as i32;
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
    /// The number of the record in the database.
    #[serde(skip)]
    pub(crate) id: i64,
    pub(crate) signal: Signal,
    /// Nanoseconds since the Unix epoch; of a span, its start. 0 if the record has no time, and
    /// `i64::MAX` if it does not fit: then `more` has the time that was sent.
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
    /// What has arrived beyond this, under the names of OTLP.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) more: Map<String, Value>,
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
    /// The time that was sent, if it is not plausible. `after_ns` then means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) odd_time: Option<u64>,
    pub(crate) attributes: Value,
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
    /// Records of requests that were taken which could not be kept. Their senders were told.
    pub(crate) rejected: u64,
    /// Grows with every change. The page polls it and reloads itself when it differs.
    pub(crate) version: u64,
}

/// All records, and the counts of this run.
#[derive(Debug)]
pub(crate) struct Received {
    db: Mutex<Connection>,
    stats: Mutex<Stats>,
}

impl Received {
    /// Opens a file of the inspector, creating it if needed; without a path, a database in memory.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let db = file::open(path)?;
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
    /// `rejected` is the number of records that could not be made an item.
    pub(crate) fn insert(&self, items: &[Item], rejected: u64) -> Result<()> {
        let mut inserted = Vec::with_capacity(items.len());
        {
            let mut db = self.db();
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO items(id, signal, time_ns, end_ns, service, session, trace, span, parent, name,
                     severity, body, event_id, attributes, events, resource, scope, more)
                     VALUES(?18, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                            (SELECT id FROM resources WHERE attributes = ?15), ?16, ?17)",
                )?;
                let mut insert_resource =
                    transaction.prepare_cached("INSERT OR IGNORE INTO resources(attributes) VALUES(?1)")?;
                let mut older = transaction.prepare_cached("SELECT id, attributes FROM items WHERE event_id = ?1")?;
                let mut replace = transaction.prepare_cached("DELETE FROM items WHERE event_id = ?1")?;
                for item in items {
                    let known: Option<(i64, String)> = match item.version() {
                        0 => None,
                        _ => older.query_row([&item.event_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?,
                    };
                    // A newer snapshot keeps the number of the one before, and so its place in a
                    // page that someone reads.
                    let replaced = known.and_then(|(id, text)| {
                        let known = serde_json::from_str(&text).unwrap_or_default();
                        (version(&known) < item.version()).then_some(id)
                    });
                    if replaced.is_some() {
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
                        item.scope,
                        serde_json::to_string(&item.more)?,
                        replaced
                    ])?;
                    if replaced.is_none() {
                        inserted.push((rows > 0).then_some(item.signal));
                    }
                }
            }
            transaction.commit()?;
        }
        let mut stats = self.stats_mut();
        stats.requests += 1;
        stats.rejected += rejected;
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

#[cfg(test)]
mod tests;
