//! Limits of what is done about a panic.

use std::time::Duration;

use super::MINUTE;

/// How long a thread that panics waits until its panic is recorded. It is a dying thread, and a
/// user sees no shorter pause.
pub(crate) const PANIC_PATIENCE: Duration = Duration::from_millis(100);
/// How long the frames of a panic are looked up before it is recorded without them.
pub(crate) const PANIC_STACK_PATIENCE: Duration = Duration::from_millis(80);
/// Panics that are recorded at the same time, each by two threads. Further ones are counted.
pub(crate) const MAX_PANICS_AT_ONCE: usize = 16;
/// Backtraces that are taken within [`PANIC_STACKS_WITHIN`]: one costs a millisecond, and the
/// hundredth of a loop says what the first one did.
pub(crate) const MAX_PANIC_STACKS: u64 = 60;
/// The time in which they are counted.
pub(crate) const PANIC_STACKS_WITHIN: Duration = MINUTE;
