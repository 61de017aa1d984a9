//! Small files that several processes read and replace, each in one step.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;

use crate::model::limits::{EMPTY_FILE_PAUSE, EMPTY_FILE_TRIES, LEFT_AFTER, MAX_SMALL_FILE_BYTES};

/// What the new content of a file must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The death of the process.
    Process,
    /// A loss of power. The new file is synced before it replaces the old one.
    Power,
}

/// Reads a small file. Anything else in its place is an error: a pipe would keep the reader waiting
/// for ever. A file that is empty may be about to be written by another process, so it is looked at
/// again a few times.
pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    for _ in 0..EMPTY_FILE_TRIES {
        let bytes = read_once(file)?;
        if !bytes.is_empty() {
            return Ok(bytes);
        }
        std::thread::sleep(EMPTY_FILE_PAUSE);
    }
    read_once(file)
}

fn read_once(file: &Path) -> io::Result<Vec<u8>> {
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(file)?;
    if !opened.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    opened.take(MAX_SMALL_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the content of a file. If the call is interrupted, by a kill for example, the file has
/// either its old or its new content, and never a mixture.
pub(crate) fn replace(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let new = write_beside(file, bytes, durability)?;
    std::fs::rename(&new, file).inspect_err(|_| forget(&new))
}

/// Makes a file with this content. False when there is a file already: another process was faster.
pub(crate) fn create(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<bool> {
    let new = write_beside(file, bytes, durability)?;
    let linked = std::fs::hard_link(&new, file);
    forget(&new);
    let made = match linked {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Android does not let apps make links.
        Err(_) => make(file, bytes, durability),
    };
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file that must not be there. For a moment it is empty: see [`read`].
fn make(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut made = File::options().write(true).create_new(true).open(file)?;
    write(&mut made, bytes, durability).inspect_err(|_| forget(file))
}

fn write(file: &mut File, bytes: &[u8], durability: Durability) -> io::Result<()> {
    file.write_all(bytes)?;
    if durability == Durability::Power { file.sync_all() } else { Ok(()) }
}

/// Writes a new file beside `file`. Its name is this call's alone: another process may be replacing
/// the same file, and would else write into this one.
fn write_beside(file: &Path, bytes: &[u8], durability: Durability) -> io::Result<PathBuf> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let new = file.with_extension(format!("{}-{call}.new", std::process::id()));
    let mut written = File::create(&new)?;
    write(&mut written, bytes, durability).inspect_err(|_| forget(&new)).map(|()| new)
}

fn forget(file: &Path) {
    let _ = std::fs::remove_file(file);
}

/// Removes what processes that died while they replaced a file in `dir` have left. Nobody else may
/// be replacing one, or it is done anew.
pub(crate) fn remove_left(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_old = |age: std::time::Duration| age > LEFT_AFTER;
        let is_new = entry.file_name().to_string_lossy().ends_with(".new");
        let changed = entry.metadata().and_then(|meta| meta.modified());
        if is_new && changed.is_ok_and(|changed| changed.elapsed().is_ok_and(is_old)) {
            forget(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_replace_a_file_at_once_never_leave_a_mixture() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("session.json");
        let contents = [b"a".repeat(3_000), b"b".repeat(5_000)];
        replace(&file, &contents[0], Durability::Process).unwrap();
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(|| (0..300).for_each(|_| replace(&file, content, Durability::Process).unwrap()));
            }
            for _ in 0..300 {
                assert!(contents.contains(&read(&file).unwrap()));
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_two_that_make_a_file_one_is_told_that_the_other_was_faster() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("installation.json");
        assert!(create(&file, b"first", Durability::Process).unwrap());
        assert!(!create(&file, b"second", Durability::Process).unwrap());
        assert_eq!(read(&file).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_made_without_a_link_is_made_once_and_never_read_in_part() {
        let content = b"c".repeat(200);
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("installation.json");
            let made = std::thread::scope(|scope| {
                let threads = [0, 1, 2].map(|_| {
                    scope.spawn(|| {
                        let is_made = make(&file, &content, Durability::Process).is_ok();
                        let found = read(&file).unwrap();
                        assert!(found.is_empty() || found == content);
                        is_made
                    })
                });
                threads.map(|thread| thread.join().unwrap())
            });
            assert_eq!(made.iter().filter(|is_made| **is_made).count(), 1);
            assert_eq!(read(&file).unwrap(), content);
        }
    }
}
