//! W3C Trace Context: `traceparent` and `tracestate` (<https://www.w3.org/TR/trace-context-2/>).

use super::{SamplingDecision, SpanContext, datadog, id_of, span_hex, trace_hex, trim};
use crate::model::event::TraceContext;
use crate::model::limits::{LONG_STATE_MEMBER_BYTES, MAX_STATE_BYTES, MAX_STATE_MEMBERS, MAX_STATE_PART_BYTES};
use crate::model::names::headers as names;

impl TraceContext {
    /// The value of a `traceparent` header: version 00, flags `01` for sampled or `00`.
    pub fn traceparent(&self) -> String {
        parent(self, false)
    }

    /// Reads the value of a `traceparent` header; `None` for anything that the standard calls
    /// invalid.
    pub fn from_traceparent(text: &str) -> Option<Self> {
        read(text).map(|(trace, _)| trace)
    }
}

/// Reads the value of a `traceparent` header: the ids with the sampled flag, bit 0, and the random
/// flag, bit 1.
fn read(text: &str) -> Option<(TraceContext, bool)> {
    let text = trim(text);
    let mut fields = text.splitn(4, '-');
    let version = fields.next()?;
    let trace_id = id_of(fields.next()?)?;
    let span_id = id_of(fields.next()?)?;
    let rest = fields.next()?;
    let (flags, more) = rest.split_at_checked(2)?;
    // A later version may have more fields after another dash; version 00 ends here.
    let is_whole = more.is_empty() || (version != "00" && more.starts_with('-'));
    if hex_byte(version)? == 0xff || !is_whole {
        return None;
    }
    let flags = hex_byte(flags)?;
    Some((TraceContext { trace_id, span_id, sampled: flags & 1 == 1 }, flags >> 1 & 1 == 1))
}

/// The value of a `traceparent` header of version 00.
fn parent(trace: &TraceContext, random: bool) -> String {
    let flags = u8::from(trace.sampled) | u8::from(random) << 1;
    format!("00-{}-{}-{flags:02x}", trace_hex(trace.trace_id), span_hex(trace.span_id))
}

fn hex_byte(text: &str) -> Option<u8> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 2 && text.bytes().all(is_lower)).then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

/// The members of a `tracestate`, the most recent first. They are opaque and sent on as they came.
///
/// ```
/// use throughline::trace::TraceState;
///
/// let state = TraceState::parse(["dd=s:1", "other=a,third=b"]);
/// assert_eq!(state.get("other"), Some("a"));
/// assert!(TraceState::parse(["malformed"]).is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceState(Vec<(String, String)>);

impl TraceState {
    /// Reads the values of all `tracestate` headers, in their order. One malformed member, or more
    /// than 32 members, discard the whole.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut members: Vec<(String, String)> = Vec::new();
        let mut count = 0;
        for member in values.into_iter().flat_map(|value| value.split(',')).map(trim) {
            if member.is_empty() {
                continue;
            }
            count += 1;
            let Some((key, value)) = member.split_once('=') else { return Self::default() };
            if count > MAX_STATE_MEMBERS || !is_key(key) || !is_value(value) {
                return Self::default();
            }
            if members.iter().all(|known| known.0 != key) {
                members.push((key.to_owned(), value.to_owned()));
            }
        }
        Self(members)
    }

    /// The value of a vendor's member.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|member| member.0 == key).map(|member| member.1.as_str())
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all members.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len() + 2).sum()
    }

    /// The header's value, with `own` as its first member in place of an older one with the same
    /// key. If there are more than 32 members, the last are left out; if the whole is too long, the
    /// long ones are left out first.
    fn write(&self, own: Option<(&str, String)>) -> String {
        let others = self.0.iter().filter(|member| own.as_ref().is_none_or(|own| member.0 != own.0));
        let first = own.iter().map(|(key, value)| format!("{key}={value}"));
        let mut members: Vec<String> = first.chain(others.map(|(key, value)| format!("{key}={value}"))).collect();
        members.truncate(MAX_STATE_MEMBERS);
        let bytes = |members: &[String]| members.iter().map(|member| member.len() + 1).sum::<usize>();
        while bytes(&members) > MAX_STATE_BYTES {
            let long = members.iter().rposition(|member| member.len() > LONG_STATE_MEMBER_BYTES);
            members.remove(long.unwrap_or(members.len() - 1));
        }
        members.join(",")
    }
}

fn is_key(key: &str) -> bool {
    let is_key_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    key.len() <= MAX_STATE_PART_BYTES
        && key.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && key.bytes().all(is_key_byte)
}

fn is_value(value: &str) -> bool {
    let is_value_byte = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    !value.is_empty()
        && value.len() <= MAX_STATE_PART_BYTES
        && !value.ends_with(' ')
        && value.bytes().all(is_value_byte)
}

/// Reads both headers. A carrier with two `traceparent` headers counts as having none.
pub(super) fn extract(parents: &[&str], states: &[&str]) -> Option<SpanContext> {
    let [parent] = parents else { return None };
    let (trace, random) = read(parent)?;
    let mut context = SpanContext::remote(trace.trace_id, trace.span_id, SamplingDecision::of(trace));
    context.random = random;
    context.state = TraceState::parse(states.iter().copied());
    if let Some(member) = context.state.get("dd").map(str::to_owned) {
        datadog::read_member(&member, &mut context);
    }
    Some(context)
}

/// Writes both headers. Datadog's member of `tracestate` is written along with Datadog's own
/// headers, and when the context came with one.
pub(super) fn inject(context: &SpanContext, with_datadog: bool) -> Vec<(&'static str, String)> {
    let mut headers = vec![(names::TRACEPARENT, parent(&context.trace, context.random))];
    let own = (with_datadog || context.state.get("dd").is_some()).then(|| ("dd", datadog::member(context)));
    let state = context.state.write(own);
    if !state.is_empty() {
        headers.push((names::TRACESTATE, state));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_state_that_is_too_long_loses_its_long_members_first() {
        let long: Vec<String> = (0..20).map(|n| format!("long{n}={}", "v".repeat(250))).collect();
        let state = TraceState::parse(["short=1", &long.join(","), "last=2"]);
        let written = state.write(Some(("dd", "s:1".to_owned())));
        assert!(written.len() <= MAX_STATE_BYTES && written.len() > 3_000);
        assert!(written.starts_with("dd=s:1,short=1,long0=") && written.ends_with("last=2"), "{written}");
        let many: Vec<String> = (0..32).map(|n| format!("k{n}=1")).collect();
        let written = TraceState::parse([many.join(",").as_str()]).write(Some(("dd", "s:1".to_owned())));
        assert_eq!(written.split(',').count(), 32);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_what_is_read_is_written_back(text in "\\PC{0,80}") {
            if let Some(context) = TraceContext::from_traceparent(&text) {
                prop_assert_eq!(TraceContext::from_traceparent(&context.traceparent()), Some(context));
            }
            let state = TraceState::parse([text.as_str()]);
            prop_assert_eq!(TraceState::parse([state.write(None).as_str()]), state);
        }
    }
}
