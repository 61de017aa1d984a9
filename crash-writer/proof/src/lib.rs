//! Everything that the signal handler reaches, and nothing else.
#![no_std]

/// The handler, so that the linker keeps it and what it reaches.
#[unsafe(no_mangle)]
pub static THROUGHLINE_HANDLER: unsafe extern "C" fn(
    core::ffi::c_int,
    *mut libc::siginfo_t,
    *mut core::ffi::c_void,
) = throughline_crash_writer::handler;

unsafe extern "C" {
    /// Nobody defines it: a panic that can be reached shows as an undefined symbol.
    fn throughline_a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never linked into a program.
    unsafe { throughline_a_panic_can_be_reached() }
}
