//! The points of metrics, each as a record that says in a line what it holds.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint,
    NumberDataPoint, SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric, number_data_point,
};
use serde_json::{Value, json};

use super::{Decoded, More, hex, map, name_of, nanos, resource_of, with_attributes};
use crate::inspect::received::{Item, Signal};

/// Most names of metrics in an answer.
const NAMED: usize = 5;

/// A point of any kind.
struct Point {
    time: u64,
    /// What it holds, in a line.
    body: String,
    attributes: Vec<KeyValue>,
    exemplars: Vec<Exemplar>,
    more: More,
}

/// The points of all metrics. A metric without points of a kind that is known is rejected.
pub(super) fn points(request: ExportMetricsServiceRequest) -> Decoded {
    let (mut items, mut unknown) = (Vec::new(), Vec::new());
    for group in request.resource_metrics {
        let (service, resource) = resource_of(group.resource);
        let scopes = group.scope_metrics.into_iter().map(|metrics| (name_of(metrics.scope), metrics.metrics));
        for (scope, metric) in scopes.flat_map(|(scope, all)| all.into_iter().map(move |one| (scope.clone(), one))) {
            let Some((kind, points)) = metric.data.map(points_of) else {
                unknown.push(metric.name);
                continue;
            };
            for mut point in points {
                point.more.set("type", kind);
                point.more.text("unit", metric.unit.clone());
                point.more.text("description", metric.description.clone());
                let blank = Item {
                    signal: Signal::Metric,
                    service: service.clone(),
                    resource: Arc::clone(&resource),
                    scope: scope.clone(),
                    name: metric.name.clone(),
                    ..Item::default()
                };
                items.push(item(blank, point));
            }
        }
    }
    let rejected = unknown.len() as u64;
    let names: Vec<String> = unknown.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let why = if rejected > 0 {
        format!("metrics without points of a kind that this inspector knows ({rejected}): {}", names.join(", "))
    } else {
        String::new()
    };
    Decoded { items, rejected, why }
}

fn item(blank: Item, point: Point) -> Item {
    let Point { time, body, attributes, exemplars, mut more } = point;
    more.odd_time("time_unix_nano", time);
    more.list("exemplars", exemplars.iter().map(exemplar).collect());
    // The event's id is in the exemplars: as an attribute of the point it would make each point a
    // series of its own.
    let filtered = exemplars.into_iter().flat_map(|exemplar| exemplar.filtered_attributes);
    let item = Item { time_ns: nanos(time), end_ns: nanos(time), body, more: more.0, ..blank };
    with_attributes(item, attributes.into_iter().chain(filtered).collect())
}

/// The name of the kind, and the points.
fn points_of(data: metric::Data) -> (&'static str, Vec<Point>) {
    match data {
        metric::Data::Gauge(gauge) => ("gauge", gauge.data_points.into_iter().map(number_point).collect()),
        metric::Data::Sum(sum) => {
            let (temporality, is_monotonic) = (sum.aggregation_temporality, sum.is_monotonic);
            let points = sum.data_points.into_iter().map(|point| {
                let mut point = with_temporality(number_point(point), temporality);
                point.more.set("is_monotonic", is_monotonic);
                point
            });
            ("sum", points.collect())
        }
        metric::Data::Histogram(histogram) => {
            let points = histogram.data_points.into_iter().map(histogram_point);
            let temporality = histogram.aggregation_temporality;
            ("histogram", points.map(|point| with_temporality(point, temporality)).collect())
        }
        metric::Data::ExponentialHistogram(histogram) => {
            let points = histogram.data_points.into_iter().map(exponential_point);
            let temporality = histogram.aggregation_temporality;
            ("exponential_histogram", points.map(|point| with_temporality(point, temporality)).collect())
        }
        metric::Data::Summary(summary) => ("summary", summary.data_points.into_iter().map(summary_point).collect()),
    }
}

fn with_temporality(mut point: Point, temporality: i32) -> Point {
    let name = AggregationTemporality::try_from(temporality).map_or(temporality.to_string(), |temporality| {
        temporality.as_str_name().trim_start_matches("AGGREGATION_TEMPORALITY_").to_ascii_lowercase()
    });
    point.more.text("aggregation_temporality", name);
    point
}

fn number_point(point: NumberDataPoint) -> Point {
    let body = match point.value {
        _ if has_no_value(point.flags) => "no value was recorded".to_owned(),
        Some(number_data_point::Value::AsDouble(value)) => number(value),
        Some(number_data_point::Value::AsInt(value)) => value.to_string(),
        None => "no value".to_owned(),
    };
    let mut more = More::default();
    more.number("start_time_unix_nano", point.start_time_unix_nano);
    Point { time: point.time_unix_nano, body, attributes: point.attributes, exemplars: point.exemplars, more }
}

fn histogram_point(point: HistogramDataPoint) -> Point {
    let mut more = More::default();
    more.number("start_time_unix_nano", point.start_time_unix_nano);
    more.list("bucket_counts", point.bucket_counts.into_iter().map(Value::from).collect());
    more.list("explicit_bounds", point.explicit_bounds.into_iter().map(json_number).collect());
    let body = distribution(point.flags, point.count, point.sum, point.min, point.max);
    Point { time: point.time_unix_nano, body, attributes: point.attributes, exemplars: point.exemplars, more }
}

fn exponential_point(point: ExponentialHistogramDataPoint) -> Point {
    let mut more = More::default();
    more.number("start_time_unix_nano", point.start_time_unix_nano);
    more.set("scale", point.scale);
    more.number("zero_count", point.zero_count);
    if point.zero_threshold != 0.0 {
        more.set("zero_threshold", json_number(point.zero_threshold));
    }
    for (key, buckets) in [("positive", point.positive), ("negative", point.negative)] {
        if let Some(Buckets { offset, bucket_counts }) = buckets {
            more.set(key, json!({ "offset": offset, "bucket_counts": bucket_counts }));
        }
    }
    let body = distribution(point.flags, point.count, point.sum, point.min, point.max);
    Point { time: point.time_unix_nano, body, attributes: point.attributes, exemplars: point.exemplars, more }
}

fn summary_point(point: SummaryDataPoint) -> Point {
    let mut more = More::default();
    more.number("start_time_unix_nano", point.start_time_unix_nano);
    let mut body = distribution(point.flags, point.count, Some(point.sum), None, None);
    for at in &point.quantile_values {
        body.push_str(&match at.quantile {
            0.0 => format!(", min {}", number(at.value)),
            1.0 => format!(", max {}", number(at.value)),
            quantile => format!(", quantile {} is {}", number(quantile), number(at.value)),
        });
    }
    Point { time: point.time_unix_nano, body, attributes: point.attributes, exemplars: Vec::new(), more }
}

/// A distribution in a line. What the point does not say is left out.
fn distribution(flags: u32, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    if has_no_value(flags) {
        return "no value was recorded".to_owned();
    }
    let mut body = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
    for (word, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            body.push_str(&format!(", {word} {}", number(value)));
        }
    }
    body
}

fn has_no_value(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let mut more = More::default();
    more.number("time_unix_nano", exemplar.time_unix_nano);
    match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => more.set("value", json_number(value)),
        Some(exemplar::Value::AsInt(value)) => more.set("value", value),
        None => {}
    }
    more.text("trace_id", hex(&exemplar.trace_id));
    more.text("span_id", hex(&exemplar.span_id));
    if !exemplar.filtered_attributes.is_empty() {
        more.set("filtered_attributes", map(exemplar.filtered_attributes.clone()));
    }
    Value::Object(more.0)
}

/// A number as people read it, without hundreds of zeros.
fn number(value: f64) -> String {
    let is_readable = value == 0.0 || !value.is_finite() || (1e-6..1e15).contains(&value.abs());
    if is_readable { value.to_string() } else { format!("{value:e}") }
}

/// JSON has no `NaN` and no infinities: they become texts.
fn json_number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}
