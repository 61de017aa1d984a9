//! Replaces a small file in one step.

use std::io::{self, Write};
use std::path::Path;

/// What the new content of a file must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The death of the process.
    Process,
    /// A loss of power. The new file is synced before it replaces the old one.
    Power,
}

/// Replaces the content of a file. If the call is interrupted, by a kill for example, the file has
/// either its old or its new content, and never a mixture.
pub(crate) fn replace(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut written = std::fs::File::create(&new)?;
    written.write_all(bytes)?;
    if durability == Durability::Power {
        written.sync_all()?;
    }
    std::fs::rename(new, file)
}
