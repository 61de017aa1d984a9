//! The ids that a child has acknowledged: it writes each to its standard output, 16 bytes long.

use std::io::Read;
use std::process::Child;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use uuid::Uuid;

/// Reads a child's standard output on a thread of its own, until the child ends.
pub(crate) fn read_to_end(process: &mut Child) -> Result<JoinHandle<Vec<u8>>> {
    let mut pipe = process.stdout.take().context("the child has no standard output")?;
    Ok(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    }))
}

/// The ids in a child's output. A kill may have cut off the last one.
pub(crate) fn ids(output: &[u8]) -> Vec<Uuid> {
    let (ids, _) = output.as_chunks::<16>();
    ids.iter().map(|id| Uuid::from_bytes(*id)).collect()
}
