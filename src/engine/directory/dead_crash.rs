//! Reading what a run died of.
//!
//! A damaged run file may kill the process that reads it. That an attempt is made is written down
//! beside the file before its first byte is read. After one such death it is read without the
//! modules' unwind tables, and after [`CRASH_ATTEMPTS`] it is set aside without its stacks.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::engine::crash::{Care, CrashRecord, report, start_of};
use crate::model::limits::CRASH_ATTEMPTS;
use crate::policy::redact::Redactor;
use crate::storage::crash::{CrashFile, beside, stack_ranges};
use crate::storage::journal::RunStart;
use crate::storage::journal::run_file::key_of;
use crate::storage::replace::read;

/// What a run died of, and the file that says it.
#[derive(Debug)]
pub(super) struct DeadCrash {
    path: PathBuf,
    /// The event, if there was a crash.
    pub(super) record: Option<CrashRecord>,
    /// Whether the file killed its readers, and is set aside.
    pub(super) is_quarantined: bool,
}

impl DeadCrash {
    /// Whether there is a file beside a journal that cannot be opened now: the device is locked, or
    /// access is denied. Without it, its run must not be ended.
    pub(super) fn is_denied(journal: &Path) -> bool {
        let path = beside(journal);
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
        is_file && File::open(path).is_err_and(|error| error.kind() != ErrorKind::NotFound)
    }

    /// Reads the file beside a journal. `start` is that of the run in the queue.
    pub(super) fn read(journal: &Path, start: Option<RunStart>, quarantine: &Path, redactor: &Redactor) -> Self {
        let path = beside(journal);
        let mut crash = Self { path, record: None, is_quarantined: false };
        if !crash.path.exists() {
            return crash;
        }
        let marker = marker(&crash.path);
        let attempts = deaths(&marker);
        if attempts >= CRASH_ATTEMPTS {
            crash.is_quarantined = true;
            set_aside_without_stacks(&crash.path, quarantine);
            return crash;
        }
        let _ = std::fs::write(&marker, (attempts + 1).to_string());
        let care = if attempts == 0 { Care::Tables } else { Care::FramePointers };
        crash.record = start.and_then(|start| {
            let file = CrashFile::open(&crash.path, start.key).ok()??;
            report(&file, start, redactor, care)
        });
        let _ = std::fs::remove_file(&marker);
        crash
    }

    /// Removes the file and its stack, once the event is stored.
    pub(super) fn erase(&self) {
        remove(&self.path);
    }

    /// Removes the file beside a journal that has been read before.
    pub(super) fn erase_beside(journal: &Path) {
        remove(&beside(journal));
    }

    /// Where a run begins of which there is only this file.
    pub(super) fn start(journal: &Path) -> Option<RunStart> {
        let key = journal.file_name().and_then(|name| key_of(&name.to_string_lossy()))?;
        let file = CrashFile::open(&beside(journal), key).ok()??;
        start_of(&file, key)
    }
}

fn remove(path: &Path) {
    if std::fs::remove_file(path).is_err_and(|error| error.kind() != ErrorKind::NotFound) {
        // It must neither be read again nor keep a stack.
        let _ = overwrite(path, [(0, 64)].into_iter().chain(stack_ranges()));
    }
    let _ = std::fs::remove_file(marker(path));
}

fn marker(path: &Path) -> PathBuf {
    path.with_extension("unwinding")
}

/// Moves a file that kills its readers into the folder `quarantine`, without what must not stay on
/// the device: the stacks.
fn set_aside_without_stacks(path: &Path, quarantine: &Path) {
    let moved = overwrite(path, stack_ranges()).and_then(|()| {
        std::fs::create_dir_all(quarantine)?;
        std::fs::rename(path, quarantine.join(path.file_name().unwrap_or_default()))
    });
    if moved.is_err() {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_file(marker(path));
}

/// Writes zeros over parts of a file.
fn overwrite(path: &Path, mut parts: impl Iterator<Item = (u64, usize)>) -> std::io::Result<()> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file = File::options().write(true).custom_flags(flags as i32).open(path)?;
    parts.try_for_each(|(at, len)| file.write_all_at(&vec![0; len], at))
}

/// Processes that died while they read the marker's file.
pub(super) fn deaths(marker: &Path) -> u32 {
    read(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}
