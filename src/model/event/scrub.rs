//! What the encoder asks before it writes: is this key a secret, what of this text may stay. The rules are floor 1's.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is to become of an attribute, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It is recorded.
    Clean,
    /// Its value is replaced.
    Secret,
    /// The key is one of ours: the app's gets the prefix `app.`.
    Reserved,
}

/// Takes out what must not be recorded, while it is encoded.
pub trait Scrub {
    /// Judges a key.
    fn key(&self, key: &str) -> KeyVerdict;
    /// Cleans a message, a log's body, a stack.
    fn free_text<'t>(&self, text: &'t str) -> Cow<'t, str>;
    /// Cleans a URL.
    fn url<'t>(&self, url: &'t str) -> Cow<'t, str>;
}

/// Remembered keys: a power of two.
const PLACES: usize = 256;

/// Keys that were found harmless, by a 64-bit hash: the usual price of a judgement is that hash and a look.
#[derive(Debug)]
pub struct KeyCache(Box<[AtomicU64; PLACES]>);

impl Default for KeyCache {
    fn default() -> Self {
        Self(Box::new([const { AtomicU64::new(0) }; PLACES]))
    }
}

impl KeyCache {
    /// Judges a key, from memory if it is harmless.
    #[inline]
    pub fn judge(&self, key: &str, scrub: &dyn Scrub) -> KeyVerdict {
        let hash = hash(key.as_bytes());
        let Some(place) = self.0.get((hash >> 1) as usize % PLACES) else { return scrub.key(key) };
        if place.load(Ordering::Relaxed) == hash {
            return KeyVerdict::Clean;
        }
        let verdict = scrub.key(key);
        if verdict == KeyVerdict::Clean {
            place.store(hash, Ordering::Relaxed);
        }
        verdict
    }
}

/// 64 bits that differ for keys that differ, but for one chance in 2^63. 0 is never the result.
#[inline]
fn hash(key: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * 0x9fb2_1c65_1e98_df25;
        (wide >> 64) as u64 ^ wide as u64
    };
    let word = |bytes: Option<&[u8; 8]>| u64::from_le_bytes(*bytes.unwrap_or(&[0; 8]));
    let half = |bytes: Option<&[u8; 4]>| u64::from(u32::from_le_bytes(*bytes.unwrap_or(&[0; 4])));
    // The length spreads over all bits: in a place of its own it could cancel out with a byte of the key.
    let seed = (key.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, _) = key.as_chunks::<8>();
    let sum = match key.len() {
        // Every byte is in one of the overlapping reads.
        0..=3 => {
            let byte = |at: usize| u64::from(key.get(at).copied().unwrap_or(0));
            mix(seed, byte(0) | byte(1) << 8 | byte(2) << 16)
        }
        4..=7 => mix(seed, half(key.first_chunk()) | half(key.last_chunk()) << 32),
        _ => mix(words.iter().fold(seed, |sum, bytes| mix(sum, u64::from_le_bytes(*bytes))), word(key.last_chunk())),
    };
    mix(sum, 0xd6e8_feb8_6659_fd93) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_like_keys_differ() {
        let mut seen = std::collections::HashSet::new();
        let mut keys: Vec<String> = (0..200_000).map(|n| format!("k{n}")).collect();
        keys.extend((0..40).map(|n| "a".repeat(n)));
        keys.extend((0..20).map(|n| format!("{}b{}", "a".repeat(n), "a".repeat(20 - n))));
        assert!(keys.iter().all(|key| seen.insert(hash(key.as_bytes()))));
    }
}
