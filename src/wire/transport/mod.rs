//! Sending requests: one small trait, implemented by the built-in HTTP client or by the host.
//!
//! A mobile app often has a network stack of its own, with certificate pinning, a proxy or a VPN. A
//! host passes it as [`Host::transport`](crate::Host); every request of the client then goes
//! through it. Without one, the feature `http` brings a client for HTTP/1.1 over rustls.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use throughline::event::Action;
//! use throughline::transport::{Request, Response, Sending, Transport};
//! use throughline::{Config, Consent, Host, Telemetry};
//!
//! /// Keeps the requests and answers each with 200.
//! #[derive(Debug, Default)]
//! struct Kept(Mutex<Vec<Request>>);
//!
//! impl Transport for Kept {
//!     fn send(&self, request: Request) -> Sending<'_> {
//!         Box::pin(async move {
//!             self.0.lock().unwrap().push(request);
//!             Ok(Response { status: 200, ..Response::default() })
//!         })
//!     }
//! }
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path())
//!     .endpoint("https://otlp.example.com")
//!     .start_jitter(false)
//!     .build()?;
//! let kept = Arc::new(Kept::default());
//! let mut host = Host::default();
//! host.transport = Some(kept.clone());
//! let telemetry = Telemetry::start_with(config, Consent::Granted, host)?;
//! telemetry.record_action(&Action::tap("buy"));
//! assert!(telemetry.flush(Duration::from_secs(5)).delivered > 0);
//!
//! let requests = kept.0.lock().unwrap();
//! assert!(requests.iter().any(|request| request.url.ends_with("/v1/logs")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authorized;
pub(crate) mod cause;
pub(crate) mod classify;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
mod probe;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub(crate) use authorized::Authority;
pub use authorized::{AuthHeaders, Authorizing};

use crate::model::limits::REQUEST_TIMEOUT;

pub use crate::model::http::{Request, Response};

/// Why there is no response, in words for `health()` without the URL. The request is always
/// retried: nobody knows whether it arrived.
///
/// ```
/// use throughline::transport::{Response, TransportError};
///
/// /// What a transport of the host's makes of an error of its network stack.
/// fn answer(result: std::io::Result<Response>) -> Result<Response, TransportError> {
///     result.map_err(|error| TransportError(error.to_string()))
/// }
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// assert_eq!(answer(Err(refused)).unwrap_err().to_string(), "connection refused");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

impl TransportError {
    /// The backend was silent for as long as a request may take.
    pub(crate) fn late() -> Self {
        Self(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()))
    }

    /// Whether that is what happened. The body has then been sent, as far as anyone knows.
    pub(crate) fn is_late(&self) -> bool {
        *self == Self::late()
    }
}

/// The future of a response.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Sends requests. See the [module](self) for an example.
///
/// # Contract
///
/// An implementation
///
/// - sends the request as a POST, with exactly these headers and this body, which is compressed;
/// - follows no redirect, because a header must not reach another origin, and answers with the 3xx;
/// - does not retry, because the client does, in its own time;
/// - reads at most [`MAX_RESPONSE_BYTES`](crate::limits::MAX_RESPONSE_BYTES) of the response's body
///   and says so in [`Response::truncated`];
/// - ends within [`REQUEST_TIMEOUT`](crate::limits::REQUEST_TIMEOUT), unless it has another
///   [`patience`](Self::patience); the client gives up then;
/// - does not record the request: its own uploads are not telemetry of the app.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends one request. Called on the client's worker thread, inside its current-thread tokio
    /// runtime: the future must not block. Work that blocks goes to `tokio::task::spawn_blocking`,
    /// or to a thread of the host's.
    fn send(&self, request: Request) -> Sending<'_>;

    /// Sends one request, of which the host may have to know in a later process what it was. Every
    /// retry has the same key, also one that a later process makes; a request with another body or
    /// for another destination has another one. The key has 32 hexadecimal digits. A transport
    /// whose requests outlive the process, as those of a background session do, answers a request
    /// that is under way, or was answered already, with that answer. By default,
    /// [`send`](Self::send).
    fn send_keyed<'a>(&'a self, request: Request, _key: &'a str) -> Sending<'a> {
        self.send(request)
    }

    /// How long a request may take, if that is not
    /// [`REQUEST_TIMEOUT`](crate::limits::REQUEST_TIMEOUT): for a transport that leaves to the
    /// system when something is sent. Nothing else goes to the same destination meanwhile.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Whether requests are made also while the device is offline, because the transport waits for
    /// a network itself. It may be a metered one: what
    /// [`MeteredUploads`](crate::MeteredUploads) forbids there waits. By default, none is made.
    fn awaits_network(&self) -> bool {
        false
    }

    /// Nothing will be sent for a while: close pooled connections, and whatever else costs memory
    /// or wakes the device. Does nothing by default.
    fn idle(&self) {}
}
