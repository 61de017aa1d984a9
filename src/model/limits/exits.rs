//! Limits of what is concluded from a run that has ended: why it ended, whether it hung, and
//! whether capture goes on.

use std::time::Duration;

use super::{DAY, HOUR, MIB, MINUTE};

// Why a run ended

/// Hundredths of a process's memory limit beyond which memory counts as short. Systems end an app
/// only near its limit; below this share, something else has ended it.
pub const SHORT_MEMORY_PERCENT: u64 = 85;
/// Android's importance (`RunningAppProcessInfo`) up to which the user noticed the process: what is
/// visible has 200, what is perceptible has 230.
pub const MAX_NOTICED_IMPORTANCE: i32 = 230;
/// How long after an uncaught error the process may still be dying of it. A process that lives on
/// for longer has survived that error, and its end has another reason.
pub const DYING_TIME: Duration = Duration::from_secs(10);
/// How far the system's time of a process's end may be before what the run itself wrote down. Both
/// are wall times of one device, and a time server or the mobile network may have set the clock in
/// between. It may be generous, because the process id has to be equal as well, and a system hands
/// out thousands of others before it uses one again.
pub const EXIT_JOIN_TOLERANCE: Duration = MINUTE;
/// Exit records that are remembered as reported. Android keeps the latest 16 of an app, and of a
/// payload of MetricKit's 64 are read, so one that is forgotten here is long gone there.
pub const MAX_TOLD_EXITS: usize = 512;
/// Reported runs that are remembered, to recognise a record of the system that comes later than the
/// report: as many as Android keeps records.
pub const MAX_TOLD_RUNS: usize = 16;
/// Runs that are remembered because they ended without a report: MetricKit tells of an end a day
/// later, and apps are started a few dozen times a day.
pub const MAX_OPEN_RUNS: usize = 64;

/// Characters of a process's name by which the file of what it has reported is called: file names
/// have 255 bytes at most.
pub const MAX_PROCESS_NAME_CHARS: usize = 100;

// What MetricKit says

/// Bytes of one payload. A crash with 19 threads has 300 KB, and iOS 14 puts those of a day into
/// one.
pub const MAX_DIAGNOSTIC_BYTES: usize = 8 * MIB;
/// Values in one payload: a frame has seven, so this is what a payload of frames alone has at the
/// largest size, twice. They take 16 MiB while it is read.
pub(crate) const MAX_DIAGNOSTIC_VALUES: usize = 1 << 19;
/// Diagnostics of one payload that are reported. The others are counted.
pub(crate) const MAX_DIAGNOSTICS: usize = 64;
/// Threads that are listed beside the one that crashed.
pub(crate) const MAX_OTHER_THREADS: usize = 32;
/// Frames of each of them: what it was waiting for stands at the top.
pub(crate) const MAX_OTHER_FRAMES: usize = 16;
/// Characters of a stack after which no further thread is listed: less than a stack may have, so
/// that the thread which crashed is never cut for the sake of another.
pub(crate) const OTHER_THREADS_CHARS: usize = 40_000;
/// Characters of the name of a module in a stack.
pub(crate) const MAX_MODULE_CHARS: usize = 128;
/// How far the time of a diagnostic may be off when its process id says which run it is of: its
/// text names no zone, and the device may have travelled since. A day has zones from -12 to +14 h.
pub(crate) const DIAGNOSTIC_JOIN_TOLERANCE: Duration = Duration::from_secs(26 * HOUR.as_secs());
/// A period that is no longer than this is the time of a crash: MetricKit cuts times to minutes.
pub(crate) const DIAGNOSTIC_POINT: Duration = MINUTE;

// Hangs

/// Silence of the main thread that is a hang. Apple's tools call a second severe; less than two
/// would report every slow screen.
pub const HANG_THRESHOLD: Duration = Duration::from_secs(2);
/// The shortest silence that a host can ask to be told of: below, the watchdog's period is no
/// longer small against it.
pub const LEAST_HANG_THRESHOLD: Duration = Duration::from_millis(500);
/// Time after which the main thread is asked again although it has not answered: a host may lose a
/// task. Each of them waits in its queue while it hangs.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long the end of the client waits for the end of the watchdog, which may be in the host's
/// code.
pub const WATCHDOG_END_PATIENCE: Duration = Duration::from_millis(100);
/// Silence of the main thread after which Android asks the user whether to end the app.
pub const ANR_THRESHOLD: Duration = Duration::from_secs(5);
/// Time between two looks at the main thread.
pub const WATCHDOG_PERIOD: Duration = Duration::from_millis(100);
/// Hundredths of its period by which the watchdog may be late. When it is later, it did not get
/// the processor itself, and cannot tell a main thread that hangs from one that waits for its turn.
pub const WATCHDOG_LATE_PERCENT: u32 = 50;
/// Lateness of the watchdog that means the whole process stood still: it was stopped, frozen or
/// held by a debugger. On a busy device it is late by tenths of a second.
pub const STOPPED_LATENESS: Duration = Duration::from_secs(1);
/// Stacks that are taken of one hang: a second of them at the watchdog's period, enough to see
/// where it stays.
pub const MAX_HANG_STACKS: u32 = 10;

// Whether capture goes on

/// Launches in a row that ended with a fault of our own code before capture disables itself. One
/// may be a coincidence, and two may be one cause that is gone.
pub const MAX_OWN_FAULTS: u32 = 3;
/// How long capture is then disabled.
pub const CAPTURE_DISABLED_FOR: Duration = DAY;
/// A run that died sooner than this after its start has died at launch.
pub const LAUNCH_TIME: Duration = Duration::from_secs(5);
/// Crashes within [`CRASH_LOOP_WITHIN`] that are a loop.
pub const CRASH_LOOP_CRASHES: usize = 5;
/// The time in which they happen.
pub const CRASH_LOOP_WITHIN: Duration = Duration::from_secs(600);
