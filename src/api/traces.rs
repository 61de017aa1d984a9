//! Trace contexts: where they come from, how they reach other threads and messages, and which
//! headers a request carries.

use super::client::Telemetry;
use crate::engine::scopes::Scopes;
use crate::model::event::TraceContext;
use crate::model::names::semconv::SESSION_ID;
use crate::policy::trace::{Baggage, Format, Header, Injected, SpanContext, Withheld, current, extract, with_context};

/// The formats that are read from a message. The first valid one counts.
const READ: [Format; 6] =
    [Format::TraceContext, Format::Datadog, Format::B3, Format::B3Multi, Format::Baggage, Format::Correlation];

impl Telemetry {
    /// A new trace: the context of its root span. `None` when the client is off.
    pub fn new_trace(&self) -> Option<TraceContext> {
        Some(self.on()?.recorder().new_trace())
    }

    /// The context of a new span in the trace of `parent`. `None` when the client is off.
    pub fn child_of(&self, parent: TraceContext) -> Option<TraceContext> {
        Some(self.on()?.recorder().child(parent))
    }

    /// The context that what happens now belongs to: that of the span that is running on this
    /// thread, else that of the action that is collecting. `None` without either, and when the
    /// client is off.
    pub fn current_context(&self) -> Option<SpanContext> {
        let shared = self.on()?;
        shared.scopes.beginning(None, shared.recorder().boot()).parent
    }

    /// The context of the action that is collecting. Ask for it where the action has begun: a
    /// mutation in this context is caused by the action for certain, whatever else is under way.
    /// `None` without such an action, and when the client is off.
    pub fn action_context(&self) -> Option<SpanContext> {
        let shared = self.on()?;
        shared.scopes.action_context(shared.recorder().boot())
    }

    /// Runs `work` with `context` as the current one of this thread.
    pub fn with_context<R>(&self, context: &SpanContext, work: impl FnOnce() -> R) -> R {
        if self.on().is_none() { work() } else { with_context(context, work) }
    }

    /// Takes the current context along: the closure runs in it, on whichever thread and at whatever
    /// time it is called.
    pub fn bind<R>(&self, work: impl FnOnce() -> R) -> impl FnOnce() -> R {
        let context = self.on().and_then(|_| current());
        move || match &context {
            Some(context) => with_context(context, work),
            None => work(),
        }
    }

    /// Reads the trace headers of a message that has arrived, such as a WebSocket frame or a push
    /// notification. Without valid ones a new trace begins. `None` when the client is off.
    pub fn extract<'a>(&self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<SpanContext> {
        let shared = self.on()?;
        Some(extract(&READ, headers).or_root(|| shared.recorder().new_root()))
    }

    /// Keeps a context for an event that comes later, under the id of a message. At most 10,000 are
    /// kept at once, for 5 minutes. False when the context was refused, which is counted in
    /// `health().contexts`, or when the client is off.
    pub fn keep_context(&self, key: &str, context: &SpanContext) -> bool {
        let keep = |scopes: &Scopes| {
            let now = scopes.recorder().boot();
            // Copied before the lock is taken, for which others may wait.
            let context = context.clone();
            scopes.contexts(|store| store.put(now, key, context))
        };
        self.on().is_some_and(|shared| keep(&shared.scopes))
    }

    /// Hands out a context that was kept with [`Telemetry::keep_context`], once.
    pub fn take_context(&self, key: &str) -> Option<SpanContext> {
        let shared = self.on()?;
        let now = shared.recorder().boot();
        shared.scopes.contexts(|store| store.take(now, key))
    }

    /// The headers that a request to `url` carries for the span `context`. Empty unless the host is
    /// listed with [`ConfigBuilder::trace_host`](crate::ConfigBuilder::trace_host).
    pub fn trace_headers(&self, url: &str, context: TraceContext) -> Vec<Header> {
        self.inject(url, &SpanContext::new(context), &[]).map(|injected| injected.headers).unwrap_or_default()
    }

    /// What a request to `url` carries for the span `context`, when the app has set the headers
    /// `existing` on it. `None` when the client is off.
    ///
    /// The app's own headers are never overwritten, except that `baggage` is merged. If the app has
    /// set a valid trace header, the request belongs to its trace. Ask again for every redirect:
    /// [`Telemetry::survives_redirect`].
    pub fn inject(&self, url: &str, context: &SpanContext, existing: &[(&str, &str)]) -> Option<Injected> {
        let shared = self.on()?;
        let mut own = Baggage::default();
        own.set(SESSION_ID, &shared.scopes.session_id().to_string());
        // A request whose context brings no correlation id gets one. Whether it is sent depends on
        // the formats of the host.
        let correlated;
        let context = if context.correlation_id.is_empty() {
            let correlation_id = shared.recorder().new_id().to_string();
            correlated = SpanContext { correlation_id, ..context.clone() };
            &correlated
        } else {
            context
        };
        let injected = self.client.hosts.inject(url, context, existing, &own);
        if injected.withheld == Some(Withheld::HostNotListed) {
            self.client.unlisted.note(url);
        }
        Some(injected)
    }

    /// Whether headers that were written for the URL `from` may stay on the request when a server
    /// redirects it to `to`: on the same listed host, and never from https to http. If not, remove
    /// every one of [`PROPAGATION_HEADERS`](crate::trace::PROPAGATION_HEADERS).
    pub fn survives_redirect(&self, from: &str, to: &str) -> bool {
        self.client.hosts.survive_redirect(from, to)
    }
}
