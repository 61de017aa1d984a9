//! The decisions: one table, whose first row that fits decides.

use super::AppleCrash;
use super::facts::{ExitRecord, Now, Phase, PreviousRun};
use super::said::Said;
use crate::model::event::ErrorKind;
use crate::model::limits::DYING_TIME;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A crash of native code.
    NativeCrash,
    /// An uncaught error of a language: an exception, a panic, a fatal error of JavaScript.
    LanguageCrash,
    /// The main thread was blocked until the end.
    Hang,
    /// Android ended an application that was not responding.
    Anr,
    /// The system ended it in the foreground because memory ran out.
    OutOfMemory,
    /// The user ended it.
    UserKill,
    /// An update of the app replaced it.
    Update,
    /// The device was restarted.
    Reboot,
    /// It ended of its own accord.
    CleanExit,
    /// The system ended it in the background, as systems do all the time.
    BackgroundKill,
    /// What is known does not say.
    Unknown,
}

impl Class {
    /// The kind of error as which it is reported; `None` for an end that is no error of the app's.
    pub fn error_kind(self) -> Option<ErrorKind> {
        match self {
            Class::NativeCrash | Class::LanguageCrash => Some(ErrorKind::Crash),
            Class::Hang => Some(ErrorKind::Hang),
            Class::Anr => Some(ErrorKind::Anr),
            Class::OutOfMemory => Some(ErrorKind::OutOfMemory),
            _ => None,
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::NativeCrash => "native_crash",
            Class::LanguageCrash => "language_crash",
            Class::Hang => "hang",
            Class::Anr => "anr",
            Class::OutOfMemory => "out_of_memory",
            Class::UserKill => "user_kill",
            Class::Update => "update",
            Class::Reboot => "reboot",
            Class::CleanExit => "clean_exit",
            Class::BackgroundKill => "background_kill",
            Class::Unknown => "unknown",
        }
    }
}

/// Whose word a class rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What the run wrote down.
    Own,
    /// A record of the system.
    System,
    /// Both: they are one event, of which ours is kept and theirs is added.
    Both,
    /// Nothing but that everything else could be excluded.
    Elimination,
}

/// Why a run's end is not known, or why memory is not made responsible for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Other launches came in between.
    NotLast,
    /// The device was restarted since.
    Reboot,
    /// The app was updated since.
    Upgrade,
    /// A debugger was attached.
    Debugger,
    /// The app was starting.
    AtLaunch,
    /// The app was in the background.
    Background,
    /// It is not known whether the app was in the foreground.
    ForegroundUnknown,
    /// It is not known how much memory there was.
    MemoryUnknown,
    /// There was memory enough.
    MemoryNotShort,
    /// The system says that memory ran out, and another reason speaks against it.
    SystemSaysMemory,
    /// The system gives a reason that is none of the classes.
    SystemSaysOther,
    /// The system has counted several ends, and does not say which was this one's.
    SystemIsAmbiguous,
    /// A hang had begun, and it had ended or a debugger may have caused it.
    HangNotFatal,
    /// There was an uncaught error, and the process lived on.
    ErrorSurvived,
}

/// What a class rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The rule that decided: the name of a row of the table.
    pub rule: &'static str,
    /// Whose word it is.
    pub source: Source,
    /// For [`Class::Unknown`], the reasons. Empty for all others.
    pub reasons: Vec<Reason>,
}

/// How a run ended, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// How it ended.
    pub class: Class,
    /// What that rests on.
    pub evidence: Evidence,
}

/// A row of the table.
struct Row {
    rule: &'static str,
    class: Class,
    source: Source,
    fits: fn(&Facts<'_>) -> bool,
}

const fn row(rule: &'static str, class: Class, source: Source, fits: fn(&Facts<'_>) -> bool) -> Row {
    Row { rule, class, source, fits }
}

use Class::{
    Anr, BackgroundKill, CleanExit, Hang, LanguageCrash, NativeCrash, OutOfMemory, Reboot, Unknown, Update, UserKill,
};
use Source::{Elimination, Own, System};

/// The table. The first row that fits decides, and the last one always fits.
///
/// The order says: what the run wrote down about its own end comes first, then what the system
/// says, and last what is left when everything else is excluded.
#[rustfmt::skip]
const TABLE: [Row; 27] = [
    // The run wrote down that it was crashing. A signal behind an uncaught error is the same death.
    row("error_and_signal",       LanguageCrash,  Own, |f| f.is_signal_of_fatal()),
    row("crash_slot",             NativeCrash,    Own, |f| f.run.fault.is_some()),
    row("uncaught_error",         LanguageCrash,  Own, |f| f.died_of_fatal()),
    row("crashing",               NativeCrash,    Own, |f| f.is(Phase::Crashing)),
    // The system saw a crash, or that it did not respond.
    row("system_native_crash",    NativeCrash,    System, |f| f.said == Said::NativeCrash),
    row("system_language_crash",  LanguageCrash,  System, |f| f.said == Said::LanguageCrash),
    row("system_start_failed",    NativeCrash,    System, |f| f.said == Said::StartFailed),
    row("system_anr",             Anr,            System, |f| f.said == Said::NotResponding),
    row("system_watchdog",        Hang,           System, |f| f.said == Said::Watchdog && !f.is_background),
    // The run wrote down that it was about to end.
    row("clean_exit",             CleanExit,      Own, |f| f.is(Phase::CleanExit)),
    row("update_restart",         Update,         Own, |f| f.is(Phase::UpdateRestart)),
    // The system knows why it ended it. A user who ends an app that hangs has met the hang.
    row("system_update",          Update,         System, |f| f.said == Said::Updated),
    row("system_memory",          OutOfMemory,    System, |f| f.said == Said::LowMemory && !f.excludes_memory()),
    row("fatal_hang",             Hang,           Own, |f| f.died_in_hang()),
    row("user_request_update",    Update,         System, |f| f.said == Said::UserRequest
                                                                    && f.run.is_last && f.is_upgrade),
    row("user_request",           UserKill,       System, |f| f.said == Said::UserRequest),
    row("memory_in_background",   BackgroundKill, System, |f| f.said == Said::LowMemory && f.is_background),
    row("memory_in_doubt",        Unknown,        System, |f| f.said == Said::LowMemory),
    row("system_exit",            CleanExit,      System, |f| f.said == Said::EndedItself),
    row("system_in_background",   BackgroundKill, System, |f| f.is_ended_by_system() && f.is_background),
    row("system_other",           Unknown,        System, |f| f.is_ended_by_system()),
    // Nobody says why. What has changed until the launch that followed may explain it.
    row("rebooted",               Reboot,         Elimination, |f| f.run.is_last && f.is_reboot),
    row("upgraded",               Update,         Elimination, |f| f.run.is_last && f.is_upgrade),
    row("debugged",               Unknown,        Elimination, |f| f.run.has_debugger),
    row("background",             BackgroundKill, Elimination, |f| f.is_background),
    row("memory_short",           OutOfMemory,    Elimination, |f| f.died_of_memory()),
    row("unexplained",            Unknown,        Elimination, |_| true),
];

/// The names of the rules, in the order in which they are asked.
pub fn rules() -> impl Iterator<Item = (&'static str, Class)> {
    TABLE.iter().map(|row| (row.rule, row.class))
}

/// Says how a run ended.
pub fn classify(previous: &PreviousRun, now: &Now, os: Option<&ExitRecord>) -> Termination {
    let facts = Facts::new(previous, now, os);
    let row = TABLE.iter().find(|row| (row.fits)(&facts));
    let (rule, class, source) =
        row.map_or(("unexplained", Unknown, Elimination), |row| (row.rule, row.class, row.source));
    let reasons = if class == Unknown { facts.reasons() } else { Vec::new() };
    let source = if facts.is_seen_by_both(class) { Source::Both } else { source };
    Termination { class, evidence: Evidence { rule, source, reasons } }
}

/// What the rows ask for.
struct Facts<'a> {
    run: &'a PreviousRun,
    said: Said,
    is_foreground: bool,
    is_background: bool,
    is_reboot: bool,
    is_upgrade: bool,
}

impl<'a> Facts<'a> {
    fn new(run: &'a PreviousRun, now: &Now, os: Option<&ExitRecord>) -> Self {
        let (said, is_os_background) = match os {
            None => (Said::Nothing, None),
            Some(ExitRecord::Android(exit)) => (exit.said(), Some(exit.is_background())),
            Some(ExitRecord::Apple(exits, _)) => (exits.said(), exits.is_background()),
            Some(ExitRecord::AppleCrash(crash)) => {
                let said = match crash {
                    AppleCrash { is_watchdog: true, .. } => Said::Watchdog,
                    AppleCrash { is_killed: true, .. } => Said::Other,
                    _ => Said::NativeCrash,
                };
                (said, None)
            }
        };
        let is_background =
            run.phase == Some(Phase::Background) || run.is_foreground == Some(false) || is_os_background == Some(true);
        let is_foreground = !is_background && (run.is_foreground == Some(true) || is_os_background == Some(false));
        // The id of a boot may be a guess, but boot time never goes back.
        let is_earlier = run.last_beat.is_some_and(|beat| now.at < beat);
        let is_reboot = is_earlier || run.boot.is_some_and(|boot| boot != now.boot);
        let is_upgrade = run.app.as_ref().zip(now.app.as_ref()).is_some_and(|(before, after)| before != after);
        Self { run, said, is_foreground, is_background, is_reboot, is_upgrade }
    }

    fn is(&self, phase: Phase) -> bool {
        self.run.phase == Some(phase)
    }

    /// Whether the signal is how the process died of an uncaught error: languages abort after it.
    fn is_signal_of_fatal(&self) -> bool {
        let both = self.run.fatal.zip(self.run.fault);
        both.is_some_and(|(fatal, fault)| fault.at >= fatal && fault.at.since(fatal) <= DYING_TIME)
    }

    /// Whether it died of an uncaught error: its main thread did not go on afterwards.
    fn died_of_fatal(&self) -> bool {
        self.run.fatal.is_some_and(|fatal| self.run.last_beat.is_none_or(|beat| beat.since(fatal) <= DYING_TIME))
    }

    /// Whether the main thread hung until the end.
    fn died_in_hang(&self) -> bool {
        let never_ended = self.run.hang.is_some_and(|hang| self.run.last_beat.is_none_or(|beat| beat <= hang));
        never_ended && !self.is_background && !self.run.has_debugger
    }

    /// Whether nothing but a lack of memory is left to explain the end. Counts of the system's that
    /// are ambiguous leave more.
    fn died_of_memory(&self) -> bool {
        let is_alone = self.run.is_last && self.is_foreground && self.said == Said::Nothing;
        is_alone && self.is_memory_short() && !self.excludes_memory()
    }

    fn is_memory_short(&self) -> bool {
        self.run.memory.is_some_and(|memory| memory.is_short())
    }

    /// Whether something speaks against memory as the reason, whoever says that it ran out.
    fn excludes_memory(&self) -> bool {
        self.is_background || self.is_reboot || self.is_upgrade || self.run.has_debugger
    }

    /// Whether the system ended it for a reason that is none of the classes.
    fn is_ended_by_system(&self) -> bool {
        matches!(self.said, Said::Other | Said::Watchdog)
    }

    /// Whether the run and the system both saw an end of this class.
    fn is_seen_by_both(&self, class: Class) -> bool {
        let run = self.run;
        match class {
            NativeCrash | LanguageCrash => {
                let is_own = run.fault.is_some() || self.died_of_fatal() || self.is(Phase::Crashing);
                is_own && matches!(self.said, Said::NativeCrash | Said::LanguageCrash | Said::StartFailed)
            }
            Hang | Anr => self.died_in_hang() && matches!(self.said, Said::NotResponding | Said::Watchdog),
            OutOfMemory => self.said == Said::LowMemory && self.is_memory_short(),
            CleanExit => self.is(Phase::CleanExit) && self.said == Said::EndedItself,
            Update => self.is(Phase::UpdateRestart) && self.said == Said::Updated,
            UserKill | Reboot | BackgroundKill | Unknown => false,
        }
    }

    /// Why the end is not known.
    fn reasons(&self) -> Vec<Reason> {
        let run = self.run;
        let all = [
            (Reason::NotLast, !run.is_last),
            (Reason::Reboot, self.is_reboot),
            (Reason::Upgrade, self.is_upgrade),
            (Reason::Debugger, run.has_debugger),
            (Reason::AtLaunch, self.is(Phase::Starting)),
            (Reason::Background, self.is_background),
            (Reason::ForegroundUnknown, !self.is_foreground && !self.is_background),
            (Reason::MemoryUnknown, run.memory.is_none()),
            (Reason::MemoryNotShort, run.memory.is_some() && !self.is_memory_short()),
            (Reason::SystemSaysMemory, self.said == Said::LowMemory),
            (Reason::SystemSaysOther, self.said == Said::Other),
            (Reason::SystemIsAmbiguous, self.said == Said::Ambiguous),
            (Reason::HangNotFatal, run.hang.is_some() && !self.died_in_hang()),
            (Reason::ErrorSurvived, run.fatal.is_some() && !self.died_of_fatal()),
        ];
        all.into_iter().filter_map(|(reason, holds)| holds.then_some(reason)).collect()
    }
}
