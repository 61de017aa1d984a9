//! The body of a RUM request: an event a line. Some rows tell of two.

use std::collections::HashMap;

use uuid::Uuid;

use super::Settings;
use super::facts::Facts;
use super::json::{self, Object};
use super::kinds::{Kind, Step};
use super::{errors, kinds};
use crate::model::event::EventKind;
use crate::model::export::{Details, ExportRow, ViewDetails};
use crate::model::limits::DATADOG_MAX_EVENT_BYTES;
use crate::model::names::{self, datadog};
use crate::model::time::nanos;

/// Encodes the events. Of several versions of a view only the last is sent, because it says all
/// that the others say.
pub(super) fn encode(settings: &Settings, rows: &[ExportRow<'_>]) -> Vec<u8> {
    let last = last_versions(rows);
    let mut body = Vec::with_capacity(rows.len() * 1_024);
    for (at, row) in rows.iter().enumerate() {
        let is_outdated = view_of(row).is_some_and(|(id, _)| last.get(&id).is_some_and(|(_, last)| *last != at));
        if is_outdated {
            continue;
        }
        for event in events(settings, row) {
            if !body.is_empty() {
                body.push(b'\n');
            }
            line(event, &mut body);
        }
    }
    body
}

/// The last version of each view, with its place.
fn last_versions(rows: &[ExportRow<'_>]) -> HashMap<Uuid, (u64, usize)> {
    let mut last: HashMap<Uuid, (u64, usize)> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some((id, view)) = view_of(row) {
            let known = last.entry(id).or_insert((view.version, at));
            if view.version >= known.0 {
                *known = (view.version, at);
            }
        }
    }
    last
}

fn view_of<'a>(row: &ExportRow<'a>) -> Option<(Uuid, ViewDetails<'a>)> {
    if row.kind() != EventKind::View {
        return None;
    }
    match row.details() {
        Details::View(view) => Some((view.id.unwrap_or_else(|| row.id()), view)),
        _ => None,
    }
}

/// Writes one event.
fn line(mut event: Object, body: &mut Vec<u8>) {
    let start = body.len();
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(&mut *body, &event);
    if body.len() - start > DATADOG_MAX_EVENT_BYTES {
        body.truncate(start);
        let context = event.insert("context".to_owned(), Object::new().into());
        let dropped = context.as_ref().and_then(|context| context.as_object()).map_or(0, |context| context.len());
        let mut marked = Object::new();
        json::set(&mut marked, names::DROPPED_ATTRIBUTES, dropped);
        json::inner(&mut event, "context", marked);
        let _ = serde_json::to_writer(&mut *body, &event);
    }
}

/// The events of a row.
fn events(settings: &Settings, row: &ExportRow<'_>) -> Vec<Object> {
    let mut facts = Facts::of(settings, row);
    let kind = match row.details() {
        Details::Span(span) => {
            let step = |step: &Step| {
                let mut facts = Facts::of(settings, row);
                let kind = kinds::span(&mut facts, &span, *step);
                event(facts, kind)
            };
            return Step::of(row).iter().map(step).collect();
        }
        Details::View(view) => kinds::view(&mut facts, &view),
        Details::Action(action) => kinds::action(&mut facts, &action),
        Details::Resource(resource) => kinds::resource(&mut facts, &resource),
        Details::Error(error) => errors::error(&mut facts, &error),
        Details::LongTask(task) => kinds::long_task(&facts, &task),
        Details::Vital(vital) => kinds::vital(&mut facts, &vital),
        // The other kinds have another signal.
        _ => kinds::custom(&facts, row.label()),
    };
    let mut events = vec![event(facts, kind)];
    if let Details::Resource(request) = row.details() {
        let mut facts = Facts::of(settings, row);
        events.extend(errors::of_request(&mut facts, &request).map(|kind| event(facts, kind)));
    }
    events
}

/// An event with what every event has.
fn event(mut facts: Facts<'_>, kind: Kind) -> Object {
    let Kind { name, own, mut top, mut internal, context, view, after } = kind;
    json::set(&mut internal, "format_version", 2);
    json::set(&mut internal, "sdk_name", names::SCOPE_NAME);
    let mut session = Object::new();
    json::set(&mut session, "id", facts.session().to_string());
    json::set(&mut session, "type", "user");
    let mut application = Object::new();
    json::set(&mut application, "id", facts.settings.application.as_str());
    json::set(&mut top, "type", name);
    json::set(&mut top, "date", facts.time().saturating_add(nanos(after)) / 1_000_000);
    json::set(&mut top, "application", application);
    json::set(&mut top, "session", session);
    json::set(&mut top, "view", if view.is_empty() { place(&facts) } else { view });
    json::set(&mut top, datadog::SOURCE, facts.source());
    json::text(&mut top, "service", facts.service());
    json::text(&mut top, "version", facts.version());
    json::text(&mut top, "build_id", facts.resource(names::semconv::BUILD_ID));
    json::set(&mut top, "ddtags", facts.tags());
    json::inner(&mut top, "usr", facts.user());
    json::set(&mut top, "device", facts.device());
    json::set(&mut top, "os", facts.os());
    json::set(&mut top, "_dd", internal);
    json::inner(&mut top, name, own);
    json::inner(&mut top, "context", facts.context(context));
    top
}

/// The view that an event belongs to.
fn place(facts: &Facts<'_>) -> Object {
    let shown = facts.view();
    let mut view = Object::new();
    json::set(&mut view, "id", shown.id.to_string());
    // The URL of a view is known to its own versions alone.
    json::set(&mut view, "url", shown.name);
    json::text(&mut view, "name", shown.name);
    view
}
