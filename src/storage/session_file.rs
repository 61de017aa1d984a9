//! The file of the session. The next process reads from it whether the session goes on.

use std::io;
use std::path::Path;

use super::replace::{Durability, read, replace};
use crate::policy::session::Persisted;

/// The file in the data directory.
pub(crate) const FILE: &str = "session.json";

/// Reads the session of the last process. This is one small read, at the start. `None` when the
/// file is missing or cannot be read.
pub(crate) fn load(dir: &Path) -> Option<Persisted> {
    serde_json::from_slice(&read(&dir.join(FILE)).ok()?).ok()
}

/// Writes the session down, as far as the file does not hold a newer one of another process. It is
/// not synced, because a loss of power costs no more than the
/// continuation of one session.
pub(crate) fn save(dir: &Path, session: &Persisted) -> io::Result<()> {
    let merged = load(dir).map_or_else(|| Some(session.clone()), |other| session.beside(&other));
    if let Some(merged) = merged {
        replace(&dir.join(FILE), &serde_json::to_vec(&merged)?, Durability::Process)?;
    }
    Ok(())
}

/// Removes the file.
pub(crate) fn forget(dir: &Path) {
    let _ = std::fs::remove_file(dir.join(FILE));
}
