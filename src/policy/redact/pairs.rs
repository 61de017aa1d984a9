//! Secrets that stand behind their key in a text: `password=…`, `"token": "…"`, `Cookie: …`, in the
//! text itself, in JSON, and in JSON within a text of JSON.
//!
//! In front of `=` and behind quotes a key is a key. In front of a bare `:` it may as well be a
//! word of a sentence (`Unexpected token: end of input`) or a place in a file (`AuthToken.kt:42`),
//! so its last words must be secret and its value must not look like either.

use super::bytes::{Part, is};
use super::credentials::is_token;
use super::reader::{Reader, Step};
use crate::model::event::scrub::REDACTED;
use crate::model::limits::TEXT_KEY_BYTES;

/// Names of HTTP authentication schemes. They may stay: what follows them is the secret.
const SCHEMES: [&str; 11] =
    ["basic", "bearer", "digest", "dpop", "hawk", "negotiate", "ntlm", "oauth", "aws4-hmac-sha256", "token", "apikey"];

/// Values that say that there is none.
const NOTHING: [&str; 9] = ["null", "nil", "none", "undefined", "true", "false", "yes", "no", "(null)"];

/// Looks at the `=` or `:` at a place: whether a secret key stands before it.
pub(super) fn find(scan: &mut Reader<'_, '_>, at: usize) -> Option<Step> {
    let (sign, next) = (scan.byte(at), scan.byte(at + 1));
    let is_bare = sign == b':';
    let value = match (sign, next) {
        (b'=', b'=') => return Some(Step::On(at + 2)),
        (b':', b':') => return Some(Step::On(at + 2)),
        (b'=', b'>') | (b':', b'=') => at + 2,
        _ if b"=!<>:".contains(&scan.before(at)) => return None,
        _ => at + 1,
    };
    let key = Key::before(scan, at)?;
    let text = scan.text.get(key.from..key.to)?;
    let keys = scan.search.keys;
    let is_loose = is_bare && !key.is_quoted && value == at + 1;
    if if is_loose { !keys.ends_secret(text) } else { !keys.is_secret(text) } {
        return None;
    }
    let from = scan.short_run(value, 4, |byte| byte == b' ' || byte == b'\t');
    if scan.from(from).starts_with(REDACTED.as_bytes()) {
        return Some(Step::On(from + REDACTED.len()));
    }
    let slashes = scan.short_run(from, 8, |byte| byte == b'\\');
    if matches!(scan.byte(slashes), b'"' | b'\'') {
        return quoted(scan, from, slashes);
    }
    if key.is_quoted && matches!(scan.byte(from), b'{' | b'[') {
        return Some(Step::Redact(from, nested(scan, from)));
    }
    bare(scan, &key, from, is_loose, value)
}

/// A key in a text.
struct Key {
    from: usize,
    to: usize,
    is_quoted: bool,
    /// The quote before the key; 0 for none.
    opened: u8,
}

impl Key {
    /// The key that ends before a place.
    fn before(scan: &Reader<'_, '_>, at: usize) -> Option<Self> {
        let mut to = at;
        if scan.before(to) == b' ' {
            to -= 1;
        }
        let is_quoted = matches!(scan.before(to), b'"' | b'\'');
        if is_quoted {
            to = scan.run_before(to - 1, 8, |byte| byte == b'\\');
        }
        let mut from = scan.run_before(to, TEXT_KEY_BYTES, |byte| is(Part::Key, byte));
        // No secret word has fewer letters.
        if to - from < 3 && !scan.search.keys.adds_any() {
            return None;
        }
        while !scan.text.is_char_boundary(from) {
            from += 1;
        }
        let opened = Some(scan.before(from)).filter(|byte| matches!(byte, b'"' | b'\'')).unwrap_or_default();
        (from < to).then_some(Self { from, to, is_quoted, opened })
    }
}

/// A value in quotes, before which there may be backslashes. It ends at a quote with as many, or
/// at the end of the line.
fn quoted(scan: &Reader<'_, '_>, from: usize, quote_at: usize) -> Option<Step> {
    let (slashes, quote) = (quote_at - from, scan.byte(quote_at));
    let start = quote_at + 1;
    let mut at = start;
    loop {
        at = scan.run(at, |byte| byte != quote && byte != b'\n');
        let before = scan.run_before(at, 8, |byte| byte == b'\\').max(start);
        let escaped = at - before;
        let closes = escaped <= slashes || (slashes == 0 && escaped.is_multiple_of(2));
        if closes || scan.byte(at) != quote {
            let to = if closes && scan.byte(at) == quote { at - escaped.min(slashes) } else { at };
            let text = scan.from(start).get(..to.saturating_sub(start)).unwrap_or_default();
            if text.is_empty() || text == REDACTED.as_bytes() {
                return Some(Step::On(at.max(start)));
            }
            return Some(Step::Redact(start, to));
        }
        at += 1;
    }
}

/// Where a list or an object of JSON ends.
fn nested(scan: &Reader<'_, '_>, from: usize) -> usize {
    let mut depth = 0usize;
    let end = scan.run(from, |byte| {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 0
    });
    (end + 1).min(scan.text.len())
}

/// A value without quotes.
fn bare(scan: &Reader<'_, '_>, key: &Key, from: usize, is_loose: bool, value: usize) -> Option<Step> {
    let is_in_query = from < scan.query_end;
    let ends = |byte: u8| {
        if is_in_query { b"&#\"'<> \t\r\n".contains(&byte) } else { !is(Part::Value, byte) }
    };
    let to = scan.run(from, |byte| !ends(byte));
    let text = scan.text.get(from..to)?;
    let name = scan.text.get(key.from..key.to)?;
    let is_for = |word: &str| has_end(name, word);
    let is_scheme = SCHEMES.iter().any(|scheme| text.eq_ignore_ascii_case(scheme));
    let line_end = || {
        scan.run(from, |byte| {
            byte != b'\n' && byte != b'\r' && (key.opened == 0 || key.is_quoted || byte != key.opened)
        })
    };
    if is_scheme && scan.byte(to) == b' ' {
        let token = to + 1;
        if scan.from(token).starts_with(REDACTED.as_bytes()) {
            return Some(Step::On(token + REDACTED.len()));
        }
        let end = if is_for("authorization") { line_end() } else { scan.run(token, |byte| !ends(byte)) };
        return (end > token).then_some(Step::Redact(token, end));
    }
    if is_loose && is_for("cookie") && text.contains('=') {
        return Some(Step::Redact(from, line_end()));
    }
    if text.is_empty() || NOTHING.iter().any(|nothing| text.eq_ignore_ascii_case(nothing)) {
        return Some(Step::On(to.max(value)));
    }
    if is_loose {
        let is_word = text.bytes().skip(1).all(|byte| byte.is_ascii_lowercase()) && !is_token(text.as_bytes());
        let follows = scan.byte(to + 1);
        let is_sentence = is_word && scan.byte(to) == b' ' && (follows.is_ascii_alphabetic() || follows == b'[');
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let is_place = is_number && from == value && !["pin", "otp", "cvv", "cvc", "code"].into_iter().any(is_for);
        if is_sentence || is_place {
            return Some(Step::On(if is_place { value } else { to }));
        }
    }
    Some(Step::Redact(from, to))
}

/// Whether a key ends with a word, whatever its case.
fn has_end(key: &str, word: &str) -> bool {
    let tail = key.len().checked_sub(word.len()).and_then(|at| key.as_bytes().get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word.as_bytes()))
}
