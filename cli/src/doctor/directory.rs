//! What a data directory says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use throughline::diagnosis::{Cause, Diagnosis, Finding};
use throughline::internals::dirlock;
use throughline::internals::journal::run_file::key_of;
use throughline::internals::queue::{FILE, Queue, QueueError, QueueLimits};
use throughline::internals::{cause_of, switches};
use throughline::ledger::DropReason;
use throughline::time::Clock;

/// Free bytes below which the client stops writing to its database.
const LITTLE_SPACE: u64 = 4 << 20;

/// Reads a data directory and changes nothing in it.
pub(super) fn look_at(store: &Path) -> Result<Diagnosis> {
    let mut findings = Vec::new();
    let journals = journals(store);
    if !store.join(FILE).exists() && journals.is_empty() {
        let seen = "the directory holds no database and no journal of Throughline, so no client has started there";
        return Ok(Diagnosis::of(vec![Finding::new(Cause::NotStarted, seen)], 0, 0));
    }
    match switches(store) {
        (Some(false), _) => {
            let seen = "the app has called `set_enabled(false)`, which holds for later starts";
            findings.push(Finding::new(Cause::SwitchedOff, seen));
        }
        (_, Some(rate)) if rate < 1.0 => {
            let seen = format!("the app has set the sample rate of sessions to {rate}");
            findings.push(Finding::new(Cause::SampledOut, seen));
        }
        _ => {}
    }
    if let Some(wrong) = dirlock::wrong_kind_of_any(store) {
        findings.push(Finding::new(Cause::StorageLocked, wrong));
    }
    if let Ok(space) = rustix::fs::statvfs(store)
        && space.f_bavail.saturating_mul(space.f_frsize) < LITTLE_SPACE
    {
        let seen = format!("less than {} MiB are free where the directory is", LITTLE_SPACE >> 20);
        findings.push(Finding::new(Cause::StorageFull, seen));
    }
    let (mut delivered, mut waiting) = (0, 0);
    if store.join(FILE).exists() {
        match read_copy(store) {
            Ok(seen) => {
                (delivered, waiting) = (seen.delivered, seen.waiting);
                findings.extend(seen.findings);
            }
            Err(error) => findings.push(Finding::new(Cause::StorageFailed, error.to_string())),
        }
    }
    let bytes: u64 = journals.iter().sum();
    if bytes > 0 {
        let seen = format!("{} journals are not in the database yet; the next start reads them", journals.len());
        findings.push(Finding::new(Cause::Waiting, seen));
    } else if findings.is_empty() && (delivered, waiting) == (0, 0) {
        findings.push(Finding::new(Cause::NothingRecorded, "the database has never held an event"));
    }
    Ok(Diagnosis::of(findings, delivered, waiting))
}

/// The sizes of the journals that hold something.
fn journals(store: &Path) -> Vec<u64> {
    let entries = fs::read_dir(store.join("runs")).into_iter().flatten().flatten();
    let journals = entries.filter(|entry| key_of(&entry.file_name().to_string_lossy()).is_some());
    journals.filter_map(|entry| Some(entry.metadata().ok()?.len())).collect()
}

/// Opens a copy of the database.
fn read_copy(store: &Path) -> Result<Diagnosis, QueueError> {
    let copy = tempfile::tempdir().map_err(|error| QueueError::Other(error.to_string()))?;
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        let from = store.join(&name);
        if from.is_file() {
            fs::copy(from, copy.path().join(name)).map_err(|error| QueueError::Locked(error.to_string()))?;
        }
    }
    // Nothing is written, so that no limit matters but the size that may be opened.
    let limits = QueueLimits { queue_bytes: 1 << 40, crash_bytes: 1 << 40, max_age: Duration::MAX };
    let queue = Queue::open(copy.path(), limits, Clock::System)?;
    let mut findings = Vec::new();
    let pending = queue.pending()?;
    if pending > 0 {
        let seen = format!("{pending} events are kept apart until the user consents, or an error makes them worth it");
        findings.push(Finding::new(Cause::ConsentPending, seen));
    }
    let (mut delivered, mut waiting) = (0, 0);
    for books in queue.books()? {
        delivered = books.delivered.max(delivered);
        waiting = books.queued.max(waiting);
        if books.name.is_empty() {
            findings.push(Finding::new(Cause::NoEndpoint, "the app has configured no destination"));
            continue;
        }
        if let Some(paused) = &books.paused {
            findings.push(Finding::new(cause_of(paused), paused.as_str()).of(&books.name));
        }
        for reason in DropReason::ALL {
            let count = books.dropped.of(reason);
            let cause = match reason {
                DropReason::SampledOut => Cause::SampledOut,
                DropReason::NoDestination => Cause::NotRouted,
                DropReason::Rejected | DropReason::PartialReject if books.delivered == 0 => Cause::Refused,
                _ => continue,
            };
            if count > 0 {
                let seen = format!("{count} events were dropped as `{}`", reason.name());
                findings.push(Finding::new(cause, seen).of(&books.name));
            }
        }
    }
    Ok(Diagnosis::of(findings, delivered, waiting))
}
