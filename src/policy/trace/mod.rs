//! Trace context on the wire: one [`SpanContext`], read from and written to every header format.
//!
//! | format | headers |
//! |---|---|
//! | [`Format::TraceContext`] | `traceparent`, `tracestate` (W3C Trace Context) |
//! | [`Format::Baggage`] | `baggage` (W3C Baggage) |
//! | [`Format::Datadog`] | `x-datadog-trace-id`, `-parent-id`, `-sampling-priority`, `-origin`, `-tags` |
//! | [`Format::B3`] | `b3` |
//! | [`Format::B3Multi`] | `X-B3-TraceId`, `-SpanId`, `-ParentSpanId`, `-Sampled`, `-Flags` |
//! | [`Format::Correlation`] | `X-Correlation-ID` |
//!
//! A header that is malformed is as good as absent: a new trace begins, never a wrong one. Which host may see any of them
//! is decided by [`TraceHosts`].

mod b3;
mod baggage;
mod current;
mod datadog;
mod headers;
mod hosts;
mod store;
mod w3c;

pub use baggage::Baggage;
pub(crate) use current::{current, current_trace, with_context};
pub use headers::{Extracted, Header, PROPAGATION_HEADERS, extract, inject};
pub use hosts::{Injected, TraceHosts, Withheld};
pub use store::{ContextStore, StoreCounts};
pub use w3c::TraceState;

pub use crate::model::config::{Format, Injection, TraceHost};
use crate::model::event::TraceContext;

/// What has been decided about keeping a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplingDecision {
    /// Somebody said no (Datadog priority -1).
    ManualDrop,
    /// A sampler said no (priority 0).
    Drop,
    /// A sampler said yes (priority 1).
    #[default]
    Keep,
    /// Somebody said yes (priority 2).
    ManualKeep,
    /// B3's debug flag: yes, and whatever it costs (priority 2).
    Debug,
    /// Nobody has decided: the receiver does. Counts as kept.
    Deferred,
}

impl SamplingDecision {
    /// Whether spans are kept.
    pub fn is_kept(self) -> bool {
        !matches!(self, SamplingDecision::ManualDrop | SamplingDecision::Drop)
    }

    /// The sampler's answer.
    pub fn of(kept: bool) -> Self {
        if kept { SamplingDecision::Keep } else { SamplingDecision::Drop }
    }

    /// Datadog's sampling priority.
    fn priority(self) -> Option<i8> {
        match self {
            SamplingDecision::ManualDrop => Some(-1),
            SamplingDecision::Drop => Some(0),
            SamplingDecision::Keep => Some(1),
            SamplingDecision::ManualKeep | SamplingDecision::Debug => Some(2),
            SamplingDecision::Deferred => None,
        }
    }

    fn of_priority(text: &str) -> Option<Self> {
        match text.parse::<i32>().ok()? {
            i32::MIN..=-1 => Some(SamplingDecision::ManualDrop),
            0 => Some(SamplingDecision::Drop),
            1 => Some(SamplingDecision::Keep),
            2..=i32::MAX => Some(SamplingDecision::ManualKeep),
        }
    }
}

/// A place in a trace with everything that travels beside its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanContext {
    /// Trace and span. `sampled` is what the decision says.
    pub trace: TraceContext,
    /// The span's parent, where a format carries it (B3).
    pub parent_span: Option<[u8; 8]>,
    /// What has been decided about keeping the trace.
    pub decision: SamplingDecision,
    /// Who decided, in Datadog's notation: `-1` the client's rate, `-4` somebody by hand. Empty when unknown.
    pub decision_maker: String,
    /// Where the trace began, in Datadog's notation: `rum`, `synthetics`, … Empty when unknown.
    pub origin: String,
    /// Other vendors' state, kept in order.
    pub state: TraceState,
    /// Further `_dd.p.*` tags that came with the context.
    pub tags: Vec<(String, String)>,
    /// W3C baggage.
    pub baggage: Baggage,
    /// The correlation id; empty for none.
    pub correlation_id: String,
}

impl SpanContext {
    /// A context that begins here: decided by this client's rate.
    pub fn new(trace: TraceContext) -> Self {
        Self {
            trace,
            parent_span: None,
            decision: SamplingDecision::of(trace.sampled),
            decision_maker: "-1".to_owned(),
            origin: "rum".to_owned(),
            state: TraceState::default(),
            tags: Vec::new(),
            baggage: Baggage::default(),
            correlation_id: String::new(),
        }
    }

    /// A context that came from elsewhere: nothing is known but ids and decision.
    fn remote(trace_id: [u8; 16], span_id: [u8; 8], decision: SamplingDecision) -> Self {
        let trace = TraceContext { trace_id, span_id, sampled: decision.is_kept() };
        Self { decision, decision_maker: String::new(), origin: String::new(), ..Self::new(trace) }
    }

    /// The context of a span `span_id` whose parent this is.
    #[must_use]
    pub fn child(&self, span_id: [u8; 8]) -> Self {
        let parent_span = Some(self.trace.span_id);
        Self { trace: TraceContext { span_id, ..self.trace }, parent_span, ..self.clone() }
    }

    /// Keeps or drops the trace by hand: overrules the sampler, and says so to Datadog.
    #[must_use]
    pub fn decided(mut self, keep: bool) -> Self {
        self.decision = if keep { SamplingDecision::ManualKeep } else { SamplingDecision::ManualDrop };
        self.trace.sampled = keep;
        self.decision_maker = "-4".to_owned();
        self
    }
}

impl From<TraceContext> for SpanContext {
    fn from(trace: TraceContext) -> Self {
        Self::new(trace)
    }
}

/// Lower-case hex of exactly `N` bytes, not all zero.
fn id_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut id = [0; N];
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    for (place, [high, low]) in id.iter_mut().zip(pairs) {
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    (id != [0; N]).then_some(id)
}

fn trace_hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

fn span_hex(id: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(id))
}

/// Optional white space around a header's value (RFC 9110 §5.6.3).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
