//! Paths into state, and the patterns that pick some of them.
//!
//! ```text
//! path      cart.items[3].price    keys with dots, [index]; an odd key as ["a.b"] or a\.b
//! pattern   items[*].price         * one key · [*] one index · ** any number of either
//! ```
//!
//! A pattern is compiled once. Matching keeps one bit per element of the pattern, so its time is linear in the path
//! whatever the pattern.

use std::borrow::Cow;

use crate::model::limits::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS};

/// One step into a value.
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
    /// Where, in bytes from the start.
    pub position: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// An element of a pattern, or a step of a path where there is no wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element<'a> {
    Step(Segment<'a>),
    AnyKey,
    AnyIndex,
    Rest,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    wildcards: bool,
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
        if self.wildcards && rest.starts_with('*') {
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
                '*' if self.wildcards => {
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
        if self.wildcards && inside == "*" {
            return Ok(Element::AnyIndex);
        }
        let is_number = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
        match inside.parse() {
            Ok(index) if is_number => Ok(Element::Step(Segment::Index(index))),
            _ => self.fail(start + 1, "an index is a number, `*`, or a key in double quotes"),
        }
    }
}

/// Reads a path.
///
/// # Errors
/// [`PathError`] with the byte at which it breaks.
pub fn parse(text: &str) -> Result<Vec<Segment<'_>>, PathError> {
    let elements = Scanner { text, at: 0, wildcards: false }.elements()?;
    let step = |element| match element {
        Element::Step(segment) => Some(segment),
        _ => None,
    };
    Ok(elements.into_iter().filter_map(step).collect())
}

/// Appends a step to a path's text, escaped where it must be.
pub fn push_segment(path: &mut String, segment: &Segment<'_>) {
    match segment {
        Segment::Index(index) => {
            path.push('[');
            path.push_str(&index.to_string());
            path.push(']');
        }
        Segment::Key(key) => {
            let is_odd = key.is_empty() || key.contains(['.', '[', ']', '*', '\\', '"']);
            if is_odd {
                path.push_str("[\"");
                key.chars().for_each(|char| {
                    if matches!(char, '"' | '\\') {
                        path.push('\\');
                    }
                    path.push(char);
                });
                path.push_str("\"]");
            } else {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
        }
    }
}

/// A compiled pattern.
///
/// ```
/// use throughline::state::path::{Pattern, parse};
/// let pattern = Pattern::new("items[*].price")?;
/// assert!(pattern.matches(&parse("items[3].price")?));
/// assert!(!pattern.matches(&parse("items.price")?));
/// # Ok::<(), throughline::state::path::PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    elements: Vec<Element<'static>>,
}

impl Pattern {
    /// Compiles a pattern of at most 63 steps.
    ///
    /// # Errors
    /// [`PathError`] with the byte at which it breaks.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let own = |element| match element {
            Element::Step(Segment::Key(key)) => Element::Step(Segment::Key(Cow::Owned(key.into_owned()))),
            Element::Step(Segment::Index(index)) => Element::Step(Segment::Index(index)),
            Element::AnyKey => Element::AnyKey,
            Element::AnyIndex => Element::AnyIndex,
            Element::Rest => Element::Rest,
        };
        let elements = Scanner { text, at: 0, wildcards: true }.elements()?;
        Ok(Self { text: text.to_owned(), elements: elements.into_iter().map(own).collect() })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a path is one of the pattern's.
    pub fn matches(&self, path: &[Segment<'_>]) -> bool {
        let last = path.iter().fold(self.close(1), |set, segment| self.step(set, segment));
        self.is_end(last)
    }

    fn is_end(&self, set: u64) -> bool {
        set >> self.elements.len() & 1 == 1
    }

    /// Bit `p` says that the first `p` elements are used up. An element `**` may be used up by nothing.
    fn close(&self, mut set: u64) -> u64 {
        for (at, element) in self.elements.iter().enumerate() {
            if *element == Element::Rest && set >> at & 1 == 1 {
                set |= 1 << (at + 1);
            }
        }
        set
    }

    fn step(&self, set: u64, segment: &Segment<'_>) -> u64 {
        let mut next = 0;
        for (at, element) in self.elements.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1) {
            match (element, segment) {
                (Element::Rest, _) => next |= 1 << at,
                (Element::AnyKey, Segment::Key(_)) | (Element::AnyIndex, Segment::Index(_)) => next |= 1 << (at + 1),
                (Element::Step(step), segment) if step == segment => next |= 1 << (at + 1),
                _ => {}
            }
        }
        self.close(next)
    }

    /// The name of a path that matches: `*` where the pattern has `*`, `[*]` for every index, its own keys elsewhere.
    pub fn name(&self, path: &[Segment<'_>]) -> String {
        let mut sets = vec![self.close(1)];
        for segment in path {
            sets.push(self.step(sets.last().copied().unwrap_or(0), segment));
        }
        // Backwards along one way through the pattern; `**` is left as late as possible.
        let mut place = self.elements.len();
        let mut starred = vec![false; path.len()];
        for (at, star) in starred.iter_mut().enumerate().rev() {
            let before = sets.get(at).copied().unwrap_or(0);
            while let Some(last) = place.checked_sub(1) {
                let is_rest = self.elements.get(last) == Some(&Element::Rest);
                if is_rest && before >> last & 1 == 1 {
                    place = last;
                    break;
                }
                if !is_rest && before >> last & 1 == 1 {
                    *star = self.elements.get(last) == Some(&Element::AnyKey);
                    place = last;
                    break;
                }
                place = last;
            }
            // A `**` may take further steps.
            if self.elements.get(place) == Some(&Element::Rest) {
                place += 1;
            }
        }
        let mut name = String::new();
        for (segment, star) in path.iter().zip(starred) {
            match segment {
                Segment::Index(_) => name.push_str("[*]"),
                Segment::Key(_) if star => {
                    name.push_str(if name.is_empty() { "*" } else { ".*" });
                }
                key => push_segment(&mut name, key),
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(&parse(path).unwrap())
    }

    #[test]
    fn the_wildcards_mean_what_they_say() {
        for (pattern, path) in [
            ("user.*.email", "user.home.email"),
            ("items[*].price", "items[12].price"),
            ("**.isLoading", "isLoading"),
            ("**.isLoading", "a.b[3].isLoading"),
            ("a.**", "a"),
            ("a.**.z", "a.b[1].c.z"),
            ("**", "x[0]"),
            ("matrix[*][2]", "matrix[7][2]"),
            ("a\\.b.c", "[\"a.b\"].c"),
            ("[\"odd \\\" key\"].x", "[\"odd \\\" key\"].x"),
            ("a\\*", "[\"a*\"]"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("user.*.email", "user.email"),
            ("user.*.email", "user.a.b.email"),
            ("items[*]", "items.price"),
            ("items.*", "items[0]"),
            ("a", "A"),
            ("a.**.z", "a.z.y"),
            ("a", "a.b"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_malformed_pattern_is_an_error_with_its_position() {
        for (text, position) in [
            ("", 0),
            ("a.", 2),
            (".a", 0),
            ("a..b", 2),
            ("a[", 1),
            ("a[x]", 2),
            ("a[-1]", 2),
            ("a[1]b", 4),
            ("a]", 1),
            ("a***", 1),
            ("it*em", 2),
            ("***", 0),
            ("a\\", 1),
            ("[\"x", 0),
            ("[\"x\"y]", 3),
            ("a[99999999999999999999]", 2),
        ] {
            assert_eq!(Pattern::new(text).map_err(|error| error.position), Err(position), "{text}");
        }
        assert!(Pattern::new(&"a.".repeat(70)).is_err() && Pattern::new(&"a".repeat(2_000)).is_err());
    }

    #[test]
    fn names_stay_few() {
        let name = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().name(&parse(path).unwrap());
        assert_eq!(name("items[*].price", "items[12].price"), "items[*].price");
        assert_eq!(name("users.*.email", "users.u-17.email"), "users.*.email");
        assert_eq!(name("**", "cart.items[3].qty"), "cart.items[*].qty");
        assert_eq!(name("**.isLoading", "a.b[1].isLoading"), "a.b[*].isLoading");
        assert_eq!(name("a.**.b.*", "a.x.y.b.k"), "a.x.y.b.*");
        assert_eq!(name("*.**", "a.b.c"), "*.b.c");
        assert_eq!(name("x[3]", "x[3]"), "x[*]");
    }

    /// Walks every way through the pattern: slow, and certainly right.
    fn naive(elements: &[Element<'_>], path: &[Segment<'_>]) -> bool {
        match (elements.split_first(), path.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Element::Rest, others)), None) => naive(others, path),
            (Some((Element::Rest, others)), Some((_, rest))) => naive(others, path) || naive(elements, rest),
            (Some(_), None) => false,
            (Some((element, others)), Some((segment, rest))) => {
                let fits = match (element, segment) {
                    (Element::AnyKey, Segment::Key(_)) | (Element::AnyIndex, Segment::Index(_)) => true,
                    (Element::Step(step), segment) => step == segment,
                    _ => false,
                };
                fits && naive(others, rest)
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_naive_walk(pattern in "(a|b|\\*|\\*\\*)(\\.(a|b|\\*|\\*\\*)|\\[(1|\\*)\\]){0,5}", path in "(a|b)(\\.(a|b)|\\[[12]\\]){0,5}") {
            let pattern = Pattern::new(&pattern).unwrap();
            let path = parse(&path).unwrap();
            prop_assert_eq!(pattern.matches(&path), naive(&pattern.elements, &path));
            if pattern.matches(&path) {
                prop_assert_eq!(pattern.name(&path).is_empty(), false);
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = Pattern::new(&text);
            if let Ok(path) = parse(&text) {
                let mut written = String::new();
                path.iter().for_each(|segment| push_segment(&mut written, segment));
                prop_assert_eq!(parse(&written).unwrap(), path);
            }
        }
    }
}
