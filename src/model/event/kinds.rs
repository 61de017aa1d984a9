//! The events of real user monitoring, one struct per kind.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{FROZEN_FRAME, MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_STACK_CHARS, MAX_UNIT_CHARS};
use crate::model::time::nanos;
use crate::model::value::Attribute;
use std::time::Duration;

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionChange {
    /// It began.
    Start = 1,
    /// It ended.
    End = 2,
}

/// A session started or ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Session<'a> {
    /// Which of the two.
    pub change: SessionChange,
    /// The session.
    pub id: Uuid,
    /// The one that it continues.
    pub previous: Option<Uuid>,
    /// Why: `user_app_launch`, `inactivity_timeout`, `process_death`, …
    pub reason: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Session<'a> {
    /// A session event.
    pub fn new(change: SessionChange, id: Uuid, reason: &'a str) -> Self {
        Self { change, id, previous: None, reason, common: Common::default() }
    }
}

event!(Session, EventKind::Session, |_| Lane::Event, |_| None, |e, out| {
    out.uint(field::TYPE, e.change as u64);
    out.id(field::OBJECT_ID, e.id);
    if let Some(previous) = e.previous {
        out.id(field::PREVIOUS, previous);
    }
    out.text(field::REASON, e.reason, MAX_NAME_CHARS);
});

/// A versioned snapshot of a view.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct View<'a> {
    /// The view.
    pub id: Uuid,
    /// Its name, as the user would say it.
    pub name: &'a str,
    /// Route or class.
    pub url: &'a str,
    /// Snapshot number, from 1.
    pub version: u64,
    /// Whether it is still shown.
    pub is_active: bool,
    /// Time spent, ns.
    pub time_spent: Duration,
    /// Time until it was complete, ns.
    pub loading_time: Option<Duration>,
    /// Actions so far.
    pub action_count: u64,
    /// Resources so far.
    pub resource_count: u64,
    /// Errors so far.
    pub error_count: u64,
    /// Long tasks so far.
    pub long_task_count: u64,
    /// Crashes: 0 or 1.
    pub crash_count: u64,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> View<'a> {
    /// The first snapshot of a view.
    pub fn new(id: Uuid, name: &'a str) -> Self {
        Self {
            id,
            name,
            url: "",
            version: 1,
            is_active: true,
            time_spent: Duration::ZERO,
            loading_time: None,
            action_count: 0,
            resource_count: 0,
            error_count: 0,
            long_task_count: 0,
            crash_count: 0,
            common: Common::default(),
        }
    }
}

event!(
    View,
    EventKind::View,
    |_| Lane::Event,
    |e| Some(e.time_spent),
    |e, out| {
        out.id(field::OBJECT_ID, e.id);
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
        out.url(field::URL, e.url);
        out.uint(field::DOC_VERSION, e.version);
        out.uint(field::ACTIVE, u64::from(e.is_active));
        out.uint(field::DURATION, nanos(e.time_spent));
        out.optional(field::LOADING_TIME, e.loading_time.map(nanos));
        out.count(field::ACTION_COUNT, e.action_count);
        out.count(field::RESOURCE_COUNT, e.resource_count);
        out.count(field::ERROR_COUNT, e.error_count);
        out.count(field::LONG_TASK_COUNT, e.long_task_count);
        out.count(field::CRASH_COUNT, e.crash_count);
    },
    fn label(&self) -> &str {
        self.name
    }
);

/// What the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ActionType {
    /// A tap.
    Tap = 1,
    /// A scroll.
    Scroll = 2,
    /// A swipe.
    Swipe = 3,
    /// The back button or gesture.
    Back = 4,
    /// Said by the app.
    Custom = 5,
    /// A mutation of a traced store.
    StateMutation = 6,
    /// The app started.
    ApplicationStart = 7,
}

/// Something the user did, or a state mutation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Action<'a> {
    /// What it was.
    pub action_type: ActionType,
    /// Its name, for a tap the target's.
    pub name: &'a str,
    /// Its id, where others refer to it; else the event's own.
    pub id: Option<Uuid>,
    /// Time until all that it caused had settled, ns.
    pub loading_time: Option<Duration>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Action<'a> {
    /// An action.
    #[inline(always)]
    pub const fn new(action_type: ActionType, name: &'a str) -> Self {
        let common = Common { attributes: &[], trace: None, action_id: None, time: None };
        Self { action_type, name, id: None, loading_time: None, common }
    }

    /// A tap on `target`.
    #[inline(always)]
    pub const fn tap(target: &'a str) -> Self {
        Self::new(ActionType::Tap, target)
    }

    /// An action that the app names.
    #[inline(always)]
    pub const fn custom(name: &'a str) -> Self {
        Self::new(ActionType::Custom, name)
    }

    /// A mutation of a traced store, `{Store}.{pattern}.Update`.
    pub const fn mutation(name: &'a str) -> Self {
        Self::new(ActionType::StateMutation, name)
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }
}

event!(
    Action,
    EventKind::Action,
    |_| Lane::Event,
    |e| e.loading_time,
    |e, out| {
        out.uint(field::TYPE, e.action_type as u64);
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
        if let Some(id) = e.id {
            out.id(field::OBJECT_ID, id);
        }
        out.optional(field::DURATION, e.loading_time.map(nanos));
    },
    fn label(&self) -> &str {
        self.name
    },
    fn action_type(&self) -> Option<ActionType> {
        Some(self.action_type)
    }
);

/// What kind of error it was. All but `Handled` go to the crash lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The app went on.
    Handled = 1,
    /// The process died.
    Crash = 2,
    /// The main thread stood still, and the process with it.
    Hang = 3,
    /// Android: application not responding.
    Anr = 4,
    /// The process was killed for its memory.
    OutOfMemory = 5,
}

/// Where an error was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorSource {
    /// The app's code.
    Source = 1,
    /// A network request.
    Network = 2,
    /// The console or a logger.
    Logger = 3,
    /// Code in a web view.
    WebView = 4,
    /// Said by the app.
    Custom = 5,
}

/// An error, crash, hang, ANR or out-of-memory kill.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ErrorEvent<'a> {
    /// What it was.
    pub error_kind: ErrorKind,
    /// The type or class of the error.
    pub error_type: &'a str,
    /// Its message, at most 8,192 characters.
    pub message: &'a str,
    /// The stack, at most 49,152 characters; empty when there is none.
    pub stack: &'a str,
    /// Where it was seen.
    pub source: ErrorSource,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> ErrorEvent<'a> {
    /// A handled error.
    pub fn new(error_type: &'a str, message: &'a str) -> Self {
        Self {
            error_kind: ErrorKind::Handled,
            error_type,
            message,
            stack: "",
            source: ErrorSource::Source,
            common: Common::default(),
        }
    }

    /// A crash.
    pub fn crash(error_type: &'a str, message: &'a str, stack: &'a str) -> Self {
        Self { error_kind: ErrorKind::Crash, stack, ..Self::new(error_type, message) }
    }

    /// Sets the stack.
    #[must_use]
    pub fn stack(mut self, stack: &'a str) -> Self {
        self.stack = stack;
        self
    }
}

event!(
    ErrorEvent,
    EventKind::Error,
    |e| if e.error_kind == ErrorKind::Handled { Lane::Error } else { Lane::Crash },
    |_| None,
    |e, out| {
        out.uint(field::TYPE, e.error_kind as u64);
        out.text(field::ERROR_TYPE, e.error_type, MAX_NAME_CHARS);
        out.message(field::MESSAGE, e.message, MAX_MESSAGE_CHARS);
        out.message(field::STACK, e.stack, MAX_STACK_CHARS);
        out.uint(field::SOURCE, e.source as u64);
    },
    fn label(&self) -> &str {
        self.error_type
    }
);

/// The main thread was busy for long.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LongTask<'a> {
    /// How long, ns.
    pub duration: Duration,
    /// Whether a frame froze (over 700 ms).
    pub is_frozen_frame: bool,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl LongTask<'_> {
    /// A long task.
    pub fn new(duration: Duration) -> Self {
        Self { duration, is_frozen_frame: duration > FROZEN_FRAME, common: Common::default() }
    }
}

event!(LongTask, EventKind::LongTask, |_| Lane::Event, |e| Some(e.duration), |e, out| {
    out.uint(field::DURATION, nanos(e.duration));
    out.count(field::TYPE, u64::from(e.is_frozen_frame));
});

/// A measured vital: time to initial display, memory, …
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Vital<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: f64,
    /// The value's unit, in UCUM's terms (`s`, `By`, `1`).
    pub unit: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Vital<'a> {
    /// A vital.
    pub fn new(name: &'a str, value: f64, unit: &'a str) -> Self {
        Self { name, value, unit, common: Common::default() }
    }
}

event!(
    Vital,
    EventKind::Vital,
    |_| Lane::Event,
    |_| None,
    |e, out| {
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
        out.double(field::VALUE, e.value);
        out.text(field::UNIT, e.unit, MAX_UNIT_CHARS);
    },
    fn label(&self) -> &str {
        self.name
    }
);

/// An event that only the app understands.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Custom<'a> {
    /// Its name, which becomes the OpenTelemetry event name.
    pub name: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Custom<'a> {
    /// A custom event.
    pub fn new(name: &'a str) -> Self {
        Self { name, common: Common::default() }
    }
}

event!(
    Custom,
    EventKind::Custom,
    |_| Lane::Event,
    |_| None,
    |e, out| {
        out.text(field::NAME, e.name, MAX_NAME_CHARS);
    },
    fn label(&self) -> &str {
        self.name
    }
);
