//! Tells what a failed request means from the text that says why it failed: ours (`cause.rs`), and
//! those of the network stacks of the platforms.

use super::cause::{IS_GRPC, IS_PLAIN, IS_TLS};
use crate::model::diagnosis::Cause;

/// How network stacks say that requests without TLS are forbidden: Android, OkHttp, Darwin.
const CLEARTEXT: [&str; 4] = [
    "CLEARTEXT communication",
    "Cleartext HTTP traffic",
    "App Transport Security",
    "requires the use of a secure connection",
];

/// How network stacks say that a certificate is not trusted: rustls, Java and Android, Darwin,
/// OpenSSL.
const CERTIFICATE: [&str; 9] = [
    "invalid peer certificate",
    "CertPathValidatorException",
    "CertificateException",
    "PKIX path",
    "Trust anchor",
    "certificate for this server is invalid",
    "certificate verify failed",
    "SSLPeerUnverifiedException",
    "self signed certificate",
];

/// What is said of a server that asks for a wait.
pub(crate) const ASKS_FOR_REST: &str = "it asks to be left alone for";
/// How we say that what the host brought has failed.
const HOSTS: [&str; 3] = ["the host's authorization", "the host returned no authorization", "the transport panicked"];

/// What a failure means, from the text of it that `health()` shows.
pub fn cause_of(failure: &str) -> Cause {
    let has_any = |signs: &[&str]| signs.iter().any(|sign| failure.contains(sign));
    if has_any(&[IS_GRPC, IS_TLS, IS_PLAIN]) {
        return Cause::WrongPort;
    }
    if has_any(&CLEARTEXT) {
        return Cause::CleartextBlocked;
    }
    if has_any(&CERTIFICATE) {
        return Cause::CertificateRefused;
    }
    match status(failure) {
        Some(401 | 403) => Cause::Unauthorized,
        Some(404 | 405) => Cause::NotFound,
        Some(415) => Cause::UnsupportedFormat,
        Some(200..=399) => Cause::NotABackend,
        Some(408 | 429 | 500..) => Cause::BackendFails,
        Some(_) => Cause::Refused,
        None if failure.contains("the backend rejected") => Cause::Refused,
        None if failure.contains(ASKS_FOR_REST) => Cause::BackendFails,
        None if has_any(&HOSTS) || !failure.contains("no answer") => Cause::HostFails,
        None if failure.contains(":4317") => Cause::WrongPort,
        None => Cause::Unreachable,
    }
}

/// The status of the answer, if there was one.
fn status(failure: &str) -> Option<u16> {
    let (_, rest) = failure.split_once("the backend answered ")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::cause::{answered, unanswered};
    use super::*;

    #[test]
    fn every_answer_and_every_lack_of_one_has_a_cause_that_leads_to_the_mistake() {
        let url = "http://h:4318/v1/logs";
        for (status, cause) in [
            (200, Cause::NotABackend),
            (302, Cause::NotABackend),
            (400, Cause::Refused),
            (401, Cause::Unauthorized),
            (403, Cause::Unauthorized),
            (404, Cause::NotFound),
            (415, Cause::UnsupportedFormat),
            (429, Cause::BackendFails),
            (503, Cause::BackendFails),
        ] {
            assert_eq!(cause_of(&answered(url, status)), cause, "{status}");
        }
        for (error, cause) in [
            ("connection refused", Cause::Unreachable),
            ("dns error: failed to lookup address", Cause::Unreachable),
            (IS_GRPC, Cause::WrongPort),
            (IS_TLS, Cause::WrongPort),
            ("java.net.UnknownServiceException: CLEARTEXT communication to h not permitted", Cause::CleartextBlocked),
            ("The resource could not be loaded because the App Transport Security policy …", Cause::CleartextBlocked),
            ("invalid peer certificate: UnknownIssuer", Cause::CertificateRefused),
            ("java.security.cert.CertPathValidatorException: Trust anchor for …", Cause::CertificateRefused),
            ("The certificate for this server is invalid.", Cause::CertificateRefused),
            ("the host returned no authorization within 20 s", Cause::HostFails),
            ("the transport panicked", Cause::HostFails),
        ] {
            assert_eq!(cause_of(&unanswered(url, error, false)), cause, "{error}");
        }
        for (text, cause) in [
            ("the backend rejected 3 records", Cause::Refused),
            ("https://h/api/1/envelope: it asks to be left alone for 60 s", Cause::BackendFails),
            ("the exporter has panicked", Cause::HostFails),
        ] {
            assert_eq!(cause_of(text), cause, "{text}");
        }
        assert_eq!(cause_of(&unanswered("https://h/", "received corrupt message of type", false)), Cause::WrongPort);
        assert_eq!(cause_of(&unanswered("http://h:4317/", "connection refused", false)), Cause::WrongPort);
    }
}
