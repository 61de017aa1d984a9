//! The one background thread, `throughline`: drains the journal, recovers dead runs, uploads, answers the client.
//!
//! A current-thread tokio runtime drives one request at a time; SQLite is called in between, in steps short enough that
//! the journal never starves. While events arrive the worker ticks; when the journal is clean and nothing waits for a
//! time, it parks without a timer. A panic is caught, counted, and the worker starts again, three times at most.

mod report;
mod storage;
mod thread;
mod upload;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use thread::spawn;
use tokio::sync::{Notify, mpsc};

use crate::engine::debug::DebugLog;
use crate::engine::directory::Directory;
use crate::engine::globals::GlobalContext;
use crate::engine::recorder::Recorder;
use crate::engine::scopes::Scopes;
use crate::engine::uploader::{Leased, Step};
use crate::model::config::{Config, Consent};
use crate::model::kill_point::kill_point;
use crate::model::limits::KEPT_CONTEXTS;
use crate::model::time::Clock;
use crate::policy::schedule::Conditions;
use crate::storage::health::{Health, StorageState};
use crate::storage::journal::RunCounters;
use crate::storage::queue::DestinationBooks;
use crate::storage::session_file;
use crate::storage::switches::Switches;
use crate::wire::transport::{Response, Transport, TransportError};

/// Delay before the storage is tried again; doubles up to a minute.
const REOPEN_AFTER: Duration = Duration::from_millis(250);
/// Time between two reports of the core about itself.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// How a flush ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushOutcome {
    /// Whether everything that had been recorded was delivered, or given up and booked.
    pub complete: bool,
    /// Events delivered meanwhile.
    pub delivered: u64,
    /// Events that still wait, for the destination that has the most of them.
    pub waiting: u64,
    /// Why the rest was not delivered.
    pub reason: Option<String>,
}

/// How the worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client was shut down, or its last handle was dropped. The run is over.
    Shutdown,
    /// The client was switched off or the user denied consent. The client may start another worker, and the run goes on.
    SwitchOff,
}

/// What decides whether a worker that starts stays on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switched {
    /// The persisted switch: the worker ends at once when an earlier call switched the client off.
    AsPersisted,
    /// A call has just switched the client on, whatever the persisted switch says.
    OnByCall,
}

/// What the client asks of the worker.
pub(crate) enum Command {
    Flush {
        timeout: Duration,
        /// `None` when the caller does not wait for the outcome.
        reply: Option<SyncSender<FlushOutcome>>,
    },
    Drain {
        reply: SyncSender<()>,
    },
    Books {
        reply: SyncSender<Result<Vec<DestinationBooks>, String>>,
    },
    Conditions(Conditions),
    Suspend {
        reply: SyncSender<()>,
    },
    Resume {
        reply: SyncSender<()>,
    },
    Switches(Switches),
    /// The user has decided: what was kept apart is promoted, or everything is erased.
    Consent(Consent),
    Erase {
        reply: SyncSender<()>,
    },
    /// The rule about sessions that are kept aside has changed.
    Keep,
    Shutdown {
        ending: Ending,
        reply: SyncSender<()>,
    },
}

/// What the client and the worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) on_thread_start: Option<fn()>,
    pub(crate) scopes: Scopes,
    pub(crate) globals: Arc<GlobalContext>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) health: Mutex<Health>,
    pub(crate) panics: AtomicU64,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) debug: DebugLog,
    /// [`Consent`], as its code.
    pub(crate) consent: Arc<AtomicU8>,
    /// Told by the worker when the persisted switch says "off".
    pub(crate) switched_off: std::sync::atomic::AtomicBool,
}

impl Shared {
    /// The recorder, which the scopes own.
    #[inline]
    pub(crate) fn recorder(&self) -> &Recorder {
        self.scopes.recorder()
    }

    /// Why nothing can be sent at all, if that is so.
    pub(crate) fn nowhere(&self) -> Option<&'static str> {
        if self.config.destinations.is_empty() {
            return Some("no endpoint is configured: events are kept on the device up to the quotas");
        }
        self.transport.is_none().then_some(
            "this build has no HTTP client and the host gave no transport: events are kept on the device up to the quotas",
        )
    }

    pub(crate) fn consent(&self) -> Consent {
        Consent::from_code(self.consent.load(Ordering::Acquire))
    }

    pub(crate) fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way.
struct InFlight<'a> {
    answer: Pin<Box<dyn Future<Output = Result<Response, TransportError>> + 'a>>,
    leased: Leased,
    /// The directory that it came from.
    dir: PathBuf,
}

struct FlushJob {
    until: Instant,
    delivered: u64,
    reply: Option<SyncSender<FlushOutcome>>,
}

impl FlushJob {
    fn answer(self, outcome: FlushOutcome) {
        if let Some(reply) = self.reply {
            // The caller may have stopped waiting.
            let _ = reply.send(outcome);
        }
    }
}

/// The worker is about to end.
struct Closing {
    ending: Ending,
    /// `None` when no caller waits for the end.
    reply: Option<SyncSender<()>>,
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    main: Option<Directory>,
    adopted: Vec<Directory>,
    /// The run's number in the main store.
    run: u32,
    in_flight: Option<InFlight<'a>>,
    flushes: Vec<FlushJob>,
    conditions: Conditions,
    suspended: bool,
    /// The newest context when they were pruned last.
    pruned_to: u32,
    /// Where the run's records begin, and what it had counted, when everything before was erased.
    erased_to: Option<u64>,
    erased_counters: RunCounters,
    reopen_at: Option<Instant>,
    reopen_after: Duration,
    dirty: bool,
    next_drain: Option<Instant>,
    offline_since: Option<Instant>,
    reported: Option<Instant>,
    housekeeping: Option<Instant>,
    last_failure: Option<String>,
    server_offset_ms: i64,
    closing: Option<Closing>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        Self {
            shared,
            main: None,
            adopted: Vec::new(),
            run: 0,
            in_flight: None,
            flushes: Vec::new(),
            conditions: Conditions::default(),
            suspended: false,
            pruned_to: 0,
            erased_to: None,
            erased_counters: RunCounters::default(),
            reopen_at: Some(Instant::now()),
            reopen_after: REOPEN_AFTER,
            dirty: true,
            next_drain: Some(Instant::now()),
            offline_since: None,
            reported: None,
            housekeeping: None,
            last_failure: None,
            server_offset_ms: 0,
            closing: None,
        }
    }

    async fn run(mut self, commands: &mut mpsc::UnboundedReceiver<Command>, switched: Switched) {
        if Switches::load(&self.shared.config.data_dir).is_some_and(|switches| self.obey(&switches, switched)) {
            self.shared.debug.log("switched off by an earlier call");
            self.shared.health().storage = StorageState::Off;
            return;
        }
        loop {
            self.open_if_due();
            let scopes = self.tick_scopes();
            let more = self.drain_if_due();
            let recovering = self.recover() || self.promote();
            let upload = self.upload();
            self.publish();
            self.finish_flushes(more || recovering, &upload);
            if self.closing.is_some() && !more {
                self.close();
                return;
            }
            let busy = more || recovering;
            let timer = [self.timer(&upload), scopes].into_iter().flatten().min();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey_command(command),
                    // Every handle is gone without a shutdown.
                    None => {
                        self.closing.get_or_insert(Closing { ending: Ending::Shutdown, reply: None });
                    }
                },
                result = response(&mut self.in_flight) => self.settle(result),
                () = self.shared.wake.notified() => self.woken(),
                // The timer counts whole milliseconds: too coarse while there is work.
                () = tokio::task::yield_now(), if busy => {}
                () = sleep(timer), if !busy => {}
            }
        }
    }

    /// Closes what has settled in the scopes, and writes session and installation down. Returns when to look again.
    fn tick_scopes(&mut self) -> Option<Instant> {
        let (scopes, recorder) = (&self.shared.scopes, &self.shared.recorder());
        let now = recorder.boot();
        let next = scopes.tick(now);
        let is_leaving = self.closing.is_some() || self.suspended || !self.conditions.foreground;
        let is_erased = self.shared.consent() == Consent::Denied;
        let session = if is_leaving { scopes.to_save() } else { scopes.to_save_if_due(now) };
        if let Some(session) = session.filter(|_| !is_erased)
            && let Err(error) = session_file::save(&self.shared.config.data_dir, &session)
        {
            self.shared.debug.log(&format!("the session could not be written down: {error}"));
        }
        if !is_erased {
            self.keep_installation();
        }
        let manual = matches!(self.shared.clock, Clock::Manual(_));
        next.map(|at| Instant::now() + if manual { Duration::from_millis(5) } else { at.since(now) })
    }

    /// Writes the installation down if it is new, and finds it if it could not be read before.
    fn keep_installation(&self) {
        let shared: &Shared = self.shared;
        let Shared { config, globals, debug, .. } = shared;
        let recorder = shared.recorder();
        if self.main.is_some() {
            // What the database could be read from, the installation can be, too.
            globals.find_installation(recorder, config);
        }
        let Some(installation) = globals.to_save() else { return };
        match installation.store(&config.data_dir) {
            Ok(()) => globals.saved(&installation),
            Err(error) => debug.log(&format!("the installation could not be written down: {error}")),
        }
    }

    /// Applies persisted switches. True when the client is off.
    fn obey(&self, switches: &Switches, switched: Switched) -> bool {
        if let Some(rate) = switches.session_sample_rate {
            self.shared.scopes.set_session_rate(rate);
        }
        if let Some(rate) = switches.trace_sample_rate {
            self.shared.recorder().set_trace_rate(rate);
        }
        let off = switches.enabled == Some(false) && switched == Switched::AsPersisted;
        if off {
            self.shared.switched_off.store(true, Ordering::Release);
        }
        off
    }

    fn obey_command(&mut self, command: Command) {
        match command {
            Command::Flush { timeout, reply } => {
                self.shared.scopes.end_windows();
                self.collect_metrics();
                self.report_self();
                self.next_drain = Some(Instant::now());
                self.stores(|store| store.uploader.set_flush(true));
                self.flushes.push(FlushJob { until: Instant::now() + timeout, delivered: 0, reply });
            }
            Command::Drain { reply } => {
                while self.drain() {}
                // Whoever waited for this looks at the health next.
                self.publish();
                let _ = reply.send(());
            }
            Command::Books { reply } => {
                self.finish_salvage();
                while self.drain() {}
                let books = match &self.main {
                    Some(store) => store.queue.books().map_err(|error| error.to_string()),
                    None => Err("the database is not open".to_owned()),
                };
                let _ = reply.send(books);
            }
            Command::Conditions(conditions) => {
                self.conditions = conditions;
                self.stores(|store| store.uploader.set_conditions(conditions));
                if !conditions.foreground {
                    self.collect_metrics();
                    self.next_drain = Some(Instant::now());
                }
            }
            Command::Suspend { reply } => {
                self.collect_metrics();
                while self.drain() {}
                self.in_flight = None;
                self.suspended = true;
                self.close_stores();
                if let Some(transport) = &self.shared.transport {
                    transport.idle();
                }
                self.shared.health().storage = StorageState::Suspended;
                let _ = reply.send(());
            }
            Command::Resume { reply } => {
                self.suspended = false;
                self.reopen_at = Some(Instant::now());
                self.open_if_due();
                let _ = reply.send(());
            }
            Command::Switches(switches) => {
                if let Err(error) = switches.store(&self.shared.config.data_dir) {
                    self.shared.debug.log(&format!("the switches could not be kept: {error}"));
                }
            }
            Command::Consent(consent) => {
                // What was recorded before belongs to the old answer.
                while self.drain() {}
                if let Some(store) = &mut self.main {
                    store.queue.set_consent(consent);
                }
            }
            Command::Keep => self.apply_keep_rule(),
            Command::Erase { reply } => {
                self.erase();
                let _ = reply.send(());
            }
            Command::Shutdown { ending, reply } => {
                self.next_drain = Some(Instant::now());
                self.closing = Some(Closing { ending, reply: Some(reply) });
            }
        }
    }

    /// Metrics go with whatever leaves now.
    fn collect_metrics(&self) {
        self.shared.scopes.collect_metrics();
    }

    fn stores(&mut self, change: impl FnMut(&mut Directory)) {
        self.main.iter_mut().chain(&mut self.adopted).for_each(change);
    }

    /// Forgets contexts of this run that nothing refers to any more, when there are many.
    fn prune_contexts(&mut self) {
        // Read before it is known that nothing waits: what comes later refers to these versions or newer ones.
        let in_use = self.shared.recorder().versions();
        let newest = in_use.into_iter().max().unwrap_or(0);
        let is_due = newest >= self.pruned_to + 2 * KEPT_CONTEXTS && self.shared.recorder().journal().waiting() == 0;
        if let Some(store) = self.main.as_mut().filter(|_| is_due) {
            let _ = store.queue.prune_contexts(self.run, in_use);
            self.pruned_to = newest;
        }
    }

    /// What is done at most once a minute, when nothing else is.
    fn clean_up(&mut self) {
        let now = Instant::now();
        if self.housekeeping.is_some_and(|last| now - last < REPORT_EVERY) {
            return;
        }
        self.housekeeping = Some(now);
        let run = self.run;
        if let Some(store) = &mut self.main {
            let _ = store.queue.expire_aside();
            let _ = store.queue.expire();
            let _ = store.queue.forget_old_runs(run);
            let _ = store.queue.vacuum();
            let _ = store.queue.checkpoint();
            store.queue.arm_ballast();
        }
    }

    /// When to look again without being woken; `None` parks.
    fn timer(&self, upload: &Step) -> Option<Instant> {
        let now = Instant::now();
        let upload = match upload {
            Step::Wait(wait) if self.in_flight.is_none() => Some(now + (*wait).min(Duration::from_secs(3600))),
            _ => None,
        };
        let manual = matches!(self.shared.clock, Clock::Manual(_)).then(|| now + Duration::from_millis(5));
        let reopen = self.reopen_at.filter(|_| self.main.is_none() && !self.suspended);
        let flush = self.flushes.iter().map(|flush| flush.until).min();
        [self.next_drain, upload, reopen, flush, manual].into_iter().flatten().min()
    }

    fn close_stores(&mut self) {
        for store in self.main.take().into_iter().chain(self.adopted.drain(..)) {
            store.close();
        }
    }

    fn close(&mut self) {
        self.in_flight = None;
        let journal = self.shared.recorder().journal();
        let closing = self.closing.take().unwrap_or(Closing { ending: Ending::Shutdown, reply: None });
        if let Some(store) = &mut self.main
            && journal.waiting() == 0
            && closing.ending == Ending::Shutdown
        {
            // The run is over: its journal is not needed any more.
            let path = store.journal_path(journal.start().key);
            if store.queue.finish_run(self.run, &journal.counters()).is_ok()
                && let Ok(path) = path
            {
                kill_point("recovery");
                let _ = std::fs::remove_file(path);
            }
        }
        self.publish();
        self.close_stores();
        self.shared.health().storage = match closing.ending {
            Ending::Shutdown => StorageState::Closed,
            Ending::SwitchOff => StorageState::Off,
        };
        if let Some(transport) = &self.shared.transport {
            transport.idle();
        }
        for flush in self.flushes.drain(..) {
            let reason = Some("shut down".to_owned());
            flush.answer(FlushOutcome { reason, ..FlushOutcome::default() });
        }
        if let Some(reply) = closing.reply {
            let _ = reply.send(());
        }
    }
}

async fn response(in_flight: &mut Option<InFlight<'_>>) -> Result<Response, TransportError> {
    match in_flight {
        Some(in_flight) => (&mut in_flight.answer).await,
        None => std::future::pending().await,
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
