//! What is done about a damaged database: a new one is made, with every row that still passes its
//! checksum.
//!
//! 1. A row that fails its checksum is dropped and booked; nothing else happens.
//! 2. A database that SQLite or the checksums of the books find damaged is set aside. A new one is
//!    made, and the rows are read out of the old one.
//! 3. A database of a later version, and one whose opening killed the process four times, is set
//!    aside unread.
//!
//! After a locked device, a full disk or an I/O error nothing is set aside: the caller tries again.
//!
//! The worker reads the rows out step by step ([`super::salvage`]) and drains the journal in
//! between. The folder of a database that is still to be read holds a marker, so that the next
//! process continues when this one dies.

use std::fs;
use std::path::{Path, PathBuf};

use super::salvage::UNREAD;
use super::{Queue, QueueError, QueueLimits, schema};
use crate::model::limits::{MAX_QUARANTINE_BYTES, MAX_QUARANTINED, QUARANTINE_AFTER_ATTEMPTS};
use crate::model::time::Clock;

/// Name of the folder for databases that were set aside.
const QUARANTINE: &str = "quarantine";
/// First part of the name of a damaged database's folder in it.
const DAMAGED: &str = "damaged";
/// Name of the file that counts how often opening began and did not end.
const OPENING: &str = "opening";

/// What happened while the queue was opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Why the old database was set aside; `None` when it was not.
    pub set_aside: Option<String>,
}

/// Opens the queue in `dir`. A database that cannot be opened is set aside and replaced.
///
/// # Errors
/// `Locked` and `Full`: nothing has been set aside, and the caller should try again later.
pub fn open_or_rebuild(dir: &Path, limits: QueueLimits, clock: &Clock) -> Result<(Queue, Opened), QueueError> {
    fs::create_dir_all(dir).map_err(|error| QueueError::Locked(error.to_string()))?;
    let attempts = begin_opening(dir)?;
    let opened = if attempts >= QUARANTINE_AFTER_ATTEMPTS {
        set_aside(dir, "poison")?;
        let mut queue = Queue::open(dir, limits, clock.clone())?;
        queue.note_quarantined()?;
        (queue, Opened { set_aside: Some(format!("killed its reader {attempts} times")) })
    } else {
        let is_unclean = schema::has_log(dir);
        let opened = Queue::open(dir, limits, clock.clone()).and_then(|mut queue| {
            if is_unclean {
                // The check reads every row. A process that is killed meanwhile has not been killed
                // by the database.
                discard_opening(dir);
                queue.check_books()?;
            }
            Ok(queue)
        });
        match opened {
            Ok(mut queue) => {
                if let Some(folder) = unread(dir) {
                    queue.begin_salvage(folder)?;
                }
                (queue, Opened::default())
            }
            Err(QueueError::Newer(version)) => {
                set_aside(dir, &format!("newer-{version}"))?;
                let reason = format!("written by a later version ({version})");
                (Queue::open(dir, limits, clock.clone())?, Opened { set_aside: Some(reason) })
            }
            Err(QueueError::Corrupt(reason)) => rebuild(dir, limits, clock, reason)?,
            Err(other) => {
                discard_opening(dir);
                return Err(other);
            }
        }
    };
    discard_opening(dir);
    Ok(opened)
}

/// Sets a damaged database aside and makes a new one. [`Queue::salvage_step`] brings over what can
/// be read.
pub(crate) fn rebuild(
    dir: &Path,
    limits: QueueLimits,
    clock: &Clock,
    reason: String,
) -> Result<(Queue, Opened), QueueError> {
    let old = set_aside(dir, DAMAGED)?;
    let mut queue = Queue::open(dir, limits, clock.clone())?;
    queue.begin_salvage(old)?;
    queue.note_quarantined()?;
    trim_quarantine(dir);
    Ok((queue, Opened { set_aside: Some(reason) }))
}

/// The newest folder of a database whose rows have not all been read.
fn unread(dir: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(dir.join(QUARANTINE)).ok()?.flatten().map(|entry| entry.path());
    folders
        .filter(|folder| folder.join(UNREAD).exists())
        .max_by_key(|folder| fs::metadata(folder).and_then(|meta| meta.modified()).ok())
}

/// Writes down that opening begins, before the database is touched. Returns how many attempts
/// before did not end.
fn begin_opening(dir: &Path) -> Result<u32, QueueError> {
    let path = dir.join(OPENING);
    let attempts = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0u32);
    match fs::write(&path, (attempts + 1).to_string()) {
        Ok(()) => Ok(attempts),
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(attempts),
        Err(error) => Err(QueueError::Locked(error.to_string())),
    }
}

/// Writes down that opening has ended, with or without an error: it did not kill the process.
fn discard_opening(dir: &Path) {
    let _ = fs::remove_file(dir.join(OPENING));
}

/// Moves the database and its WAL into a folder of their own.
fn set_aside(dir: &Path, name: &str) -> Result<PathBuf, QueueError> {
    let locked = |error: std::io::Error| QueueError::Locked(error.to_string());
    let folder = dir.join(QUARANTINE);
    fs::create_dir_all(&folder).map_err(locked)?;
    let free = (0..u32::MAX).map(|n| folder.join(format!("{name}-{n}"))).find(|path| !path.exists());
    let target = free.ok_or_else(|| QueueError::Other("the quarantine is full".to_owned()))?;
    fs::create_dir(&target).map_err(locked)?;
    if name == DAMAGED {
        fs::write(target.join(UNREAD), "").map_err(locked)?;
    }
    for file in schema::FILES {
        let from = dir.join(file);
        if from.is_dir() {
            // Under its own name, SQLite could not open the database that is set aside either.
            fs::rename(&from, target.join(format!("{file}.directory"))).map_err(locked)?;
        } else if from.exists() {
            fs::rename(&from, target.join(file)).map_err(locked)?;
        }
    }
    Ok(target)
}

/// Deletes old folders: the two newest databases are kept, as long as they are not too large
/// together. A database of a later version is never deleted.
fn trim_quarantine(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir.join(QUARANTINE)) else { return };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with("newer"))
        .map(|entry| (entry.metadata().and_then(|meta| meta.modified()).ok(), entry.path()))
        .collect();
    found.sort();
    let size = |path: &Path| -> u64 {
        let files = fs::read_dir(path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let mut bytes = 0;
    for (rank, (_, path)) in found.iter().rev().enumerate() {
        bytes += size(path);
        if rank >= MAX_QUARANTINED || bytes > MAX_QUARANTINE_BYTES {
            let _ = fs::remove_dir_all(path);
        }
    }
}

impl Queue {
    /// Counts a file that was set aside because it killed its readers or could not be read.
    pub fn note_quarantined(&mut self) -> Result<(), QueueError> {
        self.transact(|queue| {
            queue.control.books.quarantined_files += 1;
            Ok(())
        })
    }
}
