//! The backends that a scenario can be sent to.

use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use throughline::backends::{Connect, Datadog, Fluentd, Sentry};
use throughline::export::Exporter;
use throughline::{Destination, Encoding, OtlpSignal};

/// Of Datadog's events: it is the same in every run, and belongs to nobody.
const APPLICATION: &str = "00000000-0000-4000-8000-000000000000";
/// The token of nobody.
const TOKEN: &str = "pub-throughline-emit";

/// What a backend understands.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    /// OTLP/HTTP with protobuf bodies. The endpoint is the base URL.
    OtlpProto,
    /// OTLP/HTTP with JSON bodies. The endpoint is the base URL.
    OtlpJson,
    /// Datadog's intakes. The endpoint is the base URL of a server that has their paths.
    Datadog,
    /// Sentry. The endpoint is the DSN.
    Sentry,
    /// A service of the Connect protocol. The endpoint is the base URL.
    Connect,
    /// Fluentd or Fluent Bit. The endpoint is the base URL; the tag is `throughline.emit`.
    Fluentd,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Signal {
    Logs,
    Traces,
    Metrics,
}

impl Backend {
    /// The name of the only destination, or of one of several.
    fn name(self, of: usize) -> String {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        if of == 1 { "default".to_owned() } else { name }
    }

    fn destination(self, name: &str, endpoint: &str, signals: &[Signal]) -> Result<Destination> {
        let own = |exporter: Arc<dyn Exporter>| Destination::exporter(name, exporter);
        let otlp = |encoding| {
            let signals = signals.iter().map(|signal| match signal {
                Signal::Logs => OtlpSignal::Logs,
                Signal::Traces => OtlpSignal::Traces,
                Signal::Metrics => OtlpSignal::Metrics,
            });
            Destination::new(name, endpoint).signals(signals).encoding(encoding)
        };
        Ok(match self {
            Self::OtlpProto => otlp(Encoding::Protobuf),
            Self::OtlpJson => otlp(Encoding::Json),
            Self::Datadog => own(Arc::new(Datadog::with_base_url(endpoint, TOKEN, APPLICATION)?)),
            Self::Sentry => own(Arc::new(Sentry::new(endpoint)?)),
            Self::Connect => own(Arc::new(Connect::new(endpoint)?)),
            Self::Fluentd => own(Arc::new(Fluentd::new(endpoint, "throughline.emit")?)),
        })
    }
}

/// A destination for each backend, at the endpoint that was given at the same place.
pub(super) fn destinations(backends: &[Backend], endpoints: &[String], signals: &[Signal]) -> Result<Vec<Destination>> {
    ensure!(
        backends.len() == endpoints.len(),
        "there are {} --backend and {} --endpoint: give one endpoint for each backend, in the same order",
        backends.len(),
        endpoints.len()
    );
    let is_repeated = |at: usize| backends.iter().take(at).any(|earlier| backends.get(at) == Some(earlier));
    ensure!(!(0..backends.len()).any(is_repeated), "a --backend is given twice, and their queues have its name");
    let pairs = backends.iter().zip(endpoints);
    pairs.map(|(backend, url)| backend.destination(&backend.name(backends.len()), url, signals)).collect()
}
