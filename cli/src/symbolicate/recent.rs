//! What was read last, so that the next report of the same build need not wait for it again.

use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept. A map of a large app takes a hundred megabytes.
const KEPT: usize = 3;

/// The last few values, by the number of what they were read from.
pub(super) struct Recent<T>(Mutex<Vec<(usize, Arc<T>)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Recent<T> {
    /// The value that was kept, or a new one. Nobody else waits while that is read.
    pub(super) fn get_or<E>(&self, number: usize, read: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().iter().find(|(kept, _)| *kept == number).map(|(_, value)| Arc::clone(value));
        let value = match kept {
            Some(value) => value,
            None => Arc::new(read()?),
        };
        let mut values = lock();
        values.retain(|(kept, _)| *kept != number);
        values.insert(0, (number, Arc::clone(&value)));
        values.truncate(KEPT);
        Ok(value)
    }
}
