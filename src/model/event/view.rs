//! The snapshot of a view.

use std::time::Duration;

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::time::nanos;
use crate::model::value::Attribute;

/// A snapshot of a view that the app keeps itself. Each snapshot has a higher version than the one
/// before, and a reader keeps the highest.
///
/// [`Telemetry::start_view`](crate::Telemetry::start_view) records the snapshots of the view that
/// is shown, and counts what happens on it.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::View;
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let id = telemetry.new_id().ok_or("the client is off")?;
/// let mut view = View::new(id, "Cart");
/// view.url = "/cart";
/// telemetry.record_view(&view);
///
/// view.version += 1;
/// (view.is_active, view.time_spent) = (false, Duration::from_secs(12));
/// assert!(telemetry.record_view(&view).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct View<'a> {
    /// The id of the view.
    pub id: Uuid,
    /// The name of the view, in words that the user would recognise.
    pub name: &'a str,
    /// The route or the class that shows the view.
    pub url: &'a str,
    /// The number of the snapshot, from 1.
    pub version: u64,
    /// Whether the view is still shown.
    pub is_active: bool,
    /// How long the view has been shown.
    pub time_spent: Duration,
    /// The time until the view was complete.
    pub loading_time: Option<Duration>,
    /// Actions so far.
    pub action_count: u64,
    /// Resources so far.
    pub resource_count: u64,
    /// Errors so far.
    pub error_count: u64,
    /// Long tasks so far.
    pub long_task_count: u64,
    /// Crashes so far: 0 or 1.
    pub crash_count: u64,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> View<'a> {
    /// Makes the first snapshot of a view.
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
        out.name(field::NAME, e.name);
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
