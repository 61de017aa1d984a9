//! The recovery ladder: from a damaged database to a new one with every row that still passes its checksum.
//!
//! 1. A row that fails its checksum is dropped and booked; nothing else happens.
//! 2. A database that SQLite or our books call damaged is set aside, a new one is made, and the rows are read out of the
//!    old one: upwards, and downwards where the way up is blocked.
//! 3. A database of a later version, and one whose opening killed the process four times, is set aside unread.
//!
//! A locked device, a full disk or an I/O error is none of these: nothing is set aside, the caller tries again.
//!
//! Salvage runs when the queue is opened, on the worker, in steps that are each one short transaction.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::state::{self, BatchState, Books, DestinationState, LaneState, RunState};
use super::{Control, Queue, QueueError, QueueLimits, record_crc, row, schema, slot_mut};
use crate::event::Lane;
use crate::ledger::DropReason;
use crate::limits::{MAX_QUARANTINE_BYTES, MAX_QUARANTINED, QUARANTINE_AFTER_ATTEMPTS};
use crate::time::Clock;

const QUARANTINE: &str = "quarantine";
const OPENING: &str = "opening";

/// What opening came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Why the old database was set aside, if it was.
    pub set_aside: Option<String>,
    /// Rows read out of it.
    pub salvaged: u64,
}

/// Opens the queue in `dir`, climbing the ladder as far as needed.
///
/// # Errors
/// `Locked` and `Full`: try again later. Nothing has been deleted.
pub fn open_or_rebuild(dir: &Path, limits: QueueLimits, clock: &Clock) -> Result<(Queue, Opened), QueueError> {
    fs::create_dir_all(dir).map_err(|error| QueueError::Locked(error.to_string()))?;
    let attempts = begin_opening(dir)?;
    let opened = if attempts >= QUARANTINE_AFTER_ATTEMPTS {
        set_aside(dir, "poison")?;
        let mut queue = Queue::open(dir, limits, clock.clone())?;
        queue.note_quarantined()?;
        (queue, Opened { set_aside: Some(format!("killed its reader {attempts} times")), salvaged: 0 })
    } else {
        match Queue::open(dir, limits, clock.clone()) {
            Ok(queue) => (queue, Opened::default()),
            Err(QueueError::Newer(version)) => {
                set_aside(dir, &format!("newer-{version}"))?;
                let reason = format!("written by a later version ({version})");
                (Queue::open(dir, limits, clock.clone())?, Opened { set_aside: Some(reason), salvaged: 0 })
            }
            Err(QueueError::Corrupt(reason)) => rebuild(dir, limits, clock, reason)?,
            Err(other) => {
                discard_opening(dir);
                return Err(other);
            }
        }
    };
    discard_opening(dir);
    Ok(opened)
}

/// Sets a damaged database aside and makes a new one of what can be read.
pub(crate) fn rebuild(
    dir: &Path,
    limits: QueueLimits,
    clock: &Clock,
    reason: String,
) -> Result<(Queue, Opened), QueueError> {
    let old = set_aside(dir, "damaged")?;
    let mut queue = Queue::open(dir, limits, clock.clone())?;
    let salvaged = queue.salvage(&old.join(schema::FILE))?;
    queue.note_quarantined()?;
    trim_quarantine(dir);
    Ok((queue, Opened { set_aside: Some(reason), salvaged }))
}

/// Writes the attempt down before the file is touched. Returns how many before it did not end.
fn begin_opening(dir: &Path) -> Result<u32, QueueError> {
    let path = dir.join(OPENING);
    let attempts = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0u32);
    match fs::write(&path, (attempts + 1).to_string()) {
        Ok(()) => Ok(attempts),
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(attempts),
        Err(error) => Err(QueueError::Locked(error.to_string())),
    }
}

/// Says that opening ended, well or with an error: it did not kill the process.
fn discard_opening(dir: &Path) {
    let _ = fs::remove_file(dir.join(OPENING));
}

/// Moves the database and its WAL into a folder of their own.
fn set_aside(dir: &Path, name: &str) -> Result<PathBuf, QueueError> {
    let locked = |error: std::io::Error| QueueError::Locked(error.to_string());
    let folder = dir.join(QUARANTINE);
    fs::create_dir_all(&folder).map_err(locked)?;
    let free = (0..u32::MAX).map(|n| folder.join(format!("{name}-{n}"))).find(|path| !path.exists());
    let target = free.ok_or_else(|| QueueError::Other("the quarantine is full".to_owned()))?;
    fs::create_dir(&target).map_err(locked)?;
    for file in schema::FILES {
        let from = dir.join(file);
        if from.is_dir() {
            // Under its own name SQLite would stumble over it once more.
            fs::rename(&from, target.join(format!("{file}.directory"))).map_err(locked)?;
        } else if from.exists() {
            fs::rename(&from, target.join(file)).map_err(locked)?;
        }
    }
    Ok(target)
}

/// Keeps the two newest damaged databases, at most 4 MiB of them. One of a later version is never deleted.
fn trim_quarantine(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir.join(QUARANTINE)) else { return };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with("newer"))
        .map(|entry| (entry.metadata().and_then(|meta| meta.modified()).ok(), entry.path()))
        .collect();
    found.sort();
    let size = |path: &Path| -> u64 {
        let files = fs::read_dir(path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let mut bytes = 0;
    for (rank, (_, path)) in found.iter().rev().enumerate() {
        bytes += size(path);
        if rank >= MAX_QUARANTINED || bytes > MAX_QUARANTINE_BYTES {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// What the old database's books say, each value taken only if its checksum holds.
struct OldBooks {
    control: Control,
    lanes_known: [bool; 4],
}

fn read_books(old: &Connection) -> OldBooks {
    let mut books = OldBooks { control: Control::default(), lanes_known: [false; 4] };
    let Ok(mut statement) = old.prepare("SELECT key, value, crc FROM state") else { return books };
    let Ok(mut rows) = statement.query([]) else { return books };
    while let Ok(Some(row)) = rows.next() {
        let (Ok(key), Ok(value), Ok(crc)) = (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, u32>(2))
        else {
            continue;
        };
        let control = &mut books.control;
        let (kind, id) = key.split_once('/').unwrap_or((&key, ""));
        match kind {
            "lane" => {
                let lane = id.parse().ok().and_then(Lane::from_code);
                if let (Some(lane), Ok(state)) = (lane, state::parse::<LaneState>(&key, &value, crc)) {
                    *control.lane_mut(lane) = state;
                    *slot_mut(&mut books.lanes_known, lane) = true;
                }
            }
            "marks" => {
                let lane = id.parse().ok().and_then(Lane::from_code);
                if let (Some(lane), Ok(marks)) = (lane, state::parse(&key, &value, crc)) {
                    *slot_mut(&mut control.marks, lane) = marks;
                }
            }
            "run" => {
                if let (Ok(id), Ok(run)) = (id.parse(), state::parse::<RunState>(&key, &value, crc)) {
                    control.runs.insert(id, run);
                }
            }
            "destination" => {
                if let (Ok(id), Ok(state)) = (id.parse(), state::parse::<DestinationState>(&key, &value, crc)) {
                    control.destinations.insert(id, state);
                }
            }
            "batch" => {
                let parsed = id.split_once('/').and_then(|(destination, lane)| {
                    Some((destination.parse().ok()?, Lane::from_code(lane.parse().ok()?)?))
                });
                if let (Some(place), Ok(batch)) = (parsed, state::parse::<BatchState>(&key, &value, crc)) {
                    control.batches.insert(place, batch);
                }
            }
            "books" => control.books = state::parse::<Books>(&key, &value, crc).unwrap_or_default(),
            "age" => control.age = state::parse(&key, &value, crc).unwrap_or_default(),
            _ => {}
        }
    }
    books
}

impl Queue {
    fn note_quarantined(&mut self) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            queue.control.books.quarantined_files += 1;
            Ok(())
        })
    }

    /// Reads the rows of a damaged database into this new one. Whatever the old one's books say is missing afterwards is
    /// booked as corrupt.
    fn salvage(&mut self, old: &Path) -> Result<u64, QueueError> {
        // Read-write: a WAL is only read back into a database that may be written.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(old) = Connection::open_with_flags(old, flags) else { return Ok(0) };
        let _ = old.pragma_update(None, "locking_mode", "EXCLUSIVE");
        let _ = old.pragma_update(None, "cell_size_check", true);
        let books = read_books(&old);
        let counted = books.control.lanes;
        self.transact(false, |queue| {
            let mut control = books.control;
            let highest = control.runs.keys().max().copied().unwrap_or(0);
            control.books.next_run = control.books.next_run.max(highest);
            let highest = control.destinations.keys().max().copied().unwrap_or(0);
            control.books.next_destination = control.books.next_destination.max(highest);
            for lane in Lane::ALL {
                let known = books.lanes_known.get(usize::from(lane.code())).copied().unwrap_or(false);
                let state = control.lane_mut(lane);
                // Sequence numbers must never be given twice: without the books, start behind anything that can exist.
                let next_seq = if known { state.next_seq } else { highest_seq(&old, lane) + (1 << 20) };
                *state = LaneState { next_seq, first_seq: 1, rows: 0, bytes: 0, ..*state };
            }
            queue.control = control;
            Ok(())
        })?;
        self.salvage_contexts(&old)?;
        let mut salvaged = 0;
        for lane in Lane::ALL {
            let kept = self.salvage_lane(&old, lane)?;
            salvaged += kept;
            let held = self.salvage_held(&old, lane)?;
            let before = counted.get(usize::from(lane.code())).copied().unwrap_or_default();
            self.transact(false, |queue| {
                queue.refresh_first(lane)?;
                queue.reconcile(lane, before, kept, held);
                Ok(())
            })?;
        }
        Ok(salvaged)
    }

    /// Books what is missing: for each destination the rows that it had not settled, for the queue itself otherwise.
    fn reconcile(&mut self, lane: Lane, before: LaneState, kept: u64, held: u64) {
        let control = &mut self.control;
        let state = control.lane_mut(lane);
        state.held = held;
        // Rows that the old books did not know of were accepted all the same.
        state.accepted += kept.saturating_sub(before.rows) + held.saturating_sub(before.held);
        let accepted = state.accepted;
        let door: u64 =
            state::ledger(&control.books.drops).iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum();
        let active: Vec<u32> = control.active().map(|(id, _)| id).collect();
        if active.is_empty() {
            let missing = (before.rows + before.held).saturating_sub(kept + held);
            state::add_drops(&mut control.books.drops, lane, DropReason::RowCorrupt, missing);
        }
        for id in active {
            // A batch whose rows may be gone is taken apart: its open rows are sent again, ids keep them from counting
            // twice at the backend.
            control.batches.remove(&(id, lane));
            let cursor = control.destinations.get(&id).map_or(0, |state| super::slot(&state.cursor, lane));
            let sql = format!("SELECT count(*) FROM {} WHERE seq >= ?1", schema::table(lane));
            let queued = self.db.query_row(&sql, [cursor], |row| row.get::<_, u64>(0)).unwrap_or(0) + held;
            let Some(destination) = control.destinations.get_mut(&id) else { continue };
            let baseline = super::slot(&destination.baseline, lane);
            let delivered = super::slot(&destination.delivered, lane);
            let dropped: u64 =
                state::ledger(&destination.drops).iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum();
            let settled = baseline + delivered + dropped + door;
            match accepted.checked_sub(settled + queued) {
                Some(missing) => destination.drop_events(lane, DropReason::RowCorrupt, missing),
                // Rows that had been settled will be sent again: they count as accepted again.
                None => *slot_mut(&mut destination.delivered, lane) -= (settled + queued - accepted).min(delivered),
            }
        }
    }

    fn salvage_contexts(&mut self, old: &Connection) -> Result<(), QueueError> {
        self.transact(false, |queue| {
            let Ok(mut statement) = old.prepare("SELECT run, version, record, crc FROM contexts") else {
                return Ok(());
            };
            let Ok(mut rows) = statement.query([]) else { return Ok(()) };
            while let Ok(Some(row)) = rows.next() {
                let parts =
                    (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, Vec<u8>>(2), row.get::<_, u32>(3));
                let (Ok(run), Ok(version), Ok(record), Ok(crc)) = parts else { continue };
                if record_crc(run, version, &record) == crc {
                    let sql = "INSERT OR IGNORE INTO contexts(run, version, record, crc) VALUES(?1, ?2, ?3, ?4)";
                    queue.db.prepare_cached(sql)?.execute(params![run, version, record, crc])?;
                }
            }
            Ok(())
        })
    }

    fn salvage_held(&mut self, old: &Connection, lane: Lane) -> Result<u64, QueueError> {
        self.transact(false, |queue| {
            let mut kept = 0;
            let sql = "SELECT run, n, record, crc FROM held WHERE lane = ?1";
            let Ok(mut statement) = old.prepare(sql) else { return Ok(0) };
            let Ok(mut rows) = statement.query([lane.code()]) else { return Ok(0) };
            while let Ok(Some(row)) = rows.next() {
                let parts =
                    (row.get::<_, u32>(0), row.get::<_, u64>(1), row.get::<_, Vec<u8>>(2), row.get::<_, u32>(3));
                let (Ok(run), Ok(n), Ok(record), Ok(crc)) = parts else { continue };
                if record_crc(run, n, &record) == crc && queue.control.runs.contains_key(&run) {
                    let sql = "INSERT OR IGNORE INTO held(run, n, lane, record, crc) VALUES(?1, ?2, ?3, ?4, ?5)";
                    kept += queue.db.prepare_cached(sql)?.execute(params![run, n, lane.code(), record, crc])? as u64;
                }
            }
            Ok(kept)
        })
    }

    /// Upwards from the first row, then downwards from the last to where the way up ended.
    fn salvage_lane(&mut self, old: &Connection, lane: Lane) -> Result<u64, QueueError> {
        let table = schema::table(lane);
        let up = format!("SELECT seq, row FROM {table} WHERE seq > ?1 ORDER BY seq LIMIT 256");
        let down = format!("SELECT seq, row FROM {table} WHERE seq < ?1 ORDER BY seq DESC LIMIT 256");
        let (mut kept, mut at) = (0, 0i64);
        loop {
            let (seqs, ended, count) = self.salvage_step(old, lane, &up, at)?;
            kept += count;
            match seqs {
                Some(last) => at = last,
                None if ended => return Ok(kept),
                None => break,
            }
            if ended {
                return Ok(kept);
            }
        }
        let mut below = i64::MAX;
        loop {
            let (seqs, ended, count) = self.salvage_step(old, lane, &down, below)?;
            kept += count;
            match seqs {
                Some(last) if last > at && !ended => below = last,
                _ => return Ok(kept),
            }
        }
    }

    /// One query's worth of rows, in one transaction. Returns the last sequence number seen, whether the query came to
    /// the table's end, and how many rows were kept.
    fn salvage_step(
        &mut self,
        old: &Connection,
        lane: Lane,
        sql: &str,
        from: i64,
    ) -> Result<(Option<i64>, bool, u64), QueueError> {
        self.transact(false, |queue| {
            let Ok(mut statement) = old.prepare_cached(sql) else { return Ok((None, false, 0)) };
            let Ok(mut rows) = statement.query([from]) else { return Ok((None, false, 0)) };
            let (mut last, mut seen, mut kept) = (None, 0, 0);
            loop {
                match rows.next() {
                    Ok(Some(stored)) => {
                        seen += 1;
                        let Ok(seq) = stored.get::<_, i64>(0) else { continue };
                        last = Some(seq);
                        let Some(bytes) = stored.get_ref(1).ok().and_then(|value| value.as_blob().ok()) else {
                            continue;
                        };
                        kept += queue.keep_salvaged(lane, seq, bytes)?;
                    }
                    Ok(None) => return Ok((last, seen < 256, kept)),
                    // The way is blocked here. What was read counts; the caller comes from the other side.
                    Err(_) => return Ok((None, false, kept)),
                }
            }
        })
    }

    fn keep_salvaged(&mut self, lane: Lane, seq: i64, bytes: &[u8]) -> Result<u64, QueueError> {
        let Ok(seq) = u64::try_from(seq) else { return Ok(0) };
        let Some(row) = row::decode(lane, seq, bytes) else { return Ok(0) };
        if !self.control.runs.contains_key(&row.run) {
            return Ok(0);
        }
        let sql = format!("INSERT OR IGNORE INTO {}(seq, row) VALUES(?1, ?2)", schema::table(lane));
        let kept = self.db.prepare_cached(&sql)?.execute(params![seq, bytes])? as u64;
        let state = self.control.lane_mut(lane);
        state.rows += kept;
        state.bytes += kept * (bytes.len() as u64 + super::absorb::ROW_OVERHEAD);
        state.next_seq = state.next_seq.max(seq + 1);
        Ok(kept)
    }
}

fn highest_seq(old: &Connection, lane: Lane) -> u64 {
    let sql = format!("SELECT max(seq) FROM {}", schema::table(lane));
    old.query_row(&sql, [], |row| row.get::<_, Option<u64>>(0)).ok().flatten().unwrap_or(0)
}
