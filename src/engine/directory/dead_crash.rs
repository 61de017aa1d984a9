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

use super::ends::Ends;
use crate::engine::crash::{Care, CrashRecord, ended_run, ended_sessions, previous_run, report, start_of};
use crate::model::event::breadcrumb::Breadcrumb;
use crate::model::limits::CRASH_ATTEMPTS;
use crate::policy::crash_loop::StackWork;
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
    /// Whether the run died of a crash, its own or that of a language.
    pub(super) is_crash: bool,
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

    /// Reads the file beside a journal. `start` is that of the run in the queue, and `crumbs` gives
    /// its last events. How the run ended is noted in `ends`.
    ///
    /// # Errors
    /// Those of `crumbs`. It is to be read once more then.
    pub(super) fn read<E>(
        journal: &Path,
        start: Option<RunStart>,
        quarantine: &Path,
        redactor: &Redactor,
        ends: &mut Ends,
        crumbs: impl FnOnce() -> Result<Vec<Breadcrumb>, E>,
    ) -> Result<Self, E> {
        let path = beside(journal);
        let mut crash = Self { path, record: None, is_crash: false, is_quarantined: false };
        if !crash.path.exists() {
            return Ok(crash);
        }
        let marker = marker(&crash.path);
        let attempts = attempts(&crash.path, &marker);
        if attempts >= CRASH_ATTEMPTS {
            crash.is_quarantined = true;
            set_aside_without_stacks(&crash.path, quarantine);
            return Ok(crash);
        }
        let _ = std::fs::write(&marker, format!("{} {}", attempts + 1, std::process::id()));
        let record = crash.record_of(start, redactor, attempts == 0, ends, crumbs);
        let _ = std::fs::remove_file(&marker);
        crash.record = record?;
        Ok(crash)
    }

    /// The event of the crash, if there was one.
    fn record_of<E>(
        &mut self,
        start: Option<RunStart>,
        redactor: &Redactor,
        is_first_attempt: bool,
        ends: &mut Ends,
        crumbs: impl FnOnce() -> Result<Vec<Breadcrumb>, E>,
    ) -> Result<Option<CrashRecord>, E> {
        let Some(start) = start else { return Ok(None) };
        let Ok(Some(file)) = CrashFile::open(&self.path, start.key) else { return Ok(None) };
        let facts = previous_run(&file, false);
        let ended = ended_run(&file, &facts, &ends.now());
        self.is_crash = ended.is_some_and(|ended| ended.is_crash());
        ends.note_sessions(ended_sessions(&file, &facts, &ends.now()));
        let work = ended.map_or(StackWork::Unwind, |ended| ends.note(start, &file, ended, facts));
        let may_read_tables = is_first_attempt && work == StackWork::Unwind;
        let care = if may_read_tables { Care::Tables } else { Care::FramePointers };
        let crumbs = if file.crashes().is_empty() { Vec::new() } else { crumbs()? };
        Ok(report(&file, start, redactor, care, &crumbs))
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

/// How many processes have died of reading a run file. The last one has not if it crashed on
/// another thread than the client's: an app that crashes at each launch may do so while its last
/// crash is being read.
fn attempts(path: &Path, marker: &Path) -> u32 {
    let text = read(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let mut words = text.split_whitespace();
    let count = words.next().and_then(|word| word.parse().ok()).unwrap_or(0u32);
    let reader = words.next().and_then(|word| word.parse::<u64>().ok());
    let is_innocent = reader.is_some_and(|reader| crashed_elsewhere(path, reader));
    count.saturating_sub(u32::from(is_innocent))
}

/// Whether the process of this number has left a run file beside `path` that says that it crashed
/// on a thread of the app's.
fn crashed_elsewhere(path: &Path, process: u64) -> bool {
    let entries = path.parent().and_then(|runs| std::fs::read_dir(runs).ok()).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path().with_extension("journal")).filter(|journal| beside(journal) != path);
    let crashed = |journal: PathBuf| {
        let key = key_of(&journal.file_name()?.to_string_lossy())?;
        let file = CrashFile::open(&beside(&journal), key).ok()??;
        let is_it = file.facts().is_some_and(|facts| facts.process == process);
        is_it.then(|| file.crashes().first().is_some_and(|crash| !crash.is_on_own_thread()))
    };
    files.filter_map(crashed).any(|crashed| crashed)
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
