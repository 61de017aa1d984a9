//! Collects a configuration, value by value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Config, Destination, Encoding, Environment, MeteredUploads, RedactRules, SendPolicy, TailSampling, TraceHost,
};
use crate::model::error::Error;
use crate::model::event::Temporality;
use crate::model::limits::{DEFAULT_CRASH_BYTES, DEFAULT_MAX_AGE, DEFAULT_QUEUE_BYTES};

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
            temporality: Temporality::Cumulative,
        }
    }
}

/// Collects a configuration; [`ConfigBuilder::build`] checks it.
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
    pub(super) temporality: Temporality,
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
    /// What goes over a metered_uploads network. Default: everything.
    metered_uploads: MeteredUploads;
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
    /// A random id for `app.installation.id`, kept in the data directory alone: a new one after an erasure and in a directory
    /// that comes from another device. Default: true.
    installation_id: bool;
    /// What tells this device from others: `identifierForVendor`, `ANDROID_ID`. Never sent; a hash of it is kept, so that a
    /// restored or cloned backup is noticed and gets an installation and a session of its own. Default: none.
    device_tag: impl Into<Option<String>>;
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
    tail_sampling: impl Into<Option<TailSampling>>;
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

    /// Adds an attribute to the resource, for example `device.model.identifier`; one of our own gives way to it.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// Allows trace headers for a host and its sub-domains: a name, or a [`TraceHost`] with formats, baggage keys and
    /// injection of its own. Default: no host.
    pub fn trace_host(mut self, host: impl Into<TraceHost>) -> Self {
        self.trace_hosts.push(host.into());
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
        };
        config.check()?;
        Ok(config)
    }
}
