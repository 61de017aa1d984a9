//! Which trace headers a request to a URL would carry, and which rule decides that.

use serde_json::{Map, Value as Json};
use throughline::event::TraceContext;
use throughline::trace::{Baggage, Injected, SpanContext, TraceHost, TraceHosts, Withheld};
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
    let mut baggage = Baggage::default();
    if let Some(session) = session.filter(|id| !id.is_nil()) {
        baggage.set("session.id", &session.to_string());
    }
    let inject = |sampled| {
        let trace = TraceContext { trace_id: sampling.trace_id, span_id: SPAN_ID, sampled };
        hosts.inject(url, &SpanContext::new(trace), &[], &baggage)
    };
    let injected = inject(sampling.trace_can_be_kept());
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
    let share = sampling.traces().filter(|_| sampling.trace_can_be_kept() && injected.withheld.is_none());
    let why = share.as_ref().map_or(why.clone(), |share| format!("{why}; the trace is sampled {share}"));
    out.insert("headers".to_owned(), object(injected));
    if share.is_some() {
        out.insert("headers_when_not_sampled".to_owned(), object(inject(false)));
    }
    out.insert("headers_why".to_owned(), why.into());
}

fn object(injected: Injected) -> Json {
    injected.headers.into_iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect()
}
