//! Metric data points (`opentelemetry/proto/metrics/v1/metrics.proto`). Each stored point is a
//! metric with one point.

use super::attributes::{Attributes, Out};
use crate::model::event::Temporality;
use crate::model::event::encode::field;
use crate::model::export::ExportRow;
use crate::model::names;
use crate::wire::export::tree::Tree;

/// The one of a point's two readings that its destination wants.
struct Reading {
    start: u64,
    value: f64,
    buckets: Vec<u64>,
    temporality: u32,
}

/// What was measured since the last point, if the destination wants deltas and it is known; else
/// the total.
fn reading(row: &ExportRow<'_>, wanted: Temporality) -> Reading {
    let record = &row.record;
    match record.uint(field::INTERVAL_START).filter(|_| wanted == Temporality::Delta) {
        Some(start) => Reading {
            start,
            value: record.double(field::INTERVAL_VALUE).unwrap_or(0.0),
            buckets: record.uints(field::INTERVAL_BUCKETS),
            temporality: Temporality::Delta as u32,
        },
        None => Reading {
            start: record.uint(field::START_TIME).unwrap_or(0),
            value: record.double(field::VALUE).unwrap_or(0.0),
            buckets: record.uints(field::BUCKETS),
            temporality: record.uint(field::TEMPORALITY).unwrap_or(0).min(2) as u32,
        },
    }
}

pub(super) fn metric<T: Tree>(tree: &mut T, row: &ExportRow<'_>, wanted: Temporality) {
    let record = &row.record;
    let reading = reading(row, wanted);
    tree.text(1, "name", record.text(field::NAME).unwrap_or_default());
    tree.text(3, "unit", record.text(field::UNIT).unwrap_or_default());
    let temporality = reading.temporality;
    match record.uint(field::TYPE) {
        Some(3) => tree.message(9, "histogram", |tree| {
            tree.list(1, "dataPoints", std::iter::once(()), |tree, ()| histogram_point(tree, row, &reading));
            tree.small(2, "aggregationTemporality", temporality);
        }),
        Some(2) => tree.message(7, "sum", |tree| {
            tree.list(1, "dataPoints", std::iter::once(()), |tree, ()| number_point(tree, row, &reading));
            tree.small(2, "aggregationTemporality", temporality);
            if record.uint(field::MONOTONIC) == Some(1) {
                tree.flag(3, "isMonotonic", true);
            }
        }),
        _ => tree.message(5, "gauge", |tree| {
            tree.list(1, "dataPoints", std::iter::once(()), |tree, ()| number_point(tree, row, &reading));
        }),
    }
}

fn number_point<T: Tree>(tree: &mut T, row: &ExportRow<'_>, reading: &Reading) {
    let value = reading.value;
    times(tree, row, reading);
    tree.double(4, "asDouble", value);
    exemplar(tree, 5, row, value);
    attributes(tree, 7, row);
}

fn histogram_point<T: Tree>(tree: &mut T, row: &ExportRow<'_>, reading: &Reading) {
    let (mut bounds, mut buckets) = (row.record.doubles(field::BOUNDS), reading.buckets.clone());
    // A receiver refuses the whole request if the counts do not match the bounds.
    if buckets.len() != bounds.len() + 1 {
        buckets = vec![buckets.iter().sum()];
        bounds.clear();
    }
    let sum = reading.value;
    times(tree, row, reading);
    tree.fixed64(4, "count", buckets.iter().sum());
    tree.double(5, "sum", sum);
    tree.packed_u64(6, "bucketCounts", &buckets);
    tree.packed_f64(7, "explicitBounds", &bounds);
    exemplar(tree, 8, row, sum);
    attributes(tree, 9, row);
}

fn times<T: Tree>(tree: &mut T, row: &ExportRow<'_>, reading: &Reading) {
    // Whatever the clock and the app did: a point that ends before it starts is refused.
    tree.fixed64(2, "startTimeUnixNano", reading.start.min(row.time_ns));
    tree.fixed64(3, "timeUnixNano", row.time_ns);
}

/// Only the attributes of the measurement: ids, the session or the user would make other series.
fn attributes<T: Tree>(tree: &mut T, number: u32, row: &ExportRow<'_>) {
    let mut attributes = Attributes::default();
    attributes.callers(row);
    attributes.write(tree, number);
}

/// An exemplar, which carries the event's id and the trace without adding to the series. A point
/// stands for the whole process so far, so it has neither session nor view.
fn exemplar<T: Tree>(tree: &mut T, number: u32, row: &ExportRow<'_>, value: f64) {
    tree.list(number, "exemplars", std::iter::once(()), |tree, ()| {
        tree.fixed64(2, "timeUnixNano", row.time_ns);
        tree.double(3, "asDouble", value);
        if let Some(trace) = row.record.trace() {
            tree.id(4, "spanId", &trace.span_id);
            tree.id(5, "traceId", &trace.trace_id);
        }
        let mut attributes = Attributes::default();
        attributes.owned(names::EVENT_ID, row.id.to_string());
        tree.list(7, "filteredAttributes", attributes.0.iter(), |tree, (key, value)| {
            tree.text_always(1, "key", key);
            if let Out::Text(text) = value {
                tree.message(2, "value", |tree| tree.text_always(1, "stringValue", text));
            }
        });
    });
}
