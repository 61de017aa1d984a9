//! The event of an action.

use std::time::Duration;

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::time::nanos;
use crate::model::value::Attribute;

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
    /// An action that the app names.
    Custom = 5,
    /// A mutation of a traced store.
    StateMutation = 6,
    /// The app started.
    ApplicationStart = 7,
}

/// Something that the user did, or a mutation of traced state.
///
/// ```
/// use throughline::event::{Action, ActionType};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let attributes = [("items", 3.into())];
/// telemetry.record_action(&Action::tap("checkout").attributes(&attributes));
/// telemetry.record_action(&Action::new(ActionType::Swipe, "product_gallery"));
/// assert!(telemetry.record_action(&Action::custom("coupon_redeemed")).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Action<'a> {
    /// What the user did.
    pub action_type: ActionType,
    /// The name of the action. For a tap it is the name of the target.
    pub name: &'a str,
    /// The id under which other events refer to the action. Without one, it is the event's own id.
    pub id: Option<Uuid>,
    /// The time until everything that the action caused had ended.
    pub loading_time: Option<Duration>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Action<'a> {
    /// Makes an action of any type.
    #[inline(always)]
    pub const fn new(action_type: ActionType, name: &'a str) -> Self {
        let common = Common { attributes: &[], trace: None, action_id: None, time: None };
        Self { action_type, name, id: None, loading_time: None, common }
    }

    /// Makes a tap on `target`.
    #[inline(always)]
    pub const fn tap(target: &'a str) -> Self {
        Self::new(ActionType::Tap, target)
    }

    /// Makes an action that the app names.
    #[inline(always)]
    pub const fn custom(name: &'a str) -> Self {
        Self::new(ActionType::Custom, name)
    }

    /// Makes a mutation of a traced store, which is named `{Store}.{pattern}.Update`.
    pub const fn mutation(name: &'a str) -> Self {
        Self::new(ActionType::StateMutation, name)
    }

    /// Sets the id under which other events refer to the action.
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
        out.name(field::NAME, e.name);
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
