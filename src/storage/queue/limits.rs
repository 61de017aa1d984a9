//! The queue keeps to its limits: quotas of bytes, ages, and the way out of a full disk.

use std::fs::File;
use std::io::Write;

use super::lanes::MAX_SEQ;
use super::schema::BALLAST;
use super::{Queue, QueueError, Settlement, schema};
use crate::model::event::Lane;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    BALLAST_BYTES, BALLAST_REARM_FREE, CRASH_AGE_FACTOR, CRASH_EVICT_ROWS, EXPIRY_AGE_MIN, FULL_DISK_EVICT_ROWS,
    FULL_DISK_EVICT_STEPS, MAX_DRAIN_EVENTS, SWEEP_SHARE,
};
use crate::model::time::nanos;

impl Queue {
    /// Evicts rows that are over the quotas: those of the least valuable lane first, and its oldest
    /// ones first. No crash is evicted to make room for other events. Contexts and what is kept
    /// apart count, too: when contexts are many, a sweep becomes due, which forgets those that no
    /// event needs.
    pub(super) fn enforce_quotas(&mut self) -> Result<(), QueueError> {
        if self.is_salvaging() {
            return Ok(());
        }
        while self.control.lane(Lane::Crash).bytes > self.limits.crash_bytes {
            if self.evict(Lane::Crash, CRASH_EVICT_ROWS, MAX_SEQ, DropReason::QuotaBytes)? == 0 {
                break;
            }
        }
        let room = self.limits.queue_bytes - self.limits.crash_bytes.min(self.limits.queue_bytes / 2);
        loop {
            self.note_contexts(room);
            let rows: u64 = self.control.lanes.values().skip(1).map(|lane| lane.bytes).sum();
            let others = self.control.context_bytes + self.control.apart.bytes() + self.control.trail_bytes;
            let is_over = rows + others > room;
            if !is_over || (self.sweeping.is_due && rows <= room) {
                return Ok(());
            }
            // More than needed is evicted, so that the next drain does not have to evict again. But
            // when rows alone do not take the room, a few events may be enough.
            let evicted = if rows > room { self.evict_lowest()? } else { self.evict_few()? };
            if evicted == 0 {
                return Ok(());
            }
            self.sweeping.is_due |= rows <= room;
        }
    }

    /// Drops rows of the least valuable lane that has any. Returns how many.
    fn evict_lowest(&mut self) -> Result<usize, QueueError> {
        for lane in [Lane::Bulk, Lane::Event, Lane::Error] {
            let evicted = self.evict(lane, MAX_DRAIN_EVENTS, MAX_SEQ, DropReason::QuotaBytes)?;
            if evicted > 0 {
                return Ok(evicted);
            }
        }
        Ok(0)
    }

    /// Drops a few events, because rows, contexts and what is kept apart together take too much
    /// room. First goes what is kept of events that are gone. What is kept apart needs contexts as
    /// much as rows do: so the next is what is kept aside and may never be sent, then the least
    /// valuable lane, and of that first what waits for the user's consent. Returns how many were
    /// dropped.
    fn evict_few(&mut self) -> Result<usize, QueueError> {
        let trail = self.evict_trail(MAX_DRAIN_EVENTS)?;
        if trail > 0 {
            return Ok(trail);
        }
        let aside = self.evict_aside(MAX_DRAIN_EVENTS)?;
        if aside > 0 {
            return Ok(aside);
        }
        for lane in [Lane::Bulk, Lane::Event, Lane::Error] {
            let apart = self.evict_pending(lane, MAX_DRAIN_EVENTS, DropReason::QuotaBytes)?;
            if apart > 0 {
                return Ok(apart);
            }
            let few = (self.control.lane(lane).rows / SWEEP_SHARE).max(1) as usize;
            let evicted = self.evict(lane, few.min(MAX_DRAIN_EVENTS), MAX_SEQ, DropReason::QuotaBytes)?;
            if evicted > 0 {
                return Ok(evicted);
            }
        }
        Ok(0)
    }

    /// Drops rows that are too old, those of frozen parts too: while this runs, no request may be
    /// under way. Ages are boot time, summed over boots, so that no change of the wall clock makes
    /// a row old. Returns how many rows were dropped.
    pub fn expire(&mut self) -> Result<u64, QueueError> {
        let mut expired = 0;
        if self.is_salvaging() {
            return Ok(expired);
        }
        self.expire_trail(nanos(self.limits.max_age.max(EXPIRY_AGE_MIN)))?;
        for lane in Lane::ALL {
            let age = match lane {
                Lane::Crash => self.limits.max_age.saturating_mul(CRASH_AGE_FACTOR),
                _ => self.limits.max_age,
            };
            let before = self.expired_before(lane, nanos(age.max(EXPIRY_AGE_MIN)));
            expired += self.expire_parts(lane, before)?;
            while before > self.control.lane(lane).first_seq {
                match self.evict(lane, MAX_DRAIN_EVENTS, before, DropReason::QuotaAge)? {
                    0 => break,
                    count => expired += count as u64,
                }
            }
        }
        Ok(expired)
    }

    /// Drops the frozen parts whose rows are all below a sequence number.
    fn expire_parts(&mut self, lane: Lane, before: u64) -> Result<u64, QueueError> {
        let mut old = Vec::new();
        for ((id, _), batch) in self.control.batches.iter().filter(|((_, of), _)| *of == lane) {
            old.extend(batch.parts.iter().filter(|part| part.to < before).map(|part| (*id, part.id, part.rows)));
        }
        let mut expired = 0;
        for (destination, part, rows) in old {
            self.settle(destination, lane, part, Settlement::Drop(DropReason::QuotaAge), 0)?;
            expired += rows;
        }
        Ok(expired)
    }

    /// Drops up to `max` of the oldest rows with a lower sequence number than `before`, except for
    /// those of frozen batches; what has come of a paused signal is not frozen. Returns how many
    /// were dropped.
    fn evict(&mut self, lane: Lane, max: usize, before: u64, reason: DropReason) -> Result<usize, QueueError> {
        let pinned: Vec<(u64, u64)> = self
            .control
            .batches
            .iter()
            .filter(|((_, batch_lane), _)| *batch_lane == lane)
            .flat_map(|(_, batch)| batch.parts.iter().filter(|part| !part.is_deferred))
            .map(|part| (part.from, part.to))
            .collect();
        let mut seqs: Vec<u64> = Vec::new();
        let mut from = 0;
        while seqs.len() < max {
            let sql =
                format!("SELECT seq FROM {} WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3", schema::table(lane));
            let mut statement = self.db.prepare_cached(&sql)?;
            let found: Vec<u64> =
                statement.query_map((from, before, max as u64), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let Some(last) = found.last() else { break };
            from = last + 1;
            let is_free = |seq: &u64| !pinned.iter().any(|(from, to)| (from..=to).contains(&seq));
            seqs.extend(found.iter().copied().filter(is_free));
        }
        seqs.truncate(max);
        if seqs.is_empty() {
            return Ok(0);
        }
        self.transact(|queue| queue.drop_rows(lane, &seqs, reason))?;
        Ok(seqs.len())
    }

    /// Gets out of a full disk, on which a database in WAL mode cannot even delete rows: gives up
    /// the ballast, writes the WAL back into the database, then evicts a few events at a time: of
    /// what is kept of those that are gone, of what is kept aside, then from the least valuable
    /// lane.
    ///
    /// # Errors
    /// When nothing helped: the journal then keeps what it can until there is room. `Corrupt` when
    /// the disk has room: SQLite also reports a full disk when a damaged page number points far
    /// behind the end of the file.
    pub fn make_room(&mut self) -> Result<(), QueueError> {
        if self.free_bytes() >= BALLAST_REARM_FREE {
            self.check_pages()?;
        }
        let _ = std::fs::remove_file(self.dir.join(BALLAST));
        self.checkpoint()?;
        for lane in [None, Some(Lane::Bulk), Some(Lane::Event), Some(Lane::Error)] {
            let mut steps = FULL_DISK_EVICT_STEPS;
            while steps > 0 && self.evict_for_disk(lane)? > 0 {
                self.checkpoint()?;
                steps -= 1;
            }
            if steps == 0 || lane.is_some_and(|lane| self.control.lane(lane).rows > 0) {
                break;
            }
        }
        self.vacuum()?;
        self.checkpoint()?;
        // What has been evicted may have been the last that needed its contexts.
        self.sweeping.is_due = true;
        Ok(())
    }

    /// Drops very few events of a lane, or without one of what is kept besides: each deletion needs
    /// room itself.
    fn evict_for_disk(&mut self, lane: Option<Lane>) -> Result<usize, QueueError> {
        let Some(lane) = lane else {
            return match self.evict_trail(FULL_DISK_EVICT_ROWS)? {
                0 => self.evict_aside(FULL_DISK_EVICT_ROWS),
                evicted => Ok(evicted),
            };
        };
        match self.evict_pending(lane, FULL_DISK_EVICT_ROWS, DropReason::DiskFull)? {
            0 => self.evict(lane, FULL_DISK_EVICT_ROWS, MAX_SEQ, DropReason::DiskFull),
            evicted => Ok(evicted),
        }
    }

    /// Bytes that are free for the app on the file system; 0 when it does not say.
    fn free_bytes(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Looks for damage in every page of the database.
    fn check_pages(&self) -> Result<(), QueueError> {
        match self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
            Ok(found) if found == "ok" => Ok(()),
            Ok(found) => Err(QueueError::Corrupt(found)),
            Err(error) => Err(QueueError::Corrupt(error.to_string())),
        }
    }

    /// Writes the ballast file when it is missing and the disk has room. It is never sparse: it has
    /// to occupy real blocks.
    pub fn arm_ballast(&mut self) {
        let path = self.dir.join(BALLAST);
        let armed = std::fs::metadata(&path).is_ok_and(|meta| meta.len() >= BALLAST_BYTES);
        if armed || self.free_bytes() < BALLAST_REARM_FREE {
            return;
        }
        let written = File::create(&path).and_then(|mut file| {
            let zeros = [0u8; 4096];
            (0..BALLAST_BYTES / 4096).try_for_each(|_| file.write_all(&zeros))
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&path);
        }
    }
}
