//! The priority of Throughline's threads on Apple's systems. On Linux and Android the core lowers
//! it itself, without unsafe code.
#![cfg_attr(
    target_vendor = "apple",
    allow(unsafe_code, reason = "a thread's quality of service is set by a C function")
)]

/// Gives the calling thread the quality of service "utility": it runs behind everything that the
/// user waits for.
#[cfg(target_vendor = "apple")]
pub(crate) fn lower() {
    // SAFETY: the function takes numbers alone, and concerns only the calling thread.
    unsafe { libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_UTILITY, 0) };
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) fn lower() {}
