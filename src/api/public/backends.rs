//! Backends other than those of OTLP: exporters that Throughline ships, for
//! [`Destination::exporter`](crate::Destination::exporter).
//!
//! ```
//! use std::sync::Arc;
//! use throughline::backends::Sentry;
//! use throughline::{Config, Destination};
//!
//! let sentry = Sentry::new("https://0123456789abcdef@o1.ingest.sentry.io/42")?;
//! let config = Config::builder("shop", "/var/lib/shop/telemetry")
//!     .destination(Destination::exporter("sentry", Arc::new(sentry)))
//!     .build()?;
//! # let _ = config;
//! # Ok::<(), throughline::Error>(())
//! ```

pub use crate::wire::export::connect::Connect;
pub use crate::wire::export::datadog::Datadog;
pub use crate::wire::export::fluentd::Fluentd;
pub use crate::wire::export::sentry::Sentry;
