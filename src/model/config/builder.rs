//! Collects a configuration value by value, and fills in the defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Config, Destination, Encoding, Environment, MeteredUploads, RedactRules, SendPolicy, TailSampling, TraceHost,
};
use crate::model::error::Error;
use crate::model::event::Temporality;
use crate::model::limits::{
    DEFAULT_CRASH_BYTES, DEFAULT_FLUSH_EVENTS, DEFAULT_FLUSH_INTERVAL, DEFAULT_FLUSH_INTERVAL_DEV, DEFAULT_MAX_AGE,
    DEFAULT_QUEUE_BYTES, DEFAULT_TRACE_RATE,
};

impl Config {
    /// Begins a configuration with the two values that have no default: the service's name, which
    /// becomes `service.name`, and a directory that only this client uses. The directory is made
    /// when the client starts.
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
            flush_events: DEFAULT_FLUSH_EVENTS,
            metered_uploads: MeteredUploads::All,
            daily_bytes: None,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            crash_bytes: DEFAULT_CRASH_BYTES,
            max_age: DEFAULT_MAX_AGE,
            resource: Vec::new(),
            trace_hosts: Vec::new(),
            sdk_language: "rust".to_owned(),
            installation_id: true,
            device_tag: None,
            debug: false,
            start_jitter: true,
            self_report: true,
            session_events: true,
            synthetic_views: true,
            redact: RedactRules::default(),
            tail_sampling: None,
            capture_crashes: true,
            temporality: Temporality::Cumulative,
        }
    }
}

/// Collects a configuration; [`ConfigBuilder::build`] checks it. Made by [`Config::builder`].
///
/// Every setter replaces the value that was set before, except those that add to a list: `header`,
/// `destination`, `resource`, `trace_host`.
///
/// ```
/// use std::time::Duration;
/// use throughline::{Config, Environment, TailSampling};
///
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .environment(Environment::Staging)
///     .endpoint("https://otlp.example.com")
///     .header("authorization", "Bearer abc")
///     .resource("device.model.identifier", "iPhone16,2")
///     .session_sample_rate(0.2)
///     .tail_sampling(TailSampling::default())
///     .max_age(Duration::from_secs(3 * 86_400))
///     .build()?;
/// # let _ = config;
///
/// let error = Config::builder("shop", "/tmp/shop").session_sample_rate(20.0).build().unwrap_err();
/// assert!(error.to_string().contains("`session_sample_rate` must be between 0.0 and 1.0"));
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder {
    pub(super) service_name: String,
    pub(super) service_version: String,
    pub(super) environment: Environment,
    pub(super) data_dir: PathBuf,
    pub(super) destinations: Vec<Destination>,
    pub(super) endpoint: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) encoding: Encoding,
    pub(super) enabled: bool,
    pub(super) session_sample_rate: f64,
    pub(super) trace_sample_rate: Option<f64>,
    pub(super) flush_interval: Option<Duration>,
    pub(super) flush_events: u64,
    pub(super) metered_uploads: MeteredUploads,
    pub(super) daily_bytes: Option<u64>,
    pub(super) queue_bytes: u64,
    pub(super) crash_bytes: u64,
    pub(super) max_age: Duration,
    pub(super) resource: Vec<(String, String)>,
    pub(super) trace_hosts: Vec<TraceHost>,
    pub(super) sdk_language: String,
    pub(super) installation_id: bool,
    pub(super) device_tag: Option<String>,
    pub(super) debug: bool,
    pub(super) start_jitter: bool,
    pub(super) self_report: bool,
    pub(super) session_events: bool,
    pub(super) synthetic_views: bool,
    pub(super) redact: RedactRules,
    pub(super) tail_sampling: Option<TailSampling>,
    pub(super) capture_crashes: bool,
    pub(super) temporality: Temporality,
}

/// Writes setters: the documentation, the name, and the type of the argument.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])* pub fn $name(mut self, $name: $type) -> Self { self.$name = $name.into(); self })*
        }
    };
}

setters! {
    /// The app's version, for `service.version`. Default: none.
    service_version: impl Into<String>;
    /// Where the app runs. It sets the defaults of sampling and flushing. Default: production.
    environment: Environment;
    /// The form in which OTLP is sent to the endpoint. Default: protobuf.
    encoding: Encoding;
    /// How sums and histograms are sent to the endpoint. Default: cumulative.
    temporality: Temporality;
    /// Whether the client records anything. If not, it has no thread and no file, and a call costs
    /// a branch. Default: true.
    enabled: bool;
    /// The share of sessions that are recorded, 0.0 to 1.0. Errors and crashes are recorded in
    /// every session. Default: 1.0.
    session_sample_rate: f64;
    /// The share of traces that are recorded, 0.0 to 1.0. Default: 1.0 in development and test,
    /// else 0.1.
    trace_sample_rate: impl Into<Option<f64>>;
    /// How long an event may wait for others that are sent with it, 100 ms to 1 day. Errors wait a
    /// quarter of it, crashes not at all. Default: 2 s in development and test, else 30 s.
    flush_interval: impl Into<Option<Duration>>;
    /// As many waiting events are sent without waiting for the interval. Default: 100.
    flush_events: u64;
    /// What goes over a metered network. Default: everything.
    metered_uploads: MeteredUploads;
    /// Compressed bytes that are sent in a day, crashes not counted. Default: no cap.
    daily_bytes: impl Into<Option<u64>>;
    /// Bytes of the whole queue on the disk, 1 MiB to 4 GiB. Beyond them the oldest events of the
    /// lowest lanes are dropped and counted. Default: 64 MiB.
    queue_bytes: u64;
    /// Bytes of the queue that are for crashes, 64 KiB up to the queue's size. Default: 8 MiB.
    crash_bytes: u64;
    /// The age at which a waiting event is dropped and counted, 1 minute to 1 year. Crashes are
    /// kept four times longer. Default: 7 days.
    max_age: Duration;
    /// The language of the facade, for `telemetry.sdk.language`. Default: `rust`.
    sdk_language: impl Into<String>;
    /// Whether the resource carries a random `app.installation.id`. The id is kept only in the data
    /// directory; there is a new one after an erasure, and in a directory that comes from another
    /// device. Default: true.
    installation_id: bool;
    /// A text that differs between devices: `identifierForVendor`, `ANDROID_ID`. It is never sent.
    /// A hash of it is kept, so that a restored or cloned backup is noticed and gets an
    /// installation and a session of its own. Default: none.
    device_tag: impl Into<Option<String>>;
    /// Whether the client writes what it does to standard error, or to
    /// [`Host::debug_output`](crate::Host::debug_output), at most 20 lines a second.
    /// Default: false.
    debug: bool;
    /// Whether the first upload after a start waits 0 to 10 s, so that a fleet of devices does not
    /// arrive at once. Default: true.
    start_jitter: bool;
    /// Whether the client records its own condition as events: the queue's depth at a flush, drops,
    /// time offline. Default: true.
    self_report: bool;
    /// Whether the start and the end of a session are recorded as events. Default: true.
    session_events: bool;
    /// Whether the signals that end a process are caught and reported at the next start. Default
    /// true. Of several clients in a process, the first one catches them.
    capture_crashes: bool;
    /// Whether events that occur while no view is shown get one: `ApplicationLaunch`, later
    /// `Background`. Default: true.
    synthetic_views: bool;
    /// What must not leave the device. Default: the values of secret keys, personal data in free
    /// text, and the queries of URLs.
    redact: RedactRules;
    /// Keeps the sessions that are not sampled on the device for a while, and sends them only if
    /// something happens. Default: `None`, they are not recorded.
    tail_sampling: impl Into<Option<TailSampling>>;
}

impl ConfigBuilder {
    /// The base URL of an OTLP/HTTP backend, which becomes the destination `default`. Without any
    /// destination, events are kept on the device, and `health()` has a hint about it.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Adds a header to every request to the endpoint.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a further backend. There may be 8 in all, each with a name of its own.
    pub fn destination(mut self, destination: Destination) -> Self {
        self.destinations.push(destination);
        self
    }

    /// Adds an attribute to the resource, for example `device.model.identifier`, in place of one of
    /// that key which the client would set. At most 112.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// Lets requests to a host and its sub-domains carry trace headers. The argument is a name or a
    /// [`TraceHost`] with its own formats, baggage keys and injection. Default: no host.
    pub fn trace_host(mut self, host: impl Into<TraceHost>) -> Self {
        self.trace_hosts.push(host.into());
        self
    }

    /// Fills in the defaults and checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] that names the first field that cannot work and says what would be
    /// right.
    pub fn build(self) -> Result<Config, Error> {
        let is_live = self.environment.is_live();
        let mut destinations = self.destinations;
        if let Some(endpoint) = self.endpoint {
            let destination = Destination {
                headers: self.headers,
                encoding: self.encoding,
                temporality: self.temporality,
                ..Destination::new("default", endpoint)
            };
            destinations.insert(0, destination);
        }
        let flush_interval =
            self.flush_interval.unwrap_or(if is_live { DEFAULT_FLUSH_INTERVAL } else { DEFAULT_FLUSH_INTERVAL_DEV });
        let config = Config {
            trace_sample_rate: self.trace_sample_rate.unwrap_or(if is_live { DEFAULT_TRACE_RATE } else { 1.0 }),
            send: SendPolicy {
                flush_interval,
                flush_events: self.flush_events,
                metered_uploads: self.metered_uploads,
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
            installation_id: self.installation_id,
            device_tag: self.device_tag.filter(|tag| !tag.is_empty()),
            debug: self.debug,
            start_jitter: self.start_jitter,
            self_report: self.self_report,
            session_events: self.session_events,
            synthetic_views: self.synthetic_views,
            redact: self.redact,
            tail_sampling: self.tail_sampling,
            capture_crashes: self.capture_crashes,
        };
        config.check()?;
        Ok(config)
    }
}
