//! What the recorder knows about the thread that calls it.
//!
//! In a shared library every access to a thread-local value is a call, so what belongs together is
//! one value.

use std::cell::Cell;

use crate::model::event::encode::Scratch;
use crate::model::limits::SCRATCH_KEPT_BYTES;

struct Marks {
    /// The thread is one of ours: what our own uploads cause is never recorded.
    is_ours: Cell<bool>,
    /// How long ago, ns, the calls were made that this thread replays; 0 outside of a replay.
    ago: Cell<u64>,
}

thread_local! {
    // Without a destructor: both are there to the thread's very end.
    static MARKS: Marks = const { Marks { is_ours: Cell::new(false), ago: Cell::new(0) } };
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch::new()) };
}

/// Whether the current thread is one of ours.
#[inline]
pub(super) fn is_ours() -> bool {
    MARKS.with(|marks| marks.is_ours.get())
}

/// Marks the current thread as one of ours.
pub(super) fn mark_as_ours() {
    MARKS.with(|marks| marks.is_ours.set(true));
}

/// How long ago, ns, the calls were made that this thread replays.
#[inline]
pub(super) fn ago() -> u64 {
    MARKS.with(|marks| marks.ago.get())
}

/// Sets the time back to what it was, also when a replayed call panics.
struct EndOfReplay(u64);

impl Drop for EndOfReplay {
    fn drop(&mut self) {
        MARKS.with(|marks| marks.ago.set(self.0));
    }
}

/// Runs `work` as if its calls had been made `ago` ns ago.
pub(super) fn replaying<R>(ago: u64, work: impl FnOnce() -> R) -> R {
    let _end = EndOfReplay(MARKS.with(|marks| marks.ago.replace(ago)));
    work()
}

/// Sets the mark back to what it was.
struct EndOfSilence(bool);

impl Drop for EndOfSilence {
    fn drop(&mut self) {
        MARKS.with(|marks| marks.is_ours.set(self.0));
    }
}

/// Runs `work`, of which nothing is recorded.
pub(super) fn unrecorded<R>(work: impl FnOnce() -> R) -> R {
    let _end = EndOfSilence(MARKS.with(|marks| marks.is_ours.replace(true)));
    work()
}

/// Takes the thread's buffer. An empty one takes its place, for an event that is recorded while
/// another is being encoded; and there is none left when a destructor of the thread records.
#[inline]
pub(super) fn take_scratch() -> Scratch {
    SCRATCH.try_with(Cell::take).unwrap_or_default()
}

/// Gives the buffer back for the next event. One large event must not hold on to its memory.
#[inline]
pub(super) fn give_back(scratch: Scratch) {
    if scratch.capacity() <= SCRATCH_KEPT_BYTES {
        let _ = SCRATCH.try_with(|place| place.set(scratch));
    }
}
