//! The one background thread, `throughline`. It drains the journal into the database, recovers what
//! ended processes left, uploads, and answers the client.
//!
//! A current-thread tokio runtime drives the requests, one for each destination. SQLite is called
//! in between, in steps that are short enough that the journal never fills up. While events arrive
//! the worker ticks; when the journal is empty and nothing waits for a time, it parks without a
//! timer. A panic is caught and counted, and the worker starts again, up to
//! [`WORKER_STARTS`](crate::model::limits::WORKER_STARTS) times.
//!
//! - `thread.rs`: the thread, its runtime and its priority;
//! - `stack.rs`: the alternate stack of a thread of ours;
//! - `shared.rs`: what the client and the worker share;
//! - `command.rs`: what the client asks of the worker;
//! - `storage.rs`: what the worker holds of the disk, and what follows from a storage error;
//! - `settled.rs`: where the run begins in a directory that does not know it;
//! - `drain.rs`, `recovery.rs`, `upload.rs`: the three kinds of work;
//! - `erase.rs`: erasing everything;
//! - `flush.rs`: when a flush is over, and what it is told;
//! - `exits.rs`, `diagnostics.rs`: what Android and iOS say about earlier runs;
//! - `launch.rs`: what follows from how the last run ended;
//! - `watchdog.rs`: the thread that looks whether the app's main thread lives;
//! - `upkeep.rs`, `report.rs`: housekeeping, and what the worker reports about itself.

mod command;
mod diagnostics;
mod drain;
mod erase;
mod exits;
mod flush;
mod launch;
mod recovery;
mod report;
mod settled;
mod shared;
mod stack;
mod storage;
mod thread;
mod upkeep;
mod upload;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::engine::directory::Directory;
use crate::model::kill_point::kill_point;
use crate::model::limits::{LONGEST_WAIT, MANUAL_TICK};
use crate::model::time::Clock;
use crate::policy::crash_loop::Launch;
use crate::policy::schedule::Conditions;
use crate::storage::health::StorageState;
use crate::storage::switches::Switches;
use command::Closing;
pub(crate) use command::{Command, Ending};
use diagnostics::DiagnosticsJob;
pub use diagnostics::DiagnosticsOutcome;
pub(crate) use erase::erase_without_worker;
use exits::ExitsJob;
use flush::FlushJob;
pub use flush::FlushOutcome;
pub(crate) use shared::Shared;
use storage::{Open, Storage};
pub(crate) use thread::spawn;
use upload::{InFlight, Uploads};
use watchdog::Watchdog;

/// The worker's state, between the turns of its loop.
struct Worker<'a> {
    shared: &'a Arc<Shared>,
    storage: Storage,
    in_flight: Vec<InFlight<'a>>,
    /// When the connections are closed, unless there is another request before.
    keep_connections_until: Option<Instant>,
    flushes: Vec<FlushJob>,
    /// Flushes of crashes that wait until it is known how the last run ended.
    crash_flushes: Vec<FlushJob>,
    /// What holds for this launch. `None` while runs that are over are left to read.
    launch: Option<Launch>,
    /// Records of the system that wait until all runs that are over have been read.
    exits: Vec<ExitsJob>,
    /// Payloads of MetricKit's that wait for the same.
    diagnostics: Vec<DiagnosticsJob>,
    watchdog: Option<Watchdog>,
    /// The device's conditions, as the host reported them last.
    conditions: Conditions,
    /// Whether the journal may hold records that are not in the database.
    dirty: bool,
    /// When the journal is drained next.
    next_drain: Option<Instant>,
    /// The newest context when old ones were forgotten last.
    pruned_to: u32,
    /// Since when no backend has answered.
    offline_since: Option<Instant>,
    /// When the core's report about itself was recorded last.
    reported: Option<Instant>,
    /// When the last housekeeping was.
    cleaned_up: Option<Instant>,
    /// When the session could not be written down, until that is tried again.
    session_failed: Option<Instant>,
    /// Why the last request failed, if it did.
    last_failure: Option<String>,
    /// Server time less device time in milliseconds, as events carry it.
    server_offset_ms: i64,
    /// The device's clock as it was set when that was measured: wall time less boot time, ns.
    /// `None` before that.
    measured_at: Option<i64>,
    closing: Option<Closing>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        Self {
            shared,
            storage: if shared.is_suspended.load(Ordering::Relaxed) { Storage::Suspended } else { Storage::Opening },
            in_flight: Vec::new(),
            keep_connections_until: None,
            flushes: Vec::new(),
            crash_flushes: Vec::new(),
            launch: None,
            exits: Vec::new(),
            diagnostics: Vec::new(),
            watchdog: None,
            conditions: shared.conditions(),
            dirty: true,
            next_drain: Some(Instant::now()),
            pruned_to: 0,
            offline_since: None,
            reported: None,
            cleaned_up: None,
            session_failed: None,
            last_failure: None,
            server_offset_ms: 0,
            measured_at: None,
            closing: None,
        }
    }

    /// Works until the client asks for the end.
    async fn run(mut self, commands: &mut mpsc::UnboundedReceiver<Command>) {
        if self.is_switched_off() {
            self.shared.debug.log("an earlier process was switched off, so this one is too");
            self.shared.health().storage = StorageState::Off;
            return;
        }
        self.watchdog = Watchdog::start(self.shared, self.conditions.foreground);
        if matches!(self.storage, Storage::Suspended) {
            self.shared.health().storage = StorageState::Suspended;
        }
        loop {
            self.open_if_due();
            self.obey_erasure();
            let scopes = self.tick_scopes();
            self.follow_clock();
            let has_more = self.drain_if_due();
            let is_recovering = self.recover() || self.promote();
            self.judge_launch();
            self.report_exits();
            self.report_diagnostics();
            self.sweep_if_due();
            let is_busy = has_more || is_recovering;
            let uploads = self.upload();
            self.publish();
            self.finish_flushes(is_busy, uploads);
            if self.closing.is_some() && !has_more {
                self.close();
                return;
            }
            let timer = [self.timer(uploads), scopes].into_iter().flatten().min();
            // In no fixed order: a host that asks without a pause must not keep answers waiting,
            // nor the other way round.
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    // Every handle was dropped without a shutdown.
                    None => {
                        self.begin_closing(Ending::Shutdown, None);
                    }
                },
                (at, result) = InFlight::answer(&mut self.in_flight) => self.settle(at, result),
                () = self.shared.wake.notified() => self.woken(),
                // The timer counts whole milliseconds, which would be too coarse while there is
                // work.
                () = tokio::task::yield_now(), if is_busy => {}
                () = sleep(timer), if !is_busy => {}
            }
        }
    }

    /// Whether the client stays off, because an earlier process was switched off.
    fn is_switched_off(&self) -> bool {
        let switches = Switches::load(&self.shared.config.data_dir).unwrap_or_default();
        switches.enabled == Some(false) && self.shared.lifecycle.obey_earlier_process()
    }

    /// Does something to every open directory.
    fn directories(&mut self, change: impl FnMut(&mut Directory)) {
        if let Some(open) = self.storage.open() {
            open.directories().map(|(_, directory)| directory).for_each(change);
        }
    }

    /// When to work again without being woken. `None` parks the thread.
    fn timer(&self, uploads: Uploads) -> Option<Instant> {
        let now = Instant::now();
        let upload = match uploads {
            Uploads::Waiting(left) | Uploads::UnderWay(Some(left)) => Some(now + left.min(LONGEST_WAIT)),
            _ => None,
        };
        let connections = self.keep_connections_until.filter(|_| self.in_flight.is_empty());
        let manual = matches!(self.shared.clock, Clock::Manual(_)).then(|| now + MANUAL_TICK);
        let flush = self.flushes.iter().chain(&self.crash_flushes).map(|flush| flush.until).min();
        [self.next_drain, upload, connections, self.storage.due(), flush, manual].into_iter().flatten().min()
    }

    /// Ends soon: what the watchdog has seen is in the journal before that is read for the last
    /// time.
    fn begin_closing(&mut self, ending: Ending, reply: Option<SyncSender<()>>) {
        self.watchdog = None;
        self.drain_now();
        self.closing = Some(Closing { ending, reply });
    }

    /// Ends: closes the database and answers everybody who waits.
    fn close(&mut self) {
        // What has come since the last turn.
        self.keep_session();
        self.drain_all();
        self.cancel_requests("the client was shut down");
        let closing = self.closing.take().unwrap_or(Closing { ending: Ending::Shutdown, reply: None });
        self.shared.recorder().crash().end();
        if closing.ending == Ending::Shutdown {
            self.finish_run();
            // The run has ended as it should. A crash from here on is none of a run's.
            self.shared.recorder().journal().give_up_file();
        }
        self.publish();
        self.cut_flushes(self.shared.lifecycle.state().explanation().unwrap_or("the worker ended"));
        self.close_storage(Storage::Closed);
        self.shared.health().storage = match closing.ending {
            Ending::Shutdown => StorageState::Closed,
            Ending::SwitchOff => StorageState::Off,
        };
        if let Some(transport) = &self.shared.transport {
            self.shared.guarded(|| transport.idle());
        }
        if let Some(reply) = closing.reply {
            let _ = reply.send(());
        }
    }

    /// Ends the run in the books and removes its journal, if every record of it is in the database.
    fn finish_run(&mut self) {
        let journal = self.shared.recorder().journal();
        let Some(Open { own, run, .. }) = self.storage.open() else { return };
        if journal.waiting() > 0 {
            return;
        }
        let path = own.journal_path(journal.start().key);
        if own.queue.finish_run(*run, &journal.counters()).is_ok()
            && let Ok(path) = path
        {
            kill_point("recovery");
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
