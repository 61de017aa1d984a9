//! B3, as one header and as several (<https://github.com/openzipkin/b3-propagation>).

use super::{SamplingDecision, SpanContext, id_of, span_hex, trace_hex};
use crate::model::names::headers as names;

/// What B3 headers hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that can be used.
    Nothing,
    /// A decision without a trace: `b3: 0`.
    Decision(SamplingDecision),
    /// A context.
    Context(Box<SpanContext>),
}

/// The values of the five headers of the multi form.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Headers<'a> {
    pub(super) trace_id: Option<&'a str>,
    pub(super) span_id: Option<&'a str>,
    pub(super) parent_span_id: Option<&'a str>,
    pub(super) sampled: Option<&'a str>,
    pub(super) flags: Option<&'a str>,
}

/// Reads a trace id of 128 bits or, from older tracers, of 64.
fn trace_id(text: &str) -> Option<[u8; 16]> {
    if text.len() == 16 {
        return id_of::<8>(text).map(|low| u128::from(u64::from_be_bytes(low)).to_be_bytes());
    }
    id_of(text)
}

fn context(trace: &str, span: &str, parent: Option<&str>, decision: SamplingDecision) -> Option<Box<SpanContext>> {
    let parent_span = parent.map(id_of).map_or(Some(None), |id| id.map(Some))?;
    let context = SpanContext::remote(trace_id(trace)?, id_of(span)?, decision);
    Some(Box::new(SpanContext { parent_span, ..context }))
}

fn decision(text: &str) -> Option<SamplingDecision> {
    match text {
        "0" => Some(SamplingDecision::Drop),
        "1" => Some(SamplingDecision::Keep),
        "d" => Some(SamplingDecision::Debug),
        _ => None,
    }
}

pub(super) fn extract_single(value: &str) -> Found {
    if let Some(alone) = decision(value) {
        return Found::Decision(alone);
    }
    let fields: Vec<&str> = value.splitn(5, '-').collect();
    let found = match *fields.as_slice() {
        [trace, span] => context(trace, span, None, SamplingDecision::Deferred),
        [trace, span, sampled] => decision(sampled).and_then(|decision| context(trace, span, None, decision)),
        [trace, span, sampled, parent] => {
            decision(sampled).and_then(|decision| context(trace, span, Some(parent), decision))
        }
        _ => None,
    };
    found.map_or(Found::Nothing, Found::Context)
}

pub(super) fn extract_multi(headers: Headers<'_>) -> Found {
    let decided = match (headers.flags, headers.sampled) {
        (Some("1"), _) => Some(SamplingDecision::Debug),
        (_, None) => Some(SamplingDecision::Deferred),
        // Old tracers send words. They are read, and never written.
        (_, Some(word)) if word.eq_ignore_ascii_case("true") => Some(SamplingDecision::Keep),
        (_, Some(word)) if word.eq_ignore_ascii_case("false") => Some(SamplingDecision::Drop),
        (_, Some(digit)) => decision(digit).filter(|decision| *decision != SamplingDecision::Debug),
    };
    let Some(decision) = decided else { return Found::Nothing };
    match (headers.trace_id, headers.span_id) {
        (Some(trace), Some(span)) => {
            context(trace, span, headers.parent_span_id, decision).map_or(Found::Nothing, Found::Context)
        }
        (None, None) if decision != SamplingDecision::Deferred => Found::Decision(decision),
        _ => Found::Nothing,
    }
}

/// The trace id in 32 digits, or in 16 when its high half is zero: as it came from an older tracer.
fn id_text(context: &SpanContext) -> String {
    let text = trace_hex(context.trace.trace_id);
    text.strip_prefix("0000000000000000").map_or(text.clone(), str::to_owned)
}

pub(super) fn inject_single(context: &SpanContext) -> Vec<(&'static str, String)> {
    let mut value = format!("{}-{}", id_text(context), span_hex(context.trace.span_id));
    value += match context.decision {
        SamplingDecision::ManualDrop | SamplingDecision::Drop => "-0",
        SamplingDecision::Keep | SamplingDecision::ManualKeep => "-1",
        SamplingDecision::Debug => "-d",
        SamplingDecision::Deferred => "",
    };
    // The parent stands after the decision, so it can only be written if there is one.
    if let Some(parent) = context.parent_span.filter(|_| context.decision != SamplingDecision::Deferred) {
        value += &format!("-{}", span_hex(parent));
    }
    vec![(names::B3, value)]
}

pub(super) fn inject_multi(context: &SpanContext) -> Vec<(&'static str, String)> {
    let mut headers =
        vec![(names::B3_TRACE_ID, id_text(context)), (names::B3_SPAN_ID, span_hex(context.trace.span_id))];
    if let Some(parent) = context.parent_span {
        headers.push((names::B3_PARENT_SPAN_ID, span_hex(parent)));
    }
    match context.decision {
        SamplingDecision::ManualDrop | SamplingDecision::Drop => headers.push((names::B3_SAMPLED, "0".to_owned())),
        SamplingDecision::Keep | SamplingDecision::ManualKeep => headers.push((names::B3_SAMPLED, "1".to_owned())),
        SamplingDecision::Debug => headers.push((names::B3_FLAGS, "1".to_owned())),
        SamplingDecision::Deferred => {}
    }
    headers
}
