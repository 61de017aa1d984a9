//! The bodies that freezing a batch produced, kept until they are sent for the first time.
//!
//! Freezing has to encode a batch, because the hash of each body is written down before the first
//! send. Without this store the lease would read, encode and compress the same rows a second time.
//! A retry, and a process that finds a frozen batch, encode again from the rows.
//!
//! Memory: the compressed bodies of one batch. A batch that is frozen for another destination or
//! lane replaces them.

use super::body::Body;
use crate::model::event::Lane;
use crate::storage::queue::state::{BatchState, PartState};
use crate::storage::queue::{NewPart, Queue};

/// A part that is to be frozen, with its body.
pub(super) struct Encoded {
    pub(super) part: NewPart,
    pub(super) body: Body,
}

/// The bodies of the batch that was frozen last.
#[derive(Debug, Default)]
pub(super) struct Ready {
    batch: Option<(u32, Lane)>,
    /// Rows of the batch that were not settled when the bodies were last known to be right. When
    /// the queue has fewer, some of them were dropped meanwhile, and a body may hold a row that
    /// counts as lost.
    open_rows: u64,
    /// Bodies, by the hash that was written down for their part.
    bodies: Vec<(String, Body)>,
}

impl Ready {
    /// Forgets every body.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the bodies of a batch that has just been frozen.
    pub(super) fn keep(&mut self, queue: &Queue, destination: u32, lane: Lane, bodies: Vec<(String, Body)>) {
        *self = Self { batch: Some((destination, lane)), open_rows: 0, bodies };
        self.settled(queue);
    }

    /// Takes the body of a part for its first send; `None` when it has to be encoded from the rows.
    pub(super) fn take(&mut self, queue: &Queue, destination: u32, lane: Lane, part: &PartState) -> Option<Body> {
        if self.batch != Some((destination, lane)) {
            return None;
        }
        self.check(queue);
        let at = self.bodies.iter().position(|(hash, body)| *hash == part.hash && body.rows == part.rows)?;
        Some(self.bodies.swap_remove(at).1)
    }

    /// Forgets the bodies if rows of the batch were dropped since. Call it before a part of a batch
    /// is settled.
    pub(super) fn check(&mut self, queue: &Queue) {
        if self.batch.is_some() && self.rows_now(queue) != self.open_rows {
            self.clear();
        }
    }

    /// Notes that a part of a batch has just been settled.
    pub(super) fn settled(&mut self, queue: &Queue) {
        if self.bodies.is_empty() {
            self.clear();
        }
        self.open_rows = self.rows_now(queue);
    }

    fn rows_now(&self, queue: &Queue) -> u64 {
        let batch = self.batch.and_then(|(destination, lane)| queue.batch(destination, lane));
        batch.map_or(0, BatchState::open_rows)
    }
}
