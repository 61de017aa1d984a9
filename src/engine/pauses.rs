//! The destinations that the app has paused.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The names of the destinations that the app has paused. Nothing of it is stored: it is a decision
/// of the process, and holds also while the client is off.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeSet<String>>);

impl Pauses {
    /// Pauses a destination, or ends that.
    pub(crate) fn set(&self, name: &str, is_paused: bool) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_paused {
            names.insert(name.to_owned());
        } else {
            names.remove(name);
        }
    }

    /// The names.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
