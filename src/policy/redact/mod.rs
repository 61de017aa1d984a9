//! Redaction: what must not leave the device is taken out while an event is encoded, so before its
//! bytes reach the journal.
//!
//! - The value of an attribute whose key names a secret is replaced (`keys`). A key that was found
//!   harmless is remembered by a hash of 64 bits, so that looking at it again costs one hash.
//! - Personal data is found by its form (`patterns`) in free texts: messages, bodies of logs, stack
//!   traces. The texts of attributes are searched only if the configuration asks for it.
//! - URLs lose the user's name and password, and their query and fragment unless the configuration
//!   keeps queries.

mod keys;
mod patterns;

use std::borrow::Cow;

use keys::{SECRET, has, segments};
use patterns::scan;

pub use crate::model::config::{RedactRules, ValuePatterns};
pub use crate::model::event::scrub::REDACTED;
use crate::model::event::scrub::{Author, KeyCache, KeyVerdict, Scrub, Scrubbing};
use crate::model::names::RESERVED;

/// Code of the host that rewrites free texts and URLs after the core has redacted them.
pub trait Rewrite: Send + Sync + std::fmt::Debug {
    /// The text that replaces `text`. `None` leaves it as it is.
    fn rewrite(&self, text: &str) -> Option<String>;
}

/// The rules of a configuration, in a form that is quick to apply.
#[derive(Debug)]
pub struct Redactor {
    rules: RedactRules,
    denied: Vec<Vec<String>>,
    clean: KeyCache,
    rewrite: Option<Box<dyn Rewrite>>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(RedactRules::default())
    }
}

impl Redactor {
    /// Compiles rules.
    pub fn new(rules: RedactRules) -> Self {
        let built_in = SECRET.iter().map(|run| run.iter().map(|segment| (*segment).to_owned()).collect());
        let denied =
            built_in.chain(rules.deny_keys.iter().map(|key| segments(key))).filter(|run: &Vec<String>| !run.is_empty());
        Self { denied: denied.collect(), rules, clean: KeyCache::default(), rewrite: None }
    }

    /// Also lets the host rewrite every free text and URL.
    #[must_use]
    pub fn rewriting(mut self, rewrite: Box<dyn Rewrite>) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    fn rewritten<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let rewrite = self.rewrite.as_ref().filter(|_| !text.is_empty());
        rewrite.and_then(|host| host.rewrite(&text)).map_or(text, Cow::Owned)
    }

    /// What the encoder applies to one event, whose attributes were named by `author`.
    #[inline]
    pub fn rules(&self, author: Author) -> Scrubbing<'_> {
        Scrubbing { scrub: Some((self, &self.clean)), author, attribute_texts: self.rules.patterns.attributes }
    }

    /// Decides about a key that is not remembered.
    fn consider(&self, key: &str) -> KeyVerdict {
        if self.rules.allow_keys.iter().any(|allowed| allowed == key) {
            return KeyVerdict::Clean;
        }
        let words = segments(key);
        if self.denied.iter().any(|secret| has(&words, secret)) {
            KeyVerdict::Secret
        } else if RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
            KeyVerdict::Reserved
        } else {
            KeyVerdict::Clean
        }
    }
}

impl Scrub for Redactor {
    #[cold]
    fn key(&self, key: &str) -> KeyVerdict {
        self.consider(key)
    }

    fn free_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.rewritten(scan(text, self.rules.patterns))
    }

    fn url<'t>(&self, url: &'t str) -> Cow<'t, str> {
        self.rewritten(self.bare_url(url))
    }
}

impl Redactor {
    /// Takes out of a URL what must not leave the device.
    fn bare_url<'t>(&self, url: &'t str) -> Cow<'t, str> {
        let (head, tail) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let head = without_user(head);
        if tail.is_empty() || !self.rules.keep_queries {
            return head;
        }
        let mut out = head.into_owned();
        let (query, fragment) = tail.split_at(tail.find('#').unwrap_or(tail.len()));
        for (at, pair) in query.trim_start_matches('?').split('&').enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, _)) if self.consider(name) == KeyVerdict::Secret => {
                    out.push_str(name);
                    out.push_str("=[redacted]");
                }
                _ => out.push_str(&scan(pair, self.rules.patterns)),
            }
        }
        if query.is_empty() {
            out.truncate(out.trim_end_matches('?').len());
        }
        out.push_str(&scan(fragment, self.rules.patterns));
        Cow::Owned(out)
    }
}

/// Takes the user's name and password out of a URL.
fn without_user(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default())),
        None => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_secret_by_their_segments() {
        let rules = RedactRules {
            deny_keys: vec!["home address".into()],
            allow_keys: vec!["card.color".into()],
            ..RedactRules::default()
        };
        let redactor = Redactor::new(rules);
        for key in [
            "password",
            "userPassword",
            "user.PASSWORD",
            "x-api-key",
            "apiKey",
            "APIKey",
            "refresh_token",
            "tokens",
            "Set-Cookie",
            "http.request.header.authorization",
            "card_number",
            "SSN",
            "user.homeAddress",
            "accessKeyId",
            "pin",
        ] {
            assert_eq!((redactor.key(key), redactor.key(key)), (KeyVerdict::Secret, KeyVerdict::Secret), "{key}");
        }
        for key in [
            "name",
            "author",
            "tokenizer",
            "keyboard",
            "discard",
            "spinner",
            "card.color",
            "api.version",
            "session.id",
            "sku",
        ] {
            assert_eq!((redactor.key(key), redactor.key(key)), (KeyVerdict::Clean, KeyVerdict::Clean), "{key}");
        }
        assert_eq!(redactor.key("state.store"), KeyVerdict::Reserved);
        assert_eq!(redactor.key("rum.action.id"), KeyVerdict::Reserved);
    }

    #[test]
    fn urls_lose_users_and_queries() {
        let plain = Redactor::default();
        for (url, want) in [
            ("https://user:secret@a.test/x?token=1#frag", "https://a.test/x"),
            ("https://a.test/x", "https://a.test/x"),
            ("/relative?x=1", "/relative"),
            ("https://a.test?@b", "https://a.test"),
        ] {
            assert_eq!(plain.url(url), want);
        }
        let keep = Redactor::new(RedactRules { keep_queries: true, ..RedactRules::default() });
        assert_eq!(
            keep.url("https://u@a.test/x?page=2&access_token=abc&mail=a@b.co#top"),
            "https://a.test/x?page=2&access_token=[redacted]&mail=[redacted]#top"
        );
        assert_eq!(keep.url("https://a.test/x#top"), "https://a.test/x#top");
    }

    proptest! {
        #[test]
        fn no_key_and_no_url_panics(text in "\\PC{0,120}") {
            let _ = Redactor::default().key(&text);
            let _ = Redactor::new(RedactRules { keep_queries: true, ..RedactRules::default() }).url(&text);
        }
    }
}
