//! Runs of the process: each is entered before its first record is taken, ended when its journal
//! has been read, and forgotten when nothing of it is left.

use std::collections::HashSet;

use uuid::Uuid;

use super::apart::{self, admit};
use super::held::{self, Route};
use super::lanes::{Entry, Writer};
use super::state::RunState;
use super::{Queue, QueueError, contexts};
use crate::model::event::Lane;
use crate::model::event::breadcrumb::{self, Teller};
use crate::model::event::decode::{Record, Scope};
use crate::model::event::ended;
use crate::model::ids::RunKey;
use crate::model::ledger::DropReason;
use crate::policy::session::EndReason;
use crate::storage::journal::{DrainEnd, RunCounters, RunStart};

impl Queue {
    /// The number of a run. A new one is entered.
    pub fn enter_run(&mut self, start: RunStart) -> Result<u32, QueueError> {
        let key = start.key.name();
        if let Some((id, _)) = self.control.runs.iter().find(|(_, run)| run.key == key) {
            return Ok(*id);
        }
        self.transact(|queue| {
            let id = queue.control.books.next_run + 1;
            queue.control.books.next_run = id;
            let run = RunState { key, base_wall: start.base_wall, ..RunState::default() };
            queue.control.runs.insert(id, run);
            Ok(id)
        })
    }

    /// Says where a run begins whose earlier records were erased or are in another directory: at
    /// the journal offset `head`, with these counters. What is recorded from there on may refer to
    /// these contexts.
    pub fn begin_run_at(
        &mut self,
        run: u32,
        head: u64,
        counters: &RunCounters,
        contexts: &[(u32, Vec<u8>)],
    ) -> Result<(), QueueError> {
        self.transact(|queue| {
            queue.restore_contexts(run, contexts)?;
            if let Some(state) = queue.control.runs.get_mut(&run) {
                (state.drained_to, state.crash_to) = (head, head);
                state.drained = super::ByLane(counters.appended);
                state.refused = counters.refused.map(super::ByLane);
                // Somebody who took the process for dead may have ended it.
                (state.lost, state.done) = (super::ByLane::default(), false);
            }
            Ok(())
        })
    }

    /// Goes on with a run that somebody may have ended who took its process for dead: its next
    /// journal must be read. What is recorded from now on may refer to these contexts.
    pub fn resume_run(&mut self, run: u32, contexts: &[(u32, Vec<u8>)]) -> Result<(), QueueError> {
        self.transact(|queue| {
            queue.restore_contexts(run, contexts)?;
            if let Some(state) = queue.control.runs.get_mut(&run) {
                state.done = false;
            }
            Ok(())
        })
    }

    fn restore_contexts(&mut self, run: u32, contexts: &[(u32, Vec<u8>)]) -> Result<(), QueueError> {
        for (version, record) in contexts {
            contexts::insert(&self.db, &mut self.control.context_bytes, run, u64::from(*version), record)?;
        }
        Ok(())
    }

    /// Up to where the journal of a run is settled in the books, and what had been counted by then,
    /// as [`Queue::begin_run_at`] takes it.
    pub fn settled(&self, run: u32) -> Option<(u64, RunCounters)> {
        let state = self.control.runs.get(&run)?;
        let mut appended = state.drained.0;
        appended.iter_mut().zip(state.lost.0).for_each(|(count, lost)| *count += lost);
        Some((state.drained_to, RunCounters { appended, refused: state.refused.map(|refused| refused.0) }))
    }

    /// The number and the books of a run that has been entered.
    pub fn find_run(&self, key: RunKey) -> Option<(u32, &RunState)> {
        let name = key.name();
        self.control.runs.iter().find(|(_, run)| run.key == name).map(|(id, run)| (*id, run))
    }

    /// Runs whose journal has not been read to its end.
    pub fn open_runs(&self) -> impl Iterator<Item = (u32, RunKey)> + '_ {
        self.control.runs.iter().filter(|(_, run)| !run.done).filter_map(|(id, run)| Some((*id, run.run_key()?)))
    }

    /// The key and the base time of a run: what the ids and times of its events depend on.
    pub fn run_start(&self, run: u32) -> Option<RunStart> {
        let state = self.control.runs.get(&run)?;
        Some(RunStart { key: state.run_key()?, base_wall: state.base_wall })
    }

    /// Ends a run whose process is over. Events that it left open are closed as ended by the death
    /// of their process, and what was kept of those that are gone is forgotten. Events that its
    /// counters know of and that were not found are booked as lost. Its file may be deleted
    /// afterwards.
    pub fn finish_run(&mut self, run: u32, counters: &RunCounters) -> Result<(), QueueError> {
        self.transact(|queue| queue.end_run(run, counters, DropReason::JournalLost, None))
    }

    /// As [`Queue::finish_run`], for a run that died of a crash, which its own process could not
    /// record: the counter of its id, its lane and its record. It is taken in the same transaction,
    /// so that it is taken once, and synced to the disk. It counts on the view that was shown.
    /// Events that were not found are booked for this reason.
    pub fn finish_crashed_run(
        &mut self,
        run: u32,
        counters: &RunCounters,
        reason: DropReason,
        crash: (u64, Lane, &[u8]),
    ) -> Result<(), QueueError> {
        self.transact_synced(|queue| {
            let (age, (n, lane, record)) = (queue.age(), crash);
            // It is worth the events that were kept aside, those that are closed now included.
            apart::release(&queue.db, &mut queue.control, run, age)?;
            let crashed_on = if lane == Lane::Crash { queue.view_of(run, record)? } else { None };
            queue.end_run(run, counters, reason, crashed_on)?;
            let Self { db, control, .. } = queue;
            control.accept(run, lane);
            let entry = Entry { run, lane, n, record };
            admit(db, control, &mut Writer::new(db, age)?, entry, Route::Lane)
        })?;
        self.enforce_quotas()
    }

    /// Takes back the hang that lasted when a run died of something else: a death has one report.
    pub fn withdraw_hang(&mut self, run: u32) -> Result<(), QueueError> {
        self.transact(|queue| held::withdraw(&queue.db, &mut queue.control, run, Lane::Crash))
    }

    /// Whether a run has left a hang open: it is what the run died of.
    pub fn has_open_hang(&self, run: u32) -> Result<bool, QueueError> {
        held::has_any(&self.db, run, Lane::Crash)
    }

    /// Ends a run whose file killed its reader and is set aside. Events that were not found are
    /// booked as quarantined.
    pub fn quarantine_run(&mut self, run: u32, counters: &RunCounters) -> Result<(), QueueError> {
        self.transact(|queue| queue.end_run(run, counters, DropReason::Quarantined, None))
    }

    /// The view to which an event of a run belongs.
    fn view_of(&self, run: u32, record: &[u8]) -> Result<Option<Uuid>, QueueError> {
        let Ok([_, scope]) = Record::peek_references(record) else { return Ok(None) };
        let scope = self.context(run, scope)?;
        Ok(scope.and_then(|scope| Scope::decode(&scope).ok()).and_then(|scope| scope.view))
    }

    /// `crashed_on` is the view that was shown when the run died of a crash.
    fn end_run(
        &mut self,
        run: u32,
        counters: &RunCounters,
        reason: DropReason,
        crashed_on: Option<Uuid>,
    ) -> Result<(), QueueError> {
        self.close_held(run, crashed_on)?;
        self.forget_trail(run)?;
        if let Some(state) = self.control.runs.get_mut(&run) {
            state.done = true;
        }
        self.book_lost(run, counters, reason);
        Ok(())
    }

    /// Closes every event that a run left open.
    fn close_held(&mut self, run: u32, crashed_on: Option<Uuid>) -> Result<(), QueueError> {
        let base_wall = self.run_start(run).map_or(0, |start| start.base_wall);
        let age = self.age();
        while let Some(n) = held::any_of(&self.db, run)? {
            let Some(mut held) = held::take(&self.db, &mut self.control, run, n)? else { continue };
            if held.lane == Lane::Crash
                && breadcrumb::is_wanted_by(&held.record, Teller::NextLaunch)
                && let Ok(crumbs) = self.breadcrumbs(run)
            {
                breadcrumb::append(&mut held.record, &crumbs, base_wall);
            }
            ended::end(&mut held.record, EndReason::ProcessDeath.name(), crashed_on);
            let Self { db, control, .. } = self;
            let entry = Entry { run, lane: held.lane, n, record: &held.record };
            admit(db, control, &mut Writer::new(db, age)?, entry, held.route)?;
        }
        Ok(())
    }

    /// Notes how far the journal was drained. Books the refusals at the door; and, when the journal
    /// is damaged, the records that the counters know of and that did not come out.
    pub(super) fn book_counters(&mut self, run: u32, counters: &RunCounters, end: DrainEnd) {
        let Some(state) = self.control.runs.get_mut(&run) else { return };
        state.drained_to = end.to;
        for (door, reason) in DropReason::AT_THE_DOOR.into_iter().enumerate() {
            for lane in Lane::ALL {
                let state = self.control.runs.get_mut(&run);
                let refused = state.map_or(0, |state| state.take_refused(door, lane, counters));
                self.control.book_absent(lane, reason, refused);
            }
        }
        if end.damaged > 0 {
            self.book_lost(run, counters, DropReason::JournalLost);
        }
    }

    fn book_lost(&mut self, run: u32, counters: &RunCounters, reason: DropReason) {
        for lane in Lane::ALL {
            let lost = self.control.runs.get_mut(&run).map_or(0, |state| state.take_lost(lane, counters));
            self.control.book_absent(lane, reason, lost);
        }
    }

    /// Forgets runs before `current` of which no event is left, together with their contexts.
    pub fn forget_old_runs(&mut self, current: u32) -> Result<(), QueueError> {
        if self.is_salvaging() {
            return Ok(());
        }
        let is_past = |run: &RunState| {
            Lane::ALL.into_iter().all(|lane| *run.last_seq.get(lane) < self.control.lane(lane).first_seq)
        };
        let past = self.control.runs.iter().filter(|(id, run)| **id != current && run.done && is_past(run));
        let mut past: Vec<u32> = past.map(|(id, _)| *id).collect();
        if !past.is_empty() && self.control.apart.is_any() {
            let mut statement = self.db.prepare_cached("SELECT DISTINCT run FROM pending")?;
            let apart: HashSet<u32> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            past.retain(|run| !apart.contains(run));
        }
        if past.is_empty() {
            return Ok(());
        }
        self.transact(|queue| {
            for run in past {
                queue.db.prepare_cached("DELETE FROM contexts WHERE run = ?1")?.execute([run])?;
                queue.control.runs.remove(&run);
            }
            queue.control.context_bytes = contexts::bytes(&queue.db)?;
            Ok(())
        })
    }
}
