//! URLs: which ones can be a backend's, and the host of any.

use super::signal::OtlpSignal;
use crate::model::error::Error;
use crate::model::limits::SECRET_SEGMENT_BYTES;

/// Refuses a URL to which nothing can be sent. `field` is what the error names.
pub(super) fn check_url(field: &'static str, url: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::config(field, format!("{reason}: `{}`", without_secrets(url))));
    if url.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return refuse("has a space or a control character");
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return refuse("must start with http:// or https://");
    }
    if url.contains(['?', '#', '\\']) {
        return refuse("must have no query or fragment");
    }
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
    if authority.contains('@') {
        return refuse("must not hold credentials; use a header");
    }
    if let Some((_, port)) = authority.rsplit_once(':')
        && !authority.ends_with(']')
        && port.parse::<u16>().is_err()
    {
        return refuse("has no legal port");
    }
    if host_of(url).is_none() { refuse("has no host") } else { Ok(()) }
}

/// Refuses a base URL that is the full URL of a signal. The path is appended to it, so that every
/// request would be answered with 404.
pub(super) fn check_base(field: &'static str, url: &str) -> Result<(), Error> {
    let url = url.trim_end_matches('/').to_ascii_lowercase();
    match OtlpSignal::ALL.into_iter().find(|signal| url.ends_with(&format!("/v1/{}", signal.name()))) {
        None => Ok(()),
        Some(signal) => {
            let name = signal.name();
            let reason = format!(
                "ends in /v1/{name}, which is appended to it: leave that out, or set this URL as the endpoint \
                 of the signal {name} alone"
            );
            Err(Error::config(field, reason))
        }
    }
}

/// A URL as `health()` may show it: as in [`without_secrets`], and without parts of the path that
/// look like a key.
pub(crate) fn shown(url: &str) -> String {
    let looks_secret =
        |part: &&str| part.len() >= SECRET_SEGMENT_BYTES && part.bytes().any(|b| b.is_ascii_digit() || b == b'=');
    let url = without_secrets(url);
    let (origin, path) = match url.match_indices('/').nth(2) {
        Some((at, _)) => url.split_at(at),
        None => return url,
    };
    let parts: Vec<&str> = path.split('/').map(|part| if looks_secret(&part) { "…" } else { part }).collect();
    format!("{origin}{}", parts.join("/"))
}

/// A URL as an error may show it, because errors are logged: without what stands before an `@`, and
/// without the query, which may hold a key.
fn without_secrets(url: &str) -> String {
    let (address, query) = match url.find(['?', '#']) {
        Some(at) => (url.get(..at).unwrap_or_default(), "…"),
        None => (url, ""),
    };
    let shown = match (address.split_once("://"), address.rsplit_once('@')) {
        (_, None) => address.to_owned(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
    };
    shown + query
}

/// The host of an absolute `http`, `https`, `ws` or `wss` URL; `None` when it has none.
///
/// User information ends at the *last* `@` of the authority, and a backslash ends the authority, as
/// browsers read it: where parsers disagree, the reading that gives the least trusted host counts.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_that_is_shown_has_a_secret() {
        for (url, seen) in [
            ("http://h:4318/v1/logs", "http://h:4318/v1/logs"),
            ("https://h", "https://h"),
            ("https://u:SECRET@h/v1/logs", "https://…@h/v1/logs"),
            ("https://h/v1/logs?key=SECRET", "https://h/v1/logs…"),
            ("https://h/receiver/v1/otlp/ZaVnC4dhaV1SECRET==/v1/logs", "https://h/receiver/v1/otlp/…/v1/logs"),
            ("https://h/opentelemetry-collector/v1/logs", "https://h/opentelemetry-collector/v1/logs"),
            ("https://h/api/4505/otlp/v1/traces", "https://h/api/4505/otlp/v1/traces"),
        ] {
            assert_eq!(shown(url), seen);
        }
    }

    #[test]
    fn a_socket_has_a_host_like_any_request() {
        for (url, host) in [
            ("ws://a.test:1/s", Some("a.test")),
            ("wss://a.test/s", Some("a.test")),
            ("WSS://a.test", Some("a.test")),
            ("https://u:p@a.test/", Some("a.test")),
            ("wss://[::1]:8080/s", Some("::1")),
            ("file:///tmp/x", None),
            ("data:text/plain,x", None),
            ("/relative", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
        assert!(check_url("endpoint", "wss://a.test").is_err(), "nothing is sent to a socket");
    }
}
