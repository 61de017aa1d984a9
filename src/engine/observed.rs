//! What was seen since the client was built that explains why data does not arrive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was seen. It holds one text for each destination.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Why the last request to each destination failed. One that accepts something is removed.
    failures: Mutex<BTreeMap<String, String>>,
    /// Server time less device time, as it was measured last, in milliseconds.
    server_offset_ms: AtomicI64,
}

impl Observed {
    /// Notes how a request to a destination ended.
    pub(crate) fn note(&self, destination: &str, failure: Option<&str>) {
        let mut failures = self.lock();
        match failure {
            Some(failure) => drop(failures.insert(destination.to_owned(), failure.to_owned())),
            None => drop(failures.remove(destination)),
        }
    }

    /// Why the last request to a destination failed; `None` when it did not.
    pub(crate) fn failure(&self, destination: &str) -> Option<String> {
        self.lock().get(destination).cloned()
    }

    /// Notes the offset to server time.
    pub(crate) fn note_server_offset(&self, offset_ms: i64) {
        self.server_offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// Server time less device time in milliseconds; 0 before it was measured.
    pub(crate) fn server_offset_ms(&self) -> i64 {
        self.server_offset_ms.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
