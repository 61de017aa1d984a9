//! Named places at which the torture harness kills the process.
//!
//! With the feature `testing` off this is an empty function. With it, `THROUGHLINE_KILL=name:n` sends SIGKILL to the own
//! process when `name` is reached for the n-th time: no destructor runs, no buffer is flushed, as when the system kills
//! an app.

/// Every name, so that a harness can go through them.
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

/// Where a panic is wanted, once.
#[cfg(feature = "testing")]
static PANIC_AT: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);
#[cfg(feature = "testing")]
static PANIC_WANTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Panics once when `name` is reached next: a bug of ours, for the tests of what survives it.
#[cfg(feature = "testing")]
pub fn panic_at(name: &str) {
    *PANIC_AT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(name.to_owned());
    PANIC_WANTED.store(true, std::sync::atomic::Ordering::Release);
}

#[cfg(feature = "testing")]
#[allow(clippy::panic, reason = "asked for by a test")]
fn panic_if_wanted(name: &str) {
    let taken = PANIC_AT.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take_if(|wanted| wanted == name);
    if taken.is_some() {
        panic!("asked for at {name}");
    }
}

/// Dies here if the harness asked for it.
#[cfg(feature = "testing")]
pub fn kill_point(name: &str) {
    if PANIC_WANTED.load(std::sync::atomic::Ordering::Acquire) {
        panic_if_wanted(name);
    }
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let value = std::env::var("THROUGHLINE_KILL").ok()?;
        let (name, count) = value.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = wanted
        && wanted == name
        && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Nothing: the feature `testing` is off.
#[cfg(not(feature = "testing"))]
#[inline(always)]
pub fn kill_point(_name: &str) {}
