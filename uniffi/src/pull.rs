//! Requests that the host fetches and answers, for WorkManager and background `URLSession`s: with
//! those the system decides when something is sent.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline::transport::{Request, Response, Sending, Transport, TransportError};
use tokio::sync::oneshot;

use crate::host::{HttpRequest, HttpResponse};

/// How long a request waits until it is fetched.
const UNTIL_FETCHED: Duration = Duration::from_secs(15 * 60);

/// How long a request that was fetched waits for its answer. The system may make a background
/// session wait for a better network, or for the charger.
const UNTIL_ANSWERED: Duration = Duration::from_secs(60 * 60);

/// How long after the host has asked for a request it gets those that are made offline. One that
/// waits for a network itself asks all the time; one that the system wakes when there is one does
/// not.
const ASKS_WITHIN: Duration = Duration::from_secs(60);

/// A request to send, and the number by which `uploadDone` takes its outcome.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PendingUpload {
    /// The number for `uploadDone`.
    pub id: u64,
    /// What the request is known by across processes. A retry has the same key, also one that a
    /// later process makes; another body, or another destination, has another one. A host whose
    /// requests outlive the process answers a key that is under way, or was answered, with that
    /// answer.
    pub key: String,
    /// The request to send.
    pub request: HttpRequest,
}

/// A request that waits for the host.
struct Offer {
    id: u64,
    key: String,
    request: Request,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Response, TransportError>>;

/// The number of the latest request. It outlives the client: an answer that comes when another one
/// runs must not be taken for that of another request.
static LATEST: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Requests {
    /// Requests that the host has not fetched yet.
    offered: VecDeque<Offer>,
    /// Requests that the host has fetched and not answered yet.
    taken: HashMap<u64, Reply>,
    /// Until when the host has waited last, or waits.
    asked: Option<Instant>,
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
        let now = Instant::now();
        let until = now + patience.min(UNTIL_FETCHED);
        let mut requests = self.requests();
        requests.asked = requests.asked.max(Some(until));
        loop {
            while let Some(Offer { id, key, request, reply }) = requests.offered.pop_front() {
                // The core does not wait for this one any more.
                if reply.is_closed() {
                    continue;
                }
                requests.taken.retain(|_, reply| !reply.is_closed());
                requests.taken.insert(id, reply);
                requests.asked = Some(Instant::now());
                return Some(PendingUpload { id, key, request: request.into() });
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

impl Pulled {
    fn offer(&self, request: Request, key: String) -> Sending<'_> {
        let (reply, mut answer) = oneshot::channel();
        let id = {
            let mut requests = self.0.requests();
            let id = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
            requests.offered.push_back(Offer { id, key, request, reply });
            id
        };
        self.0.offered.notify_one();
        Box::pin(async move {
            let fetched = match tokio::time::timeout(UNTIL_FETCHED, &mut answer).await {
                Ok(answered) => return answered.unwrap_or_else(|_| Err(unanswered())),
                Err(_) => self.0.requests().taken.contains_key(&id),
            };
            if !fetched {
                return Err(TransportError("the host did not fetch the request within 15 minutes".to_owned()));
            }
            let answered = tokio::time::timeout(UNTIL_ANSWERED, answer).await;
            answered.unwrap_or_else(|_| Ok(Err(unanswered()))).unwrap_or_else(|_| Err(unanswered()))
        })
    }
}

/// Why there is no answer to a request that the host has fetched.
fn unanswered() -> TransportError {
    TransportError("the host did not answer the request within an hour".to_owned())
}

impl Transport for Pulled {
    fn send(&self, request: Request) -> Sending<'_> {
        self.offer(request, String::new())
    }

    fn send_keyed<'a>(&'a self, request: Request, key: &'a str) -> Sending<'a> {
        self.offer(request, key.to_owned())
    }

    fn patience(&self) -> Option<Duration> {
        Some(UNTIL_FETCHED + UNTIL_ANSWERED + Duration::from_secs(60))
    }

    fn awaits_network(&self) -> bool {
        self.0.requests().asked.is_some_and(|asked| asked.elapsed() <= ASKS_WITHIN)
    }
}
