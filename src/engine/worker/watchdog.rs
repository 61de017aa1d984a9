//! The watchdog: a thread that looks whether the app's main thread lives, while the app is in the
//! foreground. What it sees is judged by `policy/hangs.rs`.
//!
//! A hang is journaled as an open event when it begins. If the process ends before the main thread
//! comes back, recovery closes it: a hang that ended the app. If the main thread comes back, that
//! event is taken back, and an error that was survived takes its place, with its duration. It is
//! not sent at once, as what ends an app is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::stack::give_stack;
use crate::engine::main_thread::MainThread;
use crate::engine::recorder::{Moment, Open, mark_own_thread};
use crate::model::config::Consent;
use crate::model::event::{ErrorEvent, ErrorKind};
use crate::model::limits::{WATCHDOG_END_PATIENCE, WATCHDOG_PERIOD};
use crate::model::names::{HANG_DURATION, words};
use crate::model::time::{BootTime, nanos};
use crate::policy::hangs::{Hangs, Look, Step, Watch};
use crate::storage::crash::Beat;

/// The watchdog's thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<Control>);

/// What the thread is told.
#[derive(Debug, Default)]
struct Control {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Told {
    is_foreground: bool,
    is_over: bool,
    /// Said by the thread itself.
    has_ended: bool,
}

impl Watchdog {
    /// Starts the thread, if the host has shown its main thread. Without it, or when the system
    /// gives no thread, hangs are not noticed.
    pub(super) fn start(shared: &Arc<Shared>, is_foreground: bool) -> Option<Self> {
        let (main, threshold) = shared.watched.main()?;
        let control = Arc::new(Control::default());
        control.lock().is_foreground = is_foreground;
        let (shared, of_thread) = (Arc::clone(shared), Arc::clone(&control));
        let work = move || {
            mark_own_thread();
            give_stack();
            Eye { shared: &shared, main: &*main, control: &of_thread, hang: None }.watch(threshold);
            of_thread.lock().has_ended = true;
            of_thread.changed.notify_all();
        };
        std::thread::Builder::new().name("throughline-watch".to_owned()).spawn(work).ok()?;
        Some(Self(control))
    }

    /// Says whether the app is in the foreground. In the background the thread sleeps.
    pub(super) fn set_foreground(&self, is_foreground: bool) {
        self.0.lock().is_foreground = is_foreground;
        self.0.changed.notify_all();
    }
}

impl Drop for Watchdog {
    /// Waits a moment for the thread, so that a hang that lasts has its end in the journal. The
    /// thread may be in the host's code, so it is not waited for longer.
    fn drop(&mut self) {
        let mut told = self.0.lock();
        told.is_over = true;
        self.0.changed.notify_all();
        let has_not_ended = |told: &mut Told| !told.has_ended;
        let _ = self.0.changed.wait_timeout_while(told, WATCHDOG_END_PATIENCE, has_not_ended);
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a time, or until something else is told than `known`.
    fn wait(&self, known: Told, until: Instant) -> Told {
        let mut told = self.lock();
        while *told == known {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            told = self.changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *told
    }

    /// Sleeps until the app is in the foreground. `None` when the watch is over.
    fn sleep(&self) -> Option<Told> {
        let mut told = self.lock();
        while !told.is_foreground && !told.is_over {
            told = self.changed.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        Some(*told).filter(|told| !told.is_over)
    }
}

/// A hang that has not ended.
struct Hang {
    open: Open,
    moment: Moment,
    started: BootTime,
    stack: String,
}

/// What the thread works with.
struct Eye<'w> {
    shared: &'w Shared,
    main: &'w dyn MainThread,
    control: &'w Control,
    hang: Option<Hang>,
}

impl Eye<'_> {
    fn watch(mut self, threshold: Duration) {
        let origin = Instant::now();
        while let Some(known) = self.control.sleep() {
            // What was before the app came to the foreground says nothing.
            let mut hangs = Hangs::new(Watch { threshold, period: WATCHDOG_PERIOD });
            let mut planned = Instant::now();
            while *self.control.lock() == known {
                let watched = &self.shared.watched;
                let boot = self.shared.clock.boot();
                if watched.may_ask(boot) && self.shared.guarded(|| self.main.ask()).is_none() {
                    watched.was_not_asked();
                }
                let now = Instant::now();
                let look = Look {
                    mono: nanos(now - origin),
                    boot: self.shared.clock.boot(),
                    beat: watched.last_beat(),
                    late_by: now.saturating_duration_since(planned),
                    is_foreground: true,
                };
                self.act(hangs.observe(look), threshold);
                planned = now + WATCHDOG_PERIOD;
                self.control.wait(known, planned);
            }
            // On the way to the background, or to the end, the main thread has done something.
            if let Some(hang) = &self.hang {
                let duration = Duration::from_nanos(self.shared.clock.boot().0.saturating_sub(hang.started.0));
                self.end(duration);
            }
        }
    }

    fn act(&mut self, step: Step, threshold: Duration) {
        match step {
            Step::Begin { started } => self.begin(started, threshold),
            Step::End { duration, .. } => self.end(duration),
            Step::Quiet | Step::Sample | Step::Suspended | Step::Starved => {}
        }
    }

    fn begin(&mut self, started: BootTime, threshold: Duration) {
        let stack = self.shared.guarded(|| self.main.stack()).unwrap_or_default();
        if self.is_denied() || !self.shared.lifecycle.is_on() || self.control.lock().is_over {
            return;
        }
        let recorder = self.shared.recorder();
        recorder.crash().beat(Beat::HangStart, started);
        let message = format!("the main thread did not respond for {} s", threshold.as_secs_f64());
        let event = hang(ErrorKind::Hang, &message, &stack, recorder.wall(started));
        let moment = recorder.moment();
        self.hang = recorder.open_own(&event).map(|open| Hang { open, moment, started, stack });
    }

    fn end(&mut self, duration: Duration) {
        let recorder = self.shared.recorder();
        recorder.crash().beat(Beat::HangStart, BootTime(0));
        let Some(Hang { open, moment, started, stack }) = self.hang.take().filter(|_| !self.is_denied()) else {
            return;
        };
        let message = format!("the main thread did not respond for {:.1} s", duration.as_secs_f64());
        let attributes = [(HANG_DURATION, i64::try_from(nanos(duration)).unwrap_or(i64::MAX).into())];
        let event = hang(ErrorKind::Handled, &message, &stack, recorder.wall(started)).attributes(&attributes);
        recorder.discard(open);
        self.shared.scopes.record_hang(&event, &moment);
    }

    /// Whether the user has denied consent: then nothing is written any more.
    fn is_denied(&self) -> bool {
        self.shared.consent() == Consent::Denied
    }
}

fn hang<'a>(kind: ErrorKind, message: &'a str, stack: &'a str, time: u64) -> ErrorEvent<'a> {
    let mut event = ErrorEvent::new(words::ERROR_HANG, message).stack(stack);
    event.error_kind = kind;
    event.common.time = Some(time);
    event
}
