//! Throughline: mobile client telemetry that is durable when the call returns.
//!
//! An app records typed [events](event); each lies in a crash-safe journal when the call returns, is in SQLite within
//! 100 ms, and is delivered effectively once to every configured OTLP backend. Losses are counted by
//! [reason](ledger::DropReason): for each destination, `accepted = delivered + queued + Σ dropped`.
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

// Floor 0: plain data.
pub mod config;
pub mod error;
pub mod event;
pub mod ids;
pub mod kill_point;
pub mod ledger;
pub mod limits;
pub mod names;
pub mod time;
pub mod value;

// Floor 1: pure decisions.
pub mod backoff;
pub mod metrics;
pub mod redact;
pub mod sampling;
pub mod schedule;
pub mod session;
pub mod state;
pub mod trace;

// Floor 2: bytes on disk.
pub mod dirlock;
pub mod frame;
pub mod health;
mod installation;
pub mod journal;
pub mod queue;
mod switches;

// Floor 3: wire.
pub mod export;
pub mod transport;

// Floor 4: where they meet.
mod debug;
pub mod recorder;
mod scopes;
mod store;
pub mod uploader;
mod worker;

// Floor 5: what users call.
mod client;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tracing")]
pub mod tracing;

pub use client::{
    ActiveResource, ActiveSpan, EventHook, EventView, Host, Meter, PathHandle, Telemetry, TracedStore, User,
};
pub use config::{Config, ConfigBuilder, Consent, Destination, Encoding, Environment, KeepRule, MeteredRule};
pub use error::Error;
pub use health::{Health, StorageState};
pub use queue::DestinationBooks;
pub use schedule::{Conditions, Network};
pub use value::{AnyValue, Attribute, Value};
pub use worker::FlushOutcome;
