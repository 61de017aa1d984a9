//! A client with a clock that the test moves and a backend that it reads.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use throughline::testing::FaultServer;
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry};

use crate::support::{LONG, builder, tick};

pub struct Received {
    pub logs: Vec<LogRecord>,
    pub spans: Vec<Span>,
}

/// What has arrived, as a reader keeps it: of a view that was sent while it was open, the last
/// version.
pub fn received(server: &FaultServer) -> Received {
    let mut received = arrived(server);
    let version = |log: &LogRecord| text(&log.attributes, "rum.view.version").parse::<u64>().unwrap_or(0);
    let newest: Vec<_> = received.named("app.screen.view").into_iter().cloned().collect();
    received.logs.retain(|log| {
        let view = |log: &LogRecord| text(&log.attributes, "app.screen.id");
        let is_same = |other: &&LogRecord| other.event_name == log.event_name && view(other) == view(log);
        !newest.iter().filter(is_same).any(|other| version(other) > version(log))
    });
    received
}

/// Everything that has arrived.
pub fn arrived(server: &FaultServer) -> Received {
    let (mut logs, mut spans) = (Vec::new(), Vec::new());
    for request in server.received() {
        if request.path.ends_with("/v1/logs") {
            let decoded = ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap();
            let records = decoded.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records);
            logs.extend(records);
        } else if request.path.ends_with("/v1/traces") {
            let decoded = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
            spans.extend(decoded.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans));
        }
    }
    Received { logs, spans }
}

/// What the server keeps, each event once: a process that dies before its backend's answer is
/// stored leaves what it has sent to the next one, which sends it again under the same id.
pub fn distinct(server: &FaultServer) -> Vec<LogRecord> {
    let mut logs = arrived(server).logs;
    let mut known = std::collections::HashSet::new();
    logs.retain(|log| known.insert(text(&log.attributes, "log.record.uid")));
    logs
}

pub fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.as_ref()?.value.clone());
    match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        Some(Any::ArrayValue(list)) => format!(
            "{:?}",
            list.values
                .into_iter()
                .filter_map(|v| match v.value {
                    Some(Any::StringValue(text)) => Some(text),
                    _ => None,
                })
                .collect::<Vec<_>>()
        ),
        _ => String::new(),
    }
}

impl Received {
    pub fn named(&self, name: &str) -> Vec<&LogRecord> {
        self.logs.iter().filter(|log| log.event_name == name).collect()
    }
}

pub struct App {
    pub dir: tempfile::TempDir,
    pub server: FaultServer,
    pub telemetry: Telemetry,
    pub clock: std::sync::Arc<ManualClock>,
}

pub fn app() -> App {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let clock = ManualClock::new();
    let mut host = Host::default();
    host.clock = Clock::Manual(clock.clone());
    let config = builder(dir.path()).endpoint(server.url()).synthetic_views(true).build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    telemetry.drain(LONG);
    App { dir, server, telemetry, clock }
}

impl App {
    /// Moves the clock, and returns when the worker has noticed.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tick(&self.telemetry);
    }

    pub fn end(&self) -> Received {
        self.telemetry.stop_view();
        self.pass(Duration::from_secs(6));
        self.telemetry.drain(LONG);
        // A view is sent when it ends.
        self.telemetry.flush(LONG);
        received(&self.server)
    }
}
