//! Named places at which the torture harness kills the process.
//!
//! With the feature `testing` off, a kill point is an empty function. With it,
//! `THROUGHLINE_KILL=name:n` sends SIGKILL to the own process when `name` is reached for the n-th
//! time: no destructor runs and no buffer is flushed, as when the system kills an app.

#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(feature = "testing")]
use std::sync::{Mutex, OnceLock, PoisonError};

/// Every name, so that a harness can try each.
pub const NAMES: [&str; 10] = [
    "journal_payload_written",
    "ring_wrap",
    "before_commit",
    "after_commit",
    "crash_committed",
    "batch_frozen",
    "sent_unsettled",
    "settled",
    "checkpoint",
    "recovery",
];

/// Whether a test may want a panic, or the harness a death: unknown until the first kill point.
#[cfg(feature = "testing")]
static MAY_BE_WANTED: AtomicBool = AtomicBool::new(true);
/// The name at which a test wants a panic, until it has occurred.
#[cfg(feature = "testing")]
static PANIC_AT: Mutex<Option<String>> = Mutex::new(None);

/// Panics once, when `name` is reached next: stands for a bug of ours in tests of what survives
/// one.
#[cfg(feature = "testing")]
pub fn panic_at(name: &str) {
    let mut at = PANIC_AT.lock().unwrap_or_else(PoisonError::into_inner);
    *at = Some(name.to_owned());
    MAY_BE_WANTED.store(true, Ordering::Release);
}

/// A name, and what is done there.
#[cfg(feature = "testing")]
type Act = (String, fn());
/// What is done once when its name is reached.
#[cfg(feature = "testing")]
static ACT_AT: Mutex<Option<Act>> = Mutex::new(None);

/// Does something once when `name` is reached next: crashes, in tests of what survives that.
#[cfg(feature = "testing")]
pub fn act_at(name: &str, act: fn()) {
    *ACT_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), act));
    MAY_BE_WANTED.store(true, Ordering::Release);
}

/// Kills the process here if the harness asked for it.
#[cfg(feature = "testing")]
#[inline(always)]
pub fn kill_point(name: &str) {
    // One load, because kill points stand on the hot path and benchmarks are built with this
    // feature.
    if MAY_BE_WANTED.load(Ordering::Relaxed) {
        look_at_kill_point(name);
    }
}

#[cfg(feature = "testing")]
#[cold]
#[inline(never)]
fn look_at_kill_point(name: &str) {
    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static SEEN: AtomicU32 = AtomicU32::new(0);
    panic_if_wanted(name);
    let act = ACT_AT.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(wanted, _)| wanted == name);
    if let Some((_, act)) = act {
        act();
    }
    let wanted = WANTED.get_or_init(|| {
        let value = std::env::var("THROUGHLINE_KILL").ok()?;
        let (name, count) = value.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((wanted, count)) = wanted else {
        let at = PANIC_AT.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = ACT_AT.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        MAY_BE_WANTED.store(at.is_some() || acts, Ordering::Release);
        return;
    };
    if wanted == name && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "testing")]
#[allow(clippy::panic, reason = "a test asked for it")]
fn panic_if_wanted(name: &str) {
    let taken = PANIC_AT.lock().unwrap_or_else(PoisonError::into_inner).take_if(|wanted| wanted == name);
    if taken.is_some() {
        panic!("a test asked for a panic at {name}");
    }
}

/// Does nothing: the feature `testing` is off.
#[cfg(not(feature = "testing"))]
#[inline(always)]
pub fn kill_point(_name: &str) {}
