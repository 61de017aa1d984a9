//! An error, crash, hang, ANR or out-of-memory kill as an `event` of Sentry's
//! (<https://develop.sentry.dev/sdk/data-model/event-payloads/>).

use std::collections::HashSet;

use super::breadcrumbs::breadcrumbs;
use super::frame::{Frame, Language};
use super::identity::{Identity, find, scalar};
use super::json::{Object, Value, hex};
use super::stack::Stack;
use super::time::{Clock, rfc3339};
use super::words;
use crate::model::event::{ErrorKind, ErrorSource};
use crate::model::export::{Details, ErrorDetails, ExportRow};
use crate::model::limits::SENTRY_EXTRA_BYTES;
use crate::model::names::sentry::{APP, CONTEXT, DEVICE, DROPPED_ATTRIBUTES, EXCEPTION, STACK, SYSTEM, SYSTEM_NAME};
use crate::model::names::{self, semconv, words as our};
use crate::model::value::AnyValue;

/// Attributes of the resource that have another place, or say nothing beside it.
const ELSEWHERE: [&str; 6] = [
    semconv::DEPLOYMENT_ENVIRONMENT,
    semconv::SDK_NAME,
    semconv::SDK_LANGUAGE,
    semconv::SDK_VERSION,
    semconv::OS_TYPE,
    semconv::INSTALLATION_ID,
];

/// Android's number for the process that the user sees (`IMPORTANCE_FOREGROUND`).
pub(super) const IMPORTANCE_FOREGROUND: i64 = 100;

/// Writes the payload of an event.
pub(super) fn event(value: Value<'_>, identity: &Identity, row: &ExportRow<'_>, clock: Clock) {
    let details = row.details();
    let Details::Error(error) = &details else { return value.object(|_| {}) };
    let name = if error.error_type.is_empty() && error.message.is_empty() { "Error" } else { error.error_type };
    let stack = Stack::read(name, error.message, error.stack);
    let is_apple = find(row.resource_attributes(), semconv::OS_TYPE) == Some(&AnyValue::Text("darwin".to_owned()));
    value.object(|event| {
        event.text("event_id", &row.id().simple().to_string());
        event.text("timestamp", &rfc3339(clock.time(row, row.time_unix_nano())));
        event.text("platform", platform(&stack, row, is_apple));
        event.text("level", if error.error_kind == ErrorKind::Handled { "error" } else { "fatal" });
        event.text("transaction", row.view_name());
        event.text("release", &identity.release);
        event.text("environment", &identity.environment);
        event.text("dist", &identity.dist);
        sdk(event);
        event.object("tags", |tags| write_tags(tags, identity, row, error));
        user(event, identity, row);
        event.object("contexts", |contexts| write_contexts(contexts, row));
        exceptions(event, row, error, &stack);
        threads(event, row, error, &stack);
        if let Some(AnyValue::List(crumbs)) = find(row.attributes(), names::BREADCRUMBS) {
            breadcrumbs(event, crumbs, |time| clock.time(row, time));
        }
        stack.write_images(event, is_apple);
        event.object("extra", |extra| write_extra(extra, row, error, &stack, clock));
    });
}

/// Writes which SDK it was.
pub(super) fn sdk(object: &mut Object<'_>) {
    object.value("sdk").object(|sdk| {
        sdk.text("name", names::SCOPE_NAME);
        sdk.text("version", env!("CARGO_PKG_VERSION"));
    });
}

/// The platform, of those that Relay knows: by the stack, or by the language of the client.
fn platform(stack: &Stack<'_>, row: &ExportRow<'_>, is_apple: bool) -> &'static str {
    let client = find(row.resource_attributes(), semconv::SDK_LANGUAGE).and_then(scalar).unwrap_or_default();
    match (stack.language, &*client) {
        (Some(Language::Java), _) | (None, "kotlin" | "java") => "java",
        (Some(Language::Script), _) | (None, "javascript" | "typescript" | "webjs") => "javascript",
        (Some(Language::Native), _) if is_apple => "cocoa",
        (None, "swift") => "cocoa",
        (Some(Language::Native | Language::Rust), _) | (None, "rust") => "native",
        (None, _) => "other",
    }
}

fn write_tags(tags: &mut Object<'_>, identity: &Identity, row: &ExportRow<'_>, error: &ErrorDetails<'_>) {
    for (key, original) in &identity.originals {
        tags.text(key, &words::tag(original));
    }
    if let Some(session) = row.session_id() {
        tags.text(semconv::SESSION_ID, &session.to_string());
    }
    tags.text(semconv::SCREEN_NAME, &words::tag(row.view_name()));
    tags.text(names::ERROR_SOURCE, source(error.source));
    tags.text(names::ENDED, &words::tag(row.ended().unwrap_or_default()));
    let of_event = [names::OPERATION_NAME, names::CRASH_CODE, names::EXIT_RULE, names::ERROR_FATAL_ID];
    for key in of_event {
        let value = find(row.attributes(), key).and_then(scalar).unwrap_or_default();
        tags.text(key, &words::tag(&value));
    }
}

fn source(source: ErrorSource) -> &'static str {
    match source {
        ErrorSource::Source => our::SOURCE_CODE,
        ErrorSource::Network => our::SOURCE_NETWORK,
        ErrorSource::Logger => our::SOURCE_LOGGER,
        ErrorSource::WebView => our::SOURCE_WEBVIEW,
        ErrorSource::Custom => our::SOURCE_CUSTOM,
    }
}

/// The user of the app's, or the installation, so that Sentry can count how many are affected.
fn user(event: &mut Object<'_>, identity: &Identity, row: &ExportRow<'_>) {
    let globals = row.global_attributes();
    let of_user = |key: &str| find(globals, &format!("{}{key}", semconv::USER));
    event.object("user", |user| {
        match of_user("id").and_then(scalar) {
            Some(id) => user.text("id", &id),
            None => user.text("id", identity.installation.as_deref().unwrap_or_default()),
        }
        user.text("username", &of_user("name").and_then(scalar).unwrap_or_default());
        user.text("email", &of_user("email").and_then(scalar).unwrap_or_default());
        user.object("data", |data| {
            for (key, value) in super::json::last_of_each(globals) {
                let Some(key) = key.strip_prefix(semconv::USER) else { continue };
                let has_place = matches!(key, "id" | "name" | "email") && scalar(value).is_some();
                if !key.is_empty() && !has_place {
                    data.value(key).any(value);
                }
            }
        });
    });
}

fn write_contexts(contexts: &mut Object<'_>, row: &ExportRow<'_>) {
    let resource = row.resource_attributes();
    let known = |key: &str| find(resource, key).and_then(scalar).unwrap_or_default();
    for (name, keys) in [("device", &DEVICE[..]), ("os", &SYSTEM[..]), ("app", &APP[..])] {
        contexts.object(name, |context| {
            for (key, field) in keys {
                context.text(field, &known(key));
            }
            if name == "os" && known(SYSTEM_NAME).is_empty() {
                context.text("name", &known(semconv::OS_TYPE));
            }
            if name == "app" && !row.view_name().is_empty() {
                context.value("view_names").list([row.view_name()], |value, name| value.text(name));
            }
        });
    }
    if let Some(trace) = row.trace() {
        contexts.object("trace", |context| {
            context.text("trace_id", &hex(&trace.trace_id));
            context.text("span_id", &hex(&trace.span_id));
            let operation = find(row.attributes(), names::OPERATION_NAME).and_then(scalar);
            context.text("op", operation.as_deref().unwrap_or("default"));
        });
    }
    contexts.object(CONTEXT, |context| {
        let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        context.text(names::EVENT_ID, &row.id().to_string());
        context.text(semconv::SESSION_ID, &id(row.session_id()));
        context.text(semconv::SCREEN_ID, &id(row.view_id()));
        context.text(semconv::SCREEN_NAME, row.view_name());
        context.text(names::ACTION_ID, &id(row.action_id()));
        if row.truncated_values() > 0 {
            context.value(names::TRUNCATED).plain(row.truncated_values());
        }
    });
}

/// How Sentry calls the way in which an error came to light, and whether the app went on.
fn mechanism(row: &ExportRow<'_>, error: &ErrorDetails<'_>) -> (&'static str, bool) {
    let is_signal = find(row.attributes(), names::CRASH_SIGNAL).is_some();
    match error.error_kind {
        ErrorKind::Handled if error.error_type == our::ERROR_HANG => (our::ERROR_HANG, true),
        ErrorKind::Handled => ("generic", true),
        ErrorKind::Crash if is_signal => ("signalhandler", false),
        ErrorKind::Crash => ("uncaught", false),
        ErrorKind::Hang => (our::ERROR_HANG, false),
        ErrorKind::Anr => ("ANR", false),
        ErrorKind::OutOfMemory => ("OutOfMemory", false),
    }
}

/// The frames of the error itself: those of its stack, or of the first thread of a dump.
fn own_frames<'s, 't>(stack: &'s Stack<'t>) -> &'s [Frame<'t>] {
    let own = stack.exceptions.first().map_or(&[][..], |own| &own.frames);
    if own.is_empty() { stack.threads.first().map_or(&[][..], |thread| &thread.frames) } else { own }
}

/// Writes the exceptions. The cause of all stands first, and what was caught last.
fn exceptions(event: &mut Object<'_>, row: &ExportRow<'_>, error: &ErrorDetails<'_>, stack: &Stack<'_>) {
    let (kind, is_handled) = mechanism(row, error);
    event.value(EXCEPTION).object(|exception| {
        let all = stack.exceptions.iter().enumerate().rev();
        exception.value("values").list(all, |value, (at, one)| {
            value.object(|object| {
                object.text("type", one.name);
                object.text("value", one.message);
                if at == 0 {
                    thread_id(object, "thread_id", row);
                    stack.write_frames(object, own_frames(stack));
                } else {
                    stack.write_frames(object, &one.frames);
                }
                object.value("mechanism").object(|mechanism| {
                    mechanism.text("type", if at == 0 { kind } else { "chained" });
                    mechanism.value("handled").plain(is_handled);
                    if at == 0 {
                        signal(mechanism, row);
                    }
                });
            });
        });
    });
}

/// Writes the signal of a crash.
fn signal(mechanism: &mut Object<'_>, row: &ExportRow<'_>) {
    let known = |key| find(row.attributes(), key).and_then(scalar).unwrap_or_default();
    mechanism.object("meta", |meta| {
        meta.object("signal", |signal| {
            signal.text("name", &known(names::CRASH_SIGNAL));
            signal.text("code_name", &known(names::CRASH_CODE));
        });
    });
    mechanism.object("data", |data| data.text("relevant_address", &known(names::CRASH_ADDRESS)));
}

/// Writes the number of the thread on which the error was, if it is known.
fn thread_id(object: &mut Object<'_>, name: &str, row: &ExportRow<'_>) {
    if let Some(AnyValue::Int(id)) = find(row.attributes(), semconv::THREAD_ID)
        && *id >= 0
    {
        object.value(name).plain(id);
    }
}

/// Writes the thread of the error, or those of a dump.
fn threads(event: &mut Object<'_>, row: &ExportRow<'_>, error: &ErrorDetails<'_>, stack: &Stack<'_>) {
    let name = find(row.attributes(), semconv::THREAD_NAME).and_then(scalar).unwrap_or_default();
    let has_id = matches!(find(row.attributes(), semconv::THREAD_ID), Some(AnyValue::Int(id)) if *id >= 0);
    let is_fatal = error.error_kind != ErrorKind::Handled;
    if !stack.threads.is_empty() {
        event.value("threads").object(|threads| {
            threads.value("values").list(stack.threads.iter().enumerate(), |value, (at, thread)| {
                value.object(|object| {
                    object.value("id").text(thread.id);
                    object.text("name", thread.name);
                    object.value("crashed").plain(at == 0 && is_fatal);
                    object.value("current").plain(at == 0);
                    stack.write_frames(object, &thread.frames);
                });
            });
        });
    } else if has_id || !name.is_empty() {
        event.value("threads").object(|threads| {
            threads.value("values").list([()], |value, ()| {
                value.object(|object| {
                    thread_id(object, "id", row);
                    object.text("name", &name);
                    object.value("crashed").plain(is_fatal);
                    object.value("current").plain(true);
                });
            });
        });
    }
}

/// Writes everything that has no place of its own: the attributes of the event, then what held for
/// all events, then the resource. Of two with one name the first counts.
fn write_extra(extra: &mut Object<'_>, row: &ExportRow<'_>, error: &ErrorDetails<'_>, stack: &Stack<'_>, clock: Clock) {
    if !stack.is_whole {
        long_text(extra, STACK, error.stack);
    }
    let nameless = row.attributes().iter().filter(|(key, _)| key.is_empty()).count() as u64;
    let dropped = row.dropped_attributes().saturating_add(nameless);
    if dropped > 0 {
        extra.value(DROPPED_ATTRIBUTES).plain(dropped);
    }
    let mut written = HashSet::from([STACK, DROPPED_ATTRIBUTES]);
    if clock == Clock::Server {
        // It is in the times already: nobody is to add it once more.
        written.insert(names::SERVER_OFFSET);
    }
    let is_crumbs = |key: &str, value: &AnyValue| key == names::BREADCRUMBS && matches!(value, AnyValue::List(_));
    let own = super::json::last_of_each(row.attributes()).filter(|(key, value)| !is_crumbs(key, value));
    let globals = super::json::last_of_each(row.global_attributes()).filter(|(key, _)| !key.starts_with(semconv::USER));
    let has_place = |key: &str, value: &AnyValue| {
        let in_context = [&DEVICE[..], &SYSTEM[..], &APP[..]].concat().iter().any(|(known, _)| *known == key);
        ELSEWHERE.contains(&key) || in_context && scalar(value).is_some()
    };
    let resource = super::json::last_of_each(row.resource_attributes()).filter(|(key, value)| !has_place(key, value));
    for (key, value) in own.chain(globals).chain(resource) {
        if written.insert(key) {
            extra.value(key).any(value);
        }
    }
}

/// Writes a text of any length: one that Relay would cut as a list of its lines.
fn long_text(extra: &mut Object<'_>, name: &str, text: &str) {
    if text.len() <= SENTRY_EXTRA_BYTES {
        extra.value(name).text(text);
    } else {
        extra.value(name).list(text.lines(), |value, line| value.text(line));
    }
}
