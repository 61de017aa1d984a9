//! Redaction: what must not leave the device is taken out while an event is encoded, so before its
//! bytes reach the journal.
//!
//! - The value of an attribute whose key names a secret is replaced (`keys`). A key that was found
//!   harmless is remembered by a hash of 64 bits, so that looking at it again costs one hash.
//! - Messages, bodies of logs, stack traces, names and the texts of attributes are read once
//!   (`scan`): personal data and tokens are found by their form (`card`, `credentials`), secrets by
//!   the key before them (`pairs`). A glance tells whether a short text needs it at all
//!   (`model/event/plain.rs`).
//! - URLs, in texts too (`urls`), lose the user's name and password, and their query and fragment
//!   unless the configuration keeps queries. Of a `data:` URL the media type stays.

mod bytes;
mod card;
mod credentials;
mod keys;
mod pairs;
mod reader;
mod scan;
mod steps;
mod urls;

use std::borrow::Cow;

use reader::Search;
use scan::scan;

pub use crate::model::config::{RedactRules, ValuePatterns};
pub use crate::model::event::scrub::REDACTED;
use crate::model::event::scrub::{Author, KeyCache, KeyVerdict, Scrub, Scrubbing, TextKind};
use crate::model::limits::MAX_NAME_CHARS;
use crate::model::names::RESERVED;
pub use keys::SecretKeys;

/// Code of the host that rewrites free texts and URLs after the core has redacted them.
pub trait Rewrite: Send + Sync + std::fmt::Debug {
    /// The text that replaces `text`. `None` leaves it as it is.
    fn rewrite(&self, text: &str) -> Option<String>;
}

/// The rules of a configuration, in a form that is quick to apply.
#[derive(Debug)]
pub struct Redactor {
    rules: RedactRules,
    keys: SecretKeys,
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
        Self { keys: SecretKeys::new(&rules), rules, clean: KeyCache::default(), rewrite: None }
    }

    /// Which keys name a secret.
    pub fn keys(&self) -> &SecretKeys {
        &self.keys
    }

    /// Cleans a name outside of an event.
    pub fn name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        let kept = name.char_indices().nth(MAX_NAME_CHARS).map_or(name.len(), |cut| cut.0);
        self.text(TextKind::Label, name, kept)
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
        if self.keys.is_allowed(key) {
            KeyVerdict::Clean
        } else if self.keys.is_secret(key) {
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

    fn text<'t>(&self, kind: TextKind, text: &'t str, kept: usize) -> Cow<'t, str> {
        let RedactRules { patterns, keep_queries, .. } = self.rules;
        let clean = scan(text, kept, kind == TextKind::Url, Search { patterns, keys: &self.keys, keep_queries });
        match kind {
            TextKind::Free | TextKind::Url => self.rewritten(clean),
            TextKind::Label => clean,
        }
    }
}

#[cfg(test)]
mod tests;
