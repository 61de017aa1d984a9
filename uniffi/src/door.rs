//! The one C symbol for everything that is frequent, and one for the version.
#![allow(unsafe_code, reason = "a pointer and a length come from C")]

use std::sync::atomic::Ordering;

use crate::answer::Answer;
use crate::apply::apply;
use crate::client::find;
use crate::draft::Draft;
use crate::draft::layout::LIBRARY_VERSION;
use crate::guard::guard;

/// Takes a draft (its layout is that of [`draft`](crate::draft)) for the client with a handle. May
/// be called from any thread. It does not keep the pointer, does not wait and does not fail: what
/// cannot be served is counted.
///
/// The answer is 1 when the draft was served, 0 when the core did not keep it, -1 when there is no
/// such client or it is shut down, -2 when the bytes are not a draft, and -3 when they name
/// something that is not there. "Declare store" and "update policy" answer the version of the
/// policy. "Decide" answers that version shifted left by 8 bits, and a code in these bits: 0 when
/// mutations of the path are recorded, any other when they are ignored.
///
/// # Safety
/// `draft` must point to `length` readable bytes, or `length` must be 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn throughline_record(handle: u64, draft: *const u8, length: usize) -> i64 {
    let bytes = if draft.is_null() || length == 0 || length > isize::MAX as usize {
        &[][..]
    } else {
        // SAFETY: the caller vouches for `length` readable bytes, which stay unchanged during this
        // call.
        unsafe { std::slice::from_raw_parts(draft, length) }
    };
    record(handle, bytes).code()
}

/// The version of this library, as [`LIBRARY_VERSION`] writes it. A facade compares it with the
/// version that it was made for before it uses anything else, because the generated code ends the
/// process, or misreads memory, when it meets another version.
#[unsafe(no_mangle)]
pub extern "C" fn throughline_version() -> u64 {
    LIBRARY_VERSION
}

/// The door without its pointer.
#[inline]
pub(crate) fn record(handle: u64, bytes: &[u8]) -> Answer {
    guard(
        || Answer::CLOSED,
        || {
            let Some(client) = find(handle) else { return Answer::CLOSED };
            let Ok(draft) = Draft::read(bytes) else {
                client.counts.malformed.fetch_add(1, Ordering::Relaxed);
                return Answer::MALFORMED;
            };
            client.with(|telemetry| apply(client, telemetry, &draft)).unwrap_or(Answer::CLOSED)
        },
    )
}
