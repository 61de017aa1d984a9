//! Metrics that are aggregated on the device.
//!
//! A [`Meter`] is an instrument: a counter, an up-down counter, a gauge or a histogram, made by
//! [`Telemetry::counter`](crate::Telemetry::counter) and its siblings. Measurements are summed in
//! memory; a point of every series with news is recorded every 10 s, when the app goes into the
//! background, at a flush and at shutdown. A process that dies loses at most the measurements of
//! the last 10 s.
//!
//! ```
//! use throughline::{Config, Consent, Telemetry};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! let checkouts = telemetry.counter("cart.checkouts", "{checkout}")?;
//! checkouts.record(1.0, &[("payment", "card".into())]);
//!
//! let latency = telemetry.histogram("search.latency", "ms", Some(&[10.0, 50.0, 250.0]))?;
//! latency.record(42.0, &[]);
//!
//! let open = telemetry.up_down_counter("sockets.open", "{socket}")?;
//! open.record(1.0, &[]);
//! open.record(-1.0, &[]);
//!
//! let level = telemetry.gauge("battery.level", "%")?;
//! level.record(87.0, &[]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Names and units
//!
//! A name follows OpenTelemetry's rule for instrument names: an ASCII letter, then at most 254
//! letters, digits, `_`, `.`, `-` or `/`. A unit is a UCUM code of at most 63 bytes (`ms`, `By`,
//! `{item}`). Registering the same name and kind again returns the same instrument; another kind
//! under a name that is taken is an [`Error::InvalidConfig`](crate::Error::InvalidConfig).
//!
//! # Limits
//!
//! 1,000 instruments; 100 label sets for one instrument and 1,000 in all. What exceeds them goes
//! into one series per instrument that carries `otel.metric.overflow = true`, and is counted in
//! [`MetricCounts`]. A counter's negative measurement and values that are not finite are refused
//! and counted.

pub use crate::api::metrics::Meter;
pub use crate::policy::metrics::{DEFAULT_BOUNDS, MetricCounts};
