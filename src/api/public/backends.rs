//! Formats of backends beside OTLP, each an [`Exporter`](crate::export::Exporter) for
//! [`Destination::exporter`](crate::Destination::exporter).

pub use crate::wire::export::connect::Connect;
pub use crate::wire::export::fluentd::Fluentd;
