//! The event of a session.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::MAX_NAME_CHARS;
use crate::model::value::Attribute;

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionChange {
    /// It began.
    Start = 1,
    /// It ended.
    End = 2,
}

/// The start or the end of a session that the app keeps itself. The client records its own sessions
/// without being asked.
///
/// ```
/// use throughline::event::{Session, SessionChange};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let id = telemetry.new_id().ok_or("the client is off")?;
/// let mut start = Session::new(SessionChange::Start, id, "user_login");
/// start.previous = telemetry.new_id(); // the session that this one continues
/// assert!(telemetry.record_session(&start).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Session<'a> {
    /// Whether it started or ended.
    pub change: SessionChange,
    /// The id of the session.
    pub id: Uuid,
    /// The id of the session that this one continues.
    pub previous: Option<Uuid>,
    /// Why it started or ended, for example `user_app_launch` or `inactivity_timeout`.
    pub reason: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Session<'a> {
    /// Makes the event of a session that continues no other.
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
