//! What an app asks of a running client: to send, to write down, to pause, to end. And what it asks
//! about it: health and books.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::client::Telemetry;
use super::lifecycle::is_ignored;
use crate::engine::crash::SystemExit;
use crate::engine::main_thread::MainThread;
use crate::engine::worker::{Command, DiagnosticsOutcome, FlushOutcome};
use crate::model::error::Error;
use crate::model::limits::{FLUSH_REPLY_MARGIN, MAX_DIAGNOSTIC_BYTES};
use crate::policy::exits::summary;
use crate::policy::schedule::Conditions;
use crate::storage::crash::Beat;
use crate::storage::health::{Health, StorageState};
use crate::storage::queue::DestinationBooks;

impl Telemetry {
    /// Sends everything that has been recorded, as far as the conditions and the backends allow,
    /// for at most `timeout`. Coalescing windows end. Views, operations and an action that is still
    /// collecting stay open; they are sent when they end.
    ///
    /// The outcome's `reason` says why something was not sent, also when the client is off.
    pub fn flush(&self, timeout: Duration) -> FlushOutcome {
        let lifecycle = &self.client.lifecycle;
        // The worker ends the flush in time; the margin is for the request that is under way.
        let patience = timeout.saturating_add(FLUSH_REPLY_MARGIN);
        let outcome = lifecycle.ask(patience, |reply| Command::Flush { timeout, reply: Some(reply) });
        outcome.unwrap_or_else(|| FlushOutcome { reason: Some(lifecycle.absence()), ..FlushOutcome::default() })
    }

    /// As [`Telemetry::flush`], without waiting for the outcome.
    pub fn flush_soon(&self, timeout: Duration) {
        self.client.lifecycle.send(Command::Flush { timeout, reply: None });
    }

    /// Sends the crashes of earlier runs, and waits for at most `timeout` until none waits any
    /// more: for an app that has crashed while it was launched, and may do so again before anything
    /// could be sent. Call it right after the start, off the main thread or with a short time.
    ///
    /// Returns as soon as it is known how the last run ended, which is a matter of moments, unless
    /// that run died within 5 s of its start.
    pub fn flush_crashes(&self, timeout: Duration) -> FlushOutcome {
        let lifecycle = &self.client.lifecycle;
        let patience = timeout.saturating_add(FLUSH_REPLY_MARGIN);
        let outcome = lifecycle.ask(patience, |reply| Command::FlushCrashes { timeout, reply });
        outcome.unwrap_or_else(|| FlushOutcome { reason: Some(lifecycle.absence()), ..FlushOutcome::default() })
    }

    /// Reports what Android says about the ends of earlier processes of the app
    /// (`ApplicationExitInfo`): an ANR, a crash of native code and a lack of memory are errors, and
    /// no other end is one. Each record is reported once ever, and not at all when the run's own
    /// report says the same. `process` is the name of this process; what Android says of others,
    /// they report themselves. Call it at each start, also with no record: what the first call sees
    /// is of a time before there was a client, and is not reported.
    ///
    /// Returns when the reports are in SQLite and it is written down that they were made. False
    /// when this took longer than `timeout`, or when the client is off: give the same records to
    /// the next start.
    pub fn report_exits(&self, exits: Vec<SystemExit>, process: &str, timeout: Duration) -> bool {
        let lifecycle = &self.client.lifecycle;
        let process = process.to_owned();
        lifecycle.ask(timeout, |reply| Command::Exits { exits, process, reply }).unwrap_or(false)
    }

    /// Reports what iOS says about earlier processes of the app: one payload of MetricKit's, as its
    /// `jsonRepresentation()` writes it, of diagnostics or of metrics. A crash, and an end for want
    /// of memory, are errors that ended the app; hangs, too much work of the processor or the disk
    /// and slow launches are handled errors. Each of them is reported once ever, and a crash not at
    /// all when the run's own report says the same. `utc_offset` is how many seconds the device's
    /// local time is ahead of UTC, because the payload's times name no zone.
    ///
    /// Call it at each start, with `{}` when there is no payload: what is older than the first call
    /// is of a time before there was a client, and is not reported, unless it is of a run of this
    /// client.
    ///
    /// The payload is read on the client's thread. When the outcome is not `complete`, because this
    /// took longer than `timeout` or the client is off, give the same payload to the next start. A
    /// payload of more than [`MAX_DIAGNOSTIC_BYTES`](crate::limits::MAX_DIAGNOSTIC_BYTES) is not
    /// read at all.
    pub fn report_diagnostics(&self, payload: &[u8], utc_offset: i32, timeout: Duration) -> DiagnosticsOutcome {
        let lifecycle = &self.client.lifecycle;
        if payload.len() > MAX_DIAGNOSTIC_BYTES {
            let reason = format!("the payload has {} bytes, more than {MAX_DIAGNOSTIC_BYTES}", payload.len());
            if let Some(shared) = lifecycle.shared().filter(|_| !is_ignored()) {
                shared.debug.log(&reason);
            }
            return DiagnosticsOutcome { complete: true, left: 1, reason: Some(reason), ..Default::default() };
        }
        let payload = payload.to_vec();
        let command = |reply| Command::Diagnostics { payload, zone_s: utc_offset, reply };
        let outcome = lifecycle.ask(timeout, command);
        outcome.unwrap_or_else(|| DiagnosticsOutcome {
            reason: Some(lifecycle.absence()),
            ..DiagnosticsOutcome::default()
        })
    }

    /// What this run gives to `ActivityManager.setProcessStateSummary`, so that Android's record of
    /// its end names it. Empty while the client has never been on.
    pub fn run_summary(&self) -> Vec<u8> {
        let shared = self.client.lifecycle.shared().filter(|_| !is_ignored());
        shared.map(|shared| summary(shared.recorder().key())).unwrap_or_default()
    }

    /// Waits until everything that has been recorded is in SQLite. False when this took longer than
    /// `timeout`, or when the client is off.
    pub fn drain(&self, timeout: Duration) -> bool {
        self.client.lifecycle.ask(timeout, |reply| Command::Drain { reply }).is_some()
    }

    /// Reports what the host knows about the app and the device: whether the app is in the
    /// foreground, which network there is, whether power is low. It decides what is sent when.
    pub fn set_conditions(&self, conditions: Conditions) {
        *self.client.parts.conditions.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
        let at = self.client.parts.host.clock.boot();
        self.client.lifecycle.send(Command::Conditions { conditions, at });
    }

    /// Watches the app's main thread while the app is in the foreground, by a thread of its own.
    /// When the main thread does not respond for `threshold` (500 ms at least, 2 s are usual), the
    /// hang is recorded with its stack: as an error `AppHang` with its duration when the main
    /// thread comes back, and as a hang that ended the app when the process ends before.
    ///
    /// Time in which the process or the device stood still, in which the app was in the background,
    /// or in which the watchdog itself got no processor, makes no hang. A second call replaces the
    /// first.
    pub fn watch_main(&self, main: Arc<dyn MainThread>, threshold: Duration) {
        self.client.parts.watched.set(main, threshold);
        self.client.lifecycle.send(Command::Watch);
    }

    /// The main thread lives: to be called on it whenever it is [asked](MainThread::ask). Takes no
    /// lock and costs a look at the clock.
    pub fn beat(&self) {
        // Also while the client is off: nobody asks twice.
        let now = self.client.parts.host.clock.boot();
        self.client.parts.watched.beat(now);
        if let Some(shared) = self.on_any_thread() {
            shared.recorder().crash().beat(Beat::Main, now);
        }
    }

    /// Closes the database and releases its lock, for an app that is about to be suspended. The
    /// journal keeps the events that are recorded meanwhile, and stays this process's own: another
    /// one that starts takes a directory beside it. False when this took longer than `timeout`, or
    /// when the client is off.
    pub fn suspend(&self, timeout: Duration) -> bool {
        self.client.lifecycle.ask(timeout, |reply| Command::Suspend { reply }).is_some()
    }

    /// Opens the database again after [`Telemetry::suspend`]. False as there.
    pub fn resume(&self, timeout: Duration) -> bool {
        self.client.lifecycle.ask(timeout, |reply| Command::Resume { reply }).is_some()
    }

    /// Ends the client for good: it takes no more events, writes what it has to SQLite and closes.
    /// What was not sent waits for the next start. False when this took longer than `timeout`; the
    /// worker then ends by itself.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        self.client.lifecycle.shut_down(timeout)
    }

    /// The client's condition. Cheap to ask for: it takes no lock that the worker holds for long.
    /// When the client is off, `hints` says why.
    pub fn health(&self) -> Health {
        let lifecycle = &self.client.lifecycle;
        let is_on = lifecycle.cell().is_on() && !is_ignored();
        let explanation = (!is_on).then(|| lifecycle.absence());
        let Some(shared) = lifecycle.shared().filter(|_| !is_ignored()) else {
            return Health { hints: explanation.into_iter().collect(), ..Health::default() };
        };
        let mut health = shared.health().clone();
        health.enabled = is_on;
        health.journal = Some(shared.recorder().journal().mode());
        health.journal_bytes = shared.recorder().journal().waiting();
        health.captures_crashes = shared.recorder().crash().is_on();
        health.panics = shared.panics.load(Ordering::Relaxed);
        self.client.parts.hook_counts.report(&mut health);
        health.contexts = shared.scopes.contexts(|store| store.counts());
        if health.contexts.refused > 0 {
            health.hints.push(format!(
                "{} contexts were not kept: too many wait, or their keys are too long",
                health.contexts.refused
            ));
        }
        match &health.storage {
            StorageState::Locked(reason) => {
                health.hints.push(format!("the data directory cannot be used at the moment: {reason}"));
            }
            StorageState::Failed(reason) => health
                .hints
                .push(format!("nothing is stored or sent any more, and the figures are from before: {reason}")),
            _ => {}
        }
        if shared.is_capture_disabled.load(Ordering::Relaxed) {
            let hint = "crashes are not captured for a day: Throughline's own code has crashed the app three times";
            health.hints.push(hint.to_owned());
        }
        health.hints.extend(shared.nowhere().map(str::to_owned));
        health.hints.extend(shared.route_hints.iter().cloned());
        let paused = self.client.parts.pauses.names();
        for destination in &mut health.destinations {
            destination.paused_by_app = paused.contains(&destination.name);
        }
        let held = |name: &String| format!("the app has paused `{name}`: its events are kept up to the quotas");
        health.hints.extend(paused.iter().map(held));
        health.hints.extend(shared.unconsented().map(str::to_owned));
        health.hints.extend(explanation);
        health
    }

    /// The books of every destination, counted from the rows in the queue:
    /// `accepted = delivered + queued + Σ dropped`.
    ///
    /// # Errors
    /// [`Error::Storage`] when the database is not open, and [`Error::Closed`] when the client is
    /// off or its worker does not answer within `timeout`.
    pub fn books(&self, timeout: Duration) -> Result<Vec<DestinationBooks>, Error> {
        let lifecycle = &self.client.lifecycle;
        let books = lifecycle.ask(timeout, |reply| Command::Books { reply });
        books.ok_or_else(|| Error::Closed { reason: lifecycle.absence() })?.map_err(|reason| Error::Storage { reason })
    }
}
