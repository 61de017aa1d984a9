//! The body of a logs request: a JSON array of lines.
//!
//! A line's own members are few and known; everything of the app's is in `context`, so that no
//! attribute takes the place of `status`, `host`, `service`, `message` or another member that
//! Datadog reads.

use serde_json::Value;

use super::Settings;
use super::facts::Facts;
use super::json::{self, Object};
use crate::model::event::SessionChange;
use crate::model::export::{Details, ExportRow, LogDetails, SessionDetails};
use crate::model::names::{self, datadog, semconv};

pub(super) fn encode(settings: &Settings, rows: &[ExportRow<'_>]) -> Vec<u8> {
    let lines: Vec<Value> = rows.iter().map(|row| Value::Object(line(settings, row))).collect();
    // Objects with text keys can always be written.
    serde_json::to_vec(&lines).unwrap_or_default()
}

fn line(settings: &Settings, row: &ExportRow<'_>) -> Object {
    let mut facts = Facts::of(settings, row);
    let (mut line, mut context) = (Object::new(), Object::new());
    let mut logger = names::SCOPE_NAME;
    match row.details() {
        Details::Log(log) => {
            json::set(&mut line, "message", log.body);
            json::set(&mut line, "status", status(&log));
            logger = if log.logger.is_empty() { logger } else { log.logger };
        }
        Details::Session(session) => of_session(&mut line, &mut context, &session),
        _ => {}
    }
    let mut named = Object::new();
    json::set(&mut named, "name", logger);
    json::set(&mut named, "version", env!("CARGO_PKG_VERSION"));
    json::text(&mut named, "thread_name", &facts.take_text(semconv::THREAD_NAME));
    json::set(&mut line, datadog::LOGGER, named);
    json::set(&mut line, "date", iso(facts.time()));
    json::set(&mut line, "service", facts.service());
    json::set(&mut line, "ddtags", facts.tags());
    json::text(&mut line, "build_id", facts.resource(semconv::BUILD_ID));
    let (mut internal, mut device) = (Object::new(), Object::new());
    json::set(&mut device, "architecture", facts.resource(semconv::HOST_ARCH));
    json::set(&mut internal, "device", device);
    json::set(&mut line, "_dd", internal);
    json::set(&mut line, "device", facts.device());
    json::set(&mut line, "os", facts.os());
    json::inner(&mut line, "usr", facts.user());
    json::inner(&mut line, "error", error(&mut facts));
    json::set(&mut line, "application_id", settings.application.as_str());
    json::set(&mut line, "session_id", facts.session().to_string());
    if let Some(view) = row.view_id() {
        json::set(&mut line, datadog::LOG_VIEW_ID, view.to_string());
        json::text(&mut line, datadog::LOG_VIEW_NAME, row.view_name());
    }
    if let Some(action) = row.action_id() {
        json::set(&mut line, datadog::LOG_ACTION_ID, action.to_string());
    }
    if let Some(trace) = row.trace() {
        json::set(&mut line, datadog::LOG_TRACE_ID, json::hex(&trace.trace_id));
        json::set(&mut line, datadog::LOG_SPAN_ID, json::decimal(trace.span_id));
    }
    // The id by which a line that came twice can be told.
    json::set(&mut context, semconv::LOG_RECORD_UID, row.id().to_string());
    json::set(&mut line, "context", facts.context(context));
    line
}

fn of_session(line: &mut Object, context: &mut Object, session: &SessionDetails<'_>) {
    let message = match session.change {
        SessionChange::Start => semconv::EVENT_SESSION_START,
        SessionChange::End => semconv::EVENT_SESSION_END,
    };
    json::set(line, "message", message);
    json::set(line, "status", "info");
    json::text(context, names::SESSION_REASON, session.reason);
    if let Some(previous) = session.previous {
        json::set(context, semconv::SESSION_PREVIOUS_ID, previous.to_string());
    }
}

fn error(facts: &mut Facts<'_>) -> Object {
    let mut error = Object::new();
    json::text(&mut error, "kind", &facts.take_text(semconv::EXCEPTION_TYPE));
    json::text(&mut error, "message", &facts.take_text(semconv::EXCEPTION_MESSAGE));
    json::text(&mut error, "stack", &facts.take_text(semconv::EXCEPTION_STACKTRACE));
    error
}

fn status(log: &LogDetails<'_>) -> &'static str {
    match log.severity {
        1..=4 => "trace",
        5..=8 => "debug",
        13..=16 => "warn",
        17..=20 => "error",
        21.. => "critical",
        _ => "info",
    }
}

/// A time as ISO 8601 writes it, to the millisecond, in UTC. The date is counted from March, so
/// that the day that some years have more is the last (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`).
fn iso(time_ns: u64) -> String {
    let (seconds, millis) = (time_ns / 1_000_000_000, time_ns / 1_000_000 % 1_000);
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::iso;

    #[test]
    fn a_time_is_written_as_the_calendar_has_it() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_767_225_600, "2026-01-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(seconds * 1_000_000_000), text);
        }
        assert_eq!(iso(1_001_999_999), "1970-01-01T00:00:01.001Z");
        assert_eq!(iso(u64::MAX), "2554-07-21T23:34:33.709Z");
    }
}
