//! Limits of processes that share a data directory, and of the worker's life in one of them.

/// Processes that may share a data directory, each in a sub-directory of its own.
pub const MAX_SIBLING_PROCESSES: u32 = 16;
/// How often the worker is started in one go: after its third panic it stays off, because a fourth
/// start would hardly go better at once.
pub const WORKER_STARTS: u32 = 3;
