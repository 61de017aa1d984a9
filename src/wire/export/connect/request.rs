//! `ReportEventRequest` and `ReportErrorRequest`.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::model::export::{Details, ExportRow, Signal};
use crate::wire::export::tree::Tree;

use super::context::{context, contexts};
use super::{ERRORS, event};

/// Writes the fields of a request, whose rows all have this signal.
pub(super) fn request<T: Tree>(tree: &mut T, signal: Signal, rows: &[ExportRow<'_>]) {
    let ids: Vec<String> = rows.iter().map(deduplication_id).collect();
    let (shared, places) = contexts(rows);
    tree.text(1, "batchId", &batch_id(&ids).to_string());
    tree.list(2, "contexts", shared.into_iter(), context);
    let rows = rows.iter().zip(&ids).zip(places);
    let rows = rows.map(|((row, id), place)| event::Numbered { row, deduplication_id: id, context: place });
    if signal == ERRORS {
        tree.list(3, "errors", rows, event::error_event);
    } else {
        tree.list(3, "events", rows, event::event);
    }
}

/// What two deliveries of the same content have in common. The snapshots of an event that is open
/// differ; its end has the event's own id.
fn deduplication_id(row: &ExportRow<'_>) -> String {
    let id = row.id().to_string();
    match row.details() {
        Details::View(view) if row.is_open() => format!("{id}.{}", view.version),
        _ if row.is_open() => format!("{id}.0"),
        _ => id,
    }
}

/// A UUID (RFC 9562, version 8) that is the same whenever the same events are sent.
fn batch_id(ids: &[String]) -> Uuid {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id);
        hash.update(b"\n");
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    Builder::from_custom_bytes(bytes).into_uuid()
}
