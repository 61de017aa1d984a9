//! Instruments, as an app uses them: [`Meter`].

use std::sync::{Arc, OnceLock};

use super::client::Telemetry;
use crate::engine::worker::Shared;
use crate::model::error::Error;
use crate::model::value::Attribute;
use crate::policy::metrics::{DEFAULT_BOUNDS, Instrument, Meters, MetricCounts, MetricId};

impl Telemetry {
    /// A sum that only grows: `cart.checkouts`, in `{checkout}`.
    ///
    /// It is aggregated on the device. A point is recorded every 10 s while there is news, on the
    /// way to the background, and at a flush. A process that dies loses at most these 10 s.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the name or the unit does not follow OpenTelemetry's rules,
    /// when an instrument of another kind or with another unit has the name, be it in another case,
    /// or when there are more than 1,000 instruments.
    pub fn counter(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Counter)
    }

    /// A sum that grows and shrinks, such as the number of open connections.
    ///
    /// # Errors
    /// As [`Telemetry::counter`].
    pub fn up_down_counter(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::UpDownCounter)
    }

    /// A value of which the last one counts, such as a battery's charge.
    ///
    /// # Errors
    /// As [`Telemetry::counter`].
    pub fn gauge(&self, name: &str, unit: &str) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Gauge)
    }

    /// A distribution: values are counted between `bounds`. Without bounds it has OpenTelemetry's
    /// default ones.
    ///
    /// # Errors
    /// As [`Telemetry::counter`], and when the bounds do not rise.
    pub fn histogram(&self, name: &str, unit: &str, bounds: Option<&[f64]>) -> Result<Meter, Error> {
        self.meter(name, unit, Instrument::Histogram(bounds.unwrap_or(&DEFAULT_BOUNDS).to_vec()))
    }

    fn meter(&self, name: &str, unit: &str, instrument: Instrument) -> Result<Meter, Error> {
        let declared = DeclaredMeter {
            telemetry: self.clone(),
            name: name.to_owned(),
            unit: unit.to_owned(),
            instrument,
            id: OnceLock::new(),
        };
        match self.on() {
            Some(shared) => _ = declared.id.set(Some(declared.register(shared)?)),
            // Its name and bounds are checked all the same.
            None => _ = Meters::default().register(name, unit, declared.instrument.clone())?,
        }
        Ok(Meter(Arc::new(declared)))
    }

    /// How many measurements could not be kept as they were made: those that went into an overflow
    /// series, and those that were refused. Zero while the client is off.
    pub fn metric_counts(&self) -> MetricCounts {
        self.on().map(|shared| shared.scopes.meters(|meters| meters.counts())).unwrap_or_default()
    }
}

/// An instrument, from [`Telemetry::counter`] and its siblings. Cheap to clone.
///
/// An instrument that was made while the client was off, for example before the user consented,
/// measures as soon as the client is on.
///
/// ```
/// use throughline::{Config, Consent, Telemetry};
///
/// let dir = tempfile::tempdir()?;
/// let telemetry =
///     Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
/// let checkouts = telemetry.counter("cart.checkouts", "{checkout}")?;
/// checkouts.record(1.0, &[("payment", "card".into())]);
/// let latency = telemetry.histogram("db.query", "s", Some(&[0.001, 0.01, 0.1]))?;
/// latency.record(0.004, &[]);
/// assert_eq!(telemetry.metric_counts().refused, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Meter(Arc<DeclaredMeter>);

#[derive(Debug)]
struct DeclaredMeter {
    telemetry: Telemetry,
    name: String,
    unit: String,
    instrument: Instrument,
    /// Not set while the client has not been on since. `None` inside: another kind of instrument
    /// has got the name meanwhile, or there are too many.
    id: OnceLock<Option<MetricId>>,
}

impl DeclaredMeter {
    fn register(&self, shared: &Shared) -> Result<MetricId, Error> {
        shared.scopes.meters(|meters| meters.register(&self.name, &self.unit, self.instrument.clone()))
    }
}

impl Meter {
    /// Takes a measurement: adds to a counter, sets a gauge, or counts a value in a histogram.
    ///
    /// A metric has at most 100 sets of attributes, and all metrics together 1,000. Further sets
    /// share one series, marked with `otel.metric.overflow`. A value that is not finite, or that
    /// makes a counter shrink, is refused. [`Telemetry::metric_counts`] counts both.
    pub fn record(&self, value: f64, attributes: &[Attribute<'_>]) {
        let Some(shared) = self.0.telemetry.on_any_thread() else { return };
        if let Some(id) = *self.0.id.get_or_init(|| self.0.register(shared).ok()) {
            let is_first = shared.scopes.meters(|meters| {
                let had_news = meters.has_news();
                meters.measure(id, value, attributes);
                !had_news && meters.has_news()
            });
            // The worker may be parked without a timer. It has to come back for the points.
            if is_first {
                shared.wake.notify_one();
            }
        }
    }
}
