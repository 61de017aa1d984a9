//! The worker's thread: its runtime, its priority, and what happens when it panics.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;

use super::stack::give_stack;
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
    let ended = match runtime {
        Ok(runtime) => {
            let ended = work(shared, &runtime, &mut commands);
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(format!("the runtime could not be made: {error}")),
    };
    // What the dead worker had open is closed: it was dropped when it died.
    if let Err(reason) = ended {
        shared.debug.log(&format!("the worker is dead: {reason}"));
        shared.health().storage = StorageState::Failed(reason);
    }
    // Nobody else obeys what was asked for while the worker ended.
    commands.close();
    while let Ok(command) = commands.try_recv() {
        if let Command::Switches(switches) = command {
            shared.save(switches);
        }
    }
}

/// Works until the client asks for the end. After a panic the worker starts again, up to
/// [`WORKER_STARTS`] times; then it is given up for this reason.
fn work(
    shared: &Arc<Shared>,
    runtime: &tokio::runtime::Runtime,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> Result<(), String> {
    let mut said = String::new();
    for _ in 0..WORKER_STARTS {
        let work = std::panic::AssertUnwindSafe(|| runtime.block_on(Worker::new(shared).run(commands)));
        match std::panic::catch_unwind(work) {
            Ok(()) => return Ok(()),
            Err(panic) => {
                shared.panics.fetch_add(1, Ordering::Relaxed);
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                said = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                shared.debug.log(&format!("the worker panicked: {said}"));
            }
        }
    }
    Err(format!("the worker panicked {WORKER_STARTS} times: {said}"))
}

/// Prepares one of the client's own threads.
fn begin_thread(on_thread_start: Option<fn()>) {
    mark_own_thread();
    give_stack();
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
