//! W3C Baggage (<https://www.w3.org/TR/baggage/>). Values are percent-encoded on the wire; members
//! that came with a request keep their properties.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::trim;
use crate::model::limits::{MAX_BAGGAGE_BYTES, MAX_BAGGAGE_KEY_BYTES, MAX_BAGGAGE_MEMBERS};

/// What has to be percent-encoded in a value: `%`, and everything that is not a `baggage-octet`
/// (%x21, %x23–2B, %x2D–3A, %x3C–5B, %x5D–7E).
const VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    value: String,
    /// What follows the first `;`, as it came.
    properties: String,
    /// Whether the client set it; such members are the first to be left out.
    own: bool,
}

/// Key-value pairs that travel with a request: sorted by key, each key once.
///
/// ```
/// use throughline::trace::Baggage;
///
/// let mut baggage = Baggage::parse(["tenant=42;internal, plan=pro%20max"]);
/// assert_eq!(baggage.get("plan"), Some("pro max"));
///
/// assert!(baggage.set("session.id", "f00d"));
/// assert!(!baggage.set("not a key", "x"));
/// assert_eq!(baggage.header(), "plan=pro%20max,session.id=f00d,tenant=42;internal");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baggage(BTreeMap<String, Entry>);

impl Baggage {
    /// Reads the values of all `baggage` headers. A member that cannot be read is left out; of two
    /// with the same key, the later counts. At most 64 members are kept. What stands behind the
    /// first 8,192 bytes is not read.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut members = BTreeMap::new();
        for member in bounded(values) {
            let (pair, properties) = member.split_once(';').unwrap_or((member, ""));
            let Some((key, value)) = pair.split_once('=') else { continue };
            let (key, value) = (trim(key), trim(value));
            let value = percent_decode_str(value).decode_utf8();
            let is_room = members.len() < MAX_BAGGAGE_MEMBERS || members.contains_key(key);
            if let (true, Ok(value), true) = (is_key(key) && is_room, value, is_printable(properties)) {
                let properties = properties.trim_end().to_owned();
                members.insert(key.to_owned(), Entry { value: value.into_owned(), properties, own: false });
            }
        }
        Self(members)
    }

    /// Sets a member, in place of any other with that key. Returns false, and does nothing, when
    /// the key is not legal (a token of RFC 9110 of at most 256 bytes), or when no header could
    /// hold the member: the value has more than 8,192 bytes, or the client has set 64 others.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        let others = || self.0.iter().filter(|(known, entry)| entry.own && *known != key).count();
        let is_legal = is_key(key) && value.len() <= MAX_BAGGAGE_BYTES && others() < MAX_BAGGAGE_MEMBERS;
        if is_legal {
            self.0.insert(key.to_owned(), Entry { value: value.to_owned(), properties: String::new(), own: true });
        }
        is_legal
    }

    /// About how many bytes the members hold.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(key, entry)| key.len() + entry.value.len() + entry.properties.len() + 2).sum()
    }

    /// The value of a member, decoded.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|entry| entry.value.as_str())
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds every member of `other`, in place of own ones with the same key.
    pub fn merge(&mut self, other: &Baggage) {
        self.0.extend(other.0.iter().map(|(key, entry)| (key.clone(), entry.clone())));
    }

    /// The members that have one of these keys.
    #[must_use]
    pub fn only(&self, keys: &[String]) -> Self {
        let listed = self.0.iter().filter(|(key, _)| keys.contains(key));
        Self(listed.map(|(key, entry)| (key.clone(), entry.clone())).collect())
    }

    /// The header's value, at most 64 members and 8,192 bytes. Members that the client set are the
    /// first to be left out, then the last ones. Empty when there is no member.
    pub fn header(&self) -> String {
        let members: Vec<(bool, String)> = self
            .0
            .iter()
            .map(|(key, entry)| {
                let value = utf8_percent_encode(&entry.value, VALUE);
                let mark = if entry.properties.is_empty() { "" } else { ";" };
                (entry.own, format!("{key}={value}{mark}{}", entry.properties))
            })
            .collect();
        let mut count = members.len();
        let mut bytes: usize = members.iter().map(|member| member.1.len() + 1).sum();
        let mut is_left_out = vec![false; members.len()];
        // Ours from the last one on, then the others.
        for own in [true, false] {
            for (member, is_out) in members.iter().zip(&mut is_left_out).rev().filter(|(member, _)| member.0 == own) {
                if count <= MAX_BAGGAGE_MEMBERS && bytes <= MAX_BAGGAGE_BYTES + 1 {
                    break;
                }
                (*is_out, count, bytes) = (true, count - 1, bytes - member.1.len() - 1);
            }
        }
        let kept = members.into_iter().zip(is_left_out).filter(|(_, is_out)| !is_out);
        let texts: Vec<String> = kept.map(|(member, _)| member.1).collect();
        texts.join(",")
    }
}

/// The members within the first [`MAX_BAGGAGE_BYTES`] of the headers. One that is cut by the limit
/// is left out.
fn bounded<'a>(values: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut left = MAX_BAGGAGE_BYTES;
    let read = values.into_iter().map_while(move |value| {
        let kept = if value.len() <= left {
            value
        } else {
            let cut = value.as_bytes().get(..=left)?.iter().rposition(|byte| *byte == b',')?;
            value.get(..cut)?
        };
        // The comma that joins two headers counts as well.
        left = if kept.len() == value.len() { left.saturating_sub(kept.len() + 1) } else { 0 };
        Some(kept)
    });
    read.flat_map(|value| value.split(','))
}

/// Whether a key is a token of RFC 9110 §5.6.2 and not too long.
fn is_key(key: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !key.is_empty() && key.len() <= MAX_BAGGAGE_KEY_BYTES && key.bytes().all(is_token)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (0x20..=0x7e).contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ours_go_first_when_there_is_too_much() {
        let foreign: Vec<String> = (0..64).map(|n| format!("k{n:02}=1")).collect();
        let mut baggage = Baggage::parse([foreign.join(",").as_str()]);
        baggage.set("aaa", "ours");
        assert_eq!(baggage.header(), foreign.join(","));
        let mut long = Baggage::parse([format!("a={}", "x".repeat(8_000)).as_str()]);
        long.set("session.id", &"y".repeat(400));
        assert!(long.header().starts_with("a=x") && !long.header().contains("session.id"));
    }

    #[test]
    fn a_huge_header_is_not_read_beyond_its_limits() {
        let many: Vec<String> = (0..40_000).map(|n| format!("k{n}=v{n}")).collect();
        let read = Baggage::parse([many.join(",").as_str()]);
        assert_eq!((read.0.len(), read.get("k63"), read.get("k64")), (64, Some("v63"), None));
        // Read as one header, and as two.
        let long = format!("a=1,b={},c=2", "x".repeat(8_184));
        let (first, second) = long.split_at(3);
        for headers in [vec![long.as_str()], vec![first, &second[1..]]] {
            let read = Baggage::parse(headers);
            assert_eq!((read.get("a"), read.get("b").map(str::len), read.get("c")), (Some("1"), Some(8_184), None));
        }
        assert!(Baggage::parse([format!("a={}", "x".repeat(538_000)).as_str()]).is_empty());
        let far = ["a=1", &",".repeat(8_192), "b=2"];
        assert_eq!(Baggage::parse(far).header(), "a=1");
    }

    #[test]
    fn an_app_that_sets_members_without_end_holds_no_more_than_a_header_can() {
        let mut baggage = Baggage::default();
        let set = (0..40_000).filter(|n: &u32| baggage.set(&format!("k{n}"), "v")).count();
        assert_eq!((set, baggage.header().split(',').count()), (64, 64));
        assert!(baggage.set("k1", "again") && !baggage.set("k1", &"v".repeat(8_193)));
        assert_eq!(baggage.get("k1"), Some("again"));
    }

    proptest! {
        #[test]
        fn any_value_comes_back_as_it_was(value in "\\PC{0,60}") {
            let mut baggage = Baggage::default();
            baggage.set("user.id", &value);
            let header = baggage.header();
            prop_assert!(header.bytes().all(|b| (0x21..=0x7e).contains(&b)));
            let read = Baggage::parse([header.as_str()]);
            prop_assert_eq!(read.get("user.id"), Some(value.as_str()));
        }

        #[test]
        fn any_header_is_read_without_a_panic(text in "\\PC{0,100}") {
            let read = Baggage::parse([text.as_str()]);
            prop_assert_eq!(Baggage::parse([read.header().as_str()]).header(), read.header());
        }
    }
}
