//! The part of Swift and Kotlin in an app: a client that starts with what JavaScript asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use throughline_ffi::{
    AppEnvironment, Consent, Destination, Encoding, EventKind, EventLane, HeaderField, HostDuration, OtlpSignal,
    TelemetryConfig, Temporality, TraceFormat, TraceHost, TraceInjection,
};

/// A `Configuration` of JavaScript's. What the tests do not set is refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Configuration {
    consent: String,
    #[serde(default)]
    service_name: String,
    #[serde(default)]
    service_version: String,
    environment: Option<String>,
    endpoint: Option<String>,
    #[serde(default)]
    destinations: Vec<Backend>,
    #[serde(default)]
    trace_hosts: Vec<Host>,
    enabled: Option<bool>,
    session_sample_rate: Option<f64>,
    trace_sample_rate: Option<f64>,
    flush_interval_ms: Option<u64>,
    flush_events: Option<u64>,
    start_jitter: Option<bool>,
    self_report: Option<bool>,
    capture_crashes: Option<bool>,
    debug: Option<bool>,
    pub(crate) data_dir: Option<String>,
    installation_id: Option<bool>,
    #[serde(default)]
    resource: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Backend {
    name: Option<String>,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    encoding: Option<String>,
    temporality: Option<String>,
    signals: Option<Vec<String>>,
    lanes: Option<Vec<String>>,
    kinds: Option<Vec<String>>,
    max_age_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Host {
    Name(String),
    #[serde(rename_all = "camelCase")]
    Rules {
        host: String,
        #[serde(default)]
        formats: Vec<String>,
        injection: Option<String>,
        #[serde(default)]
        baggage_keys: Vec<String>,
    },
}

type Refused = String;

impl Configuration {
    /// What the core starts with. `data_dir` is the directory of an app that names none.
    pub(crate) fn to_core(&self, data_dir: &str) -> Result<(TelemetryConfig, Consent), Refused> {
        let consent = match self.consent.as_str() {
            "granted" => Consent::Granted,
            "pending" => Consent::Pending,
            "denied" => Consent::Denied,
            _ => return Err("consent must be one of granted, pending, denied".to_owned()),
        };
        let environment = match self.environment.as_deref() {
            None | Some("production") => AppEnvironment::Production,
            Some("development") => AppEnvironment::Development,
            Some("test") => AppEnvironment::Test,
            Some("staging") => AppEnvironment::Staging,
            Some(_) => return Err("environment must be one of development, test, staging, production".to_owned()),
        };
        let mut destinations = Vec::new();
        if let Some(endpoint) = &self.endpoint {
            destinations.push(Backend { endpoint: endpoint.clone(), ..Backend::default() }.to_core(true)?);
        }
        for backend in &self.destinations {
            destinations.push(backend.to_core(destinations.is_empty())?);
        }
        let config = TelemetryConfig {
            service_name: self.service_name.clone(),
            data_dir: self.data_dir.clone().unwrap_or_else(|| data_dir.to_owned()),
            sdk_language: "javascript".to_owned(),
            installation_id: self.installation_id.unwrap_or(true),
            device_tag: None,
            service_version: self.service_version.clone(),
            environment: Some(environment),
            destinations,
            resource: fields(&self.resource),
            trace_hosts: self.trace_hosts.iter().map(Host::to_core).collect::<Result<_, _>>()?,
            enabled: self.enabled.unwrap_or(true),
            session_sample_rate: self.session_sample_rate.unwrap_or(1.0),
            trace_sample_rate: self.trace_sample_rate,
            flush_interval: self.flush_interval_ms.map(|ms| HostDuration(Duration::from_millis(ms))),
            flush_events: self.flush_events,
            metered_uploads: None,
            daily_bytes: None,
            queue_bytes: None,
            max_age: None,
            start_jitter: self.start_jitter.unwrap_or(true),
            self_report: self.self_report.unwrap_or(true),
            capture_crashes: self.capture_crashes.unwrap_or(true),
            redact: None,
            tail_sampling: None,
            pull: false,
            debug: self.debug.unwrap_or(false),
        };
        Ok((config, consent))
    }
}

impl Backend {
    fn to_core(&self, is_first: bool) -> Result<Destination, Refused> {
        let unnamed = || if is_first { "default".to_owned() } else { self.endpoint.clone() };
        let signal = |name: &String| match name.as_str() {
            "logs" => Ok(OtlpSignal::Logs),
            "traces" => Ok(OtlpSignal::Traces),
            "metrics" => Ok(OtlpSignal::Metrics),
            _ => Err("signals must be a list of logs, traces, metrics".to_owned()),
        };
        Ok(Destination {
            name: self.name.clone().unwrap_or_else(unnamed),
            endpoint: self.endpoint.clone(),
            headers: fields(&self.headers),
            encoding: match self.encoding.as_deref() {
                None => None,
                Some("protobuf") => Some(Encoding::Protobuf),
                Some("json") => Some(Encoding::Json),
                Some(_) => return Err("encoding must be one of protobuf, json".to_owned()),
            },
            temporality: match self.temporality.as_deref() {
                None => None,
                Some("cumulative") => Some(Temporality::Cumulative),
                Some("delta") => Some(Temporality::Delta),
                Some(_) => return Err("temporality must be one of cumulative, delta".to_owned()),
            },
            signals: self.signals.as_ref().map(|all| all.iter().map(signal).collect()).transpose()?,
            signal_endpoints: vec![],
            format: None,
            lanes: self.lanes.as_ref().map(|all| all.iter().map(|name| lane(name)).collect()).transpose()?,
            kinds: self.kinds.as_ref().map(|all| all.iter().map(|name| kind(name)).collect()).transpose()?,
            max_age: self.max_age_ms.map(|ms| HostDuration(Duration::from_millis(ms))),
        })
    }
}

fn lane(name: &str) -> Result<EventLane, Refused> {
    Ok(match name {
        "crash" => EventLane::Crash,
        "error" => EventLane::Error,
        "event" => EventLane::Event,
        "bulk" => EventLane::Bulk,
        _ => return Err("lanes must be a list of crash, error, event, bulk".to_owned()),
    })
}

fn kind(name: &str) -> Result<EventKind, Refused> {
    Ok(match name {
        "view" => EventKind::View,
        "action" => EventKind::Action,
        "error" => EventKind::Error,
        "custom" => EventKind::Custom,
        "log" => EventKind::Log,
        _ => return Err("kinds must be a list of those that the tests know".to_owned()),
    })
}

impl Host {
    fn to_core(&self) -> Result<TraceHost, Refused> {
        let named =
            |host: &str| TraceHost { host: host.to_owned(), formats: vec![], injection: None, baggage_keys: vec![] };
        let Self::Rules { host, formats, injection, baggage_keys } = self else {
            let Self::Name(host) = self else { return Err("no host".to_owned()) };
            return Ok(named(host));
        };
        let format = |name: &String| match name.as_str() {
            "traceContext" => Ok(TraceFormat::TraceContext),
            "baggage" => Ok(TraceFormat::Baggage),
            "datadog" => Ok(TraceFormat::Datadog),
            "b3" => Ok(TraceFormat::B3),
            "b3Multi" => Ok(TraceFormat::B3Multi),
            "correlation" => Ok(TraceFormat::Correlation),
            other => Err(format!("{other} is no format of trace headers")),
        };
        let injection = match injection.as_deref() {
            None | Some("sampled") => TraceInjection::Sampled,
            Some("all") => TraceInjection::All,
            Some(_) => return Err("injection must be one of sampled, all".to_owned()),
        };
        Ok(TraceHost {
            formats: formats.iter().map(format).collect::<Result<_, _>>()?,
            injection: Some(injection),
            baggage_keys: baggage_keys.clone(),
            ..named(host)
        })
    }
}

fn fields(map: &BTreeMap<String, String>) -> Vec<HeaderField> {
    map.iter().map(|(name, value)| HeaderField { name: name.clone(), value: value.clone() }).collect()
}
