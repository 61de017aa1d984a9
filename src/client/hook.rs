//! The host's own filter.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Telemetry;
use crate::event::EventKind;
use crate::health::Health;
use crate::value::Attribute;

/// Time that a hook may take.
const HOOK_BUDGET: Duration = Duration::from_millis(1);

/// What a hook sees of an event, before anything of it is written.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventView<'a> {
    /// The kind.
    pub kind: EventKind,
    /// What it is called: a name, a URL, an error's type, a log's body.
    pub label: &'a str,
    /// Its attributes, not redacted.
    pub attributes: &'a [Attribute<'a>],
}

/// The host's own filter, called on the recording thread for events, actions, views, spans and operations; state
/// mutations have their policies. A hook that panics drops the event; one that takes longer than a millisecond is counted.
/// Both show in [`Health`]. What it records itself is not shown to it.
pub trait EventHook: Send + Sync + std::fmt::Debug {
    /// False: the event is dropped, and counted in `health().hook_dropped`.
    fn keep(&self, event: &EventView<'_>) -> bool;
}

/// Counts about the host's hook.
#[derive(Debug, Default)]
pub(super) struct HookCounts {
    dropped: AtomicU64,
    panics: AtomicU64,
    slow: AtomicU64,
}

impl HookCounts {
    pub(super) fn report(&self, health: &mut Health) {
        health.hook_dropped = self.dropped.load(Ordering::Relaxed);
        health.hook_panics = self.panics.load(Ordering::Relaxed);
        health.hook_slow = self.slow.load(Ordering::Relaxed);
    }
}

thread_local! {
    /// The hook is at work on this thread.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

impl Telemetry {
    /// Asks the host's hook, if there is one.
    #[inline]
    pub(super) fn permits(&self, kind: EventKind, label: &str, attributes: &[Attribute<'_>]) -> bool {
        match &self.0.host.hook {
            Some(hook) => self.ask_hook(hook.as_ref(), &EventView { kind, label, attributes }),
            None => true,
        }
    }

    #[inline(never)]
    fn ask_hook(&self, hook: &dyn EventHook, event: &EventView<'_>) -> bool {
        if IN_HOOK.replace(true) {
            return true;
        }
        let started = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| hook.keep(event)));
        IN_HOOK.set(false);
        let counts = &self.0.hook_counts;
        if started.elapsed() > HOOK_BUDGET {
            counts.slow.fetch_add(1, Ordering::Relaxed);
        }
        let keeps = answer.unwrap_or_else(|_| {
            counts.panics.fetch_add(1, Ordering::Relaxed);
            false
        });
        counts.dropped.fetch_add(u64::from(!keeps), Ordering::Relaxed);
        keeps
    }
}
