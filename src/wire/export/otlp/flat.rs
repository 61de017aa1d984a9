//! An event in OTLP's vocabulary, for formats that are flat.

use super::attributes::Attributes;
use super::logs;
use super::spans;
use crate::model::event::EventKind;
use crate::model::export::ExportRow;

/// What an event is called, and its attributes under the names that they have in OTLP.
#[derive(Debug, Default)]
pub(in crate::wire::export) struct Flat<'a> {
    pub(in crate::wire::export) name: &'a str,
    pub(in crate::wire::export) body: &'a str,
    /// OpenTelemetry's severity number; 0 for none.
    pub(in crate::wire::export) severity: u32,
    pub(in crate::wire::export) attributes: Attributes<'a>,
}

/// An event in OTLP's vocabulary. The attributes of a metric are those of the measurement alone,
/// and its value is not among them.
pub(in crate::wire::export) fn flat<'a>(row: &'a ExportRow<'_>) -> Flat<'a> {
    match row.kind() {
        EventKind::Resource | EventKind::Span => {
            let spans::Facts { name, attributes, .. } = spans::facts(row);
            Flat { name, attributes, ..Flat::default() }
        }
        EventKind::Metric => {
            let mut attributes = Attributes::default();
            attributes.callers(row);
            Flat { attributes, ..Flat::default() }
        }
        _ => {
            let (shape, attributes) = logs::facts(row);
            Flat { name: shape.event_name, body: shape.body, severity: shape.severity, attributes }
        }
    }
}
