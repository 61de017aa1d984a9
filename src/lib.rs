//! Throughline: mobile client telemetry that is durable when the call returns.
//!
//! An app records typed [events](event); each lies in a crash-safe journal when the call returns,
//! is in SQLite within 100 ms, and is delivered effectively once to every configured OTLP backend.
//! Losses are counted by [reason](ledger::DropReason): for each destination, `accepted = delivered
//! + queued + Σ dropped`.
//!
//! ```
//! use std::time::Duration;
//! use throughline::{Config, Consent, Environment, Telemetry, event::Action};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path()).environment(Environment::Development).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! telemetry.start_view("Cart");
//! telemetry.record_action(&Action::tap("checkout").attributes(&[("items", 3.into())]));
//! assert!(telemetry.drain(Duration::from_secs(5)));
//! assert!(telemetry.health().queued() >= 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The floors of the crate, each importing only from lower ones, are drawn in `ARCHITECTURE.md`.

// The floors, from the lowest to the highest: a file imports from its own floor or a lower one. A
// test reads the floors from here. Blank lines keep rustfmt from sorting them.
mod model;

mod policy;

mod storage;

mod wire;

mod engine;

mod api;

pub use api::client::{Host, Telemetry};
pub use api::hook::{EventHook, EventView};
pub use api::metrics::Meter;
pub use api::rum::ActiveResource;
pub use api::spans::ActiveSpan;
pub use api::stores::{PathHandle, TracedStore};
#[cfg(feature = "testing")]
pub use api::testing;
#[cfg(feature = "tracing")]
pub use api::tracing;
pub use api::user::User;
pub use engine::worker::FlushOutcome;
pub use model::config::{
    Config, ConfigBuilder, Consent, Destination, Encoding, Environment, MeteredUploads, TailSampling,
};
pub use model::error::Error;
pub use model::value::{AnyValue, Attribute, Value};
pub use model::{config, error, event, ledger, limits, names, time, value};
pub use policy::schedule::{Conditions, Network};
pub use policy::{metrics, state, trace};
pub use storage::health::{self, Health, StorageState};
pub use storage::queue::DestinationBooks;
pub use wire::{export, transport};

/// What tests, fuzz targets, benches and the command line reach into. It is not API: it changes
/// without notice.
#[doc(hidden)]
pub mod internals {
    pub use crate::engine::{recorder, uploader};
    pub use crate::model::{ids, kill_point};
    pub use crate::policy::{backoff, redact, sampling, schedule, session};
    pub use crate::storage::{dirlock, frame, journal, queue};
}
