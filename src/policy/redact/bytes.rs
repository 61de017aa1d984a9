//! What a byte may be a part of, in a table: nearly all of redaction's work is to ask this.

/// A kind of text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Something that is searched for may begin, or show itself, here.
    Sign = 1,
    /// The key before a value.
    Key = 2,
    /// A URL in a text.
    Url = 4,
    /// A mail address before its `@`.
    Local = 8,
    /// A mail address behind its `@`.
    Domain = 16,
    /// Base64 in its form for URLs (RFC 4648 §5).
    Base64 = 32,
    /// A token (RFC 6750 §2.1).
    Token = 64,
    /// A value without quotes.
    Value = 128,
}

/// Whether a byte may be a part of it.
#[inline(always)]
pub(super) fn is(part: Part, byte: u8) -> bool {
    PARTS.get(usize::from(byte)).is_some_and(|parts| parts & part as u8 != 0)
}

static PARTS: [u8; 256] = parts();

const fn parts() -> [u8; 256] {
    let mut parts = [0; 256];
    let mut rest: &mut [u8] = &mut parts;
    let mut byte: u8 = 0;
    while let [place, behind @ ..] = rest {
        *place = parts_of(byte);
        rest = behind;
        byte = byte.wrapping_add(1);
    }
    parts
}

const fn parts_of(byte: u8) -> u8 {
    let is_word = byte.is_ascii_alphanumeric();
    let is_visible = byte > b' ' && byte != 0x7f;
    mark(byte.is_ascii_digit() || has(b"@%:=?#JBb", byte), Part::Sign)
        | mark(is_word || byte >= 0x80 || has(b"-_.$[]%", byte), Part::Key)
        | mark(is_visible && !has(b"\"'<>`\\", byte), Part::Url)
        | mark(is_word || has(b"._%+-", byte), Part::Local)
        | mark(is_word || has(b".-", byte), Part::Domain)
        | mark(is_word || has(b"-_=", byte), Part::Base64)
        | mark(is_word || has(b"-._~+/=", byte), Part::Token)
        | mark(byte > b' ' && !has(b",;&\"'`<>(){}]|\\", byte), Part::Value)
}

const fn mark(is_part: bool, part: Part) -> u8 {
    if is_part { part as u8 } else { 0 }
}

const fn has(mut bytes: &[u8], byte: u8) -> bool {
    while let [first, rest @ ..] = bytes {
        if *first == byte {
            return true;
        }
        bytes = rest;
    }
    false
}
