//! An export request: `ExportLogsServiceRequest` and its siblings
//! (`opentelemetry/proto/collector/*/v1/*_service.proto`).

use std::sync::Arc;

use super::attributes::{Attributes, last_of_each};
use super::tree::Tree;
use super::{METRICS, TRACES, logs, metrics, spans};
use crate::model::event::Temporality;
use crate::model::event::decode::Context;
use crate::model::export::{ExportRow, Signal};
use crate::model::names::{self, semconv};

/// Writes an export request: the rows grouped by their resource, in the order in which the
/// resources first appear. Rows whose contexts differ in the attributes of records alone have one
/// resource.
pub(super) fn request<T: Tree>(tree: &mut T, signal: Signal, temporality: Temporality, rows: &[ExportRow<'_>]) {
    let mut groups: Vec<(&Arc<Context>, Vec<&ExportRow<'_>>)> = Vec::new();
    for row in rows {
        let is_same =
            |context: &Arc<Context>| Arc::ptr_eq(context, &row.context) || context.attributes == row.context.attributes;
        match groups.iter_mut().find(|(context, _)| is_same(context)) {
            Some((_, group)) => group.push(row),
            None => groups.push((&row.context, vec![row])),
        }
    }
    let (resources, scopes, records) = match signal {
        TRACES => ("resourceSpans", "scopeSpans", "spans"),
        METRICS => ("resourceMetrics", "scopeMetrics", "metrics"),
        _ => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    tree.list(1, resources, groups.into_iter(), |tree, (context, group)| {
        tree.message(1, "resource", |tree| {
            let mut attributes = Attributes::default();
            for (key, value) in last_of_each(&context.attributes) {
                attributes.any(key, value);
            }
            attributes.write(tree, 1);
        });
        tree.list(2, scopes, std::iter::once(group), |tree, group| {
            tree.message(1, "scope", |tree| {
                tree.text(1, "name", names::SCOPE_NAME);
                tree.text(2, "version", env!("CARGO_PKG_VERSION"));
            });
            tree.list(2, records, group.into_iter(), |tree, row| match signal {
                TRACES => spans::span(tree, row),
                METRICS => metrics::metric(tree, row, temporality),
                _ => logs::log_record(tree, row),
            });
            tree.text(3, "schemaUrl", semconv::SCHEMA_URL);
        });
        tree.text(3, "schemaUrl", semconv::SCHEMA_URL);
    });
}
