//! Operations and spans: [`ActiveSpan`].

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::client::Telemetry;
use super::panics;
use crate::engine::scopes::{Change, Ended, Outcome, SpanData};
use crate::model::event::{ErrorEvent, EventKind, SpanStatus, TraceContext};
use crate::model::names::{self, app_attributes, words};
use crate::model::value::{Attribute, OwnedAttributes, Value, to_owned};
use crate::policy::trace::{SpanContext, with_context};

impl Telemetry {
    /// Begins an operation: the unit that a user would name, such as `UpdateDisplayName`.
    ///
    /// One operation is one trace: that of the context that is current, else of the action that is
    /// collecting, else a new one. It is journaled at once: if the process dies, the next start
    /// closes it with `throughline.ended = process_death`. It is abandoned when it is dropped, and
    /// after 10 minutes. At most 1,000 run at once; further ones have a context but leave no span.
    pub fn start_operation(&self, name: &str) -> ActiveSpan {
        let Some(shared) = self.on() else { return ActiveSpan(None) };
        let is_permitted = self.permits(EventKind::Span, name, &[]);
        let mut span = shared.scopes.begin_span(name, None);
        let context = span.context.clone();
        span.set_attribute(names::OPERATION_NAME, &name.into());
        // One that the hook refuses has a context all the same, for the requests made inside.
        let id = if is_permitted { shared.scopes.start_operation(span) } else { None };
        self.running(context, State::Operation(id))
    }

    /// Begins a span in the context that is current, else under the action that is collecting, else
    /// in a new trace. It is recorded when it ends.
    pub fn start_span(&self, name: &str) -> ActiveSpan {
        self.begin_span(name, None)
    }

    /// Begins a span whose parent is `parent`, for example the context of a message that arrived.
    pub fn start_span_in(&self, name: &str, parent: &SpanContext) -> ActiveSpan {
        self.begin_span(name, Some(parent))
    }

    fn begin_span(&self, name: &str, parent: Option<&SpanContext>) -> ActiveSpan {
        let Some(shared) = self.on() else { return ActiveSpan(None) };
        let span = shared.scopes.begin_span(name, parent);
        self.running(span.context.clone(), State::Span(Box::new(span)))
    }

    fn running(&self, context: SpanContext, state: State) -> ActiveSpan {
        ActiveSpan(Some(Box::new(RunningSpan { telemetry: self.clone(), context, state })))
    }

    /// Runs `work` in a span, which succeeds when `work` returns. A panic is recorded on the span
    /// and goes on.
    pub fn wrap<R>(&self, name: &str, work: impl FnOnce() -> R) -> R {
        self.start_span(name).run(work)
    }
}

#[derive(Debug)]
enum State {
    Span(Box<SpanData>),
    /// `None` for an operation that leaves no span: the hook refused it, or too many run.
    Operation(Option<u64>),
}

#[derive(Debug)]
struct RunningSpan {
    telemetry: Telemetry,
    context: SpanContext,
    state: State,
}

/// A span or an operation that is running, from [`Telemetry::start_operation`] and
/// [`Telemetry::start_span`].
///
/// It ends with [`ActiveSpan::succeed`], [`ActiveSpan::fail`], [`ActiveSpan::cancel`] or
/// [`ActiveSpan::time_out`]. Dropped without any of them, a span ends without a status, and an
/// operation is abandoned. When the client is off it is empty:
/// nothing is allocated or formatted.
///
/// ```
/// use throughline::{Config, Consent, Telemetry};
///
/// let dir = tempfile::tempdir()?;
/// let telemetry =
///     Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
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
    /// Its context, to hand on. `None` when the client is off.
    pub fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|running| &running.context)
    }

    /// Runs `work` inside: the requests, mutations, spans and logs of this thread belong to it
    /// meanwhile.
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(running) => with_context(&running.context, work),
            None => work(),
        }
    }

    /// Runs `work` inside, and succeeds when it returns. A panic is recorded and goes on.
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        let noted = panics::noted();
        match catch_unwind(AssertUnwindSafe(|| self.scope(work))) {
            Ok(value) => {
                self.succeed();
                value
            }
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
                // Where panics are captured, this one was recorded when it happened.
                let is_recorded = panics::noted() != noted
                    && self.0.as_ref().is_some_and(|running| panics::is_watched_by(&running.telemetry.client));
                self.fail_with(words::ERROR_PANIC, text, !is_recorded);
                resume_unwind(panic)
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut SpanData) -> Change) {
        let Some(running) = &mut self.0 else { return };
        match &mut running.state {
            State::Span(span) => {
                change(span);
            }
            State::Operation(Some(id)) => {
                if let Some(shared) = running.telemetry.on_any_thread() {
                    shared.scopes.change_operation(*id, change);
                }
            }
            State::Operation(None) => {}
        }
    }

    /// Sets an attribute. A second value under the same key replaces the first.
    pub fn set_attribute<'a>(&mut self, key: &str, value: impl Into<Value<'a>>) {
        if self.0.is_some() {
            let value = value.into();
            self.change(|span| span.set_attribute(&names::app_key(key), &value));
        }
    }

    /// Adds an event: something that happened in it now. At most 128; further ones are counted.
    pub fn add_event(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.add_moment(name, || app_attributes(attributes));
    }

    fn add_moment(&mut self, name: &str, attributes: impl FnOnce() -> OwnedAttributes) {
        let Some(running) = &self.0 else { return };
        let Some(shared) = running.telemetry.on_any_thread() else { return };
        let wall = shared.recorder().wall(shared.recorder().boot());
        self.change(|span| span.add_event(name, wall, attributes()));
    }

    /// Refers to another span, such as a message that this one also answers. At most 128; further
    /// ones are counted.
    pub fn add_link(&mut self, link: TraceContext) {
        self.change(|span| span.add_link(link));
    }

    /// Notes that the work is tried again. `attempt` counts from 1.
    pub fn retry(&mut self, attempt: u32) {
        self.change(|span| span.set_attribute(names::OPERATION_ATTEMPT, &attempt.into()));
        self.add_moment(names::SPAN_EVENT_RETRY, || to_owned(&[(names::OPERATION_ATTEMPT, attempt.into())]));
    }

    /// Ends it with success.
    pub fn succeed(mut self) {
        self.end(Ended { status: SpanStatus::Ok, message: "", outcome: Some(Outcome::Succeeded) });
    }

    /// Ends it with an error. The error of an operation is recorded as an event of its own, too, in
    /// the operation's trace.
    pub fn fail(self, error_type: &str, message: &str) {
        self.fail_with(error_type, message, true);
    }

    /// Ends it with an error, which may have been recorded before.
    fn fail_with(mut self, error_type: &str, message: &str, is_new: bool) {
        let Some(running) = &self.0 else { return };
        if let (State::Operation(_), true) = (&running.state, is_new) {
            let error = ErrorEvent::new(error_type, message).trace(running.context.trace);
            running.telemetry.record_error(&error);
        }
        self.set_attribute(names::semconv::ERROR_TYPE, error_type);
        self.end(Ended { status: SpanStatus::Error, message, outcome: Some(Outcome::Failed) });
    }

    /// Ends it: the user or the app did not want it any more. That is no failure, so it ends
    /// without a status and without an error.
    pub fn cancel(mut self) {
        self.end(Ended { status: SpanStatus::Unset, message: "", outcome: Some(Outcome::Cancelled) });
    }

    /// Ends it: the app has given it a time, which is over. The span has failed with the
    /// `error.type` of `timeout`; no event for the error is recorded.
    pub fn time_out(mut self) {
        self.set_attribute(names::semconv::ERROR_TYPE, words::ERROR_TIMEOUT);
        self.end(Ended { status: SpanStatus::Error, message: "", outcome: Some(Outcome::TimedOut) });
    }

    fn end(&mut self, ended: Ended<'_>) {
        let Some(running) = self.0.take() else { return };
        let Some(shared) = running.telemetry.on_any_thread() else { return };
        match running.state {
            State::Span(span) => {
                let (ended, now) = (Ended { outcome: None, ..ended }, shared.recorder().boot());
                span.with_span(now, Some(ended), |event| running.telemetry.record_begun(event, &span.moment));
                shared.scopes.span_ended(span.action, now);
            }
            State::Operation(Some(id)) => shared.scopes.end_operation(id, ended),
            State::Operation(None) => {}
        }
    }
}

impl Drop for ActiveSpan {
    /// A span ends; an operation is abandoned.
    fn drop(&mut self) {
        self.end(Ended::abandoned(words::ABANDONED_DROPPED));
    }
}
