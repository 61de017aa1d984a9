//! Exporters: from rows to requests, from responses to verdicts. Pure: no I/O, no clock, no randomness.
//!
//! An exporter never sees the queue. Encoding is a function of rows, contexts and configuration alone, so a retry's body is
//! byte-identical to the first one's.

pub mod otlp;

use std::sync::Arc;

use uuid::Uuid;

use crate::model::event::EventKind;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::ledger::DropReason;
use crate::wire::transport::Response;

/// A decoded event with everything it refers to.
#[derive(Debug)]
pub struct ExportRow<'a> {
    /// The event's id, the same in every attempt and for every destination.
    pub id: Uuid,
    /// Wall time, ns since the Unix epoch.
    pub time_ns: u64,
    /// The event.
    pub record: Record<'a>,
    /// App, device, OS, user, network when it was recorded.
    pub context: Arc<Context>,
    /// Session and view when it was recorded.
    pub scope: Arc<Scope>,
}

/// What a response means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The backend has it, less `rejected` records.
    Delivered {
        /// Records that the backend says it rejected; they must not be sent again.
        rejected: u64,
    },
    /// The same request later.
    Retry,
    /// Too large: as two requests.
    Split,
    /// The backend refuses the content: look for the event that is at fault.
    Refused,
    /// The format forbids another attempt.
    Drop(DropReason),
    /// The backend refuses *us*: keep everything, come back much later.
    Hold(String),
}

/// One backend format.
pub trait Exporter: Send + Sync + std::fmt::Debug {
    /// Changes whenever the same rows would give another body.
    fn version(&self) -> u32;
    /// Which kind of request an event belongs to; `None` when the format has no place for it.
    fn signal(&self, kind: EventKind) -> Option<u8>;
    /// Encodes rows of one signal into an uncompressed body.
    fn encode(&self, signal: u8, rows: &[ExportRow<'_>]) -> Vec<u8>;
    /// Where the signal's requests go.
    fn url(&self, signal: u8) -> String;
    /// Headers of every request, `content-type` included, `content-encoding` not.
    fn headers(&self) -> Vec<(String, String)>;
    /// What a response means.
    fn classify(&self, response: &Response) -> Verdict;
}
