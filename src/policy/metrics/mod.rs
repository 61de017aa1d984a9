//! Metrics that are aggregated on the device: counters, up-down counters, gauges, and histograms
//! with explicit buckets. Pure: time is passed in.
//!
//! A point carries two readings: the total since the process began, and what was measured since the
//! last point. The exporter takes the one that its destination wants. Label sets are bounded, 100
//! for an instrument and 1,000 in all; what exceeds them goes into one series per instrument with
//! `otel.metric.overflow = true`, and is counted.

mod series;

use std::collections::HashMap;

use crate::model::error::Error;
use crate::model::event::{Interval, Metric, MetricData, Temporality};
use crate::model::limits::{
    MAX_BOUNDS, MAX_METRIC_NAME_BYTES, MAX_METRIC_SERIES, MAX_METRICS, MAX_SERIES, MAX_UNIT_BYTES,
};
use crate::model::names::{app_attributes, semconv};
use crate::model::value::{Attribute, Value, lend};
use series::{Series, key_of};

/// OpenTelemetry's default bounds of a histogram.
pub const DEFAULT_BOUNDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// The attribute of an overflow series (OpenTelemetry metrics SDK, cardinality limits).
const OVERFLOW: Attribute<'static> = (semconv::METRIC_OVERFLOW, Value::Bool(true));

/// What an instrument measures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub(crate) enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// A value that stands for itself, the last one counting.
    Gauge,
    /// Counts of values between these bounds, which are ascending.
    Histogram(Vec<f64>),
}

/// A registered instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetricId(usize);

/// Measurements that could not be kept as they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetricCounts {
    /// Measurements that went into an overflow series, because there were too many label sets.
    pub overflowed: u64,
    /// Measurements that were refused: a negative one of a counter, or a value that is not finite.
    pub refused: u64,
}

/// A registered instrument with its series.
#[derive(Debug)]
struct Registered {
    name: String,
    unit: String,
    instrument: Instrument,
    series: HashMap<String, Series>,
    overflow: Option<Series>,
}

/// The instruments of a client.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    metrics: Vec<Registered>,
    /// Series of all instruments, without overflow series.
    series: usize,
    counts: MetricCounts,
    /// Whether something was measured since the last collection.
    has_news: bool,
}

impl Meters {
    /// Registers an instrument. The same name, unit and kind give the same instrument again. Names
    /// are compared whatever their case, as OpenTelemetry's are.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the name or the unit does not follow OpenTelemetry's rule,
    /// when the name is registered in another case, with another unit or as another kind, when
    /// the bounds are not ascending, or when there are 1,000 instruments already.
    pub(crate) fn register(&mut self, name: &str, unit: &str, instrument: Instrument) -> Result<MetricId, Error> {
        // A name of any length may come in, and an error is read by people.
        let shown: String = name.chars().take(MAX_METRIC_NAME_BYTES).collect();
        let refuse = |reason: &str| Err(Error::config("metric", format!("{reason}: `{shown}`")));
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts || name.len() > MAX_METRIC_NAME_BYTES || !name.bytes().all(is_name_byte) {
            return refuse("is not a metric name: a letter, then at most 254 letters, digits or _.-/");
        }
        if unit.len() > MAX_UNIT_BYTES {
            return refuse("has a unit of more than 63 bytes");
        }
        if let Instrument::Histogram(bounds) = &instrument {
            let is_ascending = bounds.is_sorted_by(|a, b| a < b) && bounds.iter().all(|bound| bound.is_finite());
            if !is_ascending || bounds.len() > MAX_BOUNDS {
                return refuse("has bounds that are not ascending, or more than 128");
            }
        }
        let is_known = |metric: &&(usize, &Registered)| metric.1.name.eq_ignore_ascii_case(name);
        if let Some((at, known)) = self.metrics.iter().enumerate().find(|metric| is_known(&metric)) {
            let is_same_kind = std::mem::discriminant(&known.instrument) == std::mem::discriminant(&instrument);
            return if !is_same_kind {
                refuse("is registered as another kind")
            } else if known.instrument != instrument {
                refuse("is registered with other bounds")
            } else if known.name != name {
                refuse(&format!("is registered in another case, as `{}`", known.name))
            } else if known.unit != unit {
                refuse(&format!("is registered with another unit, `{}`", known.unit))
            } else {
                Ok(MetricId(at))
            };
        }
        if self.metrics.len() >= MAX_METRICS {
            return refuse("is one of more than 1,000 metrics");
        }
        let (name, unit) = (name.to_owned(), unit.to_owned());
        self.metrics.push(Registered { name, unit, instrument, series: HashMap::new(), overflow: None });
        Ok(MetricId(self.metrics.len() - 1))
    }

    /// Adds a measurement to the series of its label set.
    pub(crate) fn measure(&mut self, id: MetricId, value: f64, attributes: &[Attribute<'_>]) {
        let Some(metric) = self.metrics.get_mut(id.0) else { return };
        if !value.is_finite() || (metric.instrument == Instrument::Counter && value < 0.0) {
            self.counts.refused += 1;
            return;
        }
        self.has_news = true;
        let key = key_of(attributes);
        if !metric.series.contains_key(&key) && (metric.series.len() >= MAX_METRIC_SERIES || self.series >= MAX_SERIES)
        {
            self.counts.overflowed += 1;
            let series = metric.overflow.get_or_insert_with(|| Series {
                attributes: vec![(OVERFLOW.0.to_owned(), OVERFLOW.1.to_any())],
                ..Series::default()
            });
            series.add(&metric.instrument, value);
            return;
        }
        let series = metric.series.entry(key).or_insert_with(|| {
            self.series += 1;
            Series { attributes: app_attributes(attributes), ..Series::default() }
        });
        series.add(&metric.instrument, value);
    }

    /// Whether something was measured since the last collection.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Measurements that could not be kept as they were made.
    pub(crate) fn counts(&self) -> MetricCounts {
        self.counts
    }

    /// Lets the totals begin anew with what was measured since the last collection.
    pub(crate) fn restart(&mut self) {
        for metric in &mut self.metrics {
            for series in metric.series.values_mut().chain(&mut metric.overflow) {
                if metric.instrument != Instrument::Gauge {
                    series.total = series.since;
                    series.buckets.clone_from(&series.buckets_since);
                }
            }
        }
    }

    /// Takes a point of every series that was measured since the last collection. `start` is when
    /// the process began to measure and `since` when the last points were taken, in wall time (ns
    /// since the Unix epoch).
    pub(crate) fn take(&mut self, start: u64, since: u64) -> Vec<Point> {
        self.has_news = false;
        let mut points = Vec::new();
        for metric in &mut self.metrics {
            for series in metric.series.values_mut().chain(&mut metric.overflow).filter(|series| series.has_news) {
                points.push(Point {
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    instrument: metric.instrument.clone(),
                    series: series.clone(),
                    start,
                    since,
                });
                (series.since, series.has_news) = (0.0, false);
                series.buckets_since.fill(0);
            }
        }
        points
    }
}

/// A point of a series, as it was when it was taken.
#[derive(Debug)]
pub(crate) struct Point {
    name: String,
    unit: String,
    instrument: Instrument,
    series: Series,
    start: u64,
    since: u64,
}

impl Point {
    /// Lends the point as an event of this wall time, ns since the Unix epoch.
    pub(crate) fn with_metric<R>(&self, wall: u64, visit: impl FnOnce(&Metric<'_>) -> R) -> R {
        let Self { series, .. } = self;
        let temporality = Temporality::Cumulative;
        let data = match &self.instrument {
            Instrument::Gauge => MetricData::Gauge(series.total),
            Instrument::Counter => MetricData::Sum { value: series.total, monotonic: true, temporality },
            Instrument::UpDownCounter => MetricData::Sum { value: series.total, monotonic: false, temporality },
            Instrument::Histogram(bounds) => {
                MetricData::Histogram { bounds, buckets: &series.buckets, sum: series.total, temporality }
            }
        };
        let attributes = lend(&series.attributes);
        let mut metric = Metric::new(&self.name, &self.unit, data).attributes(&attributes).at(wall);
        if self.instrument != Instrument::Gauge {
            metric.start_ns = self.start;
            let buckets = &series.buckets_since;
            metric.interval = Some(Interval { start_ns: self.since, value: series.since, buckets });
        }
        visit(&metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Seen {
        name: String,
        total: f64,
        since: f64,
        starts: (u64, u64),
        buckets: (Vec<u64>, Vec<u64>),
        overflow: bool,
    }

    fn collect(meters: &mut Meters, since: u64) -> Vec<Seen> {
        let mut points = Vec::new();
        meters.take(5, since).iter().for_each(|point| {
            point.with_metric(99, |metric| {
                let (total, buckets) = match metric.data {
                    MetricData::Gauge(value) | MetricData::Sum { value, .. } => (value, Vec::new()),
                    MetricData::Histogram { sum, buckets, .. } => (sum, buckets.to_vec()),
                };
                let interval = metric.interval;
                points.push(Seen {
                    name: metric.name.to_owned(),
                    total,
                    since: interval.map_or(0.0, |interval| interval.value),
                    starts: (metric.start_ns, interval.map_or(0, |interval| interval.start_ns)),
                    buckets: (buckets, interval.map_or(Vec::new(), |interval| interval.buckets.to_vec())),
                    overflow: metric.common.attributes == [OVERFLOW],
                });
            })
        });
        points.sort_by(|a, b| a.name.cmp(&b.name));
        points
    }

    #[test]
    fn points_have_the_total_and_what_is_new() {
        let mut meters = Meters::default();
        let counter = meters.register("taps", "1", Instrument::Counter).unwrap();
        let level = meters.register("level", "1", Instrument::Gauge).unwrap();
        let time = meters.register("time", "ms", Instrument::Histogram(vec![1.0, 10.0])).unwrap();
        let open = meters.register("open", "1", Instrument::UpDownCounter).unwrap();
        meters.measure(counter, 2.0, &[("a", 1.into()), ("b", 2.into())]);
        meters.measure(counter, 3.0, &[("b", 2.into()), ("a", 1.into())]);
        meters.measure(level, 7.0, &[]);
        for value in [0.5, 1.0, 1.5, 99.0] {
            meters.measure(time, value, &[]);
        }
        meters.measure(open, -1.0, &[]);
        let points = collect(&mut meters, 5);
        assert_eq!(points.iter().map(|point| point.total).collect::<Vec<_>>(), [7.0, -1.0, 5.0, 102.0]);
        assert_eq!(points[3].buckets, (vec![2, 1, 1], vec![2, 1, 1]));
        meters.measure(counter, 1.0, &[("a", 1.into()), ("b", 2.into())]);
        meters.measure(time, 2.0, &[]);
        let points = collect(&mut meters, 60);
        assert_eq!(points.len(), 2, "what has no news is not repeated");
        assert_eq!((points[0].total, points[0].since, points[0].starts), (6.0, 1.0, (5, 60)));
        assert_eq!(points[1].buckets, (vec![2, 2, 1], vec![0, 1, 0]));
        assert!(!meters.has_news() && collect(&mut meters, 70).is_empty());
    }

    #[test]
    fn totals_that_begin_anew_count_nothing_twice() {
        let mut meters = Meters::default();
        let counter = meters.register("taps", "1", Instrument::Counter).unwrap();
        let time = meters.register("time", "ms", Instrument::Histogram(vec![1.0])).unwrap();
        let measure = |meters: &mut Meters| {
            meters.measure(counter, 2.0, &[]);
            meters.measure(time, 5.0, &[]);
        };
        measure(&mut meters);
        let _ = collect(&mut meters, 5);
        measure(&mut meters);
        meters.restart();
        let points = collect(&mut meters, 6);
        assert_eq!((points[0].total, points[0].since, &points[1].buckets.0), (2.0, 2.0, &vec![0, 1]));
    }

    #[test]
    fn label_sets_are_bounded_and_the_rest_is_one_series() {
        let mut meters = Meters::default();
        for n in 0..20 {
            let id = meters.register(&format!("m{n}"), "1", Instrument::Counter).unwrap();
            for user in 0..150 {
                meters.measure(id, 1.0, &[("user", user.into())]);
            }
        }
        let points = collect(&mut meters, 0);
        let (overflow, kept): (Vec<_>, Vec<_>) = points.iter().partition(|point| point.overflow);
        assert_eq!((kept.len(), overflow.len()), (MAX_SERIES, 20));
        let all: f64 = points.iter().map(|point| point.total).sum();
        assert_eq!((all, meters.counts().overflowed), (3_000.0, 2_000));
    }

    #[test]
    fn what_is_no_measurement_is_counted_and_bad_names_are_errors() {
        let mut meters = Meters::default();
        let counter = meters.register("c", "1", Instrument::Counter).unwrap();
        meters.measure(counter, -1.0, &[]);
        meters.measure(counter, f64::NAN, &[]);
        assert_eq!(meters.counts().refused, 2);
        assert_eq!(meters.register("c", "1", Instrument::Counter).unwrap(), counter);
        assert!(meters.register("c", "1", Instrument::Gauge).is_err());
        for name in ["", "1st", "a b", "ü"] {
            assert!(meters.register(name, "1", Instrument::Gauge).is_err(), "{name}");
        }
        assert!(meters.register("h", "1", Instrument::Histogram(vec![2.0, 1.0])).is_err());
    }

    #[test]
    fn an_instrument_that_differs_in_one_thing_is_refused_with_what_it_is() {
        let mut meters = Meters::default();
        let first = meters.register("latency", "ms", Instrument::Counter).unwrap();
        assert_eq!(meters.register("latency", "ms", Instrument::Counter).unwrap(), first);
        let mut refused = |name: &str, unit: &str, instrument| match meters.register(name, unit, instrument) {
            Err(error) => error.to_string(),
            Ok(id) => panic!("{name} in {unit} was taken as {id:?}"),
        };
        assert!(refused("latency", "s", Instrument::Counter).contains("another unit, `ms`"));
        assert!(refused("latency", "ms", Instrument::Gauge).contains("another kind"));
        assert!(refused("latency", "ms", Instrument::UpDownCounter).contains("another kind"));
        assert!(refused("Latency", "ms", Instrument::Counter).contains("another case, as `latency`"));
        assert!(refused("LATENCY", "ms", Instrument::Gauge).contains("another kind"));
        assert!(refused("long", &"u".repeat(64), Instrument::Counter).contains("unit of more than 63 bytes"));
        assert!(refused("1st", "1", Instrument::Counter).contains("is not a metric name"));
        assert!(refused(&"a".repeat(1 << 20), "1", Instrument::Counter).len() < 500);
        let bounds = |last| Instrument::Histogram(vec![1.0, last]);
        meters.register("size", "By", bounds(2.0)).unwrap();
        let error = meters.register("size", "By", bounds(3.0)).unwrap_err().to_string();
        assert!(error.contains("other bounds"), "{error}");
        assert!(meters.register("unit", &"u".repeat(63), Instrument::Counter).is_ok());
    }
}
