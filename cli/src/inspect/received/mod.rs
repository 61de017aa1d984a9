//! What the inspector has received, in SQLite: a file that outlives it, or memory.

mod file;
mod pages;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use throughline::event::Severity;
use throughline::names::semconv::EVENT_CRASH;
use throughline::names::{EVENT_ANR, EVENT_HANG, EVENT_OOM, VIEW_VERSION};

use file::StoreFile;

pub(crate) use pages::{Asked, Of, Part, Place, SessionRow, plausible};

/// OTLP's severity number from which a record is an error. A failed span, which has no severity of
/// its own, is stored with it.
pub(super) const SEVERITY_ERROR: i32 = Severity::Error as i32;
/// What the column `event_id` of a span without an id begins with; see [`key`].
const SPAN_KEY: &str = "span:";

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
    /// The attributes of the resource that the record came with: service, app, device. All records
    /// of a resource share them: a large resource of many records would fill the memory.
    #[serde(serialize_with = "shared")]
    pub(crate) resource: Arc<Value>,
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

/// Whether a record is about the end of a process.
pub(super) fn is_fatal(item: &Item) -> bool {
    [EVENT_CRASH, EVENT_HANG, EVENT_ANR, EVENT_OOM].contains(&item.name.as_str())
}

fn shared<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(serializer)
}

/// What tells a record from all others, in the column `event_id`. A span without an id of its own
/// is told by its content: a client that has waited too long for the answer sends it once more.
fn key(item: &Item) -> Option<String> {
    if !item.event_id.is_empty() {
        return Some(item.event_id.clone());
    }
    if item.signal != Signal::Span || item.trace.is_empty() || item.span.is_empty() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    let times = (item.time_ns, item.end_ns, item.severity);
    let texts = (&item.service, &item.scope, &item.parent, &item.name, &item.body);
    let rest = (item.attributes.to_string(), serde_json::to_string(&(&item.events, &item.more)).unwrap_or_default());
    (times, texts, rest).hash(&mut hasher);
    Some(format!("{SPAN_KEY}{}:{}:{:016x}", item.trace, item.span, hasher.finish()))
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
    /// Grows with every change. The page polls it and reloads itself when it differs. It begins at
    /// the time of the start, so that a page of an earlier run does not take it for its own.
    pub(crate) version: u64,
}

/// How far the counts go.
#[derive(Debug)]
struct Counted {
    stats: Stats,
    /// The largest number of a record that is counted.
    last: i64,
    /// SQLite's `data_version`: it changes when another process has written to the file.
    of_others: i64,
    last_refusal: String,
}

/// All records, and the counts of this run.
#[derive(Debug)]
pub(crate) struct Received {
    db: Mutex<Connection>,
    counted: Mutex<Counted>,
    /// The file that the records are kept in; `None` in memory.
    file: Option<StoreFile>,
}

impl Received {
    /// Opens a file of the inspector, creating it if needed; without a path, a database in memory.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let db = file::open(path)?;
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let version = u64::try_from(start.as_millis()).unwrap_or_default();
        let stats = Stats { version, ..Stats::default() };
        let mut counted = Counted { stats, last: 0, of_others: 0, last_refusal: String::new() };
        count(&db, &mut counted)?;
        counted.stats.version = version;
        let file = path.map(StoreFile::of).transpose()?;
        Ok(Self { db: Mutex::new(db), counted: Mutex::new(counted), file })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts. Records that another inspector has stored in the same file are among them.
    pub(crate) fn stats(&self) -> Stats {
        let db = self.db();
        let mut counted = self.counted();
        // If the database does not answer, its readers learn it from what they ask for.
        let _ = count(&db, &mut counted);
        counted.stats
    }

    /// Counts a request that was refused. Pages say it at once: nothing else may arrive.
    pub(crate) fn count_refused(&self, why: String) {
        let mut counted = self.counted();
        counted.last_refusal = why;
        let stats = &mut counted.stats;
        stats.requests += 1;
        stats.refused += 1;
        stats.version += 1;
    }

    /// Why the last request was refused that was; empty if none was.
    pub(crate) fn last_refusal(&self) -> String {
        self.counted().last_refusal.clone()
    }

    /// Stores the items of one request in one transaction. An item that has been stored before is
    /// counted as a duplicate and left out, unless it is a newer snapshot of a view that was open:
    /// that takes the place of the older one.
    /// `rejected` is the number of records that could not be made an item.
    pub(crate) fn insert(&self, items: &[Item], rejected: u64) -> Result<()> {
        if let Some(file) = &self.file {
            file.ensure_in_place()?;
        }
        let mut db = self.db();
        // At once: a transaction that has read before it writes does not wait for another process.
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let duplicates = store(&transaction, items)?;
        transaction.commit()?;
        let stats = &mut self.counted().stats;
        stats.requests += 1;
        stats.rejected += rejected;
        stats.duplicates += duplicates;
        stats.version += 1;
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
        let is_in_place = self.file.as_ref().is_none_or(|file| file.ensure_in_place().is_ok());
        is_in_place && self.db().query_row("SELECT 1", [], |_| Ok(())).is_ok()
    }
}

/// Stores items, and returns how many of them were known.
fn store(transaction: &Transaction<'_>, items: &[Item]) -> Result<u64> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO items(id, signal, time_ns, end_ns, service, session, trace, span, parent, name,
         severity, body, event_id, attributes, events, resource, scope, more)
         VALUES(?18, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    let mut older = transaction.prepare_cached("SELECT id, attributes FROM items WHERE event_id = ?1")?;
    let mut replace = transaction.prepare_cached("DELETE FROM items WHERE event_id = ?1")?;
    let mut duplicates = 0;
    let mut resource: Option<(&Arc<Value>, i64)> = None;
    for item in items {
        let known: Option<(i64, String)> = match item.version() {
            0 => None,
            _ => older.query_row([&item.event_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?,
        };
        // A newer snapshot keeps the number of the one before, and so its place in a page that
        // someone reads.
        let replaced = known.and_then(|(id, text)| {
            let known = serde_json::from_str(&text).unwrap_or_default();
            (version(&known) < item.version()).then_some(id)
        });
        if replaced.is_some() {
            replace.execute([&item.event_id])?;
        }
        let resource_id = match resource {
            Some((last, id)) if Arc::ptr_eq(last, &item.resource) => id,
            _ => resource_id(transaction, &item.resource)?,
        };
        resource = Some((&item.resource, resource_id));
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
            key(item),
            item.attributes.to_string(),
            serde_json::to_string(&item.events)?,
            resource_id,
            item.scope,
            serde_json::to_string(&item.more)?,
            replaced
        ])?;
        duplicates += u64::from(rows == 0);
    }
    Ok(duplicates)
}

/// The number of a resource, which is stored if it is new.
fn resource_id(transaction: &Transaction<'_>, resource: &Value) -> Result<i64> {
    let text = resource.to_string();
    transaction.prepare_cached("INSERT OR IGNORE INTO resources(attributes) VALUES(?1)")?.execute([&text])?;
    let mut id = transaction.prepare_cached("SELECT id FROM resources WHERE attributes = ?1")?;
    Ok(id.query_row([&text], |row| row.get(0))?)
}

/// Counts the records that have come since the last time. A record that is replaced keeps its
/// number, and a new one has a larger one than all before.
fn count(db: &Connection, counted: &mut Counted) -> Result<()> {
    let of_others = db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    if of_others != counted.of_others {
        counted.of_others = of_others;
        counted.stats.version += 1;
        let last: i64 = db.prepare_cached("SELECT coalesce(max(id), 0) FROM items")?.query_row([], |row| row.get(0))?;
        // Another program has deleted records.
        if last < counted.last {
            counted.last = 0;
            counted.stats = Stats { logs: 0, spans: 0, metrics: 0, ..counted.stats };
        }
    }
    let mut new = db.prepare_cached("SELECT signal, count(*), max(id) FROM items WHERE id > ?1 GROUP BY signal")?;
    let mut rows = new.query([counted.last])?;
    let mut last = counted.last;
    while let Some(row) = rows.next()? {
        let (signal, number, highest): (String, u64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match Signal::from_name(&signal) {
            Signal::Log => counted.stats.logs += number,
            Signal::Span => counted.stats.spans += number,
            Signal::Metric => counted.stats.metrics += number,
        }
        last = last.max(highest);
    }
    counted.last = last;
    Ok(())
}

#[cfg(test)]
mod tests;
