//! The file and its slots for a thread that writes down another one's exception.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{FILE, ORDER, OWNER, RUNNING, is_recent, judge, release, take, verdict};
use crate::entered::FRAMES;
use crate::layout::{SLOT_AT, slot};
use crate::memory::Memory;
use crate::sys;
use crate::words::{Stage, Verdict};

/// The threads whose exceptions stand in the slots; 0 for a slot that a signal handler writes.
static STOPPED: [AtomicU32; SLOT_AT.len()] = [const { AtomicU32::new(0) }; SLOT_AT.len()];

/// Does something with the file, if there is one of this process. It stays mapped meanwhile.
pub(crate) fn with_file<T>(act: impl FnOnce(Memory) -> T) -> Option<T> {
    // In this order, as in the handler.
    RUNNING.fetch_add(1, Ordering::SeqCst);
    let file = FILE.load(Ordering::SeqCst);
    let is_ours = !file.is_null() && OWNER.load(Ordering::Acquire) == sys::process();
    // SAFETY: the file stays mapped while a handler is running, and this counts as one.
    let answer = is_ours.then(|| act(unsafe { Memory::new(file) }));
    RUNNING.fetch_sub(1, Ordering::AcqRel);
    answer
}

/// Whether a thread has a slot.
pub(crate) fn is_owner(memory: Memory, at: usize, thread: u32) -> bool {
    memory.half(at.wrapping_add(slot::OWNER)).load(Ordering::Acquire) == thread
}

/// Takes a slot for a thread that is stopped, and begins to write it.
pub(crate) fn begin_other(memory: Memory, thread: u32) -> Option<(usize, usize)> {
    for (index, at) in SLOT_AT.into_iter().enumerate() {
        // The thread has gone on since its last exception, or another one has survived its own.
        let is_over = matches!(verdict(memory, at), Verdict::None | Verdict::Returned | Verdict::Survived);
        if STOPPED.get(index).is_some_and(|stopped| {
            let stopped = stopped.load(Ordering::Acquire);
            stopped == thread || (stopped != 0 && is_over)
        }) {
            leave(memory, index, at);
        }
    }
    let (index, at) = take(memory, thread)?;
    if let (Some(frame), Some(stopped)) = (FRAMES.get(index), STOPPED.get(index)) {
        // No handler of this thread has a frame on a stack.
        frame.leave();
        frame.at.store(0, Ordering::Release);
        stopped.store(thread, Ordering::Release);
    }
    memory.put_half(at.wrapping_add(slot::ORDER), ORDER.fetch_add(1, Ordering::AcqRel));
    memory.half(at.wrapping_add(slot::FLAGS)).store(0, Ordering::Release);
    memory.publish(at.wrapping_add(slot::STAGE), Stage::Empty as u32);
    memory.put_half(at.wrapping_add(slot::STACK_PAGES), 0);
    memory.put_word(at.wrapping_add(slot::TOOK), 0);
    judge(memory, at, Verdict::Writing);
    Some((index, at))
}

/// The slot of an exception of this thread, from which the signal that it handles now has followed.
/// A slot of an exception that it has survived is free then.
pub(super) fn merged(memory: Memory, thread: u32) -> Option<usize> {
    let mut found = None;
    for (index, at) in SLOT_AT.into_iter().enumerate() {
        if STOPPED.get(index).is_none_or(|stopped| stopped.load(Ordering::Acquire) != thread) {
            continue;
        }
        let is_written = matches!(verdict(memory, at), Verdict::Provisional | Verdict::Confirmed);
        if is_written && is_recent(memory, at) && is_owner(memory, at, thread) {
            found = Some(at);
        } else {
            leave(memory, index, at);
        }
    }
    found
}

/// Gives up a slot that was written for an exception.
fn leave(memory: Memory, index: usize, at: usize) {
    let thread = STOPPED.get(index).map_or(0, |stopped| stopped.swap(0, Ordering::AcqRel));
    if thread != 0 && is_owner(memory, at, thread) {
        release(memory, at);
    }
}
