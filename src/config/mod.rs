//! What an app tells Throughline at start, with every value checked and every error naming its field.

mod env;
pub(crate) mod hosts;
mod keep;
mod redact;
mod url;

pub use hosts::{Format, HostRule, Injection};
pub use keep::KeepRule;
pub use redact::{RedactRules, ValuePatterns};
pub use url::host_of;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::event::Temporality;
use crate::limits::{DEFAULT_CRASH_BYTES, DEFAULT_MAX_AGE, DEFAULT_QUEUE_BYTES, MAX_ATTRIBUTES};

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
pub enum MeteredRule {
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
    pub metered: MeteredRule,
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
    pub(crate) trace_hosts: Vec<HostRule>,
    pub(crate) sdk_language: String,
    pub(crate) debug: bool,
    pub(crate) start_jitter: bool,
    pub(crate) self_report: bool,
    pub(crate) session_events: bool,
    pub(crate) synthetic_views: bool,
    pub(crate) redact: RedactRules,
    pub(crate) keep: Option<KeepRule>,
}

impl Config {
    /// Starts a configuration with the two values that have no default: the service's name and a directory of its own.
    pub fn builder(service_name: impl Into<String>, data_dir: impl AsRef<Path>) -> ConfigBuilder {
        ConfigBuilder {
            service_name: service_name.into(),
            service_version: String::new(),
            environment: Environment::Production,
            data_dir: data_dir.as_ref().to_owned(),
            destinations: Vec::new(),
            endpoint: None,
            headers: Vec::new(),
            encoding: Encoding::Protobuf,
            enabled: true,
            session_sample_rate: 1.0,
            trace_sample_rate: None,
            flush_interval: None,
            flush_events: 100,
            metered: MeteredRule::All,
            daily_bytes: None,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            crash_bytes: DEFAULT_CRASH_BYTES,
            max_age: DEFAULT_MAX_AGE,
            resource: Vec::new(),
            trace_hosts: Vec::new(),
            sdk_language: "rust".to_owned(),
            debug: false,
            start_jitter: true,
            self_report: true,
            session_events: true,
            synthetic_views: true,
            redact: RedactRules::default(),
            keep: None,
            temporality: Temporality::Cumulative,
        }
    }

    /// Share of sessions whose events are recorded; errors and crashes always are.
    pub fn session_sample_rate(&self) -> f64 {
        self.session_sample_rate
    }

    /// Share of traces whose spans are recorded.
    pub fn trace_sample_rate(&self) -> f64 {
        self.trace_sample_rate
    }
}

/// Collects a configuration; [`ConfigBuilder::build`] checks it.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder {
    service_name: String,
    service_version: String,
    environment: Environment,
    data_dir: PathBuf,
    destinations: Vec<Destination>,
    endpoint: Option<String>,
    headers: Vec<(String, String)>,
    encoding: Encoding,
    enabled: bool,
    session_sample_rate: f64,
    trace_sample_rate: Option<f64>,
    flush_interval: Option<Duration>,
    flush_events: u64,
    metered: MeteredRule,
    daily_bytes: Option<u64>,
    queue_bytes: u64,
    crash_bytes: u64,
    max_age: Duration,
    resource: Vec<(String, String)>,
    trace_hosts: Vec<HostRule>,
    sdk_language: String,
    debug: bool,
    start_jitter: bool,
    self_report: bool,
    session_events: bool,
    synthetic_views: bool,
    redact: RedactRules,
    keep: Option<KeepRule>,
    temporality: Temporality,
}

/// One setter: the method, its argument, its documentation.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])* pub fn $name(mut self, $name: $type) -> Self { self.$name = $name.into(); self })*
        }
    };
}

setters! {
    /// The app's version, for `service.version`.
    service_version: impl Into<String>;
    /// Where the app runs. Default: production.
    environment: Environment;
    /// Protobuf (the default) or JSON, for the endpoint.
    encoding: Encoding;
    /// How sums and histograms are sent to the endpoint. Default: cumulative.
    temporality: Temporality;
    /// False: no thread, no file, a call costs a branch. Default: true.
    enabled: bool;
    /// Share of sessions that are recorded, 0.0 to 1.0. Default: 1.0.
    session_sample_rate: f64;
    /// Share of traces that are recorded, 0.0 to 1.0. Default: 1.0 in development and test, else 0.1.
    trace_sample_rate: impl Into<Option<f64>>;
    /// How long an event may wait for company, 100 ms to 1 day. Default: 2 s in development and test, else 30 s.
    flush_interval: impl Into<Option<Duration>>;
    /// Events that are sent without waiting for the interval. Default: 100.
    flush_events: u64;
    /// What goes over a metered network. Default: everything.
    metered: MeteredRule;
    /// Compressed bytes a day, crashes excepted. Default: no cap.
    daily_bytes: impl Into<Option<u64>>;
    /// Bytes of the whole queue, 1 MiB to 4 GiB. Default: 64 MiB.
    queue_bytes: u64;
    /// Bytes of the crash lane, 64 KiB up to the queue's. Default: 8 MiB.
    crash_bytes: u64;
    /// Age at which an event is dropped and counted, 1 minute to 1 year. Default: 7 days; crashes four times that.
    max_age: Duration;
    /// The language of the facade, for `telemetry.sdk.language`. Default: `rust`.
    sdk_language: impl Into<String>;
    /// Writes what the core does to standard error, at most 20 lines a second. Default: false.
    debug: bool;
    /// Spreads the first upload after a start over 0–10 s, so that a fleet does not arrive at once. Default: true.
    start_jitter: bool;
    /// Records the core's own condition (queue depth at a flush, drops, time offline) as events. Default: true.
    self_report: bool;
    /// Records the session's start and end as events. Default: true.
    session_events: bool;
    /// Gives events without a view one of their own: `ApplicationLaunch`, `Background`. Default: true.
    synthetic_views: bool;
    /// What must not leave the device. Default: secrets by their key, personal data in free text, queries of URLs.
    redact: RedactRules;
    /// Keeps sampled-out sessions on the device and sends them only if something happens. Default: no.
    keep: impl Into<Option<KeepRule>>;
}

impl ConfigBuilder {
    /// Base URL of an OTLP/HTTP backend. Without one, events are kept on the device and `health()` says so.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Adds a header to every request to the endpoint.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a further backend.
    pub fn destination(mut self, destination: Destination) -> Self {
        self.destinations.push(destination);
        self
    }

    /// Adds an attribute to the resource, for example `device.model.identifier`.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// Allows trace headers for a host and its sub-domains, as [`HostRule::new`] says. Default: no host.
    pub fn trace_host(self, host: impl Into<String>) -> Self {
        self.trace_rule(HostRule::new(host))
    }

    /// Allows trace headers for a host, with formats, baggage keys and injection of its own.
    pub fn trace_rule(mut self, rule: HostRule) -> Self {
        self.trace_hosts.push(rule);
        self
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the first field that cannot work.
    pub fn build(self) -> Result<Config, Error> {
        let live = self.environment.is_live();
        let mut destinations = self.destinations;
        if let Some(endpoint) = self.endpoint {
            let encoding = self.encoding;
            destinations.insert(
                0,
                Destination {
                    headers: self.headers,
                    encoding,
                    temporality: self.temporality,
                    ..Destination::new("default", endpoint)
                },
            );
        }
        let flush_interval = self.flush_interval.unwrap_or(Duration::from_secs(if live { 30 } else { 2 }));
        let config = Config {
            trace_sample_rate: self.trace_sample_rate.unwrap_or(if live { 0.1 } else { 1.0 }),
            send: SendPolicy {
                flush_interval,
                flush_events: self.flush_events,
                metered: self.metered,
                daily_bytes: self.daily_bytes,
            },
            service_name: self.service_name,
            service_version: self.service_version,
            environment: self.environment,
            data_dir: self.data_dir,
            destinations,
            enabled: self.enabled,
            session_sample_rate: self.session_sample_rate,
            queue_bytes: self.queue_bytes,
            crash_bytes: self.crash_bytes,
            max_age: self.max_age,
            resource: self.resource,
            trace_hosts: self.trace_hosts,
            sdk_language: self.sdk_language,
            debug: self.debug,
            start_jitter: self.start_jitter,
            self_report: self.self_report,
            session_events: self.session_events,
            synthetic_views: self.synthetic_views,
            redact: self.redact,
            keep: self.keep,
        };
        config.check()?;
        Ok(config)
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
        if let Some(fault) = self.keep.as_ref().and_then(KeepRule::fault) {
            return Err(Error::config("keep", fault));
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
            ("THROUGHLINE_METERED", "some"),
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
