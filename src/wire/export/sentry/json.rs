//! Writes JSON in the order in which it is described, so that the same rows give the same bytes
//! whatever features of `serde_json` an app has switched on.

use std::fmt::Display;
use std::io::Write;

use crate::model::value::AnyValue;

/// A place for one value. Whoever has it writes exactly one.
pub(super) struct Value<'o>(&'o mut Vec<u8>);

impl<'o> Value<'o> {
    pub(super) fn at(out: &'o mut Vec<u8>) -> Self {
        Self(out)
    }

    pub(super) fn text(self, text: &str) {
        // Writing to a vector cannot fail, here and below.
        let _ = serde_json::to_writer(self.0, text);
    }

    /// A number or a boolean, as Rust writes it.
    pub(super) fn plain(self, value: impl Display) {
        let _ = write!(self.0, "{value}");
    }

    /// A double. What JSON has no number for is a text.
    pub(super) fn double(self, value: f64) {
        if value.is_finite() {
            let _ = serde_json::to_writer(self.0, &value);
        } else if value.is_nan() {
            self.text("NaN");
        } else {
            self.text(if value > 0.0 { "Infinity" } else { "-Infinity" });
        }
    }

    pub(super) fn object(self, write: impl FnOnce(&mut Object<'_>)) {
        self.0.push(b'{');
        write(&mut Object { out: &mut *self.0, is_empty: true });
        self.0.push(b'}');
    }

    pub(super) fn list<I>(self, items: impl IntoIterator<Item = I>, mut write: impl FnMut(Value<'_>, I)) {
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            write(Value(&mut *self.0), item);
        }
        self.0.push(b']');
    }

    /// The value of an attribute. Bytes are hex digits.
    pub(super) fn any(self, value: &AnyValue) {
        match value {
            AnyValue::Bool(flag) => self.plain(flag),
            AnyValue::Int(number) => self.plain(number),
            AnyValue::Double(number) => self.double(*number),
            AnyValue::Text(text) => self.text(text),
            AnyValue::Bytes(bytes) => self.text(&hex(bytes)),
            AnyValue::List(items) => self.list(items, |value, item| value.any(item)),
            AnyValue::Map(entries) => self.object(|object| {
                for (key, value) in last_of_each(entries) {
                    object.value(key).any(value);
                }
            }),
        }
    }
}

/// The members of an object. The caller gives each name once.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl Object<'_> {
    /// The place for the value of a member.
    pub(super) fn value(&mut self, name: &str) -> Value<'_> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        Value(&mut *self.out).text(name);
        self.out.push(b':');
        Value(&mut *self.out)
    }

    /// A text, left out when it is empty.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.value(name).text(text);
        }
    }

    /// An object, left out when `write` writes no member.
    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        let (before, was_empty) = (self.out.len(), self.is_empty);
        self.value(name).0.push(b'{');
        let mut object = Object { out: &mut *self.out, is_empty: true };
        write(&mut object);
        if object.is_empty {
            self.out.truncate(before);
            self.is_empty = was_empty;
        } else {
            self.out.push(b'}');
        }
    }
}

/// The entries of which no later one has the same key, without empty keys.
pub(super) fn last_of_each<K: AsRef<str>>(entries: &[(K, AnyValue)]) -> impl Iterator<Item = (&str, &AnyValue)> {
    let is_last = |at: usize, key: &str| entries.iter().skip(at + 1).all(|(later, _)| later.as_ref() != key);
    let named = entries.iter().enumerate().filter(move |(at, (key, _))| {
        let key = key.as_ref();
        !key.is_empty() && is_last(*at, key)
    });
    named.map(|(_, (key, value))| (key.as_ref(), value))
}

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
