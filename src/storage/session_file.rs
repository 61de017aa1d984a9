//! The session's file: what the next process has to know of the last one's session.

use std::io;
use std::path::Path;

use super::replace::{Durability, replace};
use crate::policy::session::Persisted;

const FILE: &str = "session.json";

/// Reads the last process's session: one small read, at the start. A file that cannot be read
/// counts as absent.
pub(crate) fn load(dir: &Path) -> Option<Persisted> {
    serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
}

/// Replaces the session's file. It is not synced: a power loss costs a session its continuation,
/// nothing else.
pub(crate) fn save(dir: &Path, session: &Persisted) -> io::Result<()> {
    replace(&dir.join(FILE), &serde_json::to_vec(session)?, Durability::Process)
}
