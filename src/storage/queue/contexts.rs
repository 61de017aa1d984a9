//! Contexts and scopes: records that events refer to by their version. They are stored before the
//! first event that needs them, and kept as long as any event may refer to them.

use rusqlite::{Connection, OptionalExtension, params};

use super::row::record_crc;
use super::{Queue, QueueError};
use crate::model::limits::{CONTEXT_COLUMNS_BYTES, DB_PAGE_BYTES, INDEX_PAYLOAD_BYTES};

/// Stores a context or scope of a run, and adds what it takes to `bytes`. A version that is known
/// is left as it is.
pub(super) fn insert(
    db: &Connection,
    bytes: &mut u64,
    run: u32,
    version: u64,
    record: &[u8],
) -> Result<(), QueueError> {
    insert_checked(db, bytes, (run, version), record, record_crc(run, version, record))
}

/// Stores a context whose checksum has been taken.
pub(super) fn insert_checked(
    db: &Connection,
    bytes: &mut u64,
    (run, version): (u32, u64),
    record: &[u8],
    crc: u32,
) -> Result<(), QueueError> {
    let added = db
        .prepare_cached("INSERT OR IGNORE INTO contexts(run, version, record, crc) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![run, version, record, crc])?;
    if added > 0 {
        *bytes += cost(record.len() as u64);
    }
    Ok(())
}

/// The bytes of the database that all contexts take.
pub(super) fn bytes(db: &Connection) -> Result<u64, QueueError> {
    let mut statement = db.prepare_cached("SELECT length(record) FROM contexts")?;
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += cost(row.get(0)?);
    }
    Ok(bytes)
}

/// The bytes of the database that a context of this length takes. A quarter of the pages stays
/// empty. A longer context has pages of its own, of which the last may be nearly empty.
pub(super) fn cost(length: u64) -> u64 {
    let payload = length + CONTEXT_COLUMNS_BYTES;
    let (local, pages) = match payload.checked_sub(INDEX_PAYLOAD_BYTES) {
        None => (payload, 0),
        Some(_) => (INDEX_PAYLOAD_BYTES, (payload - INDEX_PAYLOAD_BYTES / 2).div_ceil(DB_PAGE_BYTES - 4)),
    };
    local + local / 4 + pages * DB_PAGE_BYTES
}

impl Queue {
    /// The record of a context or scope; `None` when it is missing or damaged.
    pub fn context(&self, run: u32, version: u32) -> Result<Option<Vec<u8>>, QueueError> {
        let found = self
            .db
            .prepare_cached("SELECT record, crc FROM contexts WHERE run = ?1 AND version = ?2")?
            .query_row(params![run, version], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, u32>(1)?)))
            .optional()?;
        let whole = found.filter(|(record, crc)| record_crc(run, u64::from(version), record) == *crc);
        Ok(whole.map(|(record, _)| record))
    }
}
