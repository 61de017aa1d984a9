//! Texts as Relay takes them: releases, environments and tags that it would refuse are made legal.
//!
//! Relay removes a field that it finds invalid, so an event would lose its release in silence. What
//! is changed here says so, and the caller keeps the original.

use std::borrow::Cow;

use crate::model::limits::{SENTRY_DIST_BYTES, SENTRY_ENVIRONMENT_BYTES, SENTRY_RELEASE_BYTES, SENTRY_TAG_CHARS};

/// A release that Relay takes.
pub(super) fn release(text: &str) -> Cow<'_, str> {
    let clean = without(text, |mark| mark.is_control() || matches!(mark, '/' | '\\'), SENTRY_RELEASE_BYTES);
    let is_reserved = clean.eq_ignore_ascii_case("latest") || matches!(&*clean, "." | "..");
    if is_reserved { format!("{clean}_").into() } else { clean }
}

/// An environment that Relay takes.
pub(super) fn environment(text: &str) -> Cow<'_, str> {
    let clean = without(text, |mark| mark.is_control() || matches!(mark, '/' | '\\'), SENTRY_ENVIRONMENT_BYTES);
    if clean.eq_ignore_ascii_case("none") { format!("{clean}_").into() } else { clean }
}

/// A `dist` that Relay takes.
pub(super) fn dist(text: &str) -> Cow<'_, str> {
    without(text, |mark| !mark.is_ascii_alphanumeric() && !matches!(mark, '_' | '.' | ':' | '-'), SENTRY_DIST_BYTES)
}

/// The value of a tag that Relay takes.
pub(super) fn tag(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(SENTRY_TAG_CHARS).map_or(text.len(), |(at, _)| at);
    let cut = text.get(..end).unwrap_or(text).trim();
    if cut.contains(char::is_control) { cut.replace(char::is_control, " ").into() } else { cut.into() }
}

/// A text with `_` in place of what is illegal, at most so long.
fn without(text: &str, is_illegal: impl Fn(char) -> bool, max: usize) -> Cow<'_, str> {
    let text = text.trim();
    let text = text.get(..text.floor_char_boundary(max)).unwrap_or(text).trim_end();
    if text.contains(&is_illegal) { text.replace(is_illegal, "_").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_relay_would_remove_is_made_legal() {
        let long = "v".repeat(201);
        for (given, made) in [
            ("shop@1.2.3+4", "shop@1.2.3+4"),
            ("feature/cart", "feature_cart"),
            ("a\\b\nc\td", "a_b_c_d"),
            ("Latest", "Latest_"),
            (".", "._"),
            ("..", ".._"),
            (" shop ", "shop"),
            (&long, &long[..200]),
            ("", ""),
        ] {
            assert_eq!(release(given), made);
        }
        assert_eq!(release(&"ü".repeat(101)).len(), 200);
        assert_eq!(release(&format!("{}ü", "v".repeat(199))).len(), 199, "no half of a letter");
        for (given, made) in [("production", "production"), ("None", "None_"), ("a/b", "a_b"), (&long, &long[..64])] {
            assert_eq!(environment(given), made);
        }
        assert_eq!(dist("build 7/ü"), "build_7__");
        assert_eq!(tag("a\nb"), "a b");
        assert_eq!(tag(&"ü".repeat(300)).chars().count(), 200);
    }
}
