//! Patterns: compiled once, matched against every path.

use std::borrow::Cow;

use super::syntax::{Element, PathError, Segment, Syntax, scan};
use super::text::push_segment;

/// A compiled pattern.
///
/// Matching keeps one bit for each element of the pattern, so its time grows with the length of the
/// path and with nothing else.
///
/// ```
/// use throughline::internals::state::path::{Pattern, parse};
/// let pattern = Pattern::new("items[*].price")?;
/// assert!(pattern.matches(&parse("items[3].price")?));
/// assert!(!pattern.matches(&parse("items.price")?));
/// # Ok::<(), throughline::internals::state::path::PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pub(super) elements: Vec<Element<'static>>,
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
        let elements = scan(text, Syntax::Pattern)?.into_iter().map(own).collect();
        Ok(Self { text: text.to_owned(), elements })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern selects a path.
    pub fn matches(&self, path: &[Segment<'_>]) -> bool {
        let last = path.iter().fold(self.close(1), |set, segment| self.step(set, segment));
        self.is_end(last)
    }

    fn is_end(&self, set: u64) -> bool {
        set >> self.elements.len() & 1 == 1
    }

    /// Adds to a set of places those that are reached without a step, because a `**` may stand for
    /// nothing. Bit `p` of a set says that the first `p` elements are matched.
    fn close(&self, mut set: u64) -> u64 {
        for (at, element) in self.elements.iter().enumerate() {
            if *element == Element::Rest && set >> at & 1 == 1 {
                set |= 1 << (at + 1);
            }
        }
        set
    }

    /// The places that are reached from `set` by one step of the path.
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

    /// The name of a path that the pattern selects: `*` where the pattern has `*`, `[*]` for every
    /// index, and the path's own keys elsewhere.
    pub fn name(&self, path: &[Segment<'_>]) -> String {
        let mut sets = vec![self.close(1)];
        for segment in path {
            sets.push(self.step(sets.last().copied().unwrap_or(0), segment));
        }
        // Goes backwards along one way through the pattern, on which `**` takes as many steps as it
        // can.
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
            // A `**` may take the step before, too.
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
