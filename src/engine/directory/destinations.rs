//! From the configured destinations to what the queue and the uploader know of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::uploader::Uploader;
use crate::model::config::{Config, Destination};
use crate::model::export::Exporter;
use crate::model::ids::RunKey;
use crate::model::time::Clock;
use crate::storage::queue::Queue;
use crate::wire::export::otlp::Otlp;

/// Name and fingerprint of each destination, for [`Queue::configure`].
pub(super) fn fingerprints(destinations: &[Destination]) -> Vec<(String, u64)> {
    // An exporter of the host's may panic. It is then asked to encode, where that is handled.
    let fingerprint = |destination| catch_unwind(AssertUnwindSafe(|| Destination::fingerprint(destination)));
    destinations
        .iter()
        .map(|destination| (destination.name.clone(), fingerprint(destination).unwrap_or_default()))
        .collect()
}

/// An uploader for the destinations that the queue knows.
pub(super) fn uploader(queue: &Queue, config: &Config, clock: &Clock) -> Uploader {
    let seed = RunKey::random().halves().0;
    let exporters = exporters(queue, &config.destinations);
    Uploader::new(clock.clone(), config.send, exporters, seed, config.start_jitter)
}

/// The exporter of each destination that the queue knows, by its number there.
pub(super) fn exporters(queue: &Queue, destinations: &[Destination]) -> Vec<(u32, Arc<dyn Exporter>)> {
    let exporter = |(id, name): (u32, String)| {
        let destination = destinations.iter().find(|destination| destination.name == name)?;
        let own = destination.exporter.clone();
        let exporter: Arc<dyn Exporter> = own.unwrap_or_else(|| Arc::new(Otlp::new(destination)));
        Some((id, exporter))
    };
    queue.destinations().into_iter().filter_map(exporter).collect()
}
