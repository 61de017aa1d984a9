//! Divides the text of a path or pattern into its elements.

use std::borrow::Cow;

use crate::model::limits::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS};

/// One step of a path into a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment<'a> {
    /// A key of a map or a field.
    Key(Cow<'a, str>),
    /// An index of a list.
    Index(u64),
}

/// Why a path or pattern cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {reason}")]
pub struct PathError {
    /// Where it breaks, in bytes from the start.
    pub position: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// An element of a pattern. A path consists of steps alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element<'a> {
    /// This very key or index.
    Step(Segment<'a>),
    /// `*`: one key.
    AnyKey,
    /// `[*]`: one index.
    AnyIndex,
    /// `**`: any number of keys and indices.
    Rest,
}

/// Whether a text may hold wildcards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Path,
    Pattern,
}

/// Divides a text into its elements.
///
/// # Errors
/// [`PathError`] with the byte at which the text breaks.
pub(super) fn scan(text: &str, syntax: Syntax) -> Result<Vec<Element<'_>>, PathError> {
    Scanner { text, at: 0, syntax }.elements()
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    syntax: Syntax,
}

impl<'a> Scanner<'a> {
    fn fail<T>(&self, position: usize, reason: &'static str) -> Result<T, PathError> {
        Err(PathError { position, reason })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn elements(mut self) -> Result<Vec<Element<'a>>, PathError> {
        let mut elements = Vec::new();
        if self.text.len() > MAX_PATH_BYTES {
            return self.fail(MAX_PATH_BYTES, "a path has at most 1,024 bytes");
        }
        loop {
            if elements.len() >= MAX_PATH_SEGMENTS {
                return self.fail(self.at, "a path has at most 63 steps");
            }
            let rest = self.rest();
            elements.push(if rest.starts_with('[') { self.bracket()? } else { self.key()? });
            match self.rest().chars().next() {
                None => return Ok(elements),
                Some('[') => {}
                Some('.') => {
                    self.at += 1;
                    if self.rest().is_empty() {
                        return self.fail(self.at, "a key is missing after the dot");
                    }
                }
                Some(_) => return self.fail(self.at, "a dot or a bracket must follow"),
            }
        }
    }

    fn key(&mut self) -> Result<Element<'a>, PathError> {
        let start = self.at;
        let rest = self.rest();
        if self.syntax == Syntax::Pattern && rest.starts_with('*') {
            let stars = rest.bytes().take_while(|b| *b == b'*').count();
            self.at += stars;
            return match stars {
                1 => Ok(Element::AnyKey),
                2 => Ok(Element::Rest),
                _ => self.fail(start, "`*` and `**` are the wildcards"),
            };
        }
        let mut key = String::new();
        let mut is_plain = true;
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => {
                    is_plain = false;
                    match chars.next() {
                        Some((_, escaped)) => key.push(escaped),
                        None => return self.fail(start + at, "nothing follows the backslash"),
                    }
                }
                '.' | '[' => {
                    end = at;
                    break;
                }
                ']' => return self.fail(start + at, "`]` without `[`: write \\]"),
                '*' if self.syntax == Syntax::Pattern => {
                    return self.fail(start + at, "a wildcard stands for a whole key: write \\* for a star");
                }
                other => key.push(other),
            }
        }
        if end == 0 {
            return self.fail(start, "a key is missing");
        }
        self.at = start + end;
        let key = match rest.get(..end) {
            Some(plain) if is_plain => Cow::Borrowed(plain),
            _ => Cow::Owned(key),
        };
        Ok(Element::Step(Segment::Key(key)))
    }

    fn bracket(&mut self) -> Result<Element<'a>, PathError> {
        let start = self.at;
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let mut key = String::new();
            let mut chars = quoted.char_indices();
            while let Some((at, char)) = chars.next() {
                match char {
                    '\\' => key.extend(chars.next().map(|next| next.1)),
                    '"' if quoted.get(at + 1..).is_some_and(|after| after.starts_with(']')) => {
                        self.at = start + 2 + at + 2;
                        return Ok(Element::Step(Segment::Key(Cow::Owned(key))));
                    }
                    '"' => return self.fail(start + 2 + at, "`]` must follow the quote: write \\\" for one inside"),
                    other => key.push(other),
                }
            }
            return self.fail(start, "the quote is not closed");
        }
        let Some(close) = rest.find(']') else { return self.fail(start, "`[` is not closed") };
        let inside = rest.get(1..close).unwrap_or_default();
        self.at = start + close + 1;
        if self.syntax == Syntax::Pattern && inside == "*" {
            return Ok(Element::AnyIndex);
        }
        let is_number = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
        match inside.parse() {
            Ok(index) if is_number => Ok(Element::Step(Segment::Index(index))),
            _ => self.fail(start + 1, "an index is a number, `*`, or a key in double quotes"),
        }
    }
}
