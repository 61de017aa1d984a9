//! Events that the app defines.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::value::Attribute;

/// An event whose name and meaning are the app's own.
///
/// ```
/// use throughline::event::Custom;
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let attributes = [("channel", "link".into())];
/// let shared = Custom::new("cart_shared").attributes(&attributes);
/// assert!(telemetry.record_custom(&shared).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Custom<'a> {
    /// The name, which becomes the name of the OpenTelemetry event.
    pub name: &'a str,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Custom<'a> {
    /// Makes a custom event.
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
        out.name(field::NAME, e.name);
    },
    fn label(&self) -> &str {
        self.name
    }
);
