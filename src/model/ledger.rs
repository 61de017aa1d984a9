//! The ledger: why events were dropped, and how many.
//!
//! For each destination one law holds at every moment, and every durability test checks it:
//!
//! ```text
//! accepted = delivered + queued + Σ dropped(reason)
//! ```
//!
//! An event is accepted when it is recorded while the client is enabled. From then on it is in
//! exactly one of the three places.
//!
//! ```
//! use throughline::event::Lane;
//! use throughline::ledger::{DropReason, Ledger};
//!
//! let mut ledger = Ledger::default();
//! ledger.add(Lane::Bulk, DropReason::QuotaBytes, 3);
//! ledger.add(Lane::Event, DropReason::QuotaBytes, 1);
//! assert_eq!(ledger.get(Lane::Bulk, DropReason::QuotaBytes), 3);
//! assert_eq!((ledger.of(DropReason::QuotaBytes), ledger.total()), (4, 4));
//! for (lane, reason, count) in ledger.iter() {
//!     println!("{}: {count} events dropped, {}", lane.name(), reason.name());
//! }
//! ```

use crate::model::event::Lane;

/// Why an event was dropped. The codes are stored, so a code is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum DropReason {
    /// The session or trace was sampled out.
    SampledOut = 0,
    /// The journal had no room for its lane.
    JournalFull = 1,
    /// The encoded event was larger than 128 KiB.
    Oversize = 2,
    /// A record was written to the journal and could not be read back: the file was damaged or
    /// truncated.
    JournalLost = 3,
    /// A queue row failed its checksum or could not be decoded.
    RowCorrupt = 4,
    /// The lane's or the queue's byte quota was exceeded.
    QuotaBytes = 5,
    /// The event was older than the configured `max_age`, or than the backend takes.
    QuotaAge = 6,
    /// The disk was full, and lower lanes had to give way.
    DiskFull = 7,
    /// The backend refused this very event: halving the batch led to it.
    Rejected = 8,
    /// The backend took the request and answered that it rejected some of its records.
    PartialReject = 9,
    /// The event was, even alone, larger than the backend takes.
    TooLarge = 10,
    /// The backend answered with a status for which its format forbids a retry.
    ServerError = 11,
    /// The destination's format has no place for this kind of event.
    Unsupported = 12,
    /// The destination was removed from the configuration.
    DestinationRemoved = 13,
    /// The file that held the event killed the process repeatedly while it was read, and was set
    /// aside.
    Quarantined = 14,
    /// The client was switched off while the event was waiting.
    SwitchedOff = 15,
    /// The event was not final yet and was taken back: a mutation of state was reverted in time, or
    /// the main thread came back from a hang.
    Withdrawn = 16,
    /// The backend failed on this event alone, again and again, while it accepted others.
    Undeliverable = 17,
    /// No destination wants the event: each of them names other signals, lanes or kinds.
    NoDestination = 18,
}

impl DropReason {
    /// Every reason, in the order of the codes.
    pub const ALL: [DropReason; 19] = [
        DropReason::SampledOut,
        DropReason::JournalFull,
        DropReason::Oversize,
        DropReason::JournalLost,
        DropReason::RowCorrupt,
        DropReason::QuotaBytes,
        DropReason::QuotaAge,
        DropReason::DiskFull,
        DropReason::Rejected,
        DropReason::PartialReject,
        DropReason::TooLarge,
        DropReason::ServerError,
        DropReason::Unsupported,
        DropReason::DestinationRemoved,
        DropReason::Quarantined,
        DropReason::SwitchedOff,
        DropReason::Withdrawn,
        DropReason::Undeliverable,
        DropReason::NoDestination,
    ];

    /// The reasons that can occur before the queue. Their counts are kept in the journal's header.
    pub const AT_THE_DOOR: [DropReason; 3] = [DropReason::SampledOut, DropReason::JournalFull, DropReason::Oversize];

    /// The code that is stored.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The reason with a stored code; `None` for one of a later version.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in the self-report and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::SampledOut => "sampled_out",
            DropReason::JournalFull => "journal_full",
            DropReason::Oversize => "oversize",
            DropReason::JournalLost => "journal_lost",
            DropReason::RowCorrupt => "row_corrupt",
            DropReason::QuotaBytes => "quota_bytes",
            DropReason::QuotaAge => "quota_age",
            DropReason::DiskFull => "disk_full",
            DropReason::Rejected => "rejected",
            DropReason::PartialReject => "partial_reject",
            DropReason::TooLarge => "too_large",
            DropReason::ServerError => "server_error",
            DropReason::Unsupported => "unsupported",
            DropReason::DestinationRemoved => "destination_removed",
            DropReason::Quarantined => "quarantined",
            DropReason::SwitchedOff => "switched_off",
            DropReason::Withdrawn => "withdrawn",
            DropReason::Undeliverable => "undeliverable",
            DropReason::NoDestination => "no_destination",
        }
    }
}

/// Counts of dropped events, by lane and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(std::collections::BTreeMap<(Lane, DropReason), u64>);

impl Ledger {
    /// Adds `count` dropped events. Zero adds no entry.
    pub fn add(&mut self, lane: Lane, reason: DropReason, count: u64) {
        if count > 0 {
            *self.0.entry((lane, reason)).or_default() += count;
        }
    }

    /// Adds every count of another ledger.
    pub fn merge(&mut self, other: &Ledger) {
        for (lane, reason, count) in other.iter() {
            self.add(lane, reason, count);
        }
    }

    /// The count of one lane and reason.
    pub fn get(&self, lane: Lane, reason: DropReason) -> u64 {
        self.0.get(&(lane, reason)).copied().unwrap_or(0)
    }

    /// The count of one reason, over all lanes.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.iter().filter(|entry| entry.1 == reason).map(|entry| entry.2).sum()
    }

    /// The number of all dropped events.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The entries, ordered by lane and code.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, DropReason, u64)> + '_ {
        self.0.iter().map(|(&(lane, reason), &count)| (lane, reason, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_one_to_one() {
        let names: std::collections::HashSet<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
        for reason in DropReason::ALL {
            assert_eq!(DropReason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(DropReason::from_code(200), None);
    }
}
