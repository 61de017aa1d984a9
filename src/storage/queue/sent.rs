//! What was sent in a day, for the daily cap.

use serde::{Deserialize, Serialize};

/// Compressed bytes sent in one day. Stored as `[day, bytes]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct SentToday {
    /// The day: the queue age in whole days.
    pub day: u64,
    /// The bytes.
    pub bytes: u64,
}

impl From<(u64, u64)> for SentToday {
    fn from((day, bytes): (u64, u64)) -> Self {
        Self { day, bytes }
    }
}

impl From<SentToday> for (u64, u64) {
    fn from(sent: SentToday) -> Self {
        (sent.day, sent.bytes)
    }
}
