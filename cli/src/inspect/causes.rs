//! The order of a trace's records: each under what caused it.

use std::collections::{BTreeMap, BTreeSet};

use super::received::{Item, Signal};

/// A record with its place in the tree.
pub(super) struct Node<'i> {
    pub(super) depth: usize,
    pub(super) item: &'i Item,
}

/// Key of the records that nothing in the trace has caused. No span id is empty.
const NO_CAUSE: &str = "";

/// Orders `items`, which are sorted by time, so that each stands under its cause: a span under its
/// parent, everything else under its span. Records with the same cause keep their order. Those
/// whose cause is not among the items stand at depth 0.
pub(super) fn order(items: &[Item]) -> Vec<Node<'_>> {
    let spans: BTreeSet<&str> =
        items.iter().filter(|item| item.signal == Signal::Span).map(|item| item.span.as_str()).collect();
    let mut by_cause: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let cause = if item.signal == Signal::Span { item.parent.as_str() } else { item.span.as_str() };
        by_cause.entry(if spans.contains(cause) { cause } else { NO_CAUSE }).or_default().push(index);
    }
    let mut nodes = Vec::new();
    // A stack of what is still to be placed, the next one last.
    let mut open: Vec<(usize, usize)> =
        by_cause.remove(NO_CAUSE).unwrap_or_default().into_iter().rev().map(|index| (index, 0)).collect();
    while let Some((index, depth)) = open.pop() {
        let Some(item) = items.get(index) else { continue };
        nodes.push(Node { depth, item });
        // The list is removed, not only read: spans that are each other's parents would otherwise
        // never come to an end.
        let caused = if item.signal == Signal::Span { by_cause.remove(item.span.as_str()) } else { None };
        open.extend(caused.unwrap_or_default().into_iter().rev().map(|index| (index, depth + 1)));
    }
    // Spans in a circle of parents are reachable from no root. They are shown at depth 0.
    let left = by_cause.into_values().flatten();
    nodes.extend(left.filter_map(|index| Some(Node { depth: 0, item: items.get(index)? })));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: &str) -> Item {
        Item { signal: Signal::Span, span: id.to_owned(), parent: parent.to_owned(), ..Item::default() }
    }

    fn log(span: &str) -> Item {
        Item { span: span.to_owned(), ..Item::default() }
    }

    fn places(items: &[Item]) -> Vec<(usize, usize)> {
        let index = |node: &Node<'_>| items.iter().position(|item| std::ptr::eq(item, node.item)).unwrap();
        order(items).iter().map(|node| (index(node), node.depth)).collect()
    }

    #[test]
    fn a_record_stands_under_the_span_that_caused_it() {
        let items = [span("tap", ""), span("request", "operation"), span("operation", "tap"), log("operation")];
        assert_eq!(places(&items), [(0, 0), (2, 1), (1, 2), (3, 2)]);
    }

    #[test]
    fn a_parent_that_never_arrived_hides_nothing() {
        assert_eq!(places(&[span("request", "lost"), log("lost")]), [(0, 0), (1, 0)]);
    }

    #[test]
    fn spans_that_are_each_others_parents_are_shown_once() {
        let mut shown = places(&[span("a", "b"), span("b", "a")]);
        shown.sort_unstable();
        assert_eq!(shown, [(0, 0), (1, 0)]);
    }
}
