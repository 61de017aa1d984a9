//! An export request: `ExportLogsServiceRequest` and its siblings
//! (`opentelemetry/proto/collector/*/v1/*_service.proto`).

use std::sync::Arc;

use super::attributes::{Attributes, last_of_each};
use super::{METRICS, TRACES, logs, metrics, spans};
use crate::model::event::Temporality;
use crate::model::event::decode::Context;
use crate::model::export::{ExportRow, Signal};
use crate::model::names::{self, semconv};
use crate::wire::export::tree::Tree;

/// Writes an export request: the rows grouped by their resource and their instrumentation scope, in
/// the order in which these first appear. Rows whose contexts differ in the attributes of records
/// alone have one resource.
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
        tree.list(2, scopes, by_scope(group).into_iter(), |tree, (scope, group)| {
            tree.message(1, "scope", |tree| {
                tree.text(1, "name", scope);
                // The version of a logger of the app's is not known.
                if scope == names::SCOPE_NAME {
                    tree.text(2, "version", env!("CARGO_PKG_VERSION"));
                }
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

/// The rows of one resource by the name of their instrumentation scope.
fn by_scope<'r, 'a>(rows: Vec<&'r ExportRow<'a>>) -> Vec<(&'a str, Vec<&'r ExportRow<'a>>)> {
    let mut scopes: Vec<(&str, Vec<&ExportRow<'_>>)> = Vec::new();
    for row in rows {
        let name = logs::logger(row);
        match scopes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(row),
            None => scopes.push((name, vec![row])),
        }
    }
    scopes
}
