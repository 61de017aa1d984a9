//! The debug log: what the core does, a line each on standard error.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::model::limits::{DEBUG_LINES_PER_SECOND, RATE_PERIOD};

/// A log that writes nothing unless the configuration switches it on.
#[derive(Debug)]
pub(crate) struct DebugLog {
    on: bool,
    /// When the current second began, and the lines in it.
    window: Mutex<(Instant, u32)>,
}

impl DebugLog {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, window: Mutex::new((Instant::now(), 0)) }
    }

    /// Writes a line. When the second already has [`DEBUG_LINES_PER_SECOND`] lines, it is only
    /// counted. A line must hold no data of the user and no header of a request.
    pub(crate) fn log(&self, line: &str) {
        if !self.on {
            return;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0.elapsed() >= RATE_PERIOD {
            let left_out = window.1.saturating_sub(DEBUG_LINES_PER_SECOND);
            if left_out > 0 {
                let _ = writeln!(std::io::stderr(), "throughline: {left_out} lines were left out");
            }
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        if window.1 <= DEBUG_LINES_PER_SECOND {
            let _ = writeln!(std::io::stderr(), "throughline: {line}");
        }
    }
}
