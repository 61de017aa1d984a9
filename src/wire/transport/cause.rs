//! Says why a backend cannot be reached, in words that lead to the mistake: a port of OTLP/gRPC,
//! TLS where there is none, or none where there is.

use crate::model::http::Response;
use crate::model::limits::ERROR_PAGE_BYTES;

/// What is said of a port that speaks HTTP/2.
pub(crate) const IS_GRPC: &str = "this looks like OTLP/gRPC; OTLP/HTTP usually listens on port 4318";
/// What is said of a port that speaks TLS.
pub(crate) const IS_TLS: &str = "this port speaks TLS; the endpoint should begin with https://";
/// What is said of a port that does not speak TLS.
pub(crate) const IS_PLAIN: &str = "this port does not speak TLS; the endpoint may have to begin with http://";
/// What is said of the usual port of OTLP/gRPC.
const IS_GRPC_PORT: &str = "port 4317 is usually OTLP/gRPC; OTLP/HTTP usually listens on port 4318";

/// What is said of a port that hangs up.
const MAY_BE_ANOTHER: &str =
    "if this goes on, the port may be one of OTLP/gRPC (OTLP/HTTP usually listens on port 4318), or speak TLS";

/// How network stacks say that a peer did not answer a TLS handshake with TLS: rustls, Darwin,
/// Android, OpenSSL.
const NOT_TLS: [&str; 5] = [
    "corrupt message of type",
    "tls handshake eof",
    "wrong version number",
    "Unable to parse TLS packet header",
    "errSSLClosedAbort",
];
/// How network stacks say that a peer hung up instead of answering: the system, hyper, OkHttp,
/// Darwin.
const HUNG_UP: [&str; 6] = [
    "reset by peer",
    "Connection reset",
    "connection closed before message completed",
    "unexpected end of stream",
    "Unexpected status line",
    "network connection was lost",
];
/// An answer that looks like a success and is none.
const NO_EXPORT: &str = "the content is no answer to an export; something else may have answered, such as a captive \
                         portal, a proxy or the server of a web page";
const REDIRECTS: &str = "redirects are not followed; the endpoint may have to be the URL that it leads to";
/// What servers with TLS answer to a request without: Go, nginx, Apache.
const WANTS_TLS: [&str; 3] =
    ["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", "plain HTTP to an SSL-enabled server"];

/// What is said of an answer with a status that is no success. `url` may be empty.
pub(crate) fn answered(url: &str, status: u16) -> String {
    let to = if url.is_empty() { String::new() } else { format!(" to {url}") };
    let hint = match status {
        200..300 => Some(NO_EXPORT),
        300..400 => Some(REDIRECTS),
        _ => None,
    };
    with_hint(format!("the backend answered {status}{to}"), hint_of_port(url).or(hint))
}

/// What is said when there was no answer, for the reason `error`. `url` may be empty. `is_known`
/// says that the backend has answered there before, so that it is the right port.
pub(crate) fn unanswered(url: &str, error: &str, is_known: bool) -> String {
    let from = if url.is_empty() { String::new() } else { format!(" from {url}") };
    let has_any = |signs: &[&str]| signs.iter().any(|sign| error.contains(sign));
    let hint = if is_known || [IS_GRPC, IS_TLS, IS_PLAIN].iter().any(|cause| error.contains(cause)) {
        None
    } else if url.starts_with("https://") && has_any(&NOT_TLS) {
        Some(IS_PLAIN)
    } else {
        hint_of_port(url).or_else(|| has_any(&HUNG_UP).then_some(MAY_BE_ANOTHER))
    };
    with_hint(format!("no answer{from}: {error}"), hint)
}

/// What an answer says about the port, if it comes from a server of another protocol.
pub(crate) fn wrong_port(response: &Response) -> Option<&'static str> {
    if response.header("content-type").is_some_and(|kind| kind.trim_start().starts_with("application/grpc")) {
        return Some(IS_GRPC);
    }
    let page = response.body.get(..ERROR_PAGE_BYTES).unwrap_or(&response.body);
    let page = String::from_utf8_lossy(page);
    (response.status == 400 && WANTS_TLS.iter().any(|sign| page.contains(sign))).then_some(IS_TLS)
}

/// What the first bytes of an answer that is not HTTP/1.1 say about the port.
#[cfg(feature = "http")]
pub(crate) fn protocol_of(first: &[u8]) -> Option<&'static str> {
    match first {
        // A frame on stream 0: SETTINGS, with which a server of HTTP/2 begins (RFC 9113 §3.4), or
        // GOAWAY. Its length is a few dozen bytes.
        [0, 0 | 1, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(IS_GRPC),
        // A record of TLS: an alert or a handshake (RFC 8446 §5.1).
        [21 | 22, 3, 0..=4, ..] => Some(IS_TLS),
        _ => None,
    }
}

fn hint_of_port(url: &str) -> Option<&'static str> {
    let authority = url.split("://").nth(1)?.split('/').next()?;
    authority.ends_with(":4317").then_some(IS_GRPC_PORT)
}

fn with_hint(text: String, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text}: {hint}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_looks_like_a_success_says_why_it_is_none() {
        assert!(answered("http://h/v1/logs", 200).contains("the content is no answer to an export"));
        assert!(answered("http://h/v1/logs", 302).contains("redirects are not followed"));
        for status in [401, 404, 500, 503] {
            assert_eq!(
                answered("http://h/v1/logs", status),
                format!("the backend answered {status} to http://h/v1/logs")
            );
        }
    }

    #[test]
    fn the_usual_port_of_grpc_is_named_whatever_happens_there() {
        for url in ["http://h:4317/v1/logs", "https://[::1]:4317/v1/logs"] {
            assert!(answered(url, 404).contains("4318"), "{url}");
            assert!(unanswered(url, "connection refused", false).contains("4318"), "{url}");
        }
        for url in ["http://h:4318/v1/logs", "http://h/4317", "", "http://h:43170/v1/logs"] {
            assert!(!answered(url, 404).contains("gRPC"), "{url}");
        }
    }

    #[test]
    fn a_port_that_hangs_up_is_doubted_unless_it_has_answered_before() {
        let error = "client error (SendRequest): connection closed before message completed";
        assert!(unanswered("http://h/v1/logs", error, false).ends_with(MAY_BE_ANOTHER));
        assert!(unanswered("http://h/v1/logs", error, true).ends_with(error));
        assert!(unanswered("http://h/v1/logs", "connection refused", false).ends_with("refused"));
    }

    #[test]
    fn a_port_without_tls_is_named_for_https_alone() {
        let error = "received corrupt message of type InvalidContentType";
        assert!(unanswered("https://h/v1/logs", error, false).ends_with(IS_PLAIN));
        assert!(!unanswered("http://h/v1/logs", error, false).contains("TLS;"));
    }

    #[test]
    fn a_server_of_another_protocol_is_recognized_by_its_answer() {
        let page = |status, body: &str| Response { status, body: body.into(), ..Response::default() };
        assert_eq!(wrong_port(&page(400, "Client sent an HTTP request to an HTTPS server.\n")), Some(IS_TLS));
        assert_eq!(wrong_port(&page(400, "The plain HTTP request was sent to HTTPS port")), Some(IS_TLS));
        assert_eq!(wrong_port(&page(400, "bad")), None);
        assert_eq!(wrong_port(&page(200, "")), None);
        let headers = vec![("content-type".to_owned(), "application/grpc".to_owned())];
        assert_eq!(wrong_port(&Response { status: 415, headers, ..Response::default() }), Some(IS_GRPC));
    }

    #[cfg(feature = "http")]
    #[test]
    fn frames_of_http_2_and_records_of_tls_are_told_apart() {
        assert_eq!(protocol_of(&[0, 0, 0, 4, 0, 0, 0, 0, 0]), Some(IS_GRPC));
        assert_eq!(protocol_of(b"\x00\x00\x2e\x07\x00\x00\x00\x00\x00\x00"), Some(IS_GRPC));
        assert_eq!(protocol_of(&[0x15, 3, 1, 0, 2, 2, 0x28]), Some(IS_TLS));
        assert_eq!(protocol_of(&[0x16, 3, 3, 0, 50]), Some(IS_TLS));
        for other in [&b"HTTP/1.1 200"[..], b"", b"SSH-2.0-OpenSSH", &[0; 16]] {
            assert_eq!(protocol_of(other), None, "{other:?}");
        }
    }
}
