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

/// A backend that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Destination {
    /// Names the backend in `health`, and its position in the queue. No other destination may have
    /// it.
    pub name: String,
    /// The base URL of an OTLP/HTTP receiver. `/v1/logs`, `/v1/traces` and `/v1/metrics` are
    /// appended.
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
}

impl Destination {
    pub(super) fn to_core(&self) -> throughline::Destination {
        let destination = throughline::Destination::new(&self.name, &self.endpoint)
            .encoding(match self.encoding {
                Some(Encoding::Json) => throughline::Encoding::Json,
                Some(Encoding::Protobuf) | None => throughline::Encoding::Protobuf,
            })
            .temporality(match self.temporality {
                Some(Temporality::Delta) => throughline::event::Temporality::Delta,
                Some(Temporality::Cumulative) | None => throughline::event::Temporality::Cumulative,
            });
        self.headers.iter().fold(destination, |destination, field| destination.header(&field.name, &field.value))
    }
}
