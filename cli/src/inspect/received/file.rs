//! The database: its tables, and the file that it may be kept in.
//!
//! A file that is not the inspector's own is never written to. What it is, is read from its header
//! without SQLite, which would already write beside it, or finish what another program has begun.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// `application_id` of the file: "TLI1".
const APPLICATION_ID: i32 = 0x544c_4931;
/// `application_id` of the queue of an app: "TLQ1".
const QUEUE: i32 = 0x544c_5131;
/// `user_version` of the tables below. A file of an earlier version lacks some of them.
const VERSION: i32 = 1;

/// What a database of SQLite begins with (<https://sqlite.org/fileformat2.html>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where its header has `user_version` and `application_id`, big-endian.
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;
/// Length of the header.
const HEADER: usize = 100;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS items(
    id INTEGER PRIMARY KEY, signal TEXT NOT NULL, time_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, service TEXT NOT NULL,
    session TEXT NOT NULL, trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
    severity INTEGER NOT NULL, body TEXT NOT NULL, event_id TEXT, attributes TEXT NOT NULL, events TEXT NOT NULL DEFAULT '[]',
    resource INTEGER NOT NULL DEFAULT 0, scope TEXT NOT NULL DEFAULT '', more TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS resources(id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE);
CREATE UNIQUE INDEX IF NOT EXISTS by_event ON items(event_id) WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_session ON items(session, time_ns);
CREATE INDEX IF NOT EXISTS by_trace ON items(trace, time_ns);
-- The list of sessions is read from this index alone.
CREATE INDEX IF NOT EXISTS of_sessions ON items(session, time_ns, end_ns, severity, service);
";
/// The columns of `items` in files of the first version, which have no `application_id`.
const FIRST_COLUMNS: [&str; 14] = [
    "id",
    "signal",
    "time_ns",
    "end_ns",
    "service",
    "session",
    "trace",
    "span",
    "parent",
    "name",
    "severity",
    "body",
    "event_id",
    "attributes",
];
/// Columns that files of earlier versions lack.
const LATER_COLUMNS: [(&str, &str); 4] = [
    ("events", "TEXT NOT NULL DEFAULT '[]'"),
    ("resource", "INTEGER NOT NULL DEFAULT 0"),
    ("scope", "TEXT NOT NULL DEFAULT ''"),
    ("more", "TEXT NOT NULL DEFAULT '{}'"),
];
/// Everything that a file without an `application_id` may hold.
const FIRST_NAMES: [&str; 5] = ["items", "resources", "by_event", "by_session", "by_trace"];

/// Opens a file, creating it if needed; without a path, a database in memory.
pub(super) fn open(path: Option<&Path>) -> Result<Connection> {
    let db = match path {
        None => Connection::open_in_memory()?,
        Some(path) => {
            // SQLite has a meaning of its own for `:memory:`, `file:…` and an empty name. An
            // absolute path is none of them.
            let path = &std::path::absolute(path).context("--store needs the name of a file")?;
            recognise(path)?;
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .with_context(|| format!("opening {}", path.display()))?;
            ensure!(!db.is_readonly("main")?, "{} cannot be written", path.display());
            db
        }
    };
    let what = || path.map_or("the database in memory".to_owned(), |path| path.display().to_string());
    prepare(&db).with_context(|| format!("preparing {}", what()))?;
    Ok(db)
}

/// The file of a store, as it was opened. SQLite goes on writing into a file that was deleted, and
/// everything in it is gone at the end.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl StoreFile {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::metadata(&path).with_context(|| format!("looking at {}", path.display()))?);
        Ok(Self { path, identity })
    }

    /// Fails if the file was deleted, or if another one has taken its place.
    pub(super) fn ensure_in_place(&self) -> Result<()> {
        let is_in_place = fs::metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity);
        ensure!(is_in_place, "the store {} was deleted or replaced; start the inspector again", self.path.display());
        Ok(())
    }
}

/// What tells a file from others, whatever their names.
#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere a file that is open cannot be deleted.
#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// Makes the tables. The file says whose it is before it has a log (WAL), so that its header always
/// does.
fn prepare(db: &Connection) -> Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    // Columns first: an index may need one.
    let columns = columns(db, "items")?;
    for (name, definition) in LATER_COLUMNS.iter().filter(|_| !columns.is_empty()) {
        if !columns.iter().any(|known| known == name) {
            db.execute_batch(&format!("ALTER TABLE items ADD COLUMN {name} {definition}"))?;
        }
    }
    db.execute_batch(TABLES)?;
    db.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;
         PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    ))?;
    Ok(())
}

/// Fails unless the file is missing or empty, or the inspector's own.
fn recognise(path: &Path) -> Result<()> {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        let parent = path.parent().filter(|parent| !parent.is_dir());
        return parent.map_or(Ok(()), |parent| bail!("there is no directory {} for --store", parent.display()));
    };
    ensure!(metadata.is_file(), "{shown} is no file");
    let mut header = Vec::with_capacity(HEADER);
    let file = File::open(path).with_context(|| format!("opening {shown}"))?;
    file.take(HEADER as u64).read_to_end(&mut header).with_context(|| format!("reading {shown}"))?;
    if header.is_empty() {
        return Ok(());
    }
    ensure!(
        header.len() == HEADER && header.starts_with(MAGIC),
        "{shown} is no database of SQLite; it was left as it is. Choose another file for --store"
    );
    let said = (number(&header, APPLICATION_ID_AT), number(&header, USER_VERSION_AT));
    // What the header does not say may still stand in the log (WAL).
    let (said, is_first) = if said == (0, 0) { look(path)? } else { (said, false) };
    match said {
        (APPLICATION_ID, 1..=VERSION) => Ok(()),
        (APPLICATION_ID, version) => bail!(
            "{shown} was written by another version of the inspector, in its format {version}; this one knows {VERSION}"
        ),
        (0, 0) if is_first => Ok(()),
        (QUEUE, _) => bail!("{shown} is the queue of an app and not a store of the inspector; it was left as it is"),
        _ => bail!("{shown} is the database of another program; it was left as it is. Choose another file for --store"),
    }
}

fn number(header: &[u8], at: usize) -> i32 {
    let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, i32::from_be_bytes)
}

/// What a database says it is, its log (WAL) included: its `application_id` and `user_version`, and
/// whether it holds nothing or exactly what the inspector made before it wrote those. Neither the
/// file nor its log is written to.
fn look(path: &Path) -> Result<((i32, i32), bool)> {
    let db = open_to_look(path).with_context(|| format!("opening {}", path.display()))?;
    let said = |name: &str| db.pragma_query_value(None, name, |row| row.get(0));
    let said = (said("application_id")?, said("user_version")?);
    Ok((said, is_first_version(&db)?))
}

fn is_first_version(db: &Connection) -> Result<bool> {
    let names =
        |sql: &str| -> rusqlite::Result<Vec<String>> { db.prepare(sql)?.query_map([], |row| row.get(0))?.collect() };
    let all = names("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    if all.is_empty() {
        return Ok(true);
    }
    let is_known = all.iter().all(|name| FIRST_NAMES.contains(&name.as_str()));
    let columns = columns(db, "items")?;
    let (first, later) = columns.split_at_checked(FIRST_COLUMNS.len()).unwrap_or_default();
    let is_later = |name: &String| LATER_COLUMNS.iter().any(|(known, _)| known == name);
    let resources = self::columns(db, "resources")?;
    let are_resources = resources.is_empty() || resources == ["id", "attributes"];
    Ok(is_known && first == FIRST_COLUMNS && later.iter().all(is_later) && are_resources)
}

fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// A connection that writes nothing. Where nothing waits in the log (WAL), SQLite is told that the
/// file does not change, and so does not even lock it.
fn open_to_look(path: &Path) -> Result<Connection> {
    let log = PathBuf::from({
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        name
    });
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if has_log {
        let db = Connection::open_with_flags(path, flags)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        return Ok(db);
    }
    let path = fs::canonicalize(path)?;
    let path = path.to_str().context("its path is no text")?;
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let uri = format!("file:{escaped}?immutable=1");
    Ok(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?)
}
