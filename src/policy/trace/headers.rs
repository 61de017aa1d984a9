//! Reads and writes the headers of all formats.

use super::{Baggage, SamplingDecision, SpanContext, b3, datadog, trim, w3c};
use crate::model::config::Format;
use crate::model::event::TraceContext;
use crate::model::limits::MAX_CORRELATION_BYTES;
use crate::model::names::headers as names;

/// A header to add to a request: name and value.
pub type Header = (&'static str, String);

/// What [`extract`] has read.
///
/// ```
/// use throughline::event::TraceContext;
/// use throughline::trace::{Format, SamplingDecision, extract};
///
/// // A decision without a trace: whatever begins now is not kept.
/// let found = extract(&Format::ALL, [("b3", "0")]);
/// assert_eq!((found.context.is_none(), found.decision), (true, Some(SamplingDecision::Drop)));
/// let root = || TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
/// assert!(!found.or_root(root).trace.sampled);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The context of the remote span.
    pub context: Option<SpanContext>,
    /// A sampling decision that came without a context: `b3: 0`.
    pub decision: Option<SamplingDecision>,
    /// W3C baggage.
    pub baggage: Baggage,
    /// The correlation id; empty for none.
    pub correlation_id: String,
}

impl Extracted {
    /// The context to continue with: the remote one, or else a new root that obeys the decision.
    pub fn or_root<R: Into<SpanContext>>(self, root: impl FnOnce() -> R) -> SpanContext {
        let mut context = self.context.unwrap_or_else(|| {
            let mut context = root().into();
            if let Some(decision) = self.decision {
                context.decision = decision;
                context.trace.sampled = decision.is_kept();
            }
            context
        });
        context.baggage = self.baggage;
        context.correlation_id = self.correlation_id;
        context
    }
}

/// The headers of a request or a message. Names are compared whatever their case.
struct Carrier<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Carrier<'a> {
    fn all(&self, name: &str) -> Vec<&'a str> {
        self.0.iter().filter(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1).collect()
    }

    /// The value of a header that may occur only once; `None` when it occurs more often.
    fn one(&self, name: &str) -> Option<&'a str> {
        match *self.all(name).as_slice() {
            [value] => Some(trim(value)),
            _ => None,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|header| header.0.eq_ignore_ascii_case(name))
    }
}

/// Reads the trace headers of a request or a message, whatever the case of their names.
///
/// The first of `formats` that holds a well-formed context counts. The other formats add what it
/// cannot express, provided that they are of the same trace. See the [module](super) for an
/// example.
pub fn extract<'a>(formats: &[Format], headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Extracted {
    let carrier = Carrier(headers.into_iter().collect());
    let mut extracted = Extracted::default();
    // Where both forms of B3 occur the single one counts, even if it is malformed.
    let skip_multi = formats.contains(&Format::B3) && carrier.has(names::B3);
    for format in formats {
        let found = match format {
            Format::TraceContext => w3c::extract(&carrier.all(names::TRACEPARENT), &carrier.all(names::TRACESTATE)),
            Format::Datadog => datadog::extract(datadog::Headers {
                trace_id: carrier.one(names::DATADOG_TRACE_ID),
                parent_id: carrier.one(names::DATADOG_PARENT_ID),
                priority: carrier.one(names::DATADOG_SAMPLING_PRIORITY),
                origin: carrier.one(names::DATADOG_ORIGIN),
                tags: carrier.one(names::DATADOG_TAGS),
            }),
            Format::B3 => context_of(b3::extract_single(carrier.one(names::B3).unwrap_or_default()), &mut extracted),
            Format::B3Multi if skip_multi => None,
            Format::B3Multi => {
                let found = b3::extract_multi(b3::Headers {
                    trace_id: carrier.one(names::B3_TRACE_ID),
                    span_id: carrier.one(names::B3_SPAN_ID),
                    parent_span_id: carrier.one(names::B3_PARENT_SPAN_ID),
                    sampled: carrier.one(names::B3_SAMPLED),
                    flags: carrier.one(names::B3_FLAGS),
                });
                context_of(found, &mut extracted)
            }
            Format::Baggage => {
                extracted.baggage = Baggage::parse(carrier.all(names::BAGGAGE));
                None
            }
            Format::Correlation => {
                extracted.correlation_id = carrier
                    .one(names::CORRELATION_ID)
                    .filter(|id| is_correlation(id))
                    .map_or_else(String::new, str::to_owned);
                None
            }
        };
        let Some(found) = found else { continue };
        match &mut extracted.context {
            None => extracted.context = Some(found),
            Some(first) if first.trace.trace_id == found.trace.trace_id => complete(first, found),
            Some(_) => {}
        }
    }
    extracted
}

fn context_of(found: b3::Found, extracted: &mut Extracted) -> Option<SpanContext> {
    match found {
        b3::Found::Context(context) => Some(*context),
        b3::Found::Decision(decision) => {
            extracted.decision = extracted.decision.or(Some(decision));
            None
        }
        b3::Found::Nothing => None,
    }
}

/// Whether headers deny that the trace is kept, in whichever format and even if they name no trace:
/// `b3: 0`, `X-B3-Sampled: 0`, `traceparent: …-00`, a sampling priority of 0 or less. B3's debug
/// flag overrules `X-B3-Sampled`, as its specification says.
pub(super) fn denial<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<SamplingDecision> {
    let carrier = Carrier(headers.into_iter().collect());
    let any = |name: &str, is: &dyn Fn(&str) -> bool| carrier.all(name).into_iter().map(trim).any(is);
    let priority = |text: &str| SamplingDecision::of_priority(text).filter(|decision| !decision.is_kept());
    if let Some(dropped) = carrier.all(names::DATADOG_SAMPLING_PRIORITY).into_iter().map(trim).find_map(priority) {
        return Some(dropped);
    }
    let is_zero = |text: &str| text == "0" || text.eq_ignore_ascii_case("false");
    let is_debug = any(names::B3_FLAGS, &|text| text == "1");
    let is_denied =
        any(names::TRACEPARENT, &|text| TraceContext::from_traceparent(text).is_some_and(|trace| !trace.sampled))
            || any(names::B3, &|text| text == "0" || text.split('-').nth(2) == Some("0"))
            || (any(names::B3_SAMPLED, &is_zero) && !is_debug);
    is_denied.then_some(SamplingDecision::Drop)
}

/// Adds what another format holds about the same trace.
fn complete(first: &mut SpanContext, other: SpanContext) {
    if first.state.is_empty() {
        first.state = other.state;
    }
    if first.origin.is_empty() {
        first.origin = other.origin;
    }
    if first.decision_maker.is_empty() && first.trace.sampled == other.trace.sampled {
        first.decision_maker = other.decision_maker;
        if other.decision != SamplingDecision::Deferred {
            first.decision = other.decision;
        }
    }
    if first.tags.is_empty() {
        first.tags = other.tags;
    }
    first.parent_span = first.parent_span.or(other.parent_span);
    first.random |= other.random;
}

/// Whether a correlation id is printable ASCII of at most 128 bytes.
pub(super) fn is_correlation(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CORRELATION_BYTES && id.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

/// Writes a context in each of `formats`. The headers of baggage and correlation are left out when
/// they would be empty. A format that is named twice is written once. See the [module](super) for
/// an example.
pub fn inject(formats: &[Format], context: &SpanContext) -> Vec<Header> {
    let mut headers = Vec::new();
    for (at, format) in formats.iter().enumerate() {
        if formats.iter().take(at).any(|earlier| earlier == format) {
            continue;
        }
        match format {
            Format::TraceContext => headers.extend(w3c::inject(context, formats.contains(&Format::Datadog))),
            Format::Datadog => headers.extend(datadog::inject(context)),
            Format::B3 => headers.extend(b3::inject_single(context)),
            Format::B3Multi => headers.extend(b3::inject_multi(context)),
            Format::Baggage => headers.extend(header(names::BAGGAGE, context.baggage.header())),
            Format::Correlation => headers.extend(header(names::CORRELATION_ID, context.correlation_id.clone())),
        }
    }
    headers
}

fn header(name: &'static str, value: String) -> Option<Header> {
    (!value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::headers::PROPAGATION_HEADERS;

    #[test]
    fn no_header_that_is_written_is_missing_from_the_list_for_redirects() {
        let mut context = SpanContext::new(TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true });
        context.parent_span = Some([3; 8]);
        context.correlation_id = "c".to_owned();
        context.baggage.set("k", "v");
        let mut written = inject(&Format::ALL, &context);
        context.decision = SamplingDecision::Debug;
        written.extend(inject(&[Format::B3Multi], &context));
        let mut names: Vec<String> = written.iter().map(|header| header.0.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        let mut listed = PROPAGATION_HEADERS.map(str::to_owned).to_vec();
        listed.sort();
        assert_eq!(names, listed);
    }
}
