//! Replacing a small file in one step.

use std::io::{self, Write};
use std::path::Path;

/// What the new content has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The death of the process.
    Process,
    /// The loss of power: the file is synced before it takes the old one's place.
    Power,
}

/// Replaces a file. Whatever interrupts the call leaves either the old content or the new content,
/// never a mixture.
pub(crate) fn replace(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut written = std::fs::File::create(&new)?;
    written.write_all(bytes)?;
    if durability == Durability::Power {
        written.sync_all()?;
    }
    std::fs::rename(new, file)
}
