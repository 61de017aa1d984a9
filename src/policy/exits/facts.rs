//! What is known of a run that has ended, and of the launch that asks why.

use super::android::AndroidExit;
use super::apple::AppleExits;
use super::metrickit::{AppleCrash, Stated};
use crate::model::limits::SHORT_MEMORY_PERCENT;
use crate::model::time::{BootId, BootTime};

/// What a run was doing, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It was starting.
    Starting,
    /// It was in use.
    Running,
    /// It was in the background.
    Background,
    /// It was about to end of its own accord.
    CleanExit,
    /// It was about to end because an update of the app replaces it.
    UpdateRestart,
    /// It had begun to write down a crash.
    Crashing,
}

/// What the system had said last about memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pressure {
    /// There is enough.
    #[default]
    Normal,
    /// It is getting short.
    Warning,
    /// Processes are about to be ended.
    Critical,
}

/// The memory of a run at its last state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Bytes that the system counts as the process's own.
    pub footprint: u64,
    /// Bytes at which the system ends it; 0 when that is not known.
    pub limit: u64,
    /// What the system had said.
    pub pressure: Pressure,
}

impl Memory {
    /// Whether memory was so short that the system may have ended the process for it.
    pub fn is_short(&self) -> bool {
        let share = u128::from(self.footprint) * 100;
        let is_near = self.limit > 0 && share > u128::from(self.limit) * u128::from(SHORT_MEMORY_PERCENT);
        is_near || self.pressure == Pressure::Critical
    }
}

/// Which program it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppVersion {
    /// The version that users see.
    pub version: String,
    /// The build.
    pub build: String,
}

/// A crash that the signal handler has written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The signal's number.
    pub signal: i32,
    /// When it came.
    pub at: BootTime,
}

/// What is known of a run that has ended. What is not known is `None`: a run file may be torn, and
/// a record of the system may be of a run that left no file.
///
/// All boot times are of the run's own boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreviousRun {
    /// Whether this launch is the one that followed it. If others came in between, what has changed
    /// until now says nothing about its end.
    pub is_last: bool,
    /// What it was doing.
    pub phase: Option<Phase>,
    /// Whether the app was in the foreground.
    pub is_foreground: Option<bool>,
    /// The boot in which it ran.
    pub boot: Option<BootId>,
    /// The app that it was.
    pub app: Option<AppVersion>,
    /// Whether a debugger was attached.
    pub has_debugger: bool,
    /// The crash that the signal handler wrote down.
    pub fault: Option<Fault>,
    /// When an uncaught error of a language (an exception, a panic, a fatal error of JavaScript)
    /// was written down.
    pub fatal: Option<BootTime>,
    /// The beat of the main thread behind which a hang began whose end was not written down.
    pub hang: Option<BootTime>,
    /// Its memory.
    pub memory: Option<Memory>,
    /// When the main thread gave its last sign of life.
    pub last_beat: Option<BootTime>,
}

/// The launch that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The boot in which it runs.
    pub boot: BootId,
    /// The time.
    pub at: BootTime,
    /// The app that it is; `None` when it does not know.
    pub app: Option<AppVersion>,
}

/// What the system says about the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitRecord {
    /// Android's `ApplicationExitInfo`.
    Android(AndroidExit),
    /// What iOS has counted over a period (MetricKit's `MXAppExitMetric`), and by what that is
    /// recognised.
    Apple(AppleExits, Stated),
    /// A crash that iOS has seen (MetricKit's `MXCrashDiagnostic`).
    AppleCrash(AppleCrash),
}
