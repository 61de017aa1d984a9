//! Erasing a data directory while no worker has it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::engine::directory::{erase_left, erase_others, erase_shared};
use crate::engine::worker::{Shared, erase_without_worker};

/// Erases what processes that are gone have left in `dir`.
pub(super) fn erase_left_behind(dir: PathBuf) {
    spawn(move || {
        erase_left(&dir);
        true
    });
}

/// Erases everything in `dir`, on a thread of its own, which then says whether nothing is left.
/// `shared` is what a client has that was on before. `None` when no thread can be started: then
/// nothing is erased.
pub(super) fn erase_behind(dir: PathBuf, shared: Option<Arc<Shared>>) -> Option<Receiver<bool>> {
    spawn(move || match shared {
        Some(shared) => erase_without_worker(&shared),
        None if dir.is_dir() => {
            erase_shared(&dir);
            erase_others(&dir, None)
        }
        None => true,
    })
}

fn spawn(erase: impl FnOnce() -> bool + Send + 'static) -> Option<Receiver<bool>> {
    let (done, is_done) = sync_channel(1);
    // Whoever asked may have stopped waiting.
    let run = move || {
        let _ = done.send(erase());
    };
    let thread = std::thread::Builder::new().name("throughline".to_owned()).spawn(run);
    thread.is_ok().then_some(is_done)
}
