//! Sending: one small trait, implemented by the built-in HTTP client or by the host's own stack.

#[cfg(feature = "http")]
pub mod http;

use std::future::Future;
use std::pin::Pin;

/// A POST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Absolute URL.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it goes over the wire.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most 64 KiB of the body.
    pub body: Vec<u8>,
    /// Whether the body was longer.
    pub truncated: bool,
}

impl Response {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no response. Always retried: nobody knows whether the request arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// The future of a response.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Sends requests.
///
/// An implementation must not follow redirects, must not retry, must read at most
/// [`MAX_RESPONSE_BYTES`](crate::model::limits::MAX_RESPONSE_BYTES) of the body, and must end within
/// [`REQUEST_TIMEOUT`](crate::model::limits::REQUEST_TIMEOUT).
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends one request. Called on the worker's thread, inside its tokio runtime.
    fn send(&self, request: Request) -> Sending<'_>;

    /// Nothing will be sent for a while: give up pooled connections and what else costs memory or wakes the device.
    fn idle(&self) {}
}
