//! Log records (`opentelemetry/proto/logs/v1/logs.proto`).

use super::attributes::{Attributes, dropped_attributes};
use crate::model::event::encode::field;
use crate::model::event::{ActionType, ErrorKind, EventKind, Severity};
use crate::model::export::ExportRow;
use crate::model::names::{self, semconv, words};
use crate::wire::export::tree::Tree;

/// What distinguishes one kind of log record from another.
#[derive(Default)]
pub(super) struct Shape<'a> {
    pub(super) event_name: &'a str,
    pub(super) severity: u32,
    pub(super) body: &'a str,
}

/// The instrumentation scope of a row: the logger of a log line, where it is known. Everything else
/// is Throughline's own.
pub(super) fn logger<'a>(row: &ExportRow<'a>) -> &'a str {
    let name = if row.record.kind == EventKind::Log { row.record.text(field::NAME) } else { None };
    name.filter(|name| !name.is_empty()).unwrap_or(names::SCOPE_NAME)
}

/// What a log record is, and its attributes.
pub(super) fn facts<'a>(row: &'a ExportRow<'_>) -> (Shape<'a>, Attributes<'a>) {
    let mut attributes = Attributes::of_log(row);
    let shape = shape(row, &mut attributes);
    attributes.callers(row);
    attributes.globals(row);
    (shape, attributes)
}

pub(super) fn log_record<T: Tree>(tree: &mut T, row: &ExportRow<'_>) {
    let (shape, attributes) = facts(row);
    tree.fixed64(1, "timeUnixNano", row.time_ns);
    tree.small(2, "severityNumber", shape.severity);
    tree.text(3, "severityText", severity_text(shape.severity));
    if !shape.body.is_empty() {
        tree.message(5, "body", |tree| tree.text_always(1, "stringValue", shape.body));
    }
    attributes.write(tree, 6);
    tree.small(7, "droppedAttributesCount", dropped_attributes(row));
    if let Some(trace) = row.record.trace() {
        tree.fixed32(8, "flags", u32::from(trace.sampled));
        tree.id(9, "traceId", &trace.trace_id);
        tree.id(10, "spanId", &trace.span_id);
    }
    tree.fixed64(11, "observedTimeUnixNano", row.time_ns);
    tree.text(12, "eventName", shape.event_name);
}

fn shape<'a>(row: &'a ExportRow<'_>, attributes: &mut Attributes<'a>) -> Shape<'a> {
    let record = &row.record;
    let info = |event_name| Shape { event_name, severity: Severity::Info as u32, body: "" };
    let name = record.text(field::NAME).unwrap_or_default();
    match record.kind {
        EventKind::Session => {
            if let Some(id) = record.id(field::OBJECT_ID) {
                attributes.0.retain(|(key, _)| *key != semconv::SESSION_ID);
                attributes.owned(semconv::SESSION_ID, id.to_string());
            }
            if let Some(previous) = record.id(field::PREVIOUS) {
                attributes.owned(semconv::SESSION_PREVIOUS_ID, previous.to_string());
            }
            attributes.text(names::SESSION_REASON, record.text(field::REASON));
            let started = record.uint(field::TYPE) == Some(1);
            info(if started { semconv::EVENT_SESSION_START } else { semconv::EVENT_SESSION_END })
        }
        EventKind::View => {
            if let Some(id) = record.id(field::OBJECT_ID) {
                attributes.0.retain(|(key, _)| *key != semconv::SCREEN_ID && *key != semconv::SCREEN_NAME);
                attributes.owned(semconv::SCREEN_ID, id.to_string());
            }
            attributes.text(semconv::SCREEN_NAME, Some(name));
            attributes.text(names::VIEW_URL, record.text(field::URL));
            attributes.count(names::VIEW_VERSION, record.uint(field::DOC_VERSION));
            let ended = record.text(field::ENDED).is_some();
            attributes.flag(names::VIEW_IS_ACTIVE, record.uint(field::ACTIVE) == Some(1) && !ended);
            attributes.count(names::VIEW_TIME_SPENT, record.uint(field::DURATION));
            attributes.count(names::VIEW_LOADING_TIME, record.uint(field::LOADING_TIME));
            for (key, number) in [
                (names::VIEW_ACTIONS, field::ACTION_COUNT),
                (names::VIEW_RESOURCES, field::RESOURCE_COUNT),
                (names::VIEW_ERRORS, field::ERROR_COUNT),
                (names::VIEW_LONG_TASKS, field::LONG_TASK_COUNT),
                (names::VIEW_CRASHES, field::CRASH_COUNT),
            ] {
                attributes.count(key, record.uint(number));
            }
            info(names::EVENT_VIEW)
        }
        EventKind::Action => {
            let code = record.uint(field::TYPE).unwrap_or_default();
            let tap = code == ActionType::Tap as u64;
            attributes.text(names::ACTION_TYPE, action_type(code));
            let id = record.id(field::OBJECT_ID).unwrap_or(row.id);
            attributes.owned(names::ACTION_ID, id.to_string());
            attributes.count(names::ACTION_LOADING_TIME, record.uint(field::DURATION));
            if tap {
                attributes.text(semconv::WIDGET_ID, Some(name));
                attributes.text(semconv::WIDGET_NAME, Some(name));
            }
            Shape { body: name, ..info(if tap { semconv::EVENT_TAP } else { name }) }
        }
        EventKind::Error => {
            let code = record.uint(field::TYPE).unwrap_or_default();
            attributes.text(semconv::EXCEPTION_TYPE, record.text(field::ERROR_TYPE));
            attributes.text(semconv::EXCEPTION_MESSAGE, record.text(field::MESSAGE));
            attributes.text(semconv::EXCEPTION_STACKTRACE, record.text(field::STACK));
            attributes.text(names::ERROR_SOURCE, error_source(record.uint(field::SOURCE)));
            let fatal = code != ErrorKind::Handled as u64;
            if fatal {
                attributes.owned(semconv::CRASH_ID, row.id.to_string());
            }
            let severity = if fatal { Severity::Fatal } else { Severity::Error };
            Shape { event_name: error_name(code), severity: severity as u32, body: "" }
        }
        EventKind::LongTask => {
            let is_jank = record.attributes.iter().any(|(key, _)| *key == semconv::JANK_FRAMES);
            attributes.count(names::LONG_TASK_DURATION, record.uint(field::DURATION));
            attributes.flag(names::LONG_TASK_FROZEN, record.uint(field::TYPE) == Some(1));
            info(if is_jank { semconv::EVENT_JANK } else { names::EVENT_LONG_TASK })
        }
        EventKind::Vital => {
            attributes.text(names::VITAL_NAME, Some(name));
            attributes.double(names::VITAL_VALUE, record.double(field::VALUE));
            attributes.text(names::VITAL_UNIT, record.text(field::UNIT));
            info(names::EVENT_VITAL)
        }
        EventKind::Log => {
            let severity = record.uint(field::LEVEL).unwrap_or(0).min(24) as u32;
            Shape { event_name: "", severity, body: record.text(field::MESSAGE).unwrap_or_default() }
        }
        _ => info(name),
    }
}

fn action_type(code: u64) -> Option<&'static str> {
    Some(match code {
        1 => words::ACTION_TAP,
        2 => words::ACTION_SCROLL,
        3 => words::ACTION_SWIPE,
        4 => words::ACTION_BACK,
        5 => words::ACTION_CUSTOM,
        6 => words::ACTION_MUTATION,
        7 => words::ACTION_START,
        _ => return None,
    })
}

fn error_source(code: Option<u64>) -> Option<&'static str> {
    Some(match code? {
        1 => words::SOURCE_CODE,
        2 => words::SOURCE_NETWORK,
        3 => words::SOURCE_LOGGER,
        4 => words::SOURCE_WEBVIEW,
        5 => words::SOURCE_CUSTOM,
        _ => return None,
    })
}

fn error_name(code: u64) -> &'static str {
    match code {
        2 => semconv::EVENT_CRASH,
        3 => names::EVENT_HANG,
        4 => names::EVENT_ANR,
        5 => names::EVENT_OOM,
        _ => semconv::EVENT_EXCEPTION,
    }
}

fn severity_text(number: u32) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    }
}
