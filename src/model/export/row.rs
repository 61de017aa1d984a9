//! An event as an exporter reads it.

use std::sync::Arc;

use uuid::Uuid;

use super::Details;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::event::encode::field;
use crate::model::event::{EventKind, TraceContext};
use crate::model::names;
use crate::model::value::AnyValue;

/// A recorded event with everything it refers to: what every event has, and [`Details`] by its
/// kind.
///
/// Values are as they were recorded: secrets are already taken out, and texts that were too long
/// are cut. A method returns an empty text or `None` for what an event does not have.
///
/// ```
/// use throughline::export::{Details, ExportRow};
///
/// /// One line for people.
/// fn line(row: &ExportRow<'_>) -> String {
///     let what = match row.details() {
///         Details::Action(action) => format!("{:?} on {}", action.action_type, action.name),
///         Details::Error(error) => format!("{}: {}", error.error_type, error.message),
///         Details::Resource(request) => format!("{} {}", request.method, request.url),
///         _ => row.label().to_owned(),
///     };
///     let attributes = row.attributes().iter().map(|(key, value)| format!(" {key}={value:?}"));
///     format!("{} {}{}", row.kind().name(), what, attributes.collect::<String>())
/// }
/// # let _ = line;
/// ```
#[derive(Debug)]
pub struct ExportRow<'a> {
    pub(crate) id: Uuid,
    pub(crate) time_ns: u64,
    pub(crate) is_open: bool,
    pub(crate) record: Record<'a>,
    /// What the event was recorded by, and what the app had set for all events.
    pub(crate) context: Arc<Context>,
    /// Session and view when it was recorded.
    pub(crate) scope: Arc<Scope>,
}

impl<'a> ExportRow<'a> {
    /// The event's id, a UUIDv7: the same in every attempt and for every destination, so that a
    /// backend can drop what it has already received.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether the event has not ended: a view that is shown. What is sent of it now is followed by
    /// a later version with the same id.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The kind of the event.
    pub fn kind(&self) -> EventKind {
        self.record.kind
    }

    /// Wall time in nanoseconds since the Unix epoch, by the device's clock: the start of an event
    /// that has a duration, else the moment at which it was recorded.
    pub fn time_unix_nano(&self) -> u64 {
        self.time_ns
    }

    /// Server time less device time in milliseconds, as it was known when the event began. `None`
    /// when nothing was known, or the clocks agreed to two seconds.
    pub fn server_offset_ms(&self) -> Option<i64> {
        let known = self.context.of_records.iter().rev().find(|(key, _)| key == names::SERVER_OFFSET);
        match known {
            Some((_, AnyValue::Int(millis))) => Some(*millis),
            _ => None,
        }
    }

    /// A wall time of the event's, ns since the Unix epoch, by the server's clock where the offset
    /// is known, for formats that have no field for the offset. It depends on the event alone, so a
    /// batch that is encoded again has the same bytes.
    pub fn by_server_clock(&self, unix_nano: u64) -> u64 {
        let offset = self.server_offset_ms().unwrap_or(0).saturating_mul(1_000_000);
        unix_nano.saturating_add_signed(offset)
    }

    /// What the event is called: the name of a view, action, span, metric, vital or custom event,
    /// the URL of a request, the type of an error, the body of a log. Empty for a session and a
    /// long task.
    pub fn label(&self) -> &'a str {
        let number = match self.record.kind {
            EventKind::Resource => field::URL,
            EventKind::Error => field::ERROR_TYPE,
            EventKind::Log => field::MESSAGE,
            EventKind::Session | EventKind::LongTask => return "",
            _ => field::NAME,
        };
        self.record.text(number).unwrap_or_default()
    }

    /// What only events of this kind have.
    pub fn details(&self) -> Details<'a> {
        Details::of(&self.record)
    }

    /// The attributes of the event, in the order in which they were given. Keys are not necessarily
    /// unique. Among them are those that Throughline itself sets: see [`names`](crate::names).
    pub fn attributes(&self) -> &[(&'a str, AnyValue)] {
        &self.record.attributes
    }

    /// What the event was recorded by: service, app, device, OS, installation, by their
    /// OpenTelemetry names. It does not change while a process runs, and many rows share one list.
    pub fn resource_attributes(&self) -> &[(String, AnyValue)] {
        &self.context.attributes
    }

    /// What held for every event when this one was recorded: the user (`user.…`), feature flags
    /// (`throughline.feature_flag.…`), the app's global attributes, the offset to server time. Many
    /// rows share one list. A key that is also among [`attributes`](Self::attributes) says less
    /// than that one. They do not belong to a metric, whose identity they would change.
    pub fn global_attributes(&self) -> &[(String, AnyValue)] {
        &self.context.of_records
    }

    /// The session that the event belongs to.
    pub fn session_id(&self) -> Option<Uuid> {
        self.scope.session
    }

    /// The view that was shown when the event was recorded.
    pub fn view_id(&self) -> Option<Uuid> {
        self.scope.view
    }

    /// The name of that view; empty when there was none.
    pub fn view_name(&self) -> &str {
        &self.scope.view_name
    }

    /// The action that caused the event.
    pub fn action_id(&self) -> Option<Uuid> {
        self.record.id(field::ACTION_ID)
    }

    /// The trace and span that the event belongs to. For a span and a request it is their own.
    pub fn trace(&self) -> Option<TraceContext> {
        self.record.trace()
    }

    /// Why an event that was open has ended without its end being recorded: `process_death`.
    pub fn ended(&self) -> Option<&'a str> {
        self.record.text(field::ENDED)
    }

    /// How many values of the event were cut because they were longer than a limit.
    pub fn truncated_values(&self) -> u64 {
        self.record.uint(field::TRUNCATED).unwrap_or(0)
    }

    /// How many attributes, span events and links were left out because there were too many.
    pub fn dropped_attributes(&self) -> u64 {
        self.record.uint(field::DROPPED_ATTRIBUTES).unwrap_or(0)
    }
}
