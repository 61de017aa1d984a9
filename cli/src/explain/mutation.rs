//! What the policy of a traced store makes of one mutation.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value as Json, json};
use throughline::Value;
use throughline::internals::redact::Redactor;
use throughline::internals::state::{Kept, Policy, capture};
use throughline::state::{Capture, PathDecision, StorePolicy};

use super::input::Event;
use super::privacy::searched;
use super::values::any_value;
use super::verdict::{Sampling, Verdict};

pub(super) fn verdict(
    stores: &BTreeMap<String, StorePolicy>,
    redactor: &Redactor,
    event: &Event,
    sampling: &Sampling,
    out: &mut Map<String, Json>,
) -> Result<Verdict> {
    let store = event.store.as_deref().context("a mutation needs `store`")?;
    let path = event.path.as_deref().context("a mutation needs `path`")?;
    let default = StorePolicy::default();
    let (settings, source) = match stores.get(store) {
        Some(settings) => (settings, "the store's policy"),
        None => (&default, "the default policy, because the store has none of its own"),
    };
    let mut policy = Policy::new(store, 1, settings)?.hiding(redactor.keys());
    let (name, capture) = match policy.decide(path) {
        PathDecision::Ignore(reason) => return Ok(Verdict::new("suppressed", reason.name())),
        PathDecision::Record { name, capture } => (name, capture),
    };
    out.insert("name".to_owned(), (&*name).into());
    out.insert("capture".to_owned(), serde_json::to_value(capture)?);
    for (key, value) in [("state.old", &event.old), ("state.new", &event.new)] {
        if let Some(value) = value {
            out.insert(key.to_owned(), captured(value, capture, redactor));
        }
    }
    if event.old.is_some() && event.old == event.new {
        return Ok(Verdict::new("suppressed", "unchanged"));
    }
    if !sampling.session.can_be_kept() {
        return Ok(Verdict::session_not_sampled());
    }
    if settings.coalesce.is_zero() {
        let verdict = Verdict::new("recorded", format!("as an action of its own, by {source}"));
        return Ok(verdict.of_a_share(sampling.sessions()));
    }
    let values = if capture == Capture::None { ", without values" } else { "" };
    let window = settings.coalesce.as_millis();
    let why = format!("with other mutations of its path and cause within {window} ms{values}, by {source}");
    Ok(Verdict::new("coalesced", why).of_a_share(sampling.sessions()))
}

/// What `capture` keeps of a value: the value itself, its type and length, or nothing.
fn captured(value: &Json, how: Capture, redactor: &Redactor) -> Json {
    let Some(value) = any_value(value) else { return Json::Null };
    match capture(&Value::from(&value), how, redactor.keys()) {
        None => Json::Null,
        Some(captured) => match captured.value {
            Some(Kept::Bool(flag)) => flag.into(),
            Some(Kept::Int(number)) => number.into(),
            Some(Kept::Double(number)) => number.into(),
            Some(Kept::Text(text)) => searched(redactor, &text),
            None => json!({ "type": captured.kind, "length": captured.length }),
        },
    }
}
