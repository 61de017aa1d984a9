//! What the host may do for us: send requests with its own network stack, and give authorization headers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use throughline::internals::kill_point::kill_point;
use throughline::limits::{MAX_RESPONSE_BYTES, REQUEST_TIMEOUT};
use throughline::transport::{Request, Response, Sending, Transport, TransportError};

use crate::records::HeaderField;

/// A POST request.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HttpRequest {
    /// Absolute URL.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<HeaderField>,
    /// The body as it goes over the wire.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Headers.
    #[uniffi(default = [])]
    pub headers: Vec<HeaderField>,
    /// At most 64 KiB of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer. Always retried.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum HostError {
    /// The request failed, or what the host did.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

/// Sends requests with the host's own network stack: its trust store, its proxies.
///
/// Called on a thread of ours that may wait. Must not follow redirects, must not retry, must end within 30 seconds. Anything
/// thrown is a failed request.
#[uniffi::export(with_foreign)]
pub trait HostTransport: Send + Sync {
    /// Sends one request.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, HostError>;
}

/// Gives headers that authorize uploads. Called on a thread of ours; the answer is kept until a backend says 401, then
/// asked for once more.
#[uniffi::export(with_foreign)]
pub trait AuthHeaders: Send + Sync {
    /// The headers. With `refresh` the last ones were refused.
    fn headers(&self, refresh: bool) -> Result<Vec<HeaderField>, HostError>;
}

impl From<Request> for HttpRequest {
    fn from(request: Request) -> Self {
        let headers = request.headers.into_iter().map(|(name, value)| HeaderField { name, value }).collect();
        Self { url: request.url, headers, body: request.body }
    }
}

impl From<HttpResponse> for Response {
    fn from(response: HttpResponse) -> Self {
        let mut body = response.body;
        let truncated = body.len() > MAX_RESPONSE_BYTES;
        body.truncate(MAX_RESPONSE_BYTES);
        let lower = |field: HeaderField| (field.name.to_ascii_lowercase(), field.value);
        Self { status: response.status, headers: response.headers.into_iter().map(lower).collect(), body, truncated }
    }
}

/// Runs a call of the host's on a thread that may wait, at most 30 seconds.
async fn ask<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, TransportError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, tokio::task::spawn_blocking(call)).await {
        Ok(Ok(answer)) => answer.map_err(|error| TransportError(error.to_string())),
        Ok(Err(_)) => Err(TransportError("the host's part panicked".to_owned())),
        Err(_) => Err(TransportError("the host did not answer within 30 seconds".to_owned())),
    }
}

/// A transport of the host's.
pub(crate) struct Hosted(pub(crate) Arc<dyn HostTransport>);

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosted")
    }
}

impl Transport for Hosted {
    fn send(&self, request: Request) -> Sending<'_> {
        let host = Arc::clone(&self.0);
        Box::pin(async move { Ok(ask(move || host.send(request.into())).await?.into()) })
    }
}

/// Adds the host's authorization headers to what another transport sends.
pub(crate) struct Authorized {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) auth: Option<Arc<dyn AuthHeaders>>,
    known: Mutex<Option<Vec<HeaderField>>>,
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Authorized {
    pub(crate) fn new(inner: Arc<dyn Transport>, auth: Option<Arc<dyn AuthHeaders>>) -> Self {
        Self { inner, auth, known: Mutex::new(None) }
    }

    fn known(&self) -> Option<Vec<HeaderField>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn headers(&self, auth: &Arc<dyn AuthHeaders>, refresh: bool) -> Result<Vec<HeaderField>, TransportError> {
        if let (false, Some(known)) = (refresh, self.known()) {
            return Ok(known);
        }
        let asked = Arc::clone(auth);
        let headers = ask(move || asked.headers(refresh)).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(headers.clone());
        Ok(headers)
    }
}

impl Transport for Authorized {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            kill_point("transport");
            let Some(auth) = &self.auth else { return self.inner.send(request).await };
            let first = self.inner.send(with(&request, self.headers(auth, false).await?)).await?;
            if first.status != 401 {
                return Ok(first);
            }
            self.inner.send(with(&request, self.headers(auth, true).await?)).await
        })
    }

    fn idle(&self) {
        self.inner.idle();
    }
}

/// The request with further headers, which replace those of the same name.
fn with(request: &Request, headers: Vec<HeaderField>) -> Request {
    let mut request = request.clone();
    for field in headers {
        let name = field.name.to_ascii_lowercase();
        request.headers.retain(|(known, _)| *known != name);
        request.headers.push((name, field.value));
    }
    request
}
