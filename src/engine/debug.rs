//! The debug log: what the core does, on standard error, at most 20 lines a second.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const LINES_PER_SECOND: u32 = 20;

/// A sink that is silent unless the configuration says otherwise.
#[derive(Debug)]
pub(crate) struct DebugLog {
    on: bool,
    window: Mutex<(Instant, u32)>,
}

impl DebugLog {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, window: Mutex::new((Instant::now(), 0)) }
    }

    /// Writes a line, or counts it as left out. Lines hold no user data and no header.
    pub(crate) fn log(&self, line: &str) {
        if !self.on {
            return;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0.elapsed() >= Duration::from_secs(1) {
            let left_out = window.1.saturating_sub(LINES_PER_SECOND);
            if left_out > 0 {
                let _ = writeln!(std::io::stderr(), "throughline: {left_out} lines left out");
            }
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        if window.1 <= LINES_PER_SECOND {
            let _ = writeln!(std::io::stderr(), "throughline: {line}");
        }
    }
}
