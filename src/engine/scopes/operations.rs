//! Operations that are running, and the spans that they become.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Locked, Scopes};
use crate::engine::recorder::{Moment, Open, Recorder};
use crate::model::config::TailSampling;
use crate::model::event::encode::{Encoder, field};
use crate::model::event::{Span, SpanEvent, SpanStatus, TraceContext};
use crate::model::limits::{MAX_ATTRIBUTES, MAX_OPERATIONS, MAX_SPAN_ITEMS, OPERATION_AMEND_EVERY, OPERATION_TIMEOUT};
use crate::model::names::{self, words};
use crate::model::time::BootTime;
use crate::model::value::{Attribute, OwnedAttributes, Value, lend};
use crate::policy::trace::{SpanContext, current};

/// A span that has not ended.
#[derive(Debug, Clone)]
pub(crate) struct SpanData {
    pub(crate) name: String,
    pub(crate) context: SpanContext,
    /// When it began: it belongs to the user and the view of then.
    pub(crate) moment: Moment,
    pub(crate) started: BootTime,
    pub(crate) started_wall: u64,
    pub(crate) attributes: OwnedAttributes,
    /// Names, wall times in ns, and attributes.
    pub(crate) events: Vec<(String, u64, OwnedAttributes)>,
    pub(crate) links: Vec<TraceContext>,
    pub(crate) action: Option<Uuid>,
    /// Events and links that exceeded [`MAX_SPAN_ITEMS`].
    pub(crate) excess: u64,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
    /// It was given up, for this reason: `timeout`, `dropped`, `shutdown`.
    Abandoned(&'static str),
}

impl Outcome {
    /// The value of [`names::OPERATION_OUTCOME`].
    fn name(self) -> &'static str {
        match self {
            Outcome::Succeeded => words::OUTCOME_SUCCEEDED,
            Outcome::Failed => words::OUTCOME_FAILED,
            Outcome::Cancelled => words::OUTCOME_CANCELLED,
            Outcome::TimedOut => words::OUTCOME_TIMED_OUT,
            Outcome::Abandoned(_) => words::OUTCOME_ABANDONED,
        }
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) status: SpanStatus,
    pub(crate) message: &'a str,
    /// What became of the operation. `None` for a plain span.
    pub(crate) outcome: Option<Outcome>,
}

impl Ended<'_> {
    /// An operation ended without its owner's saying how.
    pub(crate) fn abandoned(reason: &'static str) -> Self {
        Self { status: SpanStatus::Unset, message: "", outcome: Some(Outcome::Abandoned(reason)) }
    }
}

/// What has changed about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only a count, which is written when it ends.
    Count,
    /// The last attribute is new.
    Attribute,
    /// An attribute has another value.
    Replaced,
    /// The last event is new.
    Event,
    /// The last link is new.
    Link,
}

impl SpanData {
    /// Whether an action began it, in the action's own trace.
    pub(super) fn is_of(&self, action: Uuid, trace: TraceContext) -> bool {
        self.action == Some(action) && self.context.trace.trace_id == trace.trace_id
    }

    pub(crate) fn set_attribute(&mut self, key: &str, value: &Value<'_>) -> Change {
        match self.attributes.iter_mut().find(|known| known.0 == key) {
            Some(known) => {
                known.1 = value.to_any();
                Change::Replaced
            }
            None => {
                self.attributes.push((key.to_owned(), value.to_any()));
                if self.attributes.len() <= MAX_ATTRIBUTES { Change::Attribute } else { Change::Count }
            }
        }
    }

    pub(crate) fn add_event(&mut self, name: &str, wall: u64, attributes: OwnedAttributes) -> Change {
        if self.events.len() < MAX_SPAN_ITEMS {
            self.events.push((name.to_owned(), wall, attributes));
            return Change::Event;
        }
        self.excess += 1;
        Change::Count
    }

    pub(crate) fn add_link(&mut self, link: TraceContext) -> Change {
        if self.links.len() < MAX_SPAN_ITEMS {
            self.links.push(link);
            return Change::Link;
        }
        self.excess += 1;
        Change::Count
    }

    /// Writes what was added last.
    fn write_added(&self, change: Change, out: &mut Encoder<'_>) {
        match change {
            Change::Attribute => out.attributes(&lend(self.attributes.get(self.attributes.len() - 1..).unwrap_or(&[]))),
            Change::Event => {
                if let Some((name, time_ns, attributes)) = self.events.last() {
                    SpanEvent { name, time_ns: *time_ns, attributes: &lend(attributes) }.write(out);
                }
            }
            Change::Link => {
                if let Some(link) = self.links.last() {
                    out.trace(field::LINK, link);
                }
            }
            Change::Count | Change::Replaced => {}
        }
    }

    /// Lends the span as an event: as it is now, or as it ended.
    pub(crate) fn with_span<R>(
        &self,
        now: BootTime,
        ended: Option<Ended<'_>>,
        visit: impl FnOnce(&Span<'_>) -> R,
    ) -> R {
        let mut attributes = lend(&self.attributes);
        if let Some(outcome) = ended.and_then(|ended| ended.outcome) {
            attributes.push((names::OPERATION_OUTCOME, outcome.name().into()));
            if let Outcome::Abandoned(reason) = outcome {
                attributes.push((names::OPERATION_REASON, reason.into()));
            }
        }
        if self.excess > 0 {
            attributes.push((names::SPAN_EXCESS, (self.excess as i64).into()));
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

/// The circumstances of something that begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// The context that it belongs to.
    pub(crate) parent: Option<SpanContext>,
    /// The action that caused it.
    pub(crate) action: Option<Uuid>,
    /// Its wall time, ns since the Unix epoch.
    pub(crate) wall: u64,
}

/// An operation, and its span in the journal. `None` when the journal did not keep it.
#[derive(Debug)]
struct Running {
    span: SpanData,
    open: Option<Open>,
    /// When its last snapshot was written.
    amended: BootTime,
    /// Whether an attribute has another value than in the journal.
    is_stale: bool,
}

impl Running {
    /// When it is abandoned if it has not ended.
    fn deadline(&self) -> BootTime {
        self.span.started.after(OPERATION_TIMEOUT)
    }

    /// Writes a snapshot if an attribute has another value and a second has passed since the last
    /// one. Returns when it is due if it is not yet.
    fn amend_if_due(&mut self, recorder: &Recorder, now: BootTime) -> Option<BootTime> {
        let open = self.open.filter(|_| self.is_stale)?;
        let due = self.amended.after(OPERATION_AMEND_EVERY);
        if due > now {
            return Some(due);
        }
        (self.amended, self.is_stale) = (now, false);
        self.span.with_span(now, None, |span| recorder.amend(open, span));
        None
    }
}

/// The operations that are running.
#[derive(Debug, Default)]
pub(super) struct Operations {
    running: HashMap<u64, Running>,
    next: u64,
}

impl Operations {
    /// How many are running.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// The action that began an operation of this trace.
    fn action_of(&self, trace_id: [u8; 16]) -> Option<Uuid> {
        let is_of = |span: &&SpanData| span.context.trace.trace_id == trace_id;
        self.running.values().map(|running| &running.span).filter(is_of).find_map(|span| span.action)
    }

    /// How many are running that an action began in its trace.
    pub(super) fn of_action(&self, action: Uuid, trace: TraceContext) -> usize {
        self.running.values().filter(|running| running.span.is_of(action, trace)).count()
    }

    /// Notes which operation a crash would belong to: the one that is running, if it is one. Nobody
    /// knows which of several a thread was working for.
    fn note(&self, recorder: &Recorder) {
        let mut running = self.running.values();
        let only = running.next().filter(|_| self.running.len() == 1);
        let name = only.map(|running| recorder.redactor().name(&running.span.name).into_owned());
        let trace = only.map(|running| running.span.context.trace);
        recorder.crash().note(|state| (state.operation, state.operation_name) = (trace, name.unwrap_or_default()));
    }

    /// Those whose deadline is `now` or earlier.
    fn overdue(&self, now: BootTime) -> Vec<u64> {
        self.running.iter().filter(|(_, running)| running.deadline() <= now).map(|(id, _)| *id).collect()
    }
}

impl Scopes {
    /// A span that begins now, in the trace of `parent`; without one, of the context that is
    /// current, else of the action that is collecting, else in a new trace.
    pub(crate) fn begin_span(&self, name: &str, parent: Option<&SpanContext>) -> SpanData {
        let started = self.recorder.boot();
        let moment = self.begin(started);
        let Beginning { parent, action, wall } = self.beginning(parent.cloned(), started);
        SpanData {
            name: name.to_owned(),
            context: self.child_or_root(parent.as_ref()),
            moment,
            started,
            started_wall: wall,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            action,
            excess: 0,
        }
    }

    /// The context of a new span under `parent`, or of the root of a new trace.
    pub(crate) fn child_or_root(&self, parent: Option<&SpanContext>) -> SpanContext {
        match parent {
            Some(parent) => parent.child(self.recorder.child(parent.trace).span_id),
            None => self.recorder.new_root(),
        }
    }

    /// Opens an operation. `None` when [`MAX_OPERATIONS`] are running.
    pub(crate) fn start_operation(&self, span: SpanData) -> Option<u64> {
        let mut locked = self.lock();
        if locked.open.operations.len() >= MAX_OPERATIONS {
            return None;
        }
        let open = span.with_span(span.started, None, |span| self.recorder.open(span)).map(|(open, _)| open);
        let operations = &mut locked.open.operations;
        operations.next += 1;
        let id = operations.next;
        let amended = span.started;
        operations.running.insert(id, Running { span, open, amended, is_stale: false });
        operations.note(&self.recorder);
        Some(id)
    }

    /// Changes what is known of an operation that is running. What is added costs the journal as
    /// much as it is large, however much there is already; another value waits for a second.
    pub(crate) fn change_operation(&self, id: u64, change: impl FnOnce(&mut SpanData) -> Change) {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        let Some(running) = locked.open.operations.running.get_mut(&id) else { return };
        let change = change(&mut running.span);
        let Some(open) = running.open else { return };
        match change {
            Change::Count => {}
            Change::Replaced => {
                let was_stale = std::mem::replace(&mut running.is_stale, true);
                let is_first = running.amend_if_due(&self.recorder, now).is_some() && !was_stale;
                // The worker takes the lock as soon as it is awake.
                drop(locked);
                if is_first {
                    self.recorder.wake();
                }
            }
            added => self.recorder.extend(open, |out| running.span.write_added(added, out)),
        }
    }

    /// Ends an operation. Does nothing when it has ended already.
    pub(crate) fn end_operation(&self, id: u64, ended: Ended<'_>) {
        let now = self.recorder.boot();
        let mut locked = self.lock();
        let took = locked.open.operations.running.get(&id).map(|running| now.since(running.span.started));
        let is_slow = |rule: &TailSampling| rule.slow_operation.zip(took).is_some_and(|(limit, took)| took >= limit);
        // Before its span is written, so that the span belongs to the session that is kept.
        self.keep_session_if(is_slow);
        locked.end_operation(id, now, ended);
    }

    /// The circumstances of what begins now. Its parent is the one that is given, else the context
    /// that is current on this thread, else the root of the trace of the action that is collecting.
    pub(crate) fn beginning(&self, parent: Option<SpanContext>, now: BootTime) -> Beginning {
        let parent = parent.or_else(current);
        let mut locked = self.lock();
        let action = locked.action_of(parent.as_ref(), now);
        let Some(collecting) = locked.collecting_action(now) else {
            return Beginning { parent, action, wall: self.recorder.wall(now) };
        };
        let wall = collecting.wall(now).unwrap_or_else(|| self.recorder.wall(now));
        collecting.is_traced |= parent.as_ref().is_none_or(|parent| parent.trace == collecting.trace);
        let parent = parent.or_else(|| Some(collecting.context()));
        Beginning { parent, action, wall }
    }
}

impl Locked<'_> {
    /// The action that caused what begins now in this context: the one whose trace that is, also
    /// after it has collected no more, or the one that began an operation of that trace which is
    /// still running. Without a context it is the action that is collecting.
    fn action_of(&mut self, context: Option<&SpanContext>, now: BootTime) -> Option<Uuid> {
        let collecting = self.collecting_action(now).map(|action| (action.id, action.trace));
        let Some(context) = context else { return collecting.map(|(id, _)| id) };
        let trace_id = context.trace.trace_id;
        let latest = self.open.latest_action;
        let known = [collecting, latest].into_iter().flatten().find(|(_, trace)| trace.trace_id == trace_id);
        known.map(|(id, _)| id).or_else(|| self.open.operations.action_of(trace_id))
    }

    fn end_operation(&mut self, id: u64, now: BootTime, ended: Ended<'_>) {
        let Some(running) = self.open.operations.running.remove(&id) else { return };
        self.open.operations.note(&self.scopes.recorder);
        if let Some(open) = running.open {
            running.span.with_span(now, Some(ended), |span| self.scopes.recorder.close(open, span));
        }
        self.operation_ended(&running.span, now);
    }

    /// Abandons every operation, because the client shuts down.
    pub(super) fn abandon_operations(&mut self, now: BootTime) {
        let all: Vec<u64> = self.open.operations.running.keys().copied().collect();
        for id in all {
            self.end_operation(id, now, Ended::abandoned(words::ABANDONED_SHUTDOWN));
        }
    }

    /// Abandons the operations that have run for [`OPERATION_TIMEOUT`], and writes the snapshots
    /// that are due. Returns when to look again.
    pub(super) fn expire_operations(&mut self, now: BootTime) -> Option<BootTime> {
        for id in self.open.operations.overdue(now) {
            self.end_operation(id, now, Ended::abandoned(words::ABANDONED_TIMEOUT));
        }
        let recorder = &self.scopes.recorder;
        let running = self.open.operations.running.values_mut();
        let next = |running: &mut Running| {
            let due = running.amend_if_due(recorder, now);
            due.map_or(running.deadline(), |due| due.min(running.deadline()))
        };
        running.map(next).min()
    }
}
