//! Limits of the journal's ring that concern the processor.

/// Bytes of a cache line, on the processors of phones and computers.
pub(crate) const CACHE_LINE_BYTES: usize = 64;
/// Cache lines that are asked for ahead of the next record, which usually has about a hundred
/// bytes.
pub(crate) const PREFETCHED_LINES: usize = 3;
