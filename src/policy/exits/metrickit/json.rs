//! JSON of any depth, read without recursion into one flat list of values.
//!
//! MetricKit nests two levels for each frame of a stack, so that a usual reader, which counts
//! levels to protect its own stack, refuses a payload of 64 frames. Here a level costs an entry on
//! the heap, and the number of values is bounded instead.

use std::borrow::Cow;

use crate::model::limits::MAX_DIAGNOSTIC_VALUES;

/// Why a text was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no JSON from this byte on.
    NotJson(usize),
    /// It has more values than are read.
    TooMany,
}

/// No value.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Number,
    Text,
    List,
    Map,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Where it stands. A text's quotes belong to it.
    span: (u32, u32),
    /// Where its key stands, without the quotes. Empty in a list.
    key: (u32, u32),
    /// The first of its elements.
    child: u32,
    /// The next element of the list or map that it is in.
    next: u32,
}

/// The values of a text.
#[derive(Debug)]
pub(super) struct Json<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

/// A list or map that is not closed yet.
struct Open {
    node: u32,
    last: u32,
    is_map: bool,
}

struct Reader<'t> {
    json: Json<'t>,
    at: usize,
    open: Vec<Open>,
}

impl<'t> Json<'t> {
    /// Reads a text of at most 4 GiB.
    pub(super) fn read(bytes: &'t [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| Fault::NotJson(error.valid_up_to()))?;
        let mut reader = Reader { json: Json { text, nodes: Vec::new() }, at: 0, open: Vec::new() };
        reader.read()?;
        Ok(reader.json)
    }

    /// The outermost value.
    pub(super) fn root(&self) -> Value<'_> {
        Value { json: self, at: 0 }
    }

    fn cut(&self, (start, end): (u32, u32)) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Fault> {
        loop {
            let key = if self.open.last().is_some_and(|open| open.is_map) { self.key()? } else { (0, 0) };
            if self.value(key)? && !self.closes_at_once()? {
                continue;
            }
            if self.ends_or_goes_on()? {
                return Ok(());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.json.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn fault<T>(&self) -> Result<T, Fault> {
        Err(Fault::NotJson(self.at))
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return self.fault();
        }
        self.at += 1;
        Ok(())
    }

    fn span_from(&self, start: usize) -> (u32, u32) {
        let place = |at: usize| u32::try_from(at).unwrap_or(NONE);
        (place(start), place(self.at))
    }

    /// A text with its quotes.
    fn quoted(&mut self) -> Result<(u32, u32), Fault> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                None => return self.fault(),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(self.span_from(start))
    }

    fn key(&mut self) -> Result<(u32, u32), Fault> {
        self.skip_spaces();
        let (start, end) = self.quoted()?;
        self.skip_spaces();
        self.expect(b':')?;
        Ok((start.saturating_add(1), end.saturating_sub(1)))
    }

    /// Reads a value, or the beginning of a list or map: then the answer is true.
    fn value(&mut self, key: (u32, u32)) -> Result<bool, Fault> {
        self.skip_spaces();
        let start = self.at;
        let (kind, span) = match self.peek() {
            Some(b'{') => (Kind::Map, self.step(start)),
            Some(b'[') => (Kind::List, self.step(start)),
            Some(b'"') => (Kind::Text, self.quoted()?),
            Some(b'-' | b'0'..=b'9') => (Kind::Number, self.number(start)),
            Some(b't') => (Kind::True, self.word("true")?),
            Some(b'f') => (Kind::False, self.word("false")?),
            Some(b'n') => (Kind::Null, self.word("null")?),
            _ => return self.fault(),
        };
        if self.json.nodes.len() >= MAX_DIAGNOSTIC_VALUES {
            return Err(Fault::TooMany);
        }
        let node = u32::try_from(self.json.nodes.len()).unwrap_or(NONE);
        self.json.nodes.push(Node { kind, span, key, child: NONE, next: NONE });
        if let Some(open) = self.open.last_mut() {
            let before = if open.last == NONE { open.node } else { open.last };
            if let Some(before) = self.json.nodes.get_mut(before as usize) {
                *(if open.last == NONE { &mut before.child } else { &mut before.next }) = node;
            }
            open.last = node;
        }
        let is_open = matches!(kind, Kind::List | Kind::Map);
        if is_open {
            self.open.push(Open { node, last: NONE, is_map: kind == Kind::Map });
        }
        Ok(is_open)
    }

    fn step(&mut self, start: usize) -> (u32, u32) {
        self.at += 1;
        self.span_from(start)
    }

    fn number(&mut self, start: usize) -> (u32, u32) {
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        self.span_from(start)
    }

    fn word(&mut self, word: &str) -> Result<(u32, u32), Fault> {
        let start = self.at;
        if !self.json.text.get(start..).is_some_and(|rest| rest.starts_with(word)) {
            return self.fault();
        }
        self.at += word.len();
        Ok(self.span_from(start))
    }

    /// Whether the list or map that was just opened has no element.
    fn closes_at_once(&mut self) -> Result<bool, Fault> {
        self.skip_spaces();
        self.closes()
    }

    /// Closes the innermost list or map, if its end stands here.
    fn closes(&mut self) -> Result<bool, Fault> {
        let Some(open) = self.open.last() else { return Ok(false) };
        match (self.peek(), open.is_map) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.at += 1;
                self.open.pop();
                Ok(true)
            }
            (Some(b'}' | b']'), _) | (None, _) => self.fault(),
            _ => Ok(false),
        }
    }

    /// What follows a value. True at the end of the text.
    fn ends_or_goes_on(&mut self) -> Result<bool, Fault> {
        loop {
            self.skip_spaces();
            if self.open.is_empty() {
                return if self.peek().is_none() { Ok(true) } else { self.fault() };
            }
            if self.closes()? {
                continue;
            }
            self.expect(b',')?;
            return Ok(false);
        }
    }
}

/// One of the values. Whatever is asked of one of another type is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'j> {
    json: &'j Json<'j>,
    at: u32,
}

impl<'j> Value<'j> {
    fn node(self) -> Option<&'j Node> {
        self.json.nodes.get(self.at as usize)
    }

    fn is(self, kind: Kind) -> bool {
        self.node().is_some_and(|node| node.kind == kind)
    }

    /// Whether it is a map.
    pub(super) fn is_map(self) -> bool {
        self.is(Kind::Map)
    }

    /// The elements of a map with their keys, as they are written.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'j str, Value<'j>)> {
        let json = self.json;
        self.elements(Kind::Map).filter_map(move |value| Some((json.cut(value.node()?.key), value)))
    }

    /// The elements of a list.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'j>> {
        self.elements(Kind::List)
    }

    fn elements(self, kind: Kind) -> impl Iterator<Item = Value<'j>> {
        let json = self.json;
        let of = move |at: u32| (at != NONE).then_some(Value { json, at });
        let first = self.node().filter(|node| node.kind == kind).and_then(|node| of(node.child));
        std::iter::successors(first, move |value| of(value.node()?.next))
    }

    /// The element of a map with this key. The first one, if there are several.
    pub(super) fn get(self, key: &str) -> Option<Value<'j>> {
        self.pairs().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// A text.
    pub(super) fn text(self) -> Option<Cow<'j, str>> {
        let node = self.node().filter(|node| node.kind == Kind::Text)?;
        let quoted = self.json.cut(node.span);
        let plain = quoted.get(1..quoted.len().checked_sub(1)?)?;
        if !plain.contains('\\') {
            return Some(Cow::Borrowed(plain));
        }
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    }

    /// A number, or a text that is one.
    pub(super) fn number<N: std::str::FromStr>(self) -> Option<N> {
        match self.node()?.kind {
            Kind::Number => self.json.cut(self.node()?.span).parse().ok(),
            Kind::Text => self.text()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether it is `true`.
    pub(super) fn is_true(self) -> bool {
        self.is(Kind::True)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The value as `serde_json` has it.
    fn same(value: Value<'_>) -> serde_json::Value {
        let node = value.node().unwrap();
        match node.kind {
            Kind::Map => value.pairs().map(|(key, value)| (key.to_owned(), same(value))).collect(),
            Kind::List => value.items().map(same).collect(),
            Kind::Text => value.text().unwrap().into(),
            Kind::Number => serde_json::from_str(value.json.cut(node.span)).unwrap(),
            Kind::Null => serde_json::Value::Null,
            Kind::True | Kind::False => (node.kind == Kind::True).into(),
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[a-z\"\\\\\n{}\\[\\],:é]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map("[a-z]{1,4}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_json_is_read_as_it_is(json in any_json(), is_pretty: bool) {
            let text = if is_pretty { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
            let read = Json::read(text.as_bytes()).unwrap();
            prop_assert_eq!(same(read.root()), json);
        }

        #[test]
        fn nothing_that_is_not_whole_is_taken_for_json(json in any_json(), cut in 1usize..100) {
            let text = serde_json::json!([json]).to_string();
            let cut = text.len().saturating_sub(cut);
            prop_assert!(!text.is_char_boundary(cut) || Json::read(&text.as_bytes()[..cut]).is_err());
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(prop_oneof![Just(b'['), Just(b'{'), Just(b'"'),
            Just(b'\\'), Just(b','), Just(b':'), Just(b']'), Just(b'}'), any::<u8>()], 0..200)) {
            let _ = Json::read(&bytes);
        }
    }

    #[test]
    fn depth_costs_no_stack_and_the_number_of_values_is_bounded() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(Json::read(deep.as_bytes()).unwrap().nodes.len(), 100_000);
        let wide = format!("[{}0]", "0,".repeat(MAX_DIAGNOSTIC_VALUES));
        assert_eq!(Json::read(wide.as_bytes()).err(), Some(Fault::TooMany));
    }

    #[test]
    fn what_follows_a_value_or_is_missing_in_it_is_a_fault() {
        for text in ["", " ", "{} x", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "[1}", "\"a", "tru", "[\"\\\"]", "]"] {
            assert!(Json::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
