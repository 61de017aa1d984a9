//! Measurements of the app's performance: long tasks and vitals.

use std::time::Duration;

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{FROZEN_FRAME, MAX_UNIT_CHARS};
use crate::model::time::nanos;
use crate::model::value::Attribute;

/// A time in which the main thread was busy, so that the app did not react.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::LongTask;
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let task = LongTask::new(Duration::from_millis(900));
/// assert!(task.is_frozen_frame);
/// assert!(telemetry.record_long_task(&task).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LongTask<'a> {
    /// How long the main thread was busy.
    pub duration: Duration,
    /// Whether it was long enough to freeze a frame: more than 700 ms.
    pub is_frozen_frame: bool,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl LongTask<'_> {
    /// Makes a long task.
    pub fn new(duration: Duration) -> Self {
        Self { duration, is_frozen_frame: duration > FROZEN_FRAME, common: Common::default() }
    }
}

event!(LongTask, EventKind::LongTask, |_| Lane::Event, |e| Some(e.duration), |e, out| {
    out.uint(field::DURATION, nanos(e.duration));
    out.count(field::TYPE, u64::from(e.is_frozen_frame));
});

/// A measured value of the app's performance, such as a start time.
///
/// ```
/// use throughline::event::Vital;
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let vital = Vital::new("checkout_ready", 0.42, "s");
/// assert!(telemetry.record_vital(&vital).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Vital<'a> {
    /// The name of the vital.
    pub name: &'a str,
    /// The measured value.
    pub value: f64,
    /// The unit of the value, in UCUM's terms (`s`, `By`, `1`).
    pub unit: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Vital<'a> {
    /// Makes a vital.
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
        out.name(field::NAME, e.name);
        out.double(field::VALUE, e.value);
        out.text(field::UNIT, e.unit, MAX_UNIT_CHARS);
    },
    fn label(&self) -> &str {
        self.name
    }
);
