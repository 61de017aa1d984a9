//! From the configured destinations to what the queue and the uploader know of them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::uploader::routes::{self, Untaken};
use crate::engine::uploader::{Member, Uploader};
use crate::model::config::{Config, Destination, OtlpSignal};
use crate::model::event::{EventKind, Lane};
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

/// The exporter and the filter of each destination that the queue knows, by its number there.
pub(super) fn exporters(queue: &Queue, destinations: &[Destination]) -> Vec<Member> {
    let of = |(id, name): (u32, String)| {
        let destination = destinations.iter().find(|destination| destination.name == name)?;
        Some(member(id, destination))
    };
    queue.destinations().into_iter().filter_map(of).collect()
}

fn member(id: u32, destination: &Destination) -> Member {
    let own = destination.exporter.clone();
    let exporter: Arc<dyn Exporter> = own.unwrap_or_else(|| Arc::new(Otlp::new(destination)));
    (id, exporter, destination.filter.clone())
}

/// What a developer should know about where events go: those that no destination takes, and crashes
/// that a filter has forgotten.
pub(crate) fn route_hints(destinations: &[Destination]) -> Vec<String> {
    let mut hints = Vec::new();
    if destinations.is_empty() {
        return hints;
    }
    let Untaken { mut events, with_crashes } =
        routes::untaken(destinations.iter().map(|destination| member(0, destination)).collect());
    if destinations.iter().all(|destination| destination.exporter.is_none()) {
        let is_taken = |signal: &OtlpSignal| destinations.iter().any(|other| other.signals.contains(signal));
        let untaken: Vec<_> = OtlpSignal::ALL.into_iter().filter(|signal| !is_taken(signal)).collect();
        if !untaken.is_empty() {
            let names: Vec<_> = untaken.iter().map(|signal| signal.name()).collect();
            hints.push(nowhere(&names.join(" and ")));
            events.retain(|(_, kind)| !untaken.contains(&OtlpSignal::of(*kind)));
        }
    }
    if !events.is_empty() {
        let names: BTreeSet<String> = events.iter().map(|event| name_of(*event, &events)).collect();
        hints.push(nowhere(&names.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let names = with_crashes.iter().filter_map(|at| destinations.get(*at)).map(|other| format!("`{}`", other.name));
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        hints.push(format!(
            "no destination takes crashes: they are sent to those that take errors, {}; name the lane of crashes in one",
            names.join(" and ")
        ));
    }
    hints
}

fn nowhere(what: &str) -> String {
    format!("no destination takes {what}: they are counted as `no_destination`")
}

/// The name of events that no destination takes, with their lane if others of their kind are taken.
fn name_of((lane, kind): (Lane, EventKind), untaken: &[(Lane, EventKind)]) -> String {
    match (lane, kind) {
        (Lane::Crash, EventKind::Error) => "crashes".to_owned(),
        (_, EventKind::Error) => "errors".to_owned(),
        _ if kind.lanes().iter().all(|lane| untaken.contains(&(*lane, kind))) => format!("`{}`", kind.name()),
        _ => format!("`{}` of the lane {}", kind.name(), lane.name()),
    }
}
