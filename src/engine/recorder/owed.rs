//! Contexts and scopes that the full journal has refused. They are owed: no event is recorded
//! before they are, because it would belong to the user or the view before.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a version is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The slowly changing attributes.
    Context,
    /// The session and the view.
    Scope,
}

/// The newest records that were refused.
#[derive(Debug, Default)]
pub(super) struct Debts {
    context: Option<Vec<u8>>,
    scope: Option<Vec<u8>>,
}

impl Debts {
    /// The record of this part that is owed.
    pub(super) fn of(&mut self, part: Part) -> &mut Option<Vec<u8>> {
        match part {
            Part::Context => &mut self.context,
            Part::Scope => &mut self.scope,
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.context.is_some() || self.scope.is_some()
    }
}

/// Behind its lock, a version is written and becomes the current one.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<Debts>);

impl Owed {
    pub(super) fn lock(&self) -> MutexGuard<'_, Debts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
