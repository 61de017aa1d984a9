//! What crosses the boundary by value: configuration and conditions. Times are milliseconds, ids hexadecimal text.

use std::time::Duration;

use throughline::config::{self, Format, Injection, RedactRules, ValuePatterns};
use throughline::event::Temporality;
use throughline::{Config, Destination, Encoding, Environment};

/// Why a call that may fail did.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum TelemetryError {
    /// A field of the configuration has a value that cannot work. Nothing was started.
    #[error("invalid configuration: {reason}")]
    InvalidConfig {
        /// The field, and what is wrong with it.
        reason: String,
    },
    /// The data directory or the database could not be used.
    #[error("storage: {reason}")]
    Storage {
        /// What failed.
        reason: String,
    },
    /// The client is shut down or switched off, or did not answer in time.
    #[error("closed: {reason}")]
    Closed {
        /// Which of these.
        reason: String,
    },
}

impl From<throughline::Error> for TelemetryError {
    fn from(error: throughline::Error) -> Self {
        match error {
            throughline::Error::InvalidConfig { field, reason } => {
                Self::InvalidConfig { reason: format!("{field} {reason}") }
            }
            throughline::Error::Storage { reason } => Self::Storage { reason },
            throughline::Error::Closed { reason } => Self::Closed { reason },
            other => Self::Storage { reason: other.to_string() },
        }
    }
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HeaderField {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// What the user has said about data being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Consent {
    /// Recorded and sent.
    Granted,
    /// Recorded and kept apart until the user has decided.
    Pending,
    /// Nothing is recorded, everything is erased.
    Denied,
}

impl From<Consent> for throughline::Consent {
    fn from(consent: Consent) -> Self {
        match consent {
            Consent::Granted => Self::Granted,
            Consent::Pending => Self::Pending,
            Consent::Denied => Self::Denied,
        }
    }
}

/// Where the app runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AppEnvironment {
    /// On a developer's machine.
    Development,
    /// In a test.
    Test,
    /// Before a release.
    Staging,
    /// With users.
    Production,
}

/// What goes over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MeteredUploads {
    /// Everything.
    All,
    /// Crashes, errors and events; logs, metrics and spans wait for an unmetered network.
    NoBulk,
    /// Crashes alone.
    CrashesOnly,
}

/// A trace header format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum HeaderFormat {
    /// W3C `traceparent` and `tracestate`.
    TraceContext,
    /// W3C `baggage`.
    Baggage,
    /// `x-datadog-*`.
    Datadog,
    /// `b3`.
    B3,
    /// `X-B3-*`.
    B3Multi,
    /// `X-Correlation-ID`.
    Correlation,
}

/// A host and its sub-domains that may see trace headers.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct TraceHost {
    /// The host alone, without scheme and port.
    pub host: String,
    /// The formats. Empty: trace context and baggage.
    #[uniffi(default = [])]
    pub formats: Vec<HeaderFormat>,
    /// True: headers also go with traces that are not sampled.
    #[uniffi(default = false)]
    pub inject_all: bool,
    /// Baggage keys that may go besides `session.id`.
    #[uniffi(default = [])]
    pub baggage_keys: Vec<String>,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Backend {
    /// A name of its own, for the books.
    pub name: String,
    /// Base URL of an OTLP/HTTP receiver.
    pub endpoint: String,
    /// Headers of every request.
    #[uniffi(default = [])]
    pub headers: Vec<HeaderField>,
    /// True: JSON instead of protobuf.
    #[uniffi(default = false)]
    pub json: bool,
    /// True: sums and histograms as deltas instead of cumulative.
    #[uniffi(default = false)]
    pub delta: bool,
}

/// Keeps sessions that are not sampled on the device, and sends them if something happens.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct KeepErrors {
    /// How far back, minutes, 1 to 60.
    #[uniffi(default = 5)]
    pub minutes: u32,
    /// Bytes that are kept, 64 KiB to 8 MiB.
    #[uniffi(default = 2_097_152)]
    pub bytes: u64,
    /// True: every session, also sampled ones.
    #[uniffi(default = false)]
    pub all_sessions: bool,
    /// A handled error is reason enough to send.
    #[uniffi(default = true)]
    pub on_error: bool,
    /// An operation that takes this long is reason enough, ms. 0: none is.
    #[uniffi(default = 0)]
    pub slow_operation_ms: u64,
}

/// What must not leave the device.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Redaction {
    /// Further secret keys: `salary`, `home address`.
    #[uniffi(default = [])]
    pub deny_keys: Vec<String>,
    /// Keys that are not secret whatever the list says.
    #[uniffi(default = [])]
    pub allow_keys: Vec<String>,
    /// Searches free text for e-mail addresses.
    #[uniffi(default = true)]
    pub emails: bool,
    /// Searches free text for payment cards.
    #[uniffi(default = true)]
    pub cards: bool,
    /// Searches free text for tokens (JWT, bearer).
    #[uniffi(default = true)]
    pub tokens: bool,
    /// Also searches the texts of attributes.
    #[uniffi(default = false)]
    pub search_attributes: bool,
    /// Keeps queries and fragments of URLs; secret parameters lose their values all the same.
    #[uniffi(default = false)]
    pub keep_queries: bool,
}

/// The configuration. Only name and directory are required.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct TelemetryConfig {
    /// `service.name`.
    pub service_name: String,
    /// A directory of ours alone, excluded from backups.
    pub data_dir: String,
    /// The facade's language, for `telemetry.sdk.language`.
    #[uniffi(default = "rust")]
    pub sdk_language: String,
    /// A random id for `app.installation.id`, kept in the directory alone.
    #[uniffi(default = true)]
    pub installation_id: bool,
    /// What tells this device from others. Never sent; a hash of it is kept, so that a restored or cloned backup is noticed.
    #[uniffi(default = None)]
    pub device_tag: Option<String>,
    /// `service.version`.
    #[uniffi(default = "")]
    pub service_version: String,
    /// Where the app runs. Absent: production.
    #[uniffi(default = None)]
    pub environment: Option<AppEnvironment>,
    /// The backends, at most 8. None: events stay on the device up to the quotas.
    #[uniffi(default = [])]
    pub backends: Vec<Backend>,
    /// Further attributes of the resource: device model, OS version.
    #[uniffi(default = [])]
    pub resource: Vec<HeaderField>,
    /// Hosts that may see trace headers. None: no host.
    #[uniffi(default = [])]
    pub trace_hosts: Vec<TraceHost>,
    /// False: no thread, no file.
    #[uniffi(default = true)]
    pub enabled: bool,
    /// Share of sessions that is recorded.
    #[uniffi(default = 1.0)]
    pub session_sample_rate: f64,
    /// Share of traces that is recorded. Absent: 1.0 in development and test, else 0.1.
    #[uniffi(default = None)]
    pub trace_sample_rate: Option<f64>,
    /// How long an event may wait for company, ms. Absent: 2 s in development and test, else 30 s.
    #[uniffi(default = None)]
    pub flush_interval_ms: Option<u64>,
    /// Events that are sent without waiting.
    #[uniffi(default = None)]
    pub flush_events: Option<u64>,
    /// What goes over a metered network. Absent: everything.
    #[uniffi(default = None)]
    pub metered: Option<MeteredUploads>,
    /// Compressed bytes a day, crashes excepted. Absent: no cap.
    #[uniffi(default = None)]
    pub daily_bytes: Option<u64>,
    /// Bytes of the queue. Absent: 64 MiB.
    #[uniffi(default = None)]
    pub queue_bytes: Option<u64>,
    /// Age at which an event is dropped and counted, ms. Absent: 7 days.
    #[uniffi(default = None)]
    pub max_age_ms: Option<u64>,
    /// Spreads the first upload over 10 s.
    #[uniffi(default = true)]
    pub start_jitter: bool,
    /// Records the core's own condition as events.
    #[uniffi(default = true)]
    pub self_report: bool,
    /// What must not leave the device. Absent: the defaults.
    #[uniffi(default = None)]
    pub redaction: Option<Redaction>,
    /// Keeps sessions that are not sampled. Absent: no.
    #[uniffi(default = None)]
    pub keep_errors: Option<KeepErrors>,
    /// Requests are handed out by `nextUpload` instead of being sent.
    #[uniffi(default = false)]
    pub pull: bool,
    /// Writes what the core does to standard error.
    #[uniffi(default = false)]
    pub debug: bool,
}

impl TelemetryConfig {
    pub(crate) fn build(&self) -> Result<Config, TelemetryError> {
        let mut builder = Config::builder(&self.service_name, &self.data_dir)
            .service_version(&self.service_version)
            .sdk_language(&self.sdk_language)
            .installation_id(self.installation_id)
            .device_tag(self.device_tag.clone())
            .environment(match self.environment {
                Some(AppEnvironment::Development) => Environment::Development,
                Some(AppEnvironment::Test) => Environment::Test,
                Some(AppEnvironment::Staging) => Environment::Staging,
                Some(AppEnvironment::Production) | None => Environment::Production,
            })
            .enabled(self.enabled)
            .session_sample_rate(self.session_sample_rate)
            .trace_sample_rate(self.trace_sample_rate)
            .flush_interval(self.flush_interval_ms.map(Duration::from_millis))
            .daily_bytes(self.daily_bytes)
            .start_jitter(self.start_jitter)
            .self_report(self.self_report)
            .tail_sampling(self.keep_errors.as_ref().map(KeepErrors::rule))
            .debug(self.debug);
        for field in &self.resource {
            builder = builder.resource(&field.name, &field.value);
        }
        for host in &self.trace_hosts {
            builder = builder.trace_host(host.rule());
        }
        for backend in &self.backends {
            builder = builder.destination(backend.destination());
        }
        if let Some(events) = self.flush_events {
            builder = builder.flush_events(events);
        }
        if let Some(bytes) = self.queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        if let Some(age) = self.max_age_ms {
            builder = builder.max_age(Duration::from_millis(age));
        }
        if let Some(metered) = self.metered {
            builder = builder.metered_uploads(match metered {
                MeteredUploads::All => config::MeteredUploads::All,
                MeteredUploads::NoBulk => config::MeteredUploads::NoBulk,
                MeteredUploads::CrashesOnly => config::MeteredUploads::CrashesOnly,
            });
        }
        if let Some(redaction) = &self.redaction {
            builder = builder.redact(redaction.rules());
        }
        Ok(builder.build()?)
    }
}

impl KeepErrors {
    pub(crate) fn rule(&self) -> config::TailSampling {
        config::TailSampling {
            window: Duration::from_secs(60 * u64::from(self.minutes)),
            bytes: self.bytes,
            all_sessions: self.all_sessions,
            on_error: self.on_error,
            slow_operation: (self.slow_operation_ms > 0).then(|| Duration::from_millis(self.slow_operation_ms)),
        }
    }
}

impl Redaction {
    fn rules(&self) -> RedactRules {
        RedactRules {
            deny_keys: self.deny_keys.clone(),
            allow_keys: self.allow_keys.clone(),
            patterns: ValuePatterns {
                email: self.emails,
                card: self.cards,
                jwt: self.tokens,
                bearer: self.tokens,
                attributes: self.search_attributes,
            },
            keep_queries: self.keep_queries,
        }
    }
}

impl TraceHost {
    fn rule(&self) -> config::TraceHost {
        let mut rule = config::TraceHost::new(&self.host);
        if !self.formats.is_empty() {
            rule = rule.formats(self.formats.iter().map(|format| match format {
                HeaderFormat::TraceContext => Format::TraceContext,
                HeaderFormat::Baggage => Format::Baggage,
                HeaderFormat::Datadog => Format::Datadog,
                HeaderFormat::B3 => Format::B3,
                HeaderFormat::B3Multi => Format::B3Multi,
                HeaderFormat::Correlation => Format::Correlation,
            }));
        }
        if self.inject_all {
            rule = rule.injection(Injection::All);
        }
        self.baggage_keys.iter().fold(rule, config::TraceHost::baggage_key)
    }
}

impl Backend {
    fn destination(&self) -> Destination {
        let destination = Destination::new(&self.name, &self.endpoint)
            .encoding(if self.json { Encoding::Json } else { Encoding::Protobuf })
            .temporality(if self.delta { Temporality::Delta } else { Temporality::Cumulative });
        self.headers.iter().fold(destination, |destination, field| destination.header(&field.name, &field.value))
    }
}

/// The network, as the host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkKind {
    /// Not known: requests are tried.
    Unknown,
    /// None.
    Offline,
    /// Wi-Fi, Ethernet.
    Unmetered,
    /// Cellular, a hotspot.
    Metered,
}

/// What the host knows about app and device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct DeviceConditions {
    /// Whether the app is in the foreground.
    pub foreground: bool,
    /// The network.
    pub network: NetworkKind,
    /// Battery in percent.
    #[uniffi(default = None)]
    pub battery_percent: Option<u8>,
    /// Whether it is charging.
    #[uniffi(default = false)]
    pub charging: bool,
    /// Whether the user has switched on low-power mode or data saving.
    #[uniffi(default = false)]
    pub low_power: bool,
}

impl From<DeviceConditions> for throughline::Conditions {
    fn from(conditions: DeviceConditions) -> Self {
        Self {
            foreground: conditions.foreground,
            network: match conditions.network {
                NetworkKind::Unknown => throughline::Network::Unknown,
                NetworkKind::Offline => throughline::Network::Offline,
                NetworkKind::Unmetered => throughline::Network::Unmetered,
                NetworkKind::Metered => throughline::Network::Metered,
            },
            battery_percent: conditions.battery_percent,
            charging: conditions.charging,
            low_power: conditions.low_power,
        }
    }
}
