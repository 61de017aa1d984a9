//! Allocates the blocks of a file before it is mapped: writing to a mapping of a sparse file raises
//! SIGBUS in the app when the disk is full.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::FallocateFlags;

/// Allocates the blocks of the whole file. Where the file system cannot do that, zeros are written.
pub(super) fn preallocate(file: &File, len: usize) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len as u64) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::NOSPC) => Err(rustix::io::Errno::NOSPC.into()),
        Err(_) => {
            let zeros = vec![0u8; 64 * 1024];
            let (mut file, mut left) = (file, len);
            while left > 0 {
                let part = left.min(zeros.len());
                file.write_all(zeros.get(..part).unwrap_or_default())?;
                left -= part;
            }
            Ok(())
        }
    }
}
