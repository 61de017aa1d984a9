//! Kills a child at the n-th system call of its worker thread, before the call is made or after it
//! has returned.
//!
//! The child is traced with ptrace as soon as it runs, and the kernel also traces the threads that
//! it starts. Only the thread named `throughline` stops at system calls: the recording threads keep
//! their pace.

use std::collections::HashMap;
use std::process::Child;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a thread is followed.
#[derive(Clone, Copy)]
enum Followed {
    /// It has not set its name yet. It has stopped so many times.
    New(u32),
    /// It is the worker: it stops at system calls.
    Worker,
    /// It runs on.
    Other,
}

/// What became of the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was killed at its system call.
    Killed,
    /// It ended before.
    EndedBefore,
    /// The system does not permit tracing. The child runs on.
    NotPermitted,
}

/// Traces the child until its worker has stopped `n` times, and kills it there. Each system call is
/// two stops: one before it is made, one after it has returned.
pub(crate) fn kill_at(child: &mut Child, n: u64) -> Result<End> {
    let leader = Pid::from_raw(i32::try_from(child.id()).context("the child's id")?);
    let options = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
    match ptrace::seize(leader, options) {
        Ok(()) => {}
        Err(Errno::EPERM | Errno::ENOSYS) => return Ok(End::NotPermitted),
        Err(error) => return Err(error).context("tracing the child"),
    }
    let mut threads = HashMap::from([(leader, Followed::Other)]);
    let mut stops = 0;
    let mut killed = false;
    loop {
        // Only for what this thread traces: other threads torture other stores.
        let status = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(status) => status,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error).context("waiting for the child"),
        };
        let (thread, signal) = match status {
            WaitStatus::Signaled(pid, ..) | WaitStatus::Exited(pid, _) if pid == leader => {
                return Ok(if killed { End::Killed } else { End::EndedBefore });
            }
            WaitStatus::PtraceSyscall(pid) | WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal).filter(|signal| *signal != Signal::SIGTRAP)),
            _ => continue,
        };
        let followed = threads.entry(thread).or_insert(Followed::New(0));
        if let Followed::New(passed) = *followed {
            let name = std::fs::read_to_string(format!("/proc/{leader}/task/{thread}/comm")).unwrap_or_default();
            *followed = match name.trim() {
                "throughline" => Followed::Worker,
                // A thread sets its name early.
                _ if passed < 30 => Followed::New(passed + 1),
                _ => Followed::Other,
            };
        }
        if matches!(followed, Followed::Worker) && matches!(status, WaitStatus::PtraceSyscall(_)) {
            stops += 1;
            if stops >= n && !killed {
                killed = true;
                child.kill().context("killing the child")?;
            }
        }
        let resumed = match followed {
            Followed::Other => ptrace::cont(thread, signal),
            Followed::New(_) | Followed::Worker => ptrace::syscall(thread, signal),
        };
        // A thread may have died since its stop.
        if let Err(error) = resumed
            && error != Errno::ESRCH
        {
            return Err(error).context("resuming the child");
        }
    }
}
