//! Drafts of the vectors, and a client that is started for a test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use throughline::testing::FaultServer;
use throughline_ffi::{
    AppEnvironment, AuthHeaders, Consent, Destination, HostDuration, HostTransport, TelemetryConfig, TelemetryCore,
    throughline_record,
};

pub fn vectors() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/draft.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn bytes(vector: &serde_json::Value) -> Vec<u8> {
    let hex = vector["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The draft of the vector with a name.
pub fn draft(name: &str) -> Vec<u8> {
    let vectors = vectors();
    let found = vectors["drafts"].as_array().unwrap().iter().find(|vector| vector["vector"] == name);
    bytes(found.unwrap_or_else(|| panic!("no vector `{name}`")))
}

/// The same draft with another context.
pub fn within(context: u64, mut draft: Vec<u8>) -> Vec<u8> {
    draft[8..16].copy_from_slice(&context.to_le_bytes());
    draft
}

/// The same draft at another time.
pub fn at(time_ns: u64, mut draft: Vec<u8>) -> Vec<u8> {
    draft[16..24].copy_from_slice(&time_ns.to_le_bytes());
    draft
}

/// A length of time across the boundary.
pub fn seconds(seconds: u64) -> HostDuration {
    HostDuration(Duration::from_secs(seconds))
}

pub fn config(dir: &Path, endpoint: &str) -> TelemetryConfig {
    TelemetryConfig {
        installation_id: true,
        device_tag: None,
        service_name: "it".to_owned(),
        data_dir: dir.to_str().unwrap().to_owned(),
        sdk_language: "rust".to_owned(),
        service_version: String::new(),
        environment: Some(AppEnvironment::Test),
        destinations: vec![Destination {
            name: "default".to_owned(),
            endpoint: endpoint.to_owned(),
            headers: vec![],
            encoding: None,
            temporality: None,
            signals: None,
            signal_endpoints: vec![],
            format: None,
            lanes: None,
            kinds: None,
            max_age: None,
        }],
        resource: vec![],
        trace_hosts: vec![],
        enabled: true,
        session_sample_rate: 1.0,
        trace_sample_rate: None,
        flush_interval: Some(seconds(3_600)),
        flush_events: Some(1_000_000),
        metered_uploads: None,
        daily_bytes: None,
        queue_bytes: None,
        max_age: None,
        start_jitter: false,
        self_report: false,
        capture_crashes: true,
        redact: None,
        tail_sampling: None,
        pull: false,
        debug: false,
    }
}

pub struct App {
    pub dir: tempfile::TempDir,
    pub server: FaultServer,
    pub core: Arc<TelemetryCore>,
}

impl App {
    pub fn start() -> Self {
        Self::start_with(|_| {}, None, None)
    }

    pub fn start_with(
        change: impl FnOnce(&mut TelemetryConfig),
        transport: Option<Arc<dyn HostTransport>>,
        auth: Option<Arc<dyn AuthHeaders>>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut config = config(dir.path(), &server.url());
        change(&mut config);
        let core = TelemetryCore::start(config, Consent::Granted, transport, auth, None).unwrap();
        Self { dir, server, core }
    }

    pub fn record(&self, draft: &[u8]) -> i64 {
        record(self.core.door(), draft)
    }

    pub fn received(&self) -> (Vec<LogRecord>, Vec<Span>) {
        let flush = self.core.flush(seconds(20)).unwrap();
        assert!(flush.complete, "{flush:?}");
        received(&self.server)
    }
}

#[allow(unsafe_code, reason = "what C does")]
pub fn record(door: u64, draft: &[u8]) -> i64 {
    // SAFETY: the slice lives during the call.
    unsafe { throughline_record(door, draft.as_ptr(), draft.len()) }
}

pub fn received(server: &FaultServer) -> (Vec<LogRecord>, Vec<Span>) {
    let (mut logs, mut spans) = (Vec::new(), Vec::new());
    for request in server.received().into_iter().filter(|request| request.stored) {
        if request.path.ends_with("/v1/logs") {
            let decoded = ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap();
            logs.extend(decoded.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records));
        } else if request.path.ends_with("/v1/traces") {
            let decoded = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
            spans.extend(decoded.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans));
        }
    }
    (logs, spans)
}

/// An attribute as text.
pub fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.as_ref()?.value.clone());
    match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        _ => String::new(),
    }
}
