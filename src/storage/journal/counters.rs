//! The counters of a run: one word for each in the journal's preamble.
//!
//! They are part of the books, so they must survive what the records survive. Their order is
//! stored: it only grows at its end.

use crate::model::event::Lane;
use crate::model::ledger::DropReason;

const LANES: usize = Lane::ALL.len();
const DOORS: usize = DropReason::AT_THE_DOOR.len();

/// How many events of one run were appended and how many were refused, since the run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounters {
    /// Events that were appended, by lane.
    pub appended: [u64; LANES],
    /// Events that were refused, by reason in the order of [`DropReason::AT_THE_DOOR`], and by
    /// lane.
    pub refused: [[u64; LANES]; DOORS],
}

impl RunCounters {
    /// The number of counters.
    pub(crate) const WORDS: usize = LANES * (1 + DOORS);

    /// The counters in the order in which they are stored.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.appended.iter().chain(self.refused.iter().flatten()).copied()
    }

    /// Reads counters in that order. Missing ones are zero.
    pub(crate) fn from_words(words: impl IntoIterator<Item = u64>) -> Self {
        let mut counters = Self::default();
        let slots = counters.appended.iter_mut().chain(counters.refused.iter_mut().flatten());
        for (slot, word) in slots.zip(words) {
            *slot = word;
        }
        counters
    }

    /// Counts an event that was appended. Returns the number of the counter and its value.
    #[inline]
    pub(super) fn count_appended(&mut self, lane: Lane) -> Option<(usize, u64)> {
        let lane = usize::from(lane.code());
        let count = self.appended.get_mut(lane)?;
        *count += 1;
        Some((lane, *count))
    }

    /// Counts an event that was refused for a reason [at the door](DropReason::AT_THE_DOOR).
    /// Returns the number of the counter and its value.
    pub(super) fn count_refused(&mut self, lane: Lane, reason: DropReason) -> Option<(usize, u64)> {
        let door = DropReason::AT_THE_DOOR.iter().position(|door| *door == reason)?;
        let lane = usize::from(lane.code());
        let count = self.refused.get_mut(door)?.get_mut(lane)?;
        *count += 1;
        Some((LANES * (1 + door) + lane, *count))
    }
}
