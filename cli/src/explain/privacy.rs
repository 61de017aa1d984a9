//! What redaction leaves of an event, and what it removes.

use anyhow::Result;
use serde_json::{Map, Value as Json};
use throughline::event::Custom;
use throughline::internals::decode::Record;
use throughline::internals::encode::{Stamp, encode_scrubbed};
use throughline::internals::redact::{REDACTED, Redactor};
use throughline::internals::scrub::{Author, KeyVerdict, Scrub, TextKind};
use throughline::{AnyValue, Attribute, Value};

use super::input::Event;
use super::values::{any_value, json};

pub(super) fn describe(redactor: &Redactor, event: &Event, out: &mut Map<String, Json>) -> Result<()> {
    let mut changes = Vec::new();
    let attributes = attributes(redactor, event, &mut changes)?;
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
    Ok(())
}

/// The attributes as the client's own encoder writes them.
fn attributes(redactor: &Redactor, event: &Event, changes: &mut Vec<String>) -> Result<Map<String, Json>> {
    let given: Vec<(&str, AnyValue)> =
        event.attributes.iter().filter_map(|(key, value)| Some((key.as_str(), any_value(value)?))).collect();
    let lent: Vec<Attribute<'_>> = given.iter().map(|(key, value)| (*key, Value::from(value))).collect();
    let mut bytes = Vec::new();
    encode_scrubbed(&Custom::new("").attributes(&lent), Stamp::default(), redactor.rules(Author::App), &mut bytes);
    let recorded = Record::decode(&bytes)?.attributes;
    for ((key, before), (name, after)) in given.iter().zip(&recorded) {
        let is_secret = redactor.key(key) == KeyVerdict::Secret;
        if name != key {
            let why = if name.len() > key.len() { "Throughline reserves its prefix" } else { "its key is too long" };
            changes.push(format!("attribute `{key}`: renamed, because {why}"));
        }
        match after {
            after if after == before => {}
            _ if is_secret => {
                changes.push(format!("attribute `{key}`: redacted, because its key is on the list of secret keys"));
            }
            after if json(after).to_string().contains(REDACTED) => {
                changes.push(format!("attribute `{key}`: redacted, because it holds a secret or personal data"));
            }
            _ => changes.push(format!("attribute `{key}`: shortened to what an attribute may hold")),
        }
    }
    if recorded.len() < given.len() {
        let left_out = given.len() - recorded.len();
        changes.push(format!("{left_out} attributes: left out, because the event has too many or is too large"));
    }
    Ok(recorded.into_iter().map(|(name, value)| (name.to_owned(), json(&value))).collect())
}

/// A text of an attribute, searched if the configuration wants that.
pub(super) fn searched(redactor: &Redactor, text: &str) -> Json {
    if !redactor.rules(Author::App).attribute_texts {
        return text.into();
    }
    redactor.text(TextKind::Label, text, text.len()).into()
}
