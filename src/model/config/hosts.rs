//! The hosts that may see trace headers, and what they may see.

use serde::{Deserialize, Serialize};

/// A header format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// `traceparent` and `tracestate`.
    TraceContext,
    /// `baggage`.
    Baggage,
    /// `x-datadog-*`.
    Datadog,
    /// `b3`.
    B3,
    /// `X-B3-*`.
    B3Multi,
    /// `X-Correlation-ID`.
    Correlation,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] =
        [Format::TraceContext, Format::Baggage, Format::Datadog, Format::B3, Format::B3Multi, Format::Correlation];

    /// The name in configurations: `tracecontext`, `baggage`, `datadog`, `b3`, `b3multi`, `correlation`.
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

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Whether a header, by its lower-case name, is of this format.
    pub fn owns(self, name: &str) -> bool {
        match self {
            Format::TraceContext => matches!(name, "traceparent" | "tracestate"),
            Format::Baggage => name == "baggage",
            Format::Datadog => name.starts_with("x-datadog-"),
            Format::B3 => name == "b3",
            Format::B3Multi => name.starts_with("x-b3-"),
            Format::Correlation => name == "x-correlation-id",
        }
    }
}

/// When headers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Only for a trace that is kept.
    #[default]
    Sampled,
    /// Always, with the decision: a backend then knows that the trace was dropped.
    All,
}

/// A host and its sub-domains, and what they may see.
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
    vec!["session.id".to_owned()]
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
    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// W3C trace context, and baggage with `session.id`, to a host and its sub-domains, for traces that are kept.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            formats: default_formats(),
            injection: Injection::Sampled,
            baggage: default_baggage(),
        }
    }

    /// Sets the formats.
    #[must_use]
    pub fn formats(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.formats = formats.into_iter().collect();
        self
    }

    /// Sets when headers are written.
    #[must_use]
    pub fn injection(mut self, injection: Injection) -> Self {
        self.injection = injection;
        self
    }

    /// Lets a further baggage key through: `user.id` or one of the app's. `session.id` alone is through by default.
    #[must_use]
    pub fn baggage_key(mut self, key: impl Into<String>) -> Self {
        self.baggage.push(key.into());
        self
    }

    /// Why the rule cannot work; `None` when it can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let host = self.host.trim_end_matches('.');
        if host.is_empty() {
            Some("is empty")
        } else if host.contains("://") || host.contains(['/', '@', '?', '#']) {
            Some("is a URL: give the host alone")
        } else if host.contains('*') {
            Some("has a wildcard: a host covers its sub-domains, and there is no rule for every host")
        } else if !host.is_ascii() {
            Some("is not ASCII: give its xn-- form")
        } else if host.contains(':') && host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_err() {
            Some("has a port: a rule covers every port")
        } else if !host.bytes().all(is_host_byte) {
            Some("is no host name: no port, no spaces")
        } else if self.formats.is_empty() {
            Some("has no format")
        } else {
            None
        }
    }

    /// Whether a host, without a trailing dot, is this one or a sub-domain of it.
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
