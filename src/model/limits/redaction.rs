//! Limits of the search for personal data in texts.

use std::ops::RangeInclusive;

use super::MAX_TEXT_CHARS;

/// Bytes behind the cut of a text that redaction looks at, to recognise a secret that the cut
/// divides: more than the longest mail address, and enough to tell any other.
pub(crate) const SECRET_AHEAD_BYTES: usize = 512;
/// Characters of a text attribute that is copied before it is encoded: what is kept of it, what
/// redaction looks at behind the cut, and one more that says that there is more.
pub(crate) const COPIED_TEXT_CHARS: usize = MAX_TEXT_CHARS + SECRET_AHEAD_BYTES + 1;
/// Bytes of the shortest text that redaction could find anything in: `pin=1`.
pub(crate) const MIN_SECRET_TEXT: usize = 5;
/// Bytes of the shortest text that holds credentials behind the word `Basic` or `Bearer`.
pub(crate) const MIN_BASIC_TEXT: usize = 10;
/// Digits of a card number (ISO/IEC 7812-1 §4).
pub(crate) const CARD_DIGITS: RangeInclusive<usize> = 13..=19;
/// Letters beside a card number that are looked at, to tell it from a part of a hash.
pub(crate) const BESIDE_CARD_BYTES: usize = 16;
/// Bytes of a mail address before its `@` (RFC 5321 §4.5.3.1.1).
pub(crate) const EMAIL_LOCAL_BYTES: usize = 64;
/// Bytes of a mail address behind its `@` (RFC 5321 §4.5.3.1.2).
pub(crate) const EMAIL_DOMAIN_BYTES: usize = 255;
/// Bytes of a key in front of a value in a text. Of a longer one, the end counts.
pub(crate) const TEXT_KEY_BYTES: usize = 64;
/// Bytes of credentials behind the word `Basic` that are decoded, to see whether they are any.
pub(crate) const BASIC_BYTES: usize = 256;
/// Bytes of a bearer token: shorter ones are words.
pub(crate) const MIN_TOKEN_BYTES: usize = 8;
/// Bytes of a bearer token that consists of lower-case letters alone: no word has as many.
pub(crate) const MIN_WORD_TOKEN_BYTES: usize = 24;
/// Bytes of the media type of a `data:` URL: registered ones have fewer than 100.
pub(crate) const MEDIA_TYPE_BYTES: usize = 128;
/// Bytes of a URL's scheme that are looked at, to find what stands before it.
pub(crate) const SCHEME_BYTES: usize = 16;
