//! Limits of reading a crash.

use std::time::Duration;

use super::MIB;

/// Frames of a stack: a deeper one is recursion, and its first frames show it.
pub(crate) const MAX_CRASH_FRAMES: usize = 256;
/// Bytes of a table of unwinding that are read into memory. That of a browser's engine has 20 MB.
pub(crate) const MAX_UNWIND_TABLE_BYTES: u64 = 64 * MIB as u64;
/// Attempts to read a run file before it is set aside: the second does without unwind tables, and a
/// third would hardly go better.
pub(crate) const CRASH_ATTEMPTS: u32 = 2;
/// How long before a crash that is certain a fault must lie that was left to another handler, to
/// have been survived: such handlers may take seconds to write a report of their own.
pub(crate) const SURVIVED_BEFORE: Duration = Duration::from_secs(5);
/// Bytes of a thread's name that Linux keeps: `TASK_COMM_LEN` without its zero.
pub(crate) const SYSTEM_THREAD_NAME_BYTES: usize = 15;
