//! The priority of our threads. Linux's is the core's: no unsafe code is needed there.
#![cfg_attr(
    target_vendor = "apple",
    allow(unsafe_code, reason = "a thread's quality of service is set by a C function")
)]

/// Utility: behind everything that the user waits for.
#[cfg(target_vendor = "apple")]
pub(crate) fn lower() {
    // SAFETY: takes numbers, and is about the calling thread alone.
    unsafe { libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_UTILITY, 0) };
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) fn lower() {}
