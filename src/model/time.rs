//! Clocks: boot time for ages and deadlines, wall time for display.
//!
//! Boot time goes on while the device sleeps and cannot be set by the user. Every age, backoff and
//! pause is measured with it, so a jump of the wall clock deletes nothing and delays nothing. A
//! deadline that has to outlast the process is stored as `(boot id, deadline, remaining)`: see
//! [`Deadline`].

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::model::limits::OTHER_BOOT_CAP;

/// A moment in boot time: nanoseconds since the device started, including the time it slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    /// The moment `by` later.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// The time since `earlier`; zero when that is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in nanoseconds; more than 584 years are cut to that.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Identifies one boot of the device. Boot times of different boots cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootId(pub u64);

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
/// On Darwin, `CLOCK_MONOTONIC` is `mach_continuous_time`, which goes on while the device sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Where the client reads time: the operating system, or a clock that a test moves.
///
/// ```
/// use std::time::Duration;
/// use throughline::time::{Clock, ManualClock};
///
/// let manual = ManualClock::new();
/// let clock = Clock::Manual(manual.clone());
/// let start = clock.boot();
/// manual.advance(Duration::from_secs(90));
/// assert_eq!(clock.boot().since(start), Duration::from_secs(90));
/// ```
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The operating system's clocks.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// Boot time now. On Linux this is a vDSO call, not a system call.
    #[inline]
    pub fn boot(&self) -> BootTime {
        match self {
            Clock::System => BootTime(read(BOOT_CLOCK)),
            Clock::Manual(manual) => BootTime(manual.boot.load(Ordering::SeqCst)),
        }
    }

    /// Wall time now, in nanoseconds since the Unix epoch.
    pub fn wall(&self) -> u64 {
        match self {
            Clock::System => read(ClockId::Realtime),
            Clock::Manual(manual) => {
                let wall = manual.boot.load(Ordering::SeqCst) as i64 + manual.offset.load(Ordering::SeqCst);
                wall.max(0) as u64
            }
        }
    }

    /// What has to be added to boot time to get wall time, in nanoseconds.
    pub fn offset(&self) -> i64 {
        (self.wall() as i64).wrapping_sub(self.boot().0 as i64)
    }

    /// The current boot: a hash of the random id that the kernel has given it.
    ///
    /// Where the kernel gives none, it is the wall time of the boot in minutes. A step of the wall
    /// clock changes that: see `uptime_since`. A stored deadline then ends 15 minutes after the
    /// boot at the latest.
    pub fn boot_id(&self) -> BootId {
        static KERNEL: OnceLock<Option<BootId>> = OnceLock::new();
        match self {
            Clock::Manual(manual) => BootId(manual.boot_id.load(Ordering::SeqCst)),
            Clock::System => {
                let kernel = *KERNEL.get_or_init(|| {
                    kernel_boot_id().map(|id| BootId(u64::from(crc32c::crc32c(id.as_bytes())) | (1 << 32)))
                });
                kernel.unwrap_or_else(|| BootId((self.offset() / 60_000_000_000) as u64))
            }
        }
    }
}

/// The random id of the current boot.
#[cfg(any(target_os = "macos", target_os = "ios", target_os = "tvos", target_os = "visionos"))]
fn kernel_boot_id() -> Option<String> {
    use sysctl::Sysctl as _;

    use crate::model::names::words::BOOT_SESSION;

    sysctl::Ctl::new(BOOT_SESSION).ok()?.value_string().ok().filter(|id| !id.is_empty())
}

/// The random id of the current boot.
#[cfg(not(any(target_os = "macos", target_os = "ios", target_os = "tvos", target_os = "visionos")))]
fn kernel_boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().filter(|id| !id.is_empty())
}

/// How much boot time has passed between two moments, as far as it is known. In another boot only
/// the time since its start is. When that boot seems to have lasted longer than the earlier one
/// had, it may be the same boot under another id, so the uptime that both share is not counted a
/// second time.
pub(crate) fn uptime_since(earlier: (BootId, BootTime), now: (BootId, BootTime)) -> u64 {
    let (before, at) = (earlier.1.0, now.1.0);
    if earlier.0 == now.0 || at >= before { at.saturating_sub(before) } else { at }
}

/// A clock for tests, which stands still until it is moved.
///
/// ```
/// use std::time::Duration;
/// use throughline::time::{Clock, ManualClock};
///
/// let manual = ManualClock::new();
/// let clock = Clock::Manual(manual.clone());
/// let (boot, wall) = (clock.boot(), clock.wall());
///
/// manual.jump_wall(3_600); // the user sets the clock an hour ahead
/// assert_eq!(clock.boot(), boot);
/// assert_eq!(clock.wall(), wall + 3_600 * 1_000_000_000);
///
/// manual.reboot(5); // the device restarts and has been up for 5 s
/// assert!(clock.boot() < boot);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    boot: AtomicU64,
    offset: AtomicI64,
    boot_id: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at 2026-01-01T00:00:00Z, one hour after the boot.
    pub fn new() -> Arc<Self> {
        let boot = 3_600_000_000_000;
        Arc::new(Self {
            boot: AtomicU64::new(boot),
            offset: AtomicI64::new(1_767_225_600_000_000_000 - boot as i64),
            boot_id: AtomicU64::new(1),
        })
    }

    /// Lets time pass, for boot time and wall time alike.
    pub fn advance(&self, by: Duration) {
        self.boot.fetch_add(nanos(by), Ordering::SeqCst);
    }

    /// Moves only the wall clock, as a user or a time server does; negative seconds move it back.
    pub fn jump_wall(&self, by_seconds: i64) {
        self.offset.fetch_add(by_seconds.saturating_mul(1_000_000_000), Ordering::SeqCst);
    }

    /// Restarts the device: boot time begins at `boot_seconds`, wall time goes on.
    pub fn reboot(&self, boot_seconds: u64) {
        let wall = self.boot.load(Ordering::SeqCst) as i64 + self.offset.load(Ordering::SeqCst);
        let boot = boot_seconds * 1_000_000_000;
        self.boot.store(boot, Ordering::SeqCst);
        self.offset.store(wall - boot as i64, Ordering::SeqCst);
        self.boot_id.fetch_add(1, Ordering::SeqCst);
    }
}

/// A deadline that outlasts the process and a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline {
    /// The boot in which it was set.
    pub boot: BootId,
    /// The boot time at which it is over.
    pub at: BootTime,
    /// The nanoseconds that remained when it was written.
    pub remaining: u64,
}

impl Deadline {
    /// A deadline `after` from now.
    pub fn new(boot: BootId, now: BootTime, after: Duration) -> Self {
        Self { boot, at: now.after(after), remaining: nanos(after) }
    }

    /// The time left at `now` in the boot `boot`. In another boot than the deadline's nobody knows
    /// how long the device was off: the remaining time counts from the start of the boot, and at
    /// most 15 minutes of it.
    pub fn left(&self, boot: BootId, now: BootTime) -> Duration {
        if boot == self.boot {
            return self.at.since(now);
        }
        Duration::from_nanos(self.remaining).min(OTHER_BOOT_CAP).saturating_sub(Duration::from_nanos(now.0))
    }
}

/// A deadline as it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDeadline {
    boot: u64,
    at: u64,
    remaining: u64,
}

impl From<Deadline> for StoredDeadline {
    fn from(deadline: Deadline) -> Self {
        Self { boot: deadline.boot.0, at: deadline.at.0, remaining: deadline.remaining }
    }
}

impl From<StoredDeadline> for Deadline {
    fn from(stored: StoredDeadline) -> Self {
        Self { boot: BootId(stored.boot), at: BootTime(stored.at), remaining: stored.remaining }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_of_another_boot_waits_at_most_15_minutes() {
        let set = Deadline::new(BootId(1), BootTime(0), Duration::from_secs(24 * 3600));
        assert_eq!(set.left(BootId(1), BootTime(0)), Duration::from_secs(24 * 3600));
        assert_eq!(set.left(BootId(2), BootTime(0)), Duration::from_secs(900));
        assert_eq!(set.left(BootId(2), BootTime(900_000_000_000)), Duration::ZERO);
    }

    #[test]
    fn a_wall_jump_moves_no_deadline() {
        let manual = ManualClock::new();
        let clock = Clock::Manual(Arc::clone(&manual));
        let set = Deadline::new(clock.boot_id(), clock.boot(), Duration::from_secs(60));
        manual.jump_wall(365 * 86_400);
        assert_eq!(set.left(clock.boot_id(), clock.boot()), Duration::from_secs(60));
        manual.advance(Duration::from_secs(61));
        assert_eq!(set.left(clock.boot_id(), clock.boot()), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_moves_and_knows_its_boot() {
        let clock = Clock::System;
        let first = clock.boot();
        assert!(clock.boot() >= first);
        assert_eq!(clock.boot_id(), clock.boot_id());
    }
}
