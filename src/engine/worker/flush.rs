//! Flushes that wait for their outcome: when one is over, and what it is told.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use super::Worker;
use super::storage::Storage;
use super::upload::Uploads;
use crate::engine::directory::Directory;
use crate::model::event::Lane;
use crate::policy::schedule::Blocked;
use crate::storage::health::StorageState;

/// How a flush ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushOutcome {
    /// Whether everything that had been recorded was delivered, or given up and booked.
    pub complete: bool,
    /// Events delivered meanwhile.
    pub delivered: u64,
    /// Events that still wait, for the destination that has the most of them.
    pub waiting: u64,
    /// Why the rest was not delivered.
    pub reason: Option<String>,
}

/// A flush that has not ended.
pub(super) struct FlushJob {
    /// When its time is up.
    pub(super) until: Instant,
    /// Events delivered since it began.
    pub(super) delivered: u64,
    /// Whether it is over when no crash waits any more.
    pub(super) is_of_crashes: bool,
    /// `None` when the caller does not wait for the outcome.
    pub(super) reply: Option<SyncSender<FlushOutcome>>,
}

impl FlushJob {
    pub(super) fn answer(self, outcome: FlushOutcome) {
        if let Some(reply) = self.reply {
            // The caller may have stopped waiting.
            let _ = reply.send(outcome);
        }
    }
}

/// What the end of a flush depends on.
#[derive(Debug, Clone, Copy)]
struct Progress<'a> {
    database: Database,
    /// Whether events are still to be written to the database: from the journal, from an earlier
    /// run, or from those that were kept apart until the user consented.
    is_busy: bool,
    uploads: Uploads,
    last_failure: Option<&'a str>,
}

/// What a flush can expect of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    Open,
    /// It takes nothing more, because the disk or the database is full, while events wait for it.
    Full,
    /// It is to be opened, soon or after a wait.
    NotOpen,
    Suspended,
}

/// Why a flush is over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// Nothing is left that could be sent.
    Done,
    /// What is left has to wait: for the host's conditions, or for a backend.
    Stuck(String),
    /// The flush was cut short.
    Cut(String),
}

/// Whether a flush that ends at `until` at the latest is over; `None` when it goes on.
fn end(until: Instant, now: Instant, progress: Progress<'_>) -> Option<End> {
    let failure = |otherwise: &str| progress.last_failure.unwrap_or(otherwise).to_owned();
    let cut = |otherwise: &str| (until <= now).then(|| End::Cut(failure(otherwise)));
    match (progress.database, progress.uploads) {
        (Database::Suspended, _) => Some(End::Cut("suspended".to_owned())),
        (Database::NotOpen, _) => cut("the database is not open"),
        (Database::Full, _) => cut("the disk is full"),
        (Database::Open, Uploads::UnderWay(_) | Uploads::Ending) => cut("the time was up"),
        (Database::Open, _) if progress.is_busy => cut("the time was up"),
        (Database::Open, Uploads::Idle) => Some(End::Done),
        (Database::Open, Uploads::Blocked(reason)) => {
            let end = if reason == Blocked::Consent { End::Cut } else { End::Stuck };
            Some(end(reason.explanation().to_owned()))
        }
        // Waiting longer than the flush may last would change nothing.
        (Database::Open, Uploads::Waiting(left)) => {
            (now + left > until).then(|| End::Stuck(failure("waiting for the backend")))
        }
    }
}

/// What a flush is told at its end. `nowhere` is why nothing can be sent at all.
fn outcome(end: End, delivered: u64, waiting: u64, nowhere: Option<&str>) -> FlushOutcome {
    let complete = !matches!(end, End::Cut(_)) && waiting == 0 && nowhere.is_none();
    let why = match end {
        End::Done => "events are still waiting".to_owned(),
        End::Stuck(reason) | End::Cut(reason) => reason,
    };
    let reason = (!complete).then(|| nowhere.map_or(why, str::to_owned));
    FlushOutcome { complete, delivered, waiting, reason }
}

impl Worker<'_> {
    /// Answers the flushes that are over.
    pub(super) fn finish_flushes(&mut self, is_busy: bool, uploads: Uploads) {
        if self.flushes.is_empty() {
            return;
        }
        let now = Instant::now();
        let why = self.why();
        let progress = Progress {
            database: match self.storage {
                Storage::Open(_) if self.is_full() => Database::Full,
                Storage::Open(_) => Database::Open,
                Storage::Suspended => Database::Suspended,
                Storage::Opening | Storage::Waiting { .. } | Storage::Closed => Database::NotOpen,
            },
            is_busy,
            uploads,
            last_failure: why.as_deref(),
        };
        let mut ended = Vec::new();
        let mut rest = Vec::new();
        let no_crash_waits = !is_busy && self.waiting_crashes() == 0;
        for flush in std::mem::take(&mut self.flushes) {
            let is_done = flush.is_of_crashes && no_crash_waits;
            match if is_done { Some(End::Done) } else { end(flush.until, now, progress) } {
                Some(end) => ended.push((flush, end)),
                None => rest.push(flush),
            }
        }
        self.flushes = rest;
        if !ended.is_empty() {
            let (waiting, crashes, nowhere) = (self.waiting(), self.waiting_crashes(), self.shared.nowhere());
            for (flush, end) in ended {
                let waiting = if flush.is_of_crashes { crashes } else { waiting };
                let delivered = flush.delivered;
                flush.answer(outcome(end, delivered, waiting, nowhere));
            }
        }
        if self.flushes.is_empty() {
            self.directories(|directory| directory.uploader.set_flush(false));
        }
    }

    /// Answers every flush because the worker ends.
    pub(super) fn cut_flushes(&mut self, reason: &str) {
        let waiting = self.waiting();
        for flush in self.flushes.drain(..).chain(self.crash_flushes.drain(..)) {
            let delivered = flush.delivered;
            flush.answer(outcome(End::Cut(reason.to_owned()), delivered, waiting, None));
        }
    }

    /// Whether events wait in the journal because the database could not take them.
    fn is_full(&self) -> bool {
        self.shared.health().storage == StorageState::Full && self.shared.recorder().journal().waiting() > 0
    }

    /// Why events are not delivered: what pauses signals, and the failure of the last request.
    fn why(&mut self) -> Option<String> {
        let paused = self.storage.open().and_then(|open| open.own.queue.why_paused());
        match (paused, &self.last_failure) {
            (Some(paused), Some(last)) if !paused.contains(last) => Some(format!("{paused}; {last}")),
            (Some(paused), _) => Some(paused),
            (None, Some(last)) => Some(last.clone()),
            (None, None) => self.in_flight.first().map(|request| format!("no answer from {} yet", request.url)),
        }
    }

    fn waiting(&mut self) -> u64 {
        self.storage.open().map_or(0, |open| waiting(&open.own, &Lane::ALL))
    }

    /// Crashes that wait.
    pub(super) fn waiting_crashes(&mut self) -> u64 {
        self.storage.open().map_or(0, |open| waiting(&open.own, &[Lane::Crash]))
    }
}

/// Events of some lanes that the destination with the most of them waits for. Without a
/// destination, all of them.
fn waiting(directory: &Directory, lanes: &[Lane]) -> u64 {
    let queue = &directory.queue;
    let of = |id: u32| lanes.iter().map(|lane| queue.waiting(id, *lane).unwrap_or(0)).sum();
    let most = queue.destinations().into_iter().map(|(id, _)| of(id)).max();
    most.unwrap_or_else(|| {
        let depth = queue.depth();
        depth.iter().zip(Lane::ALL).filter(|(_, lane)| lanes.contains(lane)).map(|(depth, _)| depth.rows).sum()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const IDLE: Progress<'static> =
        Progress { database: Database::Open, is_busy: false, uploads: Uploads::Idle, last_failure: None };

    fn with(uploads: Uploads) -> Progress<'static> {
        Progress { uploads, ..IDLE }
    }

    #[test]
    fn no_flush_waits_for_what_cannot_happen_in_its_time_and_none_gives_up_before() {
        let cut = |reason: &str| Some(End::Cut(reason.to_owned()));
        let stuck = |reason: &str| Some(End::Stuck(reason.to_owned()));
        let failed = |progress| Progress { last_failure: Some("the backend answered 503"), ..progress };
        let busy = |progress| Progress { is_busy: true, ..progress };
        let of = |database| Progress { database, ..IDLE };
        // What is so; the end while there is time; the end when the time is up.
        let table = [
            (IDLE, Some(End::Done), Some(End::Done)),
            (busy(IDLE), None, cut("the time was up")),
            (with(Uploads::UnderWay(None)), None, cut("the time was up")),
            (failed(with(Uploads::UnderWay(None))), None, cut("the backend answered 503")),
            (with(Uploads::Ending), None, cut("the time was up")),
            (with(Uploads::Waiting(SECOND / 2)), None, stuck("waiting for the backend")),
            (with(Uploads::Waiting(SECOND * 2)), stuck("waiting for the backend"), stuck("waiting for the backend")),
            (
                failed(with(Uploads::Waiting(SECOND * 2))),
                stuck("the backend answered 503"),
                stuck("the backend answered 503"),
            ),
            (busy(with(Uploads::Waiting(SECOND * 2))), None, cut("the time was up")),
            (with(Uploads::Blocked(Blocked::Offline)), stuck("the device is offline"), stuck("the device is offline")),
            (
                with(Uploads::Blocked(Blocked::Consent)),
                cut("the user has not consented yet"),
                cut("the user has not consented yet"),
            ),
            (of(Database::NotOpen), None, cut("the database is not open")),
            (of(Database::Full), None, cut("the disk is full")),
            (of(Database::Suspended), cut("suspended"), cut("suspended")),
        ];
        let now = Instant::now();
        for (progress, early, late) in table {
            assert_eq!(end(now + SECOND, now, progress), early, "{progress:?}, with time left");
            assert_eq!(end(now, now, progress), late, "{progress:?}, without time left");
        }
    }

    #[test]
    fn no_flush_is_complete_while_anything_waits_or_nothing_can_be_sent() {
        let told = |end, waiting, nowhere| {
            let outcome = outcome(end, 3, waiting, nowhere);
            assert_eq!((outcome.delivered, outcome.waiting), (3, waiting));
            (outcome.complete, outcome.reason)
        };
        let reason = |text: &str| (false, Some(text.to_owned()));
        assert_eq!(told(End::Done, 0, None), (true, None));
        assert_eq!(told(End::Done, 7, None), reason("events are still waiting"));
        assert_eq!(told(End::Done, 0, Some("no endpoint")), reason("no endpoint"));
        assert_eq!(told(End::Stuck("offline".to_owned()), 7, None), reason("offline"));
        // What waits belongs to an adopted directory.
        assert_eq!(told(End::Stuck("offline".to_owned()), 0, None), (true, None));
        assert_eq!(told(End::Cut("suspended".to_owned()), 0, None), reason("suspended"));
        assert_eq!(told(End::Cut("suspended".to_owned()), 0, Some("no endpoint")), reason("no endpoint"));
    }
}
