//! A request's body: rows are decoded together with the contexts that they refer to, encoded,
//! hashed and compressed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::Leased;
use super::guarded::{Failure, Guarded};
use crate::model::event::Lane;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::export::{Attempt, ExportRow, Signal};
use crate::model::http::Request;
use crate::model::ledger::DropReason;
use crate::storage::queue::state::PartState;
use crate::storage::queue::{Queue, QueueError, RowRef, Rows};

/// A request's body before its first send.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    /// Whether the bytes are compressed already.
    is_gzip: bool,
    /// Events in it.
    pub(super) rows: u64,
}

impl Body {
    /// Keeps an encoded body. It is compressed now, unless the exporter adds something to it when
    /// it is sent or the backend cannot read compressed bodies.
    pub(super) fn of(plain: Vec<u8>, rows: u64, exporter: &Guarded) -> Result<Self, Failure> {
        let is_gzip = exporter.compresses() && !exporter.is_stamped()?;
        let bytes = if is_gzip { gzip(&plain)? } else { plain };
        Ok(Self { bytes, is_gzip, rows })
    }

    /// The request that carries the body: with the time and the number of the attempt, if the
    /// format wants them, and compressed.
    pub(super) fn request(self, exporter: &Guarded, signal: Signal, attempt: &Attempt) -> Result<Request, Failure> {
        let (url, headers) = exporter.address(signal)?;
        let mut request = Request { url, headers, body: self.bytes };
        let mut is_gzip = self.is_gzip;
        if !is_gzip {
            request = exporter.stamped(signal, request, attempt)?;
            if exporter.compresses() {
                request.body = gzip(&request.body)?;
                is_gzip = true;
            }
        }
        if is_gzip {
            request.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        }
        // Answers are short, and a host's transport need not know how to decompress.
        request.headers.push(("accept-encoding".to_owned(), "identity".to_owned()));
        Ok(request)
    }
}

/// Encodes those of `rows` that `list` names. Returns the uncompressed body and the number of
/// events in it; `None` when there is none. Rows that cannot be decoded are dropped and booked.
///
/// # Errors
/// Those of the queue, and what the exporter did wrong.
pub(super) fn encode(
    queue: &mut Queue,
    lane: Lane,
    exporter: &Guarded,
    signal: Signal,
    rows: &Rows,
    list: &[RowRef],
) -> Result<Option<(Vec<u8>, u64)>, Failure> {
    let mut contexts: HashMap<(u32, u32), Arc<Context>> = HashMap::new();
    let mut scopes: HashMap<(u32, u32), Arc<Scope>> = HashMap::new();
    let mut decoded = Vec::with_capacity(list.len());
    let mut damaged = Vec::new();
    for row in list {
        let (Ok(record), Some(run)) = (Record::decode(rows.record(row)), queue.run_start(row.run)) else {
            damaged.push(row.seq);
            continue;
        };
        let context = match contexts.get(&(row.run, record.context)) {
            Some(context) => Arc::clone(context),
            None => {
                let bytes = queue.context(row.run, record.context)?;
                let context = bytes.and_then(|bytes| Context::decode(&bytes).ok()).unwrap_or_default();
                let context = Arc::new(context);
                contexts.insert((row.run, record.context), Arc::clone(&context));
                context
            }
        };
        let scope = match scopes.get(&(row.run, record.scope)) {
            Some(scope) => Arc::clone(scope),
            None => {
                let bytes = queue.context(row.run, record.scope)?;
                let scope = Arc::new(bytes.and_then(|bytes| Scope::decode(&bytes).ok()).unwrap_or_default());
                scopes.insert((row.run, record.scope), Arc::clone(&scope));
                scope
            }
        };
        let time_ns = run.base_wall.saturating_add_signed(record.time_delta);
        let id = run.key.event_id(row.n, time_ns);
        // An event that is still open has no place in its lane yet.
        decoded.push(ExportRow { id, time_ns, is_open: row.seq == 0, record, context, scope });
    }
    if !damaged.is_empty() {
        queue.discard(lane, &damaged, DropReason::RowCorrupt)?;
    }
    let count = decoded.len() as u64;
    if count == 0 {
        return Ok(None);
    }
    Ok(Some((exporter.encode(signal, &decoded)?, count)))
}

/// SHA-256 of an uncompressed body, as hex: the form in which the queue stores it.
pub(super) fn hash(body: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a request is known by, across processes: the destination and its address, the place of its
/// events in the queue, and what it says of them. A retry has the same key, another body another
/// one. A host that hears of the outcome of a request whose process has died finds by it whose
/// outcome that is.
pub(super) fn key(queue: &Queue, exporter: &Guarded, destination: u32, lane: Lane, part: &PartState) -> String {
    let name = queue.destination_name(destination).map(String::as_str).unwrap_or_default();
    let PartState { signal, from, to, hash: body, .. } = part;
    let url = exporter.shown_url(Signal(*signal));
    let mut key = hash(format!("{name}\n{url}\n{lane:?} {signal} {from} {to} {body}").as_bytes());
    key.truncate(32);
    key
}

/// The key of a part of a frozen batch. Encoding it again may have written another hash down than
/// the one that it was leased with.
pub(super) fn frozen_key(queue: &Queue, exporter: &Guarded, leased: &Leased) -> String {
    let Leased { destination, lane, part, .. } = leased;
    let batch = queue.batch(*destination, *lane);
    let frozen = batch.and_then(|batch| batch.parts.iter().find(|frozen| frozen.id == part.id));
    key(queue, exporter, *destination, *lane, frozen.unwrap_or(part))
}

/// Compresses a body.
fn gzip(body: &[u8]) -> Result<Vec<u8>, QueueError> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8 + 64), Compression::default());
    let failed = |error: std::io::Error| QueueError::Other(format!("gzip: {error}"));
    encoder.write_all(body).map_err(failed)?;
    encoder.finish().map_err(failed)
}
