//! What is over with of the run, for a directory whose books do not know it.

use std::path::PathBuf;

use crate::engine::directory::Directory;
use crate::storage::journal::RunCounters;

/// What became of the first records of the run: they are in the books of a directory that is no
/// longer this process's own, or they were erased. A directory whose books do not know the run
/// begins with the rest.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The directory whose books know the run. `None` when none does.
    pub(super) dir: Option<PathBuf>,
    /// The journal's offset at which the rest begins.
    pub(super) head: u64,
    /// What the run had counted up to there.
    pub(super) counters: RunCounters,
}

impl Settled {
    /// What the books of a directory know of a run.
    pub(super) fn in_books_of(directory: &Directory, run: u32) -> Option<Self> {
        let (head, counters) = directory.queue.settled(run)?;
        Some(Self { dir: Some(directory.dir().to_owned()), head, counters })
    }
}
