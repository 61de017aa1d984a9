//! A request's body: rows decoded with what they refer to, encoded, hashed, compressed.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::model::event::Lane;
use crate::model::event::decode::{Context, Record, Scope};
use crate::model::ledger::DropReason;
use crate::storage::queue::{Queue, QueueError, Rows};
use crate::wire::export::{ExportRow, Exporter};

pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
}

/// Encodes rows with everything they refer to. Rows that cannot be decoded are dropped and booked; `None` when no row is
/// left.
pub(super) fn encode(
    queue: &mut Queue,
    lane: Lane,
    exporter: &dyn Exporter,
    signal: u8,
    rows: &Rows,
) -> Result<Option<Body>, QueueError> {
    let mut contexts: HashMap<(u32, u32), Arc<Context>> = HashMap::new();
    let mut scopes: HashMap<(u32, u32), Arc<Scope>> = HashMap::new();
    let mut decoded = Vec::with_capacity(rows.rows.len());
    let mut damaged = Vec::new();
    for row in &rows.rows {
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
        decoded.push(ExportRow { id: run.key.event_id(row.n, time_ns), time_ns, record, context, scope });
    }
    if !damaged.is_empty() {
        queue.discard(lane, &damaged, DropReason::RowCorrupt)?;
    }
    let rows = decoded.len() as u64;
    Ok((rows > 0).then(|| Body { bytes: exporter.encode(signal, &decoded), rows }))
}

pub(super) fn hash(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn gzip(body: &[u8]) -> Result<Vec<u8>, QueueError> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8 + 64), Compression::default());
    let failed = |error: std::io::Error| QueueError::Other(format!("gzip: {error}"));
    encoder.write_all(body).map_err(failed)?;
    encoder.finish().map_err(failed)
}
