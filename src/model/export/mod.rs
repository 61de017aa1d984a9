//! How events become requests for a backend: the [`Exporter`] trait, and what it reads and returns.
//!
//! Throughline ships an exporter for OTLP. A Rust host may bring its own and use it as a
//! [`Destination`](crate::Destination): the queue, batching, retries, compression and the books
//! work the same for both. An exporter is a set of pure functions; it never sees the queue, the
//! network or the clock.
//!
//! ```
//! use std::sync::Arc;
//! use throughline::event::EventKind;
//! use throughline::export::{ExportRow, Exporter, Signal, Verdict};
//! use throughline::transport::Response;
//! use throughline::{Config, Destination};
//!
//! /// One JSON object a line: the event's id, kind and time.
//! #[derive(Debug)]
//! struct Lines {
//!     url: String,
//! }
//!
//! impl Exporter for Lines {
//!     fn version(&self) -> u32 {
//!         1
//!     }
//!
//!     fn signal(&self, _kind: EventKind) -> Option<Signal> {
//!         Some(Signal(0)) // one kind of request for every kind of event
//!     }
//!
//!     fn encode(&self, _signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
//!         let mut body = String::new();
//!         for row in rows {
//!             let (id, kind, time) = (row.id(), row.kind().name(), row.time_unix_nano());
//!             let line = format!("{{\"id\":\"{id}\",\"kind\":\"{kind}\",\"time\":{time}}}\n");
//!             body.push_str(&line);
//!         }
//!         body.into_bytes()
//!     }
//!
//!     fn url(&self, _signal: Signal) -> String {
//!         self.url.clone()
//!     }
//!
//!     fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
//!         vec![("content-type".to_owned(), "application/x-ndjson".to_owned())]
//!     }
//!
//!     fn classify(&self, response: &Response) -> Verdict {
//!         match response.status {
//!             200..=299 => Verdict::Delivered { rejected: 0 },
//!             413 => Verdict::Split,
//!             400 | 422 => Verdict::Refused,
//!             401 | 403 | 404 => Verdict::Hold(format!("the answer was {}", response.status)),
//!             _ => Verdict::Retry,
//!         }
//!     }
//! }
//!
//! let lines = Lines { url: "https://events.example.com/v1".to_owned() };
//! let config = Config::builder("shop", "/var/lib/shop/telemetry")
//!     .destination(Destination::exporter("events", Arc::new(lines)))
//!     .build()?;
//! # let _ = config;
//! # Ok::<(), throughline::Error>(())
//! ```
//!
//! `examples/own_backend.rs` runs such an exporter against a server on the loopback interface.

mod details;
mod read;
mod row;
mod sending;

use std::time::Duration;

use crate::model::event::EventKind;
use crate::model::http::{Request, Response};
use crate::model::ledger::DropReason;

pub use details::{
    ActionDetails, Details, ErrorDetails, LogDetails, LongTaskDetails, MetricDetails, MetricPoint, ResourceDetails,
    SessionDetails, SpanDetails, SpanEventDetails, ViewDetails, VitalDetails,
};
pub use row::ExportRow;
pub use sending::{Attempt, Loss, RequestLimits};

/// One kind of request of an exporter: OTLP's logs, traces and metrics, for example.
///
/// The number is the exporter's own choice. It is stored with a batch, so within one destination's
/// name it must keep its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(pub u8);

/// What a response means for the events of its request.
///
/// Every verdict but `Retry` and `Hold` ends the request's events or divides them, so it must not
/// be given for an answer that somebody else may have written: a proxy, a captive portal, a broken
/// server.
///
/// No verdict drops a crash. Where another event would be dropped, a crash is sent again once a
/// day until it is too old.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The backend has the events, except `rejected` of them.
    Delivered {
        /// Events that the backend says it rejected. They are counted as
        /// [`PartialReject`](DropReason::PartialReject) and are not sent again.
        rejected: u64,
    },
    /// Send the same request later. If the response has a `Retry-After`, nothing goes to the
    /// destination before that time; without one, the client backs off. When a request fails again
    /// and again while others are accepted, its events are sent in halves until the one at fault is
    /// found, which is dropped as [`Undeliverable`](DropReason::Undeliverable) in the end.
    Retry,
    /// The request was too large: send its events as two requests. A single event is dropped as
    /// [`TooLarge`](DropReason::TooLarge).
    Split,
    /// The backend refuses the content of the request. Halves are sent until the one event at fault
    /// is found, which is dropped as [`Rejected`](DropReason::Rejected); the others are delivered.
    Refused,
    /// The backend cannot read the compressed body: send the same request again without
    /// compression. Nothing is compressed for the destination for a day, as long as the process
    /// runs. For a body that was not compressed it means [`Refused`](Self::Refused).
    Decompress,
    /// The format forbids another attempt: drop the events for this reason, usually
    /// [`ServerError`](DropReason::ServerError).
    Drop(DropReason),
    /// The backend refuses the *client*, whatever it sends: wrong credentials, a wrong path. Keep
    /// everything and pause the signal, at first for an hour; the destination's other signals go
    /// on. A signal of which the backend has accepted events within 24 hours is tried once more
    /// before it is paused. The text, which says what to do about it, is shown in `health()` behind
    /// the status and the URL. The pause ends early when the destination's configuration changes.
    Hold(String),
}

/// The format of one backend.
///
/// # Contract
///
/// **Pure.** Every method is a function of its arguments and of the exporter's own, unchanging
/// fields: no I/O, no clock, no randomness, no interior state. The body of a batch is hashed before
/// the first send, and a retry encodes the same rows again; only if it gives the same bytes can a
/// backend recognize a retry.
///
/// **Quick, and without panics.** The methods run on the client's one worker thread, between two
/// drains of the journal; encoding 500 events should take a few milliseconds. A panic is caught and
/// counted in `health().panics`. If the exporter can encode the other events of the batch, the one
/// at fault is dropped as [`Unsupported`](DropReason::Unsupported); else the destination is paused,
/// and nothing is lost.
///
/// **Whole.** A row that [`encode`](Exporter::encode) is given counts as sent when the request is
/// [`Delivered`](Verdict::Delivered). An event for which the format has no place is left out by
/// [`signal`](Exporter::signal), which counts it as [`Unsupported`](DropReason::Unsupported), and
/// never by `encode`, which would lose it silently. One exception: an older version of a view may
/// be left out of a body that has a newer one. An empty body is treated as a panic is.
///
/// **Stable.** For one destination's name, a kind of event keeps its signal and a signal keeps its
/// meaning, because both are stored with batches that wait. When a kind gets another signal, events
/// that wait are sent with it, and those that have none any more are counted as
/// [`Unsupported`](DropReason::Unsupported). When a signal gets another meaning, give the
/// destination another name: it then starts anew at the oldest event, and what was left for the old
/// name is counted as [`DestinationRemoved`](DropReason::DestinationRemoved).
///
/// # What the client does
///
/// It hands over rows of one lane and one signal, at most
/// [`MAX_BATCH_EVENTS`](crate::limits::MAX_BATCH_EVENTS) or the format's own [`RequestLimits`]; it
/// divides a batch whose body is larger than
/// [`MAX_BATCH_BYTES`](crate::limits::MAX_BATCH_BYTES) or those allow; it has the request stamped,
/// if the format wants that; it compresses the body with gzip and adds `content-encoding: gzip`; it
/// sends a POST with the configured [`Transport`](crate::transport::Transport), which follows no
/// redirect; it reads at most 64 KiB of the response; it honours `Retry-After` and `Date`.
///
/// # Errors
///
/// None: an exporter cannot fail. What it cannot express has no signal; what the backend does not
/// take is a verdict.
pub trait Exporter: Send + Sync + std::fmt::Debug {
    /// The version of the encoding. It must change whenever the same rows would give another body:
    /// after a change of the code as well as of a setting. A change lifts a pause of the
    /// destination.
    fn version(&self) -> u32;

    /// The kind of request that carries events of this kind; `None` when the format has no place
    /// for them. They are then dropped for this destination and counted as
    /// [`Unsupported`](DropReason::Unsupported).
    fn signal(&self, kind: EventKind) -> Option<Signal>;

    /// Whether events of a signal are meant for this destination. It passes the others over: they
    /// are not among its events, and are no loss. When no destination takes them, they are counted
    /// as [`NoDestination`](DropReason::NoDestination). Default: all are.
    fn takes(&self, signal: Signal) -> bool {
        let _ = signal;
        true
    }

    /// Encodes the rows of one request, at least one, into an uncompressed body. All of them have
    /// this signal.
    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8>;

    /// How much one request of a signal may carry. Default: as much as the client ever puts into
    /// one, see [`RequestLimits`].
    fn limits(&self, signal: Signal) -> RequestLimits {
        let _ = signal;
        RequestLimits::default()
    }

    /// How old an event may be that the backend still takes. Older ones are dropped for this
    /// destination and counted as [`QuotaAge`](DropReason::QuotaAge); crashes are sent all the
    /// same. Default: as old as the configuration allows. A longer time than that has no effect.
    fn max_age(&self) -> Option<Duration> {
        None
    }

    /// Whether [`stamp`](Self::stamp) does anything. Default: it does not.
    fn is_stamped(&self) -> bool {
        false
    }

    /// Adds to a request what is only known when it is sent: the time, the number of the attempt, a
    /// checksum of the body. The request has the URL, the headers and the uncompressed body that
    /// the other methods gave; all of them may be changed. It is called anew for every attempt, and
    /// what it changes is not part of the frozen batch. A query may be added to the URL here.
    fn stamp(&self, signal: Signal, request: &mut Request, attempt: &Attempt) {
        let _ = (signal, request, attempt);
    }

    /// Whether the backend wants to be told of events that were lost, by
    /// [`add_losses`](Self::add_losses). Then they are counted for it. Default: it does not. A
    /// format that does is [stamped](Self::is_stamped).
    fn takes_losses(&self) -> bool {
        false
    }

    /// Adds to a request, after [`stamp`](Self::stamp), what was lost since the backend was told
    /// last. It counts as told when the request is [`Delivered`](Verdict::Delivered), and also when
    /// the backend names limits of signals ([`waits`](Self::waits)) in an answer of 2xx or 429:
    /// then it has read the request. An answer of 2xx that names a limit of the request's own
    /// signal says nothing of its events, which are sent again. If an answer is lost, the same
    /// losses are told again.
    fn add_losses(&self, request: &mut Request, losses: &[Loss]) {
        let _ = (request, losses);
    }

    /// For how long the backend wants no requests of which signals: limits that it tells beside its
    /// answer, whatever that was. They are paused for that long. `Retry-After` is the client's own
    /// business. Default: none.
    fn waits(&self, response: &Response) -> Vec<(Signal, Duration)> {
        let _ = response;
        Vec::new()
    }

    /// The absolute URL to which the signal's requests go. It is checked when the configuration is
    /// built: `http` or `https`, without credentials, query or fragment.
    fn url(&self, signal: Signal) -> String;

    /// The headers of the signal's requests, with `content-type` and without `content-encoding`,
    /// `content-length` and `host`. Names are lower case.
    fn headers(&self, signal: Signal) -> Vec<(String, String)>;

    /// What a response means. Called for every response, whatever its status; never when there was
    /// none: a request without an answer is always retried.
    ///
    /// | status | usual verdict |
    /// |---|---|
    /// | 2xx with the answer that the format promises | [`Delivered`](Verdict::Delivered) |
    /// | 2xx with anything else (a captive portal's login page) | [`Retry`](Verdict::Retry) |
    /// | 3xx, 408, 425, 429, 5xx | [`Retry`](Verdict::Retry) |
    /// | 401, 403, 404, 405, 410, 415 | [`Hold`](Verdict::Hold) |
    /// | 413 | [`Split`](Verdict::Split) |
    /// | 400, 422 | [`Refused`](Verdict::Refused) |
    fn classify(&self, response: &Response) -> Verdict;
}
