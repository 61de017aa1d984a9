//! OTLP over HTTP: logs, traces and metrics, in protobuf or JSON (OTLP 1.9).
//!
//! | event | signal |
//! |---|---|
//! | log | log record |
//! | session, view, action, error, long task, vital, custom | log record with an `event_name` |
//! | resource, span | span |
//! | metric | metric data point |
//!
//! `event.id` is an attribute of every log record and span. On a metric data point it stands in an
//! exemplar: as an attribute it would make every point a series of its own in the backend.

mod logs;
mod metrics;
mod response;
mod spans;
pub mod tree;

use std::sync::Arc;

use crate::model::config::{Destination, Encoding};
use crate::model::event::decode::Context;
use crate::model::event::encode::field;
use crate::model::event::{EventKind, Temporality};
use crate::model::export::{ExportRow, Exporter, Signal, Verdict};
use crate::model::http::Response;
use crate::model::ledger::DropReason;
use crate::model::names::{self, semconv};
use crate::model::value::AnyValue;
use tree::{Json, Protobuf, Tree};

/// Changes whenever the same rows would give another body.
const VERSION: u32 = 1;

const LOGS: Signal = Signal(0);
const TRACES: Signal = Signal(1);
const METRICS: Signal = Signal(2);

/// An OTLP destination.
#[derive(Debug, Clone)]
pub struct Otlp {
    base: String,
    headers: Vec<(String, String)>,
    encoding: Encoding,
    temporality: Temporality,
}

impl Otlp {
    /// The exporter of a checked destination.
    pub fn new(destination: &Destination) -> Self {
        Self {
            base: destination.endpoint.trim_end_matches('/').to_owned(),
            headers: destination.headers.clone(),
            encoding: destination.encoding,
            temporality: destination.temporality,
        }
    }
}

impl Exporter for Otlp {
    fn version(&self) -> u32 {
        VERSION << 2
            | u32::from(self.temporality == Temporality::Delta) << 1
            | u32::from(self.encoding == Encoding::Json)
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        Some(match kind {
            EventKind::Resource | EventKind::Span => TRACES,
            EventKind::Metric => METRICS,
            _ => LOGS,
        })
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        match self.encoding {
            Encoding::Protobuf => {
                let mut tree = Protobuf::default();
                request(&mut tree, signal, self.temporality, rows);
                tree.out
            }
            Encoding::Json => {
                let mut tree = Json::default();
                tree.object(|tree| request(tree, signal, self.temporality, rows));
                tree.out
            }
        }
    }

    fn url(&self, signal: Signal) -> String {
        let path = match signal {
            TRACES => "traces",
            METRICS => "metrics",
            _ => "logs",
        };
        format!("{}/v1/{path}", self.base)
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        let content_type = match self.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        let own = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        std::iter::once(("content-type".to_owned(), content_type.to_owned())).chain(own).collect()
    }

    /// OTLP "Failures": 429, 502, 503, 504 are retried; every other 4xx and 5xx is not. 400, 413
    /// and the three that say "not you" get the treatment that loses least.
    fn classify(&self, response: &Response) -> Verdict {
        match response.status {
            200..=299 if response.truncated => Verdict::Retry,
            200..=299 => {
                response::rejected(response).map_or(Verdict::Retry, |rejected| Verdict::Delivered { rejected })
            }
            429 | 502 | 503 | 504 => Verdict::Retry,
            // Not the backend's words but those of something in between: a redirect is never
            // followed, and 511 is a captive portal by definition (RFC 6585 §6).
            300..=399 | 511 => Verdict::Retry,
            413 => Verdict::Split,
            400 => Verdict::Refused,
            status @ (401 | 403 | 404) => Verdict::Hold(format!("the backend answered {status}")),
            status if (400..600).contains(&status) => Verdict::Drop(DropReason::ServerError),
            _ => Verdict::Retry,
        }
    }
}

/// Writes an export request: rows grouped by resource, in the order in which the resources appear.
fn request<T: Tree>(tree: &mut T, signal: Signal, temporality: Temporality, rows: &[ExportRow<'_>]) {
    let mut groups: Vec<(&Arc<Context>, Vec<&ExportRow<'_>>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(context, _)| Arc::ptr_eq(context, &row.context) || **context == row.context) {
            Some((_, group)) => group.push(row),
            None => groups.push((&row.context, vec![row])),
        }
    }
    let (resources, scopes, records) = match signal {
        TRACES => ("resourceSpans", "scopeSpans", "spans"),
        METRICS => ("resourceMetrics", "scopeMetrics", "metrics"),
        _ => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    tree.list(1, resources, groups.into_iter(), |tree, (context, group)| {
        tree.message(1, "resource", |tree| {
            let mut attributes = Attributes::default();
            for (key, value) in &context.attributes {
                attributes.any(key, value);
            }
            attributes.write(tree, 1);
        });
        tree.list(2, scopes, std::iter::once(group), |tree, group| {
            tree.message(1, "scope", |tree| {
                tree.text(1, "name", names::SCOPE_NAME);
                tree.text(2, "version", env!("CARGO_PKG_VERSION"));
            });
            tree.list(2, records, group.into_iter(), |tree, row| match signal {
                TRACES => spans::span(tree, row),
                METRICS => metrics::metric(tree, row, temporality),
                _ => logs::log_record(tree, row),
            });
            tree.text(3, "schemaUrl", semconv::SCHEMA_URL);
        });
        tree.text(3, "schemaUrl", semconv::SCHEMA_URL);
    });
}

/// A value of an attribute that we set, or one of the caller's.
#[derive(Debug, Clone)]
enum Out<'a> {
    Text(std::borrow::Cow<'a, str>),
    Int(i64),
    Double(f64),
    Flag(bool),
    Any(&'a AnyValue),
}

/// Attributes of one record, each key once: OTLP forbids duplicates. The first one wins, ours
/// before the caller's.
#[derive(Debug, Default)]
struct Attributes<'a>(Vec<(&'a str, Out<'a>)>);

impl<'a> Attributes<'a> {
    /// Those that every log record and span has.
    fn of(row: &'a ExportRow<'_>) -> Self {
        let mut attributes = Self(Vec::with_capacity(8 + row.record.attributes.len()));
        attributes.owned(names::EVENT_ID, row.id.to_string());
        attributes.scope(row);
        if let Some(action) = row.record.id(field::ACTION_ID) {
            attributes.owned(names::ACTION_ID, action.to_string());
        }
        attributes.count(names::TRUNCATED, row.record.uint(field::TRUNCATED));
        attributes.text(names::ENDED, row.record.text(field::ENDED));
        attributes
    }

    fn scope(&mut self, row: &'a ExportRow<'_>) {
        if let Some(session) = row.scope.session {
            self.owned(semconv::SESSION_ID, session.to_string());
        }
        if let Some(view) = row.scope.view {
            self.owned(semconv::SCREEN_ID, view.to_string());
            self.text(semconv::SCREEN_NAME, Some(&row.scope.view_name));
        }
    }

    fn push(&mut self, key: &'a str, value: Out<'a>) {
        if !self.0.iter().any(|(known, _)| *known == key) {
            self.0.push((key, value));
        }
    }

    fn text(&mut self, key: &'a str, value: Option<&'a str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(key, Out::Text(value.into()));
        }
    }

    fn owned(&mut self, key: &'a str, value: String) {
        self.push(key, Out::Text(value.into()));
    }

    fn count(&mut self, key: &'a str, value: Option<u64>) {
        if let Some(value) = value {
            self.push(key, Out::Int(i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    fn flag(&mut self, key: &'a str, value: bool) {
        self.push(key, Out::Flag(value));
    }

    fn double(&mut self, key: &'a str, value: Option<f64>) {
        if let Some(value) = value {
            self.push(key, Out::Double(value));
        }
    }

    fn any(&mut self, key: &'a str, value: &'a AnyValue) {
        // An empty key is not allowed.
        if !key.is_empty() {
            self.push(key, Out::Any(value));
        }
    }

    fn callers(&mut self, row: &'a ExportRow<'_>) {
        for (key, value) in &row.record.attributes {
            self.any(key, value);
        }
    }

    fn write<T: Tree>(&self, tree: &mut T, number: u32) {
        tree.list(number, "attributes", self.0.iter(), |tree, (key, value)| {
            tree.text_always(1, "key", key);
            tree.message(2, "value", |tree| match value {
                Out::Text(text) => tree.text_always(1, "stringValue", text),
                Out::Flag(flag) => tree.flag(2, "boolValue", *flag),
                Out::Int(number) => tree.int(3, "intValue", *number),
                Out::Double(number) => tree.double(4, "doubleValue", *number),
                Out::Any(value) => any_value(tree, value),
            });
        });
    }
}

/// The fields of an `AnyValue`.
fn any_value<T: Tree>(tree: &mut T, value: &AnyValue) {
    match value {
        AnyValue::Text(text) => tree.text_always(1, "stringValue", text),
        AnyValue::Bool(flag) => tree.flag(2, "boolValue", *flag),
        AnyValue::Int(number) => tree.int(3, "intValue", *number),
        AnyValue::Double(number) => tree.double(4, "doubleValue", *number),
        AnyValue::List(items) => tree.message(5, "arrayValue", |tree| {
            tree.list(1, "values", items.iter(), |tree, item| any_value(tree, item));
        }),
        AnyValue::Map(entries) => tree.message(6, "kvlistValue", |tree| {
            tree.list(1, "values", entries.iter(), |tree, (key, item)| {
                tree.text_always(1, "key", key);
                tree.message(2, "value", |tree| any_value(tree, item));
            });
        }),
        AnyValue::Bytes(bytes) => tree.bytes(7, "bytesValue", bytes),
    }
}

/// Attributes that the caller gave and the limits cut.
fn dropped_attributes(row: &ExportRow<'_>) -> u32 {
    row.record.uint(field::DROPPED_ATTRIBUTES).unwrap_or(0) as u32
}

#[cfg(test)]
mod tests;
