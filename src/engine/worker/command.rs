//! What the client asks of the worker, and how the worker obeys.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::Worker;
use super::diagnostics::{DiagnosticsJob, DiagnosticsOutcome};
use super::exits::ExitsJob;
use super::flush::{FlushJob, FlushOutcome};
use super::watchdog::Watchdog;
use crate::engine::crash::SystemExit;
use crate::model::config::Consent;
use crate::model::limits::LONGEST_FLUSH;
use crate::model::time::BootTime;
use crate::policy::schedule::Conditions;
use crate::storage::crash::Phase;
use crate::storage::queue::DestinationBooks;
use crate::storage::switches::Switches;

/// How the worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client was shut down, or its last handle was dropped. The run is over.
    Shutdown,
    /// The client was switched off or the user denied consent. The client may start another
    /// worker, and the run goes on.
    SwitchOff,
}

/// The worker is about to end.
pub(super) struct Closing {
    pub(super) ending: Ending,
    /// `None` when no caller waits for the end.
    pub(super) reply: Option<SyncSender<()>>,
}

/// What the client asks of the worker. A caller that waits for the end of a command receives it
/// through `reply`.
pub(crate) enum Command {
    /// Send everything, as far as conditions and backends allow.
    Flush {
        timeout: Duration,
        /// `None` when the caller does not wait for the outcome.
        reply: Option<SyncSender<FlushOutcome>>,
    },
    /// Send the crashes, if the last run died at launch.
    FlushCrashes { timeout: Duration, reply: SyncSender<FlushOutcome> },
    /// Report what the system says about the ends of earlier runs, as far as it is new.
    Exits { exits: Vec<SystemExit>, process: String, reply: SyncSender<bool> },
    /// Report what MetricKit says in a payload, as far as it is new.
    Diagnostics { payload: Vec<u8>, zone_s: i32, reply: SyncSender<DiagnosticsOutcome> },
    /// Write what is in the journal to the database.
    Drain { reply: SyncSender<()> },
    /// Count what became of the events.
    Books { reply: SyncSender<Result<Vec<DestinationBooks>, String>> },
    /// The device's conditions have changed.
    Conditions {
        conditions: Conditions,
        /// When the host reported them.
        at: BootTime,
    },
    /// The app has paused a destination, or has ended that.
    Pauses,
    /// The host has shown the app's main thread.
    Watch,
    /// Close the database and release every lock.
    Suspend { reply: SyncSender<()> },
    /// Open the database again.
    Resume { reply: SyncSender<()> },
    /// Remember settings for the next start.
    Switches(Switches),
    /// The user has decided whether events may be sent.
    Consent(Consent),
    /// Erase everything that was recorded, and say whether nothing is left.
    Erase { reply: SyncSender<bool> },
    /// Tail sampling was configured anew.
    TailSampling,
    /// End.
    Shutdown { ending: Ending, reply: SyncSender<()> },
}

impl Worker<'_> {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Flush { timeout, reply } => {
                self.shared.scopes.end_windows();
                self.shared.scopes.snapshot_view();
                self.collect_metrics();
                self.report_self();
                self.drain_now();
                self.adopt();
                self.directories(|directory| directory.uploader.set_flush(true));
                // A caller may be willing to wait for ever.
                let until = Instant::now() + timeout.min(LONGEST_FLUSH);
                self.flushes.push(FlushJob { until, delivered: 0, is_of_crashes: false, reply });
            }
            Command::FlushCrashes { timeout, reply } => {
                let until = Instant::now() + timeout.min(LONGEST_FLUSH);
                let job = FlushJob { until, delivered: 0, is_of_crashes: true, reply: Some(reply) };
                self.crash_flushes.push(job);
            }
            Command::Exits { exits, process, reply } => {
                self.exits.push(ExitsJob { exits, process, reply });
            }
            Command::Diagnostics { payload, zone_s, reply } => {
                self.diagnostics.push(DiagnosticsJob { payload, zone_s, reply });
            }
            Command::Drain { reply } => {
                // The process may die next. What has ended would be ended once more by the next.
                self.keep_session();
                self.drain_all();
                // A caller that waits for this usually looks at the health next.
                self.publish();
                let _ = reply.send(());
            }
            Command::Books { reply } => {
                self.finish_salvage();
                self.drain_all();
                let books = match self.storage.open() {
                    Some(open) => open.own.queue.books().map_err(|error| error.to_string()),
                    None => Err("the database is not open".to_owned()),
                };
                let _ = reply.send(books);
            }
            Command::Conditions { conditions, at } => {
                if self.conditions.foreground && !conditions.foreground {
                    // What is in the database when the uploader learns of it is sent at once.
                    self.shared.scopes.end_windows();
                    self.shared.scopes.snapshot_view();
                    self.collect_metrics();
                    self.drain_all();
                }
                if !self.conditions.foreground && conditions.foreground {
                    self.follow_others();
                }
                self.conditions = conditions;
                if let Some(watchdog) = &self.watchdog {
                    watchdog.set_foreground(conditions.foreground);
                }
                let phase = if conditions.foreground { Phase::Running } else { Phase::Background };
                self.shared.recorder().crash().set_phase(phase);
                self.directories(|directory| directory.uploader.set_conditions(conditions, at));
            }
            Command::Pauses => {
                let names = self.shared.pauses.names();
                self.directories(|directory| directory.uploader.set_paused(names.clone()));
            }
            Command::Watch => {
                // One after the other: both would ask the main thread.
                self.watchdog = None;
                self.watchdog = Watchdog::start(self.shared, self.conditions.foreground);
            }
            Command::Suspend { reply } => {
                self.shared.is_suspended.store(true, Ordering::Relaxed);
                self.suspend();
                let _ = reply.send(());
            }
            Command::Resume { reply } => {
                self.shared.is_suspended.store(false, Ordering::Relaxed);
                self.resume();
                let _ = reply.send(());
            }
            Command::Switches(switches) => {
                self.shared.save(switches);
            }
            Command::Consent(consent) => {
                // What was recorded before belongs to the decision before.
                self.drain_all();
                if let Some(open) = self.storage.open() {
                    open.own.queue.set_consent(consent);
                }
            }
            Command::TailSampling => self.apply_tail_sampling(),
            Command::Erase { reply } => {
                let _ = reply.send(self.erase());
            }
            Command::Shutdown { ending, reply } => {
                self.begin_closing(ending, Some(reply));
            }
        }
    }
}
