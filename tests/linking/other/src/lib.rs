//! Writes and reads a row with its own SQLite, and says which it is.

/// SQLite's version number, after a row has been written and read. 0 when that failed.
#[unsafe(no_mangle)]
pub extern "C" fn other_sqlite_version() -> i32 {
    let worked = || -> rusqlite::Result<i64> {
        let db = rusqlite::Connection::open_in_memory()?;
        db.execute_batch("CREATE TABLE t(n INTEGER); INSERT INTO t VALUES (41);")?;
        db.query_row("SELECT n + 1 FROM t", [], |row| row.get(0))
    };
    if worked() == Ok(42) { rusqlite::version_number() } else { 0 }
}
