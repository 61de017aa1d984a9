//! Requests that the host fetches and answers, for WorkManager and background `URLSession`s: with
//! those the system decides when something is sent.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline::transport::{Request, Response, Sending, Transport, TransportError};
use tokio::sync::oneshot;

use crate::host::{HttpRequest, HttpResponse};

/// How long a request waits until it is fetched and answered. A background session may need
/// minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A request to send, and the number by which `uploadDone` takes its outcome.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PendingUpload {
    /// The number for `uploadDone`.
    pub id: u64,
    /// The request to send.
    pub request: HttpRequest,
}

type Reply = oneshot::Sender<Result<Response, TransportError>>;

#[derive(Default)]
struct Requests {
    /// The number of the latest request.
    last: u64,
    /// Requests that the host has not fetched yet.
    offered: VecDeque<(u64, Request, Reply)>,
    /// Requests that the host has fetched and not answered yet.
    taken: HashMap<u64, Reply>,
}

/// The requests that wait for the host.
#[derive(Default)]
pub(crate) struct Pull {
    requests: Mutex<Requests>,
    offered: Condvar,
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

impl Pull {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request. Waits for one at most `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Option<PendingUpload> {
        let until = Instant::now() + patience.min(PATIENCE);
        let mut requests = self.requests();
        loop {
            while let Some((id, request, reply)) = requests.offered.pop_front() {
                // The core does not wait for this one any more.
                if reply.is_closed() {
                    continue;
                }
                requests.taken.retain(|_, reply| !reply.is_closed());
                requests.taken.insert(id, reply);
                return Some(PendingUpload { id, request: request.into() });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            requests = self.offered.wait_timeout(requests, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the outcome of a request: the response, or none. False when the request is not known,
    /// or not any more.
    pub(crate) fn done(&self, id: u64, response: Option<HttpResponse>) -> bool {
        let Some(reply) = self.requests().taken.remove(&id) else { return false };
        let none = || TransportError("the host got no answer".to_owned());
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
            let mut requests = self.0.requests();
            requests.last += 1;
            let id = requests.last;
            requests.offered.push_back((id, request, reply));
        }
        self.0.offered.notify_one();
        Box::pin(async move {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => answer,
                _ => Err(TransportError("the host did not fetch or answer the request within 15 minutes".to_owned())),
            }
        })
    }
}
