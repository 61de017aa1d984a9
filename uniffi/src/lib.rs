//! Throughline over the language boundary: one exported object ([`TelemetryCore`]) for what is
//! rare, one C symbol ([`throughline_record`]) for what is frequent.
//!
//! Everything here is internal to the facades in Swift, Kotlin and TypeScript, which are the API.
//! Only `start`, `flush` and `shutdown` can fail; every other call that cannot be served is counted
//! and shows in `health`. Nothing panics over the boundary: a guard turns a panic into a no-op and
//! a count.

mod apply;
mod client;
mod core;
mod door;
pub mod draft;
mod guard;
mod health;
mod host;
mod jni;
mod priority;
mod pull;
mod records;
mod slots;
mod switching;

pub use core::TelemetryCore;
pub use door::throughline_record;
pub use health::{BackendHealth, FlushResult, HealthReport, NamedCount, StoreBooks};
pub use host::{AuthHeaders, HostError, HostTransport, HttpRequest, HttpResponse};
pub use jni::Java_dev_throughline_internal_Door_record;
pub use pull::PendingUpload;
pub use records::*;

uniffi::setup_scaffolding!("throughline");
