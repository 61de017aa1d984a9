//! The backends that events are sent to.

use super::HeaderField;

/// The form in which OTLP is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// How sums and histograms are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Temporality {
    /// Each point covers the time since the start of the process.
    Cumulative,
    /// Each point covers the time since the point before it.
    Delta,
}

/// A signal of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum OtlpSignal {
    /// Log records, which carry most events.
    Logs,
    /// Spans: requests, and the spans that are recorded as such.
    Traces,
    /// Metrics.
    Metrics,
}

impl OtlpSignal {
    fn to_core(self) -> throughline::OtlpSignal {
        match self {
            Self::Logs => throughline::OtlpSignal::Logs,
            Self::Traces => throughline::OtlpSignal::Traces,
            Self::Metrics => throughline::OtlpSignal::Metrics,
        }
    }
}

/// The full URL of one signal.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SignalEndpoint {
    /// The signal.
    pub signal: OtlpSignal,
    /// The URL.
    pub url: String,
}

/// A backend that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Destination {
    /// Names the backend in `health`, and its position in the queue. No other destination may have
    /// it.
    pub name: String,
    /// The base URL of an OTLP/HTTP receiver. `/v1/logs`, `/v1/traces` and `/v1/metrics` are
    /// appended. Empty when every signal has a URL of its own.
    pub endpoint: String,
    /// Headers of every request.
    #[uniffi(default = [])]
    pub headers: Vec<HeaderField>,
    /// Protobuf or JSON. Absent: protobuf.
    #[uniffi(default = None)]
    pub encoding: Option<Encoding>,
    /// How sums and histograms are sent. Absent: cumulative.
    #[uniffi(default = None)]
    pub temporality: Option<Temporality>,
    /// The signals that the backend takes. Absent: all.
    #[uniffi(default = None)]
    pub signals: Option<Vec<OtlpSignal>>,
    /// URLs of signals that are not below the base URL.
    #[uniffi(default = [])]
    pub signal_endpoints: Vec<SignalEndpoint>,
}

impl Destination {
    pub(super) fn to_core(&self) -> throughline::Destination {
        let mut destination = throughline::Destination::new(&self.name, &self.endpoint)
            .encoding(match self.encoding {
                Some(Encoding::Json) => throughline::Encoding::Json,
                Some(Encoding::Protobuf) | None => throughline::Encoding::Protobuf,
            })
            .temporality(match self.temporality {
                Some(Temporality::Delta) => throughline::event::Temporality::Delta,
                Some(Temporality::Cumulative) | None => throughline::event::Temporality::Cumulative,
            });
        if let Some(signals) = &self.signals {
            destination = destination.signals(signals.iter().map(|signal| signal.to_core()));
        }
        for SignalEndpoint { signal, url } in &self.signal_endpoints {
            destination = destination.signal_endpoint(signal.to_core(), url);
        }
        self.headers.iter().fold(destination, |destination, field| destination.header(&field.name, &field.value))
    }
}
