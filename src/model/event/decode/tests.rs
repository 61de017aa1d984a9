use super::super::encode::{ContextAttributes, Stamp, append_ended, encode, encode_context, encode_scope, field};
use super::super::scrub::Scrubbing;
use super::super::*;
use super::*;
use crate::model::value::Value;
use proptest::prelude::*;

fn bytes_of(event: &impl Event) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(encode(event, Stamp { time_delta: -5, context: 3, scope: 9, ..Stamp::default() }, &mut out));
    out
}

#[test]
fn an_action_comes_back_as_it_was_given() {
    let attributes = [("sku", Value::from("A-17")), ("count", 3.into()), ("price", 2.5.into())];
    let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
    let bytes = bytes_of(&Action::tap("buy").attributes(&attributes).trace(trace));
    let record = Record::decode(&bytes).unwrap();
    assert_eq!((record.kind, record.time_delta, record.context, record.scope), (EventKind::Action, -5, 3, 9));
    assert_eq!(record.text(field::NAME), Some("buy"));
    assert_eq!(record.trace(), Some(trace));
    assert_eq!(record.attributes[0], ("sku", AnyValue::Text("A-17".into())));
    assert_eq!(record.attributes[2], ("price", AnyValue::Double(2.5)));
}

#[test]
fn ten_thousand_attributes_keep_the_first_128_and_say_so() {
    let many: Vec<_> = (0..10_000).map(|n| ("k", Value::Int(n))).collect();
    let bytes = bytes_of(&Custom::new("x").attributes(&many));
    let record = Record::decode(&bytes).unwrap();
    assert_eq!(record.attributes.len(), 128);
    assert_eq!(record.uint(field::DROPPED_ATTRIBUTES), Some(10_000 - 128));
}

#[test]
fn long_text_is_cut_between_characters_and_marked() {
    let long = "ü".repeat(5_000);
    let attributes = [("t", Value::from(&long))];
    let bytes = bytes_of(&Custom::new("x").attributes(&attributes));
    let record = Record::decode(&bytes).unwrap();
    assert_eq!(record.attributes[0].1, AnyValue::Text("ü".repeat(1_024)));
    assert_eq!(record.uint(field::TRUNCATED), Some(1));
}

#[test]
fn a_nan_stays_a_nan_and_depth_ends_at_eight() {
    let mut value = Value::Double(f64::NAN);
    let mut levels = Vec::new();
    for _ in 0..20 {
        levels.push([value]);
        value = Value::List(Box::leak(Box::new(*levels.last().unwrap())));
    }
    let attributes = [("n", Value::Double(f64::NAN)), ("deep", value)];
    let bytes = bytes_of(&Custom::new("x").attributes(&attributes));
    let record = Record::decode(&bytes).unwrap();
    assert!(matches!(record.attributes[0].1, AnyValue::Double(n) if n.is_nan()));
    assert_eq!(record.uint(field::TRUNCATED), Some(1));
}

#[test]
fn an_oversize_event_is_refused() {
    let blob = vec![0u8; 4_096];
    let attributes: Vec<_> = (0..100).map(|_| ("b", Value::Bytes(&blob))).collect();
    assert!(!encode(&Custom::new("x").attributes(&attributes), Stamp::default(), &mut Vec::new()));
}

#[test]
fn unknown_fields_are_skipped_and_a_later_version_is_named() {
    let mut bytes = bytes_of(&Custom::new("x"));
    bytes.extend_from_slice(&[0xfc, 0x7f, 5]); // a varint field of a high number
    bytes.extend_from_slice(&[0xfe, 0x7f, 2, 1, 2]); // a bytes field
    assert_eq!(Record::decode(&bytes).unwrap().text(field::NAME), Some("x"));
    append_ended(&mut bytes, "process_death");
    assert_eq!(Record::decode(&bytes).unwrap().text(field::ENDED), Some("process_death"));
    bytes[0] = 2;
    assert_eq!(Record::decode(&bytes), Err(DecodeError::NewerVersion(2)));
}

#[test]
fn context_and_scope_come_back() {
    let mut bytes = Vec::new();
    let attributes =
        ContextAttributes { resource: &[("service.name", "shop".into())], records: &[("user.id", "u".into())] };
    encode_context(attributes, Scrubbing::default(), &mut bytes);
    let context = Context::decode(&bytes).unwrap();
    assert_eq!(context.attributes, [("service.name".to_owned(), AnyValue::Text("shop".into()))]);
    assert_eq!(context.of_records, [("user.id".to_owned(), AnyValue::Text("u".into()))]);
    let (session, view) = (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]));
    bytes.clear();
    encode_scope(session, Some((view, "Cart")), &mut bytes);
    let scope = Scope::decode(&bytes).unwrap();
    assert_eq!((scope.session, scope.view, scope.view_name.as_str()), (Some(session), Some(view), "Cart"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::decode(&bytes);
        let _ = Context::decode(&bytes);
        let _ = Scope::decode(&bytes);
        let mut framed = vec![VERSION, 3];
        framed.extend_from_slice(&bytes);
        let _ = Record::decode(&framed);
    }

    #[test]
    fn texts_and_numbers_survive(name in ".{0,40}", key in "[a-z.]{1,20}", text in ".{0,60}", n: i64, d: f64, flag: bool) {
        let list = [Value::Int(n), Value::Bool(flag)];
        let attributes = [(key.as_str(), Value::from(&text)), ("n", n.into()), ("d", d.into()), ("l", Value::List(&list))];
        let bytes = bytes_of(&Custom::new(&name).attributes(&attributes));
        let record = Record::decode(&bytes).unwrap();
        prop_assert_eq!(record.text(field::NAME).unwrap_or(""), name.as_str());
        prop_assert_eq!(&record.attributes[0], &(key.as_str(), AnyValue::Text(text)));
        prop_assert_eq!(&record.attributes[1].1, &AnyValue::Int(n));
        prop_assert!(matches!(record.attributes[2].1, AnyValue::Double(x) if x.to_bits() == d.to_bits()));
    }
}
