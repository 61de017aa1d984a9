//! URLs: which ones can be a backend's, and the host of any.

use crate::model::error::Error;

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

/// The host of an absolute `http` or `https` URL; `None` when it has none.
///
/// User information ends at the *last* `@` of the authority, and a backslash ends the authority, as
/// browsers read it: where parsers disagree, the reading that gives the least trusted host counts.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
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
