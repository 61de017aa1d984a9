//! What is over with of the run, for a directory whose books do not know it.

use std::path::PathBuf;

use crate::engine::directory::Directory;
use crate::engine::recorder::{Recorder, Versions};
use crate::storage::frame::{self, FrameType};
use crate::storage::journal::{Journal, RunCounters};

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
    /// Contexts and scopes to which the rest may refer, by their versions. None after an erasure.
    pub(super) contexts: Vec<(u32, Vec<u8>)>,
}

impl Settled {
    /// What the books of a directory know of a run, which is that of the recorder.
    pub(super) fn in_books_of(directory: &Directory, run: u32, recorder: &Recorder) -> Option<Self> {
        let (head, counters) = directory.queue.settled(run)?;
        let Versions { context, scope } = recorder.versions();
        let mut versions = recorder.versions_in_use();
        versions.extend([context, scope]);
        versions.sort_unstable();
        versions.dedup();
        // One that is not there is still in the journal. Or it cannot be read, because the device
        // is locked: then the directory is opened again later.
        let record = |version| Some((version, directory.queue.context(run, version).ok()??));
        let contexts = versions.into_iter().filter_map(record).collect();
        Some(Self { dir: Some(directory.dir().to_owned()), head, counters, contexts })
    }
}

/// The contexts that were journaled from `from` on, by their versions.
pub(super) fn contexts_from(journal: &Journal, from: u64) -> Vec<(u32, Vec<u8>)> {
    let mut contexts = Vec::new();
    journal.drain(from, usize::MAX, usize::MAX, |drained| {
        if drained.frame == FrameType::Context
            && let Some((version, record)) = frame::split(drained.payload)
            && let Ok(version) = u32::try_from(version)
        {
            contexts.push((version, record.to_owned()));
        }
    });
    contexts
}
