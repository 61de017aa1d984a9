//! Events that are kept apart from the lanes, in the table `pending`: those of a user who has not
//! decided about consent, and those of a session that is sent only if something happens in it.
//!
//! They are promoted into their lanes, dropped and booked, or erased together with everything else.

use std::time::Duration;

use rusqlite::{Connection, Params, params};

use super::control::{Apart, Control};
use super::held::{self, Route};
use super::lanes::{Entry, MAX_SEQ, Writer, mark};
use super::row::record_crc;
use super::state::Mark;
use super::{Queue, QueueError};
use crate::model::config::Consent;
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    AGE_MARK_EVERY, CRASH_AGE_FACTOR, CRASH_EVICT_ROWS, EXPIRY_AGE_MIN, MAX_DRAIN_EVENTS, MAX_PENDING_BYTES,
    PENDING_EVICT_ROWS, PROMOTE_ROWS, SWEEP_SHARE,
};
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
        Route::Aside => hold(db, control, entry, writer.age(), Cause::Quiet),
        Route::Lane if control.is_pending => hold(db, control, entry, writer.age(), Cause::Undecided),
        Route::Lane => writer.insert(control, entry),
    }
}

/// Keeps an event apart: aside if nothing has happened in its session, else until the user decides.
/// When there is too much, events are dropped and booked.
fn hold(db: &Connection, control: &mut Control, entry: Entry<'_>, age: u64, cause: Cause) -> Result<(), QueueError> {
    let aside = (cause == Cause::Quiet).then_some(age);
    let Entry { run, lane, n, record } = entry;
    // Numbers count from 1. Those of a damaged database are lower: see `restore`.
    db.prepare_cached(
        "INSERT INTO pending(id, aside, run, n, lane, record, crc)
         SELECT max(coalesce(max(id), 0), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM pending",
    )?
    .execute(params![aside, run, n, lane.code(), record, record_crc(run, n, record)])?;
    let id = db.last_insert_rowid() as u64;
    // Numbers are given again when the events that had them are gone.
    control.apart_marks.retain(|mark| mark.seq < id);
    mark(&mut control.apart_marks, Mark { seq: id, age });
    control.lane_mut(lane).held += 1;
    *cause.bytes(&mut control.apart) += record.len() as u64;
    while control.apart.aside > control.apart.aside_limit {
        let oldest = "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending WHERE aside IS NOT NULL)
                      RETURNING lane, length(record)";
        if drop_apart(db, control, Cause::Quiet, DropReason::SampledOut, oldest, [])? == 0 {
            break;
        }
    }
    while control.apart.pending > MAX_PENDING_BYTES {
        if give_way(db, control)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Drops the oldest events of the least valuable lane that has any, of a user who has not decided.
/// More than needed are dropped, because each search looks at every event; of crashes only a few.
fn give_way(db: &Connection, control: &mut Control) -> Result<usize, QueueError> {
    let lowest = db
        .prepare_cached("SELECT max(lane) FROM pending WHERE aside IS NULL")?
        .query_row([], |row| row.get::<_, Option<u8>>(0))?;
    let Some(lowest) = lowest else { return Ok(0) };
    let most = if Lane::from_code(lowest) == Some(Lane::Crash) { CRASH_EVICT_ROWS as u64 } else { PENDING_EVICT_ROWS };
    let sql = "DELETE FROM pending WHERE id IN (
                   SELECT id FROM pending WHERE aside IS NULL AND lane = ?1 ORDER BY id LIMIT ?2)
               RETURNING lane, length(record)";
    drop_apart(db, control, Cause::Undecided, DropReason::QuotaBytes, sql, params![lowest, most])
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

/// Events with a lower number have reached an age of `max_age` nanoseconds; 0 when none has. The
/// first mark stands for all that came before there were marks.
fn old_before(marks: &[Mark], now: u64, max_age: u64) -> u64 {
    let is_old = |age: u64| now.saturating_sub(age) >= max_age;
    // A mark would have been set if an event had come later than this after a mark.
    let past = marks.iter().rposition(|mark| is_old(mark.age.saturating_add(nanos(AGE_MARK_EVERY))));
    match past {
        Some(at) => marks.get(at + 1).map_or(MAX_SEQ, |next| next.seq),
        None => marks.iter().rev().find(|mark| is_old(mark.age)).map_or(0, |mark| mark.seq),
    }
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

    /// Drops some of what has been kept aside, the oldest of it and at most `max` events, because
    /// there is no room. Returns how many.
    pub(super) fn evict_aside(&mut self, max: usize) -> Result<usize, QueueError> {
        if self.control.apart.aside == 0 {
            return Ok(0);
        }
        let sql = "DELETE FROM pending WHERE id IN (
                       SELECT id FROM pending WHERE aside IS NOT NULL ORDER BY id LIMIT (
                           SELECT min(max(count(*) / ?1, 1), ?2) FROM pending WHERE aside IS NOT NULL))
                   RETURNING lane, length(record)";
        self.transact(|queue| {
            let params = (SWEEP_SHARE, max as u64);
            drop_apart(&queue.db, &mut queue.control, Cause::Quiet, DropReason::SampledOut, sql, params)
        })
    }

    /// Drops some of a lane of what waits for the user's consent, the oldest of it and at most
    /// `max` events, because there is no room. Returns how many.
    pub(super) fn evict_pending(&mut self, lane: Lane, max: usize, reason: DropReason) -> Result<usize, QueueError> {
        if self.control.apart.pending == 0 {
            return Ok(0);
        }
        let sql = "DELETE FROM pending WHERE id IN (
                       SELECT id FROM pending WHERE aside IS NULL AND lane = ?1 ORDER BY id LIMIT (
                           SELECT min(max(count(*) / ?2, 1), ?3) FROM pending WHERE aside IS NULL AND lane = ?1))
                   RETURNING lane, length(record)";
        let params = (lane.code(), SWEEP_SHARE, max as u64);
        self.transact(|queue| drop_apart(&queue.db, &mut queue.control, Cause::Undecided, reason, sql, params))
    }

    /// Drops what has waited for the user's consent for too long: as long as it could have waited
    /// in its lane.
    pub fn expire_pending(&mut self) -> Result<(), QueueError> {
        if self.control.apart.pending == 0 || self.is_salvaging() {
            return Ok(());
        }
        let now = self.age();
        for is_crash in [true, false] {
            let factor = if is_crash { CRASH_AGE_FACTOR } else { 1 };
            let max_age = self.limits.max_age.saturating_mul(factor).max(EXPIRY_AGE_MIN);
            let before = old_before(&self.control.apart_marks, now, nanos(max_age));
            if before == 0 {
                continue;
            }
            let lane = if is_crash { "lane =" } else { "lane !=" };
            let sql = format!(
                "DELETE FROM pending WHERE id IN (
                     SELECT id FROM pending WHERE id < ?1 AND aside IS NULL AND {lane} ?2 ORDER BY id LIMIT ?3)
                 RETURNING lane, length(record)"
            );
            let params = (before, Lane::Crash.code(), MAX_DRAIN_EVENTS as u64);
            let drop = |queue: &mut Self| {
                drop_apart(&queue.db, &mut queue.control, Cause::Undecided, DropReason::QuotaAge, &sql, params)
            };
            while self.transact(drop)? == MAX_DRAIN_EVENTS {}
        }
        self.transact(|queue| {
            let first: Option<i64> = queue.db.query_row("SELECT min(id) FROM pending", [], |row| row.get(0))?;
            let first = first.map_or(u64::MAX, |first| u64::try_from(first).unwrap_or(0));
            let marks = &mut queue.control.apart_marks;
            let needed_from = marks.iter().rposition(|mark| mark.seq <= first).unwrap_or(0);
            marks.drain(..needed_from);
            Ok(())
        })
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
