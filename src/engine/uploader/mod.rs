//! Chooses what to send next, builds the request, and commits what became of it. It does no I/O of
//! its own: the worker sends the request.
//!
//! [`Uploader::next`] returns the next request, or says when to ask again. [`Uploader::settle`]
//! takes the answer. What was sent is always written down in the queue first, so a process that is
//! killed between the two calls sends the same body again.
//!
//! - `target.rs`: what is known of each destination, and whether one of its lanes may send now;
//! - `batch.rs`: freezes a batch and leases its parts, one request at a time;
//! - `body.rs`: turns rows into a request's body;
//! - `guarded.rs`: calls of an exporter, which may have bugs;
//! - `routes.rs`: which destination gets which events;
//! - `ready.rs`: keeps the bodies that freezing a batch produced until their first send;
//! - `settle.rs`: what an answer means for a part;
//! - `open_views.rs`, `snapshots.rs`: views that are open, which are sent beside the batches.

mod batch;
mod body;
mod consequence;
mod guarded;
mod open_views;
mod ready;
pub(crate) mod routes;
mod settle;
mod snapshots;
mod target;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use batch::{Lease, lease};
use guarded::{Failure, Fault, Guarded};
pub use settle::Settled;
use target::{Situation, Target, Turn};

use crate::model::config::{Filter, SendPolicy};
use crate::model::event::Lane;
use crate::model::export::Exporter;
use crate::model::limits::{SHORTEST_WAIT, START_JITTER};
use crate::model::time::{BootTime, Clock};
use crate::policy::backoff;
use crate::policy::schedule::{Blocked, Conditions, Network};
use crate::storage::queue::state::PartState;
use crate::storage::queue::{Queue, QueueError};
use crate::wire::transport::Request;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this request.
    Send(Box<Outgoing>),
    /// Events wait, but not for now. Ask again after this time.
    Wait(Duration),
    /// Events wait for the end of a request that is under way.
    Busy,
    /// Events wait, and nothing is sent until the host's conditions change.
    Blocked(Blocked),
    /// No event waits.
    Idle,
}

/// A request, and the part of a batch that it carries.
#[derive(Debug)]
pub struct Outgoing {
    /// What to send.
    pub request: Request,
    /// What the request is known by: the destination, the place of its events and the body.
    pub key: String,
    /// What [`Uploader::settle`] needs to know about it.
    pub leased: Leased,
}

/// The part of a batch that a request carries.
#[derive(Debug)]
pub struct Leased {
    /// The destination's number in the queue.
    pub destination: u32,
    /// The lane that the events come from.
    pub lane: Lane,
    /// The part, as it was frozen.
    pub part: PartState,
    /// Bytes of the compressed body.
    pub bytes: u64,
    /// When the request was made.
    pub since: BootTime,
    /// For a request with snapshots of open views instead of a part: which ones.
    pub(crate) snapshots: open_views::Versions,
}

/// A destination: its number in the queue, its format, and which events are meant for it.
pub type Member = (u32, Arc<dyn Exporter>, Filter);

/// What the uploader keeps in memory between requests. At most one request is under way for each
/// destination, so that one that hangs does not keep the others waiting.
#[derive(Debug)]
pub struct Uploader {
    clock: Clock,
    policy: SendPolicy,
    targets: Vec<Target>,
    random: u64,
    conditions: Conditions,
    /// Whether the transport waits for a network itself.
    awaits_network: bool,
    /// Whether a flush is under way.
    flush: bool,
    /// The names of the destinations that the app has paused.
    paused: BTreeSet<String>,
    /// Whether the first upload after a start waits for a random time.
    jitter: bool,
    /// Panics of exporters that were caught.
    panics: Arc<AtomicU64>,
}

impl Uploader {
    /// Makes an uploader for the destinations that the queue was configured with, in the order in
    /// which they take turns.
    pub fn new(clock: Clock, policy: SendPolicy, exporters: Vec<Member>, seed: u64, jitter: bool) -> Self {
        let mut uploader = Self {
            clock,
            policy,
            jitter,
            targets: Vec::new(),
            random: seed | 1,
            conditions: Conditions::default(),
            awaits_network: false,
            flush: false,
            paused: BTreeSet::new(),
            panics: Arc::default(),
        };
        uploader.set_exporters(exporters);
        uploader
    }

    /// Replaces the destinations, after the queue was configured anew.
    pub fn set_exporters(&mut self, exporters: Vec<Member>) {
        let now = self.clock.boot();
        self.targets.clear();
        let guarded = |(id, exporter, filter)| (id, Guarded::new(exporter, filter, Arc::clone(&self.panics)));
        let (ids, mut members): (Vec<u32>, Vec<Guarded>) = exporters.into_iter().map(guarded).unzip();
        let wanted = routes::share(&mut members);
        for (id, exporter) in ids.into_iter().zip(members) {
            let rest = if self.jitter { self.jitter() } else { Duration::ZERO };
            self.targets.push(Target::new(id, exporter, wanted, now, rest));
        }
    }

    /// Panics of exporters that were caught since the last call.
    pub fn take_panics(&mut self) -> u64 {
        self.panics.swap(0, Ordering::Relaxed)
    }

    /// The next number of a linear congruential generator (Knuth's MMIX constants): it spreads
    /// load, and need not be unpredictable.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random ^ self.random >> 29
    }

    fn request_id(&mut self) -> Uuid {
        let (high, low) = (self.draw(), self.draw());
        uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
    }

    fn jitter(&mut self) -> Duration {
        START_JITTER.mul_f64((self.draw() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Takes the conditions that the host has reported at `at`. A network that comes back ends
    /// every backoff, after a random delay; what the backend asked for still holds. On the way to
    /// the background, what waits is sent without waiting for more.
    pub fn set_conditions(&mut self, conditions: Conditions, at: BootTime) {
        let back = self.conditions.network == Network::Offline && conditions.network != Network::Offline;
        let is_leaving = self.conditions.foreground && !conditions.foreground;
        self.conditions = conditions;
        // Requests may have failed since then: their backoffs end, too.
        let now = self.clock.boot();
        let rest = if back { self.jitter() } else { Duration::ZERO };
        for target in &mut self.targets {
            if back {
                target.forgive(now, at.after(rest));
            }
            if is_leaving {
                target.hurry();
                target.snapshots.hurry();
            }
        }
    }

    /// Whether the transport waits for a network itself: then it gets requests offline, too.
    pub fn set_awaits_network(&mut self, awaits_network: bool) {
        self.awaits_network = awaits_network;
    }

    /// The conditions under which a request that is made now is sent. The network that the
    /// transport waits for may be a metered one.
    fn to_be_met(&self) -> Conditions {
        let network = if self.awaits_it() { Network::Metered } else { self.conditions.network };
        Conditions { network, ..self.conditions }
    }

    fn awaits_it(&self) -> bool {
        self.awaits_network && self.conditions.network == Network::Offline
    }

    /// The conditions that the host reported last.
    pub fn conditions(&self) -> Conditions {
        self.conditions
    }

    /// Takes the names of the destinations that the app has paused: nothing is sent to them. What
    /// is not meant for them is passed over all the same, so that it does not fill the queue.
    pub fn set_paused(&mut self, names: BTreeSet<String>) {
        self.paused = names;
    }

    /// Starts or ends a flush. During a flush events are sent without waiting for more of them, and
    /// without regard to a jitter or backoff from before. The wait that a backend asked for, pauses
    /// and the host's conditions still hold.
    pub fn set_flush(&mut self, flush: bool) {
        let now = self.clock.boot();
        self.flush = flush;
        if flush {
            self.targets.iter_mut().for_each(|target| target.flush(now));
        }
    }

    /// Says what to do next: for a destination for which no request is under way, and whose name is
    /// not among those that are `busy` elsewhere.
    ///
    /// # Errors
    /// Those of the queue. Nothing has been leased then.
    pub fn next(&mut self, queue: &mut Queue, busy: &[String]) -> Result<Step, QueueError> {
        let situation = Situation {
            now: self.clock.boot(),
            flush: self.flush,
            conditions: self.to_be_met(),
            policy: self.policy,
            sent_today: queue.sent_today(),
            wall: self.clock.wall(),
            request_id: self.request_id(),
        };
        let mut wait: Option<Duration> = None;
        let mut blocked = None;
        let (mut is_busy, mut is_held) = (false, false);
        let mut faults: Vec<(u32, Fault)> = Vec::new();
        for target in &mut self.targets {
            target.compress_if_due(situation.now);
            if !target.is_busy && target.exporter.takes_losses() {
                target.exporter.tell(queue.untold(target.id)?);
            }
            let (mut due, mut passed) = (Vec::new(), Vec::new());
            let name = queue.destination_name(target.id).cloned().unwrap_or_default();
            let is_paused = self.paused.contains(&name);
            for lane in Lane::ALL {
                match target.turn(queue, lane, situation)? {
                    Turn::Nothing => {}
                    Turn::Pass => passed.push(lane),
                    Turn::Blocked(_) | Turn::Later(_) | Turn::Now if is_paused => is_held = true,
                    Turn::Blocked(reason) => blocked = Some(reason),
                    Turn::Later(left) => wait = sooner(wait, left),
                    Turn::Now => due.push(lane),
                }
            }
            for lane in passed {
                match batch::pass_over(queue, target, lane) {
                    Ok(Lease::Later(left)) => wait = sooner(wait, left),
                    Ok(_) => {}
                    Err(Failure::Queue(error)) => return Err(error),
                    Err(Failure::Exporter(fault)) => faults.push((target.id, fault)),
                }
            }
            if target.is_busy || busy.contains(&name) {
                is_busy |= target.is_busy || !due.is_empty();
                continue;
            }
            target.in_turn(&mut due);
            for lane in due {
                match lease(queue, target, lane, situation) {
                    Ok(Lease::Send(outgoing)) => return Ok(Step::Send(outgoing)),
                    Ok(Lease::Later(left)) => wait = sooner(wait, left),
                    Ok(Lease::Blocked(reason)) => blocked = Some(reason),
                    Ok(Lease::Nothing) => {}
                    Err(Failure::Queue(error)) => return Err(error),
                    // Another lane may have something that the exporter can encode.
                    Err(Failure::Exporter(fault)) => faults.push((target.id, fault)),
                }
            }
        }
        for target in &mut self.targets {
            let is_refused = queue.paused(target.id).or(queue.asked_to_wait(target.id)).is_some();
            let name = queue.destination_name(target.id).cloned().unwrap_or_default();
            let is_left_alone = target.is_busy || busy.contains(&name) || self.paused.contains(&name);
            if is_left_alone || is_refused || queue.is_salvaging() || target.rests(situation.now) {
                continue;
            }
            // What becomes of these requests is in no books, and so would be what they tell.
            target.exporter.take_told();
            match snapshots::next(queue, target, situation) {
                Ok(Lease::Send(outgoing)) => return Ok(Step::Send(outgoing)),
                Ok(Lease::Later(left)) => wait = sooner(wait, left),
                Ok(Lease::Blocked(reason)) => blocked = Some(reason),
                Ok(Lease::Nothing) => {}
                Err(Failure::Queue(error)) => return Err(error),
                Err(Failure::Exporter(fault)) => faults.push((target.id, fault)),
            }
        }
        for (id, fault) in faults {
            if queue.paused(id).is_none() {
                let after = backoff::pause(queue.pauses(id));
                queue.pause(id, after, fault.to_string())?;
                wait = sooner(wait, after);
            }
        }
        Ok(match (wait, blocked) {
            (Some(wait), _) => Step::Wait(wait.max(SHORTEST_WAIT)),
            (None, _) if is_busy => Step::Busy,
            // The network that is awaited need not be a metered one.
            (None, Some(Blocked::Metered)) if self.awaits_it() => Step::Blocked(Blocked::Offline),
            (None, Some(reason)) => Step::Blocked(reason),
            (None, None) if is_held => Step::Blocked(Blocked::Paused),
            (None, None) => Step::Idle,
        })
    }
}

fn sooner(known: Option<Duration>, new: Duration) -> Option<Duration> {
    Some(known.map_or(new, |known| known.min(new)))
}

#[cfg(test)]
mod tests;
