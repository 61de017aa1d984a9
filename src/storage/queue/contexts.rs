//! Contexts and scopes: records that events refer to by their version. They are stored before the
//! first event that needs them, and kept as long as any event may refer to them.

use rusqlite::{Connection, OptionalExtension, params};

use super::row::record_crc;
use super::{Queue, QueueError, held};
use crate::model::event::decode::Record;
use crate::model::limits::KEPT_CONTEXTS;

/// Stores a context or scope of a run. A version that is known is left as it is.
pub(super) fn insert(db: &Connection, run: u32, version: u64, record: &[u8]) -> Result<(), QueueError> {
    db.prepare_cached("INSERT OR IGNORE INTO contexts(run, version, record, crc) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![run, version, record, record_crc(run, version, record)])?;
    Ok(())
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

    /// Forgets contexts of the running process that nothing refers to any more. That can be known
    /// only when every row is delivered: then the versions `in_use`, those of open events and those
    /// of what has `begun` and is recorded when it ends are needed. The newest few stay in any
    /// case, because an event that is being recorded may refer to them.
    pub fn prune_contexts(&mut self, run: u32, in_use: [u32; 2], begun: &[u32]) -> Result<(), QueueError> {
        let is_idle = self.control.lanes.values().all(|lane| lane.rows == 0) && !self.control.apart.is_any();
        if !is_idle || self.is_salvaging() {
            return Ok(());
        }
        self.transact(|queue| {
            let mut needed = [&in_use[..], begun].concat();
            for record in &held::records(&queue.db, run)? {
                // An open event that cannot be read may refer to any of them.
                let Ok(record) = Record::decode(record) else { return Ok(()) };
                needed.extend([record.context, record.scope]);
            }
            let newest = in_use.into_iter().max().unwrap_or(0).saturating_sub(KEPT_CONTEXTS);
            let mut old = queue.db.prepare_cached("SELECT version FROM contexts WHERE run = ?1 AND version < ?2")?;
            let old: Vec<u32> = old.query_map([run, newest], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for version in old.into_iter().filter(|version| !needed.contains(version)) {
                let sql = "DELETE FROM contexts WHERE run = ?1 AND version = ?2";
                queue.db.prepare_cached(sql)?.execute([run, version])?;
            }
            Ok(())
        })
    }
}
