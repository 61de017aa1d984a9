//! Datadog's headers, and its member of a `tracestate`.
//!
//! The low half of the trace id is sent as a decimal number. The high half is the tag `_dd.p.tid`,
//! exactly sixteen hex digits; with anything else, Datadog's own tracers continue another trace.

use super::{SamplingDecision, SpanContext, id_of, span_hex, trim};
use crate::model::limits::{MAX_DATADOG_MEMBER_BYTES, MAX_DATADOG_TAG_BYTES, MAX_ORIGIN_CHARS};
use crate::model::names::headers as names;

/// The values of the five headers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Headers<'a> {
    pub(super) trace_id: Option<&'a str>,
    pub(super) parent_id: Option<&'a str>,
    pub(super) priority: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    pub(super) tags: Option<&'a str>,
}

pub(super) fn extract(headers: Headers<'_>) -> Option<SpanContext> {
    let low = decimal(headers.trace_id?)?;
    let span = decimal(headers.parent_id?)?;
    let decision = match headers.priority {
        Some(text) => SamplingDecision::of_priority(trim(text))?,
        None => SamplingDecision::Deferred,
    };
    let tags = headers.tags.map_or_else(|| Some(Vec::new()), read_tags)?;
    let high = match tags.iter().find(|tag| tag.0 == names::DATADOG_TAG_TRACE_ID) {
        Some((_, tid)) => u64::from_be_bytes(id_of(tid)?),
        None => 0,
    };
    let trace_id = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
    let mut context = SpanContext::remote(trace_id, span.to_be_bytes(), decision);
    context.origin = headers.origin.map(|origin| clean(trim(origin))).unwrap_or_default();
    for (key, value) in tags {
        match key.as_str() {
            names::DATADOG_TAG_TRACE_ID => {}
            names::DATADOG_TAG_DECISION_MAKER => context.decision_maker = value,
            _ => context.tags.push((key, value)),
        }
    }
    Some(context)
}

/// Reads a decimal number of 64 bits that is not zero and has no sign.
fn decimal(text: &str) -> Option<u64> {
    let text = trim(text);
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten().filter(|id| *id != 0)
}

/// Reads the tags that are propagated, `_dd.p.*`. `None` when one of them cannot be read.
fn read_tags(text: &str) -> Option<Vec<(String, String)>> {
    let text = trim(text);
    if text.len() > MAX_DATADOG_TAG_BYTES {
        return Some(Vec::new());
    }
    let mut tags = Vec::new();
    for tag in text.split(',').map(trim).filter(|tag| !tag.is_empty()) {
        let (key, value) = tag.split_once('=')?;
        let is_sound = !value.is_empty() && key.bytes().chain(value.bytes()).all(|b| (0x20..=0x7e).contains(&b));
        if !is_sound {
            return None;
        }
        if key.starts_with(names::DATADOG_TAG_PREFIX) && key != names::DATADOG_TAG_UPSTREAM_SERVICES {
            tags.push((key.to_owned(), value.to_owned()));
        }
    }
    Some(tags)
}

/// The printable ASCII of a text, at most 64 characters.
fn clean(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c)).take(MAX_ORIGIN_CHARS).collect()
}

pub(super) fn inject(context: &SpanContext) -> Vec<(&'static str, String)> {
    let id = u128::from_be_bytes(context.trace.trace_id);
    let mut headers = vec![
        (names::DATADOG_TRACE_ID, (id as u64).to_string()),
        (names::DATADOG_PARENT_ID, u64::from_be_bytes(context.trace.span_id).to_string()),
    ];
    if let Some(priority) = context.decision.priority() {
        headers.push((names::DATADOG_SAMPLING_PRIORITY, priority.to_string()));
    }
    if !context.origin.is_empty() {
        headers.push((names::DATADOG_ORIGIN, context.origin.clone()));
    }
    let mut tags = Vec::new();
    if id >> 64 != 0 {
        tags.push(format!("{}={:016x}", names::DATADOG_TAG_TRACE_ID, (id >> 64) as u64));
    }
    if context.decision.is_kept() && !context.decision_maker.is_empty() {
        tags.push(format!("{}={}", names::DATADOG_TAG_DECISION_MAKER, context.decision_maker));
    }
    let mut bytes = tags.iter().map(|tag| tag.len() + 1).sum::<usize>();
    for (key, value) in &context.tags {
        bytes += key.len() + value.len() + 2;
        if bytes > MAX_DATADOG_TAG_BYTES {
            break;
        }
        tags.push(format!("{key}={value}"));
    }
    if !tags.is_empty() {
        headers.push((names::DATADOG_TAGS, tags.join(",")));
    }
    headers
}

/// Reads Datadog's member of a `tracestate`, which holds what `traceparent` cannot. Where the two
/// contradict each other, the flag of `traceparent` counts.
pub(super) fn read_member(member: &str, context: &mut SpanContext) {
    for part in member.split(';') {
        let Some((key, value)) = part.split_once(':') else { continue };
        match key {
            "s" => {
                let read = SamplingDecision::of_priority(value);
                let agreeing = read.filter(|decision| decision.is_kept() == context.trace.sampled);
                context.decision = agreeing.unwrap_or(context.decision);
            }
            "o" => context.origin = clean(&value.replace('~', "=")),
            names::DATADOG_MEMBER_DECISION_MAKER => context.decision_maker = value.to_owned(),
            // The high half of the trace id is in `traceparent`.
            names::DATADOG_MEMBER_TRACE_ID => {}
            _ => {
                if let Some(name) = key.strip_prefix(names::DATADOG_MEMBER_TAG_PREFIX) {
                    context.tags.push((format!("{}{name}", names::DATADOG_TAG_PREFIX), value.replace('~', "=")));
                }
            }
        }
    }
}

/// The value of Datadog's member of a `tracestate`, its parts in a fixed order.
pub(super) fn member(context: &SpanContext) -> String {
    let escape = |text: &str| text.replace(['=', ';', ',', '~'], "_");
    let mut parts = Vec::new();
    if !context.origin.is_empty() {
        parts.push(format!("o:{}", escape(&context.origin)));
    }
    parts.push(format!("p:{}", span_hex(context.trace.span_id)));
    if let Some(priority) = context.decision.priority() {
        parts.push(format!("s:{priority}"));
    }
    if context.decision.is_kept() && !context.decision_maker.is_empty() {
        parts.push(format!("{}:{}", names::DATADOG_MEMBER_DECISION_MAKER, escape(&context.decision_maker)));
    }
    let mut bytes = parts.iter().map(|part| part.len() + 1).sum::<usize>();
    for (key, value) in &context.tags {
        let Some(name) = key.strip_prefix(names::DATADOG_TAG_PREFIX) else { continue };
        let (name, value) = (escape(name), value.replace('=', "~").replace([';', ','], "_"));
        let part = format!("{}{name}:{value}", names::DATADOG_MEMBER_TAG_PREFIX);
        bytes += part.len() + 1;
        if bytes > MAX_DATADOG_MEMBER_BYTES {
            break;
        }
        parts.push(part);
    }
    parts.join(";")
}
