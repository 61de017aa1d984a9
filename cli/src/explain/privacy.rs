//! What redaction leaves of an event, and what it removes.

use serde_json::{Map, Value as Json};
use throughline::internals::redact::{REDACTED, Redactor};
use throughline::internals::scrub::{Author, KeyVerdict, Scrub, TextKind};

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
    // `name` in the answer is the name of a mutation's action, so the event's own has another key.
    if let Some(name) = &event.name {
        let clean = redactor.name(name);
        if clean != name.as_str() {
            changes.push("name: redacted".to_owned());
        }
        out.insert("event_name".to_owned(), clean.into());
    }
    out.insert("redacted".to_owned(), changes.into());
}

fn attributes(redactor: &Redactor, event: &Event, changes: &mut Vec<String>) -> Map<String, Json> {
    let mut kept = Map::new();
    for (key, value) in &event.attributes {
        match redactor.key(key) {
            KeyVerdict::Clean => {
                kept.insert(key.clone(), searched(redactor, key, value, changes));
            }
            KeyVerdict::Secret => {
                changes.push(format!("attribute `{key}`: redacted, because its key is on the list of secret keys"));
                kept.insert(key.clone(), REDACTED.into());
            }
            KeyVerdict::Reserved => {
                changes.push(format!("attribute `{key}`: renamed, because Throughline reserves its prefix"));
                kept.insert(format!("app.{key}"), searched(redactor, key, value, changes));
            }
        }
    }
    kept
}

/// The value of an attribute, with its text searched if the configuration wants that.
pub(super) fn searched(redactor: &Redactor, key: &str, value: &Json, changes: &mut Vec<String>) -> Json {
    let Some(text) = value.as_str().filter(|_| redactor.rules(Author::App).attribute_texts) else {
        return value.clone();
    };
    let clean = redactor.text(TextKind::Label, text, text.len());
    if clean != text {
        changes.push(format!("attribute `{key}`: redacted, because its text holds a secret or personal data"));
    }
    clean.into()
}
