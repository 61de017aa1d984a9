//! Events of a user who has not decided yet: kept apart from the lanes, promoted into them or wiped with everything else.

use rusqlite::params;

use super::{Control, Queue, QueueError, record_crc, state};
use crate::event::Lane;
use crate::ledger::DropReason;
use crate::limits::{MAX_PENDING_BYTES, PROMOTE_ROWS};

/// Keeps an event apart. When there is too much, the oldest go and are booked.
pub(super) fn hold(
    db: &rusqlite::Connection,
    control: &mut Control,
    run: u32,
    lane: Lane,
    n: u64,
    record: &[u8],
) -> Result<(), QueueError> {
    db.prepare_cached("INSERT INTO pending(run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5)")?
        .execute(params![run, n, lane.code(), record, record_crc(run, n, record)])?;
    control.lane_mut(lane).held += 1;
    control.pending_bytes += record.len() as u64;
    while control.pending_bytes > MAX_PENDING_BYTES {
        let mut oldest = db.prepare_cached(
            "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending) RETURNING lane, length(record)",
        )?;
        let (code, bytes) = oldest.query_row([], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, u64>(1)?)))?;
        control.pending_bytes = control.pending_bytes.saturating_sub(bytes);
        if let Some(lane) = Lane::from_code(code) {
            control.lane_mut(lane).held -= 1;
            state::add_drops(&mut control.books.drops, lane, DropReason::QuotaBytes, 1);
        }
    }
    Ok(())
}

impl Queue {
    /// Says whether events are kept apart from now on.
    pub fn set_pending(&mut self, is_pending: bool) {
        self.control.is_pending = is_pending;
    }

    /// Events that are kept apart.
    pub fn pending(&self) -> Result<u64, QueueError> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM pending")?.query_row([], |row| row.get(0))?)
    }

    /// Moves the oldest events that were kept apart into their lanes. True when more are left.
    pub fn promote(&mut self) -> Result<bool, QueueError> {
        self.transact(false, |queue| {
            let rows: Vec<(u64, u32, u64, u8, Vec<u8>, u32)> = {
                let mut select = queue
                    .db
                    .prepare_cached("SELECT id, run, n, lane, record, crc FROM pending ORDER BY id LIMIT ?1")?;
                let row = |row: &rusqlite::Row<'_>| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                };
                select.query_map([PROMOTE_ROWS], row)?.collect::<Result<_, _>>()?
            };
            for (id, run, n, code, record, crc) in &rows {
                queue.db.prepare_cached("DELETE FROM pending WHERE id = ?1")?.execute([id])?;
                queue.control.pending_bytes = queue.control.pending_bytes.saturating_sub(record.len() as u64);
                let Some(lane) = Lane::from_code(*code) else { continue };
                queue.control.lane_mut(lane).held -= 1;
                if record_crc(*run, *n, record) == *crc {
                    queue.insert_accepted(*run, lane, *n, record)?;
                } else {
                    state::add_drops(&mut queue.control.books.drops, lane, DropReason::RowCorrupt, 1);
                }
            }
            Ok(rows.len() as u64 == PROMOTE_ROWS)
        })
    }
}
