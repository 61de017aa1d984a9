//! Faults that a test provokes inside the handler.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;
use crate::words::Stage;

/// One bit for each stage behind which the handler crashes.
static CRASH_BEHIND: AtomicU32 = AtomicU32::new(0);
/// How often it still does.
static CRASHES: AtomicU32 = AtomicU32::new(0);
/// The stage behind which the handler stays; 0 for none.
static STAY_BEHIND: AtomicU32 = AtomicU32::new(0);

/// Lets the handler crash behind each stage whose bit is set, `times` times in all.
pub fn crash_behind(stages: u32, times: u32) {
    CRASH_BEHIND.store(stages, Ordering::SeqCst);
    CRASHES.store(times, Ordering::SeqCst);
}

/// Lets the handler stay behind a stage, until somebody kills the process.
pub fn stay_behind(stage: Stage) {
    STAY_BEHIND.store(stage as u32, Ordering::SeqCst);
}

/// The thread whose handler is running; 0 when none is. With several, the last to enter.
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// Whether the calling thread is inside the handler, and not in one that ours has called.
pub fn is_inside() -> bool {
    INSIDE.load(Ordering::SeqCst) == sys::thread()
}

pub(crate) fn entered() {
    INSIDE.store(sys::thread(), Ordering::SeqCst);
}

pub(crate) fn left() {
    INSIDE.store(0, Ordering::SeqCst);
}

pub(crate) fn reached(stage: Stage) {
    while STAY_BEHIND.load(Ordering::SeqCst) == stage as u32 {
        sys::nap();
    }
    let is_chosen = CRASH_BEHIND.load(Ordering::SeqCst) & (1u32.wrapping_shl(stage as u32)) != 0;
    let left = CRASHES.load(Ordering::SeqCst);
    if is_chosen && left > 0 {
        CRASHES.store(left.wrapping_sub(1), Ordering::SeqCst);
        // SAFETY: none: this is the crash that a test wants.
        unsafe { core::ptr::without_provenance_mut::<u32>(8).write_volatile(1) };
    }
}
