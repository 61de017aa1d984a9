//! A service of one's own, spoken to by the unary Connect protocol:
//! `proto/throughline/telemetry/v1/telemetry.proto`, in protobuf or in its JSON.
//!
//! | event | method | message |
//! |---|---|---|
//! | error, crash, hang, ANR, out of memory | `ReportError` | `ErrorEvent` with its breadcrumbs |
//! | mutation of a traced store | `ReportEvent` | `Event` with a `StateMutation` |
//! | every other | `ReportEvent` | `Event` with a message of its kind |
//!
//! Nothing is lost: what has no field of its own is an attribute. A server tells a repeated event
//! by `deduplication_id`, and a repeated batch by `batch_id`.
//!
//! Source of the protocol: <https://connectrpc.com/docs/protocol/>. What servers answer was
//! measured with connect-node 2.2.

mod attributes;
mod context;
mod event;
mod outcome;
mod request;
mod response;

use std::time::Duration;

use crate::model::config::{check_headers, check_url};
use crate::model::error::Error;
use crate::model::event::EventKind;
use crate::model::export::{ExportRow, Exporter, Signal, Verdict};
use crate::model::http::Response;
use crate::model::limits::REQUEST_TIMEOUT;
use crate::wire::export::outcome::verdict;
use crate::wire::export::tree::{Json, Protobuf};

/// The version of the encoding: it changes whenever the same rows would give another body.
const VERSION: u32 = 1;

/// `ReportEvent`.
const EVENTS: Signal = Signal(0);
/// `ReportError`.
const ERRORS: Signal = Signal(1);

/// The service with its package, as a path names it.
const SERVICE: &str = "throughline.telemetry.v1.TelemetryService";

/// The form of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Proto,
    Json,
}

impl Codec {
    /// The content type of requests, and of answers to them.
    const fn media_type(self) -> &'static str {
        match self {
            Self::Proto => "application/proto",
            Self::Json => "application/json",
        }
    }
}

/// The exporter of a destination that is a `TelemetryService`: a server of your own, generated from
/// `proto/throughline/telemetry/v1/telemetry.proto`.
///
/// ```
/// use std::sync::Arc;
/// use throughline::backends::Connect;
/// use throughline::{Config, Destination};
///
/// let connect = Connect::new("https://telemetry.example.com")?
///     .header("authorization", "Bearer abc")?;
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .destination(Destination::exporter("connect", Arc::new(connect)))
///     .build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Connect {
    base: String,
    codec: Codec,
    headers: Vec<(String, String)>,
}

impl std::fmt::Debug for Connect {
    /// Without the headers: what is debugged is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("base", &self.base).field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl Connect {
    /// Makes an exporter for the server with this base URL. The path of the service is appended to
    /// it.
    ///
    /// # Errors
    ///
    /// The URL is no URL of a server, or it has the path of the service already.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let base = base_url.trim_end_matches('/');
        check_url("base_url", base)?;
        if base.contains(SERVICE) {
            return Err(Error::config("base_url", "must not have the path of the service, which is appended to it"));
        }
        Ok(Self { base: base.to_owned(), codec: Codec::Proto, headers: Vec::new() })
    }

    /// Sends JSON instead of protobuf. It is twice as large, and people can read it.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.codec = Codec::Json;
        self
    }

    /// Adds a header to every request, for example `authorization`.
    ///
    /// # Errors
    ///
    /// HTTP does not allow the name or the value, or the header is one of the protocol's own.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let name = name.to_ascii_lowercase();
        if name.starts_with("connect-") || name.starts_with("content-") {
            return Err(Error::config("headers", "must leave `connect-…` and `content-…` to the protocol"));
        }
        self.headers.push((name, value.to_owned()));
        check_headers(&self.headers)?;
        Ok(self)
    }
}

impl Exporter for Connect {
    /// The version of the encoding and, in the lowest bit, the form.
    fn version(&self) -> u32 {
        VERSION << 1 | u32::from(self.codec == Codec::Json)
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        Some(if kind == EventKind::Error { ERRORS } else { EVENTS })
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        match self.codec {
            Codec::Proto => {
                let mut tree = Protobuf::default();
                request::request(&mut tree, signal, rows);
                tree.out
            }
            Codec::Json => {
                let mut tree = Json::default();
                tree.object(|tree| request::request(tree, signal, rows));
                tree.out
            }
        }
    }

    fn url(&self, signal: Signal) -> String {
        let method = if signal == ERRORS { "ReportError" } else { "ReportEvent" };
        format!("{}/{SERVICE}/{method}", self.base)
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        let own = [
            ("content-type", self.codec.media_type().to_owned()),
            ("connect-protocol-version", "1".to_owned()),
            ("connect-timeout-ms", REQUEST_TIMEOUT.as_millis().to_string()),
        ];
        own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(self.headers.iter().cloned()).collect()
    }

    /// `google.rpc.RetryInfo`, which is asked of the whole client like `Retry-After`.
    fn waits(&self, response: &Response) -> Vec<(Signal, Duration)> {
        let asked = response::retry_info(response);
        asked.into_iter().flat_map(|asked| [(EVENTS, asked), (ERRORS, asked)]).collect()
    }

    fn classify(&self, response: &Response) -> Verdict {
        match verdict(&outcome::rules(self.codec), response) {
            Verdict::Delivered { .. } => response::rejected(self.codec, response)
                .map_or(Verdict::Retry, |rejected| Verdict::Delivered { rejected }),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
