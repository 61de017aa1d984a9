//! Every RUM event against Datadog's own schemas, in an open world and a closed one.
//!
//! The schemas let a typo pass, because they allow members that they do not declare. So each event
//! is validated, and then searched for members that nothing declares.
//!
//! They are those of `DataDog/rum-events-format`. The folder with its `schemas` is named by the
//! variable `THROUGHLINE_SCHEMAS`; without it, a folder beside the workspace is tried.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonschema::{Draft, Registry, Validator};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::rows::{ACTION, Stored, TRACE, every_kind};
use super::*;
use crate::model::value::lend;

/// Where the schemas are thought to be.
const BASE: &str = "https://schemas.test/";

struct Schemas {
    files: BTreeMap<String, Json>,
    validator: Validator,
}

/// The schemas, if there are any.
fn schemas() -> Option<&'static Schemas> {
    static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();
    let read = || {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/schemas");
        let named = std::env::var_os("THROUGHLINE_SCHEMAS").map(PathBuf::from);
        let folder = named.clone().unwrap_or(beside);
        let folders = [folder.join("rum-events-format/schemas"), folder.join("schemas"), folder];
        let Some(folder) = folders.into_iter().find(|folder| folder.join("rum-events-mobile-schema.json").exists())
        else {
            assert!(named.is_none(), "THROUGHLINE_SCHEMAS names a folder without rum-events-mobile-schema.json");
            eprintln!("skipped: there are no schemas of RUM events (THROUGHLINE_SCHEMAS)");
            return None;
        };
        Some(Schemas::read(&folder))
    };
    SCHEMAS.get_or_init(read).as_ref()
}

impl Schemas {
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "json") {
                    let mut schema: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                    // A relative id would be resolved below the folder that it already names.
                    schema.as_object_mut().unwrap().retain(|key, _| key != "$id" && key != "$schema");
                    files.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/"), schema);
                }
            }
        }
        let pairs = files.iter().map(|(name, schema)| (format!("{BASE}{name}"), schema.clone()));
        let registry = Registry::new().draft(Draft::Draft7).extend(pairs).unwrap().prepare().unwrap();
        let root = json!({"$ref": format!("{BASE}rum-events-mobile-schema.json")});
        let options = jsonschema::options().with_draft(Draft::Draft7).offline();
        let validator = options.with_registry(&registry).build(&root).unwrap();
        Self { validator, files }
    }

    /// What is wrong with an event.
    fn faults(&self, event: &Json) -> Vec<String> {
        let mut faults: Vec<_> = self.validator.iter_errors(event).map(|error| error.to_string()).collect();
        let kind = event["type"].as_str().unwrap_or_default();
        let file = match (kind, event["vital"]["type"].as_str()) {
            ("vital", Some(vital)) => format!("rum/vital-{}-schema.json", vital.replace('_', "-")),
            _ => format!("rum/{kind}-schema.json"),
        };
        match self.files.get(&file) {
            Some(schema) => self.undeclared(event, &[(file.as_str(), schema)], "", &mut faults),
            None => faults.push(format!("no schema is called {file}")),
        }
        faults
    }

    /// The schemas that hold for one value: those given, and what they refer to.
    fn expand<'s>(&'s self, schemas: &[(&str, &'s Json)]) -> Vec<(String, &'s Json)> {
        let (mut open, mut found) =
            (schemas.iter().map(|(file, schema)| ((*file).to_owned(), *schema)).collect::<Vec<_>>(), Vec::new());
        while let Some((file, schema)) = open.pop() {
            if let Some(reference) = schema["$ref"].as_str() {
                let folder = Path::new(&file).parent().unwrap();
                let path = folder.join(reference.trim_start_matches("./"));
                let path = path.to_str().unwrap().to_owned();
                open.push((path.clone(), &self.files[&path]));
            }
            for part in ["allOf", "oneOf", "anyOf"] {
                open.extend(schema[part].as_array().into_iter().flatten().map(|part| (file.clone(), part)));
            }
            found.push((file, schema));
        }
        found
    }

    /// Finds members that no schema declares.
    fn undeclared(&self, value: &Json, schemas: &[(&str, &Json)], path: &str, faults: &mut Vec<String>) {
        let schemas = self.expand(schemas);
        match value {
            Json::Object(members) => {
                let is_open = schemas
                    .iter()
                    .any(|(_, schema)| !matches!(schema["additionalProperties"], Json::Null | Json::Bool(false)));
                for (key, member) in members {
                    let declared = schemas
                        .iter()
                        .filter_map(|(file, schema)| Some((file.as_str(), schema["properties"].get(key)?)));
                    let declared: Vec<_> = declared.collect();
                    if !declared.is_empty() {
                        self.undeclared(member, &declared, &format!("{path}.{key}"), faults);
                    } else if !is_open {
                        faults.push(format!("{path}.{key} is declared nowhere"));
                    }
                }
            }
            Json::Array(items) => {
                let of_items: Vec<_> =
                    schemas.iter().filter_map(|(file, schema)| Some((file.as_str(), schema.get("items")?))).collect();
                for item in items {
                    self.undeclared(item, &of_items, &format!("{path}[]"), faults);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_kind_of_event_is_valid_and_has_no_member_that_the_schemas_do_not_declare() {
    let Some(schemas) = schemas() else { return };
    let all: Vec<_> =
        every_kind().into_iter().filter(|stored| exporter().signal(stored.row().kind()) == Some(RUM)).collect();
    let mut kinds = BTreeMap::new();
    for stored in &all {
        for is_placed in [true, false] {
            let mut stored = stored.clone();
            if !is_placed {
                stored.unplace(true);
                stored.resource(Vec::new());
            }
            for event in rum_of(&[stored]) {
                assert_eq!(schemas.faults(&event), [""; 0], "{event:#}");
                *kinds.entry(event["type"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["action", "error", "long_task", "resource", "view", "vital"]);
}

#[test]
fn a_planted_fault_is_found() {
    let Some(schemas) = schemas() else { return };
    let good = rum(&ErrorEvent::crash("E", "m", "s").attributes(&[("thread.id", 1.into())]));
    assert_eq!(schemas.faults(&good), [""; 0]);
    let planted: [(&str, Json); 10] = [
        ("/sevice", json!("typo")),
        ("/date", json!(1.5)),
        ("/session/id", json!("UPPER")),
        ("/session/kind", json!("user")),
        ("/error/source", json!("elsewhere")),
        ("/error/threads/0/id", json!(7)),
        ("/error/meta/signal", json!("x")),
        ("/_dd/format_version", json!(3)),
        ("/_dd/span_id", json!("cdcd")),
        ("/action", json!({})),
    ];
    for (pointer, value) in planted {
        let mut event = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[key] = value;
        assert!(!schemas.faults(&event).is_empty(), "{pointer}");
    }
    let mut event = good;
    event["context"]["anything"] = json!({"at": ["all"]});
    assert_eq!(schemas.faults(&event), [""; 0]);
}

/// Keys that mean something, and others.
fn key() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "",
        "a",
        "a.b",
        "id",
        "type",
        "trace_id",
        "span_id",
        "version",
        "service",
        "status",
        "_dd",
        "_dd.p.tid",
        "usr.id",
        "user.",
        "user.id",
        "user.name",
        "user.anonymous_id",
        "user.plan",
        "http.request.header.x-a",
        "http.request.header.",
        "http.response.header.a--b",
        "http.response.header.Ü",
        "thread.id",
        "thread.name",
        "process.pid",
        names::CRASH_SIGNAL,
        names::CRASH_CODE,
        names::HANG_DURATION,
        names::ACTION_ERRORS,
        names::ACTION_FRUSTRATION,
        names::VIEW_FROZEN_FRAMES,
        names::VIEW_MEMORY_MEAN,
        names::START_TYPE,
        names::OPERATION_NAME,
        names::OPERATION_OUTCOME,
        names::SERVER_OFFSET,
        names::FEATURE_FLAG,
        "throughline.feature_flag.x",
        names::DROPPED_ATTRIBUTES,
        "os.name",
        "os.version",
        "service.name",
        "service.version",
        "host.arch",
        "device.model.identifier",
        "app.installation.id",
        "error.type",
        "exception.stacktrace",
        "app.build_id",
    ];
    prop_oneof![3 => proptest::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        (0..9_i64).prop_map(AnyValue::Int),
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY)].prop_map(AnyValue::Double),
        ".{0,12}".prop_map(AnyValue::Text),
        proptest::sample::select(&["rage_tap", "cold", "warm", "iOS", "Android", "linux", "1.2"][..])
            .prop_map(|text| AnyValue::Text(text.to_owned())),
        proptest::collection::vec(any::<u8>(), 0..5).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::List),
            proptest::collection::vec((key(), inner), 0..4).prop_map(AnyValue::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<(String, AnyValue)>> {
    proptest::collection::vec((key(), value()), 0..12)
}

/// An event of any kind, with any attributes.
fn stored() -> impl Strategy<Value = Stored> {
    let numbers = (any::<u64>(), any::<u64>(), any::<f64>(), 0..24_u8);
    let texts = (".{0,20}", ".{0,20}", ".{0,20}");
    let parts = (numbers, texts, attributes(), attributes(), attributes(), 0..3_u8);
    parts.prop_map(|((long, count, double, kind), (name, other, text), own, globals, resource, place)| {
        let own = lend(&own);
        let trace = TraceContext { sampled: count.is_multiple_of(2), ..TRACE };
        let id = Uuid::from_u64_pair(long, count);
        let duration = Duration::from_nanos(long);
        let phases = [
            PhaseTime { phase: Phase::Dns, start: duration, duration },
            PhaseTime { phase: Phase::Dns, start: duration, duration },
        ];
        let action = |kind| Action { loading_time: Some(duration), ..Action::new(kind, &name) }.id(id).attributes(&own);
        let error = |error_kind, source| {
            ErrorEvent { error_kind, source, ..ErrorEvent::new(&name, &other).stack(&text) }
                .trace(trace)
                .attributes(&own)
        };
        let mut view = View::new(id, &name).attributes(&own);
        (view.version, view.time_spent, view.url, view.action_count, view.error_count) =
            (count, duration, &other, long, count);
        let mut log = Log::new(Severity::Fatal, &text).attributes(&own);
        log.logger = &name;
        let mut span = Span::new(&name, trace, duration).attributes(&own);
        let events = [SpanEvent { name: &other, time_ns: long, attributes: &own }];
        (span.events, span.status, span.status_message) = (&events, SpanStatus::Error, &text);
        let event: Box<dyn Event + '_> = match kind {
            0 => Box::new(Session::new(SessionChange::Start, id, &name).attributes(&own)),
            1 | 2 => Box::new(view),
            3 => Box::new(action(ActionType::Tap).trace(trace)),
            4 => Box::new(action(ActionType::StateMutation).action_id(ACTION)),
            5 => Box::new(action(ActionType::ApplicationStart)),
            6 | 7 => Box::new(
                Resource::new(&name, &other, count as u16, duration)
                    .size(long)
                    .trace(trace)
                    .phases(&phases)
                    .attributes(&own),
            ),
            8 => Box::new(
                Resource::new("PUT", &other, 0, duration)
                    .failed(&text)
                    .parent_span([3; 8])
                    .action_id(id)
                    .attributes(&own),
            ),
            9 => Box::new(error(ErrorKind::Handled, ErrorSource::Network)),
            10 => Box::new(error(ErrorKind::Handled, ErrorSource::WebView)),
            11 => Box::new(error(ErrorKind::Crash, ErrorSource::Source)),
            12 => Box::new(error(ErrorKind::Hang, ErrorSource::Custom)),
            13 => Box::new(error(ErrorKind::Anr, ErrorSource::Logger)),
            14 => Box::new(error(ErrorKind::OutOfMemory, ErrorSource::Source)),
            15 => Box::new(LongTask::new(duration).attributes(&own)),
            16 => Box::new(Vital::new(&name, double, "s").attributes(&own)),
            17 => Box::new(Vital::new(names::VITAL_FULL_DISPLAY, double, "ms").attributes(&own)),
            18 => Box::new(Vital::new(&name, double, &other).attributes(&own)),
            19 => Box::new(log),
            20 => Box::new(span),
            _ => Box::new(Custom::new(&name).attributes(&own)),
        };
        let mut stored = Stored::of(event.as_ref());
        stored.time_ns = long;
        stored.globals(globals);
        if place > 0 {
            stored.resource(resource);
            stored.unplace(place > 1);
        }
        stored
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Without schemas, this still shows that nothing panics and everything is JSON.
    #[test]
    fn arbitrary_rows_are_always_valid(stored in proptest::collection::vec(stored(), 1..4), in_rum: bool) {
        let datadog = exporter().operations(in_rum);
        for signal in [RUM, LOGS, SPANS] {
            let rows: Vec<_> = stored.iter().map(Stored::row).filter(|row| datadog.signal(row.kind()) == Some(signal)).collect();
            if rows.is_empty() {
                continue;
            }
            let body = datadog.encode(signal, &rows);
            prop_assert_eq!(&body, &datadog.encode(signal, &rows));
            if signal == LOGS {
                let lines: Vec<Map<String, Json>> = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(lines.len(), rows.len());
                continue;
            }
            for line in body.split(|byte| *byte == b'\n') {
                let event: Json = serde_json::from_slice(line).unwrap();
                if let Some(schemas) = schemas().filter(|_| signal == RUM) {
                    prop_assert_eq!(schemas.faults(&event), Vec::<String>::new(), "{:#}", event);
                }
            }
        }
    }
}
