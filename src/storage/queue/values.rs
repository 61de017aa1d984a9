//! The table `state`: small values under a key, each with a checksum.
//!
//! They are JSON, so that a support engineer can read them with any SQLite shell and a later
//! version can add fields. A flipped bit in a cursor would silently lose or repeat events; because
//! of the checksum it is found as damage instead.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::QueueError;

/// Reads the value that is stored under `key`.
///
/// # Errors
/// `Corrupt` when the checksum or the JSON is wrong.
pub(super) fn load<T: DeserializeOwned>(db: &Connection, key: &str) -> Result<Option<T>, QueueError> {
    let mut statement = db.prepare_cached("SELECT value, crc FROM state WHERE key = ?1")?;
    let row = statement.query_row([key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))).optional()?;
    row.map(|(value, crc)| parse(key, &value, crc)).transpose()
}

/// Reads all values whose key starts with `prefix`, each with the rest of its key.
pub(super) fn load_all<T: DeserializeOwned>(db: &Connection, prefix: &str) -> Result<Vec<(String, T)>, QueueError> {
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

/// Checks and parses one stored value.
pub(super) fn parse<T: DeserializeOwned>(key: &str, value: &str, crc: u32) -> Result<T, QueueError> {
    if checksum(key, value) != crc {
        return Err(QueueError::Corrupt(format!("state `{key}` fails its checksum")));
    }
    serde_json::from_str(value).map_err(|error| QueueError::Corrupt(format!("state `{key}`: {error}")))
}

/// Stores a value under `key`.
pub(super) fn store<T: Serialize>(db: &Connection, key: &str, value: &T) -> Result<(), QueueError> {
    let text = serde_json::to_string(value).map_err(|error| QueueError::Other(error.to_string()))?;
    let crc = checksum(key, &text);
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO state(key, value, crc) VALUES(?1, ?2, ?3)")?;
    statement.execute(params![key, text, crc])?;
    Ok(())
}

/// Deletes the value that is stored under `key`.
pub(super) fn remove(db: &Connection, key: &str) -> Result<(), QueueError> {
    db.prepare_cached("DELETE FROM state WHERE key = ?1")?.execute([key])?;
    Ok(())
}

fn checksum(key: &str, value: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key.as_bytes()), value.as_bytes())
}
