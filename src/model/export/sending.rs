//! What an exporter says and learns about the sending of its requests.

use uuid::Uuid;

use super::Signal;
use crate::model::ledger::DropReason;
use crate::model::limits::{MAX_BATCH_BYTES, MAX_BATCH_EVENTS};

/// How much one request may carry. What is more than the client's own limits counts as those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Events in it. Default: [`MAX_BATCH_EVENTS`](crate::limits::MAX_BATCH_EVENTS).
    pub events: usize,
    /// Bytes of its uncompressed body. A single event that is larger is sent alone, for the backend
    /// to decide. Default: [`MAX_BATCH_BYTES`](crate::limits::MAX_BATCH_BYTES).
    pub bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { events: MAX_BATCH_EVENTS, bytes: MAX_BATCH_BYTES }
    }
}

/// Events that were lost on the device for good, and of which the backend was not told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The signal with which they would have been sent.
    pub signal: Signal,
    /// Why they were dropped.
    pub reason: DropReason,
    /// How many they are.
    pub count: u64,
}

/// An attempt to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How often the same events were sent before. 0 for the first attempt.
    pub retries: u32,
    /// The status that the last attempt was answered with. `None` when there was no answer, or no
    /// attempt.
    pub last_status: Option<u16>,
    /// Wall time of the attempt, ns since the Unix epoch, by the device's clock.
    pub time_unix_nano: u64,
    /// Random, and another one for each attempt.
    pub id: Uuid,
}
