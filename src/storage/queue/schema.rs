//! Opening the database: settings with their reasons, tables, versions.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::QueueError;
use crate::model::event::Lane;

/// `application_id`: "TLQ1".
pub(super) const APPLICATION_ID: i32 = 0x544c_5131;
/// `user_version` of this schema.
pub(super) const VERSION: i32 = 1;
/// Below this version SQLite has the WAL-reset corruption bug (fixed in 3.51.3).
pub(super) const MIN_SQLITE: i32 = 3_051_003;
/// Name of the database's file.
pub const FILE: &str = "queue.db";

/// Every file that SQLite may make.
pub(super) const FILES: [&str; 3] = ["queue.db", "queue.db-wal", "queue.db-shm"];

/// The table of a lane. One each, so that every lane is only ever appended to: pages fill up, and none is split.
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

/// Opens or creates the database in `dir`.
///
/// # Errors
/// `Newer` when a later version of the core wrote it; `Corrupt` when it is no database of ours; `Locked` when the system
/// denies access for now.
pub(super) fn open(dir: &Path, max_bytes: u64) -> Result<Connection, QueueError> {
    if rusqlite::version_number() < MIN_SQLITE {
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
        (APPLICATION_ID, VERSION) => {}
        (APPLICATION_ID, newer) if newer > VERSION => return Err(QueueError::Newer(newer)),
        _ => {
            return Err(QueueError::Corrupt(format!("foreign database: application {application}, version {version}")));
        }
    }
    Ok(db)
}

/// Applies the connection's settings.
fn settings(db: &Connection, max_bytes: u64) -> Result<(), QueueError> {
    // Before the first table, or they have no effect. Incremental vacuum gives space back without rewriting the file.
    db.pragma_update(None, "page_size", 4096)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // One process, one connection: the WAL index lives on the heap, there is no `-shm` file to be truncated under us, and
    // the class of bugs that needs two connections is out.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(QueueError::Locked(format!("journal mode is `{mode}`, not WAL")));
    }
    // 256 KiB: short checkpoints, a small file.
    db.pragma_update(None, "wal_autocheckpoint", 64)?;
    db.pragma_update(None, "journal_size_limit", 256 * 1024)?;
    // A committed row survives the death of the process; losing power may undo the newest commits, never corrupt.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    #[cfg(target_vendor = "apple")]
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Mapped I/O would turn a disk error into a SIGBUS.
    db.pragma_update(None, "mmap_size", 0)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    // Android has no directory for temporary files that SQLite would find.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -256)?;
    db.pragma_update(None, "busy_timeout", 2000)?;
    db.pragma_update(None, "max_page_count", (max_bytes / 4096 * 3 / 2).max(512) as i64)?;
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true);
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false);
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false);
    db.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn create(db: &Connection) -> Result<(), QueueError> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}
