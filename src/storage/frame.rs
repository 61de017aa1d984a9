//! How a record lies in the journal: a frame around a payload.
//!
//! ```text
//! 4 bytes  length of the payload (low 24 bits) and the frame's type (high 8 bits), little endian
//! 4 bytes  CRC-32C over payload, run, logical offset, and the four bytes above
//! n bytes  payload: varint id counter, then the canonical record
//! padding  to a multiple of 8
//! ```
//!
//! The checksum covers the run and the *logical* offset. Bytes of an earlier lap of the ring or of
//! another run are therefore never taken for a record, wherever a kill or a damaged disk has left
//! them. The payload comes first in the checksum, so that it can be summed before the journal's
//! lock is taken. The rest is summed under the lock.

use crate::model::event::Lane;
use crate::model::event::decode::Reader;
use crate::model::event::encode::put_varint;
use crate::model::limits::MAX_FRAME_BYTES;
use crate::storage::journal::checksum;

/// Bytes of the header, which is before the payload.
pub const HEADER: usize = 8;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameType {
    /// A finished event of a lane.
    Event(Lane),
    /// A context record or a scope record. Its counter is the version.
    Context,
    /// An event that is not final yet.
    Open(Lane),
    /// A newer snapshot of an open event.
    Amend(Lane),
    /// The final form of an open event. When the record is empty, the last snapshot is final.
    Close(Lane),
    /// Padding that fills the end of the ring.
    Pad,
    /// Withdraws an open event, which is counted as dropped.
    Discard(Lane),
    /// A finished event that tail sampling keeps aside. It is sent only after a
    /// [`Release`](Self::Release).
    Aside(Lane),
    /// An event that is not final yet, and is kept aside.
    OpenAside(Lane),
    /// Releases what was kept aside before, because an error has happened, for example. The counter
    /// is 0 and the record is empty.
    Release,
    /// Fields that come behind those of an open event: something that happened during a span.
    Extend(Lane),
}

impl FrameType {
    #[inline]
    fn code(self) -> u8 {
        // The numbers follow the order of the declaration, so that the compiler needs no table.
        let number = match self {
            FrameType::Event(_) => 1,
            FrameType::Context => 2,
            FrameType::Open(_) => 3,
            FrameType::Amend(_) => 4,
            FrameType::Close(_) => 5,
            FrameType::Pad => 6,
            FrameType::Discard(_) => 7,
            FrameType::Aside(_) => 8,
            FrameType::OpenAside(_) => 9,
            FrameType::Release => 10,
            FrameType::Extend(_) => 11,
        };
        number << 4 | self.lane().code()
    }

    fn from_code(code: u8) -> Option<Self> {
        let lane = Lane::from_code(code & 0xf)?;
        Some(match code >> 4 {
            1 => FrameType::Event(lane),
            2 => FrameType::Context,
            3 => FrameType::Open(lane),
            4 => FrameType::Amend(lane),
            5 => FrameType::Close(lane),
            6 => FrameType::Pad,
            7 => FrameType::Discard(lane),
            8 => FrameType::Aside(lane),
            9 => FrameType::OpenAside(lane),
            10 => FrameType::Release,
            11 => FrameType::Extend(lane),
            _ => return None,
        })
    }

    /// The lane that decides how full the ring may be. A context is admitted like a crash, because
    /// crashes refer to it, and a release like the error that caused it.
    pub fn lane(self) -> Lane {
        match self {
            FrameType::Event(lane)
            | FrameType::Open(lane)
            | FrameType::Amend(lane)
            | FrameType::Close(lane)
            | FrameType::Discard(lane)
            | FrameType::Aside(lane)
            | FrameType::OpenAside(lane)
            | FrameType::Extend(lane) => lane,
            FrameType::Release => Lane::Error,
            FrameType::Context | FrameType::Pad => Lane::Crash,
        }
    }

    /// The same frame, kept aside.
    #[must_use]
    pub fn aside(self) -> Self {
        match self {
            FrameType::Event(lane) => FrameType::Aside(lane),
            FrameType::Open(lane) => FrameType::OpenAside(lane),
            other => other,
        }
    }

    /// Whether the frame is about an event that is open.
    pub fn is_about_open(self) -> bool {
        !matches!(self, FrameType::Event(_) | FrameType::Context | FrameType::Pad | FrameType::Aside(_))
    }

    /// Whether the frame adds an event to the books. A frame that amends or closes an open event
    /// does not.
    pub fn is_accepted(self) -> bool {
        matches!(self, FrameType::Event(_) | FrameType::Open(_) | FrameType::Aside(_) | FrameType::OpenAside(_))
    }
}

/// Bytes that a payload takes in the ring.
#[inline]
pub const fn framed_len(payload: usize) -> usize {
    (HEADER + payload + 7) & !7
}

/// The first half of a frame's header: the length of its payload, and its type.
#[inline]
pub fn word(frame: FrameType, payload_len: usize) -> u32 {
    payload_len as u32 | u32::from(frame.code()) << 24
}

/// The header of a frame whose first half is `word`. `payload_crc` is the CRC-32C of the payload
/// alone.
#[inline]
pub fn sealed(run: u64, offset: u64, word: u32, payload_crc: u32) -> u64 {
    u64::from(word) | u64::from(checksum::seal(payload_crc, run, offset, word)) << 32
}

/// The header of padding that fills `len` bytes. Its checksum does not cover those bytes.
pub fn pad(run: u64, offset: u64, len: usize) -> u64 {
    sealed(run, offset, word(FrameType::Pad, len.saturating_sub(HEADER)), 0)
}

/// Reads the type and the length of the payload from a header. `None` when one of them is not
/// possible.
pub fn parse(header: u64) -> Option<(FrameType, usize)> {
    let word = header as u32;
    let frame = FrameType::from_code((word >> 24) as u8)?;
    let length = (word & 0xff_ffff) as usize;
    // Padding may be as long as the rest of the ring, because its bytes are not read.
    (length <= MAX_FRAME_BYTES || frame == FrameType::Pad).then_some((frame, length))
}

/// Whether the checksum of a header holds for this run, this offset and this payload. For padding,
/// the payload is empty.
pub fn check(header: u64, run: u64, offset: u64, payload: &[u8]) -> bool {
    checksum::seal(checksum::of_payload(payload), run, offset, header as u32) == (header >> 32) as u32
}

/// Writes the counter with which a payload begins. The record follows.
pub fn put_counter(out: &mut Vec<u8>, n: u64) {
    put_varint(out, n);
}

/// Splits a payload into its counter and its record.
pub fn split(payload: &[u8]) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(payload);
    let n = reader.varint().ok()?;
    Some((n, reader.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_passes_only_where_it_was_written(
            run: u64, offset in 0u64..1 << 40, other in 0u64..1 << 40, payload in proptest::collection::vec(any::<u8>(), 0..300),
            flip in 0usize..2400,
        ) {
            let sealed = sealed(run, offset, word(FrameType::Event(Lane::Bulk), payload.len()), crc32c::crc32c(&payload));
            prop_assert_eq!(parse(sealed), Some((FrameType::Event(Lane::Bulk), payload.len())));
            prop_assert!(check(sealed, run, offset, &payload));
            prop_assert!(other == offset || !check(sealed, run, other, &payload));
            prop_assert!(!check(sealed, run ^ 1, offset, &payload));
            let mut damaged = payload.clone();
            if let Some(byte) = damaged.get_mut(flip / 8) {
                *byte ^= 1 << (flip % 8);
                prop_assert!(!check(sealed, run, offset, &damaged));
            }
        }

        #[test]
        fn arbitrary_headers_never_panic(bits: u64, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(bits);
            let _ = check(bits, 1, 2, &payload);
            let _ = split(&payload);
        }
    }
}
