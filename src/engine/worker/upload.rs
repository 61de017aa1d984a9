//! The worker's requests: which directory sends next, and what an answer means for it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::storage::Place;
use super::{Shared, Worker};
use crate::engine::directory::Directory;
use crate::engine::uploader::{Leased, Outgoing, Settled, Step};
use crate::model::config::{Consent, shown};
use crate::model::limits::{KEEP_CONNECTION, SERVER_OFFSET_CHANGE_MS};
use crate::policy::schedule::Blocked;
use crate::wire::transport::{Response, Transport, TransportError};

/// What the uploads are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uploads {
    /// Requests are under way. What waits for another destination waits for this long.
    UnderWay(Option<Duration>),
    /// Nothing is sent any more: the worker is about to end.
    Ending,
    /// Events wait, for this long.
    Waiting(Duration),
    /// Events wait for the host's conditions to change, or for the user's consent.
    Blocked(Blocked),
    /// No event waits, or there is no transport.
    Idle,
}

impl Uploads {
    /// Of two directories' answers the one that is to be acted on first.
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::UnderWay(wait), _) | (_, Self::UnderWay(wait)) => Self::UnderWay(wait),
            (Self::Waiting(a), Self::Waiting(b)) => Self::Waiting(a.min(b)),
            (Self::Waiting(a), _) | (_, Self::Waiting(a)) => Self::Waiting(a),
            (Self::Idle, other) => other,
            (first, _) => first,
        }
    }
}

/// A request that is under way.
pub(super) struct InFlight<'a> {
    answer: Pin<Box<dyn Future<Output = Result<Response, TransportError>> + 'a>>,
    shared: &'a Shared,
    leased: Leased,
    /// Where it goes, as a reason may show it.
    pub(super) url: String,
    /// The directory that it came from.
    dir: PathBuf,
    /// The name of the destination.
    destination: String,
}

impl<'a> InFlight<'a> {
    /// Sends a request. The authority gives up what takes too long.
    fn start(shared: &'a Shared, transport: &'a dyn Transport, outgoing: Outgoing, directory: &Directory) -> Self {
        let Outgoing { request, key, leased } = outgoing;
        let url = shown(&request.url);
        let destination = directory.queue.destination_name(leased.destination).cloned().unwrap_or_default();
        let answer = shared.authority.send(transport, request, destination.clone(), key);
        Self { answer, shared, leased, url, dir: directory.dir().to_owned(), destination }
    }

    /// Whether it came from this directory.
    pub(super) fn is_from(&self, dir: &Path) -> bool {
        self.dir == dir
    }

    /// The next answer, when it comes, and the index of its request.
    pub(super) async fn answer(in_flight: &mut [Self]) -> (usize, Result<Response, TransportError>) {
        let poll = |context: &mut Context<'_>| {
            for (at, InFlight { answer, shared, .. }) in in_flight.iter_mut().enumerate() {
                let poll = shared.guarded(|| answer.as_mut().poll(context));
                if let Poll::Ready(result) = poll.unwrap_or_else(|| Poll::Ready(Err(panicked()))) {
                    return Poll::Ready((at, result));
                }
            }
            Poll::Pending
        };
        std::future::poll_fn(poll).await
    }
}

impl<'a> Worker<'a> {
    /// Starts a request for each destination that has something to send and for which none is under
    /// way.
    pub(super) fn upload(&mut self) -> Uploads {
        let shared = self.shared;
        let Some(transport) = &shared.transport else { return Uploads::Idle };
        if self.closing.is_some() {
            return if self.in_flight.is_empty() { Uploads::Ending } else { Uploads::UnderWay(None) };
        }
        if shared.consent() != Consent::Granted {
            // What is under way may still be answered. Then no connection is needed any more.
            if self.in_flight.is_empty() {
                if self.keep_connections_until.take().is_some() {
                    shared.guarded(|| transport.idle());
                }
                if shared.consent() == Consent::Pending {
                    self.clean_up();
                }
            }
            return Uploads::Blocked(Blocked::Consent);
        }
        let mut uploads = self.next_request(&**transport);
        while uploads == Next::Started {
            uploads = self.next_request(&**transport);
        }
        let Next::Nothing(uploads) = uploads else { return Uploads::UnderWay(None) };
        if !self.in_flight.is_empty() {
            return Uploads::UnderWay(match uploads {
                Uploads::Waiting(left) => Some(left),
                _ => None,
            });
        }
        if self.keep_connections_until.is_some_and(|until| until <= Instant::now()) {
            self.keep_connections_until = None;
            shared.guarded(|| transport.idle());
        }
        match uploads {
            Uploads::Idle => {
                self.offline_since = None;
                self.prune_contexts();
            }
            Uploads::Blocked(Blocked::Offline) => {
                self.offline_since.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
        self.clean_up();
        uploads
    }

    /// Asks each directory for a request, and starts the first. Adopted directories that have
    /// nothing left to send are given up.
    fn next_request(&mut self, transport: &'a dyn Transport) -> Next {
        let shared = self.shared;
        let awaits_network = shared.guarded(|| transport.awaits_network()).unwrap_or_default();
        let Some(open) = self.storage.open() else { return Next::Nothing(Uploads::Idle) };
        let mut uploads = Uploads::Idle;
        let mut failed = None;
        let mut done = Vec::new();
        for (place, directory) in open.directories().filter(|(_, directory)| directory.is_configured()) {
            let elsewhere = self.in_flight.iter().filter(|request| request.dir != directory.dir());
            let busy: Vec<String> = elsewhere.map(|request| request.destination.clone()).collect();
            directory.uploader.set_awaits_network(awaits_network);
            let next = directory.uploader.next(&mut directory.queue, &busy);
            shared.note_panics(directory.uploader.take_panics());
            match (next, place) {
                (Ok(Step::Send(outgoing)), _) => {
                    self.in_flight.push(InFlight::start(shared, transport, *outgoing, directory));
                    return Next::Started;
                }
                (Ok(Step::Idle), Place::Adopted(at)) if is_over(directory) => done.push(at),
                // What is under way says when to ask again.
                (Ok(Step::Idle | Step::Busy), _) => {}
                (Ok(Step::Wait(left)), _) => uploads = uploads.sooner(Uploads::Waiting(left)),
                (Ok(Step::Blocked(reason)), _) => uploads = uploads.sooner(Uploads::Blocked(reason)),
                (Err(error), Place::Own) => failed = Some(error),
                (Err(_), Place::Adopted(at)) => done.push(at),
            }
        }
        for at in done.into_iter().rev() {
            let directory = open.adopted.remove(at);
            let is_empty = directory.queue.depth().iter().all(|lane| lane.rows == 0);
            if is_empty { directory.remove() } else { directory.close() }
        }
        if let Some(error) = failed {
            self.storage_failed(error);
        }
        Next::Nothing(uploads)
    }

    /// Commits what became of a request that was under way.
    pub(super) fn settle(&mut self, at: usize, result: Result<Response, TransportError>) {
        self.settle_as(at, result, false);
    }

    fn settle_as(&mut self, at: usize, result: Result<Response, TransportError>, is_cancelled: bool) {
        let InFlight { leased, dir, destination, .. } = self.in_flight.swap_remove(at);
        self.keep_connections_until = Some(Instant::now() + KEEP_CONNECTION);
        let Some(open) = self.storage.open() else { return };
        let Some((place, directory)) = open.directories().find(|(_, directory)| directory.dir() == dir) else {
            return;
        };
        let settled = directory.uploader.settle(&mut directory.queue, &leased, result);
        self.shared.note_panics(directory.uploader.take_panics());
        match settled {
            Ok(settled) => {
                // A backend that took some of the events is one that can be reached.
                let failure = settled.failure.as_deref().filter(|_| settled.delivered == 0);
                if !is_cancelled {
                    self.shared.observed.note(&destination, failure);
                }
                self.settled(settled, leased.part.rows);
            }
            Err(error) => self.directory_failed(place, error),
        }
    }

    /// Gives up the requests that are under way. Nobody knows whether they arrived, so they are
    /// settled as requests without an answer: their destinations do not come first again.
    pub(super) fn cancel_requests(&mut self, reason: &str) {
        while !self.in_flight.is_empty() {
            self.settle_as(0, Err(TransportError(reason.to_owned())), true);
        }
    }

    /// Notes how a request with this many events ended, for the flushes, the log and the health.
    fn settled(&mut self, settled: Settled, events: u64) {
        for flush in &mut self.flushes {
            flush.delivered += settled.delivered;
        }
        if settled.unreachable {
            self.offline_since.get_or_insert_with(Instant::now);
        } else {
            self.offline_since = None;
        }
        self.shared.debug.log(&match &settled.failure {
            Some(failure) => format!("an upload of {events} events failed: {failure}"),
            None => format!("{} events were delivered", settled.delivered),
        });
        self.last_failure = settled.failure.clone();
        self.shared.health().last_upload = Some(settled.failure.map_or(Ok(settled.delivered), Err));
        if let Some(offset) = settled.server_offset_ms {
            self.update_server_offset(offset);
        }
    }

    /// Events from now on carry the offset to server time, so that the spans of device and server
    /// line up.
    fn update_server_offset(&mut self, offset: i64) {
        self.measured_at = Some(self.shared.clock.offset());
        self.carry_server_offset(offset);
    }

    /// The device's clock may have been set since the offset was measured. The times of events move
    /// at once, and the offset with them: the next answer may be hours away.
    pub(super) fn follow_clock(&mut self) {
        let Some(before) = self.measured_at else { return };
        let now = self.shared.clock.offset();
        let set_by = now.saturating_sub(before) / 1_000_000;
        if set_by.abs() > SERVER_OFFSET_CHANGE_MS {
            self.measured_at = Some(now);
            self.carry_server_offset(self.server_offset_ms.saturating_sub(set_by));
        }
    }

    fn carry_server_offset(&mut self, offset: i64) {
        if (offset - self.server_offset_ms).abs() > SERVER_OFFSET_CHANGE_MS {
            self.server_offset_ms = offset;
            self.shared.observed.note_server_offset(offset);
            self.shared.globals.set_server_offset(self.shared.recorder(), &self.shared.config, offset);
        }
    }
}

/// What came of looking for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// One has been started.
    Started,
    /// There is none that could be started now.
    Nothing(Uploads),
}

/// What a panic of the host's transport counts as: nobody knows whether the request arrived.
fn panicked() -> TransportError {
    TransportError("the transport panicked".to_owned())
}

/// Whether an adopted directory that has nothing to send now will never have.
fn is_over(directory: &Directory) -> bool {
    !directory.is_recovering() && !directory.queue.keeps_apart()
}
