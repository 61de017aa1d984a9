//! The file and its slots for a thread that writes down another one's exception.

use core::sync::atomic::Ordering;

use super::{FILE, ORDER, OWNER, RUNNING, is_recent, judge, release, take, verdict};
use crate::entered::FRAMES;
use crate::layout::{SLOT_AT, slot};
use crate::memory::Memory;
use crate::sys;
use crate::words::{Stage, Verdict};

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
    // It has gone on since its last exception, or it had none.
    for at in SLOT_AT {
        if is_owner(memory, at, thread) {
            release(memory, at);
        }
    }
    let (index, at) = take(memory, thread)?;
    if let Some(frame) = FRAMES.get(index) {
        frame.leave();
    }
    memory.put_half(at.wrapping_add(slot::ORDER), ORDER.fetch_add(1, Ordering::AcqRel));
    memory.half(at.wrapping_add(slot::FLAGS)).store(0, Ordering::Release);
    memory.publish(at.wrapping_add(slot::STAGE), Stage::Empty as u32);
    memory.put_half(at.wrapping_add(slot::STACK_PAGES), 0);
    judge(memory, at, Verdict::Writing);
    Some((index, at))
}

/// The slot of an exception of this thread, from which the signal that it handles now has followed.
pub(super) fn merged(memory: Memory, thread: u32) -> Option<usize> {
    SLOT_AT.into_iter().zip(&FRAMES).find_map(|(at, frame)| {
        let is_written = matches!(verdict(memory, at), Verdict::Provisional | Verdict::Confirmed);
        // A slot that a signal handler writes has a frame.
        let is_of_exception = is_owner(memory, at, thread) && frame.is_empty();
        (is_of_exception && is_written && is_recent(memory, at)).then_some(at)
    })
}
