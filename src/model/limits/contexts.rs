//! Limits of the contexts to which events refer.

/// Newest contexts of the running process that are never pruned, because a thread may be recording
/// with one of them.
pub const KEPT_CONTEXTS: u32 = 32;
/// Bytes that a context costs besides its record: the columns of its key, and SQLite's header.
pub(crate) const CONTEXT_COLUMNS_BYTES: u64 = 24;
/// The longest entry that SQLite keeps in a page of a table without row ids, for pages of 4 KiB.
/// What is longer continues on pages of its own (SQLite's file format, section 1.6).
pub(crate) const INDEX_PAYLOAD_BYTES: u64 = 1_002;
/// The part of the queue's quota, one in so many, by which contexts may grow, or rows be evicted,
/// before contexts that no row needs are looked for. Looking for them reads every row.
pub(crate) const SWEEP_SHARE: u64 = 16;
/// Contexts that are forgotten in one transaction: SQLite's log grows with it, also on a disk that
/// is nearly full.
pub(crate) const SWEEP_STEP_CONTEXTS: usize = 256;
