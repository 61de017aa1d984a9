//! What a host may do itself: send requests with its own network stack, and authorize them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use throughline::DebugOutput;
use throughline::internals::kill_point::kill_point;
use throughline::limits::{MAX_RESPONSE_BYTES, REQUEST_TIMEOUT};
use throughline::transport::{Request, Response, Sending, Transport, TransportError};

use crate::records::HeaderField;

/// A POST request of Throughline's.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HttpRequest {
    /// The absolute URL.
    pub url: String,
    /// The headers, with names in lower case.
    pub headers: Vec<HeaderField>,
    /// The body, as it is sent.
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    #[uniffi(default = [])]
    pub headers: Vec<HeaderField>,
    /// The body. Only its first 64 KiB are read.
    pub body: Vec<u8>,
}

/// Why there is no answer. The request is then tried again later.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum HostError {
    /// The request failed, or the host's code.
    #[error("{reason}")]
    Failed {
        /// What failed.
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
/// It is called on a thread of Throughline's that may wait. It must not follow redirects, must not
/// retry, and must end within 30 seconds. What it throws is a failed request.
#[uniffi::export(with_foreign)]
pub trait HostTransport: Send + Sync {
    /// Sends one request.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, HostError>;
}

/// Returns headers that authorize uploads.
///
/// It is called on a thread of Throughline's that may wait, for at most 30 seconds. The result is
/// kept until a destination answers 401; then it is called once more.
#[uniffi::export(with_foreign)]
pub trait AuthHeaders: Send + Sync {
    /// The headers. With `refresh`, the last ones were refused.
    fn headers(&self, refresh: bool) -> Result<Vec<HeaderField>, HostError>;
}

/// Takes the lines of the debug log, for example to the system's log.
///
/// It is called on Throughline's own threads and on those that call it. What it throws is ignored.
#[uniffi::export(with_foreign)]
pub trait HostLog: Send + Sync {
    /// Writes a line.
    fn line(&self, line: String) -> Result<(), HostError>;
}

/// Writes the debug log with the host's log.
pub(crate) struct Logged(pub(crate) Arc<dyn HostLog>);

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logged")
    }
}

impl DebugOutput for Logged {
    fn line(&self, line: &str) {
        let _ = self.0.line(line.to_owned());
    }
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

/// Makes a call to the host on a thread that may wait, for at most 30 seconds.
async fn ask<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, TransportError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, tokio::task::spawn_blocking(call)).await {
        Ok(Ok(answer)) => answer.map_err(|error| TransportError(error.to_string())),
        Ok(Err(_)) => Err(TransportError("the call to the host panicked".to_owned())),
        Err(_) => Err(TransportError("the host did not answer within 30 seconds".to_owned())),
    }
}

/// Sends with the host's transport.
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

/// Why the host is asked for its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// None are known yet.
    First,
    /// The known ones were refused.
    AfterRefusal,
}

/// Adds the host's authorization to the requests that another transport sends.
pub(crate) struct Authorized {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) auth: Option<Arc<dyn AuthHeaders>>,
    /// The headers that the host returned last.
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

    /// The headers that are known, else the host's.
    async fn headers(&self, auth: &Arc<dyn AuthHeaders>) -> Result<Vec<HeaderField>, TransportError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) => Ok(known),
            None => self.ask_host(auth, Asked::First).await,
        }
    }

    async fn ask_host(&self, auth: &Arc<dyn AuthHeaders>, asked: Asked) -> Result<Vec<HeaderField>, TransportError> {
        let auth = Arc::clone(auth);
        let headers = ask(move || auth.headers(asked == Asked::AfterRefusal)).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(headers.clone());
        Ok(headers)
    }
}

impl Transport for Authorized {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            kill_point("transport");
            let Some(auth) = &self.auth else { return self.inner.send(request).await };
            let first = self.inner.send(with(&request, self.headers(auth).await?)).await?;
            if first.status != 401 {
                return Ok(first);
            }
            self.inner.send(with(&request, self.ask_host(auth, Asked::AfterRefusal).await?)).await
        })
    }

    fn idle(&self) {
        self.inner.idle();
    }
}

/// The request with further headers, which replace those with the same name.
fn with(request: &Request, headers: Vec<HeaderField>) -> Request {
    let mut request = request.clone();
    for field in headers {
        let name = field.name.to_ascii_lowercase();
        request.headers.retain(|(known, _)| *known != name);
        request.headers.push((name, field.value));
    }
    request
}
