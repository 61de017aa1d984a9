//! Limits of the journal's ring, and of what the processor is asked for ahead of it.

use super::{KIB, MIB};

/// Bytes of the journal's ring: one second of 10,000 events of 100 bytes.
pub const JOURNAL_BYTES: usize = MIB;
/// Quarters of the ring that events and bulk may fill, so that errors still have a place.
pub(crate) const JOURNAL_EVENT_QUARTERS: u64 = 3;
/// Tenths of the ring that errors may fill, so that crashes and contexts still have a place.
pub(crate) const JOURNAL_ERROR_TENTHS: u64 = 9;
/// Bytes of the ring that are left to contexts: the user who has just signed out, the view that is
/// shown now. No event is recorded before them, so events must not take the last place.
pub(crate) const JOURNAL_CONTEXT_BYTES: u64 = 16 * KIB as u64;
/// Bytes ahead of the writer's position whose pages the worker makes writable in advance, so that
/// no caller waits for a page fault.
pub const JOURNAL_PREFAULT_BYTES: usize = 128 * KIB;
/// Bytes in the journal at which it wakes the worker: a quarter, long before the first lane is
/// refused.
pub const JOURNAL_WAKE_BYTES: u64 = 256 * KIB as u64;
/// Bytes of a cache line, on the processors of phones and computers.
pub(crate) const CACHE_LINE_BYTES: usize = 64;
/// Cache lines that are asked for ahead of the next record, which usually has about a hundred
/// bytes.
pub(crate) const PREFETCHED_LINES: usize = 3;
