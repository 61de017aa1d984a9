//! Who may talk to a server on the loopback interface.
//!
//! Every web page that a developer opens can send requests to `127.0.0.1`. What the browser says
//! about them tells them apart: `Host` is the name in the address bar, which is not ours after DNS
//! rebinding (the page's own name leads to `127.0.0.1` all of a sudden), and `Origin` is the page
//! that asks. Programs that are no browsers send the right `Host` and no `Origin`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Under which emulators reach the loopback interface of their host: Android's, Genymotion's.
const EMULATORS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 3, 2)];
/// Longest name in an answer.
const SHOWN: usize = 100;

/// The names under which a server may be reached, beyond those of the loopback interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<[String]>);

impl Names {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether a name, or an address, is this machine as seen from itself or from an emulator.
    fn cover(&self, host: &str) -> bool {
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let Ok(address) = address.parse::<Ipv6Addr>() else { return false };
            let is_loopback =
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback());
            return is_loopback || self.0.iter().any(|name| name.parse() == Ok(address));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return address.is_loopback() || EMULATORS.contains(&address) || self.0.iter().any(|name| name == host);
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || self.0.contains(&name)
    }

    /// The same for a name with or without a port, as in `Host`.
    fn cover_authority(&self, authority: &str) -> bool {
        let end = authority.find(']').map_or(0, |end| end + 1);
        let (bracketed, rest) = authority.split_at_checked(end).unwrap_or_default();
        let (name, port) = rest.split_once(':').unwrap_or((rest, ""));
        let host = if bracketed.is_empty() { name } else { bracketed };
        let is_whole = bracketed.is_empty() || name.is_empty();
        is_whole && port.bytes().all(|byte| byte.is_ascii_digit()) && self.cover(host)
    }

    fn cover_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| self.cover_authority(authority))
    }

    /// Why a request is refused, if it is.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, String)> {
        let (headers, target) = (request.headers(), request.uri().authority());
        let hosts = || values(headers, header::HOST).chain(target.map(|target| Some(target.as_str())));
        if hosts().next().is_none() && request.version() == Version::HTTP_11 {
            return Some((StatusCode::BAD_REQUEST, "a request of HTTP/1.1 needs the header `Host`\n".to_owned()));
        }
        if let Some(other) = hosts().find(|host| !host.is_some_and(|host| self.cover_authority(host))) {
            let text = format!(
                "this server is reached as localhost or 127.0.0.1, not as {}: a web page whose name leads here could \
                 read what it has received. If you gave this machine that name, start `inspect` with --allow-host NAME\n",
                shown(other)
            );
            return Some((StatusCode::MISDIRECTED_REQUEST, text));
        }
        if let Some(other) = values(headers, header::ORIGIN).find(|it| !it.is_some_and(|it| self.cover_origin(it))) {
            let text = format!("pages of another origin ({}) may not send requests to this server\n", shown(other));
            return Some((StatusCode::FORBIDDEN, text));
        }
        is_embedded_elsewhere(headers).then(|| {
            (
                StatusCode::FORBIDDEN,
                "pages of another site may lead to this server and may not load from it\n".to_owned(),
            )
        })
    }
}

/// Whether a page of another site loads this as an image, a script or the like. It says no
/// `Origin` then, and could not read the answer, but could measure how long it takes. To follow a
/// link from there is no harm.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said.as_bytes() == value.as_bytes());
    says("sec-fetch-site", "cross-site") && !(says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document"))
}

/// A name that a user gives. One with a scheme or a port would never match.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_name = !text.is_empty() && text.chars().all(is_part) || text.parse::<Ipv6Addr>().is_ok();
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("give the name or the address alone, without scheme and port".to_owned())
    }
}

/// The values of a header; `None` for one that is no text.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(name).into_iter().map(|value| value.to_str().ok())
}

/// What a request says of itself, quoted and cut.
fn shown(text: Option<&str>) -> String {
    let text = text.unwrap_or("a name that is no text");
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}

/// Refuses requests of web pages that are not the server's own, on every path. No answer may be
/// embedded by another page, or taken for another type than it has.
pub(crate) async fn visitors(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = match names.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_here_is_not_ours_unless_it_was_given() {
        let names = Names::new(&["Dev.Example.".to_owned(), "fe80::7".to_owned()]);
        for ours in [
            "localhost",
            "LOCALHOST:4318",
            "localhost.",
            "app.localhost:80",
            "127.0.0.1",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:4318",
            "[0:0:0:0:0:0:0:1]:1",
            "[::ffff:127.0.0.1]",
            "10.0.2.2:4318",
            "10.0.3.2",
            "dev.example:80",
            "[FE80:0::7]:4318",
        ] {
            assert!(names.cover_authority(ours), "{ours}");
        }
        for other in [
            "",
            ":4318",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "0.0.0.0",
            "10.0.2.3",
            "[::2]:1",
            "[::1]evil:1",
            "[::1",
            "::1",
            "user@localhost",
            "localhost:80@evil.example",
            "localhost:a",
            "localhost, evil.example",
            "2130706433",
            "0x7f.1",
            "x.dev.example",
        ] {
            assert!(!names.cover_authority(other), "{other}");
        }
        for (origin, is_ours) in [
            ("http://localhost:4318", true),
            ("https://[::1]:3000", true),
            ("null", false),
            ("", false),
            ("https://evil.example", false),
            ("file://localhost", false),
            ("http://localhost/path", false),
        ] {
            assert_eq!(names.cover_origin(origin), is_ours, "{origin}");
        }
    }
    #[test]
    fn a_name_that_could_never_match_is_refused() {
        for name in ["my-mac.local", "10.1.2.3", "fe80::7"] {
            assert!(host_name(name).is_ok(), "{name}");
        }
        for name in ["", "http://my-mac.local", "my-mac.local:4318", "[fe80::7]", "a b", "*.example", "bücher.example"]
        {
            assert!(host_name(name).is_err(), "{name}");
        }
    }
}
