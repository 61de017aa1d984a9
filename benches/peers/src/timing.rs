//! How a call is timed, and what is made of the samples.

use std::time::Instant;

/// Nanoseconds since an instant.
pub(crate) fn ns(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// What it costs to read the clock before and after a call, in nanoseconds.
pub(crate) fn clock_pair() -> f64 {
    let mut samples: Vec<u32> = (0..100_000).map(|_| ns(Instant::now())).collect();
    percentile(&mut samples, 0.5)
}

/// The value below which `share` of the samples lie.
pub(crate) fn percentile(samples: &mut [u32], share: f64) -> f64 {
    samples.sort_unstable();
    let at = ((samples.len() as f64 * share) as usize).min(samples.len().saturating_sub(1));
    samples.get(at).copied().map_or(0.0, f64::from)
}

/// The median of the runs of one figure.
pub(crate) fn median(runs: &mut [f64]) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN)
}
