//! What users call: [`Telemetry`](client::Telemetry) and its parts.

pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod hook;
pub(crate) mod lifecycle;
pub(crate) mod metrics;
pub(crate) mod public;
pub(crate) mod rum;
pub(crate) mod spans;
pub(crate) mod stores;
pub(crate) mod switches;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tracing")]
pub mod tracing;
pub(crate) mod user;
