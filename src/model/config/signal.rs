//! The signals of OTLP.

use crate::model::event::EventKind;

/// A signal of OTLP: what has an endpoint of its own.
///
/// | signal | events |
/// |---|---|
/// | logs | everything that is not below: views, actions, errors, crashes, logs, … |
/// | traces | requests and spans |
/// | metrics | metrics |
///
/// ```
/// use throughline::{Destination, OtlpSignal};
///
/// let jaeger = Destination::new("jaeger", "https://jaeger.example.com")
///     .signals([OtlpSignal::Traces]);
/// # let _ = jaeger;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OtlpSignal {
    /// Log records, which carry most events.
    Logs,
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

impl OtlpSignal {
    /// Every signal.
    pub const ALL: [OtlpSignal; 3] = [OtlpSignal::Logs, OtlpSignal::Traces, OtlpSignal::Metrics];

    /// The signal that carries events of a kind.
    pub(crate) fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::Resource | EventKind::Span => OtlpSignal::Traces,
            EventKind::Metric => OtlpSignal::Metrics,
            _ => OtlpSignal::Logs,
        }
    }

    /// The name, as it stands in the path of an endpoint: `logs`, `traces`, `metrics`.
    pub fn name(self) -> &'static str {
        match self {
            OtlpSignal::Logs => "logs",
            OtlpSignal::Traces => "traces",
            OtlpSignal::Metrics => "metrics",
        }
    }

    /// The signal with a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name().eq_ignore_ascii_case(name))
    }
}
