//! Whose journal a file is, and whether that process still lives.
//!
//! A journal belongs to its process until that has died, also while the app is suspended and has
//! released the lock of the directory. There are two ways to say so:
//!
//! - a lock of `flock` on the file, which the kernel releases when the process dies, however it
//!   dies. It is exact, also between containers with process numbers of their own.
//! - a record in the file's preamble, where a lock would cost the app its life: iOS kills a
//!   suspended app that holds one in a directory which it shares with its extensions. It names the
//!   process, the boot, and the file. A number may have been given to another process, and a
//!   sandbox does not say to which: when in doubt, the process lives, for a limited time.
//!
//! See `docs/adr/0016-whose-journal.md`.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, OFlags};
use rustix::process::{Pid, test_kill_process};

use super::forks::ParentFile;
use super::preamble::{OWNER_AT, PREAMBLE, word};
use crate::model::limits::OWNER_IN_DOUBT;
use crate::model::time::{BootTime, Clock};

/// Whether a process may hold a lock while it is suspended.
const MAY_HOLD_LOCKS: bool =
    cfg!(not(any(target_os = "ios", target_os = "tvos", target_os = "watchos", target_os = "visionos")));

/// Lets this process do without the lock, as on iOS.
#[cfg(feature = "testing")]
pub static WITHOUT_LOCK: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn may_hold_locks() -> bool {
    #[cfg(feature = "testing")]
    if WITHOUT_LOCK.load(std::sync::atomic::Ordering::SeqCst) {
        return false;
    }
    MAY_HOLD_LOCKS
}

/// The files that this process says are its own by a record: device and inode.
static OWN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

fn own() -> std::sync::MutexGuard<'static, Vec<(u64, u64)>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which file it is: device and inode.
pub(super) fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// What makes a file this process's own, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    /// Which file it is.
    pub(super) identity: (u64, u64),
    /// Open for as long as it is locked.
    _file: ParentFile,
    is_locked: bool,
}

impl Claim {
    /// Claims a file that this process has just made and mapped. It is opened once more, because a
    /// lock lasts as long as its open file, and a mapping keeps that open: in a forked child too,
    /// whatever it closes.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let identity = identity(&file.metadata()?);
        let is_locked = may_hold_locks() && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !is_locked {
            own().push(identity);
        }
        Ok(Self { identity, _file: ParentFile::new(file), is_locked })
    }

    /// What to write into the preamble: words from [`OWNER_AT`] on. `None` when the lock says it
    /// all.
    pub(super) fn record(&self) -> Option<[u64; 7]> {
        (!self.is_locked).then(|| Owner::here(self.identity.1).to_words())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_locked {
            own().retain(|file| *file != self.identity);
        }
    }
}

/// Whether the journal at `path` belongs to a process that lives. Several may ask at once: the lock
/// that is tried is one that they can share, and that the owner's excludes.
pub(crate) fn is_alive(path: &Path) -> bool {
    // Not to wait for ever for somebody who writes into a pipe, and not to follow a link.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let Ok(file) = File::options().read(true).custom_flags(flags as i32).open(path) else { return false };
    let Ok(meta) = file.metadata() else { return false };
    if !meta.is_file() {
        return false;
    }
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK) {
        return true;
    }
    let mut preamble = vec![0; PREAMBLE];
    if file.read_exact_at(&mut preamble, 0).is_err() {
        return false;
    }
    let Some(owner) = Owner::read(&preamble) else { return false };
    let is_own = owner.pid == u64::from(std::process::id()) && own().contains(&identity(&meta));
    owner.lives(&Owner::here(meta.ino()), is_own, process(owner.pid))
}

/// What the system says of a process number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    /// No process has it.
    Gone,
    /// A process has it, which was started then; 0 when the system does not say.
    Started(u64),
}

fn process(pid: u64) -> Process {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Process::Gone };
    match test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => Process::Gone,
        // Not being permitted to ask means that there is one.
        _ => Process::Started(started(&pid.as_raw_nonzero().to_string())),
    }
}

/// When a process was started, in the kernel's ticks since the boot; 0 where the system does not
/// say: nowhere but on Linux, and even there not of everybody.
fn started(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name, in which there may be spaces and parentheses. The
    // 22nd field is the 20th behind it.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    fields.and_then(|fields| fields.split_ascii_whitespace().nth(19)).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// The space in which process numbers are given; 0 where there is only one.
fn space() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |meta| meta.ino())
}

/// The process that a file belongs to, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    pid: u64,
    boot: u64,
    /// When it was last known to live, boot time in ns.
    since: u64,
    /// The inode of its file: a copy belongs to nobody.
    inode: u64,
    started: u64,
    space: u64,
}

impl Owner {
    /// This process, as the owner of a file.
    fn here(inode: u64) -> Self {
        let clock = Clock::System;
        let pid = std::process::id();
        let started = started(&pid.to_string());
        Self { pid: pid.into(), boot: clock.boot_id().0, since: clock.boot().0, inode, started, space: space() }
    }

    /// The words as they are stored, the checksum included.
    fn to_words(self) -> [u64; 7] {
        let Self { pid, boot, since, inode, started, space } = self;
        let words = [pid, boot, since, inode, started, space];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        [pid, boot, since, inode, started, space, u64::from(crc32c::crc32c(&bytes))]
    }

    /// Reads the record. `None` when there is none, or when it is torn.
    fn read(preamble: &[u8]) -> Option<Self> {
        let word = |at: usize| word(preamble, OWNER_AT + 8 * at);
        let owner =
            Self { pid: word(0), boot: word(1), since: word(2), inode: word(3), started: word(4), space: word(5) };
        let is_whole = owner.to_words().last() == Some(&word(6));
        (is_whole && owner.pid != 0).then_some(owner)
    }

    /// Whether the owner lives. `here` is the process that asks, with the inode of the file as it
    /// is. `is_own` says that the process that asks has the file as its own.
    fn lives(self, here: &Self, is_own: bool, process: Process) -> bool {
        if is_own {
            return true;
        }
        if self.inode != here.inode || self.boot != here.boot || here.since < self.since {
            return false;
        }
        let is_in_doubt = BootTime(here.since).since(BootTime(self.since)) < OWNER_IN_DOUBT;
        if self.space != here.space {
            return is_in_doubt;
        }
        match process {
            // This process has the number by itself, or had it before it became another program.
            _ if self.pid == here.pid => false,
            Process::Gone => false,
            Process::Started(0) => is_in_doubt,
            Process::Started(_) if self.started == 0 => is_in_doubt,
            Process::Started(at) => at == self.started,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn owner() -> Owner {
        Owner { pid: 7, boot: 3, since: HOUR, inode: 11, started: 500, space: 4 }
    }

    /// Somebody else, an hour later.
    fn asking() -> Owner {
        Owner { pid: 8, since: 2 * HOUR, started: 900, ..owner() }
    }

    #[test]
    fn a_process_whose_death_is_not_certain_keeps_its_journal_for_a_limited_time() {
        let late = Owner { since: HOUR + OWNER_IN_DOUBT.as_nanos() as u64, ..asking() };
        let unknown = Owner { started: 0, ..owner() };
        // The owner; who asks; what has its number; whether it is taken for alive.
        let table = [
            (owner(), asking(), Process::Started(500), true),
            (owner(), late, Process::Started(500), true),
            (owner(), asking(), Process::Gone, false),
            // The number was given to another process.
            (owner(), asking(), Process::Started(501), false),
            // A sandbox does not say when a process was started.
            (owner(), asking(), Process::Started(0), true),
            (owner(), late, Process::Started(0), false),
            (unknown, asking(), Process::Started(500), true),
            (unknown, late, Process::Started(500), false),
            // The numbers of another container say nothing.
            (owner(), Owner { space: 5, ..asking() }, Process::Gone, true),
            (owner(), Owner { space: 5, ..late }, Process::Started(500), false),
            // The device was restarted, whatever the name of the boot says.
            (owner(), Owner { boot: 4, ..asking() }, Process::Started(500), false),
            (owner(), Owner { since: HOUR / 2, ..asking() }, Process::Started(500), false),
            // The file is a copy.
            (owner(), Owner { inode: 12, ..asking() }, Process::Started(500), false),
            // The process that asks was given the number, or has become another program.
            (owner(), Owner { pid: 7, started: 500, ..asking() }, Process::Started(500), false),
        ];
        for (owner, here, process, lives) in table {
            assert_eq!(owner.lives(&here, false, process), lives, "{owner:?} {here:?} {process:?}");
        }
        assert!(owner().lives(&Owner { pid: 7, started: 500, ..late }, true, Process::Started(500)));
    }

    #[test]
    fn a_torn_record_belongs_to_nobody() {
        let mut preamble = vec![0; PREAMBLE];
        assert_eq!(Owner::read(&preamble), None);
        for (at, word) in owner().to_words().into_iter().enumerate() {
            assert_eq!(Owner::read(&preamble), None);
            preamble[OWNER_AT + 8 * at..][..8].copy_from_slice(&word.to_le_bytes());
        }
        assert_eq!(Owner::read(&preamble), Some(owner()));
        preamble[OWNER_AT + 16] ^= 1;
        assert_eq!(Owner::read(&preamble), None);
    }

    #[test]
    fn the_system_says_of_this_process_when_it_was_started_and_of_none_that_is_gone() {
        let own = u64::from(std::process::id());
        assert!(matches!(process(own), Process::Started(at) if at > 0 || cfg!(not(target_os = "linux"))));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = u64::from(child.id());
        child.wait().unwrap();
        assert_eq!(process(pid), Process::Gone);
        assert_eq!((process(0), process(u64::MAX)), (Process::Gone, Process::Gone));
    }
}
