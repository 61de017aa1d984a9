//! Whether the main thread hangs: a state machine over what a watchdog sees. Pure: time is passed
//! in.
//!
//! The main thread stores a *beat*, its boot time, at least once in each period: where it waits for
//! input, the watchdog gives it an empty task. A watchdog takes a [`Look`] once in each period and
//! gives it to [`Hangs::observe`], which answers what is to be done.
//!
//! Only silence that the watchdog has witnessed makes a hang: it was on time itself, the device did
//! not sleep, and the app was in the foreground before and after. So a process that is stopped,
//! frozen, held by a debugger or starved has no hang, and neither has an app that is woken in the
//! background. A clock that jumps adds at most one period.
//!
//! ```
//! use std::time::Duration;
//! use throughline::internals::hangs::{Hangs, Look, Step, Watch};
//! use throughline::time::BootTime;
//!
//! let mut hangs = Hangs::new(Watch::default());
//! let mut steps = Vec::new();
//! for tenths in 0..40u64 {
//!     let now = tenths * 100_000_000;
//!     let beat = if tenths < 30 { 1 } else { now }; // blocked for three seconds
//!     let (boot, beat) = (BootTime(now), BootTime(beat));
//!     let late_by = Duration::ZERO;
//!     steps.push(hangs.observe(Look { mono: now, boot, beat, late_by, is_foreground: true }));
//! }
//! assert!(steps.contains(&Step::Begin { started: BootTime(1) }));
//! assert!(steps.iter().any(|step| matches!(step, Step::End { .. })));
//! ```

use std::time::Duration;

use crate::model::limits::{
    ANR_THRESHOLD, HANG_THRESHOLD, MAX_HANG_STACKS, STOPPED_LATENESS, WATCHDOG_LATE_PERCENT, WATCHDOG_PERIOD,
};
use crate::model::time::{BootTime, nanos};

/// What a watchdog is told to watch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Silence of the main thread that is a hang.
    pub threshold: Duration,
    /// The time between two looks.
    pub period: Duration,
}

impl Default for Watch {
    /// Hangs of two seconds, seen ten times a second.
    fn default() -> Self {
        Self { threshold: HANG_THRESHOLD, period: WATCHDOG_PERIOD }
    }
}

impl Watch {
    /// What Android calls "not responding": five seconds.
    pub fn anr() -> Self {
        Self { threshold: ANR_THRESHOLD, ..Self::default() }
    }

    /// By how much a look may be late.
    fn tolerance(&self) -> u64 {
        nanos(self.period).saturating_mul(WATCHDOG_LATE_PERCENT.into()) / 100
    }
}

/// What the watchdog sees when it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The monotonic clock, ns: it stands still while the device sleeps.
    pub mono: u64,
    /// The boot clock.
    pub boot: BootTime,
    /// The boot time of the main thread's last beat; zero before the first one.
    pub beat: BootTime,
    /// By how much this look is later than it was planned.
    pub late_by: Duration,
    /// Whether the app is in the foreground.
    pub is_foreground: bool,
}

/// What is to be done after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the main thread lives, or it has not been silent for long enough.
    Quiet,
    /// A hang has begun: write its start down, and take a stack of the main thread now. If the
    /// process ends before [`Step::End`], the next launch finds that start: a fatal hang.
    Begin {
        /// The main thread's last beat.
        started: BootTime,
    },
    /// The hang goes on: take another stack.
    Sample,
    /// The main thread came back: remove what was written down, and record the hang.
    End {
        /// The main thread's last beat before the hang.
        started: BootTime,
        /// How long the main thread was silent, without the time in which the app was in the
        /// background and the process or the device stood still. It is exact to one period.
        duration: Duration,
    },
    /// The process or the device stood still: it was stopped, frozen or asleep, or a debugger held
    /// it. What the main thread did meanwhile is not known.
    Suspended,
    /// The watchdog did not get the processor in time, so that it cannot blame the main thread.
    Starved,
}

/// How often something was seen. Hangs are counted when they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Hangs.
    pub hangs: u64,
    /// Looks behind a time in which the process or the device stood still.
    pub suspended: u64,
    /// Looks that were late.
    pub starved: u64,
}

/// What the time between two looks is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interval {
    /// The watchdog was on time.
    Witnessed,
    /// It was late, as on a busy device.
    Starved,
    /// Everything stood still for a part of it.
    Suspended,
    /// The app was in the background for a part of it.
    Background,
}

/// The state of a watchdog.
#[derive(Debug, Clone)]
pub struct Hangs {
    watch: Watch,
    last: Option<Look>,
    /// Silence since the last beat that makes a hang, ns.
    witnessed: u64,
    /// The same with the time in which the watchdog was starved, ns. Once a hang is proved, that
    /// belongs to it.
    silent: u64,
    /// Whether a hang has begun, and how many stacks of it were asked for.
    stacks: Option<u32>,
    counts: Counts,
}

impl Hangs {
    /// A watchdog that has seen nothing yet.
    pub fn new(watch: Watch) -> Self {
        Self { watch, last: None, witnessed: 0, silent: 0, stacks: None, counts: Counts::default() }
    }

    /// How often something was seen.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a look and says what is to be done.
    pub fn observe(&mut self, look: Look) -> Step {
        let Some(last) = self.last.replace(look) else {
            return Step::Quiet;
        };
        let interval = self.worth(&last, &look);
        match interval {
            Interval::Suspended => self.counts.suspended += 1,
            Interval::Starved => self.counts.starved += 1,
            Interval::Witnessed | Interval::Background => {}
        }
        let ended = if look.beat == last.beat {
            self.add(interval, between(&last, &look));
            None
        } else {
            self.came_back(interval, &last, &look)
        };
        if let Some(duration) = ended {
            return Step::End { started: last.beat, duration };
        }
        match interval {
            Interval::Suspended => Step::Suspended,
            Interval::Starved => Step::Starved,
            Interval::Background => Step::Quiet,
            Interval::Witnessed => self.judge(&look),
        }
    }

    /// What the time since the last look is worth.
    fn worth(&self, last: &Look, look: &Look) -> Interval {
        let tolerance = self.watch.tolerance();
        let (mono, boot) = (look.mono.saturating_sub(last.mono), nanos(look.boot.since(last.boot)));
        // The look may not know that it is late, but then more than a period has passed.
        let late_by = nanos(look.late_by).max(mono.saturating_sub(nanos(self.watch.period)));
        if !(last.is_foreground && look.is_foreground) {
            Interval::Background
        } else if boot.abs_diff(mono) > tolerance || late_by >= nanos(STOPPED_LATENESS) {
            Interval::Suspended
        } else if late_by >= tolerance {
            Interval::Starved
        } else {
            Interval::Witnessed
        }
    }

    /// Adds silence.
    fn add(&mut self, interval: Interval, silence: u64) {
        match interval {
            Interval::Witnessed => {
                self.witnessed = self.witnessed.saturating_add(silence);
                self.silent = self.silent.saturating_add(silence);
            }
            Interval::Starved => self.silent = self.silent.saturating_add(silence),
            // The main thread has been through the change, so its silence begins anew. A hang that
            // has begun goes on, but not its time.
            Interval::Background if self.stacks.is_none() => (self.witnessed, self.silent) = (0, 0),
            Interval::Suspended | Interval::Background => {}
        }
    }

    /// The main thread has beaten since the last look. Returns how long a hang was that this ends.
    fn came_back(&mut self, interval: Interval, last: &Look, look: &Look) -> Option<Duration> {
        let whole = between(last, look);
        let since = nanos(look.boot.since(look.beat)).min(whole);
        // It may have beaten several times, of which this is the last. When the watchdog was late,
        // it does not know how long ago the first one was.
        self.add(interval, (whole - since).min(nanos(self.watch.period)));
        let duration = Duration::from_nanos(self.silent);
        let ended = self.stacks.take().map(|_| duration);
        (self.witnessed, self.silent) = (0, 0);
        self.add(interval, since);
        ended
    }

    /// What is to be done about a main thread that is silent.
    fn judge(&mut self, look: &Look) -> Step {
        match &mut self.stacks {
            Some(stacks) if *stacks < MAX_HANG_STACKS => {
                *stacks += 1;
                Step::Sample
            }
            None if self.witnessed >= nanos(self.watch.threshold) && look.beat.0 > 0 => {
                self.stacks = Some(1);
                self.counts.hangs += 1;
                Step::Begin { started: look.beat }
            }
            Some(_) | None => Step::Quiet,
        }
    }
}

/// The time between two looks, by the clock that has moved less: one that has jumped shows more.
fn between(last: &Look, look: &Look) -> u64 {
    look.mono.saturating_sub(last.mono).min(nanos(look.boot.since(last.boot)))
}

#[cfg(test)]
mod tests;
