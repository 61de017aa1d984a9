//! The bodies that freezing a batch produced, kept until they are sent for the first time.
//!
//! Freezing has to encode a batch, because the hash of each body is written down before the first
//! send. Without this store the lease would read, encode and compress the same rows a second time.
//! A retry, and a process that finds a frozen batch, encode again from the rows.
//!
//! Memory: the bodies of one batch for each destination, compressed unless the format adds
//! something when they are sent. A batch of another lane replaces them.

use super::body::Body;
use crate::model::event::Lane;
use crate::storage::queue::state::{BatchState, PartState};
use crate::storage::queue::{NewPart, Queue};

/// A part that is to be frozen, with its body.
pub(super) struct Encoded {
    pub(super) part: NewPart,
    pub(super) body: Body,
}

/// The bodies of the batch of one destination that was frozen last.
#[derive(Debug, Default)]
pub(super) struct Ready {
    lane: Option<Lane>,
    /// Rows of the batch that were not settled when the bodies were last known to be right. When
    /// the queue has fewer, some of them were dropped meanwhile, and a body may hold a row that
    /// counts as lost.
    open_rows: u64,
    /// Bodies, by the hash that was written down for their part.
    bodies: Vec<(String, Body)>,
}

impl Ready {
    /// Keeps the bodies of a destination's batch that has just been frozen.
    pub(super) fn keep(&mut self, queue: &Queue, destination: u32, lane: Lane, bodies: Vec<(String, Body)>) {
        *self = Self { lane: Some(lane), open_rows: 0, bodies };
        self.settled(queue, destination);
    }

    /// The lane of the batch, while it has bodies that were not sent.
    pub(super) fn lane(&self) -> Option<Lane> {
        self.lane.filter(|_| !self.bodies.is_empty())
    }

    /// Takes the body of a part for its first send; `None` when it has to be encoded from the rows.
    pub(super) fn take(&mut self, queue: &Queue, destination: u32, lane: Lane, part: &PartState) -> Option<Body> {
        if self.lane != Some(lane) {
            return None;
        }
        self.check(queue, destination);
        let at = self.bodies.iter().position(|(hash, body)| *hash == part.hash && body.rows == part.rows)?;
        Some(self.bodies.swap_remove(at).1)
    }

    /// Forgets the bodies if rows of the batch were dropped since. Call it before a part of a batch
    /// is settled.
    pub(super) fn check(&mut self, queue: &Queue, destination: u32) {
        if self.lane.is_some() && self.rows_now(queue, destination) != self.open_rows {
            *self = Self::default();
        }
    }

    /// Notes that a part of a batch has just been settled.
    pub(super) fn settled(&mut self, queue: &Queue, destination: u32) {
        if self.bodies.is_empty() {
            *self = Self::default();
        }
        self.open_rows = self.rows_now(queue, destination);
    }

    fn rows_now(&self, queue: &Queue, destination: u32) -> u64 {
        let batch = self.lane.and_then(|lane| queue.batch(destination, lane));
        batch.map_or(0, BatchState::open_rows)
    }
}
