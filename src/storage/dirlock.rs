//! Gives each process a directory of its own, because a database and a journal have one writer.
//!
//! The first process takes the data directory itself, and each further process a sub-directory. A
//! lock is an `flock` on a file: the kernel releases it when the process dies, however it dies.
//!
//! A process that is suspended holds no lock, but its directory is not free: its journal lies
//! there, and its database is the one that its events go into. A directory belongs to a process for
//! as long as a journal in it does (`journal/owner.rs`). The owner of the main directory adopts
//! sub-directories whose process is gone.

use std::fs::{File, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, OFlags};

use super::journal::run_file::key_of;
use super::journal::{ParentFile, owner};
use crate::model::limits::{MAX_RUN_FILES_AT_START, MAX_SIBLING_PROCESSES};

const FILE: &str = "lock";
/// The folder of the journals.
pub(crate) const RUNS: &str = "runs";

/// A directory that this process has locked. Dropping the value releases the lock.
#[derive(Debug)]
pub struct DirLock {
    dir: PathBuf,
    _file: ParentFile,
}

impl DirLock {
    /// Locks `dir`, or the first free sub-directory if `dir` belongs to another process.
    ///
    /// # Errors
    /// When the files cannot be created, or when `dir` and all of its [`MAX_SIBLING_PROCESSES`]
    /// sub-directories belong to other processes.
    pub fn acquire(dir: &Path) -> io::Result<Self> {
        for n in 0..=MAX_SIBLING_PROCESSES {
            let dir = place(dir, n);
            std::fs::create_dir_all(&dir)?;
            if let Some(lock) = Self::try_lock(&dir)?
                && !has_living_run(&dir)
            {
                return Ok(lock);
            }
        }
        Err(io::Error::new(io::ErrorKind::WouldBlock, "every sub-directory belongs to another process"))
    }

    /// Locks `dir`. `None` if another process has locked it.
    ///
    /// # Errors
    /// When the file of the lock cannot be opened, or is none.
    pub fn try_lock(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        // Not to wait for ever for the other end of a pipe, and not to lock something elsewhere.
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true).custom_flags(flags as i32);
        let file = options.open(&path).map_err(|error| match wrong_kind(dir) {
            Some(reason) => io::Error::new(error.kind(), reason),
            None => io::Error::new(error.kind(), format!("`{}`: {error}", path.display())),
        })?;
        if !file.metadata()?.is_file() {
            let reason = wrong_kind(dir).unwrap_or_else(|| format!("`{}` is not a file", path.display()));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its owner has removed the directory meanwhile.
            Ok(()) if !is_at(&file, &path) => Ok(None),
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

/// Whether `path` is the file that was opened there.
fn is_at(file: &File, path: &Path) -> bool {
    let opened = file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let found = std::fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()));
    opened.is_ok_and(|opened| found.is_ok_and(|found| opened == found))
}

/// Locks the sub-directories of `dir` whose process is gone, and returns them.
pub fn orphans(dir: &Path) -> Vec<DirLock> {
    others(dir, Some(dir)).filter_map(|(_, lock)| lock).collect()
}

/// The directories of processes below `dir`, and `dir` itself, without `own`: each with its lock,
/// or without one if it belongs to a process that lives.
pub fn others<'a>(dir: &'a Path, own: Option<&'a Path>) -> impl Iterator<Item = (PathBuf, Option<DirLock>)> + 'a {
    let places = (0..=MAX_SIBLING_PROCESSES).map(move |n| place(dir, n));
    // A link to a directory elsewhere is not the client's.
    let is_dir = |dir: &Path| std::fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir());
    let is_other = move |place: &PathBuf| Some(place.as_path()) != own && (place == dir || is_dir(place));
    places.filter(is_other).map(|dir| {
        let lock = DirLock::try_lock(&dir).ok().flatten().filter(|_| !has_living_run(&dir));
        (dir, lock)
    })
}

/// Whether a process lives that has a journal in `dir` or below.
pub fn anybody_lives(dir: &Path) -> bool {
    (0..=MAX_SIBLING_PROCESSES).any(|n| has_living_run(&place(dir, n)))
}

/// The directory of the `n`-th further process; that of the first is `dir` itself.
fn place(dir: &Path, n: u32) -> PathBuf {
    if n == 0 { dir.to_owned() } else { dir.join(format!("process-{n}")) }
}

/// The journals of `dir` and of the directories below beside which there is a run file, of
/// processes that live and of others: the newest, so that a start does not read what a hundred
/// crashes have left.
pub(crate) fn run_files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = (0..=MAX_SIBLING_PROCESSES).map(move |n| place(dir, n).join(RUNS));
    let entries = folders.flat_map(|runs| std::fs::read_dir(runs).into_iter().flatten().flatten());
    let is_run_file = |path: &PathBuf| path.extension().is_some_and(|end| end == "crash");
    let dated = entries.filter(|entry| is_run_file(&entry.path()));
    let mut files: Vec<_> =
        dated.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    files.sort_by(|one, other| other.cmp(one));
    files.into_iter().take(MAX_RUN_FILES_AT_START).map(|(_, path)| path.with_extension("journal"))
}

/// Whether a journal in `dir` belongs to a process that lives.
fn has_living_run(dir: &Path) -> bool {
    let runs = std::fs::read_dir(dir.join(RUNS)).into_iter().flatten().flatten();
    let journals = runs.filter(|entry| key_of(&entry.file_name().to_string_lossy()).is_some());
    journals.into_iter().any(|entry| owner::is_alive(&entry.path()))
}

/// What every start looks at: the rest is looked at by the worker.
const FIRST: [(&str, Kind); 2] = [(FILE, Kind::File), (RUNS, Kind::Dir)];
const FURTHER: [(&str, Kind); 5] = [
    ("queue.db", Kind::Database),
    ("queue.db-wal", Kind::Database),
    ("ballast", Kind::File),
    ("erase", Kind::File),
    ("quarantine", Kind::Dir),
];

/// What something in a data directory is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// A file. The queue sets a directory in its place aside, like any other damage.
    Database,
    Dir,
}

/// What in `dir` is not as the client makes it: a directory where a file belongs, for example, or
/// something that it may not write. `dir` cannot be used then, and nothing of it may be removed,
/// because it is not the client's.
pub fn wrong_kind(dir: &Path) -> Option<String> {
    FIRST.into_iter().find_map(|(name, right)| wrong(&dir.join(name), right))
}

/// The same of everything in `dir` that the client opens: a pipe would keep it waiting for ever.
pub fn wrong_kind_of_any(dir: &Path) -> Option<String> {
    FIRST.into_iter().chain(FURTHER).find_map(|(name, right)| wrong(&dir.join(name), right))
}

fn wrong(path: &Path, right: Kind) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?.file_type();
    let (is_right, expected, needed) = match right {
        Kind::Database if found.is_dir() => return None,
        Kind::File | Kind::Database => (found.is_file(), "a file", Access::READ_OK | Access::WRITE_OK),
        Kind::Dir => (found.is_dir(), "a directory", Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK),
    };
    if !is_right {
        return Some(format!("`{}` is {} and not {expected}", path.display(), kind(found)));
    }
    let refused = rustix::fs::access(path, needed).err()?;
    Some(format!("`{}` cannot be read and written ({refused})", path.display()))
}

fn kind(found: FileType) -> &'static str {
    match found {
        found if found.is_file() => "a file",
        found if found.is_dir() => "a directory",
        found if found.is_symlink() => "a symbolic link",
        found if found.is_fifo() => "a pipe",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
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
