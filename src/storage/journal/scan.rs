//! Walks the frames of a ring, whether it is in use or was read from a file.
//!
//! No byte is trusted: a frame counts only if its checksum covers the run and the offset at which
//! it is. A record of an earlier lap, or of another run, is therefore never taken for one of this
//! run.

use super::preamble::position;
use crate::model::limits::JOURNAL_BYTES;
use crate::storage::frame::{self, FrameType, HEADER};

/// A record that a drain visits.
#[derive(Debug)]
pub struct Drained<'a> {
    /// The type of the record.
    pub frame: FrameType,
    /// The logical offset behind the record.
    pub end: u64,
    /// A counter, and the event in its canonical form.
    pub payload: &'a [u8],
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainEnd {
    /// The offset up to which the ring was read.
    pub to: u64,
    /// Bytes that were skipped because they were no legal frame.
    pub damaged: u64,
    /// Whether the budget was used up before the tail was reached.
    pub more: bool,
}

/// Visits the frames from `head` on, until the budget of records and bytes is used up.
///
/// Before a known `tail` there must be legal frames, so what is not one is damage and is skipped.
/// Behind the tail, or when it is not known, the first illegal frame is the end of the records.
pub(super) fn scan(
    run: u64,
    head: u64,
    tail: Option<u64>,
    (max_records, max_bytes): (usize, usize),
    word: &dyn Fn(u64) -> u64,
    read: &dyn Fn(u64, usize, &mut Vec<u8>) -> bool,
    visit: &mut dyn FnMut(Drained<'_>),
) -> DrainEnd {
    let limit = head + JOURNAL_BYTES as u64;
    let known = tail.unwrap_or(head).min(limit);
    let mut end = DrainEnd { to: head, damaged: 0, more: false };
    let (mut records, mut bytes) = (0, 0);
    let mut payload = Vec::new();
    while end.to < limit && (end.to < known || tail.is_none()) {
        if records >= max_records || bytes >= max_bytes {
            end.more = true;
            break;
        }
        let at = end.to;
        let room = JOURNAL_BYTES - position(at);
        let header = word(at);
        let legal = frame::parse(header).filter(|(_, len)| frame::framed_len(*len) <= room).filter(|(frame, len)| {
            payload.clear();
            let sealed = *frame == FrameType::Pad || read(at + HEADER as u64, *len, &mut payload);
            sealed && frame::check(header, run, at, &payload)
        });
        match legal {
            Some((frame, len)) => {
                end.to = at + frame::framed_len(len) as u64;
                records += 1;
                bytes += len;
                if frame != FrameType::Pad {
                    visit(Drained { frame, end: end.to, payload: &payload });
                }
            }
            None if at < known => {
                end.to = at + HEADER as u64;
                end.damaged += HEADER as u64;
            }
            None => break,
        }
    }
    end
}
