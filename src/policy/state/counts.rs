//! The books of a traced store.

use super::decision::Suppressed;

/// The books of a traced store: `mutations = recorded + Σ suppressed(reason) + dropped`.
///
/// Read them with [`TracedStore::counts`](crate::TracedStore::counts).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// All mutations.
    pub mutations: u64,
    /// Mutations that actions stand for: the sum of the actions' `mutation.count`.
    pub recorded: u64,
    /// Actions that were recorded.
    pub actions: u64,
    /// Mutations whose action was not kept, because it was sampled out or the journal was full. The
    /// [ledger](crate::ledger) has the reasons.
    pub dropped: u64,
    /// Recorded mutations whose cause was ambiguous.
    pub ambiguous: u64,
    suppressed: [u64; Suppressed::ALL.len()],
}

impl StateCounts {
    /// Mutations that were suppressed for one reason.
    pub fn suppressed(&self, reason: Suppressed) -> u64 {
        self.suppressed.get(reason as usize).copied().unwrap_or(0)
    }

    /// Mutations that were suppressed for any reason.
    pub fn all_suppressed(&self) -> u64 {
        self.suppressed.iter().sum()
    }

    /// Whether every mutation is counted in exactly one place.
    pub fn balanced(&self) -> bool {
        self.mutations == self.recorded + self.all_suppressed() + self.dropped
    }

    pub(super) fn suppress(&mut self, reason: Suppressed, count: u64) {
        if let Some(place) = self.suppressed.get_mut(reason as usize) {
            *place += count;
        }
    }
}
