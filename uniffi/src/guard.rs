//! Turns a panic, which is a bug in Throughline, into a count. It must never end the app.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Panics that were caught at the boundary, in this process.
pub(crate) static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs `work`. If it panics, the result is that of `fallback`.
#[inline]
pub(crate) fn guard<R>(fallback: impl FnOnce() -> R, work: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => answer,
        Err(panic) => {
            PANICS.fetch_add(1, Ordering::Relaxed);
            // Dropping the payload could panic again, outside of the guard.
            std::mem::forget(panic);
            fallback()
        }
    }
}
