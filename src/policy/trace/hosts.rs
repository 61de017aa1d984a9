//! Which requests carry trace headers: those to hosts that the configuration lists. By default
//! none.

use super::headers::{Header, denial, extract, inject};
use super::{Baggage, SpanContext};
use crate::model::config::hosts::is_host_byte;
use crate::model::config::{Format, Injection, TraceHost};
use crate::model::event::TraceContext;

/// The headers for a request, and the trace that the request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// Headers to add. None of them is set on the request already, except `baggage`, which replaces
    /// the app's and contains its members.
    pub headers: Vec<Header>,
    /// The trace of the request: the app's own, if it had set well-formed headers. It is not kept
    /// if the app has denied that, in whichever format.
    pub trace: TraceContext,
    /// Whether the id of that trace is known to be random: see [`SpanContext::random`].
    pub random: bool,
    /// Why nothing was added; `None` when something was.
    pub withheld: Option<Withheld>,
}

/// Why a request gets no headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Withheld {
    /// The URL's host is not listed, or URL parsers could disagree about which host it is.
    HostNotListed,
    /// The trace is not kept, and the host gets headers only for traces that are
    /// ([`Injection::Sampled`]).
    NotSampled,
    /// The app has set the headers of every format itself.
    AppHeaders,
}

/// All hosts that get trace headers.
///
/// A host matches by equality or as a sub-domain, whatever its case, and never by substring; a
/// trailing dot and a port are ignored. Where several match, the longest name counts. A URL about
/// whose host parsers could disagree (a backslash, a percent sign, two `@`, anything that is not
/// ASCII) matches nothing.
///
/// ```
/// use throughline::event::TraceContext;
/// use throughline::trace::{Baggage, SpanContext, TraceHost, TraceHosts, Withheld};
///
/// let hosts = TraceHosts::new([TraceHost::new("example.com")]);
/// let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
/// let context = SpanContext::new(trace);
/// let mut own = Baggage::default();
/// own.set("session.id", "f00d");
///
/// let injected = hosts.inject("https://api.example.com/cart", &context, &[], &own);
/// let names: Vec<_> = injected.headers.iter().map(|header| header.0).collect();
/// assert_eq!(names, ["traceparent", "baggage"]);
///
/// let injected = hosts.inject("https://example.com.evil.test/", &context, &[], &own);
/// assert_eq!(injected.withheld, Some(Withheld::HostNotListed));
/// ```
#[derive(Debug, Clone, Default)]
pub struct TraceHosts(Vec<TraceHost>);

impl TraceHosts {
    /// A list of hosts; their order does not matter.
    pub fn new(hosts: impl IntoIterator<Item = TraceHost>) -> Self {
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        // The longest name first: it is the one that counts.
        hosts.sort_by_key(|listed| std::cmp::Reverse(listed.host.trim_end_matches('.').len()));
        Self(hosts)
    }

    /// The listed host that a URL belongs to.
    pub fn find(&self, url: &str) -> Option<&TraceHost> {
        let (_, host) = certain_host(url)?;
        self.0.iter().find(|listed| listed.covers(host))
    }

    /// The headers for a request to `url` that belongs to the span `context` and on which the app
    /// has already set `existing` headers. `own` holds the client's baggage; the host gets the
    /// members whose keys are listed for it.
    ///
    /// A denial among the app's headers (`b3: 0`, `X-B3-Sampled: 0`, `traceparent: …-00`, a
    /// sampling priority of 0 or less) holds for every format: with [`Injection::Sampled`] nothing
    /// is added, with [`Injection::All`] what is added says that the trace is not kept.
    pub fn inject(&self, url: &str, context: &SpanContext, existing: &[(&str, &str)], own: &Baggage) -> Injected {
        let nothing = |context: &SpanContext, withheld| {
            let (trace, random) = (context.trace, context.random);
            Injected { headers: Vec::new(), trace, random, withheld: Some(withheld) }
        };
        let Some(listed) = self.find(url) else { return nothing(context, Withheld::HostNotListed) };
        let has = |format: &Format| existing.iter().any(|(name, _)| format.owns(name));
        let theirs = extract(&Format::ALL, existing.iter().copied());
        let given = context;
        let mut context = theirs.context.unwrap_or_else(|| given.clone());
        if context.correlation_id.is_empty() {
            context.correlation_id = given.correlation_id.clone();
        }
        if context.decision.is_kept()
            && let Some(denied) = denial(existing.iter().copied())
        {
            (context.decision, context.trace.sampled) = (denied, false);
        }
        if listed.injection == Injection::Sampled && !context.decision.is_kept() {
            return nothing(&context, Withheld::NotSampled);
        }
        // Members that came with the context are treated like the client's own.
        context.baggage = context.baggage.only(&listed.baggage);
        context.baggage.merge(&own.only(&listed.baggage));
        if has(&Format::Baggage) && listed.formats.contains(&Format::Baggage) {
            let mut merged = theirs.baggage;
            merged.merge(&context.baggage);
            context.baggage = merged;
        }
        let formats: Vec<Format> =
            listed.formats.iter().copied().filter(|format| *format == Format::Baggage || !has(format)).collect();
        let headers = inject(&formats, &context);
        let withheld = headers.is_empty().then_some(Withheld::AppHeaders);
        Injected { headers, trace: context.trace, random: context.random, withheld }
    }

    /// Whether the headers that were written for `from` may stay when the server redirects the
    /// request to `to`: the host has to be the same and listed, and `https` must not become `http`.
    /// Otherwise remove [`PROPAGATION_HEADERS`](super::PROPAGATION_HEADERS).
    pub fn survive_redirect(&self, from: &str, to: &str) -> bool {
        let (Some((from_scheme, from_host)), Some((to_scheme, to_host))) = (certain_host(from), certain_host(to))
        else {
            return false;
        };
        from_host.eq_ignore_ascii_case(to_host) && to_scheme >= from_scheme && self.find(to).is_some()
    }
}

/// Whether a connection is encrypted. A redirect may not lead from `Secure` to `Plain`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scheme {
    Plain,
    Secure,
}

/// A URL's scheme, and its host without a trailing dot. `None` when URL parsers could disagree
/// about the host: a header must not go where another parser sees a host that is not listed.
fn certain_host(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Scheme::Secure,
        "http" | "ws" => Scheme::Plain,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.split_once('@') {
        Some((_, host)) => host,
        None => authority,
    };
    let (host, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let (address, port) = v6.split_once(']')?;
            (address, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let is_sound = !host.is_empty()
        && !authority.contains('\\')
        && authority.bytes().all(|b| b.is_ascii_graphic())
        && host.bytes().all(is_host_byte)
        && port.bytes().all(|b| b.is_ascii_digit());
    is_sound.then(|| (scheme, host.strip_suffix('.').unwrap_or(host)))
}

/// The host of a URL to which headers could be sent.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    certain_host(url).map(|(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(id: u8) -> SpanContext {
        SpanContext::new(TraceContext { trace_id: [id; 16], span_id: [id; 8], sampled: true })
    }

    #[test]
    fn the_apps_own_header_stays_and_its_trace_is_the_requests() {
        let hosts = TraceHosts::new([TraceHost::new("a.com").formats([Format::TraceContext, Format::Datadog])]);
        let theirs = context(7).trace.traceparent();
        let injected = hosts.inject("https://a.com/", &context(1), &[("TraceParent", &theirs)], &Baggage::default());
        assert_eq!(injected.trace, context(7).trace);
        assert!(injected.headers.iter().all(|header| header.0.starts_with("x-datadog-")));
        let id = u64::from_be_bytes([7; 8]).to_string();
        assert!(injected.headers.contains(&("x-datadog-trace-id", id)));
        let all = [("traceparent", theirs.as_str()), ("x-datadog-trace-id", "1")];
        let injected = hosts.inject("https://a.com/", &context(1), &all, &Baggage::default());
        assert_eq!((injected.headers, injected.withheld), (Vec::new(), Some(Withheld::AppHeaders)));
    }

    #[test]
    fn what_the_app_has_denied_is_not_sent_as_kept() {
        let formats = [Format::TraceContext, Format::Datadog, Format::B3, Format::B3Multi, Format::Correlation];
        let rule = |injection| TraceHosts::new([TraceHost::new("a.com").formats(formats).injection(injection)]);
        let (sampled, all) = (rule(Injection::Sampled), rule(Injection::All));
        let denied = "00-07070707070707070707070707070707-0808080808080808-00";
        let kept = "00-07070707070707070707070707070707-0808080808080808-01";
        let b3 = "07070707070707070707070707070707-0808080808080808-0";
        for existing in [
            vec![("b3", "0")],
            vec![("B3", b3)],
            vec![("b3", "0"), ("b3", "0")],
            vec![("X-B3-Sampled", "0")],
            vec![("x-b3-sampled", " 0 ")],
            vec![("x-b3-sampled", "False")],
            vec![("X-B3-TraceId", "0707070707070707"), ("X-B3-Sampled", "0")],
            vec![("traceparent", denied)],
            vec![("traceparent", kept), ("traceparent", denied)],
            vec![("traceparent", "00-07070707070707070707070707070707-0808080808080808-02")],
            vec![("x-datadog-sampling-priority", "0")],
            vec![("X-Datadog-Sampling-Priority", "-1")],
            vec![("x-datadog-trace-id", "1"), ("x-datadog-parent-id", "2"), ("x-datadog-sampling-priority", "0")],
            vec![("traceparent", kept), ("x-datadog-sampling-priority", "0")],
            vec![("traceparent", kept), ("b3", "0")],
        ] {
            let nothing = sampled.inject("https://a.com/", &context(1), &existing, &Baggage::default());
            assert_eq!((nothing.headers, nothing.withheld), (Vec::new(), Some(Withheld::NotSampled)), "{existing:?}");
            assert!(!nothing.trace.sampled, "{existing:?}");
            let written = all.inject("https://a.com/", &context(1), &existing, &Baggage::default());
            assert!(!written.trace.sampled && !written.headers.is_empty(), "{existing:?}");
            for (name, value) in &written.headers {
                let says_so = match *name {
                    "traceparent" => value.ends_with("-00") || value.ends_with("-02"),
                    "b3" => value.split('-').nth(2) == Some("0"),
                    "X-B3-Sampled" => value == "0",
                    "X-B3-Flags" => false,
                    "x-datadog-sampling-priority" => value == "0" || value == "-1",
                    "tracestate" => value.contains("s:0") || value.contains("s:-1"),
                    _ => true,
                };
                assert!(says_so, "{existing:?} got {name}: {value}");
            }
        }
    }

    #[test]
    fn what_the_app_leaves_open_is_not_taken_for_a_denial() {
        let hosts = TraceHosts::new([TraceHost::new("a.com").formats([Format::TraceContext, Format::Datadog])]);
        for existing in [
            ("b3", "1"),
            ("b3", "d"),
            ("b3", "07070707070707070707070707070707-0808080808080808"),
            ("X-B3-Sampled", "1"),
            ("x-datadog-origin", "rum"),
            ("traceparent", "00-zz-00"),
            ("tracestate", "foo=0"),
        ] {
            let injected = hosts.inject("https://a.com/", &context(1), &[existing], &Baggage::default());
            assert!(injected.trace.sampled && !injected.headers.is_empty(), "{existing:?}: {injected:?}");
        }
        let debug = [("X-B3-Sampled", "0"), ("X-B3-Flags", "1")];
        assert!(hosts.inject("https://a.com/", &context(1), &debug, &Baggage::default()).trace.sampled);
    }

    #[test]
    fn a_format_named_twice_is_written_once() {
        let twice = [Format::TraceContext, Format::B3, Format::TraceContext, Format::B3];
        let hosts = TraceHosts::new([TraceHost::new("a.com").formats(twice)]);
        let injected = hosts.inject("https://a.com/", &context(1), &[], &Baggage::default());
        let names: Vec<_> = injected.headers.iter().map(|header| header.0).collect();
        assert_eq!(names, ["traceparent", "b3"]);
    }

    #[test]
    fn the_random_flag_is_not_lost_on_the_way() {
        let headers = [("traceparent", "00-07070707070707070707070707070707-0808080808080808-03")];
        let read = extract(&[Format::TraceContext], headers).context.unwrap();
        let written = inject(&[Format::TraceContext], &read.child([9; 8]));
        assert_eq!(written[0].1, "00-07070707070707070707070707070707-0909090909090909-03");
        let dropped = inject(&[Format::TraceContext], &read.dropped_by_hand());
        assert!(dropped[0].1.ends_with("-02"));
        // Of an id that only its maker knows, nothing is promised.
        assert!(inject(&[Format::TraceContext], &context(1))[0].1.ends_with("-01"));
    }

    #[test]
    fn baggage_keys_are_opted_in_and_the_apps_members_stay() {
        let mut own = Baggage::default();
        own.set("session.id", "s");
        own.set("user.id", "u");
        let plain = TraceHosts::new([TraceHost::new("a.com").formats([Format::Baggage])]);
        let header = |hosts: &TraceHosts, existing: &[(&str, &str)]| {
            hosts.inject("https://a.com/", &context(1), existing, &own).headers.remove(0).1
        };
        assert_eq!(header(&plain, &[]), "session.id=s");
        assert_eq!(header(&plain, &[("Baggage", "theirs=1;p,session.id=old")]), "session.id=s,theirs=1;p");
        let opted = TraceHosts::new([TraceHost::new("a.com").formats([Format::Baggage]).baggage_key("user.id")]);
        assert_eq!(header(&opted, &[]), "session.id=s,user.id=u");
    }

    #[test]
    fn the_longest_name_counts() {
        let narrow = TraceHost::new("api.a.com").formats([Format::B3]);
        let hosts = TraceHosts::new([TraceHost::new("a.com").formats([Format::TraceContext]), narrow]);
        let first = |url| hosts.inject(url, &context(1), &[], &Baggage::default()).headers.remove(0).0;
        assert_eq!(first("https://x.api.a.com"), "b3");
        assert_eq!(first("https://a.com"), "traceparent");
    }
}
