//! Writes primitive values into a growing vector, for records that are written seldom. The encoder
//! of events uses [`super::scratch`].

/// The least number whose varint takes more than one byte.
pub(super) const ONE_BYTE: usize = 0x80;

/// Appends a base-128 varint, least significant group first.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= ONE_BYTE as u64 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps signed to unsigned numbers so that small magnitudes stay short.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// At most eight bytes as a word, the first byte in the lowest place; the places behind them are
/// zero.
#[inline(always)]
pub(super) fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two reads may overlap. The bytes that both cover are the same in both words.
        let shift = (8 * (bytes.len() as u32 - 4)) & 63;
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift;
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
    byte(0) | byte(1) << 8 | byte(2) << 16
}

/// The first `max` characters of a text, and whether something was cut.
#[inline]
pub(super) fn cut_text(text: &str, max: usize) -> (&str, bool) {
    // No text has more characters than bytes.
    if text.len() <= max {
        return (text, false);
    }
    match text.char_indices().nth(max) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), true),
        None => (text, false),
    }
}

/// At most `max` bytes of a text, cut between characters, and whether something was cut.
#[inline]
pub(super) fn cut_bytes(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    (text.get(..text.floor_char_boundary(max)).unwrap_or(text), true)
}
