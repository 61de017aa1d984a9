//! The values that cross the boundary: the configuration, what the host knows about the device, and
//! errors.
//!
//! Lengths of time are [`HostDuration`]s, ids are hexadecimal text. Names are those of the Rust
//! API.

mod conditions;
mod config;
mod destination;
mod duration;
mod error;
mod redact;
mod tail_sampling;
mod trace_host;

pub use conditions::{Consent, DeviceConditions, NetworkKind};
pub use config::{AppEnvironment, MeteredUploads, TelemetryConfig};
pub use destination::{
    BackendFormat, Destination, Encoding, EventKind, EventLane, OtlpSignal, SignalEndpoint, Temporality,
};
pub use duration::HostDuration;
pub use error::TelemetryError;
pub use redact::{RedactRules, ValuePatterns};
pub use tail_sampling::TailSampling;
pub use trace_host::{TraceFormat, TraceHost, TraceInjection};

/// The name and the value of an HTTP header, or of an attribute of the resource.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HeaderField {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}
