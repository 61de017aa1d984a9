//! Limits of reading a crash.

use super::MIB;

/// Frames of a stack: a deeper one is recursion, and its first frames show it.
pub(crate) const MAX_CRASH_FRAMES: usize = 256;
/// Bytes of a table of unwinding that are read into memory. That of a browser's engine has 20 MB.
pub(crate) const MAX_UNWIND_TABLE_BYTES: u64 = 64 * MIB as u64;
/// Attempts to read a run file before it is set aside: the second does without unwind tables, and a
/// third would hardly go better.
pub(crate) const CRASH_ATTEMPTS: u32 = 2;
