//! Events that are open: a view, an action that still collects, a window in which mutations are
//! joined.
//!
//! An open event stands in the table `held` with its newest snapshot. It gets a sequence number
//! only when it is final, so no destination sees it before. When its process dies, the next one
//! closes it ([`Queue::finish_run`]).
//!
//! [`Queue::finish_run`]: super::Queue::finish_run

use rusqlite::{Connection, OptionalExtension, params};

use super::control::Control;
use super::lanes::Entry;
use super::row::record_crc;
use super::{Queue, QueueError, Rows};
use crate::model::event::decode::Record;
use crate::model::event::{EventKind, Lane};
use crate::model::ledger::DropReason;
use crate::model::limits::MAX_EVENT_BYTES;

/// Where an event goes once it is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Into its lane, as soon as the user's consent allows it.
    Lane,
    /// Aside: it is sent only if something happens in its session.
    Aside,
}

/// In the table's column `lane`: the event will be kept aside when it ends.
const ASIDE: u8 = 0x10;

/// An event that was open.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lane: Lane,
    pub(super) route: Route,
    /// Its newest snapshot.
    pub(super) record: Vec<u8>,
}

/// What stands in the table's column `lane`.
pub(super) fn code(lane: Lane, route: Route) -> u8 {
    match route {
        Route::Lane => lane.code(),
        Route::Aside => lane.code() | ASIDE,
    }
}

/// Opens an event. It has been counted as accepted.
pub(super) fn open(db: &Connection, control: &mut Control, entry: Entry<'_>, route: Route) -> Result<(), QueueError> {
    let Entry { run, lane, n, record } = entry;
    let code = code(lane, route);
    db.prepare_cached("INSERT INTO held(run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5)")?.execute(params![
        run,
        n,
        code,
        record,
        record_crc(run, n, record)
    ])?;
    control.lane_mut(lane).held += 1;
    Ok(())
}

/// Replaces the snapshot of an open event. False when no such event is open.
pub(super) fn amend(db: &Connection, entry: Entry<'_>) -> Result<bool, QueueError> {
    let Entry { run, n, record, .. } = entry;
    let known = db
        .prepare_cached("UPDATE held SET record = ?3, crc = ?4 WHERE run = ?1 AND n = ?2")?
        .execute(params![run, n, record, record_crc(run, n, record)])?;
    Ok(known > 0)
}

/// Adds fields to an open event. When no such event is open, or when it would become too large, it
/// stays as it is: its end says everything once more.
///
/// # Errors
/// `Corrupt` when the event fails its checksum.
pub(super) fn extend(db: &Connection, run: u32, n: u64, fields: &[u8]) -> Result<(), QueueError> {
    let found = db
        .prepare_cached("SELECT record, crc FROM held WHERE run = ?1 AND n = ?2")?
        .query_row(params![run, n], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, u32>(1)?)))
        .optional()?;
    let Some((mut record, crc)) = found else { return Ok(()) };
    if record_crc(run, n, &record) != crc {
        return Err(QueueError::Corrupt(format!("held event {run}/{n} fails its checksum")));
    }
    if record.len() + fields.len() <= MAX_EVENT_BYTES {
        record.extend_from_slice(fields);
        db.prepare_cached("UPDATE held SET record = ?3, crc = ?4 WHERE run = ?1 AND n = ?2")?.execute(params![
            run,
            n,
            record,
            record_crc(run, n, &record)
        ])?;
    }
    Ok(())
}

/// Takes an event out, because it is closed. `None` when no such event is open.
///
/// # Errors
/// `Corrupt` when the event fails its checksum.
pub(super) fn take(db: &Connection, control: &mut Control, run: u32, n: u64) -> Result<Option<Held>, QueueError> {
    let taken = db
        .prepare_cached("DELETE FROM held WHERE run = ?1 AND n = ?2 RETURNING lane, record, crc")?
        .query_row(params![run, n], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, u32>(2)?)))
        .optional()?;
    let Some((code, record, crc)) = taken else { return Ok(None) };
    let lane = Lane::from_code(code & !ASIDE).filter(|_| record_crc(run, n, &record) == crc);
    let lane = lane.ok_or_else(|| QueueError::Corrupt(format!("held event {run}/{n} fails its checksum")))?;
    let state = control.lane_mut(lane);
    state.held = state.held.saturating_sub(1);
    let route = if code & ASIDE == 0 { Route::Lane } else { Route::Aside };
    Ok(Some(Held { lane, route, record }))
}

/// Takes an event back that its recorder has withdrawn, and books it.
pub(super) fn discard(db: &Connection, control: &mut Control, run: u32, n: u64) -> Result<(), QueueError> {
    if let Some(held) = take(db, control, run, n)? {
        control.books.drops.add(held.lane, DropReason::Withdrawn, 1);
    }
    Ok(())
}

/// Takes the open events of a run and a lane back, and books them.
pub(super) fn withdraw(db: &Connection, control: &mut Control, run: u32, lane: Lane) -> Result<(), QueueError> {
    let mut statement = db.prepare_cached("SELECT n FROM held WHERE run = ?1 AND lane & ~?2 = ?3")?;
    let found = statement.query_map(params![run, ASIDE, lane.code()], |row| row.get(0))?;
    let found: Vec<u64> = found.collect::<Result<_, _>>()?;
    found.into_iter().try_for_each(|n| discard(db, control, run, n))
}

/// Whether a run has left an event of a lane open.
pub(super) fn has_any(db: &Connection, run: u32, lane: Lane) -> Result<bool, QueueError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM held WHERE run = ?1 AND lane & ~?2 = ?3)";
    Ok(db.prepare_cached(sql)?.query_row(params![run, ASIDE, lane.code()], |row| row.get(0))?)
}

/// The counter of some event that a run has left open.
pub(super) fn any_of(db: &Connection, run: u32) -> Result<Option<u64>, QueueError> {
    let mut statement = db.prepare_cached("SELECT n FROM held WHERE run = ?1 LIMIT 1")?;
    Ok(statement.query_row([run], |row| row.get(0)).optional()?)
}

impl Queue {
    /// A number that changes whenever open events may have changed.
    pub fn open_state(&self) -> u64 {
        self.open_changes
    }

    /// The newest snapshots of views that are open and are not kept aside, the first `max` of them.
    /// Their sequence numbers are 0, because they have none yet.
    pub fn open_views(&self, max: usize) -> Result<Rows, QueueError> {
        let mut found = Rows::default();
        let mut statement = self.db.prepare_cached("SELECT run, n, record, crc FROM held WHERE lane = ?1")?;
        let mut rows = statement.query([Lane::Event.code()])?;
        while let Some(row) = rows.next()? {
            let (run, n, record, crc): (u32, u64, Vec<u8>, u32) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let is_view = Record::decode(&record).is_ok_and(|record| record.kind == EventKind::View);
            if is_view && record_crc(run, n, &record) == crc && found.rows.len() < max {
                found.push(run, n, &record);
            }
        }
        Ok(found)
    }
}

/// Something has happened: no open event is kept aside any more when it ends.
pub(super) fn release(db: &Connection) -> Result<(), QueueError> {
    db.prepare_cached("UPDATE held SET lane = lane & ~?1 WHERE lane & ?1")?.execute([ASIDE])?;
    Ok(())
}
