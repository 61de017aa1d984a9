//! Forgets contexts that no event needs any more.
//!
//! Contexts count for the queue's quota: an app that changes an attribute with each event, while
//! nothing can be sent, writes more bytes of contexts than of events. A sweep reads every row, so
//! it is due only when many contexts have come since the last one.

use std::collections::HashSet;

use super::source::Source;
use super::{Queue, QueueError, contexts, row, schema};
use crate::model::event::Lane;
use crate::model::event::decode::Record;
use crate::model::limits::{KEPT_CONTEXTS, SWEEP_SHARE, SWEEP_STEP_CONTEXTS};
use crate::storage::frame;

/// The running process, as far as a sweep has to know it.
pub struct Live<'a> {
    /// The number of its run.
    pub run: u32,
    /// Its journal: records that are not in the queue yet refer to contexts that are.
    pub journal: &'a dyn Source,
    /// The newest version. The few before it stay in any case, because an event that is being
    /// recorded may refer to them.
    pub newest: u32,
    /// The versions of what has begun and is recorded when it ends. They must have been read before
    /// the sweep reads the journal.
    pub begun: &'a [u32],
}

/// Contexts that are needed: run and version.
type Needed = HashSet<(u32, u32)>;

/// A context that is to be forgotten.
struct Unneeded {
    run: u32,
    version: u32,
    /// Of its record, in bytes.
    length: u64,
}

/// When contexts are swept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sweeping {
    /// Whether a sweep is due.
    pub(super) is_due: bool,
    /// The bytes of contexts that the last sweep left.
    left: u64,
}

impl Queue {
    /// Makes a sweep due when many contexts have come since the last one.
    pub(super) fn note_contexts(&mut self, room: u64) {
        self.sweeping.is_due |= self.control.context_bytes > self.sweeping.left + room / SWEEP_SHARE;
    }

    /// Whether [`Queue::sweep_contexts`] has something to do.
    pub fn is_sweep_due(&self) -> bool {
        self.sweeping.is_due && !self.is_salvaging()
    }

    /// Forgets contexts to which no event refers, then evicts rows if the queue is still over its
    /// quota. `live` is the running process; `None` in a directory whose processes have ended.
    ///
    /// # Errors
    /// Those of the queue. The sweep is then due again when more contexts have come.
    pub fn sweep_contexts(&mut self, live: Option<&Live<'_>>) -> Result<(), QueueError> {
        if self.is_salvaging() {
            return Ok(());
        }
        loop {
            self.sweeping = Sweeping { is_due: false, left: self.control.context_bytes };
            let unneeded = self.unneeded_contexts(live)?;
            for contexts in unneeded.chunks(SWEEP_STEP_CONTEXTS) {
                self.transact(|queue| queue.forget_contexts(contexts))?;
                self.sweeping.left = self.control.context_bytes;
            }
            self.enforce_quotas()?;
            if !self.sweeping.is_due {
                return Ok(());
            }
        }
    }

    /// The contexts to which no event refers.
    fn unneeded_contexts(&self, live: Option<&Live<'_>>) -> Result<Vec<Unneeded>, QueueError> {
        let mut needed = Needed::new();
        if let Some(live) = live {
            needed.extend(live.begun.iter().map(|version| (live.run, *version)));
            let from = self.control.runs.get(&live.run).map_or(0, |run| run.drained_to);
            live.journal.drain(from, usize::MAX, usize::MAX, &mut |drained| {
                if let Some((_, record)) = frame::split(drained.payload) {
                    note(&mut needed, live.run, record);
                }
            });
        }
        self.note_references(&mut needed)?;
        // A run whose journal is still to be read may refer to any of its contexts.
        let is_unread = |run: u32| self.control.runs.get(&run).is_some_and(|state| !state.done);
        let mut stored = self.db.prepare_cached("SELECT run, version, length(record) FROM contexts")?;
        let mut stored = stored.query([])?;
        let mut unneeded = Vec::new();
        while let Some(row) = stored.next()? {
            let context = Unneeded { run: row.get(0)?, version: row.get(1)?, length: row.get(2)? };
            let Unneeded { run, version, .. } = context;
            let may_be_needed = match live.filter(|live| live.run == run) {
                Some(live) => version >= live.newest.saturating_sub(KEPT_CONTEXTS),
                None => is_unread(run),
            };
            if !may_be_needed && !needed.contains(&(run, version)) {
                unneeded.push(context);
            }
        }
        Ok(unneeded)
    }

    fn forget_contexts(&mut self, forgotten: &[Unneeded]) -> Result<(), QueueError> {
        let sql = "DELETE FROM contexts WHERE run = ?1 AND version = ?2";
        let mut delete = self.db.prepare_cached(sql)?;
        for Unneeded { run, version, length } in forgotten {
            delete.execute([run, version])?;
            self.control.context_bytes = self.control.context_bytes.saturating_sub(contexts::cost(*length));
        }
        Ok(())
    }

    /// Notes the contexts to which any stored event refers. A row that fails its checksum is never
    /// sent.
    fn note_references(&self, needed: &mut Needed) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            let sql = format!("SELECT seq, row FROM {}", schema::table(lane));
            let mut statement = self.db.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(stored) = rows.next()? {
                let seq: u64 = stored.get(0)?;
                let bytes = stored.get_ref(1)?.as_blob().map_err(|error| QueueError::Corrupt(error.to_string()))?;
                if let Some(row) = row::decode(lane, seq, bytes) {
                    note(needed, row.run, row.record);
                }
            }
        }
        for table in ["held", "pending"] {
            let mut statement = self.db.prepare_cached(&format!("SELECT run, record FROM {table}"))?;
            let mut rows = statement.query([])?;
            while let Some(stored) = rows.next()? {
                let run: u32 = stored.get(0)?;
                note(needed, run, stored.get_ref(1)?.as_blob().unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// Notes the contexts to which a record refers.
fn note(needed: &mut Needed, run: u32, record: &[u8]) {
    if let Ok(versions) = Record::peek_references(record) {
        needed.extend(versions.map(|version| (run, version)));
    }
}
