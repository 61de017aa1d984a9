//! Instruments, as an app uses them.

use super::client::Telemetry;
use crate::model::error::Error;
use crate::model::value::Attribute;
use crate::policy::metrics::{DEFAULT_BOUNDS, Instrument, MetricCounts, MetricId};

impl Telemetry {
    /// A sum that only grows: `cart.checkouts`, in `{checkout}`. Aggregated on the device; a point is recorded every 10 s
    /// while there is news, in the background, and at a flush. A process that dies loses at most these 10 s.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the name is not one of OpenTelemetry's or taken by another kind of instrument.
    pub fn counter(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Counter)
    }

    /// A sum that grows and shrinks.
    ///
    /// # Errors
    /// As [`Telemetry::counter`].
    pub fn up_down_counter(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::UpDownCounter)
    }

    /// The last value of something.
    ///
    /// # Errors
    /// As [`Telemetry::counter`].
    pub fn gauge(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Gauge)
    }

    /// Counts of values between `bounds`, or OpenTelemetry's default bounds.
    ///
    /// # Errors
    /// As [`Telemetry::counter`]; and when the bounds do not rise.
    pub fn histogram(&self, name: &str, unit: &str, bounds: Option<&[f64]>) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Histogram(bounds.unwrap_or(&DEFAULT_BOUNDS).to_vec()))
    }

    fn meter(&self, name: &str, unit: &str, instrument: Instrument) -> Result<Meter, Error> {
        let id = match self.on() {
            Some(shared) => Some(shared.scopes.meters(|meters| meters.register(name, unit, instrument))?),
            None => None,
        };
        Ok(Meter { telemetry: self.clone(), id })
    }

    /// Measurements that could not be kept as they were made.
    pub fn metric_counts(&self) -> MetricCounts {
        self.on().map(|shared| shared.scopes.meters(|meters| meters.counts())).unwrap_or_default()
    }
}

/// An instrument. Does nothing when the client was off.
#[derive(Debug, Clone)]
pub struct Meter {
    telemetry: Telemetry,
    id: Option<MetricId>,
}

impl Meter {
    /// Adds to a counter, sets a gauge, or counts a value in a histogram. At most 100 label sets per metric and 1,000 in
    /// all; the rest goes into a series with `otel.metric.overflow`.
    pub fn record(&self, value: f64, attributes: &[Attribute<'_>]) {
        if let (Some(shared), Some(id)) = (self.telemetry.on(), self.id) {
            let is_first = shared.scopes.meters(|meters| {
                let had_news = meters.has_news();
                meters.measure(id, value, attributes);
                !had_news && meters.has_news()
            });
            // The worker may be parked: it has to come back for the points.
            if is_first {
                shared.wake.notify_one();
            }
        }
    }
}
