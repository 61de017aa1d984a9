//! `Event` and `ErrorEvent`.

use std::time::Duration;

use crate::model::event::{
    ActionType, ErrorKind, ErrorSource, Phase, SessionChange, SpanKind, SpanStatus, Temporality, TraceContext,
};
use crate::model::export::{
    ActionDetails, Details, ErrorDetails, ExportRow, MetricPoint, ResourceDetails, SpanDetails, ViewDetails,
};
use crate::model::names::{self, breadcrumb};
use crate::model::time::nanos;
use crate::model::value::AnyValue;
use crate::wire::export::tree::Tree;

use super::attributes::{Pool, any, write};

/// A row with what the request knows of it.
pub(super) struct Numbered<'a, 'r> {
    pub(super) row: &'a ExportRow<'r>,
    pub(super) deduplication_id: &'a str,
    /// The place of its context.
    pub(super) context: u32,
}

/// Writes the fields of an `Event`.
pub(super) fn event<T: Tree>(tree: &mut T, numbered: Numbered<'_, '_>) {
    let row = numbered.row;
    let mut attributes = Pool::new(row.attributes());
    let details = row.details();
    // Before the header, whose attributes are what is left.
    let mutation = match &details {
        Details::Action(action) if action.action_type == ActionType::StateMutation => {
            Some(Mutation::take(&mut attributes))
        }
        _ => None,
    };
    tree.message(1, "header", |tree| header(tree, &numbered, attributes));
    match details {
        Details::Session(session) => tree.message(2, "session", |tree| {
            tree.text(1, "sessionId", &session.id.map(|id| id.to_string()).unwrap_or_default());
            let word =
                if session.change == SessionChange::Start { "SESSION_CHANGE_START" } else { "SESSION_CHANGE_END" };
            tree.word(2, "change", session.change as u32, word);
            tree.text(3, "previousSessionId", &session.previous.map(|id| id.to_string()).unwrap_or_default());
            tree.text(4, "reason", session.reason);
        }),
        Details::View(details) => tree.message(3, "view", |tree| view(tree, &details)),
        Details::Action(details) => match mutation {
            Some(mutation) => tree.message(5, "stateMutation", |tree| mutation.write(tree, row, &details)),
            None => tree.message(4, "action", |tree| action(tree, row, &details)),
        },
        Details::Resource(details) => tree.message(6, "resource", |tree| resource(tree, &details)),
        Details::LongTask(task) => tree.message(7, "longTask", |tree| {
            time_span(tree, 1, "duration", task.duration);
            tree.truth(2, "frozenFrame", task.is_frozen_frame);
        }),
        Details::Vital(vital) => tree.message(8, "vital", |tree| {
            tree.text(1, "name", vital.name);
            tree.double(2, "value", vital.value);
            tree.text(3, "unit", vital.unit);
        }),
        Details::Custom(name) => tree.message(9, "custom", |tree| tree.text(1, "name", name)),
        Details::Log(log) => tree.message(10, "log", |tree| {
            tree.small(1, "severityNumber", u32::from(log.severity));
            tree.text(2, "body", log.body);
            tree.text(3, "logger", log.logger);
        }),
        Details::Metric(metric) => tree.message(11, "metric", |tree| {
            tree.text(1, "name", metric.name);
            tree.text(2, "unit", metric.unit);
            tree.message(3, "total", |tree| point(tree, metric.start_unix_nano, &metric.point));
            if let Some((start, since_last)) = &metric.since_last {
                tree.message(4, "sinceLast", |tree| point(tree, *start, since_last));
            }
        }),
        Details::Span(details) => tree.message(12, "span", |tree| span(tree, &details)),
        // Errors have a method of their own.
        Details::Error(_) => {}
    }
}

/// Writes the fields of an `ErrorEvent`.
pub(super) fn error_event<T: Tree>(tree: &mut T, numbered: Numbered<'_, '_>) {
    let mut attributes = Pool::new(numbered.row.attributes());
    let crumbs = attributes.take(names::BREADCRUMBS, breadcrumbs).unwrap_or_default();
    tree.message(1, "header", |tree| header(tree, &numbered, attributes));
    if let Details::Error(details) = numbered.row.details() {
        error(tree, &details);
    }
    tree.list(7, "breadcrumbs", crumbs.into_iter(), crumb);
}

fn error<T: Tree>(tree: &mut T, details: &ErrorDetails<'_>) {
    let kind = match details.error_kind {
        ErrorKind::Handled => "ERROR_KIND_HANDLED",
        ErrorKind::Crash => "ERROR_KIND_CRASH",
        ErrorKind::Hang => "ERROR_KIND_HANG",
        ErrorKind::Anr => "ERROR_KIND_ANR",
        ErrorKind::OutOfMemory => "ERROR_KIND_OUT_OF_MEMORY",
    };
    let source = match details.source {
        ErrorSource::Source => "ERROR_SOURCE_SOURCE",
        ErrorSource::Network => "ERROR_SOURCE_NETWORK",
        ErrorSource::Logger => "ERROR_SOURCE_LOGGER",
        ErrorSource::WebView => "ERROR_SOURCE_WEB_VIEW",
        ErrorSource::Custom => "ERROR_SOURCE_CUSTOM",
    };
    tree.word(2, "kind", details.error_kind as u32, kind);
    tree.word(3, "source", details.source as u32, source);
    tree.text(4, "type", details.error_type);
    tree.text(5, "message", details.message);
    tree.text(6, "stack", details.stack);
}

/// The breadcrumbs of an error; `None` when the attribute is none of the core's.
fn breadcrumbs(value: &AnyValue) -> Option<Vec<&[(String, AnyValue)]>> {
    let AnyValue::List(crumbs) = value else { return None };
    crumbs.iter().map(map).collect()
}

fn map(value: &AnyValue) -> Option<&[(String, AnyValue)]> {
    match value {
        AnyValue::Map(entries) => Some(entries),
        _ => None,
    }
}

fn crumb<T: Tree>(tree: &mut T, entries: &[(String, AnyValue)]) {
    let mut entries = Pool::new(entries);
    if let Some(time) = entries.count(breadcrumb::TIME) {
        tree.time(1, "time", time);
    }
    tree.text(2, "kind", entries.text(breadcrumb::KIND));
    tree.text(3, "name", entries.text(breadcrumb::NAME));
    tree.text(4, "message", entries.text(breadcrumb::MESSAGE));
    tree.small(5, "severityNumber", count(entries.count(breadcrumb::SEVERITY).unwrap_or(0)));
    if let Some(duration) = entries.count(breadcrumb::DURATION) {
        time_span(tree, 6, "duration", Duration::from_nanos(duration));
    }
    let attributes = entries.take(breadcrumb::ATTRIBUTES, map).unwrap_or_default();
    let attributes = attributes.iter().map(|(key, value)| (key.as_str(), value));
    write(tree, 7, "attributes", entries.rest().into_iter().chain(attributes));
}

fn header<T: Tree>(tree: &mut T, numbered: &Numbered<'_, '_>, attributes: Pool<'_>) {
    let row = numbered.row;
    let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    tree.text(1, "eventId", &row.id().to_string());
    tree.text(2, "deduplicationId", numbered.deduplication_id);
    tree.time(3, "time", row.time_unix_nano());
    tree.small(4, "contextIndex", numbered.context);
    tree.text(5, "sessionId", &text(row.session_id()));
    tree.text(6, "viewId", &text(row.view_id()));
    tree.text(7, "viewName", row.view_name());
    tree.text(8, "actionId", &text(row.action_id()));
    if let Some(trace) = row.trace() {
        tree.message(9, "trace", |tree| trace_context(tree, &trace));
    }
    attributes.write(tree, 10, "attributes");
    tree.truth(11, "open", row.is_open());
    tree.text(12, "endedBy", row.ended().unwrap_or_default());
    tree.small(13, "truncatedValues", count(row.truncated_values()));
    tree.small(14, "droppedAttributes", count(row.dropped_attributes()));
}

fn trace_context<T: Tree>(tree: &mut T, trace: &TraceContext) {
    tree.bytes(1, "traceId", &trace.trace_id);
    tree.bytes(2, "spanId", &trace.span_id);
    tree.truth(3, "sampled", trace.sampled);
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn time_span<T: Tree>(tree: &mut T, number: u32, name: &str, duration: Duration) {
    tree.duration(number, name, i64::try_from(nanos(duration)).unwrap_or(i64::MAX));
}

fn view<T: Tree>(tree: &mut T, view: &ViewDetails<'_>) {
    tree.text(1, "viewId", &view.id.map(|id| id.to_string()).unwrap_or_default());
    tree.text(2, "name", view.name);
    tree.text(3, "url", view.url);
    tree.uint(4, "version", view.version);
    tree.truth(5, "active", view.is_active);
    time_span(tree, 6, "timeSpent", view.time_spent);
    if let Some(time) = view.loading_time {
        time_span(tree, 7, "loadingTime", time);
    }
    tree.uint(8, "actionCount", view.actions);
    tree.uint(9, "resourceCount", view.resources);
    tree.uint(10, "errorCount", view.errors);
    tree.uint(11, "longTaskCount", view.long_tasks);
    tree.uint(12, "crashCount", view.crashes);
}

fn action<T: Tree>(tree: &mut T, row: &ExportRow<'_>, action: &ActionDetails<'_>) {
    let (number, word) = match action.action_type {
        ActionType::Tap => (1, "ACTION_TYPE_TAP"),
        ActionType::Scroll => (2, "ACTION_TYPE_SCROLL"),
        ActionType::Swipe => (3, "ACTION_TYPE_SWIPE"),
        ActionType::Back => (4, "ACTION_TYPE_BACK"),
        ActionType::ApplicationStart => (6, "ACTION_TYPE_APPLICATION_START"),
        // A mutation has a message of its own.
        ActionType::Custom | ActionType::StateMutation => (5, "ACTION_TYPE_CUSTOM"),
    };
    tree.text(1, "actionId", &action.id.unwrap_or(row.id()).to_string());
    tree.word(2, "type", number, word);
    tree.text(3, "name", action.name);
    if let Some(time) = action.loading_time {
        time_span(tree, 4, "loadingTime", time);
    }
}

/// What a mutation says in attributes of the core's.
struct Mutation<'a> {
    texts: [(u32, &'static str, &'a str); 6],
    values: [(u32, &'static str, Option<&'a AnyValue>); 2],
    lengths: [(u32, &'static str, Option<u64>); 2],
    count: Option<u64>,
    duration: Option<u64>,
    suppressed: Option<u64>,
}

impl<'a> Mutation<'a> {
    fn take(attributes: &mut Pool<'a>) -> Self {
        Self {
            texts: [
                (3, "store", attributes.text(names::STATE_STORE)),
                (4, "path", attributes.text(names::STATE_PATH)),
                (5, "mutation", attributes.text(names::STATE_MUTATION)),
                (6, "cause", attributes.text(names::STATE_CAUSE)),
                (9, "oldType", attributes.text(names::STATE_OLD_TYPE)),
                (10, "newType", attributes.text(names::STATE_NEW_TYPE)),
            ],
            values: [
                (7, "oldValue", attributes.take(names::STATE_OLD, Some)),
                (8, "newValue", attributes.take(names::STATE_NEW, Some)),
            ],
            lengths: [
                (11, "oldLength", attributes.count(names::STATE_OLD_LENGTH)),
                (12, "newLength", attributes.count(names::STATE_NEW_LENGTH)),
            ],
            count: attributes.count(names::MUTATION_COUNT),
            duration: attributes.count(names::MUTATION_DURATION),
            suppressed: attributes.count(names::STATE_SUPPRESSED),
        }
    }

    fn write<T: Tree>(&self, tree: &mut T, row: &ExportRow<'_>, action: &ActionDetails<'_>) {
        tree.text(1, "actionId", &action.id.unwrap_or(row.id()).to_string());
        tree.text(2, "name", action.name);
        self.texts.iter().for_each(|(number, name, text)| tree.text(*number, name, text));
        for (number, name, value) in self.values {
            if let Some(value) = value {
                tree.message(number, name, |tree| any(tree, value));
            }
        }
        for (number, name, length) in self.lengths {
            if let Some(length) = length {
                tree.uint_always(number, name, length);
            }
        }
        tree.uint(13, "count", self.count.unwrap_or(0));
        if let Some(duration) = self.duration {
            time_span(tree, 14, "duration", Duration::from_nanos(duration));
        }
        tree.uint(15, "suppressed", self.suppressed.unwrap_or(0));
        if let Some(time) = action.loading_time {
            time_span(tree, 16, "loadingTime", time);
        }
    }
}

fn resource<T: Tree>(tree: &mut T, request: &ResourceDetails<'_>) {
    tree.text(1, "url", request.url);
    tree.text(2, "method", request.method);
    tree.small(3, "statusCode", u32::from(request.status.unwrap_or(0)));
    time_span(tree, 4, "duration", request.duration);
    if let Some(size) = request.size {
        tree.uint_always(5, "responseBytes", size);
    }
    tree.text(6, "protocol", request.protocol);
    tree.text(7, "errorType", request.error_type);
    tree.list(8, "phases", request.phases.iter(), |tree, time| {
        let word = match time.phase {
            Phase::Dns => "REQUEST_PHASE_TYPE_DNS",
            Phase::Connect => "REQUEST_PHASE_TYPE_CONNECT",
            Phase::Tls => "REQUEST_PHASE_TYPE_TLS",
            Phase::FirstByte => "REQUEST_PHASE_TYPE_FIRST_BYTE",
            Phase::Download => "REQUEST_PHASE_TYPE_DOWNLOAD",
        };
        tree.word(1, "type", time.phase as u32, word);
        time_span(tree, 2, "start", time.start);
        time_span(tree, 3, "duration", time.duration);
    });
    parent(tree, 9, request.parent_span);
}

fn parent<T: Tree>(tree: &mut T, number: u32, parent: Option<[u8; 8]>) {
    if let Some(parent) = parent {
        tree.bytes(number, "parentSpanId", &parent);
    }
}

/// Writes the fields of a `MetricPoint`.
fn point<T: Tree>(tree: &mut T, start: u64, point: &MetricPoint) {
    if start > 0 {
        tree.time(1, "startTime", start);
    }
    match point {
        MetricPoint::Gauge(value) => tree.double(2, "gauge", *value),
        MetricPoint::Sum { value, is_monotonic, temporality } => tree.message(3, "sum", |tree| {
            tree.double(1, "value", *value);
            tree.truth(2, "monotonic", *is_monotonic);
            tree.word(3, "temporality", *temporality as u32, word_of(*temporality));
        }),
        MetricPoint::Histogram { bounds, buckets, sum, temporality } => tree.message(4, "histogram", |tree| {
            tree.packed_f64(1, "bounds", bounds);
            tree.packed_u64(2, "bucketCounts", buckets);
            tree.double(3, "sum", *sum);
            tree.word(4, "temporality", *temporality as u32, word_of(*temporality));
        }),
    }
}

fn word_of(temporality: Temporality) -> &'static str {
    match temporality {
        Temporality::Delta => "TEMPORALITY_DELTA",
        Temporality::Cumulative => "TEMPORALITY_CUMULATIVE",
    }
}

fn span<T: Tree>(tree: &mut T, span: &SpanDetails<'_>) {
    let kind = match span.span_kind {
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    };
    let status = if span.status == SpanStatus::Ok { "SPAN_STATUS_OK" } else { "SPAN_STATUS_ERROR" };
    tree.text(1, "name", span.name);
    tree.word(2, "kind", span.span_kind as u32, kind);
    parent(tree, 3, span.parent_span);
    time_span(tree, 4, "duration", span.duration);
    tree.word(5, "status", span.status as u32, status);
    tree.text(6, "statusMessage", span.status_message);
    tree.list(7, "events", span.events.iter(), |tree, event| {
        tree.text(1, "name", event.name);
        tree.time(2, "time", event.time_unix_nano);
        write(tree, 3, "attributes", event.attributes.iter().map(|(key, value)| (*key, value)));
    });
    tree.list(8, "links", span.links.iter(), trace_context);
}
