//! Erasing: a directory, and all directories of a client's processes.
//!
//! That a directory is to be erased is written down in it before the first file is removed, and
//! taken back after the last one. A process that dies in between, or a directory that belongs to
//! another process at the moment, thus costs time and nothing else: whoever opens the directory
//! next, or is about to send from it, erases it first.

use std::io;
use std::path::{Path, PathBuf};

use crate::storage::dirlock::{self, DirLock, RUNS};
use crate::storage::journal::run_file::{RunFile, key_of};
use crate::storage::replace::{Durability, replace};
use crate::storage::{installation, session_file};

/// The file that says that its directory is to be erased.
const OWED: &str = "erase";

/// Writes down that everything in `dir` is to be erased before anything of it is sent.
pub(crate) fn owe_erasure(dir: &Path) -> io::Result<()> {
    replace(&dir.join(OWED), &[], Durability::Power)
}

/// Whether `dir` is still to be erased.
pub(crate) fn owes_erasure(dir: &Path) -> bool {
    dir.join(OWED).exists()
}

/// Removes what all processes share: the session and the installation. This comes before everything
/// else, so that what a process writes there afterwards belongs to the time after the erasure.
pub(crate) fn erase_shared(data_dir: &Path) {
    session_file::forget(data_dir);
    installation::forget(data_dir);
}

/// Removes everything from a locked directory except the lock itself, the switches, what all
/// processes share, and the directories of other processes. False when something could not be
/// removed.
pub(crate) fn erase_dir(dir: &Path) -> bool {
    let is_owed = owe_erasure(dir).is_ok();
    mark_journals(dir);
    let mut is_erased = true;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        // The switches also while another thread is replacing them.
        let is_kept = ["lock", OWED, session_file::FILE, installation::FILE].contains(&&*name)
            || name.starts_with("switches.")
            || name.starts_with("process-");
        if is_kept {
            continue;
        }
        // A link is removed and what it points to is left: it is not the client's.
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_erased &= is_gone(if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) });
    }
    if is_erased && is_owed {
        is_erased = is_gone(std::fs::remove_file(dir.join(OWED)));
    }
    is_erased
}

/// Says in the journals that they are erased: a process that lives although it was taken for dead
/// still has its records in memory.
fn mark_journals(dir: &Path) {
    let runs = dir.join(RUNS);
    // What a link points to is not the client's.
    if !std::fs::symlink_metadata(&runs).is_ok_and(|meta| meta.is_dir()) {
        return;
    }
    for entry in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        let is_journal = key_of(&entry.file_name().to_string_lossy()).is_some();
        if is_journal && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = RunFile::mark_erased(&entry.path());
        }
    }
}

/// Erases `data_dir` and the directories of further processes, except for `own`. Those that belong
/// to a process that lives are erased by that process: then the result is false.
pub(crate) fn erase_others(data_dir: &Path, own: Option<&Path>) -> bool {
    let erase = |(dir, lock): (PathBuf, Option<DirLock>)| match lock {
        Some(_lock) if dir == data_dir => erase_dir(&dir),
        Some(_lock) => erase_dir(&dir) && is_gone(std::fs::remove_dir_all(dir)),
        None => {
            let _ = owe_erasure(&dir);
            false
        }
    };
    // Each of them, also when one could not be erased.
    let left = dirlock::others(data_dir, own).map(erase).filter(|is_erased| !is_erased);
    left.count() == 0
}

/// Erases what processes that are gone have left in `data_dir` and below. What belongs to a process
/// that lives is left alone.
pub(crate) fn erase_left(data_dir: &Path) {
    for (dir, lock) in dirlock::others(data_dir, None) {
        let Some(_lock) = lock else { continue };
        if dir == data_dir {
            erase_shared(data_dir);
        }
        if erase_dir(&dir) && dir != data_dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

fn is_gone(removed: io::Result<()>) -> bool {
    removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}
