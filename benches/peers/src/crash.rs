//! What it costs that the run file always says what the run is doing.

use std::time::Instant;

use anyhow::{Result, ensure};
use throughline::internals::crash::{Capture, Facts};
use throughline::internals::ids::RunKey;

use crate::disk::directory;
use crate::timing::median;

/// The median time of a change of what the run is doing, in ns: the state has 256 bytes, with the
/// longest names of operations that are usual. The state of [`throughline`] itself is shorter.
pub(crate) fn note() -> Result<f64> {
    const CALLS: u32 = 1_000;
    let dir = directory()?;
    let capture = Capture::default();
    capture.begin(&dir.path().join("run.crash"), RunKey::draw().0, &Facts::default())?;
    ensure!(capture.is_on(), "another client of this process captures crashes");
    capture.note(|state| state.operation_name = "o".repeat(217));
    let mut samples = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        for scope in 0..CALLS {
            capture.note(|state| state.scope = scope);
        }
        samples.push(begun.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    capture.end();
    Ok(median(&mut samples))
}
