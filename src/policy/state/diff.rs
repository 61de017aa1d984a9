//! Finds the mutations between two immutable values.
//!
//! Stores of Redux, Zustand, StateFlow and of plain structs replace their whole value and report no
//! paths. Identical references are equal without being compared. At most 8 levels and 1,000 nodes
//! are compared, and 100 mutations reported; a container beyond that is reported as replaced.

use std::borrow::Cow;

use super::mutation::{Mutation, MutationKind};
use super::path::{Segment, push_segment};
use super::value::digest;
use crate::model::limits::{DIFF_DEPTH, DIFF_MUTATIONS, DIFF_NODES};
use crate::model::value::{Attribute, Value};

/// How much a diff has compared and found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Diffed {
    /// Nodes that were compared.
    pub nodes: usize,
    /// Mutations that were reported.
    pub reported: usize,
    /// Mutations that were found and not reported, because there were too many.
    pub skipped: usize,
}

struct Diff<'s> {
    done: Diffed,
    path: String,
    visit: &'s mut dyn FnMut(&Mutation<'_>),
}

/// Compares two values and reports every mutation with its path, up to 100 of them.
///
/// ```
/// use throughline::Value;
/// use throughline::internals::state::diff;
///
/// let old = [("name", Value::from("a")), ("age", 1.into())];
/// let new = [("name", Value::from("b")), ("age", 1.into())];
/// let mut paths = Vec::new();
/// diff(&Value::Map(&old), &Value::Map(&new), |mutation| paths.push(mutation.path.to_owned()));
/// assert_eq!(paths, ["name"]);
/// ```
pub fn diff(old: &Value<'_>, new: &Value<'_>, mut visit: impl FnMut(&Mutation<'_>)) -> Diffed {
    let mut diff = Diff { done: Diffed::default(), path: String::new(), visit: &mut visit };
    diff.compare(old, new, 1);
    diff.done
}

/// Whether two values are equal, as far as that can be said without comparing their elements.
fn same(old: &Value<'_>, new: &Value<'_>) -> Option<bool> {
    match (old, new) {
        (Value::Double(old), Value::Double(new)) => Some(old.to_bits() == new.to_bits()),
        (Value::Text(old), Value::Text(new)) => Some(std::ptr::eq(*old, *new) || old == new),
        (Value::Bytes(old), Value::Bytes(new)) => Some(std::ptr::eq(*old, *new) || old == new),
        (Value::Any(old), Value::Any(new)) => std::ptr::eq(*old, *new).then_some(true),
        (Value::Any(_), _) | (_, Value::Any(_)) => None,
        (Value::List(old), Value::List(new)) => std::ptr::eq(*old, *new).then_some(true),
        (Value::Map(old), Value::Map(new)) => std::ptr::eq(*old, *new).then_some(true),
        (old, new) => Some(old == new),
    }
}

impl Diff<'_> {
    fn report(&mut self, kind: MutationKind, old: Option<Value<'_>>, new: Option<Value<'_>>) {
        if self.done.reported >= DIFF_MUTATIONS {
            self.done.skipped += 1;
            return;
        }
        self.done.reported += 1;
        // The root itself has no path.
        let path = if self.path.is_empty() { "value" } else { &self.path };
        (self.visit)(&Mutation { path, kind, old, new, attributes: &[] });
    }

    fn at(&mut self, segment: Segment<'_>, work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        push_segment(&mut self.path, &segment);
        work(self);
        self.path.truncate(length);
    }

    fn compare(&mut self, old: &Value<'_>, new: &Value<'_>, depth: usize) {
        self.done.nodes += 1;
        match same(old, new) {
            Some(true) => return,
            Some(false) => return self.report(MutationKind::Set, Some(*old), Some(*new)),
            None => {}
        }
        if depth > DIFF_DEPTH || self.done.nodes >= DIFF_NODES {
            // Too deep or too late to compare further; small values are still compared by their
            // digests.
            if digest(old).is_none_or(|digest_old| digest(new) != Some(digest_old)) {
                self.report(MutationKind::Replace, Some(*old), Some(*new));
            }
            return;
        }
        match (old, new) {
            (Value::Any(old), new) => old.opened(|old| self.compare(old, new, depth)),
            (old, Value::Any(new)) => new.opened(|new| self.compare(old, new, depth)),
            (Value::List(old), Value::List(new)) => self.lists(old, new, depth),
            (Value::Map(old), Value::Map(new)) => self.maps(old, new, depth),
            _ => {}
        }
    }

    /// Whether the budget of nodes is used up. The container that is being compared is then
    /// reported as replaced, with its lengths for values.
    fn is_spent(&mut self, old: usize, new: usize) -> bool {
        let is_spent = self.done.nodes >= DIFF_NODES;
        if is_spent {
            self.report(MutationKind::Replace, Some(Value::Int(old as i64)), Some(Value::Int(new as i64)));
        }
        is_spent
    }

    fn maps(&mut self, old: &[Attribute<'_>], new: &[Attribute<'_>], depth: usize) {
        let (old_len, new_len) = (old.len(), new.len());
        let sorted = |entries: &[Attribute<'_>]| entries.is_sorted_by(|a, b| a.0 < b.0);
        // Hosts nearly always give entries in the same order; otherwise sorted copies are compared.
        let (mut a, mut b): (Cow<'_, [Attribute<'_>]>, Cow<'_, [Attribute<'_>]>) = (old.into(), new.into());
        let in_step = old.len() == new.len() && old.iter().zip(new).all(|(a, b)| a.0 == b.0);
        if in_step {
            for ((key, old), (_, new)) in old.iter().zip(new) {
                if self.is_spent(old_len, new_len) {
                    return;
                }
                self.at(Segment::Key((*key).into()), |diff| diff.compare(old, new, depth + 1));
            }
            return;
        }
        for entries in [&mut a, &mut b] {
            if !sorted(entries) {
                entries.to_mut().sort_by(|a, b| a.0.cmp(b.0));
            }
        }
        let (mut old, mut new) = (a.iter().peekable(), b.iter().peekable());
        loop {
            if self.is_spent(old_len, new_len) {
                return;
            }
            let order = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) => a.0.cmp(b.0),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return,
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            let Some((key, _)) = gone.or(come) else { return };
            self.at(Segment::Key((*key).into()), |diff| match (gone, come) {
                (Some(old), Some(new)) => diff.compare(&old.1, &new.1, depth + 1),
                (Some(old), None) => diff.report(MutationKind::Delete, Some(old.1), None),
                (None, Some(new)) => diff.report(MutationKind::Insert, None, Some(new.1)),
                (None, None) => {}
            });
        }
    }

    fn lists(&mut self, old: &[Value<'_>], new: &[Value<'_>], depth: usize) {
        let (old_len, new_len) = (old.len(), new.len());
        if old.len() == new.len() {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                if self.is_spent(old_len, new_len) {
                    return;
                }
                self.at(Segment::Index(at as u64), |diff| diff.compare(old, new, depth + 1));
            }
            return;
        }
        let alike = |(a, b): &(&Value<'_>, &Value<'_>)| {
            same(a, b).unwrap_or_else(|| digest(a) == digest(b) && digest(a).is_some())
        };
        let head = old.iter().zip(new).take(DIFF_NODES).take_while(alike).count();
        let rest = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(rest.min(DIFF_NODES)).take_while(alike).count();
        self.done.nodes += head + tail;
        let one = |list: &[Value<'_>]| list.len() - head - tail;
        // One element was added or removed; anything else is one change of the whole list.
        match (one(old), one(new)) {
            (0, 1) => {
                let come = new.get(head).copied();
                self.at(Segment::Index(head as u64), |diff| diff.report(MutationKind::Insert, None, come));
            }
            (1, 0) => {
                let gone = old.get(head).copied();
                self.at(Segment::Index(head as u64), |diff| diff.report(MutationKind::Delete, gone, None));
            }
            _ => {
                self.report(MutationKind::Batch, Some(Value::Int(old.len() as i64)), Some(Value::Int(new.len() as i64)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(old: &Value<'_>, new: &Value<'_>) -> Vec<String> {
        let mut out = Vec::new();
        diff(old, new, |mutation| out.push(format!("{} {}", mutation.kind.name(), mutation.path)));
        out
    }

    #[test]
    fn every_kind_is_found_at_its_path() {
        let (a, b) = ([("x", Value::Int(1))], [("x", Value::Int(2))]);
        let old = [("k", Value::Map(&a)), ("gone", true.into()), ("same", 1.into())];
        let new = [("a.b", Value::Int(1)), ("k", Value::Map(&b)), ("same", 1.into())];
        assert_eq!(found(&Value::Map(&old), &Value::Map(&new)), ["insert [\"a.b\"]", "delete gone", "set k.x"]);
        let (three, four) = ([1.into(), 2.into(), 3.into()], [1.into(), 9.into(), 2.into(), 3.into()]);
        assert_eq!(found(&Value::List(&three), &Value::List(&four)), ["insert [1]"]);
        assert_eq!(found(&Value::List(&four), &Value::List(&three)), ["delete [1]"]);
        let other = [4.into(), 5.into(), 6.into(), 7.into(), 8.into()];
        assert_eq!(found(&Value::List(&three), &Value::List(&other)), ["batch value"]);
        assert_eq!(found(&1.into(), &2.into()), ["set value"]);
        assert!(found(&Value::Double(f64::NAN), &Value::Double(f64::NAN)).is_empty());
    }

    #[test]
    fn identical_references_cost_one_node_and_huge_values_are_bounded() {
        let many: Vec<Value<'_>> = (0..1_000_000i64).map(Value::Int).collect();
        let old = [("list", Value::List(&many)), ("n", 1.into())];
        let new = [("list", Value::List(&many)), ("n", 2.into())];
        let mut seen = 0;
        assert_eq!(diff(&Value::Map(&old), &Value::Map(&new), |_| seen += 1).nodes, 3);
        assert_eq!(seen, 1);
        let other: Vec<Value<'_>> = (0..1_000_000i64).map(|n| Value::Int(n + 1)).collect();
        let done = diff(&Value::List(&many), &Value::List(&other), |_| seen += 1);
        assert_eq!((done.reported, seen), (DIFF_MUTATIONS, DIFF_MUTATIONS + 1));
        assert_eq!((done.nodes, done.skipped), (DIFF_NODES, DIFF_NODES - DIFF_MUTATIONS));
        assert_eq!(found(&Value::List(&many[..2_000]), &Value::List(&many[1..2_001])).len(), DIFF_MUTATIONS);
        let equal: Vec<Value<'_>> = many[..2_000].to_vec();
        assert_eq!(found(&Value::List(&many[..2_000]), &Value::List(&equal)), ["replace value"]);
    }

    #[test]
    fn what_is_too_deep_is_replaced_as_a_whole() {
        fn nest(depth: usize, leaf: i64) -> Value<'static> {
            (0..depth).fold(Value::Int(leaf), |inner, _| Value::Map(Vec::leak(vec![("k", inner)])))
        }
        assert_eq!(found(&nest(5, 1), &nest(5, 2)), ["set k.k.k.k.k"]);
        assert_eq!(found(&nest(30, 1), &nest(30, 2)), ["replace k.k.k.k.k.k.k.k"]);
        assert!(found(&nest(9, 1), &nest(9, 1)).is_empty());
    }

    proptest! {
        #[test]
        fn equal_values_differ_nowhere_and_others_somewhere(old in proptest::collection::vec(0..5i64, 0..12), new in proptest::collection::vec(0..5i64, 0..12)) {
            let value = |list: &[i64]| list.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>();
            let (a, b) = (value(&old), value(&new));
            prop_assert_eq!(found(&Value::List(&a), &Value::List(&b)).is_empty(), old == new);
        }
    }
}
