//! Directories on a real file system: the journal's page faults must be those of a disk.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

/// A new directory below this crate's `target`, deleted when it is dropped.
pub(crate) fn directory() -> Result<TempDir> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&target)?;
    Ok(tempfile::tempdir_in(target)?)
}
