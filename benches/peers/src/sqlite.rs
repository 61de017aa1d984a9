//! The limit of draining: the same bytes, inserted into SQLite by hand with the same settings.

use std::time::Instant;

use anyhow::Result;
use rusqlite::Connection;

use crate::disk::directory;

/// The rows per second of a bare insert with 512 rows in a transaction.
pub(crate) fn raw_inserts(payloads: &[Vec<u8>]) -> Result<f64> {
    let dir = directory()?;
    let db = Connection::open(dir.path().join("raw.db"))?;
    db.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 64; PRAGMA journal_size_limit = 262144;
         PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -256;
         CREATE TABLE events(seq INTEGER PRIMARY KEY, lane INTEGER, payload BLOB);",
    )?;
    let started = Instant::now();
    for batch in payloads.chunks(512) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        {
            let mut insert = db.prepare_cached("INSERT INTO events(lane, payload) VALUES(2, ?1)")?;
            for payload in batch {
                insert.execute([payload])?;
            }
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(payloads.len() as f64 / started.elapsed().as_secs_f64())
}
