//! Which trace headers a request to a URL would carry, and which rule decides that.

use serde_json::{Map, Value as Json};
use throughline::event::TraceContext;
use throughline::trace::{Baggage, SpanContext, TraceHost, TraceHosts, Withheld};
use uuid::Uuid;

use super::verdict::Sampling;

/// Stands for the span of the request, whose id the client would draw.
const SPAN_ID: [u8; 8] = 1u64.to_be_bytes();

pub(super) fn describe(
    hosts: Vec<TraceHost>,
    url: &str,
    session: Option<Uuid>,
    sampling: &Sampling,
    out: &mut Map<String, Json>,
) {
    let hosts = TraceHosts::new(hosts);
    let trace = TraceContext { trace_id: sampling.trace_id, span_id: SPAN_ID, sampled: sampling.trace_is_kept };
    let mut baggage = Baggage::default();
    if let Some(session) = session.filter(|id| !id.is_nil()) {
        baggage.set("session.id", &session.to_string());
    }
    let injected = hosts.inject(url, &SpanContext::new(trace), &[], &baggage);
    let why = match (injected.withheld, hosts.find(url)) {
        (Some(Withheld::HostNotListed), _) => {
            "no entry of trace_hosts covers this host, or URL parsers disagree about what its host is".to_owned()
        }
        (Some(Withheld::NotSampled), _) => {
            "the trace is not sampled, and the host's entry asks for headers of sampled traces only".to_owned()
        }
        (_, Some(host)) => format!("the entry for `{}`", host.host()),
        (_, None) => String::new(),
    };
    let headers: Map<String, Json> =
        injected.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    out.insert("headers".to_owned(), headers.into());
    out.insert("headers_why".to_owned(), why.into());
}
