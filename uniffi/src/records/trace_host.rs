//! The hosts that may receive trace headers.

use throughline::config::{self, Format, Injection};

/// A format of trace headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TraceFormat {
    /// W3C `traceparent` and `tracestate`.
    TraceContext,
    /// W3C `baggage`.
    Baggage,
    /// Datadog's `x-datadog-*`.
    Datadog,
    /// Zipkin's single header, `b3`.
    B3,
    /// Zipkin's several headers, `X-B3-*`.
    B3Multi,
    /// `X-Correlation-ID`.
    Correlation,
}

/// When trace headers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TraceInjection {
    /// Only for traces that are sampled.
    Sampled,
    /// For every trace. The headers say whether it is sampled.
    All,
}

/// A host that may receive trace headers. Its sub-domains may, too.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct TraceHost {
    /// The host alone, without scheme and port.
    pub host: String,
    /// The formats. Empty: W3C trace context and baggage.
    #[uniffi(default = [])]
    pub formats: Vec<TraceFormat>,
    /// When headers are written. Absent: only for sampled traces.
    #[uniffi(default = None)]
    pub injection: Option<TraceInjection>,
    /// Baggage keys that may be sent besides `session.id`.
    #[uniffi(default = [])]
    pub baggage_keys: Vec<String>,
}

impl TraceHost {
    pub(super) fn to_core(&self) -> config::TraceHost {
        let mut host = config::TraceHost::new(&self.host).injection(match self.injection {
            Some(TraceInjection::All) => Injection::All,
            Some(TraceInjection::Sampled) | None => Injection::Sampled,
        });
        if !self.formats.is_empty() {
            host = host.formats(self.formats.iter().map(|format| match format {
                TraceFormat::TraceContext => Format::TraceContext,
                TraceFormat::Baggage => Format::Baggage,
                TraceFormat::Datadog => Format::Datadog,
                TraceFormat::B3 => Format::B3,
                TraceFormat::B3Multi => Format::B3Multi,
                TraceFormat::Correlation => Format::Correlation,
            }));
        }
        self.baggage_keys.iter().fold(host, config::TraceHost::baggage_key)
    }
}
