//! The encoder against a plain one that writes the form byte by byte, as its description says.

use super::field::{self, tag};
use super::*;
use crate::model::config::RedactRules;
use crate::model::event::scrub::{Author, KeyVerdict, Scrub, TextKind};
use crate::model::event::*;
use crate::model::limits::{MAX_ATTRIBUTES, MAX_BLOB_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_KEY_BYTES, MAX_TEXT_CHARS};
use crate::model::value::{AnyValue, Value, lend};
use crate::policy::redact::Redactor;
use proptest::prelude::*;

/// Writes the form without a thought for time.
struct Plain<'r> {
    out: Vec<u8>,
    truncated: u64,
    dropped: u64,
    redactor: Option<&'r Redactor>,
    author: Author,
    attribute_texts: bool,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

impl Plain<'_> {
    fn uint(&mut self, number: u32, value: u64) {
        self.out.extend(varint(u64::from(number << 2)));
        self.out.extend(varint(value));
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.out.extend(varint(u64::from(number << 2 | 2)));
        self.out.extend(varint(bytes.len() as u64));
        self.out.extend(bytes);
    }

    fn cut(&mut self, text: &str, max: usize) -> String {
        self.truncated += u64::from(text.chars().count() > max);
        text.chars().take(max).collect()
    }

    fn text(&mut self, number: u32, text: &str, max: usize) {
        let kept = self.cut(text, max);
        if !kept.is_empty() {
            self.bytes(number, kept.as_bytes());
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend(varint(bytes.len() as u64));
        self.out.extend(bytes);
    }

    fn value(&mut self, value: &AnyValue, depth: usize) {
        match value {
            AnyValue::Bool(flag) => self.out.push(if *flag { tag::TRUE } else { tag::FALSE }),
            AnyValue::Int(number) => {
                self.out.push(tag::INT);
                self.out.extend(varint(zigzag(*number)));
            }
            AnyValue::Double(number) => {
                self.out.push(tag::DOUBLE);
                self.out.extend(number.to_bits().to_le_bytes());
            }
            AnyValue::Text(text) => {
                let kept = self.cut(text, MAX_TEXT_CHARS);
                let clean = match self.redactor {
                    Some(redactor) if self.attribute_texts => {
                        redactor.text(TextKind::Label, text, kept.len()).into_owned()
                    }
                    _ => kept,
                };
                self.tagged(tag::TEXT, clean.as_bytes());
            }
            AnyValue::Bytes(bytes) => {
                self.truncated += u64::from(bytes.len() > MAX_BLOB_BYTES);
                self.tagged(tag::BYTES, &bytes[..bytes.len().min(MAX_BLOB_BYTES)]);
            }
            AnyValue::List(_) | AnyValue::Map(_) if depth >= MAX_DEPTH => {
                self.truncated += 1;
                self.tagged(tag::TEXT, "…".as_bytes());
            }
            AnyValue::List(items) => {
                self.container(tag::LIST, items.len());
                items.iter().take(MAX_ELEMENTS).for_each(|item| self.value(item, depth + 1));
            }
            AnyValue::Map(entries) => {
                let cut = |key: &str| key[..key.floor_char_boundary(MAX_KEY_BYTES)].to_owned();
                let is_last = |at: usize, key: &str| entries[at + 1..].iter().all(|(later, _)| cut(later) != cut(key));
                let kept: Vec<_> = entries
                    .iter()
                    .enumerate()
                    .filter(|(at, (key, _))| !key.is_empty() && is_last(*at, key))
                    .map(|(_, entry)| entry)
                    .collect();
                self.truncated += entries.iter().filter(|(key, _)| key.is_empty()).count() as u64;
                self.container(tag::MAP, kept.len());
                kept.into_iter().take(MAX_ELEMENTS).for_each(|(key, item)| self.attribute(key, item, depth + 1));
            }
        }
    }

    fn container(&mut self, tag: u8, length: usize) {
        self.truncated += u64::from(length > MAX_ELEMENTS);
        self.out.push(tag);
        self.out.extend(varint(length.min(MAX_ELEMENTS) as u64));
    }

    fn attribute(&mut self, key: &str, value: &AnyValue, depth: usize) {
        let redacted = AnyValue::Text("[redacted]".into());
        let (key, value) = match self.redactor.map(|redactor| redactor.key(key)) {
            Some(KeyVerdict::Secret) => (key.to_owned(), &redacted),
            Some(KeyVerdict::Reserved) if self.author == Author::App && depth == 1 => (format!("app.{key}"), value),
            _ => (key.to_owned(), value),
        };
        let kept = &key[..key.floor_char_boundary(MAX_KEY_BYTES)];
        self.truncated += u64::from(kept.len() < key.len());
        self.out.extend(varint(kept.len() as u64));
        self.out.extend(kept.as_bytes());
        self.value(value, depth);
    }

    fn attributes(&mut self, attributes: &[(String, AnyValue)]) {
        for (key, value) in attributes.iter().take(MAX_ATTRIBUTES) {
            let outer = std::mem::take(&mut self.out);
            self.attribute(key, value, 1);
            let inner = std::mem::replace(&mut self.out, outer);
            self.bytes(field::ATTRIBUTE, &inner);
        }
        self.dropped += attributes.len().saturating_sub(MAX_ATTRIBUTES) as u64;
    }

    /// An action with the stamp of [`stamp`].
    fn action(mut self, name: &str, delta: i64, attributes: &[(String, AnyValue)]) -> Vec<u8> {
        self.out = vec![1, 3];
        self.uint(field::TIME, zigzag(delta));
        self.uint(field::CONTEXT, 300);
        self.uint(field::SCOPE, 2);
        self.uint(field::TYPE, 1);
        match self.redactor {
            Some(redactor) => {
                let kept = self.cut(name, MAX_NAME_CHARS);
                self.text(field::NAME, &redactor.text(TextKind::Label, name, kept.len()), MAX_NAME_CHARS);
            }
            None => self.text(field::NAME, name, MAX_NAME_CHARS),
        }
        self.attributes(attributes);
        for (number, count) in [(field::TRUNCATED, self.truncated), (field::DROPPED_ATTRIBUTES, self.dropped)] {
            if count > 0 {
                self.uint(number, count);
            }
        }
        self.out
    }
}

fn stamp(time_delta: i64) -> Stamp {
    Stamp { time_delta, context: 300, scope: 2, ..Stamp::default() }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z._]{0,40}",
        2 => "\\PC{0,20}",
        1 => prop::sample::select(vec!["password", "user.apiKey", "state.store", "rum.x", "card_number", "allowed.pin", "Mine"])
            .prop_map(str::to_owned),
        1 => (120usize..140).prop_map(|length| "ä".repeat(length / 2) + &"k".repeat(length % 2)),
    ]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let text = prop_oneof![
        4 => "\\PC{0,40}",
        1 => Just("mail a.b@mail.test now".to_owned()),
        1 => "[a-zA-Z0-9@:=?% .&/-]{0,24}",
        1 => Just("pay 4111 1111 1111 1111".to_owned()),
        1 => (110usize..140).prop_map(|length| "t".repeat(length)),
        1 => (1_000usize..1_060).prop_map(|length| "ü".repeat(length)),
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        (-200i64..200).prop_map(AnyValue::Int),
        any::<u64>().prop_map(|bits| AnyValue::Double(f64::from_bits(bits))),
        text.prop_map(AnyValue::Text),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(AnyValue::Bytes),
        (4_090usize..4_100).prop_map(|length| AnyValue::Bytes(vec![7; length])),
    ];
    leaf.prop_recursive(10, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(AnyValue::List),
            prop::collection::vec((key(), inner), 0..5).prop_map(AnyValue::Map),
        ]
    })
}

fn redactor(attribute_texts: bool) -> Redactor {
    let mut rules = RedactRules {
        deny_keys: vec!["mine".into()],
        allow_keys: vec!["allowed.pin".into()],
        ..RedactRules::default()
    };
    rules.patterns.attributes = attribute_texts;
    Redactor::new(rules)
}

proptest! {
    #[test]
    fn no_event_is_written_otherwise_than_the_form_says(
        name in "\\PC{0,300}", delta: i64, shift in 0u32..64, attributes in prop::collection::vec((key(), value()), 0..8),
        is_scrubbed: bool, attribute_texts: bool, is_ours: bool,
    ) {
        let delta = delta >> shift;
        let redactor = redactor(attribute_texts);
        let author = if is_ours { Author::Core } else { Author::App };
        let plain = Plain {
            out: Vec::new(), truncated: 0, dropped: 0, redactor: is_scrubbed.then_some(&redactor), author, attribute_texts,
        };
        let want = plain.action(&name, delta, &attributes);
        let rules = if is_scrubbed { redactor.rules(author) } else { Scrubbing { attribute_texts, ..Scrubbing::default() } };
        let lent = lend(&attributes);
        let event = Action::tap(&name).attributes(&lent);
        // The second time the keys are remembered.
        for _ in 0..2 {
            let mut out = vec![0xee];
            prop_assert!(encode_scrubbed(&event, stamp(delta), rules, &mut out));
            prop_assert_eq!(&out[1..], want.as_slice());
        }
    }
}

#[test]
fn too_many_attributes_and_elements_are_marked_as_the_form_says() {
    let list = AnyValue::List(vec![AnyValue::Bool(true); 300]);
    let attributes: Vec<_> = (0..200).map(|n| (format!("k{n}"), list.clone())).collect();
    let plain = Plain {
        out: Vec::new(),
        truncated: 0,
        dropped: 0,
        redactor: None,
        author: Author::App,
        attribute_texts: false,
    };
    let mut out = Vec::new();
    assert!(encode(&Action::tap("x").attributes(&lend(&attributes)), stamp(5), &mut out));
    assert_eq!(out, plain.action("x", 5, &attributes));
}

#[test]
fn a_secret_key_is_not_remembered_as_harmless() {
    let redactor = redactor(false);
    for _ in 0..3 {
        let mut out = Vec::new();
        let attributes = [("pin", Value::from("1234")), ("sku", "A-17".into())];
        encode_scrubbed(&Custom::new("x").attributes(&attributes), stamp(0), redactor.rules(Author::App), &mut out);
        assert!(!out.windows(4).any(|bytes| bytes == b"1234"));
        assert!(out.windows(4).any(|bytes| bytes == b"A-17"));
    }
}

#[test]
fn a_list_of_lists_of_lists_takes_no_more_than_an_event_may() {
    let numbers = [Value::Int(1); 256];
    let lists = [Value::List(&numbers); 256];
    let lists = [Value::List(&lists); 256];
    let attributes = [("bomb", Value::List(&lists)), ("another", Value::Map(&[("list", Value::List(&lists))]))];
    let mut out = Vec::new();
    assert!(!encode(&Action::tap("x").attributes(&attributes), Stamp::default(), &mut out));
    assert!(out.len() < 2 * MAX_EVENT_BYTES, "{}", out.len());
}
