//! Events that a backend refuses, and backends that refuse everything.

use std::collections::{HashMap, HashSet};

use super::formats::{HOUR, LINES, lines, world};
use super::*;
use crate::storage::queue::DestinationBooks;

const MINUTE: Duration = Duration::from_secs(60);

/// A backend, and what it has been sent.
struct Backend {
    world: World,
    /// What it refuses, in whatever request it comes.
    poison: HashSet<String>,
    /// Whether it refuses everything.
    is_broken: bool,
    accepted: HashSet<String>,
    /// How often each event was sent and refused.
    refused: HashMap<String, u32>,
    requests: u32,
}

impl Backend {
    /// One that has accepted something.
    fn new(dir: &Path) -> Self {
        let world = world(dir, 0, LINES);
        let (poison, accepted, refused) = (HashSet::new(), HashSet::new(), HashMap::new());
        let mut backend = Self { world, poison, is_broken: false, accepted, refused, requests: 0 };
        backend.record(1);
        backend.pass(MINUTE);
        backend
    }

    /// Records actions. Returns their ids.
    fn record(&mut self, events: usize) -> Vec<String> {
        let tap = || self.world.recorder.record(&Action::tap("buy")).unwrap().to_string();
        let ids = (0..events).map(|_| tap()).collect();
        self.world.record(0);
        ids
    }

    /// Lets time pass and answers everything that is sent.
    fn pass(&mut self, time: Duration) {
        self.world.clock.advance(time);
        while let Some(outgoing) = self.world.next() {
            self.requests += 1;
            let ids: Vec<String> = lines(&outgoing).into_iter().skip(1).collect();
            let refuses = self.is_broken || ids.iter().any(|id| self.poison.contains(id));
            if refuses {
                ids.into_iter().for_each(|id| *self.refused.entry(id).or_default() += 1);
            } else {
                self.accepted.extend(ids);
            }
            self.world.settle(&outgoing, answer(if refuses { 400 } else { 200 }, None));
        }
    }

    fn books(&mut self) -> DestinationBooks {
        self.world.queue.books().unwrap().remove(0)
    }

    fn rejected(&mut self) -> u64 {
        self.books().dropped.of(DropReason::Rejected)
    }
}

#[test]
fn events_that_are_refused_hold_up_no_other_and_are_dropped_when_others_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut backend = Backend::new(dir.path());
    // One screen records the same event at fault again and again, and nothing else.
    for _ in 0..10 {
        let odd = backend.record(1);
        backend.poison.extend(odd);
        backend.pass(MINUTE);
    }
    assert!(backend.poison.iter().all(|id| backend.refused.contains_key(id)));
    assert_eq!(backend.books().dropped.total(), 0, "it may be the backend's fault");
    let next = backend.record(1).remove(0);
    backend.pass(Duration::ZERO);
    assert!(backend.accepted.contains(&next), "it does not wait for those");
    let mut minutes = 0;
    while backend.rejected() < 10 {
        minutes += 1;
        assert!(minutes < 24 * 60, "{:?}", backend.books());
        backend.record(1);
        backend.pass(MINUTE);
    }
    assert_eq!((backend.books().queued, backend.books().dropped.total()), (0, 10));
}

#[test]
fn a_large_batch_with_many_events_at_fault_loses_those_alone() {
    for every in [3, 10, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut backend = Backend::new(dir.path());
        let ids = backend.record(500);
        backend.poison = ids.iter().skip(1).step_by(every).cloned().collect();
        backend.pass(Duration::ZERO);
        assert_eq!(backend.books().paused, None, "every {every}th");
        for _ in 0..24 * 4 {
            backend.record(1);
            backend.pass(15 * MINUTE);
        }
        let is_right = |id: &String| backend.accepted.contains(id) != backend.poison.contains(id);
        assert!(ids.iter().all(is_right), "every {every}th");
        // Where most neighbours are at fault too, some are still set aside, and hold up nothing.
        let (at_fault, aside) = (backend.poison.len() as u64, backend.books().queued);
        assert_eq!(backend.rejected() + aside, at_fault, "every {every}th");
        assert!(aside == 0 || every == 3, "every {every}th: {aside}");
    }
}

#[test]
fn a_backend_that_refuses_everything_for_a_day_is_not_flooded_and_costs_nothing() {
    for at_once in [1, 50] {
        let dir = tempfile::tempdir().unwrap();
        let mut backend = Backend::new(dir.path());
        backend.is_broken = true;
        let before = backend.requests;
        let mut ids = Vec::new();
        for _ in 0..24 * 6 {
            ids.extend(backend.record(at_once));
            backend.pass(10 * MINUTE);
        }
        let requests = backend.requests - before;
        assert!(requests < 200, "{requests} requests");
        backend.is_broken = false;
        for _ in 0..72 {
            backend.pass(HOUR);
        }
        let books = backend.books();
        assert_eq!((books.queued, books.dropped.of(DropReason::Rejected)), (0, 0), "{books:?}");
    }
}

#[test]
fn a_backend_that_refuses_everything_now_and_again_costs_few_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut backend = Backend::new(dir.path());
    for _ in 0..3 {
        backend.is_broken = true;
        for _ in 0..20 {
            backend.record(1);
            backend.pass(MINUTE);
        }
        // One request gets through.
        backend.is_broken = false;
        backend.world.clock.advance(HOUR);
        let outgoing = backend.world.next().unwrap();
        backend.world.settle(&outgoing, accepted());
        backend.is_broken = true;
        backend.pass(HOUR);
    }
    backend.is_broken = false;
    for _ in 0..48 {
        backend.pass(HOUR);
    }
    assert_eq!(backend.books().queued, 0);
    assert!(backend.rejected() <= 9, "three an outage at most: {:?}", backend.books());
}

#[test]
fn a_backend_that_begins_to_refuse_everything_holds_few_crashes_for_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let mut backend = Backend::new(dir.path());
    let crash = |backend: &mut Backend| {
        let id = backend.world.recorder.record(&ErrorEvent::crash("SIGSEGV", "null", "")).unwrap().to_string();
        backend.world.record(0);
        id
    };
    backend.is_broken = true;
    let mut first = Vec::new();
    for _ in 0..10 {
        first.push(crash(&mut backend));
        backend.pass(MINUTE);
    }
    backend.pass(MINUTE);
    assert!(backend.accepted.iter().all(|id| !first.contains(id)));
    // One request gets through, which makes what was refused before look as if it were at fault.
    backend.is_broken = false;
    backend.record(1);
    backend.pass(MINUTE);
    backend.is_broken = true;
    backend.pass(HOUR);
    let waiting = |id: &&String| !backend.accepted.contains(*id);
    assert_eq!(first.iter().filter(waiting).count(), 10, "they wait until the backend is broken again");
    let batch = backend.world.queue.batch(1, Lane::Crash).unwrap();
    let parked = batch.parts.iter().filter(|part| part.is_parked).count();
    assert!(parked <= 3, "{parked} wait for a day");
    backend.is_broken = false;
    backend.pass(HOUR);
    let missing = first.iter().filter(|id| !backend.accepted.contains(*id)).count();
    assert!(missing <= 3, "{missing} crashes still wait");
    backend.pass(25 * HOUR);
    assert!(first.iter().all(|id| backend.accepted.contains(id)));
    assert_eq!(backend.books().dropped.total(), 0);
}
