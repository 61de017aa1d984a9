//! The exporters that Throughline ships, a folder for each backend format.
//!
//! Each implements [`Exporter`](crate::model::export::Exporter): pure functions from rows to
//! requests and from responses to verdicts, without I/O, clock or randomness. An exporter never
//! sees the queue.

mod answer;
pub(crate) mod connect;
pub(crate) mod datadog;
pub(crate) mod fluentd;
mod json;
pub mod otlp;
mod outcome;
pub(crate) mod sentry;
mod tree;
