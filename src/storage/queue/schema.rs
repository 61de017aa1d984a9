//! Opens the database: its tables, its versions, and its settings with their reasons.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::QueueError;
use crate::model::event::Lane;
use crate::model::limits::{
    DB_BUSY_TIMEOUT, DB_CACHE_KIB, DB_MIN_PAGES, DB_PAGE_BYTES, DB_STATEMENTS, WAL_BYTES, WAL_CHECKPOINT_PAGES,
};

/// `application_id` of the file: "TLQ1".
const APPLICATION_ID: i32 = 0x544c_5131;
/// `user_version` of this schema.
const VERSION: i32 = 1;
/// The oldest version of SQLite that is used, 3.51.3: older ones can corrupt a database when they
/// reset the WAL.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Name of the database's file.
pub const FILE: &str = "queue.db";
/// Name of its log (WAL).
const LOG: &str = "queue.db-wal";

/// Every file that SQLite may create.
pub(super) const FILES: [&str; 3] = [FILE, LOG, "queue.db-shm"];

/// The table of a lane. Each lane has one of its own, which is only ever appended to: so its pages
/// fill up and are never split.
pub(super) fn table(lane: Lane) -> &'static str {
    match lane {
        Lane::Crash => "lane_crash",
        Lane::Error => "lane_error",
        Lane::Event => "lane_event",
        Lane::Bulk => "lane_bulk",
    }
}

const TABLES: &str = "
CREATE TABLE state(key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE contexts(run INTEGER, version INTEGER, record BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(run, version)) WITHOUT ROWID;
CREATE TABLE held(run INTEGER, n INTEGER, lane INTEGER NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(run, n)) WITHOUT ROWID;
CREATE TABLE pending(id INTEGER PRIMARY KEY, aside INTEGER, run INTEGER NOT NULL, n INTEGER NOT NULL, lane INTEGER NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE lane_crash(seq INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE lane_error(seq INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE lane_event(seq INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE lane_bulk(seq INTEGER PRIMARY KEY, row BLOB NOT NULL);
";

/// What was added to this schema: an older version leaves it alone, and in a database of such a
/// version it is made when that is opened.
const LATER_TABLES: &str = "
CREATE TABLE IF NOT EXISTS trail(run INTEGER, n INTEGER, age INTEGER NOT NULL, crumb TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(run, n)) WITHOUT ROWID;
";

/// Whether the last process that used the database has left a log of changes (WAL): it did not
/// close the database.
pub(super) fn has_log(dir: &Path) -> bool {
    std::fs::metadata(dir.join(LOG)).is_ok_and(|log| log.len() > 0)
}

/// Name of the ballast file.
pub(super) const BALLAST: &str = "ballast";

/// Opens or creates the database in `dir`.
///
/// # Errors
/// `Newer` when a later version of the core wrote the database, `Corrupt` when it is not a database
/// of the queue, and `Locked` when the system denies access for now.
pub(super) fn open(dir: &Path, max_bytes: u64) -> Result<Connection, QueueError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(QueueError::Other(format!("SQLite {} is too old: bundle it", rusqlite::version())));
    }
    let path = dir.join(FILE);
    if let Some(file) = FILES.into_iter().find(|file| dir.join(file).is_dir()) {
        return Err(QueueError::Corrupt(format!("a directory is in the place of `{file}`")));
    }
    let db = Connection::open(path)?;
    settings(&db, max_bytes)?;
    let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    match (application, version) {
        (0, 0) => create(&db)?,
        (APPLICATION_ID, VERSION) => make_later_tables(&db, dir)?,
        (APPLICATION_ID, newer) if newer > VERSION => return Err(QueueError::Newer(newer)),
        _ => {
            return Err(QueueError::Corrupt(format!("foreign database: application {application}, version {version}")));
        }
    }
    Ok(db)
}

/// Makes the tables that a database of an earlier version lacks. On a full disk the ballast is
/// given up for that: without them, nothing would be stored at all.
fn make_later_tables(db: &Connection, dir: &Path) -> Result<(), QueueError> {
    match db.execute_batch(LATER_TABLES).map_err(QueueError::from) {
        Err(QueueError::Full) if std::fs::remove_file(dir.join(BALLAST)).is_ok() => Ok(db.execute_batch(LATER_TABLES)?),
        made => made,
    }
}

/// Applies the settings of the connection. The database may have at most half as many bytes again
/// as the queue.
fn settings(db: &Connection, max_bytes: u64) -> Result<(), QueueError> {
    // Before anything reads the database: a connection that has read it in WAL mode keeps the
    // `-shm` file that it mapped. There is one process with one connection. In this mode the index
    // of the WAL is kept on the heap, so there is no `-shm` file that could be truncated while it
    // is mapped, and the bugs that need a second connection cannot occur.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // These two have an effect only before the first table is made. An incremental vacuum gives
    // space back without writing the whole file anew.
    db.pragma_update(None, "page_size", DB_PAGE_BYTES as i64)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(QueueError::Locked(format!("journal mode is `{mode}`, not WAL")));
    }
    db.pragma_update(None, "wal_autocheckpoint", WAL_CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", WAL_BYTES as i64)?;
    // A committed row survives the death of the process. A loss of power may undo the newest
    // commits, but never corrupts.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // Darwin's `fsync` does not reach the disk; a checkpoint has to.
    #[cfg(target_vendor = "apple")]
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Memory-mapped I/O would turn an error of the disk into a SIGBUS in the app.
    db.pragma_update(None, "mmap_size", 0)?;
    // Damage is found where it is read, not after it has spread.
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    // Android has no directory in which SQLite would look for a place for temporary files.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // A negative number is KiB, a positive one would be pages.
    db.pragma_update(None, "cache_size", -DB_CACHE_KIB)?;
    db.busy_timeout(DB_BUSY_TIMEOUT)?;
    db.pragma_update(None, "max_page_count", (max_bytes / DB_PAGE_BYTES * 3 / 2).max(DB_MIN_PAGES) as i64)?;
    // SQL that is not ours cannot harm the file, and a misspelt column is an error, not a text.
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true);
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false);
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false);
    db.set_prepared_statement_cache_capacity(DB_STATEMENTS);
    Ok(())
}

fn create(db: &Connection) -> Result<(), QueueError> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} {LATER_TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}
