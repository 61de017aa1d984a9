//! Erasing a directory.

use std::path::Path;

/// Removes everything from a locked directory except the lock itself, the switches, and the
/// directories of other processes.
pub(crate) fn erase_dir(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        // The switches also while another thread is replacing them.
        if name == "lock" || name.starts_with("switches.") || name.starts_with("process-") {
            continue;
        }
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}
