//! Reads a body as the protobuf file in the repository describes it, and nothing else: a field that
//! the file does not have, or has with another type, is a failure.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::model::event::decode::Reader;
use crate::wire::export::tree::Tree;

const FILE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/throughline/telemetry/v1/telemetry.proto"));

#[derive(Debug, Clone)]
struct Field {
    name: String,
    kind: String,
    is_repeated: bool,
    is_map: bool,
}

/// The messages and the enums of the file.
#[derive(Debug, Default)]
pub(super) struct Schema {
    messages: BTreeMap<String, BTreeMap<u64, Field>>,
    enums: BTreeMap<String, BTreeMap<u64, String>>,
}

/// The name that a field has in JSON.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

impl Schema {
    pub(super) fn read() -> Self {
        let (mut schema, mut current, mut is_enum) = (Self::default(), String::new(), false);
        for line in FILE.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
            match words.as_slice() {
                [what @ ("message" | "enum"), name, "{"] => {
                    (current, is_enum) = ((*name).to_owned(), *what == "enum");
                    if is_enum {
                        schema.enums.entry(current.clone()).or_default();
                    } else {
                        schema.messages.entry(current.clone()).or_default();
                    }
                }
                [name, "=", number] if is_enum => {
                    let number = number.parse().unwrap();
                    assert!(schema.enums.get_mut(&current).unwrap().insert(number, (*name).to_owned()).is_none());
                }
                [kind @ .., name, "=", number] if !current.is_empty() => {
                    let kind = kind.join(" ");
                    let is_map = kind.starts_with("map<");
                    let bare = kind.trim_start_matches("repeated ").trim_start_matches("optional ");
                    let bare = bare.trim_start_matches("map<string, ").trim_end_matches('>').to_owned();
                    let is_repeated = kind.starts_with("repeated ");
                    let field = Field { name: camel(name), kind: bare, is_repeated, is_map };
                    let fields = schema.messages.get_mut(&current).unwrap();
                    assert!(fields.insert(number.parse().unwrap(), field).is_none(), "{current}: {name}");
                }
                _ => {}
            }
        }
        assert!(schema.messages.len() > 25 && schema.enums.len() > 8, "the file was not read");
        schema
    }

    /// The JSON of a message, as protobuf defines it.
    pub(super) fn json(&self, message: &str, bytes: &[u8]) -> Json {
        let fields = self.messages.get(message).unwrap_or_else(|| panic!("no message {message}"));
        let (mut reader, mut object) = (Reader::new(bytes), Map::new());
        while !reader.is_empty() {
            let key = reader.varint().unwrap();
            let field = fields.get(&(key >> 3)).unwrap_or_else(|| panic!("{message} has no field {}", key >> 3));
            let place = format!("{message}.{}", field.name);
            if field.is_map {
                assert_eq!(key & 7, 2, "{place}");
                let (key, value) = self.entry(&field.kind, reader.prefixed().unwrap());
                let entries = object.entry(&field.name).or_insert_with(|| json!({}));
                assert!(entries.as_object_mut().unwrap().insert(key.clone(), value).is_none(), "{place}: {key} twice");
            } else if field.is_repeated && ["double", "fixed64"].contains(&field.kind.as_str()) {
                assert_eq!(key & 7, 2, "{place} is packed");
                let mut packed = Reader::new(reader.prefixed().unwrap());
                let mut list = Vec::new();
                while !packed.is_empty() {
                    list.push(self.value(&field.kind, 1, &mut packed, &place));
                }
                object.insert(field.name.clone(), list.into());
            } else {
                let value = self.value(&field.kind, key & 7, &mut reader, &place);
                if field.is_repeated {
                    let list = object.entry(&field.name).or_insert_with(|| json!([]));
                    list.as_array_mut().unwrap().push(value);
                } else {
                    assert!(object.insert(field.name.clone(), value).is_none(), "{place} twice");
                }
            }
        }
        Json::Object(object)
    }

    fn entry(&self, kind: &str, bytes: &[u8]) -> (String, Json) {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.varint().unwrap(), 1 << 3 | 2);
        let key = std::str::from_utf8(reader.prefixed().unwrap()).unwrap().to_owned();
        assert_eq!(reader.varint().unwrap(), 2 << 3 | 2);
        let value = self.json(kind, reader.prefixed().unwrap());
        assert!(reader.is_empty());
        (key, value)
    }

    fn value(&self, kind: &str, wire: u64, reader: &mut Reader<'_>, place: &str) -> Json {
        let expect = |expected: u64| assert_eq!(wire, expected, "{place}");
        let double = |bits| match f64::from_bits(bits) {
            // serde_json reads some numbers a little off, so it reads this one as it did the other.
            number if number.is_finite() => serde_json::from_str(&json!(number).to_string()).unwrap(),
            number if number.is_nan() => json!("NaN"),
            number => json!(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        };
        let prefixed = |reader: &mut Reader<'_>| {
            expect(2);
            reader.prefixed().unwrap().to_vec()
        };
        let varint = |reader: &mut Reader<'_>| {
            expect(0);
            reader.varint().unwrap()
        };
        match kind {
            "string" => json!(String::from_utf8(prefixed(reader)).unwrap()),
            "bytes" => json!(base64(&prefixed(reader))),
            "bool" => json!(varint(reader) == 1),
            "uint32" => json!(u32::try_from(varint(reader)).unwrap()),
            "uint64" => json!(varint(reader).to_string()),
            "int64" => json!((varint(reader) as i64).to_string()),
            "double" | "fixed64" => {
                expect(1);
                let bits = reader.fixed().unwrap();
                if kind == "double" { double(bits) } else { json!(bits.to_string()) }
            }
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
                let bytes = prefixed(reader);
                let (mut parts, mut inner) = ([0i64; 2], Reader::new(&bytes));
                while !inner.is_empty() {
                    let key = inner.varint().unwrap();
                    parts[usize::try_from((key >> 3) - 1).unwrap()] = inner.varint().unwrap() as i64;
                }
                let nanos = parts[0] * 1_000_000_000 + parts[1];
                let mut tree = crate::wire::export::tree::Json::default();
                tree.object(|tree| match kind {
                    "google.protobuf.Duration" => tree.duration(1, "of", nanos),
                    _ => tree.time(1, "of", nanos as u64),
                });
                serde_json::from_slice::<Json>(&tree.out).unwrap()["of"].clone()
            }
            name if self.enums.contains_key(name) => {
                let number = varint(reader);
                let words = &self.enums[name];
                json!(words.get(&number).unwrap_or_else(|| panic!("{name} has no {number}")))
            }
            name => self.json(name, &prefixed(reader)),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut text = String::new();
    for at in (0..bits.len()).step_by(6) {
        let group = format!("{:0<6}", &bits[at..bits.len().min(at + 6)]);
        text.push(char::from(ALPHABET[usize::from_str_radix(&group, 2).unwrap()]));
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}
