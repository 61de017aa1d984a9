//! URLs: which ones can be a backend's, and the host of any.

use super::signal::OtlpSignal;
use crate::model::error::Error;
use crate::model::limits::SECRET_SEGMENT_BYTES;

/// The schemes of requests, and their default ports.
const PORTS: [(&str, u16); 4] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];

/// Refuses a URL to which nothing can be sent. `field` is what the error names.
pub(crate) fn check_url(field: &'static str, url: &str) -> Result<(), Error> {
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
    server_of(url).map(|(_, host, _)| host)
}

/// The port of such a URL: its scheme's, if it names none. `None` when it has no host, or when what
/// stands in the place of the port is no port.
pub(crate) fn port_of(url: &str) -> Option<u16> {
    let (default, _, port) = server_of(url)?;
    if port.is_empty() { Some(default) } else { port.parse().ok().filter(|port| *port > 0) }
}

/// The default port of a URL's scheme, its host, and the text of its port, which may be empty.
fn server_of(url: &str) -> Option<(u16, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (_, default) = PORTS.into_iter().find(|(known, _)| scheme.eq_ignore_ascii_case(known))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let (host, port) = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or((v6, ""), |(host, port)| (host, port.strip_prefix(':').unwrap_or(port))),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    (!host.is_empty()).then_some((default, host, port))
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

    #[test]
    fn a_url_without_a_port_has_that_of_its_scheme() {
        for (url, port) in [
            ("http://a.test/s", Some(80)),
            ("HTTPS://a.test", Some(443)),
            ("ws://a.test?x", Some(80)),
            ("wss://[::1]/s", Some(443)),
            ("https://u:p@a.test:8443/", Some(8443)),
            ("http://[::1]:4318/s", Some(4318)),
            ("http://a.test:/", Some(80)),
            ("http://a.test:0/", None),
            ("http://a.test:65536/", None),
            ("http://a.test:x/", None),
            ("http://[::1]x/", None),
            ("http://:80/", None),
            ("file:///tmp/x", None),
        ] {
            assert_eq!(port_of(url), port, "{url}");
        }
    }
}
