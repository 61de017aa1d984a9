//! The file of the session. The next process reads from it whether the session goes on.

use std::io;
use std::path::Path;

use super::replace::{Durability, replace};
use crate::policy::session::Persisted;

const FILE: &str = "session.json";

/// Reads the session of the last process. This is one small read, at the start. `None` when the
/// file is missing or cannot be read.
pub(crate) fn load(dir: &Path) -> Option<Persisted> {
    serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
}

/// Replaces the file. It is not synced, because a loss of power costs no more than the continuation
/// of one session.
pub(crate) fn save(dir: &Path, session: &Persisted) -> io::Result<()> {
    replace(&dir.join(FILE), &serde_json::to_vec(session)?, Durability::Process)
}
