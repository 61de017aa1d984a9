//! [`Lifecycle`]: starting and stopping the worker, and what the client asks of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::hook;
use super::parts::Parts;
use crate::engine::lifecycle::{Decisions, LifecycleCell, LifecycleState, OffReason, Switch};
use crate::engine::worker::{Command, Ending, Shared, spawn};
use crate::model::config::Consent;
use crate::model::error::Error;
use crate::model::limits::STOP_TIMEOUT;
use crate::storage::journal::forked;
use crate::storage::switches::Switches;

type Commands = mpsc::UnboundedSender<Command>;

/// Whether a client is on, and the worker that runs while it is.
///
/// Whether it is on is one atomic byte, which every call reads first. The worker's channel lies
/// behind a lock that no recording call takes.
#[derive(Debug)]
pub(super) struct Lifecycle {
    cell: Arc<LifecycleCell>,
    /// Built when the client is switched on for the first time, and kept when it is switched off.
    shared: OnceLock<Arc<Shared>>,
    /// How to reach the worker. `None` while none has been started, and after it was stopped. A
    /// worker that ends by itself leaves a closed channel. A decision that ends a worker takes it
    /// out in the same step, so that a decision that comes later finds none and starts another.
    worker: Mutex<Option<Commands>>,
    /// Held by the call that carries out what the user has decided.
    consent: Mutex<()>,
    /// Workers that a denial has taken out and that have not erased yet. Whichever call has its
    /// turn first does that: the others then wait until it is done.
    denied: Mutex<Vec<Denied>>,
    /// A worker that died was replaced once.
    was_revived: AtomicBool,
    /// When a denial of this process has ended, in ns since the Unix epoch. 0: there was none.
    consented_at: AtomicU64,
}

impl Lifecycle {
    /// As the configuration and the user want it. Nothing is started.
    pub(super) fn new(is_enabled: bool, consent: Consent) -> Self {
        Self {
            cell: Arc::new(LifecycleCell::new(is_enabled, consent)),
            shared: OnceLock::new(),
            worker: Mutex::new(None),
            consent: Mutex::new(()),
            denied: Mutex::default(),
            was_revived: AtomicBool::new(false),
            consented_at: AtomicU64::new(0),
        }
    }

    /// A denial has ended at a wall time, ns: what happened before is none of ours.
    pub(super) fn consented_at(&self) -> &AtomicU64 {
        &self.consented_at
    }

    /// The byte that says whether the client is on.
    pub(super) fn cell(&self) -> &Arc<LifecycleCell> {
        &self.cell
    }

    pub(super) fn state(&self) -> LifecycleState {
        self.cell.state()
    }

    pub(super) fn consent(&self) -> Consent {
        self.cell.consent()
    }

    /// What client and worker share, also while the client is off. `None` when it has never been
    /// on.
    #[inline]
    pub(super) fn shared(&self) -> Option<&Shared> {
        self.shared.get().map(Arc::as_ref)
    }

    /// The same, for a thread of its own.
    pub(super) fn shared_arc(&self) -> Option<Arc<Shared>> {
        self.shared.get().cloned()
    }

    /// Starts the worker if what has been decided before says that the client is on.
    pub(super) fn start(&self, parts: &Parts) -> Result<(), Error> {
        self.turn_on(parts, |_| {})
    }

    /// The app switches the client on, and the next process too. Without consent it stays off.
    pub(super) fn switch_on(&self, parts: &Parts) -> Result<(), Error> {
        self.turn_on(parts, |decisions| decisions.switch = Switch::SwitchedOn)?;
        if !self.cell.is_on() {
            self.remember(None, switched(true), parts, STOP_TIMEOUT);
        }
        Ok(())
    }

    /// Waits until no other call carries out a decision of the user's.
    pub(super) fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.consent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user consents after having denied. A client that is off for another reason stays off.
    pub(super) fn give_consent(&self, consent: Consent, parts: &Parts) -> Result<(), Error> {
        self.turn_on(parts, |decisions| decisions.consent = consent)
    }

    /// The user decides otherwise than before, and neither of the decisions is a denial. A denial
    /// that came meanwhile stays.
    pub(super) fn change_consent(&self, consent: Consent) {
        let before = self.cell.change(|decisions| {
            if decisions.consent != Consent::Denied {
                decisions.consent = consent;
            }
        });
        if before.consent != Consent::Denied {
            self.send(Command::Consent(consent));
        }
    }

    /// The user denies consent: nothing is recorded from now on. If the user had not denied it
    /// before, the worker has to erase everything and to end: see [`Lifecycle::take_denied`].
    pub(super) fn deny(&self) {
        let mut worker = self.worker();
        let before = self.cell.change(|decisions| {
            decisions.consent = Consent::Denied;
            decisions.is_stopping = false;
        });
        if before.consent != Consent::Denied {
            self.denied().push(Denied(worker.take()));
        }
    }

    /// What denials have left to do. Only for the call that has its turn.
    pub(super) fn take_denied(&self) -> Vec<Denied> {
        std::mem::take(&mut self.denied())
    }

    fn denied(&self) -> MutexGuard<'_, Vec<Denied>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is recorded from now on. The call that says why follows: [`Lifecycle::switch_off`]
    /// or [`Lifecycle::deny`].
    pub(super) fn pause(&self) {
        self.cell.change(|decisions| decisions.is_stopping = true);
    }

    /// The app switches the client off, and the next process too. Waits for the worker's end for at
    /// most `timeout`.
    pub(super) fn switch_off(&self, parts: &Parts, timeout: Duration) {
        let worker = self.take_worker(|decisions| {
            decisions.switch = Switch::SwitchedOff;
            decisions.is_stopping = false;
        });
        self.remember(worker.as_ref(), switched(false), parts, timeout);
        end(worker, Ending::SwitchOff, timeout);
    }

    /// Takes a decision that ends the worker, and takes the worker out.
    fn take_worker(&self, decide: impl Fn(&mut Decisions)) -> Option<Commands> {
        let mut worker = self.worker();
        self.cell.change(decide);
        worker.take()
    }

    /// Writes settings down for the next process: `worker` does it, else the worker that runs.
    /// Without one a thread does, for which the caller waits for at most `timeout`.
    pub(super) fn remember(&self, worker: Option<&Commands>, switches: Switches, parts: &Parts, timeout: Duration) {
        let is_told = match worker {
            Some(worker) => !forked() && worker.send(Command::Switches(switches)).is_ok(),
            None => self.send(Command::Switches(switches)),
        };
        if is_told || forked() {
            return;
        }
        let (cell, dir) = (Arc::clone(&self.cell), parts.config.data_dir.clone());
        let (done, is_done) = sync_channel(1);
        let save = move || {
            // As for a worker, a disk that takes nothing costs the memory of it and nothing else.
            let _ = cell.save(switches, &dir);
            let _ = done.send(());
        };
        if std::thread::Builder::new().name("throughline".to_owned()).spawn(save).is_ok() {
            let _ = is_done.recv_timeout(timeout);
        }
    }

    /// Ends the client for good. False when the worker took longer than `timeout`.
    pub(super) fn shut_down(&self, timeout: Duration) -> bool {
        if is_ignored() {
            return forked();
        }
        if let (LifecycleState::On, Some(shared)) = (self.state(), self.shared()) {
            shared.scopes.close();
        }
        let is_over = end(self.take_worker(|decisions| decisions.is_shut_down = true), Ending::Shutdown, timeout);
        if let Some(shared) = self.shared().filter(|_| is_over) {
            // The worker may have ended before, when the client was switched off.
            shared.recorder().journal().give_up_file();
        }
        is_over
    }

    /// Takes a decision, and starts the worker if the client is on then. When that fails, the
    /// decision is taken back, so that the call can be repeated.
    fn turn_on(&self, parts: &Parts, decide: impl Fn(&mut Decisions)) -> Result<(), Error> {
        let decide = |decisions: &mut Decisions| {
            decide(decisions);
            decisions.is_stopping = false;
        };
        let mut worker = self.worker();
        let before = self.cell.decisions();
        let mut after = before;
        decide(&mut after);
        match after.state() {
            LifecycleState::ShutDown => {
                return Err(Error::Closed { reason: "shut down: start a new client".to_owned() });
            }
            LifecycleState::Off(_) => {
                self.cell.change(decide);
                return Ok(());
            }
            LifecycleState::On => {}
        }
        // A worker that found the client switched off by an earlier process is about to end.
        let is_leaving = before.state() == LifecycleState::Off(OffReason::SwitchedOff);
        if let Some(worker) = worker.as_ref().filter(|worker| !is_leaving && !worker.is_closed()) {
            self.cell.change(decide);
            remember_on(after, worker);
            return Ok(());
        }
        parts.check_dir()?;
        let shared = match self.shared.get() {
            Some(shared) => shared,
            None => {
                let shared = parts.build(&self.cell)?;
                self.shared.get_or_init(|| shared)
            }
        };
        if shared.begins_anew.swap(false, Ordering::AcqRel) {
            shared.begin_anew();
        }
        // Before the first event, and again for what is set between the two.
        parts.catch_up(shared);
        self.cell.change(decide);
        parts.catch_up(shared);
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Err(error) = spawn(Arc::clone(shared), receiver) {
            // What others have decided meanwhile stays.
            self.cell.change(|decisions| {
                if decisions.switch == after.switch {
                    decisions.switch = before.switch;
                }
                if decisions.consent == after.consent {
                    decisions.consent = before.consent;
                }
            });
            return Err(Error::Storage { reason: error.to_string() });
        }
        remember_on(after, &sender);
        *worker = Some(sender);
        Ok(())
    }

    fn worker(&self) -> MutexGuard<'_, Option<Commands>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker that runs. One that died is replaced, once in the life of the client: what killed
    /// it may have been a matter of the moment, and if not, trying on would only cost power.
    fn running(&self) -> MutexGuard<'_, Option<Commands>> {
        let mut worker = self.worker();
        if worker.as_ref().is_some_and(Commands::is_closed)
            && self.cell.is_on()
            && let Some(shared) = self.shared.get().filter(|shared| shared.has_died())
            && !self.was_revived.swap(true, Ordering::AcqRel)
        {
            let (sender, receiver) = mpsc::unbounded_channel();
            if spawn(Arc::clone(shared), receiver).is_ok() {
                *worker = Some(sender);
            }
        }
        worker
    }

    /// Hands the worker a command. False when there is no worker that could take it.
    pub(super) fn send(&self, command: Command) -> bool {
        !is_ignored() && self.running().as_ref().is_some_and(|worker| worker.send(command).is_ok())
    }

    /// Hands the worker a command and waits for its answer. `None` when there is no worker, or when
    /// it took longer than `timeout`.
    pub(super) fn ask<T>(&self, timeout: Duration, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        if is_ignored() {
            return None;
        }
        let worker = self.running().clone()?;
        ask(&worker, timeout, command)
    }

    /// Whether the worker has died, and no other has taken its place.
    pub(super) fn has_died(&self) -> bool {
        self.shared().is_some_and(Shared::has_died) && self.worker().as_ref().is_none_or(Commands::is_closed)
    }

    /// Why the worker gave no answer.
    pub(super) fn absence(&self) -> String {
        let explanation = self.state().explanation();
        let here = match (forked(), hook::is_rewriting()) {
            (true, _) => "off: this process was forked from the one that started it",
            (false, true) => "off: the host's hook is rewriting a text",
            (false, false) if self.has_died() => "the client's own thread has died",
            (false, false) => "the worker did not answer in time",
        };
        explanation.unwrap_or(here).to_owned()
    }
}

/// Whether the client does nothing for this caller, whatever was decided: in a forked child, and
/// for the host's hook while it rewrites a text. Both would wait for a lock that nobody gives back.
pub(super) fn is_ignored() -> bool {
    forked() || hook::is_rewriting()
}

/// The worker of a client whose user has just denied consent.
#[derive(Debug)]
pub(super) struct Denied(Option<Commands>);

impl Denied {
    /// Has everything erased, and ends the worker. False when there was none, when something could
    /// not be erased, or when it took longer than `timeout`: the worker then does both by itself.
    pub(super) fn erase(self, timeout: Duration) -> bool {
        let Some(worker) = self.0.filter(|_| !forked()) else { return false };
        let answer = ask(&worker, timeout, |reply| Command::Erase { reply });
        end(Some(worker), Ending::SwitchOff, if answer.is_some() { STOP_TIMEOUT } else { Duration::ZERO });
        answer == Some(true)
    }
}

/// Hands a worker a command and waits for its answer.
fn ask<T>(worker: &Commands, timeout: Duration, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
    let (reply, answer) = sync_channel(1);
    worker.send(command(reply)).ok()?;
    answer.recv_timeout(timeout).ok()
}

/// Ends a worker that was taken out. What it has not sent stays on the disk. False when it took
/// longer than `timeout`; it then ends by itself.
fn end(worker: Option<Commands>, ending: Ending, timeout: Duration) -> bool {
    let Some(worker) = worker.filter(|worker| !forked() && !worker.is_closed()) else { return true };
    ask(&worker, timeout, |reply| Command::Shutdown { ending, reply }).is_some()
}

/// What is written down for the next process when the app switches the client on or off.
fn switched(enabled: bool) -> Switches {
    Switches { enabled: Some(enabled), ..Switches::default() }
}

/// Lets the next process know if the app has switched the client on.
fn remember_on(decisions: Decisions, worker: &Commands) {
    if decisions.switch == Switch::SwitchedOn {
        // A worker that has ended cannot write it down; the next one is told again.
        let _ = worker.send(Command::Switches(switched(true)));
    }
}
