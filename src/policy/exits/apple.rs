//! What iOS says about ends of the app: counts over a period, from MetricKit's `MXAppExitMetric`.

use super::said::Said;

/// A kind of end that MetricKit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppleExit {
    /// It ended normally.
    Normal,
    /// It ended abnormally: an exception that was not caught, or `abort`.
    Abnormal,
    /// It accessed memory that it must not.
    BadAccess,
    /// It executed an instruction that does not exist, or trapped.
    IllegalInstruction,
    /// The watchdog ended it because it did not respond (`0x8badf00d`).
    Watchdog,
    /// It used more memory than an app may.
    MemoryLimit,
    /// The system needed its memory. This happens in the background alone.
    MemoryPressure,
    /// It used too much of the processor in the background.
    CpuLimit,
    /// It was suspended while it held a locked file (`0xdead10cc`).
    LockedFile,
    /// A task in the background took too long.
    TaskTimeout,
    /// A kind of a later version of iOS.
    Later,
}

/// How often a kind of end occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppleCount {
    /// The kind.
    pub exit: AppleExit,
    /// Whether the app was in the background.
    pub is_background: bool,
    /// How often.
    pub count: u64,
}

/// The ends of a period, usually a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppleExits {
    /// The beginning of the period: wall time, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// The end of the period.
    pub until_ms: u64,
    /// The counts.
    pub counts: Vec<AppleCount>,
}

impl AppleExits {
    /// How many ends there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(count.count))
    }

    /// The kind of end and its place, if all ends of the period were of one. Counts do not say
    /// which run ended how, so that several kinds say nothing of a single run.
    fn only(&self) -> Option<AppleCount> {
        let mut counts = self.counts.iter().filter(|count| count.count > 0);
        let first = *counts.next()?;
        let is_same = |count: &AppleCount| (count.exit, count.is_background) == (first.exit, first.is_background);
        counts.all(is_same).then_some(first)
    }

    /// What it comes to.
    pub(super) fn said(&self) -> Said {
        match self.only().map(|count| count.exit) {
            None if self.total() > 0 => Said::Ambiguous,
            None => Said::Nothing,
            Some(AppleExit::Normal) => Said::EndedItself,
            Some(AppleExit::Abnormal | AppleExit::BadAccess | AppleExit::IllegalInstruction) => Said::NativeCrash,
            Some(AppleExit::Watchdog) => Said::Watchdog,
            Some(AppleExit::MemoryLimit | AppleExit::MemoryPressure) => Said::LowMemory,
            Some(AppleExit::CpuLimit | AppleExit::LockedFile | AppleExit::TaskTimeout | AppleExit::Later) => {
                Said::Other
            }
        }
    }

    /// Whether the ends were in the background. `None` when the counts do not tell.
    pub(super) fn is_background(&self) -> Option<bool> {
        self.only().map(|count| count.is_background)
    }
}
