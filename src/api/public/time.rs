//! Where the client reads time: the operating system's clocks, or a clock that a test moves.
//!
//! Boot time goes on while the device sleeps and cannot be set by the user. Every age, delay and
//! deadline is measured with it, so a jump of the wall clock deletes nothing and delays nothing.
//! Wall time is used for display only.
//!
//! A host passes a clock with [`Host::clock`](crate::Host). With [`ManualClock`] a test lets hours
//! pass without waiting:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use throughline::time::{Clock, ManualClock};
//! use throughline::{Config, Consent, Host, Telemetry};
//!
//! let dir = tempfile::tempdir()?;
//! let manual = ManualClock::new();
//! let mut host = Host::default();
//! host.clock = Clock::Manual(Arc::clone(&manual));
//! let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start_with(config, Consent::Granted, host)?;
//!
//! let first = telemetry.session_id();
//! manual.advance(Duration::from_secs(16 * 60)); // a session ends after 15 quiet minutes
//! telemetry.start_view("Cart");
//! assert_ne!(telemetry.session_id(), first);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::model::time::{BootId, BootTime, Clock, ManualClock};
