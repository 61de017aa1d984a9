//! The backends that events are sent to.

use std::sync::Arc;

use throughline::backends;
use throughline::export::Exporter;

use super::{HeaderField, HostDuration, TelemetryError};

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

/// How an event is kept and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EventLane {
    /// Crashes, ANRs, fatal hangs and out-of-memory kills.
    Crash,
    /// Handled errors, and logs of severity ERROR or above.
    Error,
    /// Sessions, views, actions, requests, long tasks, vitals and custom events.
    Event,
    /// Logs, metrics and spans.
    Bulk,
}

impl EventLane {
    fn to_core(self) -> throughline::event::Lane {
        match self {
            Self::Crash => throughline::event::Lane::Crash,
            Self::Error => throughline::event::Lane::Error,
            Self::Event => throughline::event::Lane::Event,
            Self::Bulk => throughline::event::Lane::Bulk,
        }
    }
}

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EventKind {
    /// A session started or ended.
    Session,
    /// A view.
    View,
    /// Something that the user did, or a mutation of traced state.
    Action,
    /// A network request of the app.
    Resource,
    /// An error or a crash.
    Error,
    /// A time in which the main thread was busy.
    LongTask,
    /// A measured value of the app's performance.
    Vital,
    /// An event whose name and meaning are the app's own.
    Custom,
    /// A log record.
    Log,
    /// A metric.
    Metric,
    /// A span.
    Span,
}

impl EventKind {
    fn to_core(self) -> throughline::event::EventKind {
        match self {
            Self::Session => throughline::event::EventKind::Session,
            Self::View => throughline::event::EventKind::View,
            Self::Action => throughline::event::EventKind::Action,
            Self::Resource => throughline::event::EventKind::Resource,
            Self::Error => throughline::event::EventKind::Error,
            Self::LongTask => throughline::event::EventKind::LongTask,
            Self::Vital => throughline::event::EventKind::Vital,
            Self::Custom => throughline::event::EventKind::Custom,
            Self::Log => throughline::event::EventKind::Log,
            Self::Metric => throughline::event::EventKind::Metric,
            Self::Span => throughline::event::EventKind::Span,
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

/// A format beside OTLP. What is empty or absent has the core's default.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum BackendFormat {
    /// Datadog's intakes for RUM, logs and spans.
    Datadog {
        /// `us1`, `eu1`, … Not used if the destination has a base URL.
        site: String,
        /// The client token.
        client_token: String,
        /// The id of the RUM application.
        application_id: String,
        /// The platform that events are shown under. Empty: that of the device.
        source: String,
        /// Whether operations and spans go to RUM as vitals, in place of the intake for spans.
        operations: bool,
    },
    /// Sentry's envelopes. The destination's endpoint is the DSN.
    Sentry,
    /// A service of one's own by the Connect protocol, at the destination's endpoint.
    Connect {
        /// Whether messages are JSON instead of protobuf.
        json: bool,
    },
    /// Fluentd's or Fluent Bit's HTTP input below the destination's endpoint.
    Fluentd {
        /// The tag by which it routes.
        tag: String,
    },
}

/// A backend: one that takes OTLP over HTTP, or another.
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
    /// Another format than OTLP. Setting an encoding, a temporality or signals as well is an error,
    /// as are headers for Datadog and Sentry.
    #[uniffi(default = None)]
    pub format: Option<BackendFormat>,
    /// The lanes whose events are meant for the destination, whatever its format. Absent: all.
    #[uniffi(default = None)]
    pub lanes: Option<Vec<EventLane>>,
    /// The kinds of events that are meant for it. Absent: all.
    #[uniffi(default = None)]
    pub kinds: Option<Vec<EventKind>>,
    /// How old an event may be that is sent to it. Absent: as old as the configuration and the
    /// format allow.
    #[uniffi(default = None)]
    pub max_age: Option<HostDuration>,
}

impl Destination {
    pub(super) fn to_core(&self) -> Result<throughline::Destination, TelemetryError> {
        Ok(self.filtered(match &self.format {
            Some(format) => throughline::Destination::exporter(&self.name, self.exporter(format)?),
            None => self.otlp(),
        }))
    }

    /// With what is meant for it, and for how long.
    fn filtered(&self, mut destination: throughline::Destination) -> throughline::Destination {
        if let Some(lanes) = &self.lanes {
            destination = destination.lanes(lanes.iter().map(|lane| lane.to_core()));
        }
        if let Some(kinds) = &self.kinds {
            destination = destination.kinds(kinds.iter().map(|kind| kind.to_core()));
        }
        match self.max_age {
            Some(age) => destination.max_age(age.0),
            None => destination,
        }
    }

    /// What is of no use with a format, and would be passed over in silence: a header that a proxy
    /// wants, a signal that is not to be sent.
    fn check_unused(&self, format: &BackendFormat) -> Result<(), TelemetryError> {
        let has_own_credentials = matches!(format, BackendFormat::Datadog { .. } | BackendFormat::Sentry);
        let unused = [
            (has_own_credentials && !self.headers.is_empty(), "headers"),
            (self.encoding == Some(Encoding::Json), "encoding"),
            (self.temporality == Some(Temporality::Delta), "temporality"),
            (self.signals.as_ref().is_some_and(|signals| signals.len() < 3), "signals: name kinds instead"),
            (!self.signal_endpoints.is_empty(), "signal endpoints"),
        ];
        match unused.iter().find(|(is_set, _)| *is_set) {
            Some((_, setting)) => {
                let reason = format!("destinations: `{}` has a format that takes no {setting}", self.name);
                Err(TelemetryError::InvalidConfig { reason })
            }
            None => Ok(()),
        }
    }

    fn exporter(&self, format: &BackendFormat) -> Result<Arc<dyn Exporter>, TelemetryError> {
        self.check_unused(format)?;
        Ok(match format {
            BackendFormat::Datadog { site, client_token, application_id, source, operations } => {
                let datadog = match self.endpoint.as_str() {
                    "" => backends::Datadog::new(site, client_token, application_id)?,
                    base => backends::Datadog::with_base_url(base, client_token, application_id)?,
                };
                let datadog = datadog.operations(*operations);
                Arc::new(if source.is_empty() { datadog } else { datadog.source(source)? })
            }
            BackendFormat::Sentry => Arc::new(backends::Sentry::new(&self.endpoint)?),
            BackendFormat::Connect { json } => {
                let mut connect = backends::Connect::new(&self.endpoint)?;
                if *json {
                    connect = connect.json();
                }
                let mut headers = self.headers.iter();
                Arc::new(headers.try_fold(connect, |connect, field| connect.header(&field.name, &field.value))?)
            }
            BackendFormat::Fluentd { tag } => {
                let fluentd = backends::Fluentd::new(&self.endpoint, tag)?;
                let mut headers = self.headers.iter();
                Arc::new(headers.try_fold(fluentd, |fluentd, field| fluentd.header(&field.name, &field.value))?)
            }
        })
    }

    fn otlp(&self) -> throughline::Destination {
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
