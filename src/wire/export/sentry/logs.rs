//! Log lines and events of the app's own as `log` items
//! (<https://develop.sentry.dev/sdk/telemetry/logs/>).

use std::borrow::Cow;
use std::collections::HashSet;

use super::identity::{Identity, scalar};
use super::json::{Object, Value, hex, last_of_each};
use super::time::{Clock, seconds};
use crate::model::event::Severity;
use crate::model::export::{Details, ExportRow};
use crate::model::names::{self, semconv, sentry};
use crate::model::value::AnyValue;

/// Writes the payload of a container of logs.
pub(super) fn logs(value: Value<'_>, rows: &[(Identity, &ExportRow<'_>)], clock: Clock) {
    value.object(|object| {
        object.value("items").list(rows, |value, (identity, row)| log(value, identity, row, clock));
    });
}

fn log(value: Value<'_>, identity: &Identity, row: &ExportRow<'_>, clock: Clock) {
    let (severity, body, logger) = match row.details() {
        Details::Log(log) => (log.severity, log.body, log.logger),
        _ => (Severity::Info as u8, row.label(), ""),
    };
    value.object(|log| {
        log.value("timestamp").plain(seconds(clock.time(row, row.time_unix_nano())));
        log.text("trace_id", &trace_id(row));
        if let Some(trace) = row.trace() {
            log.text("span_id", &hex(&trace.span_id));
        }
        log.text("level", level(severity));
        log.value("severity_number").plain(severity.clamp(1, 24));
        log.value("body").text(body);
        log.object("attributes", |attributes| {
            let mut written = HashSet::new();
            if clock == Clock::Server {
                written.insert(names::SERVER_OFFSET);
            }
            let own = [
                (sentry::LOG_RELEASE, identity.release.as_str()),
                (sentry::LOG_ENVIRONMENT, &identity.environment),
                (sentry::LOG_SDK_NAME, names::SCOPE_NAME),
                (sentry::LOG_SDK_VERSION, env!("CARGO_PKG_VERSION")),
                (sentry::LOG_LOGGER, logger),
                (semconv::SCREEN_NAME, row.view_name()),
                (semconv::LOG_RECORD_UID, &row.id().to_string()),
                (semconv::SESSION_ID, &row.session_id().map(|id| id.to_string()).unwrap_or_default()),
            ];
            for (key, text) in own {
                written.insert(key);
                if !text.is_empty() {
                    attribute(attributes, key, &AnyValue::Text(text.to_owned()));
                }
            }
            let (row_own, globals) = (last_of_each(row.attributes()), last_of_each(row.global_attributes()));
            for (key, value) in row_own.chain(globals).chain(last_of_each(row.resource_attributes())) {
                if key != semconv::INSTALLATION_ID && written.insert(key) {
                    attribute(attributes, key, value);
                }
            }
        });
    });
}

/// The trace that a line belongs to. Sentry demands one: without, it is that of the session.
fn trace_id(row: &ExportRow<'_>) -> String {
    let of_session = || row.session_id().unwrap_or_else(|| row.id()).simple().to_string();
    row.trace().map_or_else(of_session, |trace| hex(&trace.trace_id))
}

/// Writes an attribute, which has a type. Lists and maps have none and are sent as JSON.
fn attribute(attributes: &mut Object<'_>, key: &str, value: &AnyValue) {
    let (kind, value): (_, Cow<'_, AnyValue>) = match value {
        AnyValue::Bool(_) => ("boolean", Cow::Borrowed(value)),
        AnyValue::Int(_) => ("integer", Cow::Borrowed(value)),
        AnyValue::Double(number) if number.is_finite() => ("double", Cow::Borrowed(value)),
        AnyValue::Text(_) => ("string", Cow::Borrowed(value)),
        other => {
            let text = match scalar(other) {
                Some(text) => text.into_owned(),
                None => {
                    let mut json = Vec::new();
                    Value::at(&mut json).any(other);
                    String::from_utf8(json).unwrap_or_default()
                }
            };
            ("string", Cow::Owned(AnyValue::Text(text)))
        }
    };
    attributes.value(key).object(|attribute| {
        attribute.value("value").any(&value);
        attribute.text("type", kind);
    });
}

/// The level of a severity, in OpenTelemetry's numbers.
fn level(severity: u8) -> &'static str {
    match severity {
        1..=4 => "trace",
        5..=8 => "debug",
        0 | 9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        _ => "fatal",
    }
}
