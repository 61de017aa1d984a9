//! Tells at a glance that a short text holds nothing that redaction could take out. Most names and
//! attributes are such texts, and all that they cost is this look.

use super::put::short_word;
use crate::model::limits::{CARD_DIGITS, MIN_BASIC_TEXT, MIN_SECRET_TEXT};

/// Whether a text certainly holds nothing that redaction takes out. False means that it has to be
/// searched.
#[inline(always)]
pub(crate) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() <= 8 {
        return bytes.len() < MIN_SECRET_TEXT || !has_sign(short_word(bytes));
    }
    if bytes.len() < *CARD_DIGITS.start() {
        let word = |chunk: Option<&[u8; 8]>| chunk.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // The two words may overlap.
        return !has_sign(word(bytes.first_chunk())) && !has_sign(word(bytes.last_chunk()));
    }
    is_long_plain(bytes)
}

/// Whether a word holds one of the bytes that stand in an address, before a value, or in a URL: `%`
/// or one from `:` to `@`.
#[inline(always)]
fn has_sign(word: u64) -> bool {
    let (ones, tops) = (u64::from_ne_bytes([1; 8]), u64::from_ne_bytes([0x80; 8]));
    // The classic tests for a byte that is zero, and for one between two others. Bytes above 0x7f
    // are none of these.
    let low = word & !tops;
    let above = low + ones * (0x7f - (b':' as u64 - 1));
    let within = (ones * (0x7f + b'@' as u64 + 1) - low) & above & !word & tops;
    let percent = word ^ (ones * b'%' as u64);
    let has_percent = percent.wrapping_sub(ones) & !percent & tops;
    within | has_percent != 0
}

/// As [`is_plain`], for a text that is long enough for a card number, a token or credentials.
#[inline(never)]
fn is_long_plain(bytes: &[u8]) -> bool {
    let mut before = 0;
    let mut digits = 0;
    for byte in bytes {
        match byte {
            b'%' | b':'..=b'@' => return false,
            b'0'..=b'9' => digits += 1,
            // The end of `Bearer ` and `Basic `, and of `eyJ`.
            b' ' if matches!(before, b'r' | b'R' | b'c' | b'C') && bytes.len() >= MIN_BASIC_TEXT => return false,
            b'J' if before == b'y' => return false,
            _ => {}
        }
        before = *byte;
    }
    digits < *CARD_DIGITS.start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_any_place_is_seen() {
        for length in 0..40usize {
            for place in 0..length {
                for byte in 0..=0x7fu8 {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let is_sign = byte == b'%' || (b':'..=b'@').contains(&byte);
                    let text = String::from_utf8(text).unwrap();
                    let want = length < MIN_SECRET_TEXT || !is_sign;
                    assert_eq!(is_plain(&text), want, "{text:?}");
                }
            }
            let wide = "ü".repeat(length);
            assert!(is_plain(&wide), "{wide}");
        }
    }
}
