//! [`Telemetry`]: what an app calls.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::hook::{self, EventHook};
use crate::engine::globals::GlobalContext;
use crate::engine::recorder::replaying;
use crate::engine::worker::{Command, FlushOutcome, Shared, Switched};
use crate::model::config::{Config, Consent};
use crate::model::error::Error;
use crate::model::event::{
    Action, Common, Custom, ErrorEvent, Event, Log, LongTask, Metric, Resource, Session, Span, TraceContext, View,
    Vital,
};
use crate::model::time::Clock;
use crate::policy::schedule::Conditions;
use crate::policy::trace::{Baggage, Header, Injected, SpanContext, TraceHosts};
use crate::storage::health::Health;
use crate::storage::queue::DestinationBooks;
use crate::wire::transport::Transport;

/// What the embedding program brings besides the configuration.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Host {
    /// Sends requests instead of the built-in client.
    pub transport: Option<Arc<dyn Transport>>,
    /// Where time comes from.
    pub clock: Clock,
    /// Decides what is recorded, beside the configuration.
    pub hook: Option<Arc<dyn EventHook>>,
    /// Runs on each of our threads as it begins: to set what this crate cannot, such as Darwin's quality of service.
    pub on_thread_start: Option<fn()>,
}

/// The client. Cheap to clone; every clone is the same client.
///
/// Recording never fails and never waits: what cannot be kept is counted and shows in [`Telemetry::health`]. Dropping the
/// last clone shuts down, for at most one second.
///
/// ```
/// use throughline::{Config, Consent, Telemetry, event::Action};
/// let dir = tempfile::tempdir()?;
/// let telemetry = Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
/// telemetry.record_action(&Action::tap("buy").attributes(&[("sku", "A-17".into())]));
/// assert!(telemetry.health().enabled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Telemetry(pub(super) Arc<Client>);

#[derive(Debug)]
pub(super) struct Client {
    pub(super) enabled: AtomicBool,
    pub(super) config: Config,
    pub(super) host: Host,
    pub(super) hosts: TraceHosts,
    pub(super) shared: OnceLock<Arc<Shared>>,
    pub(super) commands: Mutex<Option<mpsc::UnboundedSender<Command>>>,
    pub(super) closed: AtomicBool,
    pub(super) consent: Arc<AtomicU8>,
    pub(super) hook_counts: Arc<hook::HookCounts>,
    pub(super) globals: Arc<GlobalContext>,
}

impl Telemetry {
    /// Starts a client. Returns at once: opening the database and reading what an earlier process left is the worker's; the
    /// caller's thread makes the directory and reads two small files, the installation's and the last session's. Without
    /// consent nothing starts, and a thread erases what is there: see [`Consent`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the data directory cannot be made or written.
    pub fn start(config: Config, consent: Consent) -> Result<Self, Error> {
        Self::start_with(config, consent, Host::default())
    }

    /// Starts a client with a transport or clock of the host's.
    ///
    /// # Errors
    /// As [`Telemetry::start`].
    pub fn start_with(config: Config, consent: Consent, host: Host) -> Result<Self, Error> {
        let inner = Client {
            enabled: AtomicBool::new(false),
            hosts: TraceHosts::new(config.trace_hosts.iter().cloned()),
            config,
            host,
            shared: OnceLock::new(),
            commands: Mutex::new(None),
            closed: AtomicBool::new(false),
            consent: Arc::new(AtomicU8::new(consent as u8)),
            hook_counts: Arc::default(),
            globals: Arc::default(),
        };
        match consent {
            Consent::Denied => inner.erase_alone(),
            _ if inner.config.enabled => inner.switch_on(Switched::AsPersisted)?,
            _ => {}
        }
        Ok(Self(Arc::new(inner)))
    }

    #[inline]
    pub(super) fn on(&self) -> Option<&Shared> {
        if !self.0.enabled.load(Ordering::Relaxed) || hook::is_rewriting() {
            return None;
        }
        let shared = self.0.shared.get()?;
        if shared.switched_off.load(Ordering::Relaxed) {
            return None;
        }
        Some(shared)
    }

    /// Records any event. Returns its id, or `None` when it was not kept; that has been counted.
    #[inline(always)]
    pub fn record<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        // Nothing but this branch when the client is off.
        if self.0.enabled.load(Ordering::Relaxed) { self.record_on(event) } else { None }
    }

    #[inline(never)]
    fn record_on<E: Event + ?Sized>(&self, event: &E) -> Option<Uuid> {
        let shared = self.on()?;
        if !self.permits(event.kind(), event.label(), event.common().attributes) {
            return None;
        }
        shared.scopes.record(event)
    }

    /// Records something the user did.
    #[inline(always)]
    pub fn record_action(&self, action: &Action<'_>) -> Option<Uuid> {
        if !self.0.enabled.load(Ordering::Relaxed) {
            return None;
        }
        // Rebuilt here, so that a client that is off never stores the fields: the caller's copy dissolves into registers.
        let Action { action_type, name, id, loading_time, common } = *action;
        let Common { attributes, trace, action_id, time } = common;
        self.record_on(&Action {
            action_type,
            name,
            id,
            loading_time,
            common: Common { attributes, trace, action_id, time },
        })
    }

    /// Records a snapshot of a view. [`Telemetry::start_view`] does this for the view that is shown.
    #[inline(always)]
    pub fn record_view(&self, view: &View<'_>) -> Option<Uuid> {
        self.record(view)
    }

    /// Records a finished request.
    #[inline(always)]
    pub fn record_resource(&self, resource: &Resource<'_>) -> Option<Uuid> {
        self.record(resource)
    }

    /// Records an error or a crash. A crash reaches SQLite in a commit of its own, synced to the disk.
    #[inline(always)]
    pub fn record_error(&self, error: &ErrorEvent<'_>) -> Option<Uuid> {
        self.record(error)
    }

    /// Records that the main thread was busy for long.
    #[inline(always)]
    pub fn record_long_task(&self, task: &LongTask<'_>) -> Option<Uuid> {
        self.record(task)
    }

    /// Records a vital.
    #[inline(always)]
    pub fn record_vital(&self, vital: &Vital<'_>) -> Option<Uuid> {
        self.record(vital)
    }

    /// Records an event that only the app understands.
    #[inline(always)]
    pub fn record_custom(&self, custom: &Custom<'_>) -> Option<Uuid> {
        self.record(custom)
    }

    /// Records a log.
    #[inline(always)]
    pub fn record_log(&self, log: &Log<'_>) -> Option<Uuid> {
        self.record(log)
    }

    /// Records a metric data point.
    #[inline(always)]
    pub fn record_metric(&self, metric: &Metric<'_>) -> Option<Uuid> {
        self.record(metric)
    }

    /// Records a finished span. Spans of a trace that is not sampled are counted, not kept.
    #[inline(always)]
    pub fn record_span(&self, span: &Span<'_>) -> Option<Uuid> {
        self.record(span)
    }

    /// Records a session's start or end that the app keeps itself.
    #[inline(always)]
    pub fn record_session(&self, session: &Session<'_>) -> Option<Uuid> {
        self.record(session)
    }

    /// A new trace: the context of its root span.
    pub fn new_trace(&self) -> Option<TraceContext> {
        Some(self.on()?.recorder().new_trace())
    }

    /// A new span's context in the trace of `parent`.
    pub fn child_of(&self, parent: TraceContext) -> Option<TraceContext> {
        Some(self.on()?.recorder().child(parent))
    }

    /// A new id for an action that others will refer to.
    pub fn new_id(&self) -> Option<Uuid> {
        Some(self.on()?.recorder().new_id())
    }

    /// The headers that a request to `url` carries for the span `context`: none unless its host was allowed.
    pub fn trace_headers(&self, url: &str, context: TraceContext) -> Vec<Header> {
        self.inject(url, &SpanContext::new(context), &[]).map(|injected| injected.headers).unwrap_or_default()
    }

    /// What a request to `url` carries for the span `context`, when the app has set the headers `existing` on it. `None`
    /// when the client is off.
    ///
    /// None of the app's headers is overwritten, except that `baggage` is merged. If the app has set a sound trace
    /// header, its trace is the request's. Ask again for every redirect: see [`Telemetry::survives_redirect`].
    pub fn inject(&self, url: &str, context: &SpanContext, existing: &[(&str, &str)]) -> Option<Injected> {
        let shared = self.on()?;
        let mut own = Baggage::default();
        if let Some(session) = self.session_id() {
            own.set("session.id", &session.to_string());
        }
        // One id per request where none came with the context. Whether it goes is the rule's to say.
        let named;
        let context = if context.correlation_id.is_empty() {
            let correlation_id = shared.recorder().new_id().to_string();
            named = SpanContext { correlation_id, ..context.clone() };
            &named
        } else {
            context
        };
        Some(self.0.hosts.inject(url, context, existing, &own))
    }

    /// Whether headers that were written for the URL `from` may stay on the request when a server redirects it to `to`:
    /// on the same listed host, and not from https to http. If not, remove [`crate::policy::trace::PROPAGATION_HEADERS`].
    pub fn survives_redirect(&self, from: &str, to: &str) -> bool {
        self.0.hosts.survive_redirect(from, to)
    }

    /// Runs `work` as if its calls had been made at a wall time, ns since the Unix epoch, in the past: for calls that were
    /// made before the client was started.
    pub fn replay<R>(&self, wall_ns: u64, work: impl FnOnce() -> R) -> R {
        let Some(shared) = self.on() else { return work() };
        let now = shared.recorder().wall(shared.recorder().boot());
        replaying(now.saturating_sub(wall_ns), work)
    }

    /// Asks for an upload without waiting for it; it goes on for at most `timeout`.
    pub fn flush_soon(&self, timeout: Duration) {
        self.0.send(Command::Flush { timeout, reply: None });
    }

    /// Tells what the host knows about app and device.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.0.send(Command::Conditions(conditions));
    }

    /// The user, or the app, says that something is wrong: what was kept aside is sent, and the session is kept.
    pub fn report_problem(&self, message: &str) -> Option<Uuid> {
        let shared = self.on()?;
        shared.scopes.report_problem();
        self.record_custom(&Custom::new("problem.reported").attributes(&[("message", message.into())]))
    }

    /// Sends everything that has been recorded, as far as conditions and backends allow, for at most `timeout`. Coalescing
    /// windows end; views, operations and an action that still collects stay open and are sent when they end.
    pub fn flush(&self, timeout: Duration) -> FlushOutcome {
        let reply = self.0.ask(timeout.saturating_add(Duration::from_secs(2)), |reply| Command::Flush {
            timeout,
            reply: Some(reply),
        });
        reply.unwrap_or_else(|| FlushOutcome { reason: Some(self.0.absence()), ..FlushOutcome::default() })
    }

    /// Waits until everything that has been recorded is in SQLite. False when it took longer than `timeout`.
    pub fn drain(&self, timeout: Duration) -> bool {
        self.0.ask(timeout, |reply| Command::Drain { reply }).is_some()
    }

    /// Closes the database and releases every lock, for an app that is about to be suspended. Events are kept in the
    /// journal meanwhile. False when it took longer than `timeout`.
    pub fn suspend(&self, timeout: Duration) -> bool {
        self.0.ask(timeout, |reply| Command::Suspend { reply }).is_some()
    }

    /// Opens the database again.
    pub fn resume(&self, timeout: Duration) -> bool {
        self.0.ask(timeout, |reply| Command::Resume { reply }).is_some()
    }

    /// Ends the client: stops taking events, writes what it has to SQLite, closes. What was not sent waits for the next
    /// start. False when it took longer than `timeout`; the worker then ends by itself.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        self.0.shut_down(timeout)
    }

    /// The core's condition. Takes no lock that the worker holds for long.
    pub fn health(&self) -> Health {
        let Some(shared) = self.0.shared.get() else {
            return Health { hints: vec!["switched off by the configuration".to_owned()], ..Health::default() };
        };
        let mut health = shared.health().clone();
        health.enabled = self.on().is_some();
        health.journal = Some(shared.recorder().journal().mode());
        health.journal_bytes = shared.recorder().journal().waiting();
        health.panics = shared.panics.load(Ordering::Relaxed);
        self.0.hook_counts.report(&mut health);
        health.contexts = shared.scopes.contexts(|store| store.counts());
        if health.contexts.refused > 0 {
            health.hints.push(format!(
                "{} contexts were not kept: too many wait, or their keys are too long",
                health.contexts.refused
            ));
        }
        health.hints.extend(shared.nowhere().map(str::to_owned));
        if !health.enabled {
            health.hints.push("switched off".to_owned());
        }
        health
    }

    /// The books of every destination, counted from the rows: `accepted = delivered + queued + Σ dropped`.
    ///
    /// # Errors
    /// [`Error::Storage`] when the database is not open, [`Error::Closed`] when the worker does not answer in time.
    pub fn books(&self, timeout: Duration) -> Result<Vec<DestinationBooks>, Error> {
        let reply = self.0.ask(timeout, |reply| Command::Books { reply });
        reply.ok_or_else(|| Error::Closed { reason: self.0.absence() })?.map_err(|reason| Error::Storage { reason })
    }
}
