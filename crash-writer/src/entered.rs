//! Which handlers of ours a thread has entered and not left.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::layout::SLOT_AT;
use crate::signal::Signal;

/// What a thread that writes a slot has left for the handler of a further signal.
pub(crate) struct Frame {
    thread: AtomicU32,
    /// Where the writer's token is on its stack.
    pub(crate) at: AtomicUsize,
    /// What stands there while the writer's frame is.
    pub(crate) token: AtomicU64,
    signal: AtomicU32,
    info: AtomicUsize,
    context: AtomicUsize,
}

pub(crate) static FRAMES: [Frame; SLOT_AT.len()] = [const { Frame::new() }; SLOT_AT.len()];
/// The frame of a handler that writes nothing and passes its signal on.
pub(crate) static PASSING: Frame = Frame::new();

impl Frame {
    const fn new() -> Self {
        Self {
            thread: AtomicU32::new(0),
            at: AtomicUsize::new(0),
            token: AtomicU64::new(0),
            signal: AtomicU32::new(0),
            info: AtomicUsize::new(0),
            context: AtomicUsize::new(0),
        }
    }

    pub(crate) fn enter(&self, mark: *const u64, token: u64, signal: Signal, thread: u32) {
        self.token.store(token, Ordering::Release);
        self.signal.store(signal.number as u32, Ordering::Release);
        self.info.store(signal.info as usize, Ordering::Release);
        self.context.store(signal.context as usize, Ordering::Release);
        self.at.store(mark as usize, Ordering::Release);
        self.thread.store(thread, Ordering::Release);
    }

    pub(crate) fn leave(&self) {
        self.thread.store(0, Ordering::Release);
    }
}

/// Whether the handler before ours has passed this very signal on to what was there before it,
/// which is us again: another SDK has installed itself before us and once more after us. It would
/// go on for ever. `here` is an address in the caller's frame.
pub(crate) fn is_called_back(signal: Signal, thread: u32, here: usize) -> bool {
    let is_ours = |frame: &Frame| {
        frame.thread.load(Ordering::Acquire) == thread
            && frame.context.load(Ordering::Acquire) == signal.context as usize
            // We are deeper in the stack than the handler that has asked. A later signal may have
            // its context at the same address, but begins where that one began.
            && here < frame.at.load(Ordering::Acquire)
    };
    FRAMES.iter().any(is_ours) || is_ours(&PASSING)
}

/// The signal that the writer of a slot was handling.
pub(crate) fn first_signal(index: usize) -> Option<Signal> {
    let frame = FRAMES.get(index)?;
    Some(Signal {
        number: frame.signal.load(Ordering::Acquire) as c_int,
        info: frame.info.load(Ordering::Acquire) as *mut libc::siginfo_t,
        context: frame.context.load(Ordering::Acquire) as *mut c_void,
    })
}
