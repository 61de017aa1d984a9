//! Views, actions, resources, long tasks and vitals as RUM has them.

use std::time::Duration;

use serde_json::Value;

use super::facts::Facts;
use super::json::{self, Object};
use crate::model::event::{ActionType, Phase};
use crate::model::export::{
    ActionDetails, ExportRow, LongTaskDetails, ResourceDetails, SpanDetails, ViewDetails, VitalDetails,
};
use crate::model::names::{self, datadog, semconv, words};
use crate::model::time::nanos;
use crate::model::value::AnyValue;

/// What one kind of event adds to what every event has.
#[derive(Default)]
pub(super) struct Kind {
    /// Its name, which is also that of the member with what only it has.
    pub(super) name: &'static str,
    pub(super) own: Object,
    /// Further members at the top.
    pub(super) top: Object,
    /// Members of `_dd`.
    pub(super) internal: Object,
    /// Members of the context that are ours.
    pub(super) context: Object,
    /// The view's own members. Other events have those of the view that they belong to.
    pub(super) view: Object,
    /// How long after the row's time it was.
    pub(super) after: Duration,
}

pub(super) fn view(facts: &mut Facts<'_>, details: &ViewDetails<'_>) -> Kind {
    let mut kind = Kind { name: "view", context: facts.trace_context(), ..Kind::default() };
    let view = &mut kind.view;
    json::set(view, "id", details.id.unwrap_or_else(|| facts.row.id()).to_string());
    json::set(view, "url", if details.url.is_empty() { details.name } else { details.url });
    json::text(view, "name", details.name);
    json::set(view, "is_active", details.is_active);
    // The intake takes a view of no duration for one that was never shown.
    let spent = nanos(details.time_spent).max(1);
    json::set(view, "time_spent", json::whole(spent));
    if let Some(time) = details.loading_time {
        json::set(view, "loading_time", json::whole(nanos(time)));
    }
    for (key, count) in [
        ("action", details.actions),
        ("resource", details.resources),
        // RUM counts a crash among the errors, too.
        ("error", details.errors.saturating_add(details.crashes)),
        ("long_task", details.long_tasks),
        ("crash", details.crashes),
    ] {
        json::set(view, key, counted(count));
    }
    if let Some(count) = facts.take_count(names::VIEW_FROZEN_FRAMES) {
        json::set(view, "frozen_frame", counted(count));
    }
    for (key, attribute) in [("memory_average", names::VIEW_MEMORY_MEAN), ("memory_max", names::VIEW_MEMORY_MAX)] {
        if let Some(bytes) = facts.take_count(attribute) {
            json::set(view, key, json::whole(bytes));
        }
    }
    json::inner(&mut kind.top, "feature_flags", flags(facts));
    json::set(&mut kind.internal, "document_version", json::whole(details.version));
    kind
}

pub(super) fn action(facts: &mut Facts<'_>, details: &ActionDetails<'_>) -> Kind {
    let word = match details.action_type {
        ActionType::Tap => words::ACTION_TAP,
        ActionType::Scroll => words::ACTION_SCROLL,
        ActionType::Swipe => words::ACTION_SWIPE,
        ActionType::Back => words::ACTION_BACK,
        ActionType::ApplicationStart => words::ACTION_START,
        _ => words::ACTION_CUSTOM,
    };
    let mut kind = named(facts, word, details.name);
    let action = &mut kind.own;
    json::set(action, "id", details.id.unwrap_or_else(|| facts.row.id()).to_string());
    if let Some(time) = details.loading_time {
        json::set(action, "loading_time", json::whole(nanos(time)));
    }
    for (key, attribute) in [
        ("resource", names::ACTION_RESOURCES),
        ("error", names::ACTION_ERRORS),
        ("long_task", names::ACTION_LONG_TASKS),
    ] {
        json::set(action, key, counted(facts.take_count(attribute).unwrap_or(0)));
    }
    if let Some(AnyValue::List(signs)) = facts.take(names::ACTION_FRUSTRATION) {
        let is_known = |sign: &&AnyValue| {
            [words::FRUSTRATION_RAGE_TAP, words::FRUSTRATION_ERROR_TAP]
                .iter()
                .any(|known| **sign == AnyValue::Text((*known).to_owned()))
        };
        let known: Vec<Value> = signs.iter().filter(is_known).map(|sign| json::plain(sign).into()).collect();
        let mut frustration = Object::new();
        json::set(&mut frustration, "type", known);
        json::set(action, "frustration", frustration);
    }
    kind
}

/// An event of the app's own.
pub(super) fn custom(facts: &Facts<'_>, name: &str) -> Kind {
    named(facts, words::ACTION_CUSTOM, name)
}

fn named(facts: &Facts<'_>, word: &str, name: &str) -> Kind {
    let mut kind = Kind { name: "action", context: facts.trace_context(), ..Kind::default() };
    // An action has no field for the one that caused it.
    if let Some(id) = facts.row.action_id() {
        json::set(&mut kind.context, names::ACTION_ID, id.to_string());
    }
    let mut target = Object::new();
    json::set(&mut target, "name", name);
    json::set(&mut kind.own, "type", word);
    json::set(&mut kind.own, "id", facts.row.id().to_string());
    json::set(&mut kind.own, "target", target);
    kind
}

pub(super) fn resource(facts: &mut Facts<'_>, details: &ResourceDetails<'_>) -> Kind {
    let mut kind = Kind { name: "resource", internal: trace(facts, details.parent_span), ..Kind::default() };
    if kind.internal.is_empty() {
        kind.context = facts.trace_context();
    }
    let resource = &mut kind.own;
    json::set(resource, "id", facts.row.id().to_string());
    json::set(resource, "type", "native");
    json::set(resource, "url", details.url);
    json::set(resource, "duration", json::whole(nanos(details.duration)));
    match method(details.method) {
        Some(method) => json::set(resource, "method", method),
        None => json::text(&mut kind.context, semconv::HTTP_METHOD, details.method),
    }
    if let Some(status) = details.status {
        json::set(resource, "status_code", status);
    }
    if let Some(size) = details.size {
        json::set(resource, "size", json::whole(size));
    }
    json::text(resource, "protocol", details.protocol);
    json::text(&mut kind.context, semconv::ERROR_TYPE, details.error_type);
    for time in &details.phases {
        let key = match time.phase {
            Phase::Dns => "dns",
            Phase::Connect => "connect",
            Phase::Tls => "ssl",
            Phase::FirstByte => "first_byte",
            Phase::Download => "download",
        };
        let mut phase = Object::new();
        json::set(&mut phase, "start", json::whole(nanos(time.start)));
        json::set(&mut phase, "duration", json::whole(nanos(time.duration)));
        json::set(resource, key, phase);
    }
    let [request, response, ..] = semconv::HEADERS;
    for (prefix, part) in [(request, "request"), (response, "response")] {
        let mut headers = Object::new();
        for (name, value) in facts.take_all(prefix) {
            let value = match value {
                AnyValue::List(values) => values.iter().map(json::plain).collect::<Vec<_>>().join(", "),
                other => json::plain(other),
            };
            if is_header(name) {
                json::set(&mut headers, name, value);
            } else {
                json::set(&mut kind.context, &format!("{prefix}{name}"), value);
            }
        }
        if !headers.is_empty() {
            let mut object = Object::new();
            json::set(&mut object, "headers", headers);
            json::set(resource, part, object);
        }
    }
    json::inner(&mut kind.top, "action", facts.cause());
    kind
}

/// The method of a request, if the schemas know it.
pub(super) fn method(method: &str) -> Option<&'static str> {
    datadog::METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method))
}

pub(super) fn long_task(facts: &Facts<'_>, details: &LongTaskDetails) -> Kind {
    let mut kind = Kind { name: "long_task", context: facts.trace_context(), ..Kind::default() };
    json::set(&mut kind.own, "id", facts.row.id().to_string());
    json::set(&mut kind.own, "duration", json::whole(nanos(details.duration)));
    json::set(&mut kind.own, "is_frozen_frame", details.is_frozen_frame);
    json::inner(&mut kind.top, "action", facts.cause());
    kind
}

pub(super) fn vital(facts: &mut Facts<'_>, details: &VitalDetails<'_>) -> Kind {
    let duration = unit_nanos(details.unit).and_then(|unit| json::double((details.value * unit).round()));
    let Some(duration) = duration else {
        // The schemas know vitals that are durations, and no others.
        let mut kind = named(facts, words::ACTION_CUSTOM, details.name);
        match json::double(details.value) {
            Some(value) => json::set(&mut kind.context, names::VITAL_VALUE, value),
            None => facts.lost += 1,
        }
        json::text(&mut kind.context, names::VITAL_UNIT, details.unit);
        return kind;
    };
    let mut kind = timed(facts, details.name, duration);
    let vital = &mut kind.own;
    let launch = match details.name {
        names::VITAL_INITIAL_DISPLAY => Some("ttid"),
        names::VITAL_FULL_DISPLAY => Some("ttfd"),
        _ => None,
    };
    if let Some(metric) = launch {
        json::set(vital, "type", "app_launch");
        json::set(vital, "app_launch_metric", metric);
        let startup = match facts.peek_text(names::START_TYPE) {
            "cold" => "cold_start",
            "warm" => "warm_start",
            _ => "",
        };
        json::text(vital, "startup_type", startup);
    }
    kind
}

/// A vital that took so long.
fn timed(facts: &Facts<'_>, name: &str, duration: Value) -> Kind {
    let mut kind = vital_of(facts, name, "duration", facts.row.id().to_string());
    json::set(&mut kind.own, "duration", duration);
    kind
}

fn vital_of(facts: &Facts<'_>, name: &str, word: &str, id: String) -> Kind {
    let mut kind = Kind { name: "vital", context: facts.trace_context(), ..Kind::default() };
    if let Some(id) = facts.row.action_id() {
        json::set(&mut kind.context, names::ACTION_ID, id.to_string());
    }
    let facet = facet(name);
    if facet != name {
        json::set(&mut kind.own, "description", name);
    }
    json::set(&mut kind.own, "id", id);
    json::set(&mut kind.own, "name", facet);
    json::set(&mut kind.own, "type", word);
    kind
}

/// A span that goes to RUM: an operation's two steps, of which this is one, or the time that
/// another one took.
pub(super) fn span(facts: &mut Facts<'_>, details: &SpanDetails<'_>, step: Step) -> Kind {
    let mut kind = match step {
        Step::Start => vital_of(facts, details.name, OPERATION_STEP, facts.id_of("start")),
        Step::End => vital_of(facts, details.name, OPERATION_STEP, facts.row.id().to_string()),
        Step::Whole => timed(facts, details.name, json::whole(nanos(details.duration))),
    };
    let outcome = facts.peek_text(names::OPERATION_OUTCOME);
    if step == Step::Start {
        // How it ended was not known.
        facts.take(names::OPERATION_OUTCOME);
        facts.take(names::OPERATION_REASON);
    } else {
        json::text(&mut kind.context, datadog::ERROR_MESSAGE, details.status_message);
        // RUM has no place for them.
        facts.lost += (details.events.len() + details.links.len()) as u64;
    }
    if step == Step::Whole {
        return kind;
    }
    // Several operations of one name may run at the same time.
    json::set(&mut kind.own, "operation_key", facts.row.id().to_string());
    json::set(&mut kind.own, "step_type", if step == Step::Start { "start" } else { "end" });
    if step == Step::End {
        kind.after = details.duration;
        let reason = match outcome {
            words::OUTCOME_SUCCEEDED => "",
            words::OUTCOME_FAILED => "error",
            words::OUTCOME_TIMED_OUT => "other",
            words::OUTCOME_CANCELLED | words::OUTCOME_ABANDONED => words::OUTCOME_ABANDONED,
            _ if facts.row.ended().is_some() => words::OUTCOME_ABANDONED,
            _ => "other",
        };
        json::text(&mut kind.own, "failure_reason", reason);
    }
    kind
}

/// What one RUM event tells of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An operation began.
    Start,
    /// It ended.
    End,
    /// All of a span that is no operation.
    Whole,
}

impl Step {
    /// The RUM events that a span becomes.
    pub(super) fn of(row: &ExportRow<'_>) -> &'static [Self] {
        let is_operation = row.attributes().iter().any(|(key, _)| *key == names::OPERATION_NAME);
        if is_operation { &[Self::Start, Self::End] } else { &[Self::Whole] }
    }
}

/// The type of the vital that is a step of an operation.
const OPERATION_STEP: &str = "operation_step";

/// How many nanoseconds a unit of time has; `None` for a unit of anything else.
fn unit_nanos(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    })
}

/// A vital's name as the path of a facet, which has letters, digits and a few signs.
fn facet(name: &str) -> String {
    let is_allowed = |sign: char| sign.is_ascii_alphanumeric() || "-_.@$".contains(sign);
    name.chars().map(|sign| if is_allowed(sign) { sign } else { '_' }).collect()
}

/// Whether the schema allows the name of a header: words of lower-case letters and digits, joined
/// by hyphens.
fn is_header(name: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(is_word)
}

/// The link of a resource or an error to its span. Only what is kept has a trace in the backend.
pub(super) fn trace(facts: &Facts<'_>, parent: Option<[u8; 8]>) -> Object {
    let mut link = Object::new();
    if let Some(trace) = facts.row.trace().filter(|trace| trace.sampled) {
        json::set(&mut link, "trace_id", json::hex(&trace.trace_id));
        json::set(&mut link, "span_id", json::decimal(trace.span_id));
        if let Some(parent) = parent {
            json::set(&mut link, "parent_span_id", json::decimal(parent));
        }
    }
    link
}

/// The feature flags of an event.
pub(super) fn flags(facts: &mut Facts<'_>) -> Object {
    let mut flags = Object::new();
    for (name, value) in facts.take_all(names::FEATURE_FLAG) {
        if let Some(value) = json::any(value, &mut facts.lost) {
            json::set(&mut flags, name, value);
        }
    }
    flags
}

fn counted(count: u64) -> Object {
    let mut object = Object::new();
    json::set(&mut object, "count", json::whole(count));
    object
}
