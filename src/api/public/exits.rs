//! What a system says about the ends of earlier processes of the app, for
//! [`Telemetry::report_exits`](crate::Telemetry::report_exits).
//!
//! ```
//! use std::time::Duration;
//!
//! use throughline::exits::{AndroidExit, AndroidReason, SystemExit, run_of_summary};
//! use throughline::{Config, Consent, Telemetry};
//!
//! # let dir = tempfile::tempdir()?;
//! # let config = Config::builder("shop", dir.path()).build()?;
//! let telemetry = Telemetry::start(config, Consent::Granted)?;
//! // From each `ApplicationExitInfo` of `getHistoricalProcessExitReasons`:
//! let exit = AndroidExit {
//!     reason: AndroidReason::from_code(6),
//!     status: 0,
//!     importance: 100,
//!     at_ms: 1_767_225_600_000,
//!     pid: 4711,
//!     process: Some("com.example.shop".to_owned()),
//!     pss_kb: 120_000,
//!     rss_kb: 200_000,
//!     run: run_of_summary(&[]), // getProcessStateSummary
//! };
//! let description = "Input dispatching timed out".to_owned();
//! let exit = SystemExit { exit, description, trace: String::new() };
//! assert!(telemetry.report_exits(vec![exit], "com.example.shop", Duration::from_secs(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::engine::crash::SystemExit;
pub use crate::model::ids::RunKey;
pub use crate::policy::exits::{AndroidExit, AndroidReason, run_of_summary};
