//! The draft event: what a facade writes and [`Draft::read`] reads.
//!
//! A draft says what happened. Ids, session, view, sampling and redaction are the core's part.
//! Numbers are little-endian and nothing is aligned.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1: [`layout::VERSION`] |
//! | call | 1: a code of [`Call`], which lists the calls and their fields |
//! | reserved | 2: zero |
//! | suppressed | 4: mutations of a store that the facade has suppressed since the last draft |
//! | context | 8: the slot of the span or context that caused it; 0: the core's current one |
//! | time | 8: wall time in ns since the Unix epoch; 0: now |
//! | fields | those of the call, in their order |
//!
//! A slot is a number that the facade chooses for a span, a request or a context, unique in the
//! process and not 0. So a span can be started, and referred to, before the core has started. Bytes
//! after the fields are ignored: a later version of a call may add some.
//!
//! | field | bytes |
//! |---|---|
//! | `u8` … `u64`, `i64`, `f64` | the number |
//! | `flag` | `u8`: 0 is false |
//! | `text` | `u32` and that many bytes of UTF-8 |
//! | `value` | a tag of [`tag`] and what the tag says; lists and maps are nested at most 8 deep |
//! | `value?` | a `value`, or the tag 0 for none |
//! | `attributes` | `u16` and that many (text, value) |
//! | `headers` | `u16` and that many (text, text) |
//! | `phases` | `u8` and that many (`u8` phase, `u64` ns after the request's start, `u64` ns) |
//! | `action type` and others | `u8`: a code of [`codes`] |
//!
//! This module is the only definition of the layout. [`table`] gives it as data, from which
//! `cargo xtask bindings` writes the constants of the facades.

mod calls;
pub mod codes;
mod fields;
pub mod layout;
mod reader;
pub mod rows;
pub mod table;

pub use calls::Call;
pub use codes::{Instrument, Outcome};
pub use fields::{Attributes, Headers, OptionalValue, Phases};
pub use layout::tag;

use self::layout::{MAX_DRAFT_BYTES, VERSION};
use self::reader::Reader;

/// The bytes are not a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A draft event that lies in a host's memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draft<'a> {
    /// How many mutations of a store the facade has suppressed since the last draft.
    pub suppressed: u32,
    /// The slot of what caused it. 0: what the core knows to be current.
    pub context: u64,
    /// Wall time in ns since the Unix epoch. 0: now.
    pub time_ns: u64,
    /// What happened.
    pub call: Call<'a>,
}

impl<'a> Draft<'a> {
    /// Reads a draft. Attributes and values are read only when they are lent.
    ///
    /// # Errors
    /// [`Malformed`] when there are too many bytes or too few, or when the version or the code is
    /// not one of this layout.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_DRAFT_BYTES {
            return Err(Malformed);
        }
        let mut reader = Reader(bytes);
        let [version, code] = [reader.u8()?, reader.u8()?];
        let _reserved = reader.u16()?;
        let (suppressed, context, time_ns) = (reader.u32()?, reader.u64()?, reader.u64()?);
        if version != VERSION {
            return Err(Malformed);
        }
        Ok(Self { suppressed, context, time_ns, call: Call::read(code, &mut reader)? })
    }
}
