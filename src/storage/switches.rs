//! What the app has changed at run time and the next process must respect: whether the client is
//! switched on, and the sampling rates.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::replace::{Durability, read, replace};

const FILE: &str = "switches.json";

/// The changes that are kept. `None`: the value of the configuration holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Switches {
    /// Whether the client is switched on.
    pub(crate) enabled: Option<bool>,
    /// The share of sessions that are recorded.
    pub(crate) session_sample_rate: Option<f64>,
    /// The share of traces that are recorded.
    pub(crate) trace_sample_rate: Option<f64>,
}

/// Whether the app has switched the client on, and the share of sessions that it has set: what is
/// written down in a data directory.
pub fn switches(dir: &Path) -> (Option<bool>, Option<f64>) {
    let saved = Switches::load(dir).unwrap_or_default();
    (saved.enabled, saved.session_sample_rate)
}

impl Switches {
    /// Reads the changes. `None` when the file is missing or cannot be read.
    pub(crate) fn load(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&read(&dir.join(FILE)).ok()?).ok()
    }

    /// Writes the changes that are `Some` to the file, and leaves the others in it as they were.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let old = Self::load(dir).unwrap_or_default();
        let merged = Self {
            enabled: self.enabled.or(old.enabled),
            session_sample_rate: self.session_sample_rate.or(old.session_sample_rate),
            trace_sample_rate: self.trace_sample_rate.or(old.trace_sample_rate),
        };
        if merged == old {
            return Ok(());
        }
        replace(&dir.join(FILE), &serde_json::to_vec(&merged)?, Durability::Power)
    }
}
