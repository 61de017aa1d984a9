//! The numbers of the layout, and where the facades cut what they write.

use throughline::limits::{
    MAX_BLOB_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_EVENT_BYTES, MAX_KEY_BYTES, MAX_MESSAGE_CHARS, MAX_NAME_CHARS,
    MAX_PATH_BYTES, MAX_RESPONSE_BYTES, MAX_STACK_CHARS, MAX_TEXT_CHARS,
};

use super::rows::{TextLimit, constants};

constants! {
    /// The parts of a draft.
    pub LAYOUT as "DraftLayout" {
        /// The version of the layout.
        VERSION: u8 = 1;
        /// The version of the library: bits 32 and above are the major number, 16 to 31 the minor
        /// one, 0 to 15 the patch.
        LIBRARY_VERSION: u64 = packed(env!("CARGO_PKG_VERSION"));
        /// Bytes before the fields.
        HEADER_BYTES: usize = 24;
        /// Where the header has the time.
        TIME_AT: usize = 16;
        /// A longer draft is refused. Twice what an event may have, because the core still cuts
        /// texts.
        MAX_DRAFT_BYTES: usize = 2 * MAX_EVENT_BYTES;
    }
}

/// What the first byte of a value says.
pub mod tag {
    use crate::draft::rows::constants;

    constants! {
        /// What the first byte of a value says.
        pub TAGS as "Tag" {
            /// No value, where a value is optional.
            NONE: u8 = 0;
            /// `u8`: 0 is false.
            BOOL: u8 = 1;
            /// `i64`.
            INT: u8 = 2;
            /// `f64`.
            DOUBLE: u8 = 3;
            /// `u32` and that many bytes of UTF-8.
            TEXT: u8 = 4;
            /// `u32` and that many bytes.
            BYTES: u8 = 5;
            /// `u16` and that many values.
            LIST: u8 = 6;
            /// `u16` and that many (text, value).
            MAP: u8 = 7;
        }
    }
}

constants! {
    /// Where the facades cut what they write: a little more than the core keeps, so that it still
    /// sees, and marks, that something was cut.
    pub LIMITS as "Limit" {
        /// Attributes of one call.
        ATTRIBUTES: usize = 1_000;
        /// Attributes, lists and maps that would begin after this many bytes are left out.
        ATTRIBUTES_END_BYTES: usize = 160 * 1_024;
        /// Elements of a list or a map.
        ELEMENTS: usize = MAX_ELEMENTS + 1;
        /// Levels of lists and maps within one another.
        DEPTH: usize = MAX_DEPTH;
        /// Bytes of a value of bytes.
        BLOB_BYTES: usize = MAX_BLOB_BYTES + 1;
        /// Headers of a message.
        HEADERS: usize = 64;
        /// Bytes of the body of an answer to an upload.
        RESPONSE_BYTES: usize = MAX_RESPONSE_BYTES + 1;
    }
}

/// Where the facades cut texts, in the units that each language counts them in.
pub const TEXT_LIMITS: &[TextLimit] = &[
    TextLimit::of_chars("TEXT", MAX_TEXT_CHARS, "A text as the value of an attribute."),
    TextLimit::of_bytes("KEY", MAX_KEY_BYTES, "The key of an attribute."),
    TextLimit::of_chars("NAME", MAX_NAME_CHARS, "A name, and every other text that has no limit of its own."),
    TextLimit::of_chars("MESSAGE", MAX_MESSAGE_CHARS, "The message of an error, the body of a log."),
    TextLimit::of_mostly_ascii("STACK", MAX_STACK_CHARS, "The stack of an error."),
    TextLimit::of_bytes("PATH", MAX_PATH_BYTES, "A path of a store."),
    TextLimit::of_bytes("URL", 8_192, "A URL: long enough that the core finds the end of a query that it removes."),
    TextLimit::of_bytes("POLICY", 65_536, "The policy of a store, as JSON."),
];

/// A version of three numbers in one. What follows a hyphen or a plus sign is not part of it.
const fn packed(version: &str) -> u64 {
    let mut rest = version.as_bytes();
    let (mut numbers, mut number, mut places) = (0, 0, 0);
    loop {
        match rest {
            [digit @ b'0'..=b'9', tail @ ..] => {
                number = number * 10 + (*digit - b'0') as u64;
                rest = tail;
            }
            [b'.', tail @ ..] if places < 2 => {
                (numbers, number, places) = (numbers << 16 | number, 0, places + 1);
                rest = tail;
            }
            _ => return numbers << 16 | number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::packed;

    #[test]
    fn a_version_is_three_numbers_in_one() {
        assert_eq!(packed("1.2.3"), 1 << 32 | 2 << 16 | 3);
        assert_eq!(packed("0.12.345-beta.1"), 12 << 16 | 345);
    }
}
