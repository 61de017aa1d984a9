//! What redaction leaves of an event, and what it removes.

use serde_json::{Map, Value as Json};
use throughline::internals::redact::{REDACTED, Redactor};
use throughline::internals::scrub::{KeyVerdict, Scrub};

use super::input::Event;

pub(super) fn describe(redactor: &Redactor, event: &Event, out: &mut Map<String, Json>) {
    let mut changes = Vec::new();
    let attributes = attributes(redactor, event, &mut changes);
    if !attributes.is_empty() {
        out.insert("attributes".to_owned(), attributes.into());
    }
    if let Some(message) = &event.message {
        let clean = redactor.free_text(message);
        if clean != message.as_str() {
            changes.push("message: redacted".to_owned());
        }
        out.insert("message".to_owned(), clean.into());
    }
    if let Some(url) = &event.url {
        let clean = redactor.url(url);
        if clean != url.as_str() {
            changes.push("url: redacted".to_owned());
        }
        out.insert("url".to_owned(), clean.into());
    }
    // Names are identifiers that the app's code chooses; they are not searched for personal data.
    // `name` in the answer is the name of a mutation's action, so the event's own has another key.
    if let Some(name) = &event.name {
        out.insert("event_name".to_owned(), name.as_str().into());
    }
    out.insert("redacted".to_owned(), changes.into());
}

fn attributes(redactor: &Redactor, event: &Event, changes: &mut Vec<String>) -> Map<String, Json> {
    let mut kept = Map::new();
    for (key, value) in &event.attributes {
        match redactor.key(key) {
            KeyVerdict::Clean => {
                kept.insert(key.clone(), value.clone());
            }
            KeyVerdict::Secret => {
                changes.push(format!("attribute `{key}`: redacted, because its key is on the list of secret keys"));
                kept.insert(key.clone(), REDACTED.into());
            }
            KeyVerdict::Reserved => {
                changes.push(format!("attribute `{key}`: renamed, because Throughline reserves its prefix"));
                kept.insert(format!("app.{key}"), value.clone());
            }
        }
    }
    kept
}
