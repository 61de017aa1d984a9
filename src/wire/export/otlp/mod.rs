//! OTLP over HTTP: logs, traces and metrics, in protobuf or JSON (OTLP 1.9).
//!
//! | event | signal |
//! |---|---|
//! | log | log record |
//! | session, view, action, error, long task, vital, custom | log record with an `event_name` |
//! | resource, span | span |
//! | metric | metric data point |
//!
//! The id of an event is `log.record.uid` on a log record and `throughline.event.id` on a span. A
//! metric data point carries the latter in an exemplar: as an attribute it would make every point a
//! series of its own in the backend.
//!
//! The resource is what does not change in a process. Session, view, user, feature flags and global
//! attributes are attributes of log records and spans; as parts of the resource they would divide a
//! cumulative series whenever they change. Metrics carry none of them.
//!
//! The protobuf files are those of <https://github.com/open-telemetry/opentelemetry-proto>; the
//! comments name the file of each message.

mod attributes;
mod flat;
mod logs;
mod metrics;
mod request;
mod response;
mod spans;

use crate::model::config::{Destination, Encoding, OtlpSignal};
use crate::model::event::{EventKind, Temporality};
use crate::model::export::{ExportRow, Exporter, Signal, Verdict};
use crate::model::http::Response;
use crate::wire::export::tree::{Json, Protobuf};
use crate::wire::transport::cause::wrong_port;
pub(super) use attributes::Out;
pub(super) use flat::flat;
use request::request;

/// The version of the encoding: it changes whenever the same rows would give another body.
const VERSION: u32 = 3;

const LOGS: Signal = Signal(0);
const TRACES: Signal = Signal(1);
const METRICS: Signal = Signal(2);
/// The signals by their numbers.
const SIGNALS: [OtlpSignal; 3] = [OtlpSignal::Logs, OtlpSignal::Traces, OtlpSignal::Metrics];

/// The exporter of an OTLP destination.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The URLs of the signals, each at the signal's number.
    urls: [String; 3],
    takes: [bool; 3],
    headers: Vec<(String, String)>,
    encoding: Encoding,
    temporality: Temporality,
}

impl Otlp {
    /// The exporter of a checked destination.
    pub fn new(destination: &Destination) -> Self {
        Self {
            urls: SIGNALS.map(|signal| destination.url(signal)),
            takes: SIGNALS.map(|signal| destination.signals.contains(&signal)),
            headers: destination.headers.clone(),
            encoding: destination.encoding,
            temporality: destination.temporality,
        }
    }
}

impl Exporter for Otlp {
    /// The version of the encoding and, in the two lowest bits, the settings that change a body.
    fn version(&self) -> u32 {
        VERSION << 2
            | u32::from(self.temporality == Temporality::Delta) << 1
            | u32::from(self.encoding == Encoding::Json)
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        Some(match OtlpSignal::of(kind) {
            OtlpSignal::Logs => LOGS,
            OtlpSignal::Traces => TRACES,
            OtlpSignal::Metrics => METRICS,
        })
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        match self.encoding {
            Encoding::Protobuf => {
                let mut tree = Protobuf::default();
                request(&mut tree, signal, self.temporality, rows);
                tree.out
            }
            Encoding::Json => {
                let mut tree = Json::default();
                tree.object(|tree| request(tree, signal, self.temporality, rows));
                tree.out
            }
        }
    }

    fn url(&self, signal: Signal) -> String {
        self.urls.get(usize::from(signal.0)).cloned().unwrap_or_default()
    }

    fn takes(&self, signal: Signal) -> bool {
        self.takes.get(usize::from(signal.0)).copied().unwrap_or(false)
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        let content_type = match self.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        let own = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        std::iter::once(("content-type".to_owned(), content_type.to_owned())).chain(own).collect()
    }

    /// The OTLP specification ("Failures") has 429, 502, 503 and 504 retried and nothing else. For
    /// the other statuses the verdict is the one that loses least.
    fn classify(&self, response: &Response) -> Verdict {
        if let Some(cause) = wrong_port(response) {
            return Verdict::Hold(cause.to_owned());
        }
        match response.status {
            200..=299 if response.truncated => Verdict::Retry,
            200..=299 => {
                response::rejected(response).map_or(Verdict::Retry, |rejected| Verdict::Delivered { rejected })
            }
            // OTLP/HTTP lists 429, 502, 503 and 504 as retryable and says that everything else must
            // not be retried. That would cost every event of a batch that meets a restarting proxy
            // (500), a slow network (408) or a connection that belongs to another host (421). The
            // rule is there to protect a backend from an event on which it fails; the uploader
            // looks for that event instead.
            408 | 421 | 425 | 429 | 500..=599 => Verdict::Retry,
            // Not an answer of the backend but of something in between: no redirect is followed.
            300..=399 => Verdict::Retry,
            413 => Verdict::Split,
            // The client or its configuration is at fault, whatever it sends.
            status @ (401..=405 | 407 | 410 | 415 | 426 | 451) => Verdict::Hold(advice(status).to_owned()),
            400..=499 => Verdict::Refused,
            _ => Verdict::Retry,
        }
    }
}

/// What may be done about an answer that is the configuration's fault.
fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the headers with which requests are authorized",
        402 => "the account may have to be paid for",
        404 | 405 | 410 => {
            "nothing takes this signal there; check the endpoint, or leave the signal out of the destination's signals"
        }
        407 => "a proxy wants to be told who asks",
        415 => "it does not take this form of OTLP; try the other encoding",
        426 => "it wants another protocol",
        _ => "it must not take what is sent",
    }
}

#[cfg(test)]
mod tests;
