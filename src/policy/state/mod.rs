//! Traced state: which mutations become actions, and what they carry. Pure: time is passed in.

mod diff;
pub mod path;
mod policy;
mod tracer;
mod value;

pub use diff::{Diffed, diff};
pub use policy::{Capture, CaptureRule, PathDecision, Policy, StorePolicy, Suppressed};
pub use tracer::{Cause, CauseKind, Mutation, MutationKind, Sink, StateAction, StateCounts, Tracer};
pub use value::{Captured, Kept, capture, digest};
