//! Operations that run, and the spans that they become.

use std::collections::HashMap;

use uuid::Uuid;

use super::Scopes;
use crate::engine::recorder::{Open, Recorder};
use crate::model::config::TailSampling;
use crate::model::event::{Span, SpanEvent, SpanKind, SpanStatus, TraceContext};
use crate::model::limits::{MAX_OPERATIONS, MAX_SPAN_ITEMS, OPERATION_TIMEOUT};
use crate::model::names;
use crate::model::names::app_attributes;
use crate::model::time::BootTime;
use crate::model::value::{Attribute, OwnedAttributes, Value, lend};
use crate::policy::trace::{SpanContext, current};

/// A span in the making.
#[derive(Debug, Clone)]
pub(crate) struct SpanData {
    pub(crate) name: String,
    pub(crate) context: SpanContext,
    pub(crate) kind: SpanKind,
    pub(crate) started: BootTime,
    pub(crate) started_wall: u64,
    pub(crate) attributes: OwnedAttributes,
    pub(crate) events: Vec<(String, u64, OwnedAttributes)>,
    pub(crate) links: Vec<TraceContext>,
    pub(crate) action: Option<Uuid>,
    /// Events and links that were too many.
    pub(crate) excess: u64,
}

/// How a span ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) status: SpanStatus,
    pub(crate) message: &'a str,
    /// An operation's outcome, and why it was abandoned.
    pub(crate) outcome: Option<(&'a str, Option<&'a str>)>,
}

impl SpanData {
    pub(crate) fn new(recorder: &Recorder, name: &str, context: SpanContext) -> Self {
        let started = recorder.boot();
        Self {
            name: name.to_owned(),
            context,
            kind: SpanKind::Internal,
            started,
            started_wall: recorder.wall(started),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            action: None,
            excess: 0,
        }
    }

    pub(crate) fn set_attribute(&mut self, key: &str, value: &Value<'_>) {
        match self.attributes.iter_mut().find(|known| known.0 == key) {
            Some(known) => known.1 = value.to_any(),
            None => self.attributes.push((key.to_owned(), value.to_any())),
        }
    }

    pub(crate) fn add_event(&mut self, name: &str, wall: u64, attributes: &[Attribute<'_>]) {
        if self.events.len() < MAX_SPAN_ITEMS {
            self.events.push((name.to_owned(), wall, app_attributes(attributes)));
        } else {
            self.excess += 1;
        }
    }

    pub(crate) fn add_link(&mut self, link: TraceContext) {
        if self.links.len() < MAX_SPAN_ITEMS { self.links.push(link) } else { self.excess += 1 }
    }

    /// Lends the span as an event.
    pub(crate) fn with_span<R>(
        &self,
        now: BootTime,
        ended: Option<Ended<'_>>,
        visit: impl FnOnce(&Span<'_>) -> R,
    ) -> R {
        let mut attributes = lend(&self.attributes);
        if let Some((outcome, reason)) = ended.and_then(|ended| ended.outcome) {
            attributes.push((names::OPERATION_OUTCOME, outcome.into()));
            attributes.extend(reason.map(|reason| (names::OPERATION_REASON, reason.into())));
        }
        if self.excess > 0 {
            attributes.push(("span.excess", (self.excess as i64).into()));
        }
        let lent: Vec<Vec<Attribute<'_>>> = self.events.iter().map(|event| lend(&event.2)).collect();
        let events: Vec<SpanEvent<'_>> = self
            .events
            .iter()
            .zip(&lent)
            .map(|((name, time_ns, _), attributes)| SpanEvent { name, time_ns: *time_ns, attributes })
            .collect();
        let duration = now.since(self.started);
        let mut span =
            Span::new(&self.name, self.context.trace, duration).at(self.started_wall).attributes(&attributes);
        span.span_kind = self.kind;
        span.parent_span = self.context.parent_span;
        span.events = &events;
        span.links = &self.links;
        span.common.action_id = self.action;
        if let Some(ended) = ended {
            (span.status, span.status_message) = (ended.status, ended.message);
        }
        visit(&span)
    }
}

#[derive(Debug)]
struct Running {
    span: SpanData,
    open: Option<Open>,
}

/// The operations that run.
#[derive(Debug, Default)]
pub(super) struct Operations {
    running: HashMap<u64, Running>,
    next: u64,
}

impl Operations {
    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    fn end(&mut self, recorder: &Recorder, id: u64, now: BootTime, ended: Ended<'_>) -> bool {
        let Some(running) = self.running.remove(&id) else { return false };
        if let Some(open) = running.open {
            running.span.with_span(now, Some(ended), |span| recorder.close(open, span));
        }
        true
    }

    fn abandon(&mut self, recorder: &Recorder, id: u64, now: BootTime, reason: &str) -> bool {
        let outcome = Some(("abandoned", Some(reason)));
        self.end(recorder, id, now, Ended { status: SpanStatus::Unset, message: "", outcome })
    }

    pub(super) fn abandon_all(&mut self, recorder: &Recorder, now: BootTime, reason: &str) {
        let all: Vec<u64> = self.running.keys().copied().collect();
        for id in all {
            self.abandon(recorder, id, now, reason);
        }
    }

    /// Abandons what has run for ten minutes. Returns when to look again.
    pub(super) fn expire(&mut self, recorder: &Recorder, now: BootTime) -> Option<BootTime> {
        let end = |running: &Running| running.span.started.after(OPERATION_TIMEOUT);
        let late: Vec<u64> =
            self.running.iter().filter(|(_, running)| end(running) <= now).map(|(id, _)| *id).collect();
        for id in late {
            self.abandon(recorder, id, now, "timeout");
        }
        self.running.values().map(end).min()
    }
}

impl Scopes {
    /// Opens an operation. `None` when too many run.
    pub(crate) fn start_operation(&self, recorder: &Recorder, span: SpanData) -> Option<u64> {
        let mut inner = self.lock();
        if inner.operations.len() >= MAX_OPERATIONS {
            return None;
        }
        let open = span.with_span(span.started, None, |span| recorder.open(span)).map(|(open, _)| open);
        inner.operations.next += 1;
        let id = inner.operations.next;
        inner.operations.running.insert(id, Running { span, open });
        Some(id)
    }

    /// Changes what is known of an operation that runs.
    pub(crate) fn amend_operation(&self, recorder: &Recorder, id: u64, change: impl FnOnce(&mut SpanData)) {
        let mut inner = self.lock();
        let Some(running) = inner.operations.running.get_mut(&id) else { return };
        change(&mut running.span);
        if let Some(open) = running.open {
            running.span.with_span(recorder.boot(), None, |span| recorder.amend(open, span));
        }
    }

    /// Ends an operation. False when it is over already.
    pub(crate) fn end_operation(&self, recorder: &Recorder, id: u64, ended: Ended<'_>) -> bool {
        let now = recorder.boot();
        let mut inner = self.lock();
        let took = inner.operations.running.get(&id).map(|running| now.since(running.span.started));
        let is_slow = |rule: &TailSampling| rule.slow_operation.zip(took).is_some_and(|(limit, took)| took >= limit);
        // Before its span is written: it is of the session that is kept.
        self.consider_keeping(recorder, is_slow);
        inner.operations.end(recorder, id, now, ended)
    }

    /// The parent of what begins now: the current context, else the open action's.
    pub(crate) fn parent(&self, now: BootTime) -> (Option<SpanContext>, Option<Uuid>) {
        let current = current();
        let mut inner = self.lock();
        let Some(action) = inner.acting(now) else { return (current, None) };
        let id = Some(action.id);
        if current.is_some() {
            return (current, id);
        }
        action.is_traced = true;
        (Some(SpanContext::new(action.trace)), id)
    }
}
