//! What Android says about the end of a process: `android.app.ApplicationExitInfo`, since API 30.

use super::said::Said;
use crate::model::ids::RunKey;
use crate::model::limits::MAX_NOTICED_IMPORTANCE;

/// Why Android says that a process ended: the constants `REASON_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AndroidReason {
    /// 0: Android does not know.
    Unknown,
    /// 1: it called `exit`; the status is its own.
    ExitSelf,
    /// 2: a signal ended it; the status is the signal's number.
    Signaled,
    /// 3: the system needed its memory.
    LowMemory,
    /// 4: an exception of Java or Kotlin was not caught.
    Crash,
    /// 5: a crash of native code.
    CrashNative,
    /// 6: it did not respond.
    Anr,
    /// 7: it could not be initialized.
    InitializationFailure,
    /// 8: a permission was taken from it.
    PermissionChange,
    /// 9: it used too much of the processor, of wake locks or the like.
    ExcessiveResourceUsage,
    /// 10: the user ended it in the settings or swiped it away. Before API 34 also: the app was
    /// updated.
    UserRequested,
    /// 11: the user of the device that it ran for was stopped.
    UserStopped,
    /// 12: a process that it depends on ended.
    DependencyDied,
    /// 13: another reason of the system's.
    Other,
    /// 14: it was frozen, and could not be thawed.
    Freezer,
    /// 15: a part of the app was enabled or disabled.
    PackageStateChange,
    /// 16: the app was updated.
    PackageUpdated,
    /// A reason of a later version of Android.
    Later(i32),
}

impl AndroidReason {
    /// The reason of a number.
    pub fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Unknown,
            1 => Self::ExitSelf,
            2 => Self::Signaled,
            3 => Self::LowMemory,
            4 => Self::Crash,
            5 => Self::CrashNative,
            6 => Self::Anr,
            7 => Self::InitializationFailure,
            8 => Self::PermissionChange,
            9 => Self::ExcessiveResourceUsage,
            10 => Self::UserRequested,
            11 => Self::UserStopped,
            12 => Self::DependencyDied,
            13 => Self::Other,
            14 => Self::Freezer,
            15 => Self::PackageStateChange,
            16 => Self::PackageUpdated,
            later => Self::Later(later),
        }
    }
}

/// A record of Android's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndroidExit {
    /// Why the process ended.
    pub reason: AndroidReason,
    /// Its exit status, or the signal's number for [`AndroidReason::Signaled`].
    pub status: i32,
    /// How important it was to the user when it ended (`RunningAppProcessInfo.importance`).
    pub importance: i32,
    /// When it ended: wall time, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its process id.
    pub pid: u32,
    /// Its name; `None` when Android does not say.
    pub process: Option<String>,
    /// The memory that was its own or its share of what is used together (PSS), KiB.
    pub pss_kb: u64,
    /// The memory that was mapped (RSS), KiB.
    pub rss_kb: u64,
    /// The run that had named itself in `setProcessStateSummary`: see
    /// [`run_of_summary`](super::run_of_summary).
    pub run: Option<RunKey>,
}

impl AndroidExit {
    /// What it comes to.
    pub(super) fn said(&self) -> Said {
        match self.reason {
            AndroidReason::Unknown => Said::Nothing,
            AndroidReason::ExitSelf if self.status == 0 => Said::EndedItself,
            AndroidReason::Signaled => of_signal(self.status),
            AndroidReason::LowMemory => Said::LowMemory,
            AndroidReason::Crash => Said::LanguageCrash,
            AndroidReason::CrashNative => Said::NativeCrash,
            AndroidReason::InitializationFailure => Said::StartFailed,
            AndroidReason::Anr => Said::NotResponding,
            AndroidReason::UserRequested => Said::UserRequest,
            AndroidReason::PackageUpdated => Said::Updated,
            AndroidReason::ExitSelf
            | AndroidReason::PermissionChange
            | AndroidReason::ExcessiveResourceUsage
            | AndroidReason::UserStopped
            | AndroidReason::DependencyDied
            | AndroidReason::Other
            | AndroidReason::Freezer
            | AndroidReason::PackageStateChange
            | AndroidReason::Later(_) => Said::Other,
        }
    }

    /// Whether the user did not notice the process when it ended.
    pub(super) fn is_background(&self) -> bool {
        self.importance > MAX_NOTICED_IMPORTANCE
    }
}

/// What a signal comes to, by Linux's numbers on the processors of phones.
fn of_signal(number: i32) -> Said {
    match number {
        // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: the process has broken itself.
        4..=8 | 11 | 31 => Said::NativeCrash,
        // SIGKILL. Somebody ended it, and this does not say who or why.
        9 => Said::Nothing,
        _ => Said::Other,
    }
}
