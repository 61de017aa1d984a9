//! The DSN, by which Sentry names a project and who may send to it:
//! `{scheme}://{key}@{host}{path}/{project}`.

use crate::model::config::{host_of, port_of};
use crate::model::error::Error;
use crate::model::limits::SENTRY_PROJECT_DIGITS;

/// What the error of a configuration names.
const FIELD: &str = "dsn";

/// The parts of a DSN.
#[derive(Clone)]
pub(super) struct Dsn {
    /// The public key.
    pub(super) key: String,
    /// Where envelopes are sent.
    pub(super) endpoint: String,
}

/// The key is shown to nobody.
impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dsn").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Dsn {
    /// Whether nobody but the server can answer.
    pub(super) fn is_encrypted(&self) -> bool {
        self.endpoint.starts_with("https://")
    }

    /// Reads a DSN. The secret that old ones have behind the key is not sent: Sentry asks for none
    /// since version 9.
    ///
    /// # Errors
    /// What is wrong with it, in words that show nothing of it.
    pub(super) fn parse(dsn: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| Err(Error::config(FIELD, reason));
        if dsn.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return refuse("has a space, a control character or a letter that is not ASCII");
        }
        let (scheme, rest) = match dsn.split_once("://") {
            Some((scheme, rest)) if scheme == "https" || scheme == "http" => (scheme, rest),
            _ => return refuse("must start with https:// or http://, as in https://KEY@o1.ingest.sentry.io/2"),
        };
        if dsn.contains(['?', '#', '\\']) {
            return refuse("must have no query, fragment or backslash");
        }
        let Some((credentials, address)) = rest.split_once('@') else {
            return refuse("has no key: it stands between :// and @");
        };
        let key = credentials.split_once(':').map_or(credentials, |(key, _secret)| key);
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return refuse("has no legal key before the @: it has letters and digits");
        }
        let Some((place, project)) = address.trim_end_matches('/').rsplit_once('/') else {
            return refuse("has no project: its number is the end of the path");
        };
        if project.is_empty()
            || project.len() > SENTRY_PROJECT_DIGITS
            || !project.bytes().all(|byte| byte.is_ascii_digit())
        {
            return refuse("must end in the number of a project");
        }
        let base = format!("{scheme}://{}", place.trim_end_matches('/'));
        if place.contains('@') || host_of(&base).is_none() {
            return refuse("has no legal host behind the @");
        }
        if port_of(&base).is_none() {
            return refuse("has no legal port");
        }
        Ok(Self { key: key.to_owned(), endpoint: format!("{base}/api/{project}/envelope/") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_gives_the_endpoint_of_its_project() {
        for (dsn, endpoint) in [
            ("https://abc123@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/"),
            ("https://abc:secret@sentry.example.com/42/", "https://sentry.example.com/api/42/envelope/"),
            ("http://abc@localhost:9000/base/path/7", "http://localhost:9000/base/path/api/7/envelope/"),
            ("http://abc@[::1]:9000/7", "http://[::1]:9000/api/7/envelope/"),
        ] {
            assert_eq!(Dsn::parse(dsn).unwrap().endpoint, endpoint, "{dsn}");
        }
        assert_eq!(Dsn::parse("https://abc:secret@h/1").unwrap().key, "abc");
    }

    #[test]
    fn a_dsn_that_cannot_work_is_refused_in_words_without_its_key() {
        for dsn in [
            "",
            "SECRETKEY",
            "ftp://SECRETKEY@h/1",
            "https://h/1",
            "https://@h/1",
            "https://:SECRETKEY@h/1",
            "https://SECRETKEY@h",
            "https://SECRETKEY@h/",
            "https://SECRETKEY@h/shop",
            "https://SECRETKEY@h/123456789012345678901",
            "https://SECRETKEY@/1",
            "https://SECRETKEY@h:99999/1",
            "https://SECRETKEY@a@h/1",
            "https://SECRETKEY@h/1?x=2",
            "https://SECRETKEY@h/1#x",
            "https://SECRET KEY@h/1",
            "https://SECRETKEY\r\n@h/1",
            "https://SECRETKEY,x=y@h/1",
            "https://SECRETKEY@hü/1",
            "https://SECRETKEY@h\\/1",
        ] {
            match Dsn::parse(dsn) {
                Err(Error::InvalidConfig { field: "dsn", reason }) => assert!(!reason.contains("SECRET"), "{reason}"),
                other => panic!("{dsn}: {other:?}"),
            }
        }
        assert!(!format!("{:?}", Dsn::parse("https://SECRETKEY@h/1").unwrap()).contains("SECRET"));
    }
}
