//! A bug of ours becomes a count, never an abort of the app.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Panics that were caught at the boundary, in this process.
pub(crate) static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs `work`; if it panics, `fallback` is the answer.
#[inline]
pub(crate) fn guard<R>(fallback: impl FnOnce() -> R, work: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => answer,
        Err(panic) => {
            PANICS.fetch_add(1, Ordering::Relaxed);
            // A payload that panics when it is dropped would get out.
            std::mem::forget(panic);
            fallback()
        }
    }
}
