//! Finds personal data in a text by its form: mail addresses, card numbers, tokens.

use std::borrow::Cow;

use crate::model::config::ValuePatterns;
use crate::model::event::scrub::REDACTED;

/// Replaces what the patterns find in a text by [`REDACTED`]. It reads the text once, and looks
/// closer only at bytes with which something may begin.
pub(super) fn scan(text: &str, patterns: ValuePatterns) -> Cow<'_, str> {
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

/// The number of bytes from `from` on that all satisfy `is`.
fn run(bytes: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is(**byte)).count()
}

/// A mail address around the `@` at `at`: ASCII, with a dot in its domain. At most 64 bytes before
/// the `@` and 255 behind it (RFC 5321 §4.5.3.1). `kept` is where the text begins that was not
/// replaced yet.
fn email(bytes: &[u8], kept: usize, at: usize) -> Option<(usize, usize)> {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let before = bytes.get(kept..at)?.iter().rev().take(64).take_while(|byte| is_local(**byte)).count();
    let after = run(bytes, at + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-').min(255);
    let domain = bytes.get(at + 1..at + 1 + after)?;
    let end = domain.len() - domain.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    let has_dot = domain.get(1..end)?.contains(&b'.');
    (before > 0 && has_dot).then_some((at - before, at + 1 + end))
}

/// A card number: 13 to 19 digits with a correct check digit (ISO/IEC 7812). There may be a space
/// or a dash between two digits. Returns its end.
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

/// A JSON Web Token: three parts in base64url, the first of which is a JSON object, as in
/// `eyJ….eyJ….…`. Returns its end.
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

/// The word `Bearer` and a token of at least 8 characters. Returns the end of the token.
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

    proptest! {
        #[test]
        fn scanning_twice_finds_nothing_new(text in "\\PC{0,120}") {
            let once = scan(&text, ValuePatterns::default()).into_owned();
            prop_assert_eq!(scan(&once, ValuePatterns::default()), once.as_str());
        }

        #[test]
        fn an_address_anywhere_is_taken_out(before in "[a-z ]{0,20} ", local in "[a-z0-9._]{1,20}", after in " [a-z ]{0,20}") {
            let text = format!("{before}{local}@mail.test{after}");
            prop_assert!(!scan(&text, ValuePatterns::default()).contains("mail.test"));
        }
    }
}
