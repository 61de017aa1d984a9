//! Trace context: one [`SpanContext`], read from and written to every header format.
//!
//! A request that carries trace headers lets a backend continue the trace of the tap or operation
//! that caused it. A client does this by itself for the hosts that its configuration lists
//! ([`ActiveResource::headers`](crate::ActiveResource::headers)). This module is for hosts that
//! read and write headers themselves: messages of a WebSocket, push notifications, a proxy.
//!
//! | format | headers |
//! |---|---|
//! | [`Format::TraceContext`] | `traceparent`, `tracestate` (W3C Trace Context) |
//! | [`Format::Baggage`] | `baggage` (W3C Baggage) |
//! | [`Format::Datadog`] | `x-datadog-trace-id`, `…-parent-id` and three more |
//! | [`Format::B3`] | `b3` |
//! | [`Format::B3Multi`] | `X-B3-TraceId`, `-SpanId`, `-ParentSpanId`, `-Sampled`, `-Flags` |
//! | [`Format::Correlation`] | `X-Correlation-ID` |
//!
//! A malformed header counts as absent: then a new trace begins, and never a wrong one. Which hosts
//! get headers at all is decided by [`TraceHosts`]; by default it is none.
//!
//! ```
//! use throughline::trace::{Format, extract, inject};
//!
//! // A message came with headers: its context is continued in a child span.
//! let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
//! let found = extract(&[Format::TraceContext, Format::B3], headers);
//! let context = found.context.expect("the header is well-formed");
//! assert!(context.trace.sampled);
//!
//! // The answer carries the child's context, in another format.
//! let child = context.child([0, 0, 0, 0, 0, 0, 0, 7]);
//! let written = inject(&[Format::B3], &child);
//! let b3 = "0af7651916cd43dd8448eb211c80319c-0000000000000007-1-b7ad6b7169203331";
//! assert_eq!(written, [("b3", b3.to_owned())]);
//! ```
//!
//! # Limits
//!
//! A `tracestate` is sent with at most 32 members and 4,096 bytes, `baggage` with 64 members and
//! 8,192 bytes, a correlation id with 128 bytes. `tests/vectors/trace_headers.json` has what is
//! read and written, and every language's tests check it.

mod b3;
mod baggage;
mod current;
mod datadog;
mod headers;
mod hosts;
mod store;
mod w3c;

pub use crate::model::names::headers::PROPAGATION_HEADERS;
pub use baggage::Baggage;
pub(crate) use current::{current, current_trace, with_context};
pub use headers::{Extracted, Header, extract, inject};
pub(crate) use hosts::host_of;
pub use hosts::{Injected, TraceHosts, Withheld};
pub use store::{ContextStore, StoreCounts};
pub use w3c::TraceState;

pub use crate::model::config::{Format, Injection, TraceHost};
use crate::model::event::TraceContext;

/// What has been decided about keeping a trace, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplingDecision {
    /// Dropped by hand (Datadog priority -1).
    ManualDrop,
    /// Dropped by a sampler (priority 0).
    Drop,
    /// Kept by a sampler (priority 1).
    #[default]
    Keep,
    /// Kept by hand (priority 2).
    ManualKeep,
    /// Kept by B3's debug flag, which overrules every sampler (priority 2).
    Debug,
    /// Not decided yet: the receiver decides. Until then the trace counts as kept.
    Deferred,
}

impl SamplingDecision {
    /// Whether the spans of the trace are kept.
    pub fn is_kept(self) -> bool {
        !matches!(self, SamplingDecision::ManualDrop | SamplingDecision::Drop)
    }

    /// What a sampler has decided about a trace: its `sampled` flag tells.
    pub fn of(trace: TraceContext) -> Self {
        if trace.sampled { SamplingDecision::Keep } else { SamplingDecision::Drop }
    }

    /// Datadog's sampling priority; `None` leaves it to the receiver.
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

/// A place in a trace, with everything that travels beside its ids.
///
/// ```
/// use throughline::event::TraceContext;
/// use throughline::trace::{Format, SpanContext, inject};
///
/// let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
/// let mut context = SpanContext::new(trace);
/// context.baggage.set("user.plan", "pro");
/// let headers = inject(&[Format::Baggage], &context);
/// assert_eq!(headers, [("baggage", "user.plan=pro".to_owned())]);
///
/// let dropped = context.child([3; 8]).dropped_by_hand();
/// assert!(!dropped.trace.sampled);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanContext {
    /// The ids of trace and span. `sampled` agrees with the decision.
    pub trace: TraceContext,
    /// Whether the last seven bytes of the trace id are known to be random: bit 1 of the trace
    /// flags (W3C Trace Context Level 2 §3.2.2.5). Whoever began the trace says so, and it is
    /// passed on with every span of it.
    pub random: bool,
    /// The span's parent. Only B3 carries it on the wire.
    pub parent_span: Option<[u8; 8]>,
    /// What has been decided about keeping the trace.
    pub decision: SamplingDecision,
    /// Who decided, in Datadog's notation: `-1` for the client's rate, `-4` for a decision by hand.
    /// Empty when unknown.
    pub decision_maker: String,
    /// Where the trace began, in Datadog's notation: `rum`, `synthetics`, … Empty when unknown.
    pub origin: String,
    /// The `tracestate` of other vendors, in its order.
    pub state: TraceState,
    /// Datadog's `_dd.p.*` tags that came with the context.
    pub tags: Vec<(String, String)>,
    /// W3C baggage.
    pub baggage: Baggage,
    /// The correlation id; empty for none.
    pub correlation_id: String,
}

impl SpanContext {
    /// A context that begins here, decided by the client's sample rate. Nothing is known of how its
    /// trace id was made.
    pub fn new(trace: TraceContext) -> Self {
        Self {
            trace,
            random: false,
            parent_span: None,
            decision: SamplingDecision::of(trace),
            decision_maker: "-1".to_owned(),
            origin: "rum".to_owned(),
            state: TraceState::default(),
            tags: Vec::new(),
            baggage: Baggage::default(),
            correlation_id: String::new(),
        }
    }

    /// A context that came from elsewhere. Only its ids and the decision are known.
    fn remote(trace_id: [u8; 16], span_id: [u8; 8], decision: SamplingDecision) -> Self {
        let trace = TraceContext { trace_id, span_id, sampled: decision.is_kept() };
        Self { decision, decision_maker: String::new(), origin: String::new(), ..Self::new(trace) }
    }

    /// The context of the span `span_id`, whose parent is this context's span.
    #[must_use]
    pub fn child(&self, span_id: [u8; 8]) -> Self {
        let parent_span = Some(self.trace.span_id);
        Self { trace: TraceContext { span_id, ..self.trace }, parent_span, ..self.clone() }
    }

    /// The context with the trace kept by hand, whatever the sampler decided. Datadog is told who
    /// decided.
    #[must_use]
    pub fn kept_by_hand(self) -> Self {
        self.decided_by_hand(SamplingDecision::ManualKeep)
    }

    /// The context with the trace dropped by hand, whatever the sampler decided.
    #[must_use]
    pub fn dropped_by_hand(self) -> Self {
        self.decided_by_hand(SamplingDecision::ManualDrop)
    }

    fn decided_by_hand(mut self, decision: SamplingDecision) -> Self {
        self.decision = decision;
        self.trace.sampled = decision.is_kept();
        self.decision_maker = "-4".to_owned();
        self
    }
}

impl From<TraceContext> for SpanContext {
    fn from(trace: TraceContext) -> Self {
        Self::new(trace)
    }
}

/// Reads lower-case hex of exactly `N` bytes, which are not all zero.
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

/// Removes the optional white space around a header's value (RFC 9110 §5.6.3).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
