//! The persisted switches: the app's own kill switch and the sampling rates that were set at run
//! time.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::replace::{Durability, replace};

const FILE: &str = "switches.json";

/// The persisted switches. `None` leaves the configuration's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Switches {
    /// False: off.
    pub(crate) enabled: Option<bool>,
    /// Share of sessions.
    pub(crate) session_sample_rate: Option<f64>,
    /// Share of traces.
    pub(crate) trace_sample_rate: Option<f64>,
}

impl Switches {
    /// Reads the switches. A file that cannot be read says nothing.
    pub(crate) fn load(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
    }

    /// Writes down what is given and leaves the rest as it was.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let old = Self::load(dir).unwrap_or_default();
        let merged = Self {
            enabled: self.enabled.or(old.enabled),
            session_sample_rate: self.session_sample_rate.or(old.session_sample_rate),
            trace_sample_rate: self.trace_sample_rate.or(old.trace_sample_rate),
        };
        replace(&dir.join(FILE), &serde_json::to_vec(&merged)?, Durability::Power)
    }
}
