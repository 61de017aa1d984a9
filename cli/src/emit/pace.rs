//! The pace of a scenario: a phone does not record millions of events at once.

use std::time::Duration;

use throughline::Telemetry;

/// How long the worker may take to empty the journal.
const DRAIN: Duration = Duration::from_secs(10);

/// Waits after every `every`-th step until the worker has emptied the journal, so that nothing is
/// dropped because the journal is full. `n` counts the steps from 0.
pub(super) fn pause_after(n: u64, every: u64, telemetry: &Telemetry) {
    if (n + 1).is_multiple_of(every) {
        telemetry.drain(DRAIN);
    }
}
