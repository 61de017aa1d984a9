//! Finds secrets and personal data in a text by their form, and takes them out.
//!
//! A text is read once, and only bytes with which something may begin are looked at more closely.
//! Whatever looks ahead or back has a bound, or its end is remembered, so the work is linear in the
//! text, whatever is in it.
//!
//! A text is cut before it is scanned. Of what was cut, the next [`SECRET_AHEAD_BYTES`] are looked
//! at: what begins before the cut and ends behind it is recognised, and none of it is kept.

use std::borrow::Cow;

use super::bytes::{Part, is};
use super::card::Digits;
use super::reader::{Reader, Search, Step};
use super::steps::looked;
use super::{credentials, pairs, urls};
use crate::model::event::scrub::REDACTED;
use crate::model::limits::{EMAIL_DOMAIN_BYTES, EMAIL_LOCAL_BYTES, SECRET_AHEAD_BYTES};

/// What is left of the first `kept` bytes of a text.
pub(super) fn scan<'t>(whole: &'t str, kept: usize, is_url: bool, search: Search<'_>) -> Cow<'t, str> {
    let kept = whole.floor_char_boundary(kept);
    let end = whole.floor_char_boundary(kept.saturating_add(SECRET_AHEAD_BYTES));
    let text = whole.get(..end).unwrap_or(whole);
    let mut scan = Reader {
        text,
        search,
        // Whoever has cut it before may have cut it where it ends now.
        is_cut: kept < whole.len(),
        is_url,
        url_end: if is_url { end } else { 0 },
        query_end: 0,
        no_token: 0,
        done: 0,
    };
    let mut out = String::new();
    let mut digits = Digits::default();
    let mut is_changed = false;
    let mut at = 0;
    while let Some(skipped) = scan.from(at).iter().position(|byte| is(Part::Sign, *byte)) {
        looked(skipped + 1);
        at += skipped;
        // The bytes that ordinary texts are full of are dismissed here.
        let step = match scan.byte(at) {
            b'B' | b'b' if !matches!(scan.byte(at + 1) | 0x20, b'e' | b'a') => Step::On(at + 1),
            b'J' if scan.before(at) != b'y' => Step::On(at + 1),
            b'@' if !is(Part::Local, scan.before(at)) => Step::On(at + 1),
            b'%' if scan.byte(at + 1) != b'4' => Step::On(at + 1),
            b'0'..=b'9' => {
                let to = scan.run(at, |byte| byte.is_ascii_digit());
                if digits.are_idle(text.as_bytes(), at, to) { Step::On(to) } else { scan.number(at, to, &mut digits) }
            }
            _ => scan.look(at),
        };
        let (from, to, with) = match step {
            Step::On(next) => {
                at = next.max(at + 1);
                continue;
            }
            Step::Redact(from, to) => (from, to, REDACTED),
            Step::Remove(from, to) => (from, to, ""),
        };
        if from >= kept {
            break;
        }
        out.push_str(text.get(scan.done..from).unwrap_or_default());
        out.push_str(with);
        is_changed = true;
        at = to.max(at + 1);
        scan.done = to;
    }
    looked(scan.from(at).len());
    if !is_changed {
        return Cow::Borrowed(text.get(..kept).unwrap_or(text));
    }
    out.push_str(text.get(scan.done..kept).unwrap_or_default());
    Cow::Owned(out)
}

impl Reader<'_, '_> {
    /// A group of digits, with which a card number may end.
    fn number(&self, from: usize, to: usize, digits: &mut Digits) -> Step {
        if !self.search.patterns.card {
            return Step::On(to);
        }
        let number = digits.group(self.text.as_bytes(), from, to).filter(|from| *from >= self.done);
        number.map_or(Step::On(to), |from| Step::Redact(from, to))
    }

    fn look(&mut self, at: usize) -> Step {
        let patterns = self.search.patterns;
        let nothing = Step::On(at + 1);
        match self.byte(at) {
            b'@' if patterns.email => self.email(at, 1).unwrap_or(nothing),
            b'%' if patterns.email && self.from(at).starts_with(b"%40") => self.email(at, 3).unwrap_or(nothing),
            b'J' if patterns.jwt => credentials::token(self, at).unwrap_or(nothing),
            b'B' | b'b' if patterns.bearer => credentials::scheme(self, at).unwrap_or(nothing),
            b':' => urls::find(self, at).or_else(|| pairs::find(self, at)).unwrap_or(nothing),
            b'=' => pairs::find(self, at).unwrap_or(nothing),
            b'?' | b'#' => urls::query(self, at).unwrap_or(nothing),
            _ => nothing,
        }
    }

    /// A mail address around an `@` of `width` bytes: ASCII, with a dot in its domain and a name at
    /// the domain's end (RFC 5321 §4.1.2).
    fn email(&self, at: usize, width: usize) -> Option<Step> {
        let is_encoded = width > 1;
        let from =
            self.run_before(at, EMAIL_LOCAL_BYTES, |byte| is(Part::Local, byte) && !(is_encoded && byte == b'%'));
        if from == at {
            return None;
        }
        let domain_at = at + width;
        let to = self.short_run(domain_at, EMAIL_DOMAIN_BYTES, |byte| is(Part::Domain, byte));
        // The shortest is `x.co`.
        if to - domain_at < 4 {
            return None;
        }
        let domain = self.text.get(domain_at..to)?.trim_end_matches(['.', '-']);
        let (rest, name) = domain.rsplit_once('.')?;
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic());
        // `package@1.2.0-rc.one` and `icon@2x.png` are none.
        let is_version = rest
            .split_once('.')
            .is_some_and(|(first, more)| is_number(first) && is_number(more.split('.').next().unwrap_or_default()));
        let is_scale = matches!(rest.as_bytes(), [b'1'..=b'9', b'x' | b'X']);
        (!rest.is_empty() && is_name && !is_version && !is_scale)
            .then_some(Step::Redact(from, domain_at + domain.len()))
    }
}
