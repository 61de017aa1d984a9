//! Erasing a data directory while no worker has it.

use std::path::PathBuf;

use crate::engine::directory::erase_dir;
use crate::storage::dirlock::{self, DirLock};

/// Erases what earlier processes left in `dir`, on a thread of its own. Directories of processes
/// that are running are left alone. Does nothing when no thread can be started.
pub(super) fn erase_behind(dir: PathBuf) {
    let erase = move || {
        if !dir.is_dir() {
            return;
        }
        if let Ok(lock) = DirLock::acquire(&dir) {
            erase_dir(lock.dir());
        }
        for orphan in dirlock::orphans(&dir) {
            let _ = std::fs::remove_dir_all(orphan.dir());
        }
    };
    let _ = std::thread::Builder::new().name("throughline".to_owned()).spawn(erase);
}
