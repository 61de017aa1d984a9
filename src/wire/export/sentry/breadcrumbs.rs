//! What happened before a crash, as Sentry's breadcrumbs
//! (<https://develop.sentry.dev/sdk/data-model/event-payloads/breadcrumbs/>).

use super::identity::{find, scalar};
use super::json::{Object, Value};
use super::time::rfc3339;
use crate::model::names::{breadcrumb as key, semconv, sentry};
use crate::model::value::AnyValue;

/// Writes the breadcrumbs of an event, the oldest first. `clock` gives the time that is sent.
pub(super) fn breadcrumbs(event: &mut Object<'_>, crumbs: &[AnyValue], clock: impl Fn(u64) -> u64) {
    if crumbs.is_empty() {
        return;
    }
    event.value("breadcrumbs").object(|object| {
        object.value("values").list(crumbs, |value, crumb| match crumb {
            AnyValue::Map(entries) => breadcrumb(value, entries, &clock),
            other => value.object(|object| object.value("message").text(&format!("{other:?}"))),
        });
    });
}

fn breadcrumb(value: Value<'_>, entries: &[(String, AnyValue)], clock: impl Fn(u64) -> u64) {
    let text = |key| find(entries, key).and_then(scalar).unwrap_or_default();
    let number = |key| match find(entries, key) {
        Some(AnyValue::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (kind, name, message) = (text(key::KIND), text(key::NAME), text(key::MESSAGE));
    let (crumb_type, category) = place(&kind);
    value.object(|object| {
        if let Some(time) = number(key::TIME) {
            object.text("timestamp", &rfc3339(clock(time)));
        }
        object.text("type", crumb_type);
        object.text("category", category);
        object.text("level", level(&kind, number(key::SEVERITY)));
        match (&*name, &*message) {
            (name, "") => object.text("message", name),
            ("", message) => object.text("message", message),
            (name, message) => object.text("message", &format!("{name}: {message}")),
        }
        object.object("data", |data| {
            match kind.as_ref() {
                "resource" => {
                    let (method, url) = name.split_once(' ').unwrap_or(("", &name));
                    data.text("method", method);
                    data.text("url", url);
                }
                "view" => data.text("to", &name),
                _ => {}
            }
            if let Some(duration) = number(key::DURATION) {
                data.value(key::DURATION).plain(duration);
            }
            if let Some(AnyValue::Map(attributes)) = find(entries, key::ATTRIBUTES) {
                if let Some(AnyValue::Int(status)) = find(attributes, semconv::HTTP_STATUS) {
                    data.value("status_code").plain(status);
                }
                data.object("attributes", |object| {
                    for (key, value) in super::json::last_of_each(attributes) {
                        object.value(key).any(value);
                    }
                });
            }
        });
    });
}

/// The type and the category of a breadcrumb. The type decides how Sentry shows it.
fn place(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "action" => ("user", sentry::CATEGORY_ACTION),
        "view" => ("navigation", "navigation"),
        "resource" => ("http", "http"),
        "error" => ("error", sentry::CATEGORY_ERROR),
        "session" => ("session", "session"),
        "log" => ("debug", "log"),
        "long_task" => ("default", sentry::CATEGORY_LONG_TASK),
        "vital" => ("info", "vital"),
        "span" => ("default", "operation"),
        _ => ("default", sentry::CATEGORY_CUSTOM),
    }
}

/// The level of a breadcrumb: by the severity of a log, in OpenTelemetry's numbers.
fn level(kind: &str, severity: Option<u64>) -> &'static str {
    match (kind, severity) {
        ("error", _) | (_, Some(17..=20)) => "error",
        (_, Some(1..=8)) => "debug",
        (_, Some(13..=16)) => "warning",
        (_, Some(21..)) => "fatal",
        _ => "info",
    }
}
