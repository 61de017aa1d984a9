//! The run file: what a run writes down about itself while it lives, and how it died.
//!
//! `throughline-crash-writer` writes it, in a form that its `layout` describes, because it has to
//! do so inside a signal handler. This folder says what the host puts into it and reads it back:
//!
//! - `capture.rs`: the file of this process;
//! - `state.rs`: what the run is doing, and what is constant in it;
//! - `read.rs`: the file of a run that is over. No byte of it is trusted;
//! - `slot.rs`: a crash in it; `numbers.rs`: a number in its bytes;
//! - `tables.rs`: the unwind tables of a module, from its file.

mod capture;
mod numbers;
mod read;
mod slot;
mod state;
mod tables;
mod tlv;

use std::path::{Path, PathBuf};

pub use capture::Capture;
pub use read::{CrashFile, Module};
pub use slot::Crash;
pub use state::{CrashState, Facts, Fatal};
pub use tables::UnwindTables;
pub(crate) use throughline_crash_writer::AlternateStack;
pub use throughline_crash_writer::{Beat, Phase, Stage};

/// Where the run file of a journal's run is: beside the journal.
pub fn beside(journal: &Path) -> PathBuf {
    journal.with_extension("crash")
}

/// Where the stacks are in a run file: place and length.
pub fn stack_ranges() -> impl Iterator<Item = (u64, usize)> {
    use throughline_crash_writer::layout::{FILE_BYTES, SLOT_AT, slot::STACK_BYTES_AT};

    let ends = SLOT_AT.into_iter().skip(1).chain([FILE_BYTES]);
    SLOT_AT.into_iter().zip(ends).map(|(at, end)| ((at + STACK_BYTES_AT) as u64, end - at - STACK_BYTES_AT))
}

/// Gives the main thread an alternate stack, if it is the calling thread and has none. It is kept
/// for as long as the process lives: a stack overflow of the main thread is then written down.
pub(crate) fn give_main_stack() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if rustix::thread::gettid() == rustix::process::getpid()
        && let Some(stack) = AlternateStack::give()
    {
        std::mem::forget(stack);
    }
}
