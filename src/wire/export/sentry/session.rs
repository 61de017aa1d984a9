//! Updates of a session, from which Sentry computes how many sessions and users had no crash
//! (<https://develop.sentry.dev/sdk/telemetry/sessions/>).
//!
//! An update says what one event says of its session, because an exporter keeps nothing: its start
//! is the one with `init`, its end is `exited`, and an error sends its own update along, which is
//! also the end of a session that has crashed: the client ends it without a word. Sentry
//! counts starts, crashes and abnormal ends, and keeps the set of the sessions that had an error,
//! so the number of errors is 1 or 0.

use super::event::IMPORTANCE_FOREGROUND;
use super::identity::{Identity, find};
use super::json::{Object, Value};
use super::time::{Clock, rfc3339};
use crate::model::event::{ErrorKind, SessionChange};
use crate::model::export::{Details, ExportRow};
use crate::model::names::{self, words};
use crate::model::value::AnyValue;

/// The release of a session of which nothing is known, because Relay refuses one without.
const UNKNOWN_RELEASE: &str = "unknown";

/// What an event says of its session.
struct Update {
    sid: uuid::Uuid,
    is_first: bool,
    status: &'static str,
    errors: u8,
    abnormal: &'static str,
    clock: Clock,
}

/// Writes the update that the start or the end of a session is.
pub(super) fn session(value: Value<'_>, identity: &Identity, row: &ExportRow<'_>, clock: Clock) {
    let Details::Session(session) = row.details() else { return value.object(|_| {}) };
    let is_first = session.change == SessionChange::Start;
    // A session has one end. That of a crash went along with the crash, so this one says nothing.
    // A session that the app keeps itself has no crashes.
    let is_own = session.id.is_some() && session.id != row.session_id();
    let is_told = !is_own && [words::SESSION_CRASHED, words::SESSION_HUNG].contains(&session.reason);
    let status = if is_first || is_told { "ok" } else { "exited" };
    let sid = session.id.or(row.session_id()).unwrap_or_else(|| row.id());
    write(value, identity, row, &Update { sid, is_first, status, errors: 0, abnormal: "", clock });
}

/// Whether an error says something of a session: of the one in which it was recorded.
///
/// What the system tells of the end of an earlier process is recorded in the session of the process
/// that asks, which has not ended.
pub(super) fn is_told_by(row: &ExportRow<'_>) -> bool {
    row.session_id().is_some() && find(row.attributes(), names::EXIT_RULE).is_none()
}

/// Writes the update that an error makes to its session.
pub(super) fn session_of_error(value: Value<'_>, identity: &Identity, row: &ExportRow<'_>, clock: Clock) {
    let kind = match row.details() {
        Details::Error(error) => error.error_kind,
        _ => ErrorKind::Handled,
    };
    let (status, abnormal) = match kind {
        ErrorKind::Handled => ("ok", ""),
        ErrorKind::Crash => ("crashed", ""),
        ErrorKind::Anr => ("abnormal", anr(row)),
        ErrorKind::Hang | ErrorKind::OutOfMemory => ("abnormal", ""),
    };
    let sid = row.session_id().unwrap_or_else(|| row.id());
    write(value, identity, row, &Update { sid, is_first: false, status, errors: 1, abnormal, clock });
}

/// Where an app was that did not respond, in the words of Relay.
fn anr(row: &ExportRow<'_>) -> &'static str {
    match find(row.attributes(), names::EXIT_IMPORTANCE) {
        Some(AnyValue::Int(importance)) if *importance > IMPORTANCE_FOREGROUND => "anr_background",
        _ => "anr_foreground",
    }
}

fn write(value: Value<'_>, identity: &Identity, row: &ExportRow<'_>, update: &Update) {
    let time = rfc3339(update.clock.time(row, row.time_unix_nano()));
    value.object(|session: &mut Object<'_>| {
        session.text("sid", &update.sid.to_string());
        session.text("did", identity.installation.as_deref().unwrap_or_default());
        if update.is_first {
            session.value("init").plain(true);
        }
        session.text("started", &time);
        session.text("timestamp", &time);
        session.text("status", update.status);
        session.value("errors").plain(update.errors);
        session.text("abnormal_mechanism", update.abnormal);
        session.value("attrs").object(|attrs| {
            let is_known = !identity.release.is_empty();
            attrs.text("release", if is_known { &identity.release } else { UNKNOWN_RELEASE });
            attrs.text("environment", &identity.environment);
        });
    });
}
