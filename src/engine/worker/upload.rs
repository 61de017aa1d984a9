//! The worker's requests: which directory sends next, and what an answer means for it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::storage::Place;
use super::{Shared, Worker};
use crate::engine::directory::Directory;
use crate::engine::uploader::{Leased, Outgoing, Settled, Step};
use crate::model::config::Consent;
use crate::model::limits::SERVER_OFFSET_CHANGE_MS;
use crate::policy::schedule::Blocked;
use crate::wire::transport::{Response, TransportError};

/// What the uploads are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uploads {
    /// A request is under way.
    UnderWay,
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
            (Self::UnderWay, _) | (_, Self::UnderWay) => Self::UnderWay,
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
    /// The directory that it came from.
    dir: PathBuf,
}

impl InFlight<'_> {
    /// The answer, when it comes.
    pub(super) async fn answer(in_flight: &mut Option<Self>) -> Result<Response, TransportError> {
        match in_flight {
            Some(InFlight { answer, shared, .. }) => {
                let poll = |context: &mut Context<'_>| {
                    let poll = shared.guarded(|| answer.as_mut().poll(context));
                    poll.unwrap_or_else(|| Poll::Ready(Err(panicked())))
                };
                std::future::poll_fn(poll).await
            }
            None => std::future::pending().await,
        }
    }
}

impl Worker<'_> {
    /// Starts the next request if none is under way.
    pub(super) fn upload(&mut self) -> Uploads {
        let Some(transport) = &self.shared.transport else { return Uploads::Idle };
        if self.in_flight.is_some() {
            return Uploads::UnderWay;
        }
        if self.closing.is_some() {
            return Uploads::Ending;
        }
        if self.shared.consent() != Consent::Granted {
            return Uploads::Blocked(Blocked::Consent);
        }
        let uploads = self.next_request();
        match uploads {
            Uploads::Idle => {
                self.shared.guarded(|| transport.idle());
                self.offline_since = None;
                self.prune_contexts();
                self.clean_up();
            }
            Uploads::Waiting(_) => {
                self.shared.guarded(|| transport.idle());
            }
            Uploads::Blocked(Blocked::Offline) => {
                self.offline_since.get_or_insert_with(Instant::now);
            }
            Uploads::Blocked(_) | Uploads::UnderWay | Uploads::Ending => {}
        }
        uploads
    }

    /// Asks each directory for a request, and starts the first. Adopted directories that have
    /// nothing left to send are given up.
    fn next_request(&mut self) -> Uploads {
        let shared = self.shared;
        let (Some(transport), Some(open)) = (&shared.transport, self.storage.open()) else {
            return Uploads::Idle;
        };
        let mut uploads = Uploads::Idle;
        let mut failed = None;
        let mut done = Vec::new();
        for (place, directory) in open.directories().filter(|(_, directory)| directory.is_configured()) {
            let next = directory.uploader.next(&mut directory.queue);
            shared.note_panics(directory.uploader.take_panics());
            match (next, place) {
                (Ok(Step::Send(outgoing)), _) => {
                    let Outgoing { request, leased } = *outgoing;
                    let answer = shared.guarded(|| transport.send(request));
                    let answer = answer.unwrap_or_else(|| Box::pin(std::future::ready(Err(panicked()))));
                    self.in_flight = Some(InFlight { answer, shared, leased, dir: directory.dir().to_owned() });
                    return Uploads::UnderWay;
                }
                (Ok(Step::Idle), Place::Adopted(at)) if is_over(directory) => done.push(at),
                (Ok(Step::Idle), _) => {}
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
        uploads
    }

    /// Commits what became of the request that was under way.
    pub(super) fn settle(&mut self, result: Result<Response, TransportError>) {
        let Some(InFlight { leased, dir, .. }) = self.in_flight.take() else { return };
        let Some(open) = self.storage.open() else { return };
        let Some((place, directory)) = open.directories().find(|(_, directory)| directory.dir() == dir) else {
            return;
        };
        let settled = directory.uploader.settle(&mut directory.queue, &leased, result);
        self.shared.note_panics(directory.uploader.take_panics());
        match settled {
            Ok(settled) => self.settled(settled, leased.part.rows),
            Err(error) => self.directory_failed(place, error),
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
        if (offset - self.server_offset_ms).abs() > SERVER_OFFSET_CHANGE_MS {
            self.server_offset_ms = offset;
            self.shared.globals.set_server_offset(self.shared.recorder(), &self.shared.config, offset);
        }
    }
}

/// What a panic of the host's transport counts as: nobody knows whether the request arrived.
fn panicked() -> TransportError {
    TransportError("the transport panicked".to_owned())
}

/// Whether an adopted directory that has nothing to send now will never have.
fn is_over(directory: &Directory) -> bool {
    !directory.is_recovering() && !directory.queue.keeps_apart()
}
