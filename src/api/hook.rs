//! The host's own filter.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::Telemetry;
use crate::model::event::EventKind;
use crate::model::value::Attribute;
use crate::policy::redact::{REDACTED, Rewrite};
use crate::storage::health::Health;

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

    /// Rewrites a free text (message, log body, stack) or a URL before it is written, after the built-in redaction; `None`
    /// leaves it. Called while the event is written, perhaps under a lock: the client does nothing that it is asked for
    /// meanwhile. When it panics, nothing of the text is written.
    fn rewrite(&self, _text: &str) -> Option<String> {
        None
    }
}

/// Counts about the host's hook.
#[derive(Debug, Default)]
pub(super) struct HookCounts {
    dropped: AtomicU64,
    panics: AtomicU64,
    slow: AtomicU64,
}

impl HookCounts {
    /// Runs a call of the host's; `None` when it panicked.
    fn watched<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        let started = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(call));
        if started.elapsed() > HOOK_BUDGET {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
        if answer.is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        answer.ok()
    }

    pub(super) fn report(&self, health: &mut Health) {
        health.hook_dropped = self.dropped.load(Ordering::Relaxed);
        health.hook_panics = self.panics.load(Ordering::Relaxed);
        health.hook_slow = self.slow.load(Ordering::Relaxed);
    }
}

thread_local! {
    /// The hook is at work on this thread.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
    /// A text is being rewritten on this thread: calls of the hook's would wait for the lock that it runs under.
    static REWRITING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the host rewrites a text on this thread now.
#[inline]
pub(super) fn is_rewriting() -> bool {
    REWRITING.get()
}

/// Asks the host's hook about texts.
#[derive(Debug)]
pub(super) struct HookRewrite {
    pub(super) hook: Arc<dyn EventHook>,
    pub(super) counts: Arc<HookCounts>,
}

impl Rewrite for HookRewrite {
    fn rewrite(&self, text: &str) -> Option<String> {
        if REWRITING.replace(true) {
            return None;
        }
        let answer = self.counts.watched(|| self.hook.rewrite(text));
        REWRITING.set(false);
        answer.unwrap_or_else(|| Some(REDACTED.to_owned()))
    }
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
        let counts = &self.0.hook_counts;
        let answer = counts.watched(|| hook.keep(event));
        IN_HOOK.set(false);
        let keeps = answer.unwrap_or(false);
        counts.dropped.fetch_add(u64::from(!keeps), Ordering::Relaxed);
        keeps
    }
}
