//! The worker's thread: its runtime, its priority, and what happens when it panics.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;

use super::{Command, Shared, Worker};
use crate::engine::recorder::mark_own_thread;
use crate::model::limits::{IO_THREAD_KEEP_ALIVE, WORKER_STARTS};
use crate::storage::health::StorageState;

/// Starts the thread.
pub(crate) fn spawn(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>) -> std::io::Result<()> {
    std::thread::Builder::new().name("throughline".to_owned()).spawn(move || run(&shared, commands)).map(|_| ())
}

fn run(shared: &Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
    yield_to_others();
    begin_thread(shared.on_thread_start);
    let _alone = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
    let on_thread_start = shared.on_thread_start;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(1)
        .thread_name("throughline-io")
        .thread_keep_alive(IO_THREAD_KEEP_ALIVE)
        .on_thread_start(move || begin_thread(on_thread_start))
        .build();
    let Ok(runtime) = runtime else {
        shared.health().storage = StorageState::Locked("the runtime could not be made".to_owned());
        return;
    };
    for _ in 0..WORKER_STARTS {
        let work = std::panic::AssertUnwindSafe(|| runtime.block_on(Worker::new(shared).run(&mut commands)));
        match std::panic::catch_unwind(work) {
            Ok(()) => break,
            Err(_) => {
                shared.panics.fetch_add(1, Ordering::Relaxed);
                shared.debug.log("the worker panicked");
            }
        }
    }
    runtime.shutdown_background();
    // Nobody else obeys what was asked for while the worker ended.
    commands.close();
    while let Ok(command) = commands.try_recv() {
        if let Command::Switches(switches) = command {
            shared.save(switches);
        }
    }
}

/// Prepares one of the client's own threads.
fn begin_thread(on_thread_start: Option<fn()>) {
    mark_own_thread();
    if let Some(begin) = on_thread_start {
        let _ = std::panic::catch_unwind(begin);
    }
}

/// Lowers this thread's priority. On Darwin a thread's priority is its quality of service. Setting
/// it takes unsafe code, so the host does that in `Host::on_thread_start`.
fn yield_to_others() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use crate::model::limits::WORKER_NICENESS;
        // Without the priority the work is the same.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), WORKER_NICENESS);
    }
}
