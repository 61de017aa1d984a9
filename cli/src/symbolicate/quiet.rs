//! Reading files that may be damaged in any way.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a reader of a file. None if it panicked: the libraries that read symbol files have bugs that
/// damaged files find, and one such file must not cost the others.
pub(super) fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}
