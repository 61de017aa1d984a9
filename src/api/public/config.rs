//! What an app configures at start: the service, its data directory, destinations, sampling,
//! redaction and limits.
//!
//! A [`Config`] is collected by a [`ConfigBuilder`] and checked once, in [`ConfigBuilder::build`].
//! A configuration that was built can be used; a value that cannot work is an
//! [`Error::InvalidConfig`](crate::Error::InvalidConfig) that names the field and says what would
//! be right. Nothing is started and no file is touched before
//! [`Telemetry::start`](crate::Telemetry::start).
//!
//! ```
//! use std::time::Duration;
//! use throughline::config::{RedactRules, TraceHost};
//! use throughline::{Config, Environment, MeteredUploads};
//!
//! let config = Config::builder("shop-ios", "/var/lib/shop/telemetry")
//!     .service_version("4.2.0")
//!     .environment(Environment::Production)
//!     .endpoint("https://otlp.example.com")
//!     .header("api-key", "secret")
//!     .session_sample_rate(0.5)
//!     .flush_interval(Duration::from_secs(60))
//!     .metered_uploads(MeteredUploads::NoBulk)
//!     .trace_host("api.example.com")
//!     .trace_host(TraceHost::new("partner.example").baggage_key("user.id"))
//!     .redact(RedactRules { deny_keys: vec!["salary".to_owned()], ..RedactRules::default() })
//!     .build()?;
//! assert_eq!(config.session_sample_rate(), 0.5);
//! # Ok::<(), throughline::Error>(())
//! ```
//!
//! # What can be changed later
//!
//! Consent ([`Telemetry::set_consent`](crate::Telemetry::set_consent)), recording itself
//! ([`set_enabled`](crate::Telemetry::set_enabled)), the sample rates and tail sampling can be
//! changed while the client runs. Everything else is fixed for the life of the client.
//!
//! # From the environment
//!
//! [`Config::from_env`] reads the same values from variables named `THROUGHLINE_…`, for
//! command-line programs and tests.

pub use crate::model::config::{
    Config, ConfigBuilder, Consent, Destination, Encoding, Environment, Format, Injection, MeteredUploads, OtlpSignal,
    RedactRules, TailSampling, TraceHost, ValuePatterns,
};
