//! The queue's books: small values under a name, each with a checksum.
//!
//! They are JSON, so that a support engineer can read them with any SQLite shell, and so that a later version may add
//! fields. A flipped bit in a cursor would lose or repeat data silently; the checksum makes it corruption instead.

use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::QueueError;
use crate::model::event::Lane;
use crate::model::ids::RunKey;
use crate::model::ledger::{DropReason, Ledger};
use crate::model::time::{BootId, BootTime, Deadline};

/// A lane's books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The sequence number that the next row gets. Only grows.
    pub next_seq: u64,
    /// Lowest sequence number that may still have a row.
    pub first_seq: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of the rows.
    pub bytes: u64,
    /// Events that are open, in `held`.
    pub held: u64,
    /// Events accepted, refused ones included.
    pub accepted: u64,
}

/// What is known of one run of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Key of its ids, as hex.
    pub key: String,
    /// Wall time to which its events' time deltas refer.
    pub base_wall: u64,
    /// Journal offset up to which its records are in the queue.
    pub drained_to: u64,
    /// Offset up to which its crash records are: they are committed first.
    pub crash_to: u64,
    /// Events taken from the journal, by lane.
    pub drained: [u64; 4],
    /// Events given up as lost, by lane.
    pub lost: [u64; 4],
    /// Refusals booked so far, by door and lane.
    pub refused: [[u64; 4]; 3],
    /// The highest sequence number of its rows, by lane; 0 for none.
    pub last_seq: [u64; 4],
    /// Whether its journal has been read to the end.
    pub done: bool,
}

impl RunState {
    /// The key.
    pub fn run_key(&self) -> Option<RunKey> {
        uuid::Uuid::try_parse(&self.key).ok().map(|id| RunKey(*id.as_bytes()))
    }
}

/// A deadline as stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDeadline {
    boot: u64,
    at: u64,
    remaining: u64,
}

impl From<Deadline> for StoredDeadline {
    fn from(deadline: Deadline) -> Self {
        Self { boot: deadline.boot.0, at: deadline.at.0, remaining: deadline.remaining }
    }
}

impl From<StoredDeadline> for Deadline {
    fn from(stored: StoredDeadline) -> Self {
        Self { boot: BootId(stored.boot), at: BootTime(stored.at), remaining: stored.remaining }
    }
}

/// A destination's books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationState {
    /// Its name in the configuration.
    pub name: String,
    /// Hash of endpoint and headers: a change lifts a pause.
    pub fingerprint: u64,
    /// Next sequence number to send, by lane.
    pub cursor: [u64; 4],
    /// Events accepted before it existed and already gone, by lane.
    pub baseline: [u64; 4],
    /// Events delivered, by lane.
    pub delivered: [u64; 4],
    /// Drops that concern it alone: `(lane, reason, count)`.
    pub drops: Vec<(u8, u8, u64)>,
    /// Until when it rests.
    pub paused: Option<StoredDeadline>,
    /// Why.
    pub pause_reason: String,
    /// Pauses in a row.
    pub pauses: u32,
    /// Queue age at which it last accepted something.
    pub accepted_age: Option<u64>,
    /// Whether it left the configuration.
    pub removed: bool,
}

impl DestinationState {
    /// Books drops.
    pub fn drop_events(&mut self, lane: Lane, reason: DropReason, count: u64) {
        add_drops(&mut self.drops, lane, reason, count);
    }
}

/// Books drops in a stored list.
pub fn add_drops(list: &mut Vec<(u8, u8, u64)>, lane: Lane, reason: DropReason, count: u64) {
    if count == 0 {
        return;
    }
    match list.iter_mut().find(|entry| entry.0 == lane.code() && entry.1 == reason.code()) {
        Some(entry) => entry.2 += count,
        None => list.push((lane.code(), reason.code(), count)),
    }
}

/// Reads a stored list of drops. Reasons of a later version are left out.
pub fn ledger(list: &[(u8, u8, u64)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (lane, reason, count) in list {
        if let (Some(lane), Some(reason)) = (Lane::from_code(*lane), DropReason::from_code(*reason)) {
            ledger.add(lane, reason, *count);
        }
    }
    ledger
}

/// One request of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Unique within the batch.
    pub id: u32,
    /// The exporter's own number for the request's kind.
    pub signal: u8,
    /// First and last sequence number.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Rows of its signal in that range.
    pub rows: u64,
    /// How often it was halved: siblings are tried before their halves.
    pub depth: u32,
    /// Names the two halves of one part; 0 for a part that was never halved.
    #[serde(default)]
    pub family: u32,
    /// Whether its other half was refused.
    pub sibling_refused: bool,
    /// Whether the server named `not_before`: then not even a flush comes earlier.
    #[serde(default)]
    pub server_asked: bool,
    /// Sends so far.
    pub attempts: u32,
    /// The exporter's version that encoded it.
    pub version: u32,
    /// SHA-256 of the uncompressed body, as hex.
    pub hash: String,
    /// Not before.
    pub not_before: Option<StoredDeadline>,
}

/// A frozen batch of one destination and lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchState {
    /// First sequence number.
    pub from: u64,
    /// Last one.
    pub to: u64,
    /// Requests that are not settled.
    pub parts: Vec<PartState>,
    /// Number of the next part.
    pub next_part: u32,
}

impl BatchState {
    /// Rows that are not settled.
    pub fn open_rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }
}

/// Everything that is no lane of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Number of the next run.
    pub next_run: u32,
    /// Number of the next destination.
    pub next_destination: u32,
    /// Drops that concern every destination.
    pub drops: Vec<(u8, u8, u64)>,
    /// Compressed bytes sent in the current day, and that day (queue age in days).
    pub sent_today: (u64, u64),
    /// Times of uploads that failed since the last success.
    pub retries: u64,
    /// Database and journal files set aside as poison or damaged.
    pub quarantined_files: u64,
    /// Drops already reported as events, by reason.
    pub reported: Vec<u64>,
    /// Something happened while journals of earlier runs were unread: what is found aside in them is to be released, too.
    #[serde(default)]
    pub release_again: bool,
}

/// The clock by which rows age: boot time, summed over boots, so that no wall clock can age a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeClock {
    boot: u64,
    at: u64,
    age: u64,
}

impl AgeClock {
    /// Age now, ns. In another boot only that boot's uptime is known to have passed.
    pub fn read(&self, boot: BootId, now: BootTime) -> u64 {
        let passed = if boot.0 == self.boot { now.0.saturating_sub(self.at) } else { now.0 };
        self.age.saturating_add(passed)
    }

    /// The clock set to now.
    pub fn set(&self, boot: BootId, now: BootTime) -> Self {
        Self { boot: boot.0, at: now.0, age: self.read(boot, now) }
    }
}

/// Reads a value. A checksum or form that does not hold is corruption.
pub fn load<T: DeserializeOwned>(db: &Connection, key: &str) -> Result<Option<T>, QueueError> {
    let mut statement = db.prepare_cached("SELECT value, crc FROM state WHERE key = ?1")?;
    let row = statement.query_row([key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))).optional()?;
    row.map(|(value, crc)| parse(key, &value, crc)).transpose()
}

/// Reads all values whose key starts with `prefix`, with the rest of the key.
pub fn load_all<T: DeserializeOwned>(db: &Connection, prefix: &str) -> Result<Vec<(String, T)>, QueueError> {
    let mut statement = db.prepare_cached("SELECT key, value, crc FROM state WHERE key >= ?1 AND key < ?2")?;
    let end = format!("{prefix}\u{7f}");
    let mut rows = statement.query([prefix, &end])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, value, crc): (String, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let value = parse(&key, &value, crc)?;
        found.push((key.strip_prefix(prefix).unwrap_or_default().to_owned(), value));
    }
    Ok(found)
}

/// Reads one stored value.
pub fn parse<T: DeserializeOwned>(key: &str, value: &str, crc: u32) -> Result<T, QueueError> {
    if checksum(key, value) != crc {
        return Err(QueueError::Corrupt(format!("state `{key}` fails its checksum")));
    }
    serde_json::from_str(value).map_err(|error| QueueError::Corrupt(format!("state `{key}`: {error}")))
}

/// Writes a value.
pub fn store<T: Serialize>(db: &Connection, key: &str, value: &T) -> Result<(), QueueError> {
    let text = serde_json::to_string(value).map_err(|error| QueueError::Other(error.to_string()))?;
    let crc = checksum(key, &text);
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO state(key, value, crc) VALUES(?1, ?2, ?3)")?;
    statement.execute(params![key, text, crc])?;
    Ok(())
}

/// Forgets a value.
pub fn remove(db: &Connection, key: &str) -> Result<(), QueueError> {
    db.prepare_cached("DELETE FROM state WHERE key = ?1")?.execute([key])?;
    Ok(())
}

fn checksum(key: &str, value: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key.as_bytes()), value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_age_by_boot_time_alone() {
        let clock = AgeClock::default().set(BootId(1), BootTime(1_000));
        assert_eq!(clock.read(BootId(1), BootTime(5_000)), 5_000);
        let later = clock.set(BootId(1), BootTime(5_000));
        assert_eq!(later.read(BootId(2), BootTime(10)), 5_010);
        assert_eq!(later.read(BootId(1), BootTime(4_000)), 5_000);
    }
}
