//! The names that leave the device, against the registry of OpenTelemetry's semantic conventions.
//!
//! A name that the registry does not have belongs into a namespace of ours; elsewhere a later
//! version of the conventions could give it another meaning.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use throughline::event::{Custom, ErrorEvent, Log, LongTask, Severity};
use throughline::state::StorePolicy;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry, User};

use crate::sources::{Kind, files, product, read};
use crate::support::{LONG, builder};

/// The namespaces that are ours. An attribute of the app's gets out of their way.
const OURS: [&str; 5] = ["throughline.", "state.", "mutation.", "rum.", "operation."];
/// The namespace of what the modules for a platform add as an app would.
const OF_THE_BINDINGS: &str = "dev.throughline.";
/// What the specification defines and the registry does not list.
const OF_THE_SPECIFICATION: [&str; 1] = ["otel.metric.overflow"];
/// Parts of a user, which the core puts behind `user.`.
const OF_A_USER: [&str; 3] = ["id", "name", "email"];
/// Constants in `src/model/names` that are no attributes: of the scope, of events of spans, of
/// vitals.
const WORDS: [&str; 5] =
    ["SCOPE_NAME", "SPAN_EVENT_RETRY", "VITAL_FULL_DISPLAY", "VITAL_INITIAL_DISPLAY", "VITAL_PROCESS_START"];

/// The registry: the type of each name that is not deprecated. An event's type is `event`.
struct Registry(BTreeMap<(String, bool), String>);

impl Registry {
    fn read() -> Self {
        let text = read(Path::new("tests/semconv/registry.tsv"));
        let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
        let current =
            rows.filter(|row| row.len() == 2).map(|row| ((row[0].to_owned(), row[1] == "event"), row[1].to_owned()));
        Self(current.collect())
    }

    /// The type of an attribute, or that of the template that it is one of.
    fn attribute(&self, name: &str) -> Option<&str> {
        let known = |name: &str| self.0.get(&(name.to_owned(), false)).map(String::as_str);
        let mut parts = name.match_indices('.').map(|(at, _)| &name[..at]);
        known(name)
            .filter(|kind| !kind.starts_with("template"))
            .or_else(|| parts.find_map(|part| known(part)?.strip_prefix("template[")?.strip_suffix(']')))
    }

    fn is_event(&self, name: &str) -> bool {
        self.0.contains_key(&(name.to_owned(), true))
    }

    fn has_namespace(&self, prefix: &str) -> bool {
        self.0.keys().any(|(name, is_event)| !is_event && (name.starts_with(prefix) || format!("{name}.") == prefix))
    }
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|prefix| name.starts_with(prefix))
}

/// The texts of the constants in a file, each with the constant's name.
fn constants(code: &str) -> Vec<(String, String)> {
    let (mut found, mut constant) = (Vec::new(), None);
    let code = product(code);
    for (at, token) in code.iter().enumerate() {
        match &token.kind {
            Kind::Text => found.extend(constant.clone().map(|name: String| (name, token.text.clone()))),
            _ if token.is("const") => constant = code.get(at + 1).map(|name| name.text.clone()),
            _ if token.is("fn") => constant = None,
            _ => {}
        }
    }
    found
}

/// The names in a file of the conventions' that the registry does not have.
fn strays_of_the_conventions(code: &str, registry: &Registry) -> Vec<String> {
    let is_known = |constant: &str, text: &str| match constant {
        "SCHEMA_URL" => text.ends_with("/1.44.0"),
        _ if constant.starts_with("EVENT_") => registry.is_event(text),
        _ if text.ends_with('.') => registry.has_namespace(text),
        _ => registry.attribute(text).is_some() || OF_THE_SPECIFICATION.contains(&text),
    };
    let strays = constants(code).into_iter().filter(|(constant, text)| !is_known(constant, text));
    strays.map(|(constant, text)| format!("{constant} = {text}")).collect()
}

/// The names in a file of ours that are in no namespace of ours, or that the registry has.
fn strays_of_ours(code: &str, registry: &Registry) -> Vec<String> {
    let is_sound = |constant: &str, text: &str| {
        let is_event = constant.starts_with("EVENT_") && constant != "EVENT_ID";
        if is_event { !registry.is_event(text) } else { is_ours(text) || WORDS.contains(&constant) }
    };
    let strays = constants(code).into_iter().filter(|(constant, text)| !is_sound(constant, text));
    strays.map(|(constant, text)| format!("{constant} = {text}")).collect()
}

#[test]
fn a_name_that_the_registry_does_not_have_is_in_a_namespace_of_ours() {
    let registry = Registry::read();
    assert!(registry.0.len() > 150, "only {} names were read", registry.0.len());
    let (theirs, ours) = (read(Path::new("src/model/names/semconv.rs")), read(Path::new("src/model/names/mod.rs")));
    assert!(constants(&theirs).len() > 40 && constants(&ours).len() > 80);
    assert_eq!(strays_of_the_conventions(&theirs, &registry), [""; 0]);
    assert_eq!(strays_of_ours(&ours, &registry), [""; 0]);
    let taken: Vec<_> =
        OURS.iter().filter(|prefix| registry.0.keys().any(|(name, _)| name.starts_with(*prefix))).collect();
    assert!(taken.is_empty(), "the registry has {taken:?}");
}

#[test]
fn a_planted_name_without_a_place_in_the_registry_is_found() {
    let registry = Registry::read();
    let stray = |code: &str| strays_of_the_conventions(code, &registry).len();
    assert_eq!(stray("pub const A: &str = \"server.port\"; pub const EVENT_A: &str = \"app.jank\";"), 0);
    assert_eq!(stray("pub const A: &str = \"http.request.header.via\";"), 0);
    for planted in ["server.prt", "event.name", "net.peer.port", "app.jank", "http.request.header", "userx."] {
        assert_eq!(stray(&format!("pub const A: &str = \"{planted}\";")), 1, "{planted}");
    }
    assert_eq!(stray("pub const EVENT_A: &str = \"server.port\";"), 1);
    for planted in ["start.type", "count", "event.id", "server.port"] {
        assert_eq!(strays_of_ours(&format!("pub const A: &str = \"{planted}\";"), &registry).len(), 1, "{planted}");
    }
}

/// Everything that an app can cause, under names that it cannot choose.
fn cause_everything(telemetry: &Telemetry) {
    let user = User { id: "u", name: "n", email: "a@b.example", attributes: &[] };
    assert!(telemetry.set_user(Some(user)) && telemetry.set_feature_flag("cart.v2", Some(true.into())));
    telemetry.record_process_start("cold", Duration::from_millis(800));
    telemetry.record_initial_display(Duration::from_millis(900));
    telemetry.start_view("Cart");
    telemetry.record_frames(60);
    telemetry.record_slow_frame(Duration::from_millis(40));
    telemetry.record_slow_frame(Duration::from_millis(900));
    telemetry.record_memory(4_096);
    telemetry.record_cpu(Duration::from_millis(2));
    telemetry.mark_interactive();
    let store = telemetry.traced_store("Cart", &StorePolicy::default().coalesce(Duration::ZERO)).unwrap();
    for _ in 0..3 {
        telemetry.tap("pay");
        telemetry.record_error(&ErrorEvent::new("E", "handled").stack("at main"));
    }
    let mut operation = telemetry.start_operation("Pay");
    operation.retry(2);
    operation.scope(|| {
        store.set("total", 1, 2);
        store.set("name", "a", "b");
        let mut request = telemetry.start_resource("BREW", "https://api.test:8443/pay");
        assert!(!request.headers(&[]).is_empty());
        request.stop(418, |mut resource| {
            (resource.size, resource.protocol) = (Some(7), "h2");
            resource
        });
        telemetry.start_resource("GET", "https://api.test/").fail("timeout");
    });
    for _ in 0..200 {
        operation.add_event("moment", &[]);
    }
    operation.fail("PayError", "declined");
    drop(telemetry.start_operation("Abandoned"));
    telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "null", "main"));
    telemetry.record_long_task(&LongTask::new(Duration::from_millis(300)));
    let mut log = Log::new(Severity::Warn, "careful");
    log.logger = "shop.cart";
    telemetry.record_log(&log);
    telemetry.record_sync_failure("orders.push", "unavailable", 3, true);
    telemetry.record_queue_flush(12, false);
    telemetry.report_problem("it is slow");
    telemetry.record_custom(&Custom::new("long").attributes(&[]));
    let many = telemetry.counter("many", "1").unwrap();
    let labels: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    labels.iter().for_each(|label| many.record(1.0, &[("rum.label", label.as_str().into())]));
    telemetry.finish_collecting();
    telemetry.stop_view();
}

/// The attributes of everything that a server has received.
fn sent(server: &FaultServer) -> Vec<KeyValue> {
    let mut found = Vec::new();
    for request in server.received() {
        let body = request.body.as_slice();
        if request.path.ends_with("/v1/logs") {
            for group in ExportLogsServiceRequest::decode(body).unwrap().resource_logs {
                found.extend(group.resource.unwrap().attributes);
                let logs = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
                found.extend(logs.flat_map(|log| log.attributes));
            }
        } else if request.path.ends_with("/v1/traces") {
            for group in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                found.extend(group.resource.unwrap().attributes);
                for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    found.extend(span.events.into_iter().flat_map(|event| event.attributes));
                    found.extend(span.attributes);
                }
            }
        } else {
            let metrics = ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics;
            for metric in metrics.into_iter().flat_map(|group| group.scope_metrics).flat_map(|scope| scope.metrics) {
                let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum)) = metric.data else {
                    continue;
                };
                for point in sum.data_points {
                    found.extend(point.exemplars.into_iter().flat_map(|exemplar| exemplar.filtered_attributes));
                    found.extend(point.attributes);
                }
            }
        }
    }
    found
}

/// The type of a value, in the registry's words.
fn kind(value: Option<&AnyValue>) -> &'static str {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(_)) => "string",
        Some(Any::BoolValue(_)) => "boolean",
        Some(Any::IntValue(_)) => "int",
        Some(Any::DoubleValue(_)) => "double",
        Some(Any::ArrayValue(list)) if list.values.iter().all(|value| kind(Some(value)) == "string") => "string[]",
        _ => "another",
    }
}

#[test]
fn what_is_sent_has_the_names_and_the_types_of_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let rule = throughline::trace::TraceHost::new("api.test");
    let rule = rule.formats([throughline::trace::Format::TraceContext, throughline::trace::Format::Correlation]);
    let config = builder(dir.path()).service_version("1.2").endpoint(server.url()).trace_host(rule);
    let config = config.self_report(true).synthetic_views(true).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    cause_everything(&telemetry);
    telemetry.record_action(&throughline::event::Action::tap(&"x".repeat(2_000)));
    for _ in 0..2 {
        assert!(telemetry.flush(LONG).complete);
        telemetry.record_log(&Log::new(Severity::Info, "what the client says of itself comes with the next flush"));
    }
    let registry = Registry::read();
    let sent = sent(&server);
    let mut seen = BTreeMap::new();
    for pair in &sent {
        let found = kind(pair.value.as_ref());
        let is_right = match registry.attribute(&pair.key) {
            Some("any") => true,
            Some(wanted) => wanted.trim_start_matches("enum ") == found,
            None => is_ours(&pair.key) || pair.key == "app.rum.label" || OF_THE_SPECIFICATION.contains(&&*pair.key),
        };
        seen.entry(pair.key.as_str()).or_insert((is_right, found)).0 &= is_right;
    }
    let wrong: Vec<_> = seen.iter().filter(|(_, (is_right, _))| !is_right).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // What this test is about was really sent.
    for name in [
        "app.jank.threshold",
        "error.type",
        "exception.stacktrace",
        "feature_flag.key",
        "feature_flag.result.value",
        "http.request.header.x-correlation-id",
        "http.request.method_original",
        "log.record.uid",
        "operation.attempt",
        "otel.metric.overflow",
        "rum.error.source",
        "rum.problem.message",
        "rum.queue.flush.ok",
        "rum.start.type",
        "rum.sync.retries",
        "server.port",
        "state.path",
        "throughline.event.id",
        "throughline.feature_flag.cart.v2",
        "throughline.flush.success",
        "throughline.span.excess",
        "throughline.truncated",
        "user.email",
    ] {
        assert!(seen.contains_key(name), "{name} was not sent: {:?}", seen.keys());
    }
    let arch = sent.iter().find(|pair| pair.key == "host.arch").and_then(|pair| pair.value.clone()?.value);
    let known = ["amd64", "arm32", "arm64", "ia64", "ppc32", "ppc64", "s390x", "x86"];
    assert!(matches!(&arch, Some(Any::StringValue(arch)) if known.contains(&arch.as_str())), "{arch:?}");
}

/// The keys that the sources of a binding give to attributes, where these are written as texts.
fn keys_of_a_binding(code: &str) -> Vec<&str> {
    let lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with(['*', '/']));
    let begins = ["put(\"", "resource(\"", "system[\"", "system = [\""];
    let keys = lines.flat_map(|line| {
        begins.iter().flat_map(move |begin| line.split(begin).skip(1).filter_map(|rest| rest.split('"').next()))
    });
    keys.collect()
}

#[test]
fn the_bindings_add_no_name_that_the_registry_does_not_have() {
    let registry = Registry::read();
    let (mut seen, mut strays) = (0, Vec::new());
    for file in files("bindings", &["kt", "swift"]) {
        if file.components().any(|part| ["test", "Tests", "consumer"].iter().any(|tests| part.as_os_str() == *tests)) {
            continue;
        }
        let code = read(&file);
        for key in keys_of_a_binding(&code) {
            seen += 1;
            let is_sound = key.starts_with(OF_THE_BINDINGS) || OF_A_USER.contains(&key);
            if registry.attribute(key).is_none() && !is_sound {
                strays.push(format!("{}: {key}", file.display()));
            }
        }
    }
    assert!(seen > 8, "only {seen} keys were found");
    assert!(strays.is_empty(), "{strays:#?}");
}
