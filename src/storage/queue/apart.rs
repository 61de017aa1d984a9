//! Events that are kept apart from the lanes, in the table `pending`: those of a user who has not
//! decided about consent, and those of a session that is sent only if something happens in it.
//!
//! They are promoted into their lanes, dropped and booked, or erased together with everything else.

use std::time::Duration;

use rusqlite::{Connection, Params, params};

use super::control::{Apart, Control};
use super::held::{self, Route};
use super::lanes::{Entry, Writer};
use super::row::record_crc;
use super::{Queue, QueueError};
use crate::model::config::Consent;
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::{MAX_PENDING_BYTES, PROMOTE_ROWS};
use crate::model::time::nanos;

/// Why an event is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The user has not decided about consent.
    Undecided,
    /// Nothing has happened in its session. Its row has the queue age in the column `aside`.
    Quiet,
}

impl Cause {
    /// The bytes that are kept apart for this cause.
    fn bytes(self, apart: &mut Apart) -> &mut u64 {
        match self {
            Cause::Undecided => &mut apart.pending,
            Cause::Quiet => &mut apart.aside,
        }
    }

    /// Drops the event that has been kept apart the longest.
    fn drop_oldest(self) -> &'static str {
        match self {
            Cause::Undecided => {
                "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending WHERE aside IS NULL)
                 RETURNING lane, length(record)"
            }
            Cause::Quiet => {
                "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending WHERE aside IS NOT NULL)
                 RETURNING lane, length(record)"
            }
        }
    }
}

/// Takes an accepted event that is final: into its lane, or apart from it.
pub(super) fn admit(
    db: &Connection,
    control: &mut Control,
    writer: &mut Writer<'_>,
    entry: Entry<'_>,
    route: Route,
) -> Result<(), QueueError> {
    match route {
        Route::Aside => hold(db, control, entry, Some(writer.age())),
        Route::Lane if control.is_pending => hold(db, control, entry, None),
        Route::Lane => writer.insert(control, entry),
    }
}

/// Keeps an event apart: aside since this queue age, or until the user decides. When there is too
/// much, the oldest events are dropped and booked.
fn hold(db: &Connection, control: &mut Control, entry: Entry<'_>, aside: Option<u64>) -> Result<(), QueueError> {
    let Entry { run, lane, n, record } = entry;
    // Numbers count from 1. Those of a damaged database are lower: see `restore`.
    db.prepare_cached(
        "INSERT INTO pending(id, aside, run, n, lane, record, crc)
         SELECT max(coalesce(max(id), 0), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM pending",
    )?
    .execute(params![aside, run, n, lane.code(), record, record_crc(run, n, record)])?;
    control.lane_mut(lane).held += 1;
    let cause = if aside.is_some() { Cause::Quiet } else { Cause::Undecided };
    *cause.bytes(&mut control.apart) += record.len() as u64;
    let aside_limit = control.apart.aside_limit;
    for (cause, limit, reason) in [
        (Cause::Quiet, aside_limit, DropReason::SampledOut),
        (Cause::Undecided, MAX_PENDING_BYTES, DropReason::QuotaBytes),
    ] {
        while *cause.bytes(&mut control.apart) > limit {
            if drop_apart(db, control, cause, reason, cause.drop_oldest(), [])? == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Brings back an event of a damaged database, which has been accepted before, under the number
/// `id`. False when it is there already.
pub(super) fn restore(
    db: &Connection,
    control: &mut Control,
    entry: Entry<'_>,
    id: i64,
    aside: Option<u64>,
) -> Result<bool, QueueError> {
    let Entry { run, lane, n, record } = entry;
    let restored = db
        .prepare_cached(
            "INSERT OR IGNORE INTO pending(id, aside, run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![id, aside, run, n, lane.code(), record, record_crc(run, n, record)])?;
    if restored > 0 {
        control.lane_mut(lane).held += 1;
        let cause = if aside.is_some() { Cause::Quiet } else { Cause::Undecided };
        *cause.bytes(&mut control.apart) += record.len() as u64;
    }
    Ok(restored > 0)
}

/// Drops and books the events that the statement deletes and returns. Returns how many they are.
fn drop_apart(
    db: &Connection,
    control: &mut Control,
    cause: Cause,
    reason: DropReason,
    sql: &str,
    params: impl Params,
) -> Result<usize, QueueError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut dropped = statement.query(params)?;
    let mut count = 0;
    while let Some(row) = dropped.next()? {
        let (code, bytes): (u8, u64) = (row.get(0)?, row.get(1)?);
        count += 1;
        let total = cause.bytes(&mut control.apart);
        *total = total.saturating_sub(bytes);
        if let Some(lane) = Lane::from_code(code) {
            control.lane_mut(lane).held -= 1;
            control.books.drops.add(lane, reason, 1);
        }
    }
    Ok(count)
}

/// Something has happened in the session of `run`: what is kept aside is promoted as soon as the
/// user's consent allows it, and what is still open follows when it ends.
pub(super) fn release(db: &Connection, control: &mut Control, run: u32, age: u64) -> Result<(), QueueError> {
    control.books.release_again |= control.unread_behind == Some(run);
    release_known(db, control, age)
}

fn release_known(db: &Connection, control: &mut Control, age: u64) -> Result<(), QueueError> {
    expire(db, control, age)?;
    if control.apart.aside > 0 {
        db.prepare_cached("UPDATE pending SET aside = NULL WHERE aside IS NOT NULL")?.execute([])?;
        control.apart.pending += std::mem::take(&mut control.apart.aside);
    }
    held::release(db)
}

/// Drops what has been kept aside for too long, and books it as sampled out.
fn expire(db: &Connection, control: &mut Control, age: u64) -> Result<(), QueueError> {
    if control.apart.aside > 0 {
        let oldest = age.saturating_sub(control.apart.aside_window);
        let sql = "DELETE FROM pending WHERE aside < ?1 RETURNING lane, length(record)";
        drop_apart(db, control, Cause::Quiet, DropReason::SampledOut, sql, [oldest])?;
    }
    Ok(())
}

/// A row of the table `pending`.
struct PendingRow {
    id: i64,
    run: u32,
    n: u64,
    lane: u8,
    record: Vec<u8>,
    crc: u32,
}

impl PendingRow {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            run: row.get(1)?,
            n: row.get(2)?,
            lane: row.get(3)?,
            record: row.get(4)?,
            crc: row.get(5)?,
        })
    }
}

impl Queue {
    /// Takes the user's answer: while it is pending, new events are kept apart.
    pub fn set_consent(&mut self, consent: Consent) {
        self.control.is_pending = consent == Consent::Pending;
    }

    /// Sets how many bytes are kept of sessions in which nothing has happened, and for how long.
    pub fn set_aside_limits(&mut self, bytes: u64, window: Duration) {
        (self.control.apart.aside_limit, self.control.apart.aside_window) = (bytes, nanos(window));
    }

    /// Whether any events are kept apart.
    pub fn keeps_apart(&self) -> bool {
        self.control.apart.is_any()
    }

    /// How many events are kept apart.
    pub fn pending(&self) -> Result<u64, QueueError> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM pending")?.query_row([], |row| row.get(0))?)
    }

    /// Drops what has been kept aside for too long, and books it as sampled out.
    pub fn expire_aside(&mut self) -> Result<(), QueueError> {
        if self.control.apart.aside == 0 {
            return Ok(());
        }
        let age = self.age();
        self.transact(|queue| expire(&queue.db, &mut queue.control, age))
    }

    /// Says that journals of runs before `run`, the process's own, are still to be read.
    pub fn set_unread_behind(&mut self, run: u32) {
        self.control.unread_behind = Some(run);
    }

    /// Whether [`Queue::end_recovery`] has something to do.
    pub fn awaits_recovery(&self) -> bool {
        self.control.unread_behind.is_some() || self.control.books.release_again
    }

    /// Says that all journals of earlier runs have been read. If something has happened meanwhile,
    /// what was found aside in them is released, too.
    pub fn end_recovery(&mut self) -> Result<(), QueueError> {
        if self.control.books.release_again {
            let age = self.age();
            self.transact(|queue| {
                queue.control.books.release_again = false;
                release_known(&queue.db, &mut queue.control, age)
            })?;
        }
        self.control.unread_behind = None;
        Ok(())
    }

    /// Moves the oldest events that are not kept aside into their lanes, a limited number at a
    /// time. True when more are left. While the user has not decided, nothing moves.
    pub fn promote(&mut self) -> Result<bool, QueueError> {
        if self.control.apart.pending == 0 || self.control.is_pending {
            return Ok(false);
        }
        let age = self.age();
        self.transact(|queue| {
            let Queue { db, control, .. } = queue;
            let rows: Vec<PendingRow> = {
                let mut select = db.prepare_cached(
                    "SELECT id, run, n, lane, record, crc FROM pending WHERE aside IS NULL ORDER BY id LIMIT ?1",
                )?;
                select.query_map([PROMOTE_ROWS], PendingRow::read)?.collect::<Result<_, _>>()?
            };
            let mut writer = Writer::new(db, age)?;
            for PendingRow { id, run, n, lane, record, crc } in &rows {
                db.prepare_cached("DELETE FROM pending WHERE id = ?1")?.execute([id])?;
                control.apart.pending = control.apart.pending.saturating_sub(record.len() as u64);
                let Some(lane) = Lane::from_code(*lane) else { continue };
                control.lane_mut(lane).held -= 1;
                if record_crc(*run, *n, record) == *crc {
                    writer.insert(control, Entry { run: *run, lane, n: *n, record })?;
                } else {
                    control.books.drops.add(lane, DropReason::RowCorrupt, 1);
                }
            }
            Ok(rows.len() as u64 == PROMOTE_ROWS)
        })
    }
}
