//! Gives each process a directory of its own, because a database and a journal have one writer.
//!
//! The first process takes the data directory itself, and each further process a sub-directory. A
//! lock is an `flock` on a file: the kernel releases it when the process dies, however it dies. The
//! owner of the main directory adopts sub-directories whose process is gone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::journal::ParentFile;
use crate::model::limits::MAX_SIBLING_PROCESSES;

const FILE: &str = "lock";

/// A directory that this process has locked. Dropping the value releases the lock.
#[derive(Debug)]
pub struct DirLock {
    dir: PathBuf,
    _file: ParentFile,
}

impl DirLock {
    /// Locks `dir`, or the first free sub-directory if another process has locked it.
    ///
    /// # Errors
    /// When the files cannot be created, or when other processes have locked `dir` and all of its
    /// [`MAX_SIBLING_PROCESSES`] sub-directories.
    pub fn acquire(dir: &Path) -> io::Result<Self> {
        for n in 0..=MAX_SIBLING_PROCESSES {
            let dir = if n == 0 { dir.to_owned() } else { sibling(dir, n) };
            std::fs::create_dir_all(&dir)?;
            if let Some(lock) = Self::try_lock(&dir)? {
                return Ok(lock);
            }
        }
        Err(io::Error::new(io::ErrorKind::WouldBlock, "every sub-directory is locked by another process"))
    }

    /// Locks `dir`. `None` if another process has locked it.
    pub fn try_lock(dir: &Path) -> io::Result<Option<Self>> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(dir.join(FILE))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { dir: dir.to_owned(), _file: ParentFile::new(file) })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory that is locked.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the locked directory is the data directory `dir` itself and not a sub-directory.
    pub fn is_main(&self, dir: &Path) -> bool {
        self.dir == dir
    }
}

/// Locks the sub-directories of `dir` whose process is gone, and returns them.
pub fn orphans(dir: &Path) -> Vec<DirLock> {
    let exists = |n: &u32| sibling(dir, *n).is_dir();
    let lock = |n| DirLock::try_lock(&sibling(dir, n)).ok().flatten();
    (1..=MAX_SIBLING_PROCESSES).filter(exists).filter_map(lock).collect()
}

fn sibling(dir: &Path, n: u32) -> PathBuf {
    dir.join(format!("process-{n}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_gets_a_sub_directory_and_an_orphan_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        assert!(first.is_main(dir.path()));
        let second = DirLock::acquire(dir.path()).unwrap();
        assert!(!second.is_main(dir.path()));
        assert!(orphans(dir.path()).is_empty());
        drop(second);
        assert_eq!(orphans(dir.path()).len(), 1);
        drop(first);
        assert!(DirLock::acquire(dir.path()).unwrap().is_main(dir.path()));
    }
}
