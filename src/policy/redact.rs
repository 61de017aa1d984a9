//! What must not leave the device: secrets by their key, personal data by its form, queries of
//! URLs. Applied while an event is encoded, so before its bytes reach the journal.
//!
//! Keys are split into segments (`userApiKey`, `user.api_key`, `USER-API-KEY` are all
//! `user api key`) and compared with a list. A key that was found harmless is remembered by a
//! 64-bit hash, so the usual price is one hash. Free text (messages, log bodies, stacks) is
//! searched for patterns; attribute texts only if that is asked for.

use std::borrow::Cow;

pub use crate::model::config::{RedactRules, ValuePatterns};
pub use crate::model::event::scrub::REDACTED;
use crate::model::event::scrub::{Author, KeyCache, KeyVerdict, Scrub, Scrubbing};
use crate::model::names::RESERVED;

/// Segments, or runs of them, that make a key secret.
const SECRET: [&[&str]; 31] = [
    &["password"],
    &["passwd"],
    &["pwd"],
    &["passcode"],
    &["passphrase"],
    &["secret"],
    &["token"],
    &["authorization"],
    &["cookie"],
    &["credential"],
    &["bearer"],
    &["jwt"],
    &["otp"],
    &["api", "key"],
    &["apikey"],
    &["access", "key"],
    &["private", "key"],
    &["session", "key"],
    &["encryption", "key"],
    &["card"],
    &["creditcard"],
    &["cvv"],
    &["cvc"],
    &["iban"],
    &["ssn"],
    &["social", "security"],
    &["tax", "id"],
    &["passport"],
    &["pin"],
    &["set", "cookie"],
    &["auth", "code"],
];

/// The host's own rewriting of texts and URLs, after ours.
pub trait Rewrite: Send + Sync + std::fmt::Debug {
    /// The text that takes the place; `None`: it stays.
    fn rewrite(&self, text: &str) -> Option<String>;
}

/// Compiled rules.
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

    /// Also asks the host about every free text and URL.
    #[must_use]
    pub fn rewriting(mut self, rewrite: Box<dyn Rewrite>) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    fn rewritten<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let rewrite = self.rewrite.as_ref().filter(|_| !text.is_empty());
        rewrite.and_then(|host| host.rewrite(&text)).map_or(text, Cow::Owned)
    }

    /// The rules for one event whose attributes have keys of the author's.
    #[inline]
    pub fn rules(&self, author: Author) -> Scrubbing<'_> {
        Scrubbing { scrub: Some((self, &self.clean)), author, attribute_texts: self.rules.patterns.attributes }
    }

    fn consider(&self, key: &str) -> KeyVerdict {
        if self.rules.allow_keys.iter().any(|allowed| allowed == key) {
            return KeyVerdict::Clean;
        }
        let segments = segments(key);
        // A plural is as secret as its singular.
        let is = |segment: &str, secret: &str| segment == secret || segment.strip_suffix('s') == Some(secret);
        let has = |run: &Vec<String>| {
            segments
                .windows(run.len())
                .any(|window| window.iter().zip(run).all(|(segment, secret)| is(segment, secret)))
        };
        if self.denied.iter().any(has) {
            KeyVerdict::Secret
        } else if RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
            KeyVerdict::Reserved
        } else {
            KeyVerdict::Clean
        }
    }
}

/// Lower-case words of a key: split at everything that is no letter or digit, and where a
/// lower-case letter meets a capital.
fn segments(key: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut before = ' ';
    let mut chars = key.chars().peekable();
    while let Some(char) = chars.next() {
        if char.is_alphanumeric() {
            let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            let begins = !before.is_alphanumeric()
                || (before.is_lowercase() && char.is_uppercase())
                || (before.is_uppercase() && char.is_uppercase() && next_is_lower);
            if begins {
                out.push(String::new());
            }
            if let Some(word) = out.last_mut() {
                word.extend(char.to_lowercase());
            }
        }
        before = char;
    }
    out
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
    /// A URL without what the rules take out.
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

fn without_user(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default())),
        None => Cow::Borrowed(url),
    }
}

/// Takes what the patterns find out of a text. One pass that looks closer only where something may
/// begin.
fn scan(text: &str, patterns: ValuePatterns) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let found = match byte {
            b'@' if patterns.email => email(bytes, kept, at),
            b'0'..=b'9' if patterns.card && (at == 0 || !is_digit(bytes, at - 1)) => {
                card(bytes, at).map(|end| (at, end))
            }
            b'e' if patterns.jwt => jwt(bytes, at).map(|end| (at, end)),
            b'B' | b'b' if patterns.bearer => bearer(bytes, at).map(|end| (at + 7, end)),
            _ => None,
        };
        match found {
            Some((from, to)) => {
                out.push_str(text.get(kept..from).unwrap_or_default());
                out.push_str(REDACTED);
                (kept, at) = (to, to);
            }
            None => at += 1,
        }
    }
    if kept == 0 && out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

fn run(bytes: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is(**byte)).count()
}

/// The address around an `@`: ASCII, with a dot in its domain.
fn email(bytes: &[u8], kept: usize, at: usize) -> Option<(usize, usize)> {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let before = bytes.get(kept..at)?.iter().rev().take(64).take_while(|byte| is_local(**byte)).count();
    let after = run(bytes, at + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-').min(255);
    let domain = bytes.get(at + 1..at + 1 + after)?;
    let end = domain.len() - domain.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    let has_dot = domain.get(1..end)?.contains(&b'.');
    (before > 0 && has_dot).then_some((at - before, at + 1 + end))
}

/// 13 to 19 digits, in groups with single spaces or dashes or without, whose check digit is sound.
fn card(bytes: &[u8], from: usize) -> Option<usize> {
    let mut digits = Vec::with_capacity(19);
    let mut at = from;
    let mut end = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                end = at + 1;
            }
            b' ' | b'-' if at == end => {}
            _ => break,
        }
        if digits.len() > 19 {
            return None;
        }
        at += 1;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            doubled / 10 + doubled % 10
        })
        .sum();
    (digits.len() >= 13 && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)).then_some(end)
}

/// Three parts in base64url whose first is a JSON object: `eyJ….eyJ….…`.
fn jwt(bytes: &[u8], from: usize) -> Option<usize> {
    if !bytes.get(from..)?.starts_with(b"eyJ") {
        return None;
    }
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
    let first = from + run(bytes, from, is_base64);
    let second = first + 1 + run(bytes, first + 1, is_base64);
    let third = second + 1 + run(bytes, second + 1, is_base64);
    let dots = bytes.get(first) == Some(&b'.') && bytes.get(second) == Some(&b'.');
    (dots && first - from >= 10 && second - first > 4).then_some(third.min(bytes.len()))
}

/// `Bearer` and the token behind it, of at least 8 characters.
fn bearer(bytes: &[u8], from: usize) -> Option<usize> {
    let word = bytes.get(from..from + 7)?;
    let token = run(bytes, from + 7, |byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    (word.eq_ignore_ascii_case(b"bearer ") && token >= 8).then_some(from + 7 + token)
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
    fn values_are_found_by_their_form() {
        let all = ValuePatterns::default();
        for (text, want) in [
            ("mail a.b+c@mail.example.org.", "mail [redacted]."),
            ("a@b is none, @x neither, x@y.", "a@b is none, @x neither, x@y."),
            ("pay 4111 1111 1111 1111 now", "pay [redacted] now"),
            ("pay 4111-1111-1111-1112 now", "pay 4111-1111-1111-1112 now"),
            ("order 1234567890123", "order 1234567890123"),
            ("5555555555554444", "[redacted]"),
            ("authorization: Bearer abc.def-123456", "authorization: Bearer [redacted]"),
            ("bearer x", "bearer x"),
            ("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", "t=[redacted]!"),
            ("eyJ is no token, eyJa.b.c neither", "eyJ is no token, eyJa.b.c neither"),
            ("ü a@b.co ü b@c.de", "ü [redacted] ü [redacted]"),
        ] {
            assert_eq!(scan(text, all), want);
        }
        let none = ValuePatterns { email: false, card: false, jwt: false, bearer: false, attributes: false };
        assert_eq!(scan("a@b.co 4111111111111111", none), "a@b.co 4111111111111111");
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
        fn any_text_is_scanned_without_a_panic_and_once_is_enough(text in "\\PC{0,120}") {
            let once = scan(&text, ValuePatterns::default()).into_owned();
            prop_assert_eq!(scan(&once, ValuePatterns::default()), once.as_str());
            let _ = Redactor::default().key(&text);
            let _ = Redactor::new(RedactRules { keep_queries: true, ..RedactRules::default() }).url(&text);
        }

        #[test]
        fn an_address_anywhere_is_taken_out(before in "[a-z ]{0,20} ", local in "[a-z0-9._]{1,20}", after in " [a-z ]{0,20}") {
            let text = format!("{before}{local}@mail.test{after}");
            prop_assert!(!scan(&text, ValuePatterns::default()).contains("mail.test"));
        }
    }
}
