//! The preamble: the bytes before the ring in the file. They say whose ring it is, where it begins
//! and ends, and what has been counted.
//!
//! ```text
//! byte 0     magic, bytes of the ring, key of the run, base time, CRC-32C of these
//! byte 64    tail: the offset behind the newest record
//! byte 72    head: the offset of the oldest record that is not in the database yet
//! byte 128   counters: see `RunCounters`
//! byte 256   the process that the file belongs to: see `owner`
//! byte 320   what another process has taken of it: see `RunFile::mark_taken`
//! ```
//!
//! The form is read by later versions and must not change.

use super::counters::RunCounters;
use crate::model::ids::RunKey;
use crate::model::limits::JOURNAL_BYTES;

/// Bytes of the preamble: a page of 16 KiB, as iOS and Android 15 have.
pub(super) const PREAMBLE: usize = 16 * 1024;
/// Where the tail is.
pub(super) const TAIL_AT: usize = 64;
/// Where the head is.
pub(super) const HEAD_AT: usize = 72;
/// Where the counters begin.
pub(super) const COUNTERS_AT: usize = 128;
/// Where the process stands that the file belongs to.
pub(super) const OWNER_AT: usize = 256;
/// Where it stands what another process has taken: an offset, the counters, and a checksum.
pub(super) const TAKEN_AT: usize = 320;
/// Words that stand there.
pub(super) const TAKEN_WORDS: usize = 2 + RunCounters::WORDS;
/// What the file begins with: this form, in its first version.
const MAGIC: u64 = u64::from_le_bytes(*b"TLJRNL01");
/// Where the base time is.
const BASE_AT: usize = 32;
/// Where the checksum is, and how many bytes it covers.
const CRC_AT: usize = 40;

/// What identifies a run. It is written into the preamble once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunStart {
    /// The key from which the ids of the run's events are computed.
    pub key: RunKey,
    /// The wall time to which the time deltas of the run's events refer, ns since the Unix epoch.
    pub base_wall: u64,
}

impl RunStart {
    /// The beginning of the preamble.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CRC_AT + 8);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&(JOURNAL_BYTES as u64).to_le_bytes());
        bytes.extend_from_slice(&self.key.0);
        bytes.extend_from_slice(&self.base_wall.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&u64::from(crc).to_le_bytes());
        bytes
    }

    /// Reads the beginning of the preamble. `None` when it is damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let summed = bytes.get(..CRC_AT)?;
        let key = RunKey(bytes.get(16..BASE_AT)?.try_into().ok()?);
        let is_whole = word(bytes, 0) == MAGIC && word(bytes, CRC_AT) == u64::from(crc32c::crc32c(summed));
        is_whole.then(|| Self { key, base_wall: word(bytes, BASE_AT) })
    }
}

/// The position in the ring of a logical offset.
#[inline]
pub(super) fn position(offset: u64) -> usize {
    offset as usize & (JOURNAL_BYTES - 1)
}

/// The word at a place of the file. Zero outside the file.
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
