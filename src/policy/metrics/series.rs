//! One series of a metric: a label set and what was measured for it.

use super::Instrument;
use crate::model::value::{Attribute, OwnedAttributes};

#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) attributes: OwnedAttributes,
    /// Since the process began: a sum, or the last value of a gauge.
    pub(super) total: f64,
    /// Since the last collection.
    pub(super) since: f64,
    pub(super) buckets: Vec<u64>,
    pub(super) buckets_since: Vec<u64>,
    /// Whether something was measured since the last collection.
    pub(super) has_news: bool,
}

impl Series {
    /// Adds a measurement.
    pub(super) fn add(&mut self, instrument: &Instrument, value: f64) {
        self.has_news = true;
        match instrument {
            Instrument::Gauge => self.total = value,
            Instrument::Counter | Instrument::UpDownCounter => {
                self.total += value;
                self.since += value;
            }
            Instrument::Histogram(bounds) => {
                self.total += value;
                self.since += value;
                self.buckets.resize(bounds.len() + 1, 0);
                self.buckets_since.resize(bounds.len() + 1, 0);
                // A bucket includes its upper bound.
                let at = bounds.partition_point(|bound| *bound < value);
                for buckets in [&mut self.buckets, &mut self.buckets_since] {
                    if let Some(count) = buckets.get_mut(at) {
                        *count += 1;
                    }
                }
            }
        }
    }
}

/// The key of a label set, whatever the order in which it was given.
pub(super) fn key_of(attributes: &[Attribute<'_>]) -> String {
    let mut sorted: Vec<&Attribute<'_>> = attributes.iter().collect();
    sorted.sort_by_key(|attribute| attribute.0);
    let mut key = String::new();
    for (name, value) in sorted {
        // Debug output quotes texts, so two label sets never have the same key.
        key.push_str(&format!("{name:?}={value:?};"));
    }
    key
}
