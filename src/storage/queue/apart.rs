//! Events that are kept apart from the lanes: of a user who has not decided yet, or of a session in which nothing has happened
//! yet. They are promoted into the lanes, dropped and booked, or wiped with everything else.

use rusqlite::params;

use super::{Control, Queue, QueueError, record_crc, state};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::{MAX_PENDING_BYTES, PROMOTE_ROWS};
use crate::model::time::nanos;
use std::time::Duration;

/// Bytes that are kept apart, by why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Apart {
    /// Of a user who has not decided yet.
    pub(super) pending: u64,
    /// Of sessions in which nothing has happened yet.
    pub(super) aside: u64,
    /// The most of the latter.
    pub(super) aside_limit: u64,
    /// How long they are kept, ns.
    pub(super) aside_window: u64,
}

impl Default for Apart {
    fn default() -> Self {
        Self { pending: 0, aside: 0, aside_limit: MAX_PENDING_BYTES, aside_window: u64::MAX }
    }
}

impl Apart {
    pub(super) fn load(db: &rusqlite::Connection) -> Result<Self, QueueError> {
        let sum = |of: &str| {
            let sql = format!("SELECT coalesce(sum(length(record)), 0) FROM pending WHERE aside IS {of} NULL");
            db.query_row(&sql, [], |row| row.get(0))
        };
        Ok(Self { pending: sum("")?, aside: sum("NOT")?, ..Self::default() })
    }

    /// Whether anything is.
    pub(super) fn is_any(self) -> bool {
        self.pending + self.aside > 0
    }
}

/// Keeps an event apart; with `aside`, the queue's age, because nothing has happened in its session yet. When there is too
/// much, the oldest go and are booked.
pub(super) fn hold(
    db: &rusqlite::Connection,
    control: &mut Control,
    run: u32,
    lane: Lane,
    n: u64,
    record: &[u8],
    aside: Option<u64>,
) -> Result<(), QueueError> {
    db.prepare_cached("INSERT INTO pending(aside, run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![aside, run, n, lane.code(), record, record_crc(run, n, record)])?;
    control.lane_mut(lane).held += 1;
    let bytes = record.len() as u64;
    if aside.is_some() {
        control.apart.aside += bytes
    } else {
        control.apart.pending += bytes
    }
    while control.apart.aside > control.apart.aside_limit {
        let oldest = "SELECT min(id) FROM pending WHERE aside IS NOT NULL";
        if drop_where(db, control, &format!("id = ({oldest})"), true, DropReason::SampledOut)? == 0 {
            break;
        }
    }
    while control.apart.pending > MAX_PENDING_BYTES {
        let oldest = "SELECT min(id) FROM pending WHERE aside IS NULL";
        if drop_where(db, control, &format!("id = ({oldest})"), false, DropReason::QuotaBytes)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Drops and books rows. Returns how many.
fn drop_where(
    db: &rusqlite::Connection,
    control: &mut Control,
    condition: &str,
    is_aside: bool,
    reason: DropReason,
) -> Result<usize, QueueError> {
    let sql = format!("DELETE FROM pending WHERE {condition} RETURNING lane, length(record)");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, u64>(1)?)))?;
    let rows: Vec<(u8, u64)> = rows.collect::<Result<_, _>>()?;
    for (code, bytes) in &rows {
        let total = if is_aside { &mut control.apart.aside } else { &mut control.apart.pending };
        *total = total.saturating_sub(*bytes);
        if let Some(lane) = Lane::from_code(*code) {
            control.lane_mut(lane).held -= 1;
            state::add_drops(&mut control.books.drops, lane, reason, 1);
        }
    }
    Ok(rows.len())
}

/// Something happened: what was kept aside is to be promoted, as soon as the user has consented; what is still open goes with it
/// when it ends.
pub(super) fn release(db: &rusqlite::Connection, control: &mut Control, run: u32, age: u64) -> Result<(), QueueError> {
    control.books.release_again |= control.unread_behind == Some(run);
    release_known(db, control, age)
}

fn release_known(db: &rusqlite::Connection, control: &mut Control, age: u64) -> Result<(), QueueError> {
    expire(db, control, age)?;
    if control.apart.aside > 0 {
        db.prepare_cached("UPDATE pending SET aside = NULL WHERE aside IS NOT NULL")?.execute([])?;
        control.apart.pending += std::mem::take(&mut control.apart.aside);
    }
    super::absorb::release_held(db)
}

/// Drops what has been kept aside for too long, and books it as sampled out.
fn expire(db: &rusqlite::Connection, control: &mut Control, age: u64) -> Result<(), QueueError> {
    if control.apart.aside > 0 {
        let oldest = age.saturating_sub(control.apart.aside_window);
        drop_where(db, control, &format!("aside < {oldest}"), true, DropReason::SampledOut)?;
    }
    Ok(())
}

impl Queue {
    /// Says whether events are kept apart from now on.
    pub fn set_pending(&mut self, is_pending: bool) {
        self.control.is_pending = is_pending;
    }

    /// Sets how many bytes are kept of sessions in which nothing has happened, and for how long.
    pub fn set_aside_limits(&mut self, bytes: u64, window: Duration) {
        (self.control.apart.aside_limit, self.control.apart.aside_window) = (bytes, nanos(window));
    }

    /// Whether any events are kept apart.
    pub fn keeps_apart(&self) -> bool {
        self.control.apart.is_any()
    }

    /// Events that are kept apart.
    pub fn pending(&self) -> Result<u64, QueueError> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM pending")?.query_row([], |row| row.get(0))?)
    }

    /// Drops what has been kept aside for too long, and books it as sampled out.
    pub fn expire_aside(&mut self) -> Result<(), QueueError> {
        if self.control.apart.aside == 0 {
            return Ok(());
        }
        let age = self.age();
        self.transact(false, |queue| expire(&queue.db, &mut queue.control, age))
    }

    /// Journals of runs before this one, the process's own, are still to be read.
    pub fn set_unread_behind(&mut self, run: u32) {
        self.control.unread_behind = Some(run);
    }

    /// Whether [`Queue::end_recovery`] has something to do.
    pub fn awaits_recovery(&self) -> bool {
        self.control.unread_behind.is_some() || self.control.books.release_again
    }

    /// All journals of earlier runs have been read: what was aside in them is released, if something has happened since.
    pub fn end_recovery(&mut self) -> Result<(), QueueError> {
        if self.control.books.release_again {
            let age = self.age();
            self.transact(false, |queue| {
                queue.control.books.release_again = false;
                release_known(&queue.db, &mut queue.control, age)
            })?;
        }
        self.control.unread_behind = None;
        Ok(())
    }

    /// Moves the oldest events that wait for nothing but this into their lanes. True when more are left. Nothing moves while
    /// events are kept apart.
    pub fn promote(&mut self) -> Result<bool, QueueError> {
        if self.control.apart.pending == 0 || self.control.is_pending {
            return Ok(false);
        }
        self.transact(false, |queue| {
            let rows: Vec<(u64, u32, u64, u8, Vec<u8>, u32)> = {
                let mut select = queue.db.prepare_cached(
                    "SELECT id, run, n, lane, record, crc FROM pending WHERE aside IS NULL ORDER BY id LIMIT ?1",
                )?;
                let row = |row: &rusqlite::Row<'_>| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                };
                select.query_map([PROMOTE_ROWS], row)?.collect::<Result<_, _>>()?
            };
            for (id, run, n, code, record, crc) in &rows {
                queue.db.prepare_cached("DELETE FROM pending WHERE id = ?1")?.execute([id])?;
                queue.control.apart.pending = queue.control.apart.pending.saturating_sub(record.len() as u64);
                let Some(lane) = Lane::from_code(*code) else { continue };
                queue.control.lane_mut(lane).held -= 1;
                if record_crc(*run, *n, record) == *crc {
                    queue.insert_accepted(*run, lane, *n, record, false)?;
                } else {
                    state::add_drops(&mut queue.control.books.drops, lane, DropReason::RowCorrupt, 1);
                }
            }
            Ok(rows.len() as u64 == PROMOTE_ROWS)
        })
    }
}
