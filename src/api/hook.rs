//! The host's own filter: [`EventHook`], and what is counted about it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::model::event::EventKind;
use crate::model::limits::HOOK_BUDGET;
use crate::model::value::Attribute;
use crate::policy::redact::{REDACTED, Rewrite};
use crate::storage::health::Health;

/// What an [`EventHook`] sees of an event, before anything of it is written. It is lent for the
/// call alone.
///
/// ```
/// use throughline::EventView;
/// use throughline::event::EventKind;
///
/// fn is_noise(event: &EventView<'_>) -> bool {
///     let is_internal = event.attributes.iter().any(|(key, _)| *key == "internal");
///     is_internal || (event.kind == EventKind::Log && event.label.starts_with("heartbeat"))
/// }
/// # let _ = is_noise;
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventView<'a> {
    /// The kind of the event.
    pub kind: EventKind,
    /// What it is called: a name, a URL, an error's type, a log's body. Not redacted.
    pub label: &'a str,
    /// Its attributes. Not redacted.
    pub attributes: &'a [Attribute<'a>],
}

/// The host's own filter, which an app puts into [`Host::hook`](crate::Host::hook).
///
/// The hook runs on the thread that records. It is asked about events, actions, views, spans and
/// operations; state mutations have policies of their own. A hook that panics drops the event, and
/// a call that takes longer than a millisecond is counted. [`Health`] shows both. What the hook
/// records itself is not shown to it.
///
/// ```
/// use std::sync::Arc;
/// use throughline::{Config, Consent, EventHook, EventView, Host, Telemetry};
/// use throughline::event::{Log, Severity};
///
/// #[derive(Debug)]
/// struct HideNames;
///
/// impl EventHook for HideNames {
///     fn keep(&self, event: &EventView<'_>) -> bool {
///         !event.attributes.iter().any(|(key, _)| *key == "internal")
///     }
///
///     fn rewrite(&self, text: &str) -> Option<String> {
///         text.contains("Ada").then(|| text.replace("Ada", "[name]"))
///     }
/// }
///
/// let dir = tempfile::tempdir()?;
/// let mut host = Host::default();
/// host.hook = Some(Arc::new(HideNames));
/// let config = Config::builder("shop", dir.path()).build()?;
/// let telemetry = Telemetry::start_with(config, Consent::Granted, host)?;
/// // Written as "hello, [name]".
/// telemetry.record_log(&Log::new(Severity::Info, "hello, Ada"));
/// let hidden = [("internal", true.into())];
/// assert!(telemetry.record_log(&Log::new(Severity::Info, "tick").attributes(&hidden)).is_none());
/// assert_eq!(telemetry.health().hook_dropped, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EventHook: Send + Sync + std::fmt::Debug {
    /// Whether the event is kept. False drops it, and counts it in `health().hook_dropped`.
    fn keep(&self, event: &EventView<'_>) -> bool;

    /// Rewrites a free text (message, log body, stack) or a URL before it is written, after the
    /// built-in redaction. `None` leaves the text as it is.
    ///
    /// It is called while the event is written, perhaps under a lock of the client's. The client is
    /// therefore off for everything that the hook asks of it meanwhile. When the hook panics,
    /// `[redacted]` is written in place of the text.
    fn rewrite(&self, _text: &str) -> Option<String> {
        None
    }
}

/// What is counted about the host's hook.
#[derive(Debug, Default)]
pub(super) struct HookCounts {
    dropped: AtomicU64,
    panics: AtomicU64,
    slow: AtomicU64,
}

impl HookCounts {
    /// Asks the hook whether it wants an event. An event that the hook records itself is kept.
    #[inline(never)]
    pub(super) fn ask(&self, hook: &dyn EventHook, event: &EventView<'_>) -> bool {
        if IN_HOOK.replace(true) {
            return true;
        }
        let answer = self.watch(|| hook.keep(event));
        IN_HOOK.set(false);
        let keeps = answer.unwrap_or(false);
        self.dropped.fetch_add(u64::from(!keeps), Ordering::Relaxed);
        keeps
    }

    /// Runs a call of the host's, and counts it if it is slow or panics. `None` when it panicked.
    fn watch<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
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

    /// Fills in the hook's part of the health.
    pub(super) fn report(&self, health: &mut Health) {
        health.hook_dropped = self.dropped.load(Ordering::Relaxed);
        health.hook_panics = self.panics.load(Ordering::Relaxed);
        health.hook_slow = self.slow.load(Ordering::Relaxed);
    }
}

thread_local! {
    /// The hook is being asked on this thread.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
    /// The hook is rewriting a text on this thread. A call that it makes would wait for the lock
    /// under which the text is being written.
    static REWRITING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a call of the hook's.
pub(super) fn is_running() -> bool {
    IN_HOOK.get() || REWRITING.get()
}

/// Whether the hook is rewriting a text on this thread.
#[inline]
pub(super) fn is_rewriting() -> bool {
    REWRITING.get()
}

/// Lets the host's hook rewrite texts while they are redacted.
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
        let answer = self.counts.watch(|| self.hook.rewrite(text));
        REWRITING.set(false);
        answer.unwrap_or_else(|| Some(REDACTED.to_owned()))
    }
}
