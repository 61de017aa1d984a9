//! Tokens and credentials that are known by their form: JSON Web Tokens, and what follows the words
//! `Bearer` and `Basic`.

use super::bytes::{Part, is};
use super::reader::{Reader, Step};
use super::steps::looked;
use crate::model::limits::{BASIC_BYTES, MIN_TOKEN_BYTES, MIN_WORD_TOKEN_BYTES};

/// A JSON Web Token whose third character is the `J` at a place: parts in base64url with dots
/// between them, the first of which is a JSON object, as in `eyJ….eyJ….…` (RFC 7519 §3.1).
pub(super) fn token(scan: &mut Reader<'_, '_>, at: usize) -> Option<Step> {
    let from = at.checked_sub(2).filter(|from| *from >= scan.done.max(scan.no_token))?;
    if !scan.from(from).starts_with(b"eyJ") {
        return None;
    }
    let is_base64 = |byte| is(Part::Base64, byte);
    let end = scan.text.len();
    let is_open = |to: usize| to == end && scan.is_cut;
    let first = scan.run(from, is_base64);
    // No later token begins within this part: it would end at the same place.
    scan.no_token = first;
    if first - from < 10 {
        return None;
    }
    if is_open(first) {
        return Some(Step::Redact(from, first));
    }
    if scan.byte(first) != b'.' {
        return None;
    }
    let mut to = scan.run(first + 1, is_base64);
    let is_payload = scan.from(first + 1).starts_with(b"eyJ") && to - first > 4;
    let is_signed = scan.byte(to) == b'.' && to - first > 4;
    if !is_payload && !is_signed && !is_open(to) {
        return None;
    }
    // The signature; an encrypted token has two parts more (RFC 7516 §3.1).
    for _ in 0..3 {
        if scan.byte(to) == b'.' {
            to = scan.run(to + 1, is_base64);
        }
    }
    Some(Step::Redact(from, to))
}

/// The credentials behind the word `Bearer` or `Basic` at a place (RFC 6750, RFC 7617).
pub(super) fn scheme(scan: &Reader<'_, '_>, at: usize) -> Option<Step> {
    let begins = |word: &[u8]| scan.from(at).get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    if scan.before(at).is_ascii_alphanumeric() {
        return None;
    }
    let is_basic = begins(b"basic ");
    let from = if is_basic {
        at + b"basic ".len()
    } else if begins(b"bearer ") {
        at + b"bearer ".len()
    } else {
        return None;
    };
    let to = scan.run(from, |byte| is(Part::Token, byte));
    let token = scan.from(from).get(..to - from)?;
    let is_secret = if is_basic { is_basic_credentials(token) } else { is_token(token) };
    is_secret.then_some(Step::Redact(from, to))
}

/// Whether this can be a token, and not a word of a sentence: `bearer authentication failed`.
pub(super) fn is_token(text: &[u8]) -> bool {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_word = text.iter().skip(1).all(u8::is_ascii_lowercase);
    text.len() >= if is_word { MIN_WORD_TOKEN_BYTES } else { MIN_TOKEN_BYTES }
}

/// Whether this is the base64 of `user:password` (RFC 7617 §2).
fn is_basic_credentials(token: &[u8]) -> bool {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut has_colon = false;
    let (mut word, mut bits) = (0u32, 0u32);
    let token = token.get(..BASIC_BYTES).unwrap_or(token);
    looked(token.len());
    for byte in token.iter().take_while(|byte| !b"=.~".contains(byte)) {
        let Some(value) = digit(*byte) else { return false };
        (word, bits) = (word << 6 | u32::from(value), bits + 6);
        if bits >= 8 {
            bits -= 8;
            let decoded = (word >> bits) as u8;
            if decoded < b' ' {
                return false;
            }
            has_colon |= decoded == b':';
        }
    }
    has_colon
}
