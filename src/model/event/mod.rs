//! The typed events that a caller can record. The set is closed.
//!
//! Every struct borrows what it is given, and nothing is copied before the encoder writes the
//! canonical form ([`encode`]). The time of an event that has a duration is its start, and the time
//! of every other event is the moment of the call. Durations are stored in nanoseconds.

mod action;
pub mod breadcrumb;
mod builder;
mod custom;
pub mod decode;
pub mod encode;
pub(crate) mod ended;
mod error;
pub(crate) mod plain;
mod put;
mod resource;
mod scratch;
pub mod scrub;
mod session;
mod signals;
mod view;
mod vital;

pub use action::{Action, ActionType};
pub use custom::Custom;
pub(crate) use error::SmallerError;
pub use error::{ErrorEvent, ErrorKind, ErrorSource};
pub use resource::{Phase, PhaseTime, Resource};
pub use session::{Session, SessionChange};
pub use signals::{Interval, Log, Metric, MetricData, Severity, Span, SpanEvent, SpanKind, SpanStatus, Temporality};
pub use view::View;
pub use vital::{LongTask, Vital};

use uuid::Uuid;

use crate::model::value::Attribute;
use encode::Encoder;
use std::time::Duration;

/// How an event is kept and sent. An event of a lower lane never evicts or delays one of a higher
/// lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// Crashes, ANRs, fatal hangs and out-of-memory kills.
    Crash = 0,
    /// Handled errors and logs of severity ERROR or above.
    Error = 1,
    /// Sessions, views, actions, resources, long tasks, vitals, custom events.
    Event = 2,
    /// Logs, metrics, spans.
    Bulk = 3,
}

impl Lane {
    /// All lanes, the most precious first.
    pub const ALL: [Lane; 4] = [Lane::Crash, Lane::Error, Lane::Event, Lane::Bulk];

    /// The stored number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The lane of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in `health()` and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Crash => "crash",
            Lane::Error => "error",
            Lane::Event => "event",
            Lane::Bulk => "bulk",
        }
    }
}

/// The kind of an event. The codes are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum EventKind {
    /// A session started or ended.
    Session = 1,
    /// A snapshot of a view.
    View = 2,
    /// Something that the user did, or a mutation of traced state.
    Action = 3,
    /// A network request of the app that has ended.
    Resource = 4,
    /// An error, crash, hang, ANR or out-of-memory kill.
    Error = 5,
    /// A time in which the main thread was busy.
    LongTask = 6,
    /// A measured value of the app's performance.
    Vital = 7,
    /// An event whose name and meaning are the app's own.
    Custom = 8,
    /// A log record.
    Log = 9,
    /// A metric data point.
    Metric = 10,
    /// A span that has ended.
    Span = 11,
}

impl EventKind {
    /// Every kind, in the order of the codes.
    pub const ALL: [EventKind; 11] = [
        EventKind::Session,
        EventKind::View,
        EventKind::Action,
        EventKind::Resource,
        EventKind::Error,
        EventKind::LongTask,
        EventKind::Vital,
        EventKind::Custom,
        EventKind::Log,
        EventKind::Metric,
        EventKind::Span,
    ];

    /// The stored code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a stored code. `None` for a kind of a later version.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The lanes in which events of this kind are kept.
    pub fn lanes(self) -> &'static [Lane] {
        match self {
            EventKind::Error => &[Lane::Crash, Lane::Error],
            EventKind::Log => &[Lane::Error, Lane::Bulk],
            EventKind::Metric | EventKind::Span => &[Lane::Bulk],
            EventKind::Session
            | EventKind::View
            | EventKind::Action
            | EventKind::Resource
            | EventKind::LongTask
            | EventKind::Vital
            | EventKind::Custom => &[Lane::Event],
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Session => "session",
            EventKind::View => "view",
            EventKind::Action => "action",
            EventKind::Resource => "resource",
            EventKind::Error => "error",
            EventKind::LongTask => "long_task",
            EventKind::Vital => "vital",
            EventKind::Custom => "custom",
            EventKind::Log => "log",
            EventKind::Metric => "metric",
            EventKind::Span => "span",
        }
    }
}

/// A place in a trace: the ids of W3C Trace Context.
///
/// ```
/// use throughline::event::{Log, Severity, TraceContext};
///
/// let place = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
/// let log = Log::new(Severity::Info, "a line of that span").trace(place);
/// assert_eq!(log.common.trace, Some(place));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace, never all zero.
    pub trace_id: [u8; 16],
    /// The span, never all zero.
    pub span_id: [u8; 8],
    /// Whether the trace is kept: bit 0 of the trace flags.
    pub sampled: bool,
}

/// What every event may carry.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Common<'a> {
    /// At most 128 attributes. Further ones are left out and counted on the event.
    pub attributes: &'a [Attribute<'a>],
    /// The trace and span that the event belongs to.
    pub trace: Option<TraceContext>,
    /// The action that caused the event.
    pub action_id: Option<Uuid>,
    /// The wall time of the event, ns since the Unix epoch. Without one, it is the moment of the
    /// call less the event's duration.
    pub time: Option<u64>,
}

/// A typed event that can be recorded. Implemented by the structs of this module alone.
pub trait Event: sealed::Sealed {
    /// The kind, which decides the lane and what an exporter makes of it.
    fn kind(&self) -> EventKind;
    /// The lane.
    fn lane(&self) -> Lane;
    /// The parts that every event has.
    fn common(&self) -> &Common<'_>;
    /// How long it took. Only events whose time is their start have a duration.
    fn duration(&self) -> Option<Duration> {
        None
    }
    /// What identifies the event for people: a name, a URL, the type of an error, the body of a
    /// log. Empty for a session and a long task.
    fn label(&self) -> &str {
        ""
    }
    /// What the user did, for an action.
    fn action_type(&self) -> Option<ActionType> {
        None
    }
    /// The event, if it is an error.
    #[doc(hidden)]
    #[inline(always)]
    fn as_error(&self) -> Option<&ErrorEvent<'_>> {
        None
    }
    /// Writes the kind's own fields.
    #[doc(hidden)]
    fn write(&self, out: &mut Encoder<'_>);
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
