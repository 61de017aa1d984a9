//! The configuration.

use throughline::{Config, config};

use super::{Destination, HeaderField, HostDuration, RedactRules, TailSampling, TelemetryError, TraceHost};

/// Where the app runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AppEnvironment {
    /// A developer's machine.
    Development,
    /// An automated test.
    Test,
    /// A stage before the release.
    Staging,
    /// Users' devices.
    Production,
}

/// What is sent over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MeteredUploads {
    /// Everything.
    All,
    /// Crashes, errors and events. Logs, metrics and spans wait for an unmetered network.
    NoBulk,
    /// Crashes alone.
    CrashesOnly,
}

/// The configuration of `start`. Only the service's name and the data directory have no default.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct TelemetryConfig {
    /// The app's name, for `service.name`.
    pub service_name: String,
    /// A directory that only Throughline uses. The host excludes it from backups.
    pub data_dir: String,
    /// The language of the facade, for `telemetry.sdk.language`.
    #[uniffi(default = "rust")]
    pub sdk_language: String,
    /// Whether this installation gets a random id, for `app.installation.id`. The id is kept only
    /// in the data directory.
    #[uniffi(default = true)]
    pub installation_id: bool,
    /// A text that differs between devices. It is never sent. A hash of it is kept, by which a
    /// restored or cloned backup is noticed.
    #[uniffi(default = None)]
    pub device_tag: Option<String>,
    /// The app's version, for `service.version`.
    #[uniffi(default = "")]
    pub service_version: String,
    /// Where the app runs. Absent: production.
    #[uniffi(default = None)]
    pub environment: Option<AppEnvironment>,
    /// The backends, at most 8. Without one, events stay on the device within the limits of the
    /// queue.
    #[uniffi(default = [])]
    pub destinations: Vec<Destination>,
    /// Further attributes of the resource, for example the device's model. At most 112.
    #[uniffi(default = [])]
    pub resource: Vec<HeaderField>,
    /// The hosts that may receive trace headers. Empty: none.
    #[uniffi(default = [])]
    pub trace_hosts: Vec<TraceHost>,
    /// False: no thread is started and no file is written.
    #[uniffi(default = true)]
    pub enabled: bool,
    /// The share of sessions that is recorded, 0.0 to 1.0.
    #[uniffi(default = 1.0)]
    pub session_sample_rate: f64,
    /// The share of traces that is recorded, 0.0 to 1.0. Absent: 1.0 in development and test, else
    /// 0.1.
    #[uniffi(default = None)]
    pub trace_sample_rate: Option<f64>,
    /// How long an event may wait until others are sent with it, 100 ms to 1 day. Absent: 2 s in
    /// development and test, else 30 s.
    #[uniffi(default = None)]
    pub flush_interval: Option<HostDuration>,
    /// How many waiting events are sent without waiting for the interval. Absent: 100.
    #[uniffi(default = None)]
    pub flush_events: Option<u64>,
    /// What is sent over a metered network. Absent: everything.
    #[uniffi(default = None)]
    pub metered_uploads: Option<MeteredUploads>,
    /// How many compressed bytes are sent a day, crashes excepted. Absent: no limit.
    #[uniffi(default = None)]
    pub daily_bytes: Option<u64>,
    /// How many bytes the queue may have, 1 MiB to 4 GiB. Absent: 64 MiB.
    #[uniffi(default = None)]
    pub queue_bytes: Option<u64>,
    /// The age at which an event is dropped and counted, 1 minute to 1 year. Absent: 7 days.
    #[uniffi(default = None)]
    pub max_age: Option<HostDuration>,
    /// Spreads the first upload after a start over 10 s, so that a fleet does not arrive at once.
    #[uniffi(default = true)]
    pub start_jitter: bool,
    /// Records the core's own condition as events.
    #[uniffi(default = true)]
    pub self_report: bool,
    /// Records crashes of native code, and reports them at the next launch.
    #[uniffi(default = true)]
    pub capture_crashes: bool,
    /// What must not leave the device. Absent: the defaults.
    #[uniffi(default = None)]
    pub redact: Option<RedactRules>,
    /// Keeps sessions that are not sampled until something happens in them. Absent: they are not
    /// kept.
    #[uniffi(default = None)]
    pub tail_sampling: Option<TailSampling>,
    /// Hands requests out by `nextUpload` instead of sending them.
    #[uniffi(default = false)]
    pub pull: bool,
    /// Writes what the core does to standard error.
    #[uniffi(default = false)]
    pub debug: bool,
}

impl TelemetryConfig {
    /// The core's configuration.
    ///
    /// # Errors
    /// [`TelemetryError::InvalidConfig`] with the first field that cannot work.
    pub(crate) fn to_core(&self) -> Result<Config, TelemetryError> {
        let mut builder = Config::builder(&self.service_name, &self.data_dir)
            .service_version(&self.service_version)
            .sdk_language(&self.sdk_language)
            .installation_id(self.installation_id)
            .device_tag(self.device_tag.clone())
            .environment(match self.environment {
                Some(AppEnvironment::Development) => config::Environment::Development,
                Some(AppEnvironment::Test) => config::Environment::Test,
                Some(AppEnvironment::Staging) => config::Environment::Staging,
                Some(AppEnvironment::Production) | None => config::Environment::Production,
            })
            .enabled(self.enabled)
            .session_sample_rate(self.session_sample_rate)
            .trace_sample_rate(self.trace_sample_rate)
            .flush_interval(self.flush_interval.map(|interval| interval.0))
            .daily_bytes(self.daily_bytes)
            .start_jitter(self.start_jitter)
            .self_report(self.self_report)
            .tail_sampling(self.tail_sampling.as_ref().map(TailSampling::to_core))
            .capture_crashes(self.capture_crashes)
            .metered_uploads(match self.metered_uploads {
                Some(MeteredUploads::All) | None => config::MeteredUploads::All,
                Some(MeteredUploads::NoBulk) => config::MeteredUploads::NoBulk,
                Some(MeteredUploads::CrashesOnly) => config::MeteredUploads::CrashesOnly,
            })
            .debug(self.debug);
        for field in &self.resource {
            builder = builder.resource(&field.name, &field.value);
        }
        for host in &self.trace_hosts {
            builder = builder.trace_host(host.to_core());
        }
        for destination in &self.destinations {
            builder = builder.destination(destination.to_core()?);
        }
        if let Some(events) = self.flush_events {
            builder = builder.flush_events(events);
        }
        if let Some(bytes) = self.queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        if let Some(age) = self.max_age {
            builder = builder.max_age(age.0);
        }
        if let Some(redact) = &self.redact {
            builder = builder.redact(redact.to_core());
        }
        Ok(builder.build()?)
    }
}
