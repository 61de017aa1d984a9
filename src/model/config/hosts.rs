//! The hosts whose requests may carry trace headers, and which headers those are.

use serde::{Deserialize, Serialize};

use crate::model::names::{headers as names, semconv};

/// A format of trace headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// W3C Trace Context: `traceparent` and `tracestate`.
    TraceContext,
    /// W3C Baggage: `baggage`.
    Baggage,
    /// Datadog's: `x-datadog-*`.
    Datadog,
    /// Zipkin's B3 in a single header: `b3`.
    B3,
    /// Zipkin's B3 in several headers: `X-B3-*`.
    B3Multi,
    /// A correlation id: `X-Correlation-ID`.
    Correlation,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] =
        [Format::TraceContext, Format::Baggage, Format::Datadog, Format::B3, Format::B3Multi, Format::Correlation];

    /// The name in configurations: `tracecontext`, `baggage`, `datadog`, `b3`, `b3multi`,
    /// `correlation`.
    pub fn name(self) -> &'static str {
        match self {
            Format::TraceContext => "tracecontext",
            Format::Baggage => "baggage",
            Format::Datadog => "datadog",
            Format::B3 => "b3",
            Format::B3Multi => "b3multi",
            Format::Correlation => "correlation",
        }
    }

    /// The format with a name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Whether a header with this name, whatever its case, belongs to this format.
    pub fn owns(self, name: &str) -> bool {
        let is = |own: &str| name.eq_ignore_ascii_case(own);
        let begins_with =
            |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        match self {
            Format::TraceContext => is(names::TRACEPARENT) || is(names::TRACESTATE),
            Format::Baggage => is(names::BAGGAGE),
            Format::Datadog => begins_with(names::DATADOG_PREFIX),
            Format::B3 => is(names::B3),
            Format::B3Multi => begins_with(names::B3_PREFIX),
            Format::Correlation => is(names::CORRELATION_ID),
        }
    }
}

/// For which traces headers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Only for traces that are kept.
    #[default]
    Sampled,
    /// For all traces, with the sampling decision, so that a backend knows that a trace is not
    /// kept.
    All,
}

/// A host that gets trace headers, with its sub-domains, and which ones it gets.
///
/// A host matches by equality or as a sub-domain, never by substring: `example.com` covers
/// `api.example.com`, and not `badexample.com`. Every port is covered. There is no wildcard.
///
/// ```
/// use throughline::trace::{Format, Injection, TraceHost};
///
/// let plain = TraceHost::new("api.example.com"); // W3C Trace Context, baggage with `session.id`
/// let datadog = TraceHost::new("partner.example")
///     .formats([Format::Datadog, Format::TraceContext])
///     .injection(Injection::All)
///     .baggage_key("user.id");
/// # let config = throughline::Config::builder("shop", "/tmp/shop");
/// let config = config.trace_host(plain).trace_host(datadog).trace_host("other.example").build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceHost {
    pub(crate) host: String,
    #[serde(default = "default_formats")]
    pub(crate) formats: Vec<Format>,
    #[serde(default)]
    pub(crate) injection: Injection,
    #[serde(default = "default_baggage")]
    pub(crate) baggage: Vec<String>,
}

fn default_formats() -> Vec<Format> {
    vec![Format::TraceContext, Format::Baggage]
}

fn default_baggage() -> Vec<String> {
    vec![semconv::SESSION_ID.to_owned()]
}

impl From<&str> for TraceHost {
    fn from(host: &str) -> Self {
        Self::new(host)
    }
}

impl From<String> for TraceHost {
    fn from(host: String) -> Self {
        Self::new(host)
    }
}

impl TraceHost {
    /// The name of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A host that gets W3C Trace Context, and baggage with `session.id` alone, for traces that are
    /// kept. The name has no scheme and no port; an international name is given in its `xn--` form.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            formats: default_formats(),
            injection: Injection::Sampled,
            baggage: default_baggage(),
        }
    }

    /// Sets the formats of the headers, in place of the default ones.
    #[must_use]
    pub fn formats(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.formats = formats.into_iter().collect();
        self
    }

    /// Sets for which traces headers are written.
    #[must_use]
    pub fn injection(mut self, injection: Injection) -> Self {
        self.injection = injection;
        self
    }

    /// Adds a baggage key that the host may get: `user.id`, or one of the app's. By default that is
    /// `session.id` alone.
    #[must_use]
    pub fn baggage_key(mut self, key: impl Into<String>) -> Self {
        self.baggage.push(key.into());
        self
    }

    /// Why the host cannot be used; `None` when it can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let host = self.host.trim_end_matches('.');
        if host.is_empty() {
            Some("is empty")
        } else if host.contains("://") || host.contains(['/', '@', '?', '#']) {
            Some("is a URL: give the host alone")
        } else if host.contains('*') {
            Some("has a wildcard: a host covers its sub-domains, and nothing covers every host")
        } else if !host.is_ascii() {
            Some("is not ASCII: give its xn-- form")
        } else if host.contains(':') && host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_err() {
            Some("has a port: every port is covered")
        } else if !host.bytes().all(is_host_byte) {
            Some("is not a host name: no port, no spaces")
        } else if self.formats.is_empty() {
            Some("has no format")
        } else {
            None
        }
    }

    /// The host as it is compared: in lower case, without a trailing dot and brackets.
    pub(crate) fn compared(&self) -> String {
        self.host.trim_end_matches('.').trim_matches(['[', ']']).to_ascii_lowercase()
    }

    /// Whether `host`, given without a trailing dot, is this one or a sub-domain of it.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let own = self.host.trim_end_matches('.').trim_matches(['[', ']']);
        let Some(cut) = host.len().checked_sub(own.len()) else { return false };
        let Some((rest, end)) = host.split_at_checked(cut) else { return false };
        // An address has no sub-domains.
        let is_address = own.contains(':') || own.rsplit('.').next().is_some_and(|last| last.parse::<u32>().is_ok());
        end.eq_ignore_ascii_case(own) && (rest.is_empty() || (rest.ends_with('.') && !is_address))
    }
}

pub(crate) fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}
