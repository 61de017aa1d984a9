//! Traced state: which mutations become actions, and what they carry. Pure: time is passed in.
//!
//! [`StorePolicy`] is what an app configures; [`Policy`] is its compiled form, which makes a
//! [`PathDecision`] for a path. A [`Tracer`] takes [`Mutation`]s, collects them into
//! [`StateAction`]s and hands those to a [`Sink`]. [`diff()`] finds the mutations between two
//! immutable values.

mod action;
mod counts;
mod decision;
mod diff;
mod mutation;
pub mod path;
mod policy;
mod store_policy;
mod tracer;
mod value;

pub use action::{Sink, StateAction};
pub use counts::StateCounts;
pub use decision::{PathDecision, Suppressed};
pub use diff::{Diffed, diff};
pub use mutation::{Cause, CauseKind, Mutation, MutationKind};
pub use policy::Policy;
pub use store_policy::{Capture, CaptureRule, StorePolicy};
pub use tracer::Tracer;
pub use value::{Captured, Kept, capture, digest};
