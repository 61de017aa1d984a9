//! What an app configures at start. Every value is checked, and every error names its field.
//!
//! [`Config::builder`] and [`Config::from_env`] collect a [`ConfigBuilder`]; its `build` fills in
//! the defaults, and `check` refuses what cannot work. A [`Config`] that exists can therefore be
//! used.

mod builder;
mod check;
mod destination;
mod env;
mod filter;
pub(crate) mod hosts;
mod redact;
mod sending;
mod signal;
mod tail_sampling;
mod url;

pub use builder::ConfigBuilder;
pub(crate) use destination::check_headers;
pub use destination::{Destination, Encoding};
pub use filter::Filter;
pub use hosts::{Format, Injection, TraceHost};
pub use redact::{RedactRules, ValuePatterns};
pub use sending::{MeteredUploads, SendPolicy};
pub use signal::OtlpSignal;
pub use tail_sampling::TailSampling;
pub(crate) use url::{check_url, host_of, port_of, shown};

use std::path::PathBuf;
use std::time::Duration;

/// Where the app runs. It sets the defaults of sampling and flushing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// A developer's machine: every trace is recorded, events are sent after 2 s.
    Development,
    /// An automated test: as development.
    Test,
    /// Before production: one trace in ten is recorded, events are sent after 30 s.
    Staging,
    /// Users: as staging.
    Production,
}

impl Environment {
    /// The value of `deployment.environment.name` on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Environment::Development => "development",
            Environment::Test => "test",
            Environment::Staging => "staging",
            Environment::Production => "production",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "development" | "dev" => Environment::Development,
            "test" => Environment::Test,
            "staging" => Environment::Staging,
            "production" | "prod" => Environment::Production,
            _ => return None,
        })
    }

    /// Whether real load is expected, so that the defaults have to be sparing.
    fn is_live(self) -> bool {
        matches!(self, Environment::Staging | Environment::Production)
    }
}

/// What the user has decided about data being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Consent {
    /// The user agreed: events are recorded and sent.
    Granted = 0,
    /// The user has not decided: events are recorded and kept apart, at most 8 MiB of them; nothing
    /// is sent.
    Pending = 1,
    /// The user refused: nothing is recorded, and everything that was recorded is erased.
    Denied = 2,
}

impl Consent {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Consent::Granted,
            1 => Consent::Pending,
            _ => Consent::Denied,
        }
    }
}

/// A checked configuration, made by [`Config::builder`] or [`Config::from_env`].
///
/// ```
/// use throughline::{Config, Environment};
///
/// let config = Config::builder("shop-ios", "/var/lib/shop/telemetry")
///     .environment(Environment::Production)
///     .endpoint("https://otlp.example.com")
///     .build()?;
/// assert_eq!(config.trace_sample_rate(), 0.1);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) service_name: String,
    pub(crate) service_version: String,
    pub(crate) environment: Environment,
    pub(crate) data_dir: PathBuf,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) enabled: bool,
    pub(crate) session_sample_rate: f64,
    pub(crate) trace_sample_rate: f64,
    pub(crate) send: SendPolicy,
    pub(crate) queue_bytes: u64,
    pub(crate) crash_bytes: u64,
    pub(crate) max_age: Duration,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) trace_hosts: Vec<TraceHost>,
    pub(crate) sdk_language: String,
    pub(crate) installation_id: bool,
    pub(crate) device_tag: Option<String>,
    pub(crate) debug: bool,
    pub(crate) start_jitter: bool,
    pub(crate) self_report: bool,
    pub(crate) session_events: bool,
    pub(crate) synthetic_views: bool,
    pub(crate) redact: RedactRules,
    pub(crate) tail_sampling: Option<TailSampling>,
    pub(crate) capture_crashes: bool,
}

impl Config {
    /// The share of sessions whose events are recorded, 0.0 to 1.0. Errors and crashes are recorded
    /// in every session.
    pub fn session_sample_rate(&self) -> f64 {
        self.session_sample_rate
    }

    /// The share of traces whose spans are recorded, 0.0 to 1.0.
    pub fn trace_sample_rate(&self) -> f64 {
        self.trace_sample_rate
    }
}
