//! What users call: [`Telemetry`](client::Telemetry) and its parts.

pub(crate) mod client;
mod consent;
mod delivery;
mod destinations;
mod diagnose;
mod erasure;
mod events;
pub(crate) mod hook;
pub(crate) mod host;
mod lifecycle;
pub(crate) mod metrics;
mod panics;
mod parts;
pub(crate) mod public;
pub(crate) mod resources;
mod rum;
pub(crate) mod spans;
pub(crate) mod stores;
mod switches;
#[cfg(feature = "testing")]
pub mod testing;
mod traces;
#[cfg(feature = "tracing")]
pub mod tracing;
mod unlisted;
pub(crate) mod user;
mod vitals;
