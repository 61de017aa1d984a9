//! What a host may do itself: send requests with its own network stack, and authorize them.

use std::fmt;
use std::sync::Arc;

use throughline::DebugOutput;
use throughline::limits::MAX_RESPONSE_BYTES;
use throughline::transport::{self, Authorizing, Request, Response, Sending, Transport, TransportError};

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
/// It is called on a thread of Throughline's that may wait, for at most 20 seconds. The result is
/// kept for that destination, and sent to it alone, until it answers 401; then this is called once
/// more.
#[uniffi::export(with_foreign)]
pub trait AuthHeaders: Send + Sync {
    /// The headers for the destination with this name; none, if the host has none for it. With
    /// `refresh`, the last ones were refused.
    fn headers(&self, destination: String, refresh: bool) -> Result<Vec<HeaderField>, HostError>;
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

/// Makes a call to the host on a thread that may wait. The core gives up what takes too long.
async fn ask<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, TransportError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer.map_err(|error| TransportError(error.to_string())),
        Err(_) => Err(TransportError("the call to the host panicked".to_owned())),
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

/// Asks the host for its authorization.
pub(crate) struct Asked(pub(crate) Arc<dyn AuthHeaders>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl transport::AuthHeaders for Asked {
    fn headers(&self, destination: &str, refresh: bool) -> Authorizing<'_> {
        let (host, destination) = (Arc::clone(&self.0), destination.to_owned());
        Box::pin(async move {
            let headers = ask(move || host.headers(destination, refresh)).await?;
            Ok(headers.into_iter().map(|field| (field.name, field.value)).collect())
        })
    }
}
