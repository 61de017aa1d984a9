//! URLs in a text, and texts that are one: they lose the user's name and password, their query and
//! fragment, and, if they are `data:` URLs, their content.

use super::bytes::{Part, is};
use super::reader::{Reader, Step};
use crate::model::limits::{MEDIA_TYPE_BYTES, SCHEME_BYTES, TEXT_KEY_BYTES};

/// Looks at the `:` at a place: whether the scheme of a URL ends there.
pub(super) fn find(scan: &mut Reader<'_, '_>, at: usize) -> Option<Step> {
    if scan.from(at).starts_with(b"://") { Some(authority(scan, at)) } else { data(scan, at) }
}

/// A URL with an authority, whose scheme ends at a place.
fn authority(scan: &mut Reader<'_, '_>, at: usize) -> Step {
    let from = at + b"://".len();
    if at >= scan.url_end {
        let scheme = scan.run_before(at, SCHEME_BYTES, |byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let close = closing(scan.before(scheme));
        scan.url_end = scan.run(from, |byte| is(Part::Url, byte) && byte != close);
    }
    // Of a URL within the path of another one, the end is known.
    let to = scan.short_run(from, scan.url_end.saturating_sub(from), |byte| !b"/?#".contains(&byte));
    let authority = scan.from(from).get(..to - from).unwrap_or_default();
    if to == scan.text.len() && scan.is_cut && scan.text.len() > from {
        // It may be a name and a password: their `@` is not in sight.
        return Step::Redact(from, to);
    }
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(user) => Step::Remove(from, from + user + 1),
        None => Step::On(from),
    }
}

/// Looks at the `?` or `#` at a place: whether the query or the fragment of a URL begins there.
pub(super) fn query(scan: &mut Reader<'_, '_>, at: usize) -> Option<Step> {
    let is_in_url = at < scan.url_end;
    if !is_in_url && !looks_like_query(scan, at) {
        return None;
    }
    let end = if is_in_url { scan.url_end } else { scan.run(at, |byte| is(Part::Url, byte)) };
    if scan.search.keep_queries {
        scan.query_end = end;
        return None;
    }
    if scan.is_url {
        return Some(Step::Remove(at, scan.text.len()));
    }
    Some(Step::Remove(at, without_place(scan, at, end)))
}

/// Whether a `?` follows a path, and a name and `=` follow it.
fn looks_like_query(scan: &Reader<'_, '_>, at: usize) -> bool {
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%[]$".contains(&byte);
    if scan.byte(at) != b'?' || !is_path(scan.before(at)) {
        return false;
    }
    let name = scan.short_run(at + 1, TEXT_KEY_BYTES, is_name);
    name > at + 1 && scan.byte(name) == b'='
}

/// Where a query ends if the marks of the sentence around it do not count, and neither does the
/// place in a script: `main.js?v=4:10:15`.
fn without_place(scan: &Reader<'_, '_>, from: usize, end: usize) -> usize {
    let query = scan.from(from).get(..end - from).unwrap_or_default();
    let marks = query.iter().rev().take(4).take_while(|byte| b".,;:!)]}".contains(byte)).count();
    let mut end = end - marks;
    for _ in 0..2 {
        let query = scan.from(from).get(..end - from).unwrap_or_default();
        let digits = query.iter().rev().take(7).take_while(|byte| byte.is_ascii_digit()).count();
        let colon = query.len().checked_sub(digits + 1).and_then(|at| query.get(at));
        if digits == 0 || colon != Some(&b':') {
            break;
        }
        end -= digits + 1;
    }
    end
}

/// A `data:` URL whose scheme ends at a place (RFC 2397): of what follows, the media type stays.
fn data(scan: &Reader<'_, '_>, at: usize) -> Option<Step> {
    if scan.before(at) | 0x20 != b'a' {
        return None;
    }
    let from = at.checked_sub(4)?;
    let is_data = scan.from(from).get(..4)?.eq_ignore_ascii_case(b"data");
    if !is_data || scan.before(from).is_ascii_alphanumeric() || scan.before(from) == b'_' {
        return None;
    }
    let is_media = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-/;=%\"".contains(&byte);
    let comma = scan.short_run(at + 1, MEDIA_TYPE_BYTES, is_media);
    let media = scan.text.get(at + 1..comma)?;
    let kind = media.split(';').next().unwrap_or_default();
    let is_whole = scan.is_url && from == 0;
    let is_url = scan.byte(comma) == b',' && (media.is_empty() || media.starts_with(';') || kind.contains('/'));
    if !is_url && !is_whole {
        return None;
    }
    let kind = if kind.contains('/') { kind.len() } else { 0 };
    let close = closing(scan.before(from));
    let end = if is_whole { scan.text.len() } else { scan.run(comma, |byte| is(Part::Url, byte) && byte != close) };
    Some(Step::Remove(at + 1 + kind, end))
}

/// The bracket that closes another one; 0 for anything else.
fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        _ => 0,
    }
}
