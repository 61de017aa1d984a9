//! The door for the Java virtual machine: the native methods of `dev.throughline.internal.Door`,
//! `record(long, byte[], int)` and `version()`.
#![allow(unsafe_code, reason = "the Java Native Interface is a table of C functions")]

use jni_sys::{JNIEnv, jbyteArray, jclass, jint, jlong};

use crate::answer::Answer;
use crate::door::record;
use crate::draft::layout::{LIBRARY_VERSION, MAX_DRAFT_BYTES};
use crate::guard::guard;

/// Drafts of at most this many bytes are copied to the stack, longer ones to the heap.
const SMALL: usize = 1_024;

/// Takes the first `length` bytes of `draft`, which are copied because the collector may move the
/// array. Answers as [`throughline_record`](crate::throughline_record) does.
///
/// # Safety
/// Only the virtual machine may call this. It passes its own environment and a live reference.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_throughline_internal_Door_record(
    env: *mut JNIEnv,
    _class: jclass,
    handle: jlong,
    draft: jbyteArray,
    length: jint,
) -> jlong {
    let refused = || Answer::MALFORMED;
    let answer = guard(refused, || {
        let Ok(bytes) = usize::try_from(length) else { return Answer::MALFORMED };
        if env.is_null() || draft.is_null() || bytes > MAX_DRAFT_BYTES {
            return Answer::MALFORMED;
        }
        let mut small = [0_u8; SMALL];
        let mut large;
        let copy = match small.get_mut(..bytes) {
            Some(copy) => copy,
            None => {
                large = vec![0; bytes];
                large.as_mut_slice()
            }
        };
        // SAFETY: the environment is the virtual machine's, which is valid on this thread during
        // this call.
        let functions = unsafe { &(**env).v1_1 };
        // SAFETY: `draft` is a live array, which is the only condition for asking its length.
        if unsafe { (functions.GetArrayLength)(env, draft) } < length {
            return Answer::MALFORMED;
        }
        // SAFETY: the region lies in the array, whose length was just checked, and `copy` has room
        // for it.
        unsafe { (functions.GetByteArrayRegion)(env, draft, 0, length, copy.as_mut_ptr().cast()) };
        record(handle as u64, copy)
    });
    answer.code()
}

/// The version of this library: see [`throughline_version`](crate::throughline_version).
#[unsafe(no_mangle)]
pub extern "system" fn Java_dev_throughline_internal_Door_version(_env: *mut JNIEnv, _class: jclass) -> jlong {
    LIBRARY_VERSION as jlong
}
