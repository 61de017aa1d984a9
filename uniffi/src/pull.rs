//! Requests that the host fetches and answers: for WorkManager and background `URLSession`, which want to own the timing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline::transport::{Request, Response, Sending, Transport, TransportError};
use tokio::sync::oneshot;

use crate::host::{HttpRequest, HttpResponse};

/// How long a request waits to be fetched and answered. A background session may take its time.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A request to send, and the number under which its outcome is told.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PendingUpload {
    /// For `uploadDone`.
    pub id: u64,
    /// What to send.
    pub request: HttpRequest,
}

type Reply = oneshot::Sender<Result<Response, TransportError>>;

#[derive(Default)]
struct Waiting {
    last: u64,
    offered: VecDeque<(u64, Request, Reply)>,
    taken: HashMap<u64, Reply>,
}

/// The requests that wait for the host.
#[derive(Default)]
pub(crate) struct Pull {
    waiting: Mutex<Waiting>,
    offered: Condvar,
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

impl Pull {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request, waiting for one at most `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Option<PendingUpload> {
        let until = Instant::now() + patience.min(PATIENCE);
        let mut waiting = self.waiting();
        loop {
            while let Some((id, request, reply)) = waiting.offered.pop_front() {
                // The core has given up on it.
                if reply.is_closed() {
                    continue;
                }
                waiting.taken.retain(|_, reply| !reply.is_closed());
                waiting.taken.insert(id, reply);
                return Some(PendingUpload { id, request: request.into() });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            waiting = self.offered.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tells what became of a request: the answer, or none. False when it is not known, or too late.
    pub(crate) fn done(&self, id: u64, response: Option<HttpResponse>) -> bool {
        let Some(reply) = self.waiting().taken.remove(&id) else { return false };
        let none = || TransportError("the host had no answer".to_owned());
        reply.send(response.map(Response::from).ok_or_else(none)).is_ok()
    }
}

/// Offers requests to the host.
#[derive(Debug)]
pub(crate) struct Pulled(pub(crate) Arc<Pull>);

impl Transport for Pulled {
    fn send(&self, request: Request) -> Sending<'_> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = self.0.waiting();
            waiting.last += 1;
            let id = waiting.last;
            waiting.offered.push_back((id, request, reply));
        }
        self.0.offered.notify_one();
        Box::pin(async move {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => answer,
                _ => Err(TransportError("the host did not fetch the request".to_owned())),
            }
        })
    }
}
