//! What a forked child must not keep: the client is off in it, and the files by which its parent
//! says that it lives are closed.
//!
//! A lock of `flock` belongs to the open file, which a child shares with its parent. A child that
//! outlives its parent would hold the locks on, and nobody would read what the parent left.
#![allow(unsafe_code, reason = "a handler that runs in a forked child")]

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::model::limits::MAX_PARENT_FILES;

/// No file has this number.
const FREE: i32 = i32::MIN;

static FORKED: AtomicBool = AtomicBool::new(false);
static FILES: [AtomicI32; MAX_PARENT_FILES] = [const { AtomicI32::new(FREE) }; MAX_PARENT_FILES];
static INSTALL: Once = Once::new();

/// Whether this process was forked from the one that started the core. Everything is off then.
#[inline]
pub(crate) fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Installs what notices a fork, once in a process.
pub(crate) fn install() {
    // SAFETY: `child` only uses atomics and `close`, which a forked child may call.
    INSTALL.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(child));
    });
}

extern "C" fn child() {
    FORKED.store(true, Ordering::Relaxed);
    for slot in &FILES {
        let file = slot.swap(FREE, Ordering::AcqRel);
        if file != FREE {
            // SAFETY: the slot held a file that `ParentFile` owns, which never closes it in a
            // child.
            unsafe { libc::close(file) };
        }
    }
}

/// An open file that a forked child does not keep.
#[derive(Debug)]
pub(crate) struct ParentFile {
    /// `None` only while it is dropped.
    file: Option<File>,
    slot: Option<usize>,
}

impl ParentFile {
    /// Takes a file. When there are more than [`MAX_PARENT_FILES`], a child keeps the further ones.
    pub(crate) fn new(file: File) -> Self {
        install();
        let raw = file.as_raw_fd();
        let slot =
            FILES.iter().position(|slot| slot.compare_exchange(FREE, raw, Ordering::AcqRel, Ordering::Relaxed).is_ok());
        Self { file: Some(file), slot }
    }
}

impl Drop for ParentFile {
    fn drop(&mut self) {
        if forked() {
            // It has been closed, and its number may be another file's by now.
            let _ = self.file.take().map(IntoRawFd::into_raw_fd);
        } else if let Some(slot) = self.slot.and_then(|slot| FILES.get(slot)) {
            slot.store(FREE, Ordering::Release);
        }
    }
}
