//! What an app tells Throughline at start, with every value checked and every error naming its field.

mod builder;
mod env;
pub(crate) mod hosts;
mod redact;
mod tail_sampling;
mod url;

pub use builder::ConfigBuilder;
pub use hosts::{Format, Injection, TraceHost};
pub use redact::{RedactRules, ValuePatterns};
pub use tail_sampling::TailSampling;
pub use url::host_of;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::error::Error;
use crate::model::event::Temporality;
use crate::model::limits::MAX_ATTRIBUTES;

/// Where the app runs. Sets the defaults of sampling and flushing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// A developer's machine: every trace, flush after 2 s.
    Development,
    /// An automated test: every trace, flush after 2 s.
    Test,
    /// Before production: one trace in ten, flush after 30 s.
    Staging,
    /// Users: one trace in ten, flush after 30 s.
    Production,
}

impl Environment {
    /// The value of `deployment.environment.name`.
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

    fn is_live(self) -> bool {
        matches!(self, Environment::Staging | Environment::Production)
    }
}

/// What the user has said about data being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Consent {
    /// Yes: events are recorded and sent.
    Granted = 0,
    /// Nothing yet: events are recorded and kept apart, at most 8 MiB; nothing is sent.
    Pending = 1,
    /// No: nothing is recorded, and everything that was is erased.
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

/// What goes over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MeteredUploads {
    /// Every lane.
    #[default]
    All,
    /// Crashes, errors and events; logs, metrics and spans wait for an unmetered network.
    NoBulk,
    /// Crashes alone.
    CrashesOnly,
}

/// The part of the configuration that decides about sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// How long an event may wait for company.
    pub flush_interval: Duration,
    /// Events that are sent without waiting for the interval.
    pub flush_events: u64,
    /// What goes over a metered network.
    pub metered_uploads: MeteredUploads,
    /// Bytes a day (compressed bodies), crashes excepted; `None` for no cap.
    pub daily_bytes: Option<u64>,
}

/// The form in which OTLP is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `application/x-protobuf`.
    #[default]
    Protobuf,
    /// `application/json`.
    Json,
}

/// A backend that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Names its cursor in the queue: keep it when the endpoint changes.
    pub name: String,
    /// Base URL; `/v1/logs`, `/v1/traces` and `/v1/metrics` are appended.
    pub endpoint: String,
    /// Headers of every request, for example `authorization`.
    pub headers: Vec<(String, String)>,
    /// Protobuf or JSON.
    pub encoding: Encoding,
    /// How sums and histograms are sent. Prometheus-like backends silently drop deltas.
    pub temporality: Temporality,
}

impl Destination {
    /// A destination without headers, in protobuf.
    pub fn new(name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            endpoint: endpoint.into(),
            headers: Vec::new(),
            encoding: Encoding::Protobuf,
            temporality: Temporality::Cumulative,
        }
    }
}

/// A checked configuration. Made by [`Config::builder`] or [`Config::from_env`].
///
/// ```
/// use throughline::{Config, Environment};
/// let config = Config::builder("shop-ios", "/tmp/shop")
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
}

impl Config {
    /// Share of sessions whose events are recorded; errors and crashes always are.
    pub fn session_sample_rate(&self) -> f64 {
        self.session_sample_rate
    }

    /// Share of traces whose spans are recorded.
    pub fn trace_sample_rate(&self) -> f64 {
        self.trace_sample_rate
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let require = |holds: bool, field, reason: &str| if holds { Ok(()) } else { Err(Error::config(field, reason)) };
        let share = |rate: f64| (0.0..=1.0).contains(&rate);
        require(!self.service_name.trim().is_empty(), "service_name", "is empty: name your service")?;
        require(self.service_name.len() <= 255, "service_name", "is longer than 255 bytes")?;
        require(!self.data_dir.as_os_str().is_empty(), "data_dir", "is empty: give a directory of its own")?;
        require(share(self.session_sample_rate), "session_sample_rate", "must be between 0.0 and 1.0")?;
        require(share(self.trace_sample_rate), "trace_sample_rate", "must be between 0.0 and 1.0")?;
        let interval = Duration::from_millis(100)..=Duration::from_secs(86_400);
        require(interval.contains(&self.send.flush_interval), "flush_interval", "must be between 100 ms and 1 day")?;
        require(self.send.flush_events > 0, "flush_events", "must be at least 1")?;
        require(self.send.daily_bytes != Some(0), "daily_bytes", "must be at least 1; leave it out for no cap")?;
        let queue = 1024 * 1024..=4 * 1024 * 1024 * 1024;
        require(queue.contains(&self.queue_bytes), "queue_bytes", "must be between 1 MiB and 4 GiB")?;
        let crash = 64 * 1024..=self.queue_bytes;
        require(crash.contains(&self.crash_bytes), "crash_bytes", "must be between 64 KiB and `queue_bytes`")?;
        let age = Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);
        require(age.contains(&self.max_age), "max_age", "must be between 1 minute and 1 year")?;
        require(self.resource.len() <= MAX_ATTRIBUTES - 16, "resource", "has more than 112 attributes")?;
        require(self.destinations.len() <= 8, "destinations", "are more than 8")?;
        if let Some(fault) = self.tail_sampling.as_ref().and_then(TailSampling::fault) {
            return Err(Error::config("tail_sampling", fault));
        }
        for rule in &self.trace_hosts {
            if let Some(fault) = rule.fault() {
                return Err(Error::config("trace_hosts", format!("{fault}: `{}`", rule.host)));
            }
        }
        for (at, destination) in self.destinations.iter().enumerate() {
            url::check_url(&destination.endpoint)?;
            let earlier = self.destinations.iter().take(at);
            let unique = earlier.filter(|other| other.name == destination.name).count() == 0;
            require(unique && !destination.name.is_empty(), "destinations", "need names that differ")?;
            for (name, value) in &destination.headers {
                let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
                require(
                    !name.is_empty() && name.bytes().all(token),
                    "headers",
                    "have a name that HTTP does not allow",
                )?;
                let visible = value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
                require(visible, "headers", "have a value that is not printable ASCII")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(builder: ConfigBuilder) -> &'static str {
        match builder.build() {
            Err(Error::InvalidConfig { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        let base = || Config::builder("s", "/d");
        assert_eq!(field_of(Config::builder(" ", "/d")), "service_name");
        assert_eq!(field_of(Config::builder("s", "")), "data_dir");
        assert_eq!(field_of(base().session_sample_rate(1.5)), "session_sample_rate");
        assert_eq!(field_of(base().trace_sample_rate(f64::NAN)), "trace_sample_rate");
        assert_eq!(field_of(base().queue_bytes(0)), "queue_bytes");
        assert_eq!(field_of(base().queue_bytes(u64::MAX)), "queue_bytes");
        assert_eq!(field_of(base().crash_bytes(0)), "crash_bytes");
        assert_eq!(field_of(base().max_age(Duration::ZERO)), "max_age");
        assert_eq!(field_of(base().flush_interval(Duration::ZERO)), "flush_interval");
        assert_eq!(field_of(base().flush_events(0)), "flush_events");
        assert_eq!(field_of(base().daily_bytes(0)), "daily_bytes");
        assert_eq!(field_of(base().endpoint("http://h".to_owned()).header("a b", "c")), "headers");
        assert_eq!(field_of(base().endpoint("http://h".to_owned()).header("a", "b\r\nc")), "headers");
    }

    #[test]
    fn a_bad_url_is_an_error_that_shows_it() {
        for url in
            ["", "otlp.example.com", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h /", "http://h?x"]
        {
            assert_eq!(field_of(Config::builder("s", "/d").endpoint(url.to_owned())), "endpoint", "{url}");
        }
        for url in ["http://localhost:4318", "https://[::1]:4318/base", "https://h/", "http://[::1]"] {
            assert!(Config::builder("s", "/d").endpoint(url.to_owned()).build().is_ok(), "{url}");
        }
    }

    #[test]
    fn the_environment_sets_the_trace_rate() {
        let rate = |e| Config::builder("s", "/d").environment(e).build().unwrap().trace_sample_rate();
        assert_eq!([rate(Environment::Development), rate(Environment::Test)], [1.0, 1.0]);
        assert_eq!([rate(Environment::Staging), rate(Environment::Production)], [0.1, 0.1]);
    }

    #[test]
    fn the_process_environment_is_read_and_its_errors_name_the_variable() {
        let base = |name: &str| match name {
            "THROUGHLINE_SERVICE_NAME" => Some("shop".to_owned()),
            "THROUGHLINE_DATA_DIR" => Some("/d".to_owned()),
            _ => None,
        };
        let config = Config::from_lookup(|name| match name {
            "THROUGHLINE_ENDPOINT" => Some("http://127.0.0.1:4318".to_owned()),
            "THROUGHLINE_HEADERS" => Some("api-key=1, x=2".to_owned()),
            "THROUGHLINE_PROTOCOL" => Some("http/json".to_owned()),
            other => base(other),
        })
        .unwrap();
        assert_eq!(config.destinations[0].headers.len(), 2);
        assert_eq!(config.destinations[0].encoding, Encoding::Json);
        for (variable, value) in [
            ("THROUGHLINE_ENVIRONMENT", "moon"),
            ("THROUGHLINE_ENABLED", "maybe"),
            ("THROUGHLINE_QUEUE_BYTES", "many"),
            ("THROUGHLINE_PROTOCOL", "grpc"),
            ("THROUGHLINE_METERED_UPLOADS", "some"),
            ("THROUGHLINE_HEADERS", "novalue"),
        ] {
            let look = |name: &str| if name == variable { Some(value.to_owned()) } else { base(name) };
            match Config::from_lookup(look) {
                Err(Error::InvalidConfig { field, .. }) => assert_eq!(field, variable),
                other => panic!("{variable}: {other:?}"),
            }
        }
        assert!(Config::from_lookup(|_| None).is_err());
    }
}
