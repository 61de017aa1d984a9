//! Throughline for other languages: an exported object, [`TelemetryCore`], for what is called
//! rarely, and one C symbol, [`throughline_record`], for what is called often.
//!
//! Everything here is internal to the facades in Swift and Kotlin, which are the API. Only `start`,
//! `flush` and `shutdown` can fail. Every other call that cannot be served is counted, and `health`
//! shows the counts. No panic crosses the boundary: a guard turns it into a count and an answer
//! that does nothing.

mod answer;
mod apply;
mod attached;
mod client;
mod core;
mod diagnosis;
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

pub use core::{DiagnosticsOutcome, HostMainThread, ProcessExit, TelemetryCore};
pub use diagnosis::{Diagnosis, Finding};
pub use door::{throughline_record, throughline_version};
pub use health::{DestinationHealth, FlushOutcome, HealthReport, NamedCount, StateCounts};
pub use host::{AuthHeaders, HostError, HostLog, HostTransport, HttpRequest, HttpResponse};
pub use jni::{Java_dev_throughline_internal_Door_record, Java_dev_throughline_internal_Door_version};
pub use pull::PendingUpload;
pub use records::*;

uniffi::setup_scaffolding!("throughline");
throughline_attach::uniffi_reexport_scaffolding!();
