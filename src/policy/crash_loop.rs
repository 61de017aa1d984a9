//! The rules by which capture restrains itself when one crash follows another. Pure: time is passed
//! in, and what must outlast the process is one small book.
//!
//! - Capture that breaks the app itself is worse than none. When the fault was our own in three
//!   launches in a row, capture is off for a day, and says so.
//! - An app that dies at launch cannot report later: then, and only then, `flush_crashes` may wait.
//! - In a crash loop each crash is still reported, but its stack is taken as the handler wrote it.
//!   Unwinding it anew would make each of these starts slower.
//!
//! ```
//! use throughline::internals::crash_loop::{Capture, EndedRun, Guard, StackWork};
//! use throughline::internals::exits::Class;
//! use throughline::time::{BootId, BootTime};
//!
//! let (boot, second) = (BootId(1), 1_000_000_000);
//! let (started, ended) = (BootTime(7 * second), BootTime(9 * second));
//! let crash = EndedRun { class: Class::NativeCrash, is_own_fault: false, boot, started, ended };
//!
//! let mut guard = Guard::decode(None);
//! assert_eq!(guard.note(&crash), StackWork::Unwind);
//! let launch = guard.launch(Some(&crash), boot, BootTime(10 * second));
//! assert_eq!(launch.capture, Capture::On);
//! assert!(launch.may_wait); // it lived for two seconds
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exits::Class;
use super::sealed;
use crate::model::limits::{CAPTURE_DISABLED_FOR, CRASH_LOOP_CRASHES, CRASH_LOOP_WITHIN, LAUNCH_TIME, MAX_OWN_FAULTS};
use crate::model::time::{BootId, BootTime, Deadline, StoredDeadline, nanos, uptime_since};

/// A run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedRun {
    /// How it ended.
    pub class: Class,
    /// Whether our own code stood on top of the stack that crashed.
    pub is_own_fault: bool,
    /// The boot in which it ran.
    pub boot: BootId,
    /// When it started.
    pub started: BootTime,
    /// When it crashed, or was last seen alive.
    pub ended: BootTime,
}

impl EndedRun {
    /// Whether it was a crash, of native code or of a language.
    pub fn is_crash(&self) -> bool {
        matches!(self.class, Class::NativeCrash | Class::LanguageCrash)
    }

    /// Whether an error of the app ended it before anybody could use it.
    fn died_at_launch(&self) -> bool {
        self.class.error_kind().is_some() && self.ended.since(self.started) < LAUNCH_TIME
    }
}

/// What is done with the raw stack of a crash. The crash is reported either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackWork {
    /// It is unwound.
    Unwind,
    /// It is erased unread: the report has the frames that the signal handler wrote.
    AsWritten,
}

/// Whether this run captures crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// It does.
    On,
    /// It does not, because our own code crashed the app.
    Disabled {
        /// For how long.
        left: Duration,
        /// Whether this launch has decided it. Then it is to be said once.
        is_new: bool,
    },
}

/// What holds for a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Whether it captures crashes.
    pub capture: Capture,
    /// Whether `flush_crashes` may keep its caller waiting.
    pub may_wait: bool,
}

/// What the next launch has to know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Guard {
    /// Runs in a row that ended with a fault of our own.
    own_faults: u32,
    /// Until when capture is off.
    disabled: Option<StoredDeadline>,
    /// The newest crashes, each with its boot and boot time, the oldest first.
    crashes: Vec<(u64, u64)>,
}

impl Guard {
    /// Takes note of a run that has ended. All of them are noted, each once, the oldest first, and
    /// before [`launch`](Self::launch). A crash that is noted again at once, because the process
    /// that read it died, counts once.
    pub fn note(&mut self, run: &EndedRun) -> StackWork {
        if run.is_crash() && self.crashes.last() == Some(&(run.boot.0, run.ended.0)) {
            return self.work();
        }
        self.own_faults = if run.is_crash() && run.is_own_fault { self.own_faults.saturating_add(1) } else { 0 };
        if !run.is_crash() {
            return StackWork::Unwind;
        }
        let is_recent = |crash: &(u64, u64)| {
            uptime_since((BootId(crash.0), BootTime(crash.1)), (run.boot, run.ended)) <= nanos(CRASH_LOOP_WITHIN)
        };
        self.crashes.retain(is_recent);
        self.crashes.push((run.boot.0, run.ended.0));
        let surplus = self.crashes.len().saturating_sub(CRASH_LOOP_CRASHES);
        self.crashes.drain(..surplus);
        self.work()
    }

    fn work(&self) -> StackWork {
        if self.crashes.len() >= CRASH_LOOP_CRASHES { StackWork::AsWritten } else { StackWork::Unwind }
    }

    /// Decides what holds for the launch that follows `last`, the newest run of this process.
    /// Afterwards the book is to be stored.
    pub fn launch(&mut self, last: Option<&EndedRun>, boot: BootId, now: BootTime) -> Launch {
        Launch { capture: self.capture(boot, now), may_wait: last.is_some_and(EndedRun::died_at_launch) }
    }

    fn capture(&mut self, boot: BootId, now: BootTime) -> Capture {
        if self.own_faults >= MAX_OWN_FAULTS {
            self.own_faults = 0;
            self.disabled = Some(Deadline::new(boot, now, CAPTURE_DISABLED_FOR).into());
            return Capture::Disabled { left: CAPTURE_DISABLED_FOR, is_new: true };
        }
        let left = self.disabled.map(|until| Deadline::from(until).left(boot, now)).unwrap_or_default();
        if left.is_zero() {
            self.disabled = None;
            return Capture::On;
        }
        Capture::Disabled { left: left.min(CAPTURE_DISABLED_FOR), is_new: false }
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        sealed::seal(self)
    }

    /// What was stored. Without a file, or with a damaged one, capture begins with a clean slate.
    pub fn decode(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(sealed::open).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const BOOT: BootId = BootId(1);

    fn at(seconds: u64) -> BootTime {
        BootTime(seconds * 1_000_000_000)
    }

    fn run(class: Class, ended: u64, lived: u64) -> EndedRun {
        EndedRun { class, is_own_fault: false, boot: BOOT, started: at(ended - lived), ended: at(ended) }
    }

    fn own(ended: u64) -> EndedRun {
        EndedRun { is_own_fault: true, ..run(Class::NativeCrash, ended, 60) }
    }

    /// A launch that finds a run, with the book read from its bytes and written again.
    fn next(guard: &mut Guard, found: &EndedRun, boot: BootId, now: BootTime) -> Launch {
        *guard = Guard::decode(Some(&guard.encode()));
        guard.note(found);
        guard.launch(Some(found), boot, now)
    }

    fn disabled(guard: &mut Guard) -> Launch {
        next(guard, &own(1_000), BOOT, at(1_001));
        next(guard, &own(2_000), BOOT, at(2_001));
        next(guard, &own(3_000), BOOT, at(3_001))
    }

    #[test]
    fn capture_that_crashes_the_app_at_each_launch_does_not_go_on_for_ever() {
        let mut guard = Guard::default();
        assert_eq!(next(&mut guard, &own(1_000), BOOT, at(1_001)).capture, Capture::On);
        assert_eq!(next(&mut guard, &own(2_000), BOOT, at(2_001)).capture, Capture::On);
        let third = next(&mut guard, &own(3_000), BOOT, at(3_001));
        assert_eq!(third.capture, Capture::Disabled { left: 24 * HOUR, is_new: true });
    }

    #[test]
    fn three_faults_of_our_own_in_a_year_do_not_disable_capture() {
        let mut guard = Guard::default();
        for launch in 1..100 {
            assert_eq!(next(&mut guard, &own(launch * 1_000), BOOT, at(launch * 1_000 + 1)).capture, Capture::On);
            next(&mut guard, &own(launch * 1_000 + 100), BOOT, at(launch * 1_000 + 101));
            let theirs =
                run(if launch % 2 == 0 { Class::NativeCrash } else { Class::UserKill }, launch * 1_000 + 200, 9);
            next(&mut guard, &theirs, BOOT, at(launch * 1_000 + 201));
        }
    }

    #[test]
    fn capture_comes_back_after_a_day_and_says_once_that_it_was_off() {
        let mut guard = Guard::default();
        disabled(&mut guard);
        let later = |guard: &mut Guard, seconds: u64| guard.launch(None, BOOT, at(3_001 + seconds)).capture;
        assert_eq!(later(&mut guard, 3_600), Capture::Disabled { left: 23 * HOUR, is_new: false });
        assert_eq!(later(&mut guard, 24 * 3_600), Capture::On);
        assert_eq!(later(&mut guard, 0), Capture::On, "the clock does not bring the day back");
        assert_eq!(next(&mut guard, &own(200_000), BOOT, at(200_001)).capture, Capture::On, "a clean slate");
    }

    #[test]
    fn a_device_that_was_restarted_waits_a_quarter_of_an_hour_at_most() {
        let mut guard = Guard::default();
        disabled(&mut guard);
        let left = Duration::from_secs(14 * 60);
        let restarted = guard.launch(None, BootId(2), at(60)).capture;
        assert_eq!(restarted, Capture::Disabled { left, is_new: false });
        assert_eq!(guard.launch(None, BootId(2), at(15 * 60)).capture, Capture::On);
    }

    #[test]
    fn an_app_that_did_not_die_at_launch_never_waits_for_an_upload() {
        let waits = |class, lived| Guard::default().launch(Some(&run(class, 1_000, lived)), BOOT, at(1_001)).may_wait;
        for class in [Class::NativeCrash, Class::LanguageCrash, Class::Hang, Class::Anr, Class::OutOfMemory] {
            assert!(waits(class, 4), "{}", class.name());
            assert!(!waits(class, 5), "{}", class.name());
        }
        for class in [Class::UserKill, Class::CleanExit, Class::Update, Class::Unknown, Class::BackgroundKill] {
            assert!(!waits(class, 1), "{}: there is nothing to send", class.name());
        }
        assert!(!Guard::default().launch(None, BOOT, at(1)).may_wait);
    }

    #[test]
    fn a_crash_loop_does_not_make_each_start_unwind_a_stack() {
        let mut guard = Guard::default();
        let mut work = |ended, boot| {
            guard = Guard::decode(Some(&guard.encode()));
            guard.note(&EndedRun { boot, ..run(Class::NativeCrash, ended, 1) })
        };
        for n in 1..5 {
            assert_eq!(work(n * 60, BOOT), StackWork::Unwind, "crash {n}");
        }
        for n in 5..50 {
            assert_eq!(work(n * 60, BOOT), StackWork::AsWritten, "crash {n}");
        }
        assert_eq!(work(50 * 60 + 600, BOOT), StackWork::Unwind, "ten minutes without a crash");
        assert_eq!(work(3_600_000, BOOT), StackWork::Unwind);
    }

    #[test]
    fn crashes_that_are_hours_apart_are_no_loop() {
        let mut guard = Guard::default();
        for n in 1..100 {
            assert_eq!(guard.note(&run(Class::NativeCrash, n * 200, 1)), StackWork::Unwind, "every 200 s");
        }
        for n in 1..100 {
            let killed = run(Class::UserKill, 30_000 + n, 1);
            assert_eq!(guard.note(&killed), StackWork::Unwind);
        }
    }

    #[test]
    fn a_crash_whose_reader_dies_is_no_second_crash() {
        let mut guard = Guard::default();
        for n in 1..5 {
            for _ in 0..3 {
                assert_eq!(guard.note(&run(Class::NativeCrash, n * 60, 1)), StackWork::Unwind, "crash {n}");
            }
        }
        let mut guard = Guard::default();
        for _ in 0..5 {
            guard.note(&own(1_000));
        }
        assert_eq!(guard.launch(Some(&own(1_000)), BOOT, at(1_001)).capture, Capture::On);
    }

    #[test]
    fn a_damaged_book_disables_nothing() {
        let mut guard = Guard::default();
        disabled(&mut guard);
        let bytes = guard.encode();
        assert_eq!(Guard::decode(Some(&bytes)), guard);
        for at in 0..bytes.len() {
            assert_eq!(Guard::decode(Some(&bytes[..at])), Guard::default());
        }
        let later = sealed::seal(&serde_json::json!({ "own_faults": 2, "of_a_later_version": [1, 2] }));
        assert_eq!(Guard::decode(Some(&later)).own_faults, 2);
    }

    #[test]
    fn any_book_and_any_time_end_the_day_off() {
        let stored = |remaining: u64| format!("{{\"disabled\":{{\"boot\":1,\"at\":0,\"remaining\":{remaining}}}}}");
        let book: serde_json::Value = serde_json::from_str(&stored(u64::MAX)).unwrap();
        let mut guard = Guard::decode(Some(&sealed::seal(&book)));
        assert!(matches!(guard.clone().launch(None, BootId(2), at(1)).capture, Capture::Disabled { .. }));
        assert_eq!(guard.launch(None, BootId(2), at(900)).capture, Capture::On);
    }
}
