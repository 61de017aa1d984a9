//! The queue's books: what it knows of lanes, runs, destinations and batches, as it is stored
//! (`values.rs`).
//!
//! A field that a later version adds gets `#[serde(default)]`, so that the books of an older one
//! can be read.

use serde::{Deserialize, Serialize};

use super::ByLane;
use super::answers::Answers;
pub use super::kinds::Kinds;
use super::losses::Losses;
use super::sent::SentToday;
use crate::model::event::{EventKind, Lane};
use crate::model::ids::RunKey;
use crate::model::ledger::{DropReason, Ledger};
use crate::model::limits::{
    MAX_PARKED_PARTS, MAX_RUN_EVENTS, MAX_STUCK_PARTS, STUCK_AFTER, SUSPECT_EVERY, SUSPICIONS_TO_DIVIDE,
};
use crate::model::time::{BootId, BootTime, StoredDeadline, nanos, uptime_since};
use crate::storage::journal::RunCounters;

/// The books of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The sequence number that the next row gets. It only grows.
    pub next_seq: u64,
    /// The lowest sequence number that may still have a row.
    pub first_seq: u64,
    /// Rows in the lane's table.
    pub rows: u64,
    /// Bytes of the rows, with what each costs besides.
    pub bytes: u64,
    /// Events of the lane that have no row yet: those that are open, and those that are kept apart.
    pub held: u64,
    /// Events accepted since the queue exists, including those that were dropped.
    pub accepted: u64,
}

/// The queue age at which a sequence number was given. Stored as `[seq, age]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Mark {
    /// The sequence number.
    pub seq: u64,
    /// The age, ns.
    pub age: u64,
}

impl From<(u64, u64)> for Mark {
    fn from((seq, age): (u64, u64)) -> Self {
        Self { seq, age }
    }
}

impl From<Mark> for (u64, u64) {
    fn from(mark: Mark) -> Self {
        (mark.seq, mark.age)
    }
}

/// What the queue knows of one run of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The key of its ids, in hexadecimal.
    pub key: String,
    /// The wall time to which the time deltas of its events refer, ns since the Unix epoch.
    pub base_wall: u64,
    /// The journal offset up to which its records are in the queue.
    pub drained_to: u64,
    /// The journal offset up to which its crashes are in the queue: they are committed before the
    /// rest.
    pub crash_to: u64,
    /// Events taken from its journal.
    pub drained: ByLane<u64>,
    /// Events that its counters know of and that were given up as lost.
    pub lost: ByLane<u64>,
    /// Refusals booked so far, by reason in the order of [`DropReason::AT_THE_DOOR`].
    pub refused: [ByLane<u64>; 3],
    /// The highest sequence number among its rows; 0 when it has none.
    pub last_seq: ByLane<u64>,
    /// Whether its journal has been read to the end.
    pub done: bool,
}

impl RunState {
    /// The key; `None` when it is not a hexadecimal number of 128 bits.
    pub fn run_key(&self) -> Option<RunKey> {
        uuid::Uuid::try_parse(&self.key).ok().map(|id| RunKey(*id.as_bytes()))
    }

    /// Enters the events of a lane that the counters know of and that did not come out of the
    /// journal as lost. Returns how many they are.
    pub(super) fn take_lost(&mut self, lane: Lane, counters: &RunCounters) -> u64 {
        let known = self.drained.get(lane) + self.lost.get(lane);
        let missing = plausible(ByLane(counters.appended).get(lane).saturating_sub(known));
        *self.lost.get_mut(lane) += missing;
        missing
    }

    /// Enters the refusals of a lane at one door that have not been booked yet. Returns how many
    /// they are.
    pub(super) fn take_refused(&mut self, door: usize, lane: Lane, counters: &RunCounters) -> u64 {
        let (Some(now), Some(before)) = (counters.refused.get(door), self.refused.get_mut(door)) else { return 0 };
        let before = before.get_mut(lane);
        let new = plausible(ByLane(*now).get(lane).saturating_sub(*before));
        *before += new;
        new
    }
}

/// A difference of two counters, or 0 when it is so large that one of the counters must be damaged.
fn plausible(difference: u64) -> u64 {
    if difference < MAX_RUN_EVENTS { difference } else { 0 }
}

/// A signal of a destination to which nothing is sent for a while, because the backend refuses it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalPause {
    /// The signal.
    pub signal: u8,
    /// Until when.
    pub until: StoredDeadline,
    /// Why.
    pub reason: String,
    /// How many pauses there have been in a row.
    pub pauses: u32,
}

/// The books of a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationState {
    /// Its name in the configuration.
    pub name: String,
    /// A hash of its endpoint and headers: when they change, a pause is over.
    pub fingerprint: u64,
    /// The next sequence number to send.
    pub cursor: ByLane<u64>,
    /// Events that do not concern it: those that were gone before it was configured, and those that
    /// it does not want and another destination does.
    pub baseline: ByLane<u64>,
    /// Events delivered.
    pub delivered: ByLane<u64>,
    /// Drops that concern this destination alone.
    pub drops: DropList,
    /// Until when nothing at all is sent to it.
    pub paused: Option<StoredDeadline>,
    /// Why nothing at all is sent to it.
    pub pause_reason: String,
    /// The signals that are paused, and those that were and of which nothing was accepted since.
    #[serde(default)]
    pub signal_pauses: Vec<SignalPause>,
    /// Until when the backend has asked to be left alone (`Retry-After`).
    #[serde(default)]
    pub asked: Option<StoredDeadline>,
    /// How many pauses there have been in a row.
    pub pauses: u32,
    /// The queue age at which it last accepted something, ns.
    pub accepted_age: Option<u64>,
    /// The same for each signal: one of them may be down alone. Stored as `[signal, age]`.
    #[serde(default)]
    pub accepted_of: Vec<(u8, u64)>,
    /// What each signal's requests were answered with.
    #[serde(default)]
    pub answers: Answers,
    /// What was lost of it, if its backend wants to be told.
    #[serde(default)]
    pub losses: Option<Losses>,
    /// Whether it is no longer in the configuration.
    pub removed: bool,
}

impl DestinationState {
    /// Notes that something of a signal has been accepted.
    pub(super) fn accept(&mut self, signal: u8, age: u64) {
        self.accepted_age = Some(age);
        self.accepted_of.retain(|(of, _)| *of != signal);
        self.accepted_of.push((signal, age));
        self.answers.accept(signal);
        self.signal_pauses.retain(|pause| pause.signal != signal);
    }

    /// The queue age at which something of a signal was last accepted.
    pub(super) fn accepted_age_of(&self, signal: u8) -> Option<u64> {
        self.accepted_of.iter().find(|(of, _)| *of == signal).map(|(_, age)| *age)
    }

    /// Notes that the content of a part has been refused. Returns the part with the note of it.
    pub(super) fn refuse(&mut self, part: PartState) -> PartState {
        let refusals = if self.accepts_since_refusal(&part) { 1 } else { part.refusals.saturating_add(1) };
        self.answers.refuse(part.signal, part.refused_at.is_none());
        PartState { refusals, refused_at: Some(self.answers.of(part.signal).accepted), ..part }
    }

    /// Whether something of the same signal has been accepted since the content of this part, or of
    /// the one that it is a half of, was refused last.
    pub(super) fn accepts_since_refusal(&self, part: &PartState) -> bool {
        part.refused_at.is_some_and(|at| self.answers.of(part.signal).accepted > at)
    }

    /// Whether something of the same signal has been accepted since this part failed last.
    pub(super) fn accepts_others(&self, part: &PartState) -> bool {
        part.failed_age.is_some_and(|failed| self.accepted_age_of(part.signal) > Some(failed))
    }

    /// Whether a failure of a part at `age` speaks against the part: others were accepted. Once the
    /// part has been divided for that, further failures count only when time has passed: a backend
    /// that is overloaded fails on most requests for a while.
    pub(super) fn suspects(&self, part: &PartState, age: u64) -> bool {
        let is_soon = part.suspicions >= SUSPICIONS_TO_DIVIDE
            && part.suspected_age.is_some_and(|last| age.saturating_sub(last) < nanos(SUSPECT_EVERY));
        self.accepts_others(part) && !is_soon
    }
}

/// Counts of drops as they are stored: `[lane, reason, count]`, in the order in which they first
/// happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DropList(pub Vec<(u8, u8, u64)>);

impl DropList {
    /// Books drops.
    pub fn add(&mut self, lane: Lane, reason: DropReason, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|entry| entry.0 == lane.code() && entry.1 == reason.code()) {
            Some(entry) => entry.2 += count,
            None => self.0.push((lane.code(), reason.code(), count)),
        }
    }

    /// The counts by lane and reason. Reasons of a later version are left out.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for (lane, reason, count) in &self.0 {
            if let (Some(lane), Some(reason)) = (Lane::from_code(*lane), DropReason::from_code(*reason)) {
                ledger.add(lane, reason, *count);
            }
        }
        ledger
    }

    /// The drops of one lane, whatever their reasons.
    pub fn of_lane(&self, lane: Lane) -> u64 {
        self.ledger().iter().filter(|entry| entry.0 == lane).map(|entry| entry.2).sum()
    }
}

/// A part of a batch: what goes out in one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Its number, unique within the batch.
    pub id: u32,
    /// The exporter's own number for the kind of request.
    pub signal: u8,
    /// The first sequence number.
    pub from: u64,
    /// The last sequence number.
    pub to: u64,
    /// The kinds of events that had its signal when it was frozen: its rows are those of these
    /// kinds in its range, whatever a later exporter makes of them.
    #[serde(default)]
    pub kinds: Kinds,
    /// Kinds of which rows behind its first row are not its own, while it is deferred: they were
    /// left out, or are in another part. Of a part of an older version that is not known.
    #[serde(default = "Kinds::all")]
    pub apart: Kinds,
    /// How many rows it has.
    pub rows: u64,
    /// How often it was halved. Parts with a lower depth are sent first, so that both halves of a
    /// part are heard before one of them is halved again.
    pub depth: u32,
    /// The number that the two halves of one part share; 0 for a part that was never halved.
    #[serde(default)]
    pub family: u32,
    /// Whether the other half of the same part was refused.
    pub sibling_refused: bool,
    /// How often it was sent.
    pub attempts: u32,
    /// The status of the last answer; `None` when there was none.
    #[serde(default)]
    pub last_status: Option<u16>,
    /// The queue age at which the backend last answered it with an error that is to be retried, ns.
    #[serde(default)]
    pub failed_age: Option<u64>,
    /// How many requests of its signal had been accepted when what is in it was refused last.
    #[serde(default)]
    pub refused_at: Option<u64>,
    /// How often it was refused since then, the last time included.
    #[serde(default)]
    pub refusals: u32,
    /// How often that happened while the backend accepted other parts.
    #[serde(default)]
    pub suspicions: u32,
    /// The queue age at which that was counted last, ns.
    #[serde(default)]
    pub suspected_age: Option<u64>,
    /// Whether it is a crash on which the backend fails: it is sent once a day until it is too old.
    #[serde(default)]
    pub is_parked: bool,
    /// Whether it is what has come of a signal that is paused, or of which too many parts wait: it
    /// has any number of rows, none of which was encoded or sent. Parts are taken from its front
    /// when the signal may be sent again.
    #[serde(default)]
    pub is_deferred: bool,
    /// The version of the exporter that encoded it.
    pub version: u32,
    /// SHA-256 of the uncompressed body, in hexadecimal.
    pub hash: String,
    /// When it may be sent again at the earliest.
    pub not_before: Option<StoredDeadline>,
}

impl PartState {
    /// Whether it has failed so often that the rows behind it are not to wait for it.
    pub fn is_stuck(&self) -> bool {
        self.is_parked || self.attempts >= STUCK_AFTER
    }

    /// Whether it has been set aside because the backend refuses it. It waits for its time,
    /// whatever is flushed meanwhile.
    pub fn is_set_aside(&self) -> bool {
        self.is_stuck() && self.refused_at.is_some()
    }

    /// Forgets how it was answered: it may have been another backend.
    pub(super) fn forget_refusals(&mut self) {
        if self.refused_at.take().is_some() {
            (self.attempts, self.refusals, self.not_before, self.sibling_refused) = (0, 0, None, false);
        }
    }
}

/// A frozen batch of one destination and lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchState {
    /// The first sequence number.
    pub from: u64,
    /// The last sequence number.
    pub to: u64,
    /// The parts that are not settled.
    pub parts: Vec<PartState>,
    /// The number that the next part gets.
    pub next_part: u32,
}

impl BatchState {
    /// Rows that are not settled.
    pub fn open_rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// Whether the rows behind the batch may be frozen too: every part has failed several times, so
    /// that the backend may be failing on them alone, or is of a signal that is paused.
    pub fn may_grow(&self, is_paused: impl Fn(&PartState) -> bool) -> bool {
        let (parked, waiting): (Vec<_>, Vec<_>) = self.parts.iter().partition(|part| part.is_parked);
        waiting.iter().all(|part| part.is_stuck() || part.is_deferred || is_paused(part))
            && parked.len() <= MAX_PARKED_PARTS
    }

    /// Whether as many parts of a signal wait as may. Those that were refused do not count: only
    /// what comes behind them shows whether they are at fault.
    pub fn is_full_of(&self, signal: u8) -> bool {
        let is_aside = |part: &PartState| part.is_deferred || part.is_parked || part.refused_at.is_some();
        let is_waiting = |part: &&PartState| part.signal == signal && !is_aside(part);
        self.parts.iter().filter(is_waiting).count() >= MAX_STUCK_PARTS
    }

    /// Whether further rows of a signal are not encoded, because others of it are not either or
    /// because too many of its parts wait.
    pub fn defers(&self, signal: u8) -> bool {
        self.is_full_of(signal) || self.parts.iter().any(|part| part.is_deferred && part.signal == signal)
    }

    /// Whether a row of this kind is in one of its parts. When the kind is not known, it may be.
    pub(super) fn covers(&self, seq: u64, kind: Option<EventKind>) -> bool {
        let has = |part: &&PartState| kind.is_none_or(|kind| !part.kinds.is_known() || part.kinds.has(kind));
        self.parts.iter().filter(has).any(|part| (part.from..=part.to).contains(&seq))
    }

    /// Notes that rows of these kinds, behind the first row of the parts that are deferred, are in
    /// none of these.
    pub(super) fn set_apart(&mut self, kinds: Kinds) {
        self.parts.iter_mut().filter(|part| part.is_deferred).for_each(|part| part.apart.merge(kinds));
    }

    /// Adds rows of a signal that may not be sent now to those that have been deferred before. They
    /// become a part of their own if another filter or version was in between: a part has every row
    /// of its kinds in its range.
    pub(super) fn defer(&mut self, new: PartState) {
        let goes_on = |part: &PartState| {
            let is_whole = !part.apart.has_any(part.kinds) && !part.apart.has_any(new.kinds);
            part.is_deferred && is_whole && (part.signal, part.version) == (new.signal, new.version)
        };
        let found = self.parts.iter().find(|part| goes_on(part)).map(|part| part.id);
        let others = self.parts.iter_mut().filter(|part| part.is_deferred && Some(part.id) != found);
        others.for_each(|part| part.apart.merge(new.kinds));
        match self.parts.iter_mut().find(|part| Some(part.id) == found) {
            Some(part) => {
                part.to = new.to;
                part.rows += new.rows;
                part.kinds.merge(new.kinds);
            }
            None => self.push(PartState { is_deferred: true, ..new }),
        }
    }

    /// Adds a part under a number of its own. Parts stand in the order in which they are sent.
    pub(super) fn push(&mut self, part: PartState) {
        let id = self.next_part;
        self.next_part += 1;
        self.parts.push(PartState { id, ..part });
        self.parts.sort_by_key(|part| (part.depth, part.id));
    }

    /// Notes at the other half of a part that this half was refused.
    pub(super) fn refuse_sibling(&mut self, refused: &PartState) {
        let siblings = self.parts.iter_mut().filter(|part| part.family == refused.family && part.family > 0);
        siblings.filter(|part| part.id != refused.id).for_each(|part| part.sibling_refused = true);
    }
}

/// The rest of the books: what concerns neither a lane, nor a run, nor a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// The number of the newest run.
    pub next_run: u32,
    /// The number of the newest destination.
    pub next_destination: u32,
    /// Drops that concern every destination.
    pub drops: DropList,
    /// What was sent on the last day on which something was sent.
    pub sent_today: SentToday,
    /// Uploads that failed since the last success.
    pub retries: u64,
    /// Database and journal files that were set aside because they were damaged or killed their
    /// reader.
    pub quarantined_files: u64,
    /// Drops that have been reported as events, by reason.
    pub reported: Vec<u64>,
    /// Something happened while journals of earlier runs were unread: what is found aside in them
    /// is released, too.
    #[serde(default)]
    pub release_again: bool,
}

/// The clock by which rows age: boot time, summed over boots, so that a change of the wall clock
/// ages no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeClock {
    boot: u64,
    at: u64,
    age: u64,
}

impl AgeClock {
    /// The age now, ns. After a reboot nobody knows how long the device was off: only the uptime of
    /// the new boot counts, and no uptime counts twice.
    pub fn read(&self, boot: BootId, now: BootTime) -> u64 {
        self.age.saturating_add(uptime_since((BootId(self.boot), BootTime(self.at)), (boot, now)))
    }

    /// The clock as it is to be stored now.
    pub fn set(&self, boot: BootId, now: BootTime) -> Self {
        Self { boot: boot.0, at: now.0, age: self.read(boot, now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_age_by_boot_time_alone() {
        let clock = AgeClock::default().set(BootId(1), BootTime(1_000));
        assert_eq!(clock.read(BootId(1), BootTime(5_000)), 5_000);
        let later = clock.set(BootId(1), BootTime(5_000));
        assert_eq!(later.read(BootId(2), BootTime(10)), 5_010);
        assert_eq!(later.read(BootId(1), BootTime(4_000)), 5_000);
    }

    #[test]
    fn a_boot_that_changes_its_id_ages_nothing_by_the_whole_uptime() {
        let clock = AgeClock::default().set(BootId(1), BootTime(1_000));
        let day = clock.set(BootId(2), BootTime(1_060));
        assert_eq!(day.read(BootId(2), BootTime(1_070)), 1_070);
        assert_eq!(day.read(BootId(3), BootTime(1_080)), 1_080);
    }
}
