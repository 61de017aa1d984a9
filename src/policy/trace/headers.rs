//! Every format at once: one context in, one context out.

use super::{Baggage, SamplingDecision, SpanContext, b3, datadog, trim, w3c};
use crate::model::config::Format;
use crate::model::event::TraceContext;

/// A header to add to a request.
pub type Header = (&'static str, String);

/// Every header that a format of ours may write, in lower case: what a redirect to another host must not carry.
pub const PROPAGATION_HEADERS: [&str; 15] = [
    "traceparent",
    "tracestate",
    "baggage",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-origin",
    "x-datadog-tags",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-correlation-id",
];

/// Bytes of a correlation id.
const MAX_CORRELATION_BYTES: usize = 128;

/// What a carrier said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The remote span's context.
    pub context: Option<SpanContext>,
    /// A decision without a context: `b3: 0`.
    pub decision: Option<SamplingDecision>,
    /// W3C baggage.
    pub baggage: Baggage,
    /// The correlation id; empty for none.
    pub correlation_id: String,
}

impl Extracted {
    /// The context to go on with: the remote one, else a new root that obeys the decision.
    pub fn or_root(self, root: impl FnOnce() -> TraceContext) -> SpanContext {
        let mut context = self.context.unwrap_or_else(|| {
            let mut context = SpanContext::new(root());
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

/// Headers by lower-case name.
struct Carrier<'a>(Vec<(String, &'a str)>);

impl<'a> Carrier<'a> {
    fn all(&self, name: &str) -> Vec<&'a str> {
        self.0.iter().filter(|header| header.0 == name).map(|header| header.1).collect()
    }

    /// The value of a header that may be there once.
    fn one(&self, name: &str) -> Option<&'a str> {
        match *self.all(name).as_slice() {
            [value] => Some(trim(value)),
            _ => None,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|header| header.0 == name)
    }
}

/// Reads headers, of a request or of a message. The first of `formats` that holds a sound context counts; the others add
/// what it cannot say if they are of the same trace.
pub fn extract<'a>(formats: &[Format], headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Extracted {
    let lower = |(name, value): (&'a str, &'a str)| (name.to_ascii_lowercase(), value);
    let carrier = Carrier(headers.into_iter().map(lower).collect());
    let mut extracted = Extracted::default();
    // Single B3 counts where both are: a multi form beside a broken single one is not looked at.
    let skip_multi = formats.contains(&Format::B3) && carrier.has("b3");
    for format in formats {
        let found = match format {
            Format::TraceContext => w3c::extract(&carrier.all("traceparent"), &carrier.all("tracestate")),
            Format::Datadog => datadog::extract(datadog::Headers {
                trace_id: carrier.one("x-datadog-trace-id"),
                parent_id: carrier.one("x-datadog-parent-id"),
                priority: carrier.one("x-datadog-sampling-priority"),
                origin: carrier.one("x-datadog-origin"),
                tags: carrier.one("x-datadog-tags"),
            }),
            Format::B3 => context_of(b3::extract_single(carrier.one("b3").unwrap_or_default()), &mut extracted),
            Format::B3Multi if skip_multi => None,
            Format::B3Multi => {
                let found = b3::extract_multi(b3::Headers {
                    trace_id: carrier.one("x-b3-traceid"),
                    span_id: carrier.one("x-b3-spanid"),
                    parent_span_id: carrier.one("x-b3-parentspanid"),
                    sampled: carrier.one("x-b3-sampled"),
                    flags: carrier.one("x-b3-flags"),
                });
                context_of(found, &mut extracted)
            }
            Format::Baggage => {
                extracted.baggage = Baggage::parse(carrier.all("baggage"));
                None
            }
            Format::Correlation => {
                extracted.correlation_id = carrier
                    .one("x-correlation-id")
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
        b3::Found::SamplingDecision(decision) => {
            extracted.decision = extracted.decision.or(Some(decision));
            None
        }
        b3::Found::Nothing => None,
    }
}

/// Adds what another format says about the same trace.
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
}

/// Printable ASCII of at most 128 bytes.
pub(super) fn is_correlation(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CORRELATION_BYTES && id.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

/// Writes a context in every one of `formats`. Correlation and baggage headers are left out when there is nothing to say.
pub fn inject(formats: &[Format], context: &SpanContext) -> Vec<Header> {
    let mut headers = Vec::new();
    for format in formats {
        match format {
            Format::TraceContext => headers.extend(w3c::inject(context, formats.contains(&Format::Datadog))),
            Format::Datadog => headers.extend(datadog::inject(context)),
            Format::B3 => headers.extend(b3::inject_single(context)),
            Format::B3Multi => headers.extend(b3::inject_multi(context)),
            Format::Baggage => headers.extend(header("baggage", context.baggage.header())),
            Format::Correlation => headers.extend(header("X-Correlation-ID", context.correlation_id.clone())),
        }
    }
    headers
}

fn header(name: &'static str, value: String) -> Option<Header> {
    (!value.is_empty()).then_some((name, value))
}
