//! An allocator with a lock, as most have. It crashes on demand while it holds the lock, and ends
//! the process if anybody allocates in the signal handler.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};

use throughline_crash_writer::faults::is_inside;

/// The exit status of a process that allocated in the handler.
pub const ALLOCATED_IN_HANDLER: i32 = 97;

/// The thread whose next allocation crashes; 0 for none.
static CRASHES: AtomicU32 = AtomicU32::new(0);
/// The thread that holds the lock; 0 when none does.
static LOCK: AtomicU32 = AtomicU32::new(0);

pub struct Allocator;

/// Lets the next allocation of this thread crash, with the lock held.
pub fn crash_next() {
    CRASHES.store(thread(), Ordering::SeqCst);
}

fn thread() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() as u32 }
}

fn guard<R>(work: impl FnOnce() -> R) -> R {
    if is_inside() {
        // SAFETY: ends the process.
        unsafe { libc::_exit(ALLOCATED_IN_HANDLER) }
    }
    if LOCK.load(Ordering::Acquire) == thread() {
        // The panic of a crash allocates too.
        return work();
    }
    while LOCK.compare_exchange(0, thread(), Ordering::Acquire, Ordering::Relaxed).is_err() {
        std::hint::spin_loop();
    }
    let crashes = CRASHES.load(Ordering::SeqCst);
    if crashes != 0 && crashes == thread() {
        CRASHES.store(0, Ordering::SeqCst);
        crate::provoke();
    }
    let answer = work();
    LOCK.store(0, Ordering::Release);
    answer
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        guard(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        guard(|| unsafe { System.dealloc(at, layout) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: passed on.
        guard(|| unsafe { System.realloc(at, layout, size) })
    }
}
