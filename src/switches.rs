//! Small files that outlast the process: the app's own kill switch with the sampling rates, and the session.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::session::Persisted;

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
        replace(&dir.join(FILE), &serde_json::to_vec(&merged)?, true)
    }
}

const SESSION: &str = "session.json";

/// The last process's session. One small read, at the start; a file that cannot be read says nothing.
pub(crate) fn load_session(dir: &Path) -> Option<Persisted> {
    serde_json::from_slice(&std::fs::read(dir.join(SESSION)).ok()?).ok()
}

/// Replaces the session's file. Not synced: losing power costs a session its continuation, nothing else.
pub(crate) fn save_session(dir: &Path, session: &Persisted) -> io::Result<()> {
    replace(&dir.join(SESSION), &serde_json::to_vec(session)?, false)
}

/// Replaces a file in one step: a kill leaves the old one or the new one; with `sync` so does losing power.
pub(crate) fn replace(file: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut written = std::fs::File::create(&new)?;
    written.write_all(bytes)?;
    if sync {
        written.sync_all()?;
    }
    std::fs::rename(new, file)
}
