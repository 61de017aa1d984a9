//! What the encoder asks before it writes: whether a key is a secret, and what of a text may stay.
//! The rules themselves are in `policy/redact`.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::put::short_word;

/// What stands in the place of what was taken out.
pub const REDACTED: &str = "[redacted]";

/// What is to become of an attribute, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It is recorded.
    Clean,
    /// Its value is replaced by [`REDACTED`].
    Secret,
    /// The key is one of ours: the app's attribute gets the prefix `app.`.
    Reserved,
}

/// Who chose the keys of an event's attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// The app: its keys must not look like ours.
    #[default]
    App,
    /// The core, which may use its own keys.
    Core,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A message, the body of a log, or a stack. The host may rewrite it.
    Free,
    /// A URL. The host may rewrite it.
    Url,
    /// A name, or the text of an attribute.
    Label,
}

/// Takes out what must not be recorded, while it is encoded.
pub trait Scrub {
    /// Judges a key.
    fn key(&self, key: &str) -> KeyVerdict;
    /// Cleans the first `kept` bytes of a text. Of what follows, only as much is looked at as is
    /// needed to recognise a secret that the cut divides.
    fn text<'t>(&self, kind: TextKind, text: &'t str, kept: usize) -> Cow<'t, str>;
    /// Cleans a message, the body of a log, or a stack.
    fn free_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.text(TextKind::Free, text, text.len())
    }
    /// Cleans a URL.
    fn url<'t>(&self, url: &'t str) -> Cow<'t, str> {
        self.text(TextKind::Url, url, url.len())
    }
}

/// The rules for one event.
#[derive(Clone, Copy, Default)]
pub struct Scrubbing<'s> {
    /// The rules, and the keys that they are known to let pass; `None` records everything as it is.
    pub scrub: Option<(&'s dyn Scrub, &'s KeyCache)>,
    /// Who chose the keys.
    pub author: Author,
    /// Whether the texts of attributes are cleaned.
    pub attribute_texts: bool,
}

/// Places of a [`KeyCache`]: a power of two.
const PLACES: usize = 256;

/// Remembers keys that were found harmless, so that judging one again costs one look.
#[derive(Debug)]
pub struct KeyCache(Box<[AtomicU64; PLACES]>);

impl Default for KeyCache {
    fn default() -> Self {
        Self(Box::new([const { AtomicU64::new(0) }; PLACES]))
    }
}

impl KeyCache {
    /// Whether the key is remembered as harmless.
    #[inline]
    pub fn is_clean(&self, key: Fingerprint) -> bool {
        self.place(key).is_some_and(|place| place.load(Ordering::Relaxed) == key.0)
    }

    /// Judges a key, from memory if it is harmless.
    pub fn judge(&self, key: &str, scrub: &dyn Scrub) -> KeyVerdict {
        let print = Fingerprint::of(key);
        if self.is_clean(print) {
            return KeyVerdict::Clean;
        }
        let verdict = scrub.key(key);
        if verdict == KeyVerdict::Clean
            && let Some(place) = self.place(print)
        {
            place.store(print.0, Ordering::Relaxed);
        }
        verdict
    }

    #[inline]
    fn place(&self, key: Fingerprint) -> Option<&AtomicU64> {
        // The upper bits of the product depend on every bit of the fingerprint.
        self.0.get((key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES)
    }
}

/// A number that stands for a key, never 0. A key of up to seven bytes is its own fingerprint: its
/// bytes from the lowest place on, and its length in the highest. A longer one has 63 bits of a
/// hash below a top bit of 1, so two of them share a number by one chance in 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(super) u64);

impl Fingerprint {
    /// Length of the longest key that is its own fingerprint.
    pub(super) const WHOLE: usize = 7;

    /// The fingerprint of a key.
    #[inline]
    pub fn of(key: &str) -> Self {
        let key = key.as_bytes();
        Self(if key.len() <= Self::WHOLE {
            short_word(key) | (key.len() as u64 + 1) << 56
        } else {
            hash(key) | 1 << 63
        })
    }
}

/// A hash of a key of at least eight bytes.
#[inline]
fn hash(key: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * 0x9fb2_1c65_1e98_df25;
        (wide >> 64) as u64 ^ wide as u64
    };
    // The length spreads over all bits: in a place of its own it could cancel out with a byte of
    // the key.
    let seed = (key.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, _) = key.as_chunks::<8>();
    let sum = words.iter().fold(seed, |sum, bytes| mix(sum, u64::from_le_bytes(*bytes)));
    // Overlaps with the words before, so that every byte is in one of them.
    let last = key.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    mix(mix(sum, last), 0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_never_taken_for_each_other() {
        let mut seen = std::collections::HashSet::new();
        let mut keys: Vec<String> = (0..200_000).map(|n| format!("k{n}")).collect();
        keys.extend((0..40).map(|n| "a".repeat(n)));
        keys.extend((1..9).map(|n| "\0".repeat(n)));
        keys.extend((0..20).map(|n| format!("{}b{}", "a".repeat(n), "a".repeat(20 - n))));
        assert!(keys.iter().all(|key| Fingerprint::of(key).0 != 0 && seen.insert(Fingerprint::of(key))));
    }

    #[test]
    fn short_keys_do_not_drive_each_other_out_of_the_cache() {
        let cache = KeyCache::default();
        let places: std::collections::HashSet<_> = ["sku", "source", "count", "id", "name", "price", "screen", "type"]
            .map(|key| std::ptr::from_ref(cache.place(Fingerprint::of(key)).unwrap()) as usize)
            .into();
        assert!(places.len() >= 7);
    }
}
