//! Operations and spans, and the context that they carry across threads and messages.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::client::Telemetry;
use crate::engine::scopes::{Ended, Outcome, SpanData};
use crate::model::event::{ErrorEvent, EventKind, SpanKind, SpanStatus, TraceContext};
use crate::model::names;
use crate::model::value::{Attribute, Value};
use crate::policy::trace::{Format, SpanContext, current, extract, with_context};

/// Formats that are read from messages, the first sound one counts.
const READ: [Format; 6] =
    [Format::TraceContext, Format::Datadog, Format::B3, Format::B3Multi, Format::Baggage, Format::Correlation];

impl Telemetry {
    /// Begins an operation: what a user would name, `UpdateDisplayName`. One operation is one trace, that of the current
    /// context or of the open action if there is one. It is journaled at once: should the process die, it is closed with
    /// `throughline.ended = process_death`. After 10 minutes, or when it is dropped, it is abandoned.
    pub fn start_operation(&self, name: &str) -> ActiveSpan {
        self.begin(name, None, true)
    }

    /// Begins a span in the current context, else of the open action, else a new trace.
    pub fn start_span(&self, name: &str) -> ActiveSpan {
        self.begin(name, None, false)
    }

    /// Begins a span whose parent is `parent`: one that came with a message, for example.
    pub fn start_span_in(&self, name: &str, parent: &SpanContext) -> ActiveSpan {
        self.begin(name, Some(parent), false)
    }

    /// Begins an operation in the trace of `parent`.
    pub fn start_operation_in(&self, name: &str, parent: &SpanContext) -> ActiveSpan {
        self.begin(name, Some(parent), true)
    }

    fn begin(&self, name: &str, parent: Option<&SpanContext>, is_operation: bool) -> ActiveSpan {
        let Some(shared) = self.on() else { return ActiveSpan(None) };
        let is_permitted = !is_operation || self.permits(EventKind::Span, name, &[]);
        let mut span = shared.scopes.begin_span(name, parent);
        let context = span.context.clone();
        if !is_operation {
            return ActiveSpan(Some(Box::new(RunningSpan {
                telemetry: self.clone(),
                context,
                state: State::Span(Box::new(span)),
            })));
        }
        span.set_attribute(names::OPERATION_NAME, &name.into());
        // One that the host does not want has a context all the same.
        let id = if is_permitted { shared.scopes.start_operation(span) } else { None };
        ActiveSpan(Some(Box::new(RunningSpan { telemetry: self.clone(), context, state: State::Operation(id) })))
    }

    /// Runs `work` in a span: it succeeds when `work` returns. A panic is recorded on the span and goes on.
    pub fn wrap<R>(&self, name: &str, work: impl FnOnce() -> R) -> R {
        let span = self.start_span(name);
        span.run(work)
    }

    /// The context that what happens now belongs to: that of the running span, else that of the open action.
    pub fn current_context(&self) -> Option<SpanContext> {
        let shared = self.on()?;
        shared.scopes.parent(shared.recorder().boot()).0
    }

    /// Runs `work` with `context` as the current one of this thread.
    pub fn with_context<R>(&self, context: &SpanContext, work: impl FnOnce() -> R) -> R {
        if self.on().is_none() { work() } else { with_context(context, work) }
    }

    /// Takes the current context along: the closure runs in it, whichever thread calls it, and whenever.
    pub fn bind<R>(&self, work: impl FnOnce() -> R) -> impl FnOnce() -> R {
        let context = self.on().and_then(|_| current());
        move || match &context {
            Some(context) => with_context(context, work),
            None => work(),
        }
    }

    /// Reads the trace headers of a message (WebSocket, push). Without sound ones a new trace begins.
    pub fn extract<'a>(&self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<SpanContext> {
        let shared = self.on()?;
        Some(extract(&READ, headers).or_root(|| shared.recorder().new_trace()))
    }

    /// Keeps a context for a later event, by the id of a message: 10,000 at once, for 5 minutes. False when it was refused.
    pub fn keep_context(&self, key: &str, context: &SpanContext) -> bool {
        let keep = |shared: &crate::engine::worker::Shared| {
            shared.scopes.contexts(|store| store.put(shared.recorder().boot(), key, context.clone()))
        };
        self.on().is_some_and(keep)
    }

    /// Hands a kept context out, once.
    pub fn take_context(&self, key: &str) -> Option<SpanContext> {
        let shared = self.on()?;
        shared.scopes.contexts(|store| store.take(shared.recorder().boot(), key))
    }
}

#[derive(Debug)]
enum State {
    Span(Box<SpanData>),
    /// `None` when too many run: it has a context and leaves no span.
    Operation(Option<u64>),
}

#[derive(Debug)]
struct RunningSpan {
    telemetry: Telemetry,
    context: SpanContext,
    state: State,
}

/// A span or operation that runs. Empty when the client is off: nothing is allocated or formatted.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let telemetry = throughline::Telemetry::start(throughline::Config::builder("shop", dir.path()).build()?, throughline::Consent::Granted)?;
/// let mut operation = telemetry.start_operation("UpdateDisplayName");
/// operation.set_attribute("length", 12);
/// let saved: Result<(), String> = operation.scope(|| Ok(()));
/// match saved {
///     Ok(()) => operation.succeed(),
///     Err(reason) => operation.fail("SaveError", &reason),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct ActiveSpan(Option<Box<RunningSpan>>);

impl ActiveSpan {
    /// Its context, to hand on; `None` when the client is off.
    pub fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|inner| &inner.context)
    }

    /// Runs `work` inside: requests, mutations, spans and logs of this thread belong to it meanwhile.
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(inner) => with_context(&inner.context, work),
            None => work(),
        }
    }

    /// Runs `work` inside and ends with it: succeeds when it returns, records a panic and lets it go on.
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match catch_unwind(AssertUnwindSafe(|| self.scope(work))) {
            Ok(value) => {
                self.succeed();
                value
            }
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic");
                self.fail("panic", text);
                resume_unwind(panic)
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut SpanData)) {
        let Some(inner) = &mut self.0 else { return };
        match &mut inner.state {
            State::Span(span) => change(span),
            State::Operation(Some(id)) => {
                if let Some(shared) = inner.telemetry.on() {
                    shared.scopes.amend_operation(*id, change);
                }
            }
            State::Operation(None) => {}
        }
    }

    /// Sets an attribute.
    pub fn set_attribute<'a>(&mut self, key: &str, value: impl Into<Value<'a>>) {
        if self.0.is_some() {
            let value = value.into();
            self.change(|span| span.set_attribute(&names::app_key(key), &value));
        }
    }

    /// Sets the role: client, server, producer, consumer.
    pub fn set_kind(&mut self, kind: SpanKind) {
        self.change(|span| span.kind = kind);
    }

    /// Says that something happened.
    pub fn add_event(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        let Some(inner) = &self.0 else { return };
        let Some(shared) = inner.telemetry.on() else { return };
        let wall = shared.recorder().wall(shared.recorder().boot());
        self.change(|span| span.add_event(name, wall, attributes));
    }

    /// Refers to another span: a message that this one also answers.
    pub fn add_link(&mut self, link: TraceContext) {
        self.change(|span| span.add_link(link));
    }

    /// Says that it is tried again: `attempt` counts from 1.
    pub fn retry(&mut self, attempt: u32) {
        self.change(|span| span.set_attribute(names::OPERATION_ATTEMPT, &attempt.into()));
        self.add_event("retry", &[("attempt", attempt.into())]);
    }

    /// Ends it well.
    pub fn succeed(mut self) {
        self.end(Ended { status: SpanStatus::Ok, message: "", outcome: Some(Outcome::Succeeded) });
    }

    /// Ends it with an error. An operation's error is recorded as an event too, in its trace.
    pub fn fail(mut self, error_type: &str, message: &str) {
        let Some(inner) = &self.0 else { return };
        if let State::Operation(_) = inner.state {
            let error = ErrorEvent::new(error_type, message).trace(inner.context.trace);
            inner.telemetry.record_error(&error);
        }
        self.set_attribute("error.type", error_type);
        self.end(Ended { status: SpanStatus::Error, message, outcome: Some(Outcome::Failed) });
    }

    fn end(&mut self, ended: Ended<'_>) {
        let Some(inner) = self.0.take() else { return };
        let Some(shared) = inner.telemetry.on() else { return };
        match inner.state {
            State::Span(span) => {
                let ended = Ended { outcome: None, ..ended };
                span.with_span(shared.recorder().boot(), Some(ended), |span| inner.telemetry.record_span(span));
            }
            State::Operation(Some(id)) => {
                shared.scopes.end_operation(id, ended);
            }
            State::Operation(None) => {}
        }
    }
}

impl Drop for ActiveSpan {
    /// A span ends; an operation is abandoned.
    fn drop(&mut self) {
        self.end(Ended::abandoned("dropped"));
    }
}
