//! What the client says about its own condition.
//!
//! [`Telemetry::health`](crate::Telemetry::health) returns a copy of a [`Health`] that the worker
//! keeps up to date. It reads no file and waits for nothing, so it may be called on any thread and
//! as often as wanted.
//!
//! # How to read it
//!
//! 1. `enabled` says whether calls record anything. If it is false, `hints` says why.
//! 2. `journal` and `storage` say where events go. [`JournalMode::Mapped`] and
//!    [`StorageState::Open`] are the normal case: every event whose call returned survives the
//!    death of the process. Any other state says what is missing.
//! 3. `queue` is what waits, in rows and bytes for each lane; `destinations` says for each backend
//!    what was delivered and why nothing is sent to it at the moment (`paused`).
//! 4. `dropped` and `DestinationHealth::dropped` count every loss by
//!    [reason](crate::ledger::DropReason). For every destination `accepted = delivered + queued + Σ
//!    dropped`; [`Telemetry::books`](crate::Telemetry::books) counts the rows to check it.
//!
//! ```
//! use std::time::Duration;
//! use throughline::event::{Action, Lane};
//! use throughline::health::StorageState;
//! use throughline::{Config, Consent, Telemetry};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! telemetry.record_action(&Action::tap("buy"));
//! telemetry.drain(Duration::from_secs(5)); // until the events are in SQLite
//!
//! let health = telemetry.health();
//! assert_eq!(health.storage, StorageState::Open);
//! assert!(health.lane(Lane::Event).rows >= 1);
//! assert_eq!(health.dropped.total(), 0);
//! assert!(!health.hints.is_empty(), "no endpoint is configured, so events wait on the device");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::storage::health::{DestinationHealth, Health, LaneDepth, StorageState};
pub use crate::storage::journal::JournalMode;
