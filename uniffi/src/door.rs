//! The one C symbol for everything that is frequent.
#![allow(unsafe_code, reason = "a pointer and a length come from C")]

use std::sync::atomic::Ordering;

use crate::apply::{CLOSED, MALFORMED, apply};
use crate::client::find;
use crate::draft::Draft;
use crate::guard::guard;

/// Takes a draft (see [`draft`](crate::draft)) of the client `handle`, from any thread. Does not
/// keep the pointer, does not wait, does not fail: what cannot be served is counted.
///
/// Answers 1 when it was done, 0 when the core did not keep it, -1 when there is no such client or
/// it is shut down, -2 when the bytes are no draft, -3 when they name something that is not there.
/// "Decide" answers `version << 8 | code`, where code 0 records and any other ignores; "declare
/// store" and "update policy" answer the policy's version.
///
/// # Safety
/// `draft` must point to `length` readable bytes, or `length` must be 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn throughline_record(handle: u64, draft: *const u8, length: usize) -> i64 {
    let bytes = if draft.is_null() || length == 0 || length > isize::MAX as usize {
        &[][..]
    } else {
        // SAFETY: the caller vouches for `length` readable bytes, which stay unchanged for the time
        // of this call.
        unsafe { std::slice::from_raw_parts(draft, length) }
    };
    record(handle, bytes)
}

/// The door without its pointer.
#[inline]
pub(crate) fn record(handle: u64, bytes: &[u8]) -> i64 {
    guard(
        || CLOSED,
        || {
            let Some(client) = find(handle) else { return CLOSED };
            let Ok(draft) = Draft::read(bytes) else {
                client.counts.malformed.fetch_add(1, Ordering::Relaxed);
                return MALFORMED;
            };
            client.with(|telemetry| apply(client, telemetry, &draft)).unwrap_or(CLOSED)
        },
    )
}
