//! What a traced store records, and where it goes.

use std::sync::Arc;
use std::time::Duration;

use super::mutation::{Cause, MutationKind};
use super::value::Captured;
use crate::model::value::OwnedAttributes;

/// An action that a traced store is collecting from one or more mutations.
#[derive(Debug, Clone, PartialEq)]
pub struct StateAction {
    /// The action's name.
    pub name: Arc<str>,
    /// The store's name.
    pub store: Arc<str>,
    /// The full path of the last mutation.
    pub path: String,
    /// What the last mutation was.
    pub kind: MutationKind,
    /// What caused the mutations.
    pub cause: Cause,
    /// The number of mutations that it stands for.
    pub count: u64,
    /// The time from the first to the last of them.
    pub duration: Duration,
    /// The value before the first mutation.
    pub old: Option<Captured>,
    /// The value after the last mutation.
    pub new: Option<Captured>,
    /// The number of the store's mutations that were suppressed since its last action.
    pub suppressed: u64,
    /// What the host said about the store at the last mutation that had attributes.
    pub attributes: OwnedAttributes,
}

/// Where the actions of traced stores go.
pub trait Sink {
    /// What refers to an action that is not final.
    type Handle;
    /// Records a final action. Returns false when it was not kept.
    fn record(&mut self, action: &StateAction) -> bool;
    /// Records an action that is not final. Returns `None` when it was not kept.
    fn open(&mut self, action: &StateAction) -> Option<Self::Handle>;
    /// Replaces what was recorded of an action that is not final.
    fn amend(&mut self, handle: &Self::Handle, action: &StateAction);
    /// Makes an action final.
    fn close(&mut self, handle: Self::Handle, action: &StateAction);
    /// Removes an action that was reverted.
    fn discard(&mut self, handle: Self::Handle);
}
