//! A configuration from environment variables.

use std::time::Duration;

use super::{Config, Destination, Encoding, Environment, MeteredUploads, OtlpSignal, TraceHost};
use crate::model::error::Error;

impl Config {
    /// Reads a configuration from environment variables. An empty variable counts as missing.
    ///
    /// | variable `THROUGHLINE_…` | value |
    /// |---|---|
    /// | `SERVICE_NAME`, `DATA_DIR` | text; these two are required |
    /// | `SERVICE_VERSION`, `ENDPOINT` | text |
    /// | `LOGS_ENDPOINT`, `TRACES_ENDPOINT`, `METRICS_ENDPOINT` | the full URL of one signal |
    /// | `SIGNALS` | some of `logs,traces,metrics`; by default all that have an endpoint |
    /// | `ENVIRONMENT` | `development`, `test`, `staging`, `production` |
    /// | `HEADERS` | `key=value,key=value` |
    /// | `PROTOCOL` | `http/protobuf`, `http/json` |
    /// | `ENABLED`, `DEBUG` | `true`, `false` |
    /// | `SESSION_SAMPLE_RATE`, `TRACE_SAMPLE_RATE` | 0.0 to 1.0 |
    /// | `FLUSH_INTERVAL_MS` | milliseconds |
    /// | `QUEUE_BYTES`, `DAILY_BYTES` | bytes |
    /// | `METERED_UPLOADS` | `all`, `no_bulk`, `crashes_only` |
    /// | `TRACE_HOSTS` | names, separated by commas |
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] that names the variable that cannot be read, or the field with a
    /// value that cannot work.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    pub(crate) fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let var = |name: &str| get(name).filter(|value| !value.is_empty());
        let missing = |field| Error::config(field, "is not set: name your service and a directory of its own");
        let mut builder = Config::builder(
            var("THROUGHLINE_SERVICE_NAME").ok_or_else(|| missing("THROUGHLINE_SERVICE_NAME"))?,
            var("THROUGHLINE_DATA_DIR").ok_or_else(|| missing("THROUGHLINE_DATA_DIR"))?,
        );
        if let Some(version) = var("THROUGHLINE_SERVICE_VERSION") {
            builder.service_version = version;
        }
        if let Some(name) = var("THROUGHLINE_ENVIRONMENT") {
            builder.environment = Environment::parse(&name).ok_or_else(|| {
                Error::config("THROUGHLINE_ENVIRONMENT", "is none of development, test, staging, production")
            })?;
        }
        let mut destination = destination(var)?;
        for pair in var("THROUGHLINE_HEADERS").unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Error::config("THROUGHLINE_HEADERS", "has an entry without `=`: use key=value,key=value")
            })?;
            destination.headers.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        destination.encoding = match var("THROUGHLINE_PROTOCOL").as_deref() {
            None | Some("http/protobuf") => Encoding::Protobuf,
            Some("http/json") => Encoding::Json,
            Some(_) => return Err(Error::config("THROUGHLINE_PROTOCOL", "is neither http/protobuf nor http/json")),
        };
        if !destination.endpoint.is_empty() || !destination.signal_endpoints.is_empty() {
            builder.destinations.push(destination);
        }
        builder.metered_uploads = match var("THROUGHLINE_METERED_UPLOADS").as_deref() {
            None | Some("all") => MeteredUploads::All,
            Some("no_bulk") => MeteredUploads::NoBulk,
            Some("crashes_only") => MeteredUploads::CrashesOnly,
            Some(_) => {
                return Err(Error::config("THROUGHLINE_METERED_UPLOADS", "is none of all, no_bulk, crashes_only"));
            }
        };
        fn read<T: std::str::FromStr>(value: Option<String>, name: &'static str) -> Result<Option<T>, Error> {
            let parse =
                |text: String| text.parse().map_err(|_| Error::config(name, format!("cannot be read: `{text}`")));
            value.map(parse).transpose()
        }
        if let Some(enabled) = read(var("THROUGHLINE_ENABLED"), "THROUGHLINE_ENABLED")? {
            builder.enabled = enabled;
        }
        if let Some(rate) = read(var("THROUGHLINE_SESSION_SAMPLE_RATE"), "THROUGHLINE_SESSION_SAMPLE_RATE")? {
            builder.session_sample_rate = rate;
        }
        builder.trace_sample_rate = read(var("THROUGHLINE_TRACE_SAMPLE_RATE"), "THROUGHLINE_TRACE_SAMPLE_RATE")?;
        builder.flush_interval =
            read(var("THROUGHLINE_FLUSH_INTERVAL_MS"), "THROUGHLINE_FLUSH_INTERVAL_MS")?.map(Duration::from_millis);
        if let Some(bytes) = read(var("THROUGHLINE_QUEUE_BYTES"), "THROUGHLINE_QUEUE_BYTES")? {
            builder.queue_bytes = bytes;
        }
        builder.daily_bytes = read(var("THROUGHLINE_DAILY_BYTES"), "THROUGHLINE_DAILY_BYTES")?;
        let hosts = var("THROUGHLINE_TRACE_HOSTS").unwrap_or_default();
        builder.trace_hosts =
            hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(TraceHost::new).collect();
        if let Some(debug) = read(var("THROUGHLINE_DEBUG"), "THROUGHLINE_DEBUG")? {
            builder.debug = debug;
        }
        builder.build()
    }
}

/// The destination of the variables, so far without headers and encoding. It has no URL when no
/// variable has one.
fn destination(var: impl Fn(&str) -> Option<String>) -> Result<Destination, Error> {
    let mut destination = Destination::new("default", var("THROUGHLINE_ENDPOINT").unwrap_or_default());
    let variables = ["THROUGHLINE_LOGS_ENDPOINT", "THROUGHLINE_TRACES_ENDPOINT", "THROUGHLINE_METRICS_ENDPOINT"];
    for (signal, variable) in OtlpSignal::ALL.into_iter().zip(variables) {
        destination.signal_endpoints.extend(var(variable).map(|url| (signal, url)));
    }
    if destination.endpoint.is_empty() && !destination.signal_endpoints.is_empty() {
        destination.signals = destination.signal_endpoints.keys().copied().collect();
    }
    if let Some(names) = var("THROUGHLINE_SIGNALS") {
        let unknown = || Error::config("THROUGHLINE_SIGNALS", "has a name that is none of logs, traces, metrics");
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let signals = names.map(|name| OtlpSignal::parse(name).ok_or_else(unknown));
        destination.signals = signals.collect::<Result<_, _>>()?;
    }
    Ok(destination)
}
