//! The lanes: the only code that inserts and deletes their rows, gives sequence numbers, and keeps
//! their books.
//!
//! Each lane is a table of its own that is only ever appended to. A row's sequence number is never
//! given twice, because cursors and frozen batches refer to it. With every insert and every
//! deletion the books of the lane (rows, bytes, first and next number) change in the same
//! transaction.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, params};

use super::control::Control;
use super::row::Row;
use super::state::{DestinationState, Mark, PartState};
use super::{ByLane, Queue, QueueError, row, schema};
use crate::model::event::decode::Record;
use crate::model::event::{EventKind, Lane};
use crate::model::ledger::DropReason;
use crate::model::limits::{AGE_MARK_EVERY, MAX_DRAIN_EVENTS, ROW_OVERHEAD_BYTES};
use crate::model::time::nanos;

/// The highest sequence number: SQLite's integers are signed.
pub(super) const MAX_SEQ: u64 = i64::MAX as u64;

/// An event on its way into the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The number of its run.
    pub(super) run: u32,
    /// Its lane.
    pub(super) lane: Lane,
    /// The counter of its id.
    pub(super) n: u64,
    /// Its canonical record.
    pub(super) record: &'a [u8],
}

/// Inserts rows within one transaction.
pub(super) struct Writer<'db> {
    inserts: ByLane<CachedStatement<'db>>,
    age: u64,
    row: Vec<u8>,
}

impl<'db> Writer<'db> {
    /// A writer for a transaction that takes place at this queue age.
    pub(super) fn new(db: &'db Connection, age: u64) -> Result<Self, QueueError> {
        let insert = |lane| db.prepare_cached(insert_sql(lane));
        let inserts = ByLane([insert(Lane::Crash)?, insert(Lane::Error)?, insert(Lane::Event)?, insert(Lane::Bulk)?]);
        Ok(Self { inserts, age, row: Vec::new() })
    }

    /// The queue age of the transaction, ns.
    pub(super) fn age(&self) -> u64 {
        self.age
    }

    /// Inserts an event that has been accepted, as the newest row of its lane.
    pub(super) fn insert(&mut self, control: &mut Control, entry: Entry<'_>) -> Result<(), QueueError> {
        let Entry { run, lane, n, record } = entry;
        let state = control.lane_mut(lane);
        let seq = state.next_seq;
        self.row.clear();
        row::append(lane, seq, &Row { run, n, record }, &mut self.row);
        self.inserts.get_mut(lane).execute(params![seq, self.row])?;
        state.next_seq += 1;
        state.rows += 1;
        state.bytes += self.row.len() as u64 + ROW_OVERHEAD_BYTES;
        if let Some(run) = control.runs.get_mut(&run) {
            *run.last_seq.get_mut(lane) = seq;
        }
        mark(control.marks.get_mut(lane), Mark { seq, age: self.age });
        Ok(())
    }
}

fn insert_sql(lane: Lane) -> &'static str {
    match lane {
        Lane::Crash => "INSERT INTO lane_crash(seq, row) VALUES(?1, ?2)",
        Lane::Error => "INSERT INTO lane_error(seq, row) VALUES(?1, ?2)",
        Lane::Event => "INSERT INTO lane_event(seq, row) VALUES(?1, ?2)",
        Lane::Bulk => "INSERT INTO lane_bulk(seq, row) VALUES(?1, ?2)",
    }
}

/// Notes at which queue age a sequence number was given, unless the last mark is recent.
pub(super) fn mark(marks: &mut Vec<Mark>, new: Mark) {
    if marks.last().is_none_or(|last| new.age >= last.age + nanos(AGE_MARK_EVERY)) {
        marks.push(new);
    }
}

/// The kinds of rows that are to be deleted, by their sequence numbers. It has none of a damaged
/// row, and is empty when nobody needs to know.
pub(super) type Gone = HashMap<u64, EventKind>;

/// What a deletion took away.
#[derive(Debug, Clone, Copy, Default)]
struct Deleted {
    rows: u64,
    bytes: u64,
}

impl Queue {
    /// Drops rows that turned out to be unreadable, and books them.
    pub fn discard(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        for seqs in seqs.chunks(MAX_DRAIN_EVENTS) {
            self.transact(|queue| queue.drop_rows(lane, seqs, reason))?;
        }
        Ok(())
    }

    /// Deletes rows within a transaction, and books the drops for every destination that had not
    /// settled them.
    pub(super) fn drop_rows(&mut self, lane: Lane, seqs: &[u64], reason: DropReason) -> Result<(), QueueError> {
        self.count_lost(lane, seqs, reason)?;
        let gone = self.kinds_if_deferred(lane, seqs)?;
        self.delete_rows(lane, seqs)?;
        self.book_dropped(lane, seqs, &gone, reason)
    }

    /// The kinds of rows of a lane in which a part is deferred. Such a part may be as long as the
    /// lane, so that counting what is left of it would take long.
    fn kinds_if_deferred(&self, lane: Lane, seqs: &[u64]) -> Result<Gone, QueueError> {
        let is_deferred = |part: &PartState| part.is_deferred;
        let mut batches = self.control.batches.iter().filter(|((_, of), _)| *of == lane);
        let is_needed = batches.any(|(_, batch)| batch.parts.iter().any(is_deferred));
        if is_needed { self.kinds(lane, seqs) } else { Ok(Gone::new()) }
    }

    /// The kinds of rows.
    pub(super) fn kinds(&self, lane: Lane, seqs: &[u64]) -> Result<Gone, QueueError> {
        let mut gone = Gone::new();
        let sql = format!("SELECT row FROM {} WHERE seq = ?1", schema::table(lane));
        let mut statement = self.db.prepare_cached(&sql)?;
        for seq in seqs {
            let mut rows = statement.query([seq])?;
            if let Some(stored) = rows.next()? {
                gone.extend(kind_of(lane, *seq, stored.get_ref(0)?).map(|kind| (*seq, kind)));
            }
        }
        Ok(gone)
    }

    fn delete_rows(&mut self, lane: Lane, seqs: &[u64]) -> Result<(), QueueError> {
        let mut deleted = Deleted::default();
        {
            let sql = format!("DELETE FROM {} WHERE seq = ?1 RETURNING length(row)", schema::table(lane));
            let mut statement = self.db.prepare_cached(&sql)?;
            for seq in seqs {
                let mut rows = statement.query([seq])?;
                while let Some(row) = rows.next()? {
                    deleted.rows += 1;
                    deleted.bytes += row.get::<_, u64>(0)?;
                }
            }
        }
        self.forget_rows(lane, deleted)
    }

    /// Deletes the rows of a range that every destination has settled, while other parts of the
    /// batch around them are stuck, of whichever destination. Else they would fill the lane until
    /// that batch ends.
    pub(super) fn delete_in_stuck(&mut self, lane: Lane, from: u64, to: u64) -> Result<(), QueueError> {
        let waits_long = |state: &DestinationState, part: &PartState| {
            part.is_stuck() || part.is_deferred || state.signal_pauses.iter().any(|pause| pause.signal == part.signal)
        };
        let is_stuck = |(id, state): (u32, &DestinationState)| {
            let batch = self.control.batches.get(&(id, lane));
            batch.is_some_and(|batch| batch.parts.iter().any(|part| waits_long(state, part)))
        };
        if !self.control.active().any(is_stuck) {
            return Ok(());
        }
        let is_needed = |seq: u64, kind: Option<EventKind>| {
            self.control.active().any(|(id, state)| match self.control.batches.get(&(id, lane)) {
                Some(batch) if (batch.from..=batch.to).contains(&seq) => batch.covers(seq, kind),
                _ => seq >= *state.cursor.get(lane),
            })
        };
        let mut settled = Vec::new();
        {
            let sql = format!("SELECT seq, row FROM {} WHERE seq BETWEEN ?1 AND ?2", schema::table(lane));
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query([from, to])?;
            while let Some(stored) = rows.next()? {
                let seq = stored.get(0)?;
                if !is_needed(seq, kind_of(lane, seq, stored.get_ref(1)?)) {
                    settled.push(seq);
                }
            }
        }
        if settled.is_empty() {
            return Ok(());
        }
        self.keep_trail(lane, from, settled.last().copied().unwrap_or(to), Some(&settled))?;
        self.delete_rows(lane, &settled)
    }

    /// Books the loss of rows that have been deleted for every destination that had not settled
    /// them; without a destination, for the queue.
    fn book_dropped(&mut self, lane: Lane, seqs: &[u64], gone: &Gone, reason: DropReason) -> Result<(), QueueError> {
        let active: Vec<u32> = self.control.active().map(|(id, _)| id).collect();
        if active.is_empty() {
            self.control.books.drops.add(lane, reason, seqs.len() as u64);
        }
        for id in active {
            let of_batch = self.shrink_parts(id, lane, seqs, gone)?;
            let batch = self.control.batches.get(&(id, lane));
            let in_batch = |seq: u64| batch.is_some_and(|batch| (batch.from..=batch.to).contains(&seq));
            let Some(destination) = self.control.destinations.get_mut(&id) else { continue };
            let cursor = *destination.cursor.get(lane);
            let others = seqs.iter().filter(|seq| **seq >= cursor && !in_batch(**seq)).count() as u64;
            destination.drops.add(lane, reason, of_batch + others);
        }
        Ok(())
    }

    /// Deletes the rows that every destination has settled. Without a destination nothing is
    /// settled.
    pub(super) fn delete_settled(&mut self, lane: Lane) -> Result<(), QueueError> {
        let settled_before = self.control.active().map(|(_, state)| *state.cursor.get(lane)).min();
        let Some(before) = settled_before.filter(|before| *before > self.control.lane(lane).first_seq) else {
            return Ok(());
        };
        self.keep_trail(lane, 0, before.saturating_sub(1), None)?;
        let table = schema::table(lane);
        let sql = format!("SELECT count(*), coalesce(sum(length(row)), 0) FROM {table} WHERE seq < ?1");
        let count = |row: &rusqlite::Row<'_>| Ok(Deleted { rows: row.get(0)?, bytes: row.get(1)? });
        let deleted = self.db.prepare_cached(&sql)?.query_row([before], count)?;
        self.db.prepare_cached(&format!("DELETE FROM {table} WHERE seq < ?1"))?.execute([before])?;
        self.forget_rows(lane, deleted)
    }

    fn forget_rows(&mut self, lane: Lane, deleted: Deleted) -> Result<(), QueueError> {
        let state = self.control.lane_mut(lane);
        state.rows = state.rows.saturating_sub(deleted.rows);
        state.bytes = state.bytes.saturating_sub(deleted.bytes + deleted.rows * ROW_OVERHEAD_BYTES);
        self.refresh_first(lane)
    }

    /// Brings back a row of a damaged database under its own sequence number. Its events have been
    /// accepted before.
    pub(super) fn restore_row(&mut self, lane: Lane, seq: u64, bytes: &[u8]) -> Result<(), QueueError> {
        let sql = format!("INSERT OR IGNORE INTO {}(seq, row) VALUES(?1, ?2)", schema::table(lane));
        let restored = self.db.prepare_cached(&sql)?.execute(params![seq, bytes])? as u64;
        let state = self.control.lane_mut(lane);
        state.rows += restored;
        state.bytes += restored * (bytes.len() as u64 + ROW_OVERHEAD_BYTES);
        Ok(())
    }

    /// Looks up the lane's first row, and forgets the age marks that no row needs any more.
    pub(super) fn refresh_first(&mut self, lane: Lane) -> Result<(), QueueError> {
        let sql = format!("SELECT min(seq) FROM {}", schema::table(lane));
        let found: Option<u64> = self.db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        let state = self.control.lane_mut(lane);
        let first = found.unwrap_or(state.next_seq);
        state.first_seq = first;
        let marks = self.control.marks.get_mut(lane);
        let needed_from = marks.iter().rposition(|mark| mark.seq <= first).unwrap_or(0);
        marks.drain(..needed_from);
        Ok(())
    }

    /// Rows with a lower sequence number than this have reached an age of `max_age` nanoseconds; 0
    /// when none has.
    pub fn expired_before(&self, lane: Lane, max_age: u64) -> u64 {
        let now = self.age();
        let is_old = |age: u64| now.saturating_sub(age) >= max_age;
        let marks = self.control.marks.get(lane);
        let ends = marks.iter().skip(1).map(|next| next.seq).chain([self.control.lane(lane).next_seq]);
        let mut first = 0;
        for (mark, end) in marks.iter().zip(ends).take_while(|(mark, _)| is_old(mark.age)) {
            // A mark would have been set if a row had come later than this after the last one.
            first = if is_old(mark.age + nanos(AGE_MARK_EVERY)) { end } else { mark.seq };
        }
        first
    }
}

/// The kind of a row; `None` when it is damaged.
fn kind_of(lane: Lane, seq: u64, stored: rusqlite::types::ValueRef<'_>) -> Option<EventKind> {
    let row = row::decode(lane, seq, stored.as_blob().ok()?)?;
    Record::peek_kind(row.record).ok()
}
