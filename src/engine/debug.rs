//! The debug log: what the core does, a line each on standard error or where the host wants it.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::model::limits::{DEBUG_LINES_PER_SECOND, RATE_PERIOD};

/// Takes the lines of the debug log in place of standard error, which nobody reads on a phone.
///
/// It is called on the client's own threads and on those that call the client. What it records
/// itself is recorded like anything else, so an app must not record each line.
pub trait DebugOutput: fmt::Debug + Send + Sync {
    /// Writes a line, which holds no data of the user and no header of a request. A panic in it is
    /// caught.
    fn line(&self, line: &str);
}

/// Standard error.
#[derive(Debug)]
struct StandardError;

impl DebugOutput for StandardError {
    fn line(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "throughline: {line}");
    }
}

/// A log that writes nothing unless the configuration switches it on.
#[derive(Debug)]
pub(crate) struct DebugLog {
    /// `None`: it is off.
    output: Option<Arc<dyn DebugOutput>>,
    /// When the current second began, and the lines in it.
    window: Mutex<(Instant, u32)>,
}

impl DebugLog {
    pub(crate) fn new(on: bool, output: Option<Arc<dyn DebugOutput>>) -> Self {
        let output = on.then(|| output.unwrap_or_else(|| Arc::new(StandardError)));
        Self { output, window: Mutex::new((Instant::now(), 0)) }
    }

    /// Writes a line. When the second already has [`DEBUG_LINES_PER_SECOND`] lines, it is only
    /// counted. A line must hold no data of the user and no header of a request.
    pub(crate) fn log(&self, line: &str) {
        let Some(output) = &self.output else { return };
        let (left_out, fits) = self.count();
        // Without the lock: the host's code may call the client, which may log.
        let write = |line: &str| {
            let _ = catch_unwind(AssertUnwindSafe(|| output.line(line)));
        };
        if left_out > 0 {
            write(&format!("{left_out} lines were left out"));
        }
        if fits {
            write(line);
        }
    }

    /// Counts a line: how many were left out in the second before, and whether this one fits.
    fn count(&self) -> (u32, bool) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if window.0.elapsed() >= RATE_PERIOD {
            left_out = window.1.saturating_sub(DEBUG_LINES_PER_SECOND);
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        (left_out, window.1 <= DEBUG_LINES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output that panics, and that logs again, as the host's code might.
    #[derive(Debug, Default)]
    struct Awkward {
        lines: Mutex<Vec<String>>,
        log: std::sync::OnceLock<std::sync::Weak<DebugLog>>,
    }

    impl DebugOutput for Awkward {
        fn line(&self, line: &str) {
            self.lines.lock().unwrap().push(line.to_owned());
            if let Some(log) = self.log.get().and_then(std::sync::Weak::upgrade).filter(|_| line == "again") {
                log.log("inner");
            }
            assert!(line != "panic", "the host's own fault");
        }
    }

    #[test]
    fn the_hosts_output_may_panic_and_may_come_back() {
        let output = Arc::new(Awkward::default());
        let log = Arc::new(DebugLog::new(true, Some(Arc::clone(&output) as Arc<dyn DebugOutput>)));
        output.log.set(Arc::downgrade(&log)).unwrap();
        for line in ["panic", "again", "after"] {
            log.log(line);
        }
        assert_eq!(*output.lines.lock().unwrap(), ["panic", "again", "inner", "after"]);
        (0..100).for_each(|_| log.log("many"));
        assert_eq!(output.lines.lock().unwrap().len(), DEBUG_LINES_PER_SECOND as usize);
        let off = DebugLog::new(false, Some(Arc::clone(&output) as Arc<dyn DebugOutput>));
        off.log("off");
        assert!(!output.lines.lock().unwrap().contains(&"off".to_owned()));
    }
}
