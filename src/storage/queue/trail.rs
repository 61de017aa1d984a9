//! The last events of a run that is not over: a crash tells what happened before it.
//!
//! Most of them are rows, open, or kept apart. Rows that every destination has settled are deleted;
//! of those, the table `trail` keeps a breadcrumb each. It is no part of the books: what it has is
//! delivered or dropped, is never sent again, and no destination sees it. It counts for the queue's
//! quota, and is the first to give way; it grows old as the events did; it is erased with them; and
//! it is forgotten when its run is over.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::row::record_crc;
use super::{Queue, QueueError, row, schema};
use crate::model::event::Lane;
use crate::model::event::breadcrumb::{Breadcrumb, Stage};
use crate::model::event::decode::Record;
use crate::model::limits::{BREADCRUMB_OVERHEAD_BYTES, BREADCRUMB_SCAN_ROWS, MAX_BREADCRUMBS};

/// A breadcrumb of a row that is to be deleted.
struct Kept {
    run: u32,
    n: u64,
    /// The queue age at which it came, ns, or a little less.
    age: u64,
    crumb: Breadcrumb,
}

/// The bytes of the database that the trail takes.
pub(super) fn bytes(db: &Connection) -> Result<u64, QueueError> {
    let sql = "SELECT count(*), coalesce(sum(length(crumb)), 0) FROM trail";
    let (rows, bytes): (u64, u64) = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(bytes + rows * BREADCRUMB_OVERHEAD_BYTES)
}

impl Queue {
    /// Keeps what rows from `from` to `to` say of runs that are not over, before they are deleted.
    /// If `only` is given, in order, they are those alone.
    pub(super) fn keep_trail(
        &mut self,
        lane: Lane,
        from: u64,
        to: u64,
        only: Option<&[u64]>,
    ) -> Result<(), QueueError> {
        let first = self.control.lane(lane).first_seq.max(from);
        let is_open = |run: u32| self.control.runs.get(&run).is_some_and(|state| !state.done);
        let has_rows = |run: &super::state::RunState| !run.done && *run.last_seq.get(lane) >= first;
        if !self.control.runs.values().any(has_rows) {
            return Ok(());
        }
        let mut kept = Vec::new();
        {
            let sql = format!(
                "SELECT seq, row FROM {} WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT ?3",
                schema::table(lane)
            );
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query(params![first, to, BREADCRUMB_SCAN_ROWS as u64])?;
            while let Some(stored) = rows.next()? {
                let seq: u64 = stored.get(0)?;
                if only.is_some_and(|only| only.binary_search(&seq).is_err()) {
                    continue;
                }
                let Some(row) = row::decode(lane, seq, stored.get_ref(1)?.as_blob().unwrap_or_default()) else {
                    continue;
                };
                let crumb = if is_open(row.run) { crumb(row.record, Stage::Over) } else { None };
                if let Some(crumb) = crumb {
                    kept.push(Kept { run: row.run, n: row.n, age: self.age_of(lane, seq), crumb });
                }
                if kept.len() == MAX_BREADCRUMBS {
                    break;
                }
            }
        }
        self.store_trail(&kept)
    }

    /// The queue age at which a sequence number was given, or a little less.
    fn age_of(&self, lane: Lane, seq: u64) -> u64 {
        let marks = self.control.marks.get(lane);
        marks.iter().rev().find(|mark| mark.seq <= seq).map_or(0, |mark| mark.age)
    }

    /// Stores breadcrumbs, and forgets all but the last [`MAX_BREADCRUMBS`] of each run.
    fn store_trail(&mut self, kept: &[Kept]) -> Result<(), QueueError> {
        let mut runs = BTreeSet::new();
        for Kept { run, n, age, crumb } in kept {
            let text = serde_json::to_string(crumb).map_err(|error| QueueError::Other(error.to_string()))?;
            let crc = record_crc(*run, *n, text.as_bytes());
            let sql = "INSERT OR IGNORE INTO trail(run, n, age, crumb, crc) VALUES(?1, ?2, ?3, ?4, ?5)";
            if self.db.prepare_cached(sql)?.execute(params![run, n, age, text, crc])? > 0 {
                self.control.trail_bytes += text.len() as u64 + BREADCRUMB_OVERHEAD_BYTES;
            }
            runs.insert(*run);
        }
        for run in runs {
            let sql = "DELETE FROM trail WHERE run = ?1 AND n <= (
                           SELECT n FROM trail WHERE run = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)
                       RETURNING length(crumb)";
            self.delete_trail(sql, params![run, MAX_BREADCRUMBS as u64])?;
        }
        Ok(())
    }

    /// Deletes what the statement deletes and returns. Returns how many breadcrumbs that were.
    fn delete_trail(&mut self, sql: &str, params: impl rusqlite::Params) -> Result<usize, QueueError> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut deleted = statement.query(params)?;
        let mut count = 0;
        while let Some(row) = deleted.next()? {
            let bytes = row.get::<_, u64>(0)? + BREADCRUMB_OVERHEAD_BYTES;
            self.control.trail_bytes = self.control.trail_bytes.saturating_sub(bytes);
            count += 1;
        }
        Ok(count)
    }

    /// A run is over: nobody asks for its last events any more.
    pub(super) fn forget_trail(&mut self, run: u32) -> Result<(), QueueError> {
        if self.control.trail_bytes > 0 {
            self.delete_trail("DELETE FROM trail WHERE run = ?1 RETURNING length(crumb)", [run])?;
        }
        Ok(())
    }

    /// Drops up to `max` breadcrumbs, the oldest first, because there is no room. Returns how many.
    pub(super) fn evict_trail(&mut self, max: usize) -> Result<usize, QueueError> {
        if self.control.trail_bytes == 0 {
            return Ok(0);
        }
        let sql = "DELETE FROM trail WHERE (run, n) IN (SELECT run, n FROM trail ORDER BY run, n LIMIT ?1)
                   RETURNING length(crumb)";
        self.transact(|queue| match queue.delete_trail(sql, [max as u64])? {
            // What was counted is not there: it must not be asked for again and again.
            0 => {
                queue.control.trail_bytes = 0;
                Ok(0)
            }
            evicted => Ok(evicted),
        })
    }

    /// Drops breadcrumbs of events that have reached an age of `max_age` nanoseconds.
    pub(super) fn expire_trail(&mut self, max_age: u64) -> Result<(), QueueError> {
        let Some(oldest) = self.age().checked_sub(max_age).filter(|_| self.control.trail_bytes > 0) else {
            return Ok(());
        };
        let sql = "SELECT EXISTS(SELECT 1 FROM trail WHERE age <= ?1)";
        if !self.db.prepare_cached(sql)?.query_row([oldest], |row| row.get(0))? {
            return Ok(());
        }
        let sql = "DELETE FROM trail WHERE age <= ?1 RETURNING length(crumb)";
        self.transact(|queue| queue.delete_trail(sql, [oldest]).map(drop))
    }

    /// The last events of a run, in the order in which they happened: at most [`MAX_BREADCRUMBS`],
    /// whether they are rows, open, kept apart, or gone because they are settled.
    pub fn breadcrumbs(&self, run: u32) -> Result<Vec<Breadcrumb>, QueueError> {
        self.breadcrumbs_with(run, BTreeMap::new())
    }

    /// The same, with what was recorded since and has not come into the queue yet.
    pub(super) fn breadcrumbs_with(
        &self,
        run: u32,
        newest: BTreeMap<u64, Option<Breadcrumb>>,
    ) -> Result<Vec<Breadcrumb>, QueueError> {
        let mut last = self.stored_trail(run)?;
        for lane in Lane::ALL {
            self.breadcrumbs_of_rows(run, lane, &mut last)?;
        }
        for (table, order, stage) in [("held", "n", Stage::Open), ("pending", "id", Stage::Over)] {
            let sql = format!("SELECT n, record, crc FROM {table} WHERE run = ?1 ORDER BY {order} DESC LIMIT ?2");
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query(params![run, BREADCRUMB_SCAN_ROWS as u64])?;
            while let Some(stored) = rows.next()? {
                let (n, record, crc): (u64, Vec<u8>, u32) = (stored.get(0)?, stored.get(1)?, stored.get(2)?);
                let whole = (record_crc(run, n, &record) == crc).then(|| crumb(&record, stage)).flatten();
                last.extend(whole.map(|crumb| (n, crumb)));
            }
        }
        for (n, crumb) in newest {
            match crumb {
                Some(crumb) => drop(last.insert(n, crumb)),
                None => drop(last.remove(&n)),
            }
        }
        let surplus = last.len().saturating_sub(MAX_BREADCRUMBS);
        let mut crumbs: Vec<Breadcrumb> = last.into_values().skip(surplus).collect();
        crumbs.sort_by_key(|crumb| crumb.time_delta);
        Ok(crumbs)
    }

    /// What is kept of a run's events that are gone, by the counters of their ids.
    fn stored_trail(&self, run: u32) -> Result<BTreeMap<u64, Breadcrumb>, QueueError> {
        let mut statement = self.db.prepare_cached("SELECT n, crumb, crc FROM trail WHERE run = ?1")?;
        let mut rows = statement.query([run])?;
        let mut found = BTreeMap::new();
        while let Some(stored) = rows.next()? {
            let (n, text, crc): (u64, String, u32) = (stored.get(0)?, stored.get(1)?, stored.get(2)?);
            if record_crc(run, n, text.as_bytes()) == crc {
                found.extend(serde_json::from_str(&text).ok().map(|crumb| (n, crumb)));
            }
        }
        Ok(found)
    }

    fn breadcrumbs_of_rows(
        &self,
        run: u32,
        lane: Lane,
        found: &mut BTreeMap<u64, Breadcrumb>,
    ) -> Result<(), QueueError> {
        let last_seq = self.control.runs.get(&run).map_or(0, |state| *state.last_seq.get(lane));
        let sql = format!("SELECT seq, row FROM {} WHERE seq <= ?1 ORDER BY seq DESC LIMIT ?2", schema::table(lane));
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query([last_seq, BREADCRUMB_SCAN_ROWS as u64])?;
        let mut count = 0;
        while let Some(stored) = rows.next()?.filter(|_| count < MAX_BREADCRUMBS) {
            let seq: u64 = stored.get(0)?;
            let row = row::decode(lane, seq, stored.get_ref(1)?.as_blob().unwrap_or_default());
            let Some(row) = row.filter(|row| row.run == run) else { continue };
            if let Some(crumb) = crumb(row.record, Stage::Over) {
                found.insert(row.n, crumb);
                count += 1;
            }
        }
        Ok(())
    }
}

/// What an encoded event says; `None` when it says nothing or cannot be read.
pub(super) fn crumb(record: &[u8], stage: Stage) -> Option<Breadcrumb> {
    Breadcrumb::of(&Record::decode(record).ok()?, stage)
}

#[cfg(test)]
mod tests;
