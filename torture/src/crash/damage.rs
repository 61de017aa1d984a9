//! Damages a run file at every byte and reads it.
//!
//! Nothing may panic, nothing may be read that was not written, and a run that did not crash must
//! not have crashed afterwards.

use std::path::Path;

use anyhow::{Result, ensure};
use throughline::internals::crash::beside;
use throughline::internals::crash_report;
use throughline::internals::ids::RunKey;
use throughline::internals::journal::run_file::key_of;

use crate::random::Random;

/// The files that are damaged: one of a run that crashed, and the same without its crash.
pub(crate) struct Files {
    key: RunKey,
    crashed: Vec<u8>,
    alive: Vec<u8>,
}

impl Files {
    /// Takes the run file of the only run in a data directory.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let mut runs = std::fs::read_dir(dir.join("runs"))?.flatten().map(|entry| entry.path());
        let journal = runs.find(|path| path.extension().is_some_and(|extension| extension == "journal"));
        let journal = journal.ok_or_else(|| anyhow::anyhow!("there is no journal"))?;
        let key = journal.file_name().and_then(|name| key_of(&name.to_string_lossy()));
        let key = key.ok_or_else(|| anyhow::anyhow!("the journal has no name of a run"))?;
        let crashed = std::fs::read(beside(&journal))?;
        let mut alive = crashed.clone();
        // Everything behind the modules are slots.
        if let Some(slots) = alive.get_mut(0x2C000..) {
            slots.fill(0);
        }
        ensure!(crash_report(crashed.clone(), key).is_some(), "the crash cannot be read");
        ensure!(crash_report(alive.clone(), key).is_none(), "a run that lives has a crash");
        Ok(Self { key, crashed, alive })
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.crashed.len()
    }

    /// Damages both files at a byte, or cuts them there, and reads them. `n` chooses how.
    pub(crate) fn damage(&self, at: usize, n: u64) -> Result<()> {
        let mut random = Random::new(n);
        let change = |bytes: &mut Vec<u8>, random: &mut Random| match random.below(4) {
            0 => bytes.truncate(at),
            1 => {
                // A number that is very large.
                let end = (at + 8).min(bytes.len());
                bytes.get_mut(at..end).unwrap_or_default().fill(0xff);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        };
        let (mut crashed, mut alive) = (self.crashed.clone(), self.alive.clone());
        change(&mut crashed, &mut random.clone());
        change(&mut alive, &mut random);
        // Whatever comes out: it must not panic, and not read what is not there.
        let _ = crash_report(crashed, self.key);
        ensure!(crash_report(alive, self.key).is_none(), "damage at byte {at} has invented a crash (case {n})");
        Ok(())
    }
}
