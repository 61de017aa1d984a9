//! Limits of processes that share a data directory, and of the worker's life in one of them.

use std::time::Duration;

use super::{DAY, HOUR, KIB};

/// Processes that may share a data directory, each in a sub-directory of its own.
pub const MAX_SIBLING_PROCESSES: u32 = 16;
/// How long a process is taken for alive of which the system does not say whether it is: as long as
/// an app is usually suspended at night. A crash report that comes a day late is still of use.
pub const OWNER_IN_DOUBT: Duration = DAY;
/// Files of one process that a forked child must not keep: two of each client, a lock and a
/// journal. The table has a fixed size, because the child must not allocate.
pub(crate) const MAX_PARENT_FILES: usize = 256;
/// How often the worker is started in one go: after its third panic it stays off, because a fourth
/// start would hardly go better at once.
pub const WORKER_STARTS: u32 = 3;
/// Bytes of a small file that are read: each has a few hundred.
pub(crate) const MAX_SMALL_FILE_BYTES: u64 = 64 * KIB as u64;
/// Age at which the half of a replacement is removed that its process has left.
pub(crate) const LEFT_AFTER: Duration = HOUR;
/// Looks at the lock of the directory in which the journal lies, before it counts as locked:
/// another process holds it for a moment while it looks whether this one lives.
pub(crate) const HOME_LOCK_TRIES: u32 = 20;
/// Time between two of them.
pub(crate) const HOME_LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Looks at a small file that is empty, because another process has made it and is about to write
/// it.
pub(crate) const EMPTY_FILE_TRIES: u32 = 5;
/// Time between two of them.
pub(crate) const EMPTY_FILE_PAUSE: Duration = Duration::from_millis(1);
/// Run files that a start looks into, the newest first: each costs its caller five reads. Recovery
/// reads the others.
pub(crate) const MAX_RUN_FILES_AT_START: usize = 8;
