//! The file of the session. The next process reads from it whether the session goes on.

use std::io;
use std::path::Path;

use super::replace::{Durability, read, replace};
use crate::policy::session::Persisted;

/// The file in the data directory.
pub(crate) const FILE: &str = "session.json";

/// Reads the session that was written down last. `None` when there is none, or when the file is
/// damaged.
///
/// # Errors
/// When the file cannot be read, as before the first unlock of a device.
pub(crate) fn load(dir: &Path) -> io::Result<Option<Persisted>> {
    match read(&dir.join(FILE)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the session down at the wall time `wall`, unless what the file holds, `other`, is a newer
/// one of another process. A session that the file does not know yet is synced: without it, its
/// number would be given again after a loss of power. How long it goes on is not.
pub(crate) fn save(dir: &Path, session: &Persisted, other: Option<&Persisted>, wall: u64) -> io::Result<()> {
    let is_known = other.is_some_and(|other| other.id == session.id);
    let durability = if is_known { Durability::Process } else { Durability::Power };
    let merged = other.map_or_else(|| Some(session.clone()), |other| session.beside(other, wall));
    if let Some(merged) = merged {
        replace(&dir.join(FILE), &serde_json::to_vec(&merged)?, durability)?;
    }
    Ok(())
}

/// Removes the file.
pub(crate) fn forget(dir: &Path) {
    let _ = std::fs::remove_file(dir.join(FILE));
}
