//! Kinds of events, as a part of a batch stores them.

use serde::{Deserialize, Serialize};

use crate::model::event::EventKind;

/// Kinds of events, a bit for each code. No kind at all stands for kinds that are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kinds(u64);

impl Kinds {
    /// Every kind that there can be.
    pub fn all() -> Self {
        Self(u64::MAX)
    }

    /// Adds a kind.
    pub fn add(&mut self, kind: EventKind) {
        self.0 |= 1u64.checked_shl(kind.code().into()).unwrap_or(0);
    }

    /// Adds all of these.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether the kind is among them.
    pub fn has(self, kind: EventKind) -> bool {
        self.0.checked_shr(kind.code().into()).is_some_and(|bits| bits & 1 != 0)
    }

    /// Whether it is known which they are. A part that an older version has frozen does not say.
    pub fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Whether one of these is among them.
    pub fn has_any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}
