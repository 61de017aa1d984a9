//! What the numbers in a run file mean.

/// What a run is doing, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Phase {
    /// The app is being launched.
    Starting = 1,
    /// The app is in the foreground, or the host has never said where it is.
    Running = 2,
    /// The app is in the background.
    Background = 3,
    /// The run has ended as it should.
    CleanExit = 4,
    /// The app has ended the run itself, to start another version of itself.
    UpdateRestart = 5,
}

impl Phase {
    /// The phase of a number in a file.
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Starting,
            2 => Self::Running,
            3 => Self::Background,
            4 => Self::CleanExit,
            5 => Self::UpdateRestart,
            _ => return None,
        })
    }
}

/// How far a slot has been written. Whatever a stage has written is whole, whatever comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stage {
    /// Nothing is written, or is being overwritten.
    Empty = 0,
    /// The signal and the registers.
    Registers = 1,
    /// The frames that frame pointers lead to.
    Frames = 2,
    /// A copy of the stack.
    Stack = 3,
    /// Everything.
    Done = 4,
}

/// Whether what stands in a slot is a crash.
///
/// A handler that was there before may recover: a virtual machine turns a fault into an exception,
/// a garbage collector makes a page writable. So a slot that it is asked about counts only if it
/// does not come back, or if the same instruction faults again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// The slot is empty, or it is no crash: the thread has gone on elsewhere.
    None = 0,
    /// The slot is being written. If the process died meanwhile, it is a crash.
    Writing = 1,
    /// The handler that was there before was asked and has not come back. In a file of a process
    /// that is dead this is a crash.
    Provisional = 2,
    /// The handler that was there before came back, and the instruction was to run again. It is no
    /// crash unless that fault came back too, which would have confirmed it.
    Returned = 3,
    /// It is a crash.
    Confirmed = 4,
    /// The process has lived on for so long that it is none.
    Survived = 5,
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    all(feature = "apple", any(target_os = "ios", target_os = "macos"))
))]
impl Verdict {
    pub(crate) const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Writing,
            2 => Self::Provisional,
            3 => Self::Returned,
            4 => Self::Confirmed,
            5 => Self::Survived,
            _ => Self::None,
        }
    }
}

/// Hearts, each with a line of its own in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Beat {
    /// The app's main thread.
    Main = 0,
    /// The watchdog.
    Watchdog = 1,
    /// The thread that runs the app's JavaScript.
    JavaScript = 2,
    /// When the hang that lasts has begun; 0 when there is none.
    HangStart = 3,
    /// When the last hang was over that has been reported.
    LastHang = 4,
}

/// The places of the words before the registers of a slot.
pub mod word {
    /// The signal's number.
    pub const SIGNAL: usize = 0;
    /// Why it was raised: `si_code`, as a signed number.
    pub const CODE: usize = 1;
    /// The address that was accessed; 0 for a signal that was sent.
    pub const ADDRESS: usize = 2;
    /// The thread's number.
    pub const THREAD: usize = 3;
    /// The process's number.
    pub const PROCESS: usize = 4;
    /// The process that has sent the signal; 0 for a fault.
    pub const SENDER: usize = 5;
    /// Boot time, ns.
    pub const BOOT: usize = 6;
    /// Monotonic time, ns.
    pub const MONOTONIC: usize = 7;
    /// Wall time since the Unix epoch, ns.
    pub const WALL: usize = 8;
    /// Program counter.
    pub const PC: usize = 9;
    /// Stack pointer.
    pub const SP: usize = 10;
    /// Frame pointer.
    pub const FP: usize = 11;
    /// Link register; 0 where there is none.
    pub const LR: usize = 12;
    /// How many registers follow.
    pub const REGISTERS: usize = 13;
    /// The thread's name: 16 bytes, filled up with zeros.
    pub const NAME: usize = 14;
}

/// What a handler noticed, one bit each.
pub mod flags {
    /// The program counter is in no module.
    pub const PC_OUTSIDE: u32 = 1;
    /// The system refuses to copy memory: there are no frames and no stack.
    pub const NO_READS: u32 = 2;
    /// The app ignores the signal. The process is dead only if it ended itself at once.
    pub const IGNORED: u32 = 4;
    /// The crash happened while another one was being written.
    pub const NESTED: u32 = 8;
    /// The slot was interrupted by a crash of the handler itself.
    pub const INTERRUPTED: u32 = 16;
    /// A signal that followed from the crash was merged into it.
    pub const MERGED: u32 = 32;
    /// Only the registers are written, because the handler before has recovered from such faults.
    pub const BRIEF: u32 = 64;
}
